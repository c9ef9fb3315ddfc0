use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use ripstop_model::{Enrolment, Health, Labels, TlsFiles, TrustDomain, TunnelProtocol, WorkloadUid};
use tempfile::TempDir;
use tokio::time;

use super::*;
use crate::gateway::samples::{program, server, tls};

mod revoked;

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
        group: None,
        waypoint: None,
        kind: ripstop_model::ProcessKind::Command,
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

fn config(terminator: &Terminator) -> Arc<ServerConfig> {
    terminator.config(|| None).unwrap()
}

#[test]
fn what_stays_the_same_is_used_on() {
    let terminators = Terminators::new("/nowhere".as_ref());
    let (chain, key) = pair("a.example");
    let held = holding(vec![secret("cert", (&chain, &key), "")]);
    let first = follow(&terminators, tls(ServerTlsMode::Simple), &held);
    assert_eq!(config(&first).alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    let again = follow(&terminators, tls(ServerTlsMode::Simple), &held);
    assert!(Arc::ptr_eq(&first, &again));
}

#[test]
fn an_edit_of_the_gateway_elsewhere_changes_nothing() {
    let terminators = Terminators::new("/nowhere".as_ref());
    let (chain, key) = pair("a.example");
    let held = holding(vec![secret("cert", (&chain, &key), "")]);
    let first = follow(&terminators, tls(ServerTlsMode::Simple), &held);
    let edited = |generation: u64, tls: ServerTls| {
        let server = server(ServerProtocol::Https, "a.example", Some(Arc::new(tls)));
        Server { id: RuleId(format!("Gateway/edge/web/{generation}/spec.servers[1]").into()), ..server }
    };
    let same = edited(2, tls(ServerTlsMode::Simple));
    terminators.follow(&program(vec![same.clone()]), &own(), &held);
    assert!(Arc::ptr_eq(&terminators.get(&same).unwrap(), &first) && !first.retired.is_cancelled());
    // Certificates that can't be used are no reason to lose those that were, whatever else changes.
    let broken = holding(vec![secret("cert", (&chain, "no key"), "")]);
    let next = edited(3, tls(ServerTlsMode::Simple));
    terminators.follow(&program(vec![next.clone()]), &own(), &broken);
    assert!(Arc::ptr_eq(&config(&terminators.get(&next).unwrap()), &config(&first)));
    let other = edited(4, tls(ServerTlsMode::Mutual));
    terminators.follow(&program(vec![other]), &own(), &held);
    assert!(first.retired.is_cancelled());
}

#[test]
fn a_new_certificate_ends_no_connection_and_new_settings_do() {
    let terminators = Terminators::new("/nowhere".as_ref());
    let hold = |authorities: &str| {
        let (chain, key) = pair("a.example");
        holding(vec![secret("cert", (&chain, &key), authorities)])
    };
    let first = follow(&terminators, tls(ServerTlsMode::Simple), &hold(""));
    let second = follow(&terminators, tls(ServerTlsMode::Simple), &hold(""));
    assert!(!Arc::ptr_eq(&config(&first), &config(&second)));
    assert!(!first.retired.is_cancelled());
    let third = follow(&terminators, tls(ServerTlsMode::Mutual), &hold(&authority()));
    assert!(first.retired.is_cancelled() && second.retired.is_cancelled() && !third.retired.is_cancelled());
    terminators.follow(&Program::default(), &own(), &Credentials::default());
    assert!(third.retired.is_cancelled(), "the listener is gone");
}

#[test]
fn a_broken_certificate_changes_nothing_and_one_that_is_gone_does() {
    let terminators = Terminators::new("/nowhere".as_ref());
    let ((chain, key), (_, foreign)) = (pair("a.example"), pair("b.example"));
    let first = follow(&terminators, tls(ServerTlsMode::Simple), &holding(vec![secret("cert", (&chain, &key), "")]));
    let broken = holding(vec![secret("cert", (&chain, &foreign), "")]);
    let second = follow(&terminators, tls(ServerTlsMode::Simple), &broken);
    assert!(Arc::ptr_eq(&config(&first), &config(&second)));
    let gone = follow(&terminators, tls(ServerTlsMode::Simple), &Credentials::default());
    assert_eq!(gone.config(|| None).unwrap_err(), TlsError::NoSecret("cert".into()));
}

#[test]
fn what_is_missing_or_wrong_is_said() {
    let (chain, key) = pair("a.example");
    let whole = || holding(vec![secret("cert", (&chain, &key), "")]);
    let error = |tls: ServerTls, held: &Credentials| {
        follow(&Terminators::new("/nowhere".as_ref()), tls, held).config(|| None).unwrap_err()
    };
    let simple = || tls(ServerTlsMode::Simple);
    assert_eq!(error(tls(ServerTlsMode::Mutual), &whole()), TlsError::NoAuthorities);
    assert_eq!(error(ServerTls { credentials: Vec::new(), ..simple() }, &whole()), TlsError::NoCertificate);
    let pinned = ServerTls { pins: vec!["x".into()], ..tls(ServerTlsMode::Mutual) };
    let held = holding(vec![secret("cert", (&chain, &key), &authority())]);
    assert_eq!(error(pinned, &held), TlsError::Pin("x".into()));
    let versions = (None, Some("TLSV1_2".into()));
    let weak = ServerTls { cipher_suites: vec!["AES128-SHA".into()], versions, ..simple() };
    assert_eq!(error(weak, &whole()), ParameterError::Suites.into());
    let curves = ServerTls { curves: vec!["P-521".into()], ..simple() };
    assert_eq!(error(curves, &whole()), ParameterError::Curves.into());
    // Nobody's word is needed for certificates that prove nothing.
    let insecure = ServerTls { insecure: true, ..tls(ServerTlsMode::Mutual) };
    assert!(follow(&Terminators::new("/nowhere".as_ref()), insecure, &whole()).config(|| None).is_ok());
    let text = holding(vec![secret("cert", ("no PEM", &key), "")]);
    assert!(matches!(error(simple(), &text), TlsError::Unusable(Unusable { part: "tls.crt", .. })));
    let keyless = holding(vec![secret("cert", (&chain, "no PEM"), "")]);
    assert!(matches!(error(simple(), &keyless), TlsError::Unusable(Unusable { part: "tls.key", .. })));
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
        let made = follow(&Terminators::new("/nowhere".as_ref()), tls(ServerTlsMode::Mutual), &held);
        assert!(made.config(|| None).is_ok(), "{:?}", made.config(|| None));
    }
}

