use ripstop_identity::{Anchors, CertificateAuthority, Svid, client_config, new_csr};
use ripstop_model::{
    AppProtocol, Change, ClientTls, ClientTlsMode, Credential, MeshConfig, PortSettings, ServerProtocol, Service,
    ServicePort, SpiffeId, TrafficTarget, TrafficTargetKind, TrustAnchor, TrustDomain,
};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, pki_types::CertificateDer};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client};

use super::*;
use crate::{
    backends::testing::{rule_change, rules, service, workload},
    gateway::samples,
    secrets::Credentials,
    testing::{Edge, LONG, Leads, Played, forward, head, limits, run, secured},
};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: web.example\r\n\r\n";

async fn edge(protocol: ServerProtocol, server: &Played) -> Edge {
    Edge::new(protocol, Leads::To(server.address()), PortSettings::default(), forward()).await
}

/// A gateway that ends TLS for `web.example`, and what its clients trust.
async fn ending(protocol: ServerProtocol, server: &Played) -> (Edge, Arc<ClientConfig>) {
    let edge = edge(protocol, server).await;
    edge.worker.change(secured(protocol, samples::tls(ServerTlsMode::Simple)));
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["web.example".into()]).unwrap().self_signed(&key).unwrap();
    let mut held = Credentials::default();
    held.insert(Credential {
        namespace: "ns".into(),
        name: "cert".into(),
        chain: certificate.pem().as_bytes().into(),
        key: key.serialize_pem().as_bytes().into(),
        authorities: Arc::default(),
        revocations: Arc::default(),
    });
    edge.door.terminators.follow(&edge.worker.context.shared.snapshot.load(), &workload("edge", 1), &held);
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(certificate.der().to_vec())).unwrap();
    let config = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into());
    let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    (edge, Arc::new(config.with_no_client_auth()))
}

async fn secure(edge: &Edge, config: Arc<ClientConfig>) -> client::TlsStream<TcpStream> {
    let connecting = TlsConnector::from(config).connect("web.example".try_into().unwrap(), edge.connect().await);
    connecting.await.unwrap()
}

/// Sends something each way.
async fn exchange(client: &mut (impl AsyncRead + AsyncWrite + Unpin), far: &mut TcpStream) {
    let mut heard = [0; 4];
    client.write_all(b"ping").await.unwrap();
    client.flush().await.unwrap();
    far.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"ping");
    far.write_all(b"pong").await.unwrap();
    client.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"pong");
}

/// Begins an answer and ends it later; meanwhile the configuration changes, and afterwards once more.
async fn answer_slowly(edge: &Edge, client: &mut (impl AsyncRead + Unpin), server: &Played) {
    let (mut far, _) = server.asked().await;
    far.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na").await.unwrap();
    let mut heard = Vec::new();
    while !heard.ends_with(b"\r\n\r\na") {
        heard.push(client.read_u8().await.unwrap());
    }
    edge.worker.forgets().await;
    far.write_all(b"b").await.unwrap();
    assert_eq!(client.read_u8().await.unwrap(), b'b');
    edge.worker.forgets().await;
}

#[test]
fn bytes_that_pass_keep_no_configuration() {
    run(async {
        let server = Played::new().await;
        let edge = edge(ServerProtocol::Tcp, &server).await;
        let mut client = edge.connect().await;
        let mut far = server.accept().await;
        exchange(&mut client, &mut far).await;
        edge.worker.forgets().await;
        exchange(&mut client, &mut far).await;
    });
}

#[test]
fn bytes_whose_tls_ends_here_keep_no_configuration() {
    run(async {
        let server = Played::new().await;
        let (edge, config) = ending(ServerProtocol::Tls, &server).await;
        let mut client = secure(&edge, config).await;
        let mut far = server.accept().await;
        exchange(&mut client, &mut far).await;
        edge.worker.forgets().await;
        exchange(&mut client, &mut far).await;
    });
}

