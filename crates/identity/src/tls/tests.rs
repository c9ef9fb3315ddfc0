use std::{io, time::Duration};

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use super::*;
use crate::{CertificateAuthority, Fault, new_csr, peer_id, verify_error};

struct Mesh {
    _dir: tempfile::TempDir,
    authority: CertificateAuthority,
    domain: TrustDomain,
}

impl Mesh {
    fn new(domain: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let domain: TrustDomain = domain.parse().unwrap();
        Self { authority: CertificateAuthority::load_or_create(dir.path(), &domain).unwrap(), _dir: dir, domain }
    }

    fn id(&self, account: &str) -> SpiffeId {
        SpiffeId::service_account(&self.domain, "test", account).unwrap()
    }

    fn svid(&self, account: &str) -> Svid {
        let (key, csr) = new_csr().unwrap();
        let chain = self.authority.issue(&csr, &self.id(account), Duration::from_mins(1)).unwrap();
        Svid::new(&chain.pem(), key).unwrap()
    }

    fn client(&self, expected: &[SpiffeId]) -> Arc<ClientConfig> {
        client_config(&self.svid("client"), self.authority.roots(), expected, &[b"h2"])
    }

    fn server(&self, auth: ClientAuth) -> Arc<ServerConfig> {
        server_config(&self.svid("server"), self.authority.roots(), auth, &[b"h2"])
    }
}

type Ends = (io::Result<client::TlsStream<DuplexStream>>, io::Result<server::TlsStream<DuplexStream>>);

async fn handshake(client: Arc<ClientConfig>, server: Arc<ServerConfig>) -> Ends {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let connect = TlsConnector::from(client).connect(server_name(), near);
    tokio::join!(connect, TlsAcceptor::from(server).accept(far))
}

/// What the client reads after its handshake, by when it knows the server's verdict.
async fn first_read(client: &mut client::TlsStream<DuplexStream>) -> io::Result<usize> {
    client.read(&mut [0; 1]).await
}