/// A directory with files.
struct Files(TempDir);

impl Files {
    fn with(files: &[(&str, &str)]) -> Self {
        let held = Self(TempDir::new().unwrap());
        for (name, text) in files {
            held.write(name, text);
        }
        held
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.path().join(name), text).unwrap();
    }

    fn path(&self, name: &str) -> Arc<str> {
        self.0.path().join(name).to_str().unwrap().into()
    }

    fn pair(&self, name: &str) -> TlsFiles {
        let (certificate, key) = (self.path(&format!("{name}.pem")), self.path(&format!("{name}.key")));
        TlsFiles { certificate, key, ..TlsFiles::default() }
    }
}

fn of_files(mode: ServerTlsMode, files: Vec<TlsFiles>) -> ServerTls {
    ServerTls { credentials: Vec::new(), files, ..tls(mode) }
}

#[tokio::test(start_paused = true)]
async fn files_are_followed_and_those_that_do_not_fit_are_not_used() {
    let (first, second) = (pair("a.example"), pair("a.example"));
    let files = Files::with(&[("a.pem", &first.0)]);
    let terminators = Terminators::new("/nowhere".as_ref());
    let terminator = follow(&terminators, of_files(ServerTlsMode::Simple, vec![files.pair("a")]), &holding(vec![]));
    let missing = terminator.config(|| None).unwrap_err().to_string();
    assert!(missing.starts_with(&*files.path("a.key")), "{missing}");
    files.write("a.key", &first.1);
    terminator.config(|| None).unwrap_err();
    time::advance(LOOK).await;
    let made = config(&terminator);
    time::advance(LOOK).await;
    assert!(Arc::ptr_eq(&made, &config(&terminator)));

    // One file after the other.
    files.write("a.pem", &second.0);
    files.write("a.key", &format!("{}\n", first.1));
    time::advance(LOOK).await;
    assert!(Arc::ptr_eq(&made, &config(&terminator)));
    files.write("a.key", &second.1);
    assert!(Arc::ptr_eq(&made, &config(&terminator)));
    time::advance(LOOK).await;
    let newer = config(&terminator);
    assert!(!Arc::ptr_eq(&made, &newer) && !terminator.retired.is_cancelled());
    // The next commit finds the same.
    let again = follow(&terminators, of_files(ServerTlsMode::Simple, vec![files.pair("a")]), &holding(vec![]));
    assert!(Arc::ptr_eq(&newer, &config(&again)));
}

