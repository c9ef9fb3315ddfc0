//! Whole workers: connections are dealt to them as listeners do, and prepared sockets given as the agent does.

use std::{os::fd::OwnedFd, sync::OnceLock, time::Duration};

use arc_swap::ArcSwap;
use ripstop_decide::{PROXY_PORTS, Program};
use ripstop_identity::{CertificateAuthority, Svid, SvidStore, client_config, new_csr};
use ripstop_model::{Change, DataplaneMode, Enrolment, Health, TrustDomain, TunnelProtocol, WorkloadUid};
use ripstop_telemetry::{AccessLog, Registry};
use ripstop_tunnel::{ConnectRequest, Credentials, TunnelError, TunnelKey, TunnelPool, TunnelStream};
use ripstop_xds::{Link, LinkConfig, Role};
use socket2::{Domain, Socket, Type};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::{JoinHandle, LocalSet},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    backends::Backends,
    certificates::{Certificates, Use},
    local::PLACES,
    sight::Outlets,
    sockets::Refill,
    testing::{LONG, Log, any, deal, future_size, until},
    worker::{Capture, Crew, Shared},
};

/// One worker that serves one workload at 127.0.0.1, and a caller.
struct World {
    crew: Arc<Crew>,
    shared: Arc<Shared>,
    workload: Arc<LocalWorkload>,
    log: Log,
    tunnels: TunnelPool,
    key: TunnelKey,
    credentials: Credentials,
    /// Wishes that nobody has fulfilled.
    wishes: Arc<OnceLock<mpsc::Receiver<Refill>>>,
    agent: Option<JoinHandle<()>>,
    _certificate: Use,
    _directory: tempfile::TempDir,
}

/// Whether the agent gives sockets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Agent {
    Gives,
    IsSlow,
}

impl World {
    async fn new(agent: Agent) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let domain = TrustDomain::default();
        let authority = CertificateAuthority::load_or_create(&path("authority"), &domain).unwrap();
        let svid = |account: &str| {
            let (key, csr) = new_csr().unwrap();
            let id = SpiffeId::service_account(&domain, "ns", account).unwrap();
            let chain = authority.issue(&csr, &id, Duration::from_secs(3600)).unwrap();
            Svid::new(&chain.pem(), key).unwrap()
        };
        std::fs::write(path("root.pem"), authority.roots().to_pem()).unwrap();
        let (server, client) = (svid("a"), svid("caller"));
        let state = path("state");
        SvidStore::open(state.join("svids")).unwrap().save(&server).unwrap();
        let link = LinkConfig {
            // Nobody: what is needed is on disk.
            control: "127.0.0.1:9".parse().unwrap(),
            role: Role::Node,
            name: "n".into(),
            state: state.clone(),
            root_cert: path("root.pem"),
            token_file: path("token"),
            types: Vec::new(),
        };
        let (link, _updates) = Link::start(link).await.unwrap();
        let certificates = Arc::new(Certificates::open(&state.join("svids"), link).unwrap());
        let certificate = certificates.acquire(&server.id, LONG).await.unwrap();
        let log = Log::default();
        let shared = Arc::new(Shared {
            snapshot: ArcSwap::from_pointee(program()),
            changed: watch::channel(0).0,
            certificates,
            backends: Backends::new(&state),
            ingress_tls: crate::ingress_tls::IngressTls::new(Arc::new(crate::trusted_files::TrustedFiles::outside(
                &state,
            ))),
            access_log: AccessLog::start(log.clone()).unwrap(),
            outlets: Outlets::start(std::io::sink()).unwrap(),
            registry: Registry::default(),
            rate_limits: crate::rate_limits::RateLimits::default(),
            retry_budgets: crate::retry_budgets::RetryBudgets::default(),
            concurrency: crate::concurrency::Concurrencies::default(),
            global_limits: crate::global_limits::GlobalLimits::default(),
            connection_limits: crate::connection_limits::ConnectionLimits::default(),
            policy_counts: crate::policy_counts::PolicyCounts::default(),
            inbound_pools: crate::inbound_pools::InboundPools::default(),
            inventory: crate::inspect::Inventory::default(),
            crossings: crate::waypoint::Crossings::default(),
            draining: CancellationToken::new(),
            shutdown: CancellationToken::new(),
        });
        let (refills, mut wished) = mpsc::channel(8);
        let crew = Crew::start(1, &shared, &refills.into()).unwrap();
        let wishes = Arc::new(OnceLock::new());
        let agent = if agent == Agent::Gives {
            let crew = crew.clone();
            Some(tokio::spawn(async move {
                while let Some(wish) = wished.recv().await {
                    let socket = || OwnedFd::from(Socket::new(Domain::IPV4, Type::STREAM, None).unwrap());
                    let sockets = std::iter::repeat_with(socket).take(wish.count).collect();
                    crew.deliver(wish.worker, wish.key, Ok(sockets)).await;
                }
            }))
        } else {
            wishes.set(wished).unwrap();
            None
        };
        let credentials = Credentials {
            config: client_config(&client, authority.roots(), vec![server.id.clone()], &[b"h2"]),
            generation: 1,
        };
        let key = TunnelKey {
            source: client.id.clone(),
            source_uid: WorkloadUid::process("c", "ns", "caller-0"),
            source_ip: "127.0.0.1".parse().unwrap(),
            destination: "127.0.0.1:15008".parse().unwrap(),
            expected: vec![server.id].into(),
        };
        Self {
            crew,
            shared,
            workload: LocalWorkload::new(uid()),
            log,
            tunnels: TunnelPool::default(),
            key,
            credentials,
            wishes,
            agent,
            _certificate: certificate,
            _directory: directory,
        }
    }

    /// Opens a connection to `port` of the workload through a tunnel.
    async fn open(&self, port: u16) -> Result<TunnelStream, TunnelError> {
        let request = ConnectRequest::new(format!("127.0.0.1:{port}").parse().unwrap());
        let dial = || {
            let (crew, workload) = (self.crew.clone(), self.workload.clone());
            async move { Ok(deal(&crew, &workload, Capture::Tunnel).await) }
        };
        self.tunnels.open(&self.key, &self.credentials, dial, &request).await
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.shared.shutdown.cancel();
        if let Some(agent) = &self.agent {
            agent.abort();
        }
    }
}

