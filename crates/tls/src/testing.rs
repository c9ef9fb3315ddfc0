//! Ends of a connection for tests: sessions, and plain rustls as the oracle.

use std::{
    io::{self, Read, Write},
    sync::Arc,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    CipherSuite, ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection,
    SupportedCipherSuite,
    client::Resumption,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName},
    server::{NoServerSessionStorage, WebPkiClientVerifier},
    version::TLS13,
};

use crate::{Buffer, Error, Progress, Records, Session};

/// An authority and what it issued to both ends.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    fn issue(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec!["peer.test".into()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        (vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
    }

    pub(crate) fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        Arc::new(roots)
    }

    /// A client that proves itself and believes this authority's servers.
    pub(crate) fn client(&self, suite: CipherSuite) -> ClientConfig {
        let (chain, key) = self.issue();
        let mut config = ClientConfig::builder_with_provider(provider(suite))
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_root_certificates(self.roots())
            .with_client_auth_cert(chain, key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        config.resumption = Resumption::disabled();
        config.enable_secret_extraction = true;
        config
    }

    /// A server that proves itself and insists on this authority's clients.
    pub(crate) fn server(&self, suite: CipherSuite) -> ServerConfig {
        let (chain, key) = self.issue();
        let provider = provider(suite);
        let verifier = WebPkiClientVerifier::builder_with_provider(self.roots(), provider.clone()).build().unwrap();
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.enable_secret_extraction = true;
        config
    }
}

fn provider(suite: CipherSuite) -> Arc<CryptoProvider> {
    let suite: SupportedCipherSuite =
        aws_lc_rs::ALL_CIPHER_SUITES.iter().copied().find(|known| known.suite() == suite).unwrap();
    Arc::new(CryptoProvider { cipher_suites: vec![suite], ..aws_lc_rs::default_provider() })
}

pub(crate) fn name() -> ServerName<'static> {
    ServerName::try_from("peer.test").unwrap()
}

/// Which implementation an end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A session.
    Session(Records),
    /// rustls without us.
    Oracle,
}

/// Every kind of end.
pub(crate) const KINDS: [Kind; 3] = [RUSTLS, OWN, Kind::Oracle];
/// Every kind of session.
pub(crate) const SESSIONS: [Kind; 2] = [RUSTLS, OWN];

pub(crate) const RUSTLS: Kind = Kind::Session(Records::Rustls);
pub(crate) const OWN: Kind = Kind::Session(Records::Own);

/// One end of a connection.
pub(crate) enum End {
    Session(Box<Session>),
    Oracle(Box<Connection>),
}

impl End {
    pub(crate) fn client(kind: Kind, config: &Arc<ClientConfig>) -> Self {
        match kind {
            Kind::Session(records) => {
                Self::Session(Box::new(Session::client_with(config.clone(), name(), records).unwrap()))
            }
            Kind::Oracle => {
                let mut connection = Connection::from(ClientConnection::new(config.clone(), name()).unwrap());
                connection.set_buffer_limit(None);
                Self::Oracle(Box::new(connection))
            }
        }
    }

    pub(crate) fn server(kind: Kind, config: &Arc<ServerConfig>) -> Self {
        match kind {
            Kind::Session(records) => Self::Session(Box::new(Session::server_with(config.clone(), records).unwrap())),
            Kind::Oracle => {
                let mut connection = Connection::from(ServerConnection::new(config.clone()).unwrap());
                connection.set_buffer_limit(None);
                Self::Oracle(Box::new(connection))
            }
        }
    }

    /// All that this end has to say.
    pub(crate) fn output(&mut self) -> Vec<u8> {
        let mut wire = Vec::new();
        match self {
            Self::Session(session) => {
                let queued = session.queued();
                session
                    .write_to(|slices| {
                        for slice in slices {
                            wire.extend_from_slice(slice);
                        }
                        Ok(slices.iter().map(|slice| slice.len()).sum())
                    })
                    .unwrap();
                // A key update may follow what was queued.
                assert!([queued, queued + 27].contains(&wire.len()), "{queued} were queued, {} written", wire.len());
                assert!(!session.wants_write());
            }
            Self::Oracle(connection) => {
                while connection.wants_write() {
                    connection.write_tls(&mut wire).unwrap();
                }
            }
        }
        wire
    }

