//! Sessions with the configurations of the mesh: the verifier's own words reach whoever holds the socket.

use std::{io, sync::Arc, time::Duration};

use ripstop_identity::{
    CertificateAuthority, ClientAuth, Fault, Svid, client_config, new_csr, peer_id, server_config, server_name,
    verify_error,
};
use ripstop_model::{SpiffeId, TrustDomain};
use ripstop_tls::{Buffer, Error, Progress, Records, Session};
use rustls::{AlertDescription, ClientConfig, ServerConfig};

struct Mesh {
    _dir: tempfile::TempDir,
    domain: TrustDomain,
    authority: CertificateAuthority,
}

impl Mesh {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let domain: TrustDomain = "cluster.local".parse().unwrap();
        Self { authority: CertificateAuthority::load_or_create(dir.path(), &domain).unwrap(), domain, _dir: dir }
    }

    fn id(&self, account: &str) -> SpiffeId {
        SpiffeId::service_account(&self.domain, "test", account).unwrap()
    }

    fn svid(&self, account: &str) -> Svid {
        let (key, csr) = new_csr().unwrap();
        let chain = self.authority.issue(&csr, &self.id(account), Duration::from_mins(1)).unwrap();
        Svid::new(&chain.pem(), key).unwrap()
    }

    fn client(&self, expected: &str) -> Arc<ClientConfig> {
        client_config(&self.svid("client"), self.authority.roots(), [self.id(expected)], &[b"h2"])
    }

    fn server(&self) -> Arc<ServerConfig> {
        server_config(&self.svid("server"), self.authority.roots(), ClientAuth::Required, &[b"h2"])
    }
}

/// Carries what one end has to say to the other, who opens it.
fn carry(from: &mut Session, to: &mut Session, plain: &mut Buffer) -> Result<Progress, Error> {
    from.write_to(|slices| {
        to.read_from(|space| {
            let n = space.len().min(slices[0].len());
            space[..n].copy_from_slice(&slices[0][..n]);
            Ok(n)
        })
    })
    .unwrap();
    to.open(plain)
}

#[test]
fn both_ends_are_known_by_their_identities() {
    let mesh = Mesh::new();
    for records in [Records::Rustls, Records::Own] {
        let mut client = Session::client_with(mesh.client("server"), server_name(), records).unwrap();
        let mut server = Session::server_with(mesh.server(), records).unwrap();
        let mut plain = Buffer::default();
        assert_eq!(carry(&mut client, &mut server, &mut plain).unwrap(), Progress::Drained);
        assert_eq!(carry(&mut server, &mut client, &mut plain).unwrap(), Progress::Drained);
        client.seal(&[b"hello"]).unwrap();
        assert_eq!(carry(&mut client, &mut server, &mut plain).unwrap(), Progress::Drained);
        assert_eq!(plain.filled(), b"hello");
        for (session, peer) in [(&client, "server"), (&server, "client")] {
            assert!(!session.is_handshaking());
            assert_eq!(session.records(), records);
            assert_eq!(session.alpn_protocol(), Some(b"h2".as_slice()));
            assert_eq!(peer_id(session.peer_certificates().unwrap()).unwrap(), mesh.id(peer));
        }
    }
}

#[test]
fn the_verifiers_error_is_found_in_the_io_error() {
    let mesh = Mesh::new();
    for records in [Records::Rustls, Records::Own] {
        let mut client = Session::client_with(mesh.client("other"), server_name(), records).unwrap();
        let mut server = Session::server_with(mesh.server(), records).unwrap();
        let mut plain = Buffer::default();
        assert_eq!(carry(&mut client, &mut server, &mut plain).unwrap(), Progress::Drained);
        let error = io::Error::from(carry(&mut server, &mut client, &mut plain).unwrap_err());
        let fault = verify_error(&error).unwrap();
        assert!(matches!(fault.fault, Fault::Unexpected(_)), "{fault}");
        assert_eq!(fault.peer.id(), Some(&mesh.id("server")));
        let error = carry(&mut client, &mut server, &mut plain).unwrap_err();
        assert_eq!(error.alert(), Some(AlertDescription::CertificateUnknown));
        assert!(verify_error(&error.into()).is_none());
    }
}