#[test]
fn authorities_of_clients_may_be_in_files() {
    let (chain, key) = pair("a.example");
    let files = Files::with(&[("a.pem", &chain), ("a.key", &key), ("ca.pem", &authority()), ("text.pem", "no PEM")]);
    let ca = |name: &str| TlsFiles { ca: files.path(name), ..TlsFiles::default() };
    let made = |tls: ServerTls, held: Vec<Credential>| {
        let terminator = follow(&Terminators::new("/nowhere".as_ref()), tls, &holding(held));
        terminator.config(|| None).map(drop).map_err(|error| error.to_string())
    };
    let mutual = |files| of_files(ServerTlsMode::Mutual, files);
    made(mutual(vec![TlsFiles { ca: files.path("ca.pem"), ..files.pair("a") }]), vec![]).unwrap();
    made(mutual(vec![ca("ca.pem"), files.pair("a"), files.pair("a")]), vec![]).unwrap();
    let error = |tls: ServerTls| made(tls, vec![]).unwrap_err();
    assert_eq!(error(mutual(vec![files.pair("a")])), TlsError::NoAuthorities.to_string());
    assert_eq!(error(mutual(vec![ca("ca.pem")])), TlsError::NoCertificate.to_string());
    assert!(error(mutual(vec![ca("text.pem"), files.pair("a")])).starts_with(&*files.path("text.pem")));
    let crl = TlsFiles { crl: files.path("text.pem"), ca: files.path("ca.pem"), ..files.pair("a") };
    assert!(error(mutual(vec![crl])).starts_with(&*files.path("text.pem")));
    // What a Secret is named for is not looked for in files.
    let apart = |files| ServerTls { ca_credential: Some("clients".into()), ..mutual(files) };
    let both = || vec![TlsFiles { ca: files.path("ca.pem"), ..files.pair("a") }];
    assert_eq!(error(apart(both())), TlsError::NoAuthorities.to_string());
    made(apart(vec![files.pair("a")]), vec![secret("clients", ("", ""), &authority())]).unwrap();
}

#[test]
fn without_its_own_identity_a_listener_of_the_mesh_takes_nobody() {
    let mesh = of_files(ServerTlsMode::Mesh, Vec::new());
    let terminator = follow(&Terminators::new("/nowhere".as_ref()), mesh, &holding(vec![]));
    assert_eq!(terminator.config(|| None).unwrap_err(), TlsError::NoIdentity);
}

#[test]
fn the_gateways_own_keys_are_nobodys() {
    let (chain, key) = pair("a.example");
    let files = Files::with(&[("a.pem", &chain), ("a.key", &key)]);
    let terminators = Terminators::new(files.0.path());
    let terminator = follow(&terminators, of_files(ServerTlsMode::Simple, vec![files.pair("a")]), &holding(vec![]));
    let refused = terminator.config(|| None).unwrap_err().to_string();
    assert!(refused.ends_with("the proxy's own keys are not for rules to use"), "{refused}");
}
