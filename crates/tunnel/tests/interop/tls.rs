//! TLS of peers with other preferences, whom both sides believe, and TLS within a tunnel.

use std::sync::Arc;

use ripstop_identity::{ClientAuth, Fault, Roots, Svid, client_config, server_config, verify_error};
use ripstop_library_tunnel as library;
use ripstop_model::TrustDomain;
use rustls::{
    CipherSuite, ClientConfig, DigitallySignedStruct, NamedGroup, ServerConfig, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::{Acceptor, WebPkiClientVerifier},
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::{LazyConfigAcceptor, TlsConnector};

use crate::{
    IncomingStream, TunnelPool, accept,
    testing::{Client, LONG, Mesh, Server, echo, round_trip, tcp_pair},
};

const NAME: &str = "mesh.invalid";
const SUITES: [CipherSuite; 2] = [CipherSuite::TLS13_AES_128_GCM_SHA256, CipherSuite::TLS13_AES_256_GCM_SHA384];
const GROUPS: [NamedGroup; 3] = [NamedGroup::X25519, NamedGroup::X25519MLKEM768, NamedGroup::secp256r1];

/// A provider with one suite and one key exchange.
fn only(suite: CipherSuite, group: NamedGroup) -> Arc<CryptoProvider> {
    let suites = aws_lc_rs::ALL_CIPHER_SUITES.iter().copied().filter(|it| it.suite() == suite);
    let groups = aws_lc_rs::ALL_KX_GROUPS.iter().copied().filter(|it| it.name() == group);
    let provider = CryptoProvider {
        cipher_suites: suites.collect(),
        kx_groups: groups.collect(),
        ..aws_lc_rs::default_provider()
    };
    assert_eq!((provider.cipher_suites.len(), provider.kx_groups.len()), (1, 1));
    Arc::new(provider)
}

/// A peer's client, which is not what is tested, believes everybody.
#[derive(Debug)]
struct Credulous(Arc<CryptoProvider>);

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        assert_eq!(intermediates.len(), 1, "leaf and intermediate, and no root");
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        unreachable!("there is no TLS 1.2")
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

/// A foreign client.
fn client(
    svid: &Svid,
    provider: Arc<CryptoProvider>,
    version: &'static rustls::SupportedProtocolVersion,
) -> ClientConfig {
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Credulous(provider)))
        .with_client_auth_cert(svid.chain().to_vec(), svid.key().der())
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

/// A foreign server.
fn server(mesh: &Mesh, provider: Arc<CryptoProvider>) -> ServerConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(mesh.roots().certificates().iter().cloned());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone()).build().unwrap();
    let svid = mesh.svid("server");
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(svid.chain().to_vec(), svid.key().der())
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

/// Both sizes of AES-GCM with each key exchange. Foreign clients may send a server name, ours sends none.
#[tokio::test(flavor = "local")]
async fn suites_and_key_exchanges() {
    let mesh = Mesh::new();
    let ours = Server::echo(&mesh).await;
    for (suite, group) in SUITES.into_iter().flat_map(|suite| GROUPS.map(|group| (suite, group))) {
        // A foreign client.
        let config = client(&mesh.svid("client"), only(suite, group), &TLS13);
        let tcp = TcpStream::connect(ours.address).await.unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        let tls = connector.connect(ServerName::try_from(NAME).unwrap(), tcp).await.unwrap();
        let state = tls.get_ref().1;
        assert_eq!(state.alpn_protocol(), Some(&b"h2"[..]));
        assert_eq!(state.negotiated_cipher_suite().unwrap().suite(), suite);
        assert_eq!(state.negotiated_key_exchange_group().unwrap().name(), group);
        let (mut sender, connection) = h2::client::handshake(tls).await.unwrap();
        let connection = tokio::task::spawn_local(connection);
        let request = http::Request::builder().method("CONNECT").uri("10.0.0.9:80").body(()).unwrap();
        let (answer, _send) = sender.send_request(request, false).unwrap();
        assert_eq!(answer.await.unwrap().status(), 200);
        connection.abort();

        // A foreign server.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client::of(&mesh, listener.local_addr().unwrap(), TunnelPool::default());
        let peer = async {
            let (tcp, _) = listener.accept().await.unwrap();
            let start = LazyConfigAcceptor::new(Acceptor::default(), tcp).await.unwrap();
            assert_eq!(start.client_hello().server_name(), None);
            let tls = start.into_stream(Arc::new(server(&mesh, only(suite, group)))).await.unwrap();
            let state = tls.get_ref().1;
            assert_eq!(state.negotiated_key_exchange_group().unwrap().name(), group);
            assert_eq!(state.peer_certificates().map(<[_]>::len), Some(2), "leaf and intermediate");
            let mut connection = h2::server::handshake(tls).await.unwrap();
            while let Some(request) = connection.accept().await {
                let (_, mut respond) = request.unwrap();
                respond.send_response(http::Response::new(()), true).unwrap();
            }
        };
        let us = async { round_trip(client.open().await.unwrap(), b"").await.unwrap() };
        tokio::select! {
            end = us => assert_eq!(end, b""),
            () = peer => panic!("the peer has ended"),
        }
    }
}

