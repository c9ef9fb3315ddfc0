use std::{net::SocketAddr, sync::Arc, time::Duration};

use ripstop_decide::Endpoint;
use ripstop_identity::{
    Anchors, Bundles, CertificateAuthority, ClientAuth, Svid, client_config, new_csr, peer_id, server_config,
};
use ripstop_model::{
    Change, DataplaneMode, Enrolment, MeshConfig, SpiffeId, TrustAnchor, TrustDomain, TunnelProtocol, Workload,
    WorkloadUid,
};
use ripstop_tunnel::{ConnectRequest, Credentials, TunnelError, TunnelKey, TunnelPool, TunnelStream, accept};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::spawn_local,
    time::timeout,
};

use super::*;
use crate::{
    backends::{Backends, testing::workload},
    far_end::{self, FarEnd},
    inbound,
    local::LocalWorkload,
    testing::{LONG, Played, Worker, pair, run, until},
};

/// One of two authorities of `partner.example`.
struct Partner {
    authority: CertificateAuthority,
    _directory: tempfile::TempDir,
}

impl Partner {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let authority = CertificateAuthority::load_or_create(directory.path(), &Self::domain()).unwrap();
        Self { authority, _directory: directory }
    }

    fn domain() -> TrustDomain {
        "partner.example".parse().unwrap()
    }

    fn svid(&self) -> Svid {
        let (key, csr) = new_csr().unwrap();
        let id = SpiffeId::service_account(&Self::domain(), "ns", "peer").unwrap();
        Svid::new(&self.authority.issue(&csr, &id, Duration::from_secs(3600)).unwrap().pem(), key).unwrap()
    }

    /// Whom it believes: the mesh, too.
    fn believed(&self, mesh: &CertificateAuthority) -> Bundles {
        let anchor = TrustAnchor { domains: vec![TrustDomain::default()], pem: mesh.roots().to_pem().into() };
        let settings = MeshConfig { trust_anchors: vec![anchor], ..MeshConfig::default() };
        Anchors::of_mesh(&settings).beside(self.authority.roots(), &Self::domain())
    }
}

/// The settings of a mesh that believes these.
fn believing(partners: &[&Partner]) -> MeshConfig {
    let anchor = |partner: &&Partner| TrustAnchor {
        domains: vec![Partner::domain()],
        pem: partner.authority.roots().to_pem().into(),
    };
    MeshConfig {
        trust_anchors: partners.iter().map(anchor).collect(),
        federated_domains: vec![Partner::domain()],
        ..MeshConfig::default()
    }
}

/// An enrolled workload at 127.0.0.1.
fn web() -> Workload {
    Workload {
        addresses: vec!["127.0.0.1".parse().unwrap()],
        tunnel: TunnelProtocol::Hbone,
        enrolment: Enrolment { mode: DataplaneMode::Node, decided_by: None },
        ..workload("web", 1)
    }
}

/// A worker of a mesh with these settings.
async fn worker(mesh: &MeshConfig) -> Worker {
    let changes = [Change::Mesh(Arc::new(mesh.clone())), Change::Workload(Arc::new(web()))];
    let worker = Worker::new(changes, Backends::new).await;
    worker.context.shared.certificates.follow(mesh);
    worker
}

/// A caller of the other trust domain, with tunnels of its own.
struct Stranger {
    pool: TunnelPool,
    key: TunnelKey,
    credentials: Credentials,
}

impl Stranger {
    fn new(partner: &Partner, worker: &Worker) -> Self {
        let (svid, (web, mesh)) = (partner.svid(), worker.issue("web"));
        let expected: Arc<[SpiffeId]> = [web.id].into();
        let config = client_config(&svid, partner.believed(&mesh), expected.clone(), &[b"h2"]);
        let key = TunnelKey {
            source: svid.id.clone(),
            source_uid: WorkloadUid::process("c", "ns", "stranger"),
            source_ip: "127.0.0.1".parse().unwrap(),
            destination: "127.0.0.1:15008".parse().unwrap(),
            expected,
        };
        Self { pool: TunnelPool::default(), key, credentials: Credentials { config, generation: 1 } }
    }

    async fn open(&self, worker: &Worker, called: SocketAddr) -> Result<TunnelStream, TunnelError> {
        let request = ConnectRequest::new(called.to_string().parse().unwrap());
        let context = worker.context.clone();
        let dial = || {
            let context = context.clone();
            async move {
                let (caller, stream, peer) = pair().await;
                spawn_local(inbound::serve(context, LocalWorkload::new(web().uid), stream, peer));
                Ok(caller)
            }
        };
        self.pool.open(&self.key, &self.credentials, dial, &request).await
    }
}