#[test]
fn tls_that_passes_keeps_no_configuration() {
    run(async {
        let server = Played::new().await;
        let (edge, config) = ending(ServerProtocol::Tls, &server).await;
        edge.worker.change(secured(ServerProtocol::Tls, samples::tls(ServerTlsMode::Passthrough)));
        let mut client = edge.connect().await;
        let mut hello = rustls::ClientConnection::new(config, "web.example".try_into().unwrap()).unwrap();
        let mut bytes = Vec::new();
        hello.write_tls(&mut bytes).unwrap();
        client.write_all(&bytes).await.unwrap();
        let mut far = server.accept().await;
        let mut heard = vec![0; bytes.len()];
        far.read_exact(&mut heard).await.unwrap();
        assert_eq!(heard, bytes);
        edge.worker.forgets().await;
        exchange(&mut client, &mut far).await;
    });
}

#[test]
fn requests_keep_no_configuration() {
    run(async {
        let server = Played::new().await;
        let edge = edge(ServerProtocol::Http, &server).await;
        let mut client = edge.sent(GET).await;
        answer_slowly(&edge, &mut client, &server).await;
        // It is still the same one.
        client.write_all(GET).await.unwrap();
        server.asked().await;
    });
}

#[test]
fn requests_by_tls_keep_no_configuration() {
    run(async {
        let server = Played::new().await;
        let (edge, config) = ending(ServerProtocol::Https, &server).await;
        let mut client = secure(&edge, config).await;
        client.write_all(GET).await.unwrap();
        client.flush().await.unwrap();
        answer_slowly(&edge, &mut client, &server).await;
    });
}

#[test]
fn a_gateway_keeps_its_limits() {
    run(async {
        let server = Played::new().await;
        let edge = edge(ServerProtocol::Http, &server).await;
        let target =
            TrafficTarget { kind: TrafficTargetKind::Gateway, name: "edge".into(), section: Some("web".into()) };
        edge.worker.change(limits(target, 1));
        let mut client = edge.sent(GET).await;
        let (mut far, _) = server.asked().await;
        far.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        let first = head(&mut client).await.to_ascii_lowercase();
        assert!(first.starts_with("http/1.1 204 ") && first.contains("\r\nx-ratelimit-remaining: 0\r\n"), "{first}");
        client.write_all(GET).await.unwrap();
        let second = head(&mut client).await.to_ascii_lowercase();
        assert!(second.starts_with("http/1.1 429 ") && second.contains("\r\nretry-after: 3600\r\n"), "{second}");
        edge.worker.requests.tells("GET / HTTP/1.1 429 RL local_rate_limited\n").await;
    });
}

#[test]
fn whoever_calls_a_host_that_no_service_declares_keeps_its_limits() {
    run(async {
        let edge = Edge::new(ServerProtocol::Http, Leads::Nowhere, PortSettings::default(), forward()).await;
        let host = "web.ns.svc.cluster.local";
        edge.worker
            .change(limits(TrafficTarget { kind: TrafficTargetKind::Entry, name: host.into(), section: None }, 1));
        for status in ["503", "429"] {
            let mut client = edge.sent(GET).await;
            let answer = head(&mut client).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        }
        edge.worker.requests.tells("GET / HTTP/1.1 429 RL local_rate_limited\n").await;
    });
}

/// What a client of TLS says first.
fn hello(config: Arc<ClientConfig>, name: &'static str) -> Vec<u8> {
    let mut hello = rustls::ClientConnection::new(config, name.try_into().unwrap()).unwrap();
    let mut bytes = Vec::new();
    hello.write_tls(&mut bytes).unwrap();
    bytes
}

/// Where the server name says where to, the callee's rules for TLS are the client's business.
#[test]
fn tls_that_goes_by_its_name_is_put_in_no_other() {
    run(async {
        for mode in [ClientTlsMode::Simple, ClientTlsMode::Mesh] {
            let server = Played::new().await;
            let (edge, config) = ending(ServerProtocol::Tls, &server).await;
            let web = service("web");
            let ports = vec![ServicePort { protocol: AppProtocol::Tls, ..web.ports[0].clone() }];
            edge.worker.change(Change::Service(Arc::new(Service { ports, ..web })));
            edge.worker.change(secured(ServerProtocol::Tls, samples::tls(ServerTlsMode::AutoPassthrough)));
            let tls = ClientTls { mode, insecure: true, ..ClientTls::default() };
            let settings = PortSettings { tls: Some(Arc::new(tls)), ..PortSettings::default() };
            edge.worker.change(rule_change(rules("web.ns.svc.cluster.local", settings)));
            let mut client = edge.connect().await;
            let bytes = hello(config, "outbound_.80_._.web.ns.svc.cluster.local");
            client.write_all(&bytes).await.unwrap();
            let mut far = server.accept().await;
            let mut heard = vec![0; bytes.len()];
            far.read_exact(&mut heard).await.unwrap();
            assert!(heard == bytes, "{mode:?}: something else came first");
            exchange(&mut client, &mut far).await;
        }
    });
}