#[tokio::test]
async fn both_sides_prove_themselves() {
    let mesh = Mesh::new("cluster.local");
    let (client, server) = handshake(mesh.client(&[mesh.id("server")]), mesh.server(ClientAuth::Required)).await;
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    for (connection, peer) in [
        (peer_id(client.get_ref().1.peer_certificates().unwrap()), "server"),
        (peer_id(server.get_ref().1.peer_certificates().unwrap()), "client"),
    ] {
        assert_eq!(connection.unwrap(), mesh.id(peer));
    }
    let tls = client.get_ref().1;
    assert_eq!(tls.alpn_protocol(), Some(b"h2".as_slice()));
    assert_eq!(tls.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    assert_eq!(tls.negotiated_cipher_suite().unwrap().suite(), rustls::CipherSuite::TLS13_AES_128_GCM_SHA256);
    assert_eq!(tls.negotiated_key_exchange_group().unwrap().name(), rustls::NamedGroup::X25519MLKEM768);
    assert_eq!(server.get_ref().1.server_name(), None, "no server name is sent");
    client.write_all(b"ping").await.unwrap();
    let mut text = [0; 4];
    server.read_exact(&mut text).await.unwrap();
    assert_eq!(&text, b"ping");
    assert_eq!(client.get_ref().1.tls13_tickets_received(), 0);
}

/// Neither end keeps anything of a session to resume it with; the records of tunnels are made outside of rustls.
#[test]
fn sessions_are_never_resumed() {
    let mesh = Mesh::new("cluster.local");
    for auth in [ClientAuth::Required, ClientAuth::Optional] {
        let server = mesh.server(auth);
        assert_eq!(server.send_tls13_tickets, 0);
        assert!(!server.session_storage.can_cache());
        assert!(!server.ticketer.enabled());
        assert_eq!(server.max_early_data_size, 0);
        assert!(server.enable_secret_extraction);
    }
    let joining = bootstrap_config(mesh.authority.roots(), &mesh.domain, vec![mesh.id("server")], &[b"h2"]);
    for (client, extraction) in [(mesh.client(&[mesh.id("server")]), true), (joining, false)] {
        assert_eq!(client.enable_secret_extraction, extraction);
        assert!(!client.enable_early_data && !client.enable_sni);
        let disabled = format!("{:?}", Resumption::disabled());
        assert_eq!(format!("{:?}", client.resumption), disabled);
    }
}

#[tokio::test]
async fn an_unexpected_server_is_refused_by_the_client() {
    let mesh = Mesh::new("cluster.local");
    let (client, server) = handshake(mesh.client(&[mesh.id("other")]), mesh.server(ClientAuth::Required)).await;
    let error = client.unwrap_err();
    let fault = verify_error(&error).unwrap();
    assert!(matches!(fault.fault, Fault::Unexpected(_)), "{fault}");
    assert_eq!(fault.own, Some(mesh.id("client")));
    server.unwrap_err();
}

#[tokio::test]
async fn clients_of_other_meshes_are_refused() {
    let mesh = Mesh::new("cluster.local");
    for domain in ["cluster.local", "other.org"] {
        let other = Mesh::new(domain);
        let trusting = {
            let stranger = other.svid("client");
            let trust = Trust { own: None, domain: mesh.domain.clone(), bundles: mesh.authority.roots().into() };
            let verifier = ServerVerifier { trust, expected: vec![mesh.id("server")].into() };
            let resolver = Arc::new(SingleCertAndKey::from(stranger.certified_key()));
            finish_client(client_builder(verifier).with_client_cert_resolver(resolver), &[b"h2"])
        };
        let (client, server) = handshake(trusting, mesh.server(ClientAuth::Optional)).await;
        let error = server.unwrap_err();
        let fault = verify_error(&error).unwrap();
        assert!(matches!(fault.fault, Fault::UnknownRoot), "{fault}");
        assert_eq!(fault.peer.id(), Some(&other.id("client")));
        // In TLS 1.3 the client hears of it with its first read.
        first_read(&mut client.unwrap()).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_certificate_is_optional_only_where_said() {
    let mesh = Mesh::new("cluster.local");
    let joining = || bootstrap_config(mesh.authority.roots(), &mesh.domain, vec![mesh.id("server")], &[b"h2"]);
    let (client, server) = handshake(joining(), mesh.server(ClientAuth::Optional)).await;
    client.unwrap();
    assert!(server.unwrap().get_ref().1.peer_certificates().is_none());
    let (client, server) = handshake(joining(), mesh.server(ClientAuth::Required)).await;
    server.unwrap_err();
    first_read(&mut client.unwrap()).await.unwrap_err();
}

#[tokio::test]
async fn a_joining_client_checks_its_server() {
    let (mesh, other) = (Mesh::new("cluster.local"), Mesh::new("cluster.local"));
    let joining = bootstrap_config(mesh.authority.roots(), &mesh.domain, vec![mesh.id("server")], &[b"h2"]);
    let (client, _) = handshake(joining, other.server(ClientAuth::Optional)).await;
    let error = client.unwrap_err();
    let fault = verify_error(&error).unwrap();
    assert!(matches!(fault.fault, Fault::UnknownRoot), "{fault}");
    assert!(fault.to_string().contains("no identity yet"), "{fault}");
}

#[tokio::test]
async fn protocols_must_agree() {
    let mesh = Mesh::new("cluster.local");
    let svid = mesh.svid("client");
    let client = client_config(&svid, mesh.authority.roots(), vec![mesh.id("server")], &[b"http/1.1"]);
    let (client, server) = handshake(client, mesh.server(ClientAuth::Required)).await;
    client.unwrap_err();
    server.unwrap_err();
}

#[tokio::test]
async fn nothing_older_than_tls_1_3() {
    let mesh = Mesh::new("cluster.local");
    let old = {
        let trust = Trust { own: None, domain: mesh.domain.clone(), bundles: mesh.authority.roots().into() };
        let verifier = ServerVerifier { trust, expected: vec![mesh.id("server")].into() };
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS12])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        finish_client(config, &[b"h2"])
    };
    let (client, server) = handshake(old, mesh.server(ClientAuth::Optional)).await;
    client.unwrap_err();
    server.unwrap_err();
}

/// Several roots, as during a rotation: both old and new SVIDs are believed.
#[tokio::test]
async fn two_roots_at_once() {
    let (old, new) = (Mesh::new("cluster.local"), Mesh::new("cluster.local"));
    let both = Roots::from_pem(&(old.authority.roots_pem() + &new.authority.roots_pem())).unwrap();
    for mesh in [&old, &new] {
        let client = client_config(&old.svid("client"), &both, vec![mesh.id("server")], &[b"h2"]);
        let server = server_config(&mesh.svid("server"), &both, ClientAuth::Required, &[b"h2"]);
        let (client, server) = handshake(client, server).await;
        client.unwrap();
        server.unwrap();
    }
}

#[test]
fn roots_must_be_authorities() {
    let mesh = Mesh::new("cluster.local");
    assert!(Roots::from_pem("").is_err());
    assert!(Roots::from_pem(&mesh.svid("a").chain_pem()).unwrap_err().to_string().contains("authority"));
    let roots = mesh.authority.roots();
    assert_eq!(&Roots::from_pem(&roots.to_pem()).unwrap(), roots);
}
