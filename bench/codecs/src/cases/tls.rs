//! TLS: sealing and opening on a session after its handshake. Instructions depend on what the CPU can do for
//! cryptography, which is long to build besides: these cases inform, and are not part of the check.

use std::io::Read;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use ripstop_tls::{Buffer, Progress, Records, Session};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::Case;

/// Content of a large record.
const LARGE: usize = 16_384;
const NAME: &str = "peer.test";

/// All cases of TLS.
pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("tls/seal-open/16-kib", || seal_and_open(LARGE)),
        Case::new("tls/seal-open/100-b", || seal_and_open(100)),
    ]
}

/// Content of this size is sealed, carried, and opened at the other end.
fn seal_and_open(size: usize) -> Box<dyn FnMut()> {
    let (mut client, mut server) = sessions();
    let content = vec![7; size];
    let mut wire = Vec::new();
    let mut plain = Buffer::with_capacity(2 * LARGE);
    Box::new(move || {
        let sealed = client.seal(&[&content]);
        assert!(sealed.is_ok(), "{sealed:?}");
        carry(&mut client, &mut server, &mut wire, &mut plain);
        assert_eq!(plain.len(), size);
        plain.consume(size);
    })
}

/// Both ends after the handshake.
fn sessions() -> (Session, Session) {
    let (client, server) = configs().unwrap_or_else(|error| panic!("no configurations: {error}"));
    let name = ServerName::try_from(NAME).unwrap_or_else(|error| panic!("no name: {error}"));
    let client = Session::client(Arc::new(client), name);
    let server = Session::server(Arc::new(server));
    let (mut client, mut server) = client
        .and_then(|client| server.map(|server| (client, server)))
        .unwrap_or_else(|error| panic!("no session: {error}"));
    let mut wire = Vec::new();
    let mut plain = Buffer::default();
    while client.wants_write() || server.wants_write() {
        carry(&mut client, &mut server, &mut wire, &mut plain);
        carry(&mut server, &mut client, &mut wire, &mut plain);
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    assert_eq!((client.records(), server.records()), (Records::Own, Records::Own));
    (client, server)
}

/// Carries all that waits, through `wire`, and opens it.
fn carry(from: &mut Session, to: &mut Session, wire: &mut Vec<u8>, plain: &mut Buffer) {
    wire.clear();
    let written = from.write_to(|slices| {
        for slice in slices {
            wire.extend_from_slice(slice);
        }
        Ok(slices.iter().map(|slice| slice.len()).sum())
    });
    assert!(written.is_ok(), "{written:?}");
    let mut rest = &wire[..];
    while !rest.is_empty() {
        let read = to.read_from(|space| rest.read(space));
        assert!(read.as_ref().is_ok_and(|read| *read > 0), "{read:?}");
        let opened = to.open(plain);
        assert!(matches!(opened, Ok(Progress::Drained)), "{opened:?}");
    }
}

/// Configurations of both ends, which trust each other by an authority of their own.
fn configs() -> Result<(ClientConfig, ServerConfig), Box<dyn std::error::Error>> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let mut roots = RootCertStore::empty();
    roots.add(issuer.der().clone())?;
    let roots = Arc::new(roots);
    let (chain, key) = issue(&issuer)?;
    let mut client = ClientConfig::builder().with_root_certificates(roots.clone()).with_client_auth_cert(chain, key)?;
    let (chain, key) = issue(&issuer)?;
    let verifier = WebPkiClientVerifier::builder(roots).build()?;
    let mut server = ServerConfig::builder().with_client_cert_verifier(verifier).with_single_cert(chain, key)?;
    server.send_tls13_tickets = 0;
    // As in a tunnel, sessions take care of their records themselves.
    client.enable_secret_extraction = true;
    server.enable_secret_extraction = true;
    Ok((client, server))
}

type Issued = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn issue(issuer: &CertifiedIssuer<'static, KeyPair>) -> Result<Issued, rcgen::Error> {
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(vec![NAME.to_owned()])?.signed_by(&key, issuer)?;
    Ok((vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into())))
}