#[test]
fn callers_whose_root_is_withdrawn_lose_what_they_have_open() {
    run(async {
        let (old, new) = (Partner::new(), Partner::new());
        let worker = worker(&believing(&[&old, &new])).await;
        let _certificate = worker.holds("web").await;
        let application = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let called = application.local_addr().unwrap();
        let callers = [Stranger::new(&old, &worker), Stranger::new(&new, &worker)];
        let mut open = Vec::new();
        for caller in &callers {
            let mut stream = caller.open(&worker, called).await.unwrap();
            let mut far = timeout(LONG, application.accept()).await.unwrap().unwrap().0;
            stream.write_all(b"x").await.unwrap();
            assert_eq!(far.read_u8().await.unwrap(), b'x');
            open.push((stream, far));
        }
        worker.context.shared.certificates.follow(&believing(&[&new]));
        let (mut lost, mut its) = open.remove(0);
        assert!(timeout(LONG, lost.read(&mut [0; 1])).await.unwrap().is_err());
        let end = timeout(LONG, its.read(&mut [0; 1])).await.unwrap();
        assert!(end.as_ref().map_or(true, |bytes| *bytes == 0), "{end:?}");
        worker.connections.tells("not trusted any more").await;
        until(|| callers[0].pool.tunnels() == 0).await;
        assert!(callers[0].open(&worker, called).await.is_err());
        // The domain is believed still, and who is of its other authority notices nothing.
        let (mut stays, mut its) = open.remove(0);
        stays.write_all(b"y").await.unwrap();
        assert_eq!(its.read_u8().await.unwrap(), b'y');
        assert_eq!(worker.context.peers.0.borrow().known.len(), 1);
        drop(stays);
        drop(callers);
        until(|| worker.context.peers.0.borrow().known.is_empty()).await;
    });
}

/// A stream to an echo of the other trust domain.
async fn opened(worker: &Worker, partner: &Partner) -> TunnelStream {
    let (_, mesh) = worker.issue("web");
    let (server, svid) = (Played::new().await, partner.svid());
    let expected = svid.id.clone();
    let tls = server_config(&svid, partner.believed(&mesh), ClientAuth::Required, &[b"h2"]);
    let address = server.address();
    spawn_local(async move {
        let accepted = accept(server.accept().await, tls).await.unwrap();
        let peer = peer_id(accepted.peer_certificates().unwrap()).unwrap();
        let echo = |incoming: ripstop_tunnel::IncomingStream| async {
            let (mut read, mut write) = tokio::io::split(incoming.accept(None).unwrap());
            let _ = tokio::io::copy(&mut read, &mut write).await;
        };
        let _ = accepted.serve(peer, echo, std::future::pending()).await;
    });
    let there = Workload { trust_domain: Partner::domain(), ..workload("peer", 2) };
    let endpoint = Endpoint { workload: Arc::new(there), target: address, tunnel: true, expected: vec![expected] };
    let own = SpiffeId::service_account(&TrustDomain::default(), "ns", "web").unwrap();
    let credential = worker.context.shared.certificates.get(&own).unwrap();
    let from = "127.0.0.1:4000".parse().unwrap();
    let opened = far_end::open(&worker.context, &web(), &endpoint, None, from, &credential, address).await.unwrap();
    let FarEnd::Tunnel(mut stream) = opened else { panic!("{opened:?}") };
    stream.write_all(b"x").await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'x');
    stream
}

#[test]
fn callees_whose_root_is_withdrawn_lose_what_was_opened_to_them() {
    run(async {
        let (old, new) = (Partner::new(), Partner::new());
        let worker = worker(&believing(&[&old, &new])).await;
        let _certificate = worker.holds("web").await;
        let mut open = [opened(&worker, &old).await, opened(&worker, &new).await];
        assert_eq!(worker.context.tunnels.tunnels(), 2);
        worker.context.shared.certificates.follow(&believing(&[&new]));
        let error = timeout(LONG, open[0].read(&mut [0; 1])).await.unwrap().unwrap_err();
        assert!(error.to_string().contains("not trusted any more"), "{error}");
        until(|| worker.context.tunnels.tunnels() == 1).await;
        open[1].write_all(b"y").await.unwrap();
        assert_eq!(open[1].read_u8().await.unwrap(), b'y');
    });
}

#[test]
fn tunnels_without_connections_end_when_the_mesh_says_so() {
    run(async {
        let partner = Partner::new();
        let worker = worker(&believing(&[&partner])).await;
        let _certificate = worker.holds("web").await;
        let stream = opened(&worker, &partner).await;
        assert_eq!(worker.context.tunnels.tunnels(), 1);
        drop(stream);
        // What is open already hears of it, too.
        worker.defaults(|defaults| defaults.tunnel_idle = Some(Duration::from_millis(50)));
        until(|| worker.context.tunnels.tunnels() == 0).await;
    });
}

/// Whom the mesh trusts may change while a handshake is under way.
#[test]
fn who_is_withdrawn_before_it_is_looked_after_is_noticed() {
    run(async {
        let (old, new) = (Partner::new(), Partner::new());
        let worker = worker(&believing(&[&old, &new])).await;
        let certificates = &worker.context.shared.certificates;
        let (web, _) = worker.issue("web");
        let before = certificates.believed(&TrustDomain::default());
        let proof = Proof::of_client(&web.id, old.svid().chain(), Some(&before), std::time::SystemTime::now()).unwrap();
        certificates.follow(&believing(&[&new]));
        let mut distrusted = worker.context.peers.watch(proof, certificates);
        let reason = timeout(LONG, &mut distrusted).await.unwrap();
        assert!(reason.contains("was refused by spiffe://cluster.local/ns/ns/sa/web"), "{reason}");
        // It has said so, and says nothing more.
        assert!(is_pending(&mut distrusted).await);
        assert!(worker.context.peers.0.borrow().known.is_empty());
    });
}

/// Whether it is pending.
async fn is_pending(distrusted: &mut Distrusted) -> bool {
    std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut *distrusted).poll(cx).is_pending())).await
}
