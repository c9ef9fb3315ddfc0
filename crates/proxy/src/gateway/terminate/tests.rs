use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use ripstop_model::{Enrolment, Health, Labels, TrustDomain, TunnelProtocol, WorkloadUid};
use rustls::ProtocolVersion::{TLSv1_2, TLSv1_3};

use super::*;
use crate::gateway::samples::{program, server, tls};

/// Certificate and key of `host`, PEM.
fn pair(host: &str) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![host.to_owned()]).unwrap().self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

fn authority() -> String {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
}

fn secret(name: &str, (chain, key): (&str, &str), authorities: &str) -> Credential {
    let bytes = |text: &str| Arc::from(text.as_bytes());
    Credential {
        namespace: "edge".into(),
        name: name.into(),
        chain: bytes(chain),
        key: bytes(key),
        authorities: bytes(authorities),
        revocations: Arc::default(),
    }
}

fn own() -> Workload {
    Workload {
        uid: WorkloadUid::process("Ripstop", "edge", "web-0"),
        name: "web-0".into(),
        namespace: "edge".into(),
        addresses: Vec::new(),
        node: "one".into(),
        service_account: "web".into(),
        trust_domain: TrustDomain::default(),
        labels: Labels::from([("istio".into(), "ingressgateway".into())]),
        workload_name: "web".into(),
        canonical_name: "web".into(),
        canonical_revision: "latest".into(),
        tunnel: TunnelProtocol::None,
        native_tunnel: false,
        quarantine: None,
        enrolment: Enrolment::default(),
        health: Health::Healthy,
        services: Vec::new(),
        cluster: "Ripstop".into(),
    }
}

/// How TLS ends at the only listener, with these settings and credentials.
fn follow(terminators: &Terminators, tls: ServerTls, held: &Credentials) -> Arc<Terminator> {
    let server = server(ServerProtocol::Https, "a.example", Some(Arc::new(tls)));
    terminators.follow(&program(vec![server.clone()]), &own(), held);
    terminators.get(&server).unwrap()
}

fn holding(secrets: Vec<Credential>) -> Credentials {
    let mut held = Credentials::default();
    for secret in secrets {
        held.insert(secret);
    }
    held
}

fn config(terminator: &Terminator) -> &Arc<ServerConfig> {
    terminator.config.as_ref().unwrap()
}