/// A client of another trust domain, which shows itself by TLS of the mesh; with its requests, and with bytes.
#[test]
fn clients_whose_root_is_withdrawn_lose_what_they_have_open() {
    run(async {
        let partner: TrustDomain = "partner.example".parse().unwrap();
        let authority = || {
            let directory = tempfile::tempdir().unwrap();
            (CertificateAuthority::load_or_create(directory.path(), &partner).unwrap(), directory)
        };
        let ((old, _kept), (new, _kept_too)) = (authority(), authority());
        let believing = |authorities: &[&CertificateAuthority]| {
            let anchor = |one: &&CertificateAuthority| TrustAnchor {
                domains: vec![partner.clone()],
                pem: one.roots().to_pem().into(),
            };
            MeshConfig {
                trust_anchors: authorities.iter().map(anchor).collect(),
                federated_domains: vec![partner.clone()],
                ..MeshConfig::default()
            }
        };
        for protocol in [ServerProtocol::Https, ServerProtocol::Tls] {
            let server = Played::new().await;
            let edge = edge(protocol, &server).await;
            let certificates = &edge.worker.context.shared.certificates;
            certificates.follow(&believing(&[&old, &new]));
            edge.worker.change(Change::Mesh(Arc::new(believing(&[&old, &new]))));
            let _certificate = edge.worker.holds("edge").await;
            edge.worker.change(secured(protocol, samples::tls(ServerTlsMode::Mesh)));
            let held = Credentials::default();
            edge.door.terminators.follow(&edge.worker.context.shared.snapshot.load(), &workload("edge", 1), &held);
            let client = |of: &CertificateAuthority| {
                let (key, csr) = new_csr().unwrap();
                let id = SpiffeId::service_account(&partner, "ns", "client").unwrap();
                let svid = Svid::new(&of.issue(&csr, &id, Duration::from_secs(3600)).unwrap().pem(), key).unwrap();
                let (edge, mesh) = edge.worker.issue("edge");
                let own = TrustAnchor { domains: vec![TrustDomain::default()], pem: mesh.roots().to_pem().into() };
                let settings = MeshConfig { trust_anchors: vec![own], ..MeshConfig::default() };
                let believed = Anchors::of_mesh(&settings).beside(of.roots(), &partner);
                let mut config = (*client_config(&svid, believed, [edge.id], &[b"http/1.1"])).clone();
                config.enable_sni = true;
                Arc::new(config)
            };
            let mut open = Vec::new();
            for of in [&old, &new] {
                let mut client = secure(&edge, client(of)).await;
                let far = if protocol == ServerProtocol::Https {
                    client.write_all(GET).await.unwrap();
                    client.flush().await.unwrap();
                    server.asked().await.0
                } else {
                    let mut far = server.accept().await;
                    exchange(&mut client, &mut far).await;
                    far
                };
                open.push((client, far));
            }
            certificates.follow(&believing(&[&new]));
            let (mut lost, mut its) = open.remove(0);
            let ended = timeout(LONG, lost.read(&mut [0; 1])).await.unwrap();
            assert!(ended.as_ref().map_or(true, |bytes| *bytes == 0), "{protocol:?}: {ended:?}");
            let ended = timeout(LONG, its.read(&mut [0; 1])).await.unwrap();
            assert!(ended.as_ref().map_or(true, |bytes| *bytes == 0), "{protocol:?}: {ended:?}");
            let (mut stays, mut its) = open.remove(0);
            if protocol == ServerProtocol::Https {
                its.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
                assert_eq!(stays.read_u8().await.unwrap(), b'H');
            } else {
                exchange(&mut stays, &mut its).await;
                edge.worker.connections.tells("what its client has proven does not count any more").await;
            }
        }
    });
}