    /// Hears `wire`; what came of it is appended to `heard`.
    pub(crate) fn input(&mut self, wire: &[u8], heard: &mut Vec<u8>) -> Result<(), Error> {
        self.input_with(wire, Buffer::SIZE, heard)
    }

    /// The same, opening `room` bytes at once.
    pub(crate) fn input_with(&mut self, mut wire: &[u8], room: usize, heard: &mut Vec<u8>) -> Result<(), Error> {
        match self {
            Self::Session(session) => {
                let mut plain = Buffer::with_capacity(room);
                while !wire.is_empty() {
                    let n = session.read_from(|space| wire.read(space)).unwrap();
                    assert!(n > 0);
                    open_all(session, &mut plain, heard)?;
                }
            }
            Self::Oracle(connection) => {
                while !wire.is_empty() {
                    if connection.read_tls(&mut wire).unwrap() == 0 {
                        return Ok(());
                    }
                    let result = connection.process_new_packets();
                    match connection.reader().read_to_end(heard) {
                        Ok(_) => {}
                        Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
                    }
                    result?;
                }
            }
        }
        Ok(())
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        match self {
            Self::Session(session) => session.seal(&[bytes]).unwrap(),
            Self::Oracle(connection) => connection.writer().write_all(bytes).unwrap(),
        }
    }

    pub(crate) fn close(&mut self) {
        match self {
            Self::Session(session) => session.close(),
            Self::Oracle(connection) => connection.send_close_notify(),
        }
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        match self {
            Self::Session(session) => session.is_handshaking(),
            Self::Oracle(connection) => connection.is_handshaking(),
        }
    }

    pub(crate) fn oracle(&mut self) -> &mut Connection {
        match self {
            Self::Oracle(connection) => connection,
            Self::Session(_) => panic!("not the oracle"),
        }
    }

    pub(crate) fn session(&mut self) -> &mut Session {
        match self {
            Self::Session(session) => session,
            Self::Oracle(_) => panic!("not a session"),
        }
    }
}

/// Opens everything, whatever room `plain` has.
pub(crate) fn open_all(session: &mut Session, plain: &mut Buffer, heard: &mut Vec<u8>) -> Result<(), Error> {
    loop {
        let progress = session.open(plain);
        let filled = plain.len();
        heard.extend_from_slice(plain.filled());
        plain.consume(filled);
        if progress? == Progress::Drained {
            return Ok(());
        }
        assert!(filled > 0, "there was room");
    }
}

/// Carries all bytes both ways until both fall silent, in pieces of up to `piece` bytes. What each heard is given.
pub(crate) fn talk(client: &mut End, server: &mut End, piece: usize) -> Result<(Vec<u8>, Vec<u8>), Error> {
    let (mut at_client, mut at_server) = (Vec::new(), Vec::new());
    loop {
        let to_server = client.output();
        for bytes in to_server.chunks(piece) {
            server.input(bytes, &mut at_server)?;
        }
        let to_client = server.output();
        for bytes in to_client.chunks(piece) {
            client.input(bytes, &mut at_client)?;
        }
        if to_server.is_empty() && to_client.is_empty() {
            return Ok((at_client, at_server));
        }
    }
}

/// Bytes that differ from their neighbours.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i.wrapping_mul(31) >> 3).to_le_bytes()[0] ^ i.to_le_bytes()[0]).collect()
}

/// The next of a reproducible sequence of numbers below `bound` (xorshift).
pub(crate) fn random(state: &mut u64, bound: usize) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state % bound as u64).unwrap()
}
