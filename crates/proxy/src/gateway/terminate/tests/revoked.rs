//! Clients whose certificates are taken back.

use rcgen::{
    CertificateRevocationListParams, CertifiedIssuer, ExtendedKeyUsagePurpose, KeyUsagePurpose, RevocationReason,
    RevokedCertParams, SerialNumber,
};
use rustls::{
    ClientConfig, ClientConnection, ServerConnection,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

use super::*;

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn issuer() -> Issuer {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A list that takes back the certificate with that number.
fn list(issuer: &Issuer, serial: u64) -> String {
    let began = rcgen::date_time_ymd(2026, 1, 1);
    let params = CertificateRevocationListParams {
        this_update: began,
        next_update: rcgen::date_time_ymd(2096, 1, 1),
        crl_number: SerialNumber::from(1_u64),
        issuing_distribution_point: None,
        revoked_certs: vec![RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: began,
            reason_code: Some(RevocationReason::KeyCompromise),
            invalidity_date: None,
        }],
        key_identifier_method: rcgen::KeyIdMethod::Sha256,
    };
    params.signed_by(issuer).unwrap().pem().unwrap()
}

/// What a client shows that believes in the server's certificate `chain`, and has one of `issuer` with that number.
fn client(issuer: &Issuer, serial: u64, chain: &str) -> ClientConfig {
    let mut params = CertificateParams::default();
    params.serial_number = Some(SerialNumber::from(serial));
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap().der().clone();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    builder.with_client_auth_cert(vec![certificate], key).unwrap()
}

/// Whether both get through the handshake.
fn lets_in(server: Arc<ServerConfig>, client: ClientConfig) -> bool {
    let mut client = ClientConnection::new(Arc::new(client), "a.example".try_into().unwrap()).unwrap();
    let mut server = ServerConnection::new(server).unwrap();
    for _ in 0..8 {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        let mut rest = &*bytes;
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            if server.process_new_packets().is_err() {
                return false;
            }
        }
        bytes.clear();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let mut rest = &*bytes;
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets().unwrap();
        }
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    true
}

#[test]
fn clients_whose_certificates_are_revoked_are_refused() {
    let ((chain, key), issuer) = (pair("a.example"), issuer());
    let files = Files::with(&[("a.pem", &chain), ("a.key", &key), ("ca.pem", &issuer.pem())]);
    for (revoked, taken) in [(8, true), (7, false)] {
        files.write("list.pem", &list(&issuer, revoked));
        let named = TlsFiles { ca: files.path("ca.pem"), crl: files.path("list.pem"), ..files.pair("a") };
        let terminators = Terminators::new("/nowhere".as_ref());
        let terminator = follow(&terminators, of_files(ServerTlsMode::Mutual, vec![named]), &holding(vec![]));
        assert_eq!(lets_in(config(&terminator), client(&issuer, 7, &chain)), taken, "{revoked}");
    }
}