/// ChaCha20 and TLS 1.2 are not spoken.
#[tokio::test(flavor = "local")]
async fn what_is_not_spoken() {
    let mesh = Mesh::new();
    let chacha = only(CipherSuite::TLS13_CHACHA20_POLY1305_SHA256, NamedGroup::X25519);
    let old = only(CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, NamedGroup::X25519);
    for config in [client(&mesh.svid("client"), chacha, &TLS13), client(&mesh.svid("client"), old, &TLS12)] {
        let (near, far) = tcp_pair().await;
        let connector = TlsConnector::from(Arc::new(config));
        let name = ServerName::try_from(NAME).unwrap();
        let (ours, theirs) = tokio::join!(accept(near, mesh.server()), connector.connect(name, far));
        assert_eq!(ours.unwrap_err().kind(), std::io::ErrorKind::InvalidData);
        theirs.unwrap_err();
    }
}

/// Roots of both meshes, as two that believe each other's authorities have them.
fn both(one: &Mesh, other: &Mesh) -> Roots {
    Roots::from_pem(&(one.roots().to_pem() + &other.roots().to_pem())).unwrap()
}

/// Trust domains have to be equal, even if the chain is believed and the identity is the one that was asked for.
#[tokio::test(flavor = "local")]
async fn trust_domains_are_equal() {
    let (ours, theirs) = (Mesh::new(), Mesh::of("elsewhere.example".parse::<TrustDomain>().unwrap()));
    let roots = both(&ours, &theirs);

    // A foreign client of the other domain, at our server.
    let svid = theirs.svid("client");
    let (near, far) = tcp_pair().await;
    let tls = server_config(&ours.svid("server"), &roots, ClientAuth::Required, &[b"h2"]);
    let connector = TlsConnector::from(Arc::new(client(&svid, only(SUITES[0], GROUPS[0]), &TLS13)));
    let name = ServerName::try_from(NAME).unwrap();
    let (accepted, _connected) = tokio::join!(accept(near, tls.clone()), connector.connect(name, far));
    let error = accepted.unwrap_err();
    let fault = verify_error(&error).unwrap();
    assert!(matches!(&fault.fault, Fault::TrustDomain(domain) if *domain == TrustDomain::default()), "{fault}");
    // One of ours is welcome.
    let server = Server::start(tls, echo).await;
    let client = Client::new(&ours, &server, TunnelPool::default());
    assert_eq!(round_trip(client.open().await.unwrap(), b"x").await.unwrap(), b"x");

    // A server of the other domain, at our client, which was told to expect just that.
    let server =
        Server::start(server_config(&theirs.svid("server"), &roots, ClientAuth::Required, &[b"h2"]), echo).await;
    let mut client = Client::new(&ours, &server, TunnelPool::default());
    client.credentials.config = client_config(&ours.svid("client"), &roots, vec![theirs.id("server")], &[b"h2"]);
    let error = client.open().await.unwrap_err();
    let fault = verify_error(error.io().unwrap()).unwrap();
    assert!(matches!(&fault.fault, Fault::TrustDomain(domain) if *domain == TrustDomain::default()), "{fault}");
}

/// A tunnel in a tunnel: through a gateway to a server that proves one of the service's identities to the client
/// itself. Each end of the inner one sees the other's identity and not the gateway's.
#[tokio::test(flavor = "local")]
async fn a_tunnel_in_a_tunnel() {
    let mesh = Mesh::new();
    let inner = Server::start(
        server_config(&mesh.svid("reviews-v2"), mesh.roots(), ClientAuth::Required, &[b"h2"]),
        |incoming: IncomingStream| async move {
            let mut greeting = format!("{} {} ", incoming.peer(), incoming.authority()).into_bytes();
            let mut stream = incoming.accept(None).unwrap();
            stream.read_to_end(&mut greeting).await.unwrap();
            stream.write_all(&greeting).await.unwrap();
            stream.shutdown().await.unwrap();
        },
    )
    .await;
    let address = inner.address;
    let gateway = Server::start(mesh.server(), move |incoming: IncomingStream| async move {
        assert_eq!(incoming.authority().to_string(), "reviews.bookinfo.svc.cluster.local:9080");
        let mut socket = TcpStream::connect(address).await.unwrap();
        let mut stream = incoming.accept(None).unwrap();
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut socket).await;
    })
    .await;
    let client = Client::new(&mesh, &gateway, TunnelPool::default());
    let outer = || async {
        let request = crate::ConnectRequest::new("reviews.bookinfo.svc.cluster.local:9080".parse().unwrap());
        client.request(&request).await.unwrap()
    };
    let identities = vec![mesh.id("reviews-v1"), mesh.id("reviews-v2")];
    let config = client_config(&mesh.svid("client"), mesh.roots(), identities, &[b"h2"]);
    let within = library::Client::connect(outer().await, config).await.unwrap();
    let mut stream = within.open(&"10.0.0.9:80".parse().unwrap()).await.unwrap();
    let text = crate::testing::noise(700_000, 4);
    stream.write_all(&text).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    timeout(LONG, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert!(answer == [b"spiffe://cluster.local/ns/test/sa/client 10.0.0.9:80 ", &text[..]].concat());

    // Without the right identity there is no inner tunnel, whatever the gateway is.
    let config = client_config(&mesh.svid("client"), mesh.roots(), vec![mesh.id("server")], &[b"h2"]);
    let error = library::Client::connect(outer().await, config).await.unwrap_err();
    let fault = verify_error(&error).unwrap();
    assert!(matches!(fault.fault, Fault::Unexpected(_)), "{fault}");
}