#[test]
fn what_stays_the_same_is_used_on() {
    let terminators = Terminators::default();
    let (chain, key) = pair("a.example");
    let held = holding(vec![secret("cert", (&chain, &key), "")]);
    let first = follow(&terminators, tls(ServerTlsMode::Simple), &held);
    assert_eq!(config(&first).alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    let again = follow(&terminators, tls(ServerTlsMode::Simple), &held);
    assert!(Arc::ptr_eq(&first, &again));
}

#[test]
fn a_new_certificate_ends_no_connection_and_new_settings_do() {
    let terminators = Terminators::default();
    let hold = |authorities: &str| {
        let (chain, key) = pair("a.example");
        holding(vec![secret("cert", (&chain, &key), authorities)])
    };
    let first = follow(&terminators, tls(ServerTlsMode::Simple), &hold(""));
    let second = follow(&terminators, tls(ServerTlsMode::Simple), &hold(""));
    assert!(!Arc::ptr_eq(config(&first), config(&second)));
    assert!(!first.retired.is_cancelled());
    let third = follow(&terminators, tls(ServerTlsMode::Mutual), &hold(&authority()));
    assert!(first.retired.is_cancelled() && second.retired.is_cancelled() && !third.retired.is_cancelled());
    terminators.follow(&Program::default(), &own(), &Credentials::default());
    assert!(third.retired.is_cancelled(), "the listener is gone");
}

#[test]
fn a_broken_certificate_changes_nothing_and_one_that_is_gone_does() {
    let terminators = Terminators::default();
    let ((chain, key), (_, foreign)) = (pair("a.example"), pair("b.example"));
    let first = follow(&terminators, tls(ServerTlsMode::Simple), &holding(vec![secret("cert", (&chain, &key), "")]));
    let broken = holding(vec![secret("cert", (&chain, &foreign), "")]);
    let second = follow(&terminators, tls(ServerTlsMode::Simple), &broken);
    assert!(Arc::ptr_eq(config(&first), config(&second)));
    let gone = follow(&terminators, tls(ServerTlsMode::Simple), &Credentials::default());
    assert_eq!(gone.config.as_ref().unwrap_err(), &TlsError::NoSecret("cert".into()));
}

#[test]
fn what_is_missing_or_wrong_is_said() {
    let (chain, key) = pair("a.example");
    let whole = || holding(vec![secret("cert", (&chain, &key), "")]);
    let error = |tls: ServerTls, held: &Credentials| {
        follow(&Terminators::default(), tls, held).config.as_ref().unwrap_err().clone()
    };
    let simple = || tls(ServerTlsMode::Simple);
    assert_eq!(error(tls(ServerTlsMode::Mutual), &whole()), TlsError::NoAuthorities);
    assert_eq!(error(ServerTls { credentials: Vec::new(), ..simple() }, &whole()), TlsError::NoCertificate);
    let pinned = ServerTls { pins: vec!["x".into()], ..tls(ServerTlsMode::Mutual) };
    let held = holding(vec![secret("cert", (&chain, &key), &authority())]);
    assert_eq!(error(pinned, &held), TlsError::Pin("x".into()));
    let versions = (None, Some("TLSV1_2".into()));
    let weak = ServerTls { cipher_suites: vec!["AES128-SHA".into()], versions, ..simple() };
    assert_eq!(error(weak, &whole()), TlsError::Suites);
    // Nobody's word is needed for certificates that prove nothing.
    let insecure = ServerTls { insecure: true, ..tls(ServerTlsMode::Mutual) };
    assert!(follow(&Terminators::default(), insecure, &whole()).config.is_ok());
    let text = holding(vec![secret("cert", ("no PEM", &key), "")]);
    assert!(matches!(error(simple(), &text), TlsError::Unusable { part: "tls.crt", .. }));
    let keyless = holding(vec![secret("cert", (&chain, "no PEM"), "")]);
    assert!(matches!(error(simple(), &keyless), TlsError::Unusable { part: "tls.key", .. }));
}

#[test]
fn authorities_come_from_a_secret_of_their_own_first() {
    let (chain, key) = pair("a.example");
    let apart = secret("cert-cacert", ("", ""), &authority());
    for held in [
        holding(vec![secret("cert", (&chain, &key), &authority())]),
        holding(vec![secret("cert", (&chain, &key), ""), apart.clone()]),
        holding(vec![secret("cert", (&chain, &key), "no PEM"), apart]),
    ] {
        let made = follow(&Terminators::default(), tls(ServerTlsMode::Mutual), &held);
        assert!(made.config.is_ok(), "{:?}", made.config);
    }
}

#[test]
fn versions_lie_between_least_and_most() {
    let versions = |least: Option<&str>, most: Option<&str>| {
        let versions = (least.map(Arc::from), most.map(Arc::from));
        let found = versions_of(&ServerTls { versions, ..tls(ServerTlsMode::Simple) });
        found.map(|found| found.iter().map(|version| version.version).collect::<Vec<_>>())
    };
    assert_eq!(versions(None, None), Ok(vec![TLSv1_2, TLSv1_3]));
    assert_eq!(versions(Some("TLSV1_0"), None), Ok(vec![TLSv1_2, TLSv1_3]));
    assert_eq!(versions(Some("TLSV1_3"), None), Ok(vec![TLSv1_3]));
    assert_eq!(versions(None, Some("TLSV1_2")), Ok(vec![TLSv1_2]));
    assert_eq!(versions(Some("TLSV1_3"), Some("TLSV1_2")), Err(TlsError::Versions));
    assert_eq!(versions(None, Some("TLSV1_1")), Err(TlsError::Versions));
}