fn uid() -> WorkloadUid {
    WorkloadUid::process("c", "ns", "a-0")
}

fn program() -> Program {
    let workload = Workload {
        uid: uid(),
        name: "a-0".into(),
        namespace: "ns".into(),
        addresses: vec!["127.0.0.1".parse().unwrap()],
        node: "n".into(),
        service_account: "a".into(),
        trust_domain: TrustDomain::default(),
        labels: [].into(),
        workload_name: "a".into(),
        canonical_name: "a".into(),
        canonical_revision: "latest".into(),
        tunnel: TunnelProtocol::Hbone,
        native_tunnel: false,
        quarantine: None,
        group: None,
        waypoint: None,
        kind: ripstop_model::ProcessKind::Command,
        enrolment: Enrolment { mode: DataplaneMode::Node, decided_by: None },
        health: Health::Healthy,
        services: Vec::new(),
        cluster: "c".into(),
    };
    Program::default().with(1, [Change::Workload(Arc::new(workload))])
}

/// Streams of a tunnel are connections of the workload, though they come through one connection.
#[tokio::test]
async fn each_stream_takes_a_place() {
    LocalSet::new()
        .run_until(async {
            let world = World::new(Agent::Gives).await;
            let application = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = application.local_addr().unwrap().port();
            let places = world.workload.places.clone();
            // Room for a tunnel and one stream.
            let _others = places.acquire_many(u32::try_from(PLACES - 2).unwrap()).await.unwrap();
            let first = world.open(port).await.unwrap();
            assert_eq!(places.available_permits(), 0);
            let error = world.open(port).await.unwrap_err();
            assert!(matches!(error, TunnelError::Refused { status: 503, .. }), "{error}");
            world.log.tells("has 2500 connections already").await;
            drop(first);
            timeout(LONG, async {
                while places.available_permits() == 0 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            })
            .await
            .unwrap();
            world.open(port).await.unwrap();
        })
        .await;
}

/// Whoever gives up while the application is being connected to costs nothing any more, in plaintext or through a tunnel.
#[tokio::test]
async fn a_caller_that_gives_up_ends_what_was_done_for_it() {
    LocalSet::new()
        .run_until(async {
            let world = World::new(Agent::IsSlow).await;
            let busy = || world.workload.open() > 0;
            let caller = deal(&world.crew, &world.workload, Capture::Plaintext).await;
            let called = caller.peer_addr().unwrap();
            until(busy).await;
            caller.set_zero_linger().unwrap();
            drop(caller);
            world.log.tells(&format!("the caller gave up before {called} answered")).await;
            until(|| !busy()).await;
            {
                let open = world.open(7777);
                tokio::select! {
                    opened = open => panic!("{opened:?}"),
                    () = until(busy) => {}
                }
            }
            world.log.tells("the caller gave up before 127.0.0.1:7777 answered").await;
            until(|| !busy()).await;
            assert!(world.wishes.get().is_some(), "no socket was ever given");
        })
        .await;
}

#[tokio::test]
async fn a_tunnel_leads_to_no_port_of_the_mesh() {
    LocalSet::new()
        .run_until(async {
            let world = World::new(Agent::Gives).await;
            for port in PROXY_PORTS {
                let error = world.open(port).await.unwrap_err();
                assert!(matches!(error, TunnelError::Refused { status: 401, .. }), "{port}: {error}");
            }
        })
        .await;
}

#[test]
fn a_limit_of_connections_is_no_outage() {
    let policy = ripstop_model::RuleId("TrafficPolicy/ns/a/1/spec.connectionLimits[0]".into());
    assert_eq!(refusal(&Error::TooManyConnections { limit: "1".into(), policy }), Refusal::Limited);
    let behind = |flag| {
        let error = Error::Tunnel { address: "10.0.0.1:15008".parse().unwrap(), reason: "no".into(), flag };
        refusal(&Error::Backend(error.into()))
    };
    assert_eq!(behind(ResponseFlag::RateLimited), Refusal::Limited);
    assert_eq!(behind(ResponseFlag::Deny), Refusal::Denied);
    assert_eq!(behind(ResponseFlag::Connect), Refusal::Unavailable);
}

/// See the worker's sizes of connections.
#[test]
fn what_a_stream_takes_for_as_long_as_it_lasts() {
    let size = future_size(|| carry(any(), any()));
    assert!(size <= 4_500, "a stream takes {size} bytes");
}
