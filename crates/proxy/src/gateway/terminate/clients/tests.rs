use std::fmt::Write as _;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    SanType,
};
use rustls::{RootCertStore, crypto::aws_lc_rs, server::WebPkiClientVerifier};

use super::*;
use crate::gateway::samples;

/// An authority, and one client of it.
struct Bed {
    issuer: CertifiedIssuer<'static, KeyPair>,
    client: CertificateDer<'static>,
    key: KeyPair,
}

impl Bed {
    fn new(names: &[&str]) -> Self {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let issuer = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let mut params = CertificateParams::default();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let name = |name: &&str| match name.parse() {
            Ok(ip) => SanType::IpAddress(ip),
            Err(_) if name.contains("://") => SanType::URI((*name).try_into().unwrap()),
            Err(_) => SanType::DnsName((*name).try_into().unwrap()),
        };
        params.subject_alt_names = names.iter().map(name).collect();
        let key = KeyPair::generate().unwrap();
        let client = params.signed_by(&key, &issuer).unwrap().der().clone();
        Self { issuer, client, key }
    }

    /// Whether the listener takes the client.
    fn takes(&self, tls: &ServerTls) -> bool {
        self.takes_of(&self.issuer, tls)
    }

    /// The same, where it believes the authority `issuer`.
    fn takes_of(&self, issuer: &CertifiedIssuer<'static, KeyPair>, tls: &ServerTls) -> bool {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(issuer.der().clone()).unwrap();
        let chain = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone()).build().unwrap();
        let chain = (!tls.insecure).then_some(chain);
        let clients = Clients::new(tls, chain, &provider).unwrap();
        clients.verify_client_cert(&self.client, &[], UnixTime::now()).is_ok()
    }

    fn certificate_pin(&self) -> String {
        let mut text = String::new();
        for byte in digest(&SHA256, &self.client).as_ref() {
            write!(text, "{byte:02x}").unwrap();
        }
        text
    }

    fn key_pin(&self) -> String {
        STANDARD.encode(digest(&SHA256, &rcgen::PublicKeyData::subject_public_key_info(&self.key)))
    }
}

fn mutual() -> ServerTls {
    samples::tls(ServerTlsMode::Mutual)
}

fn texts(texts: &[&str]) -> Vec<Arc<str>> {
    texts.iter().map(|text| (*text).into()).collect()
}

#[test]
fn one_of_the_names_is_proven_and_by_the_authority() {
    let id = "spiffe://a.example/ns/b/sa/c";
    let bed = Bed::new(&["client.example", id, "10.0.0.1"]);
    let named = |names: &[&str]| ServerTls { subject_alt_names: texts(names), ..mutual() };
    for (names, taken) in [
        (&[][..], true),
        (&["client.example"], true),
        (&["other.example", id], true),
        (&["10.0.0.1"], true),
        (&["other.example"], false),
        (&["spiffe://a.example/ns/b/sa/d", "10.0.0.2"], false),
        (&["example"], false),
    ] {
        assert_eq!(bed.takes(&named(names)), taken, "{names:?}");
    }
    let stranger = Bed::new(&[]);
    assert!(!bed.takes_of(&stranger.issuer, &named(&["client.example"])));
    // A wildcard of the certificate stands for a name of the list.
    assert!(Bed::new(&["*.shop.example"]).takes(&named(&["client.shop.example"])));
}

#[test]
fn a_pin_of_either_kind_will_do() {
    let (bed, other) = (Bed::new(&["a.example"]), Bed::new(&["a.example"]));
    let pinned = |pins: &[&str]| ServerTls { pins: texts(pins), ..mutual() };
    let (key, hash) = (bed.key_pin(), bed.certificate_pin());
    let pairs: Vec<&str> = (0..32).map(|at| &hash[2 * at..2 * at + 2]).collect();
    let (other_key, other_hash) = (other.key_pin(), other.certificate_pin());
    for (pins, taken) in [
        (vec![&*key], true),
        (vec![&*hash], true),
        (vec![&*hash.to_uppercase()], true),
        (vec![&*pairs.join(":")], true),
        (vec![&*other_key, &*hash], true),
        (vec![&*key, &*other_hash], true),
        (vec![&*other_key, &*other_hash], false),
        (vec![&*other_key], false),
        (vec![&*other_hash], false),
    ] {
        assert_eq!(bed.takes(&pinned(&pins)), taken, "{pins:?}");
    }
    // A pin stands for no authority, and for no name.
    assert!(!bed.takes_of(&other.issuer, &pinned(&[&key])));
    assert!(!bed.takes(&ServerTls { subject_alt_names: texts(&["b.example"]), ..pinned(&[&key]) }));
    for text in ["", "x", &hash[1..], &format!("{hash}0"), &key[4..]] {
        let provider = aws_lc_rs::default_provider();
        assert_eq!(Clients::new(&pinned(&[text]), None, &provider).unwrap_err(), TlsError::Pin(text.into()));
    }
}

#[test]
fn certificates_that_prove_nothing_are_anybodys_but_pins_count() {
    let (bed, stranger) = (Bed::new(&["a.example"]), Bed::new(&[]));
    let insecure = ServerTls { insecure: true, subject_alt_names: texts(&["b.example"]), ..mutual() };
    assert!(bed.takes_of(&stranger.issuer, &insecure));
    let pinned = |pin: String| ServerTls { pins: texts(&[&pin]), ..insecure.clone() };
    assert!(bed.takes_of(&stranger.issuer, &pinned(bed.key_pin())));
    assert!(!bed.takes_of(&stranger.issuer, &pinned(stranger.key_pin())));
}

#[test]
fn a_certificate_is_a_must_unless_it_is_optional() {
    let provider = aws_lc_rs::default_provider();
    for (mode, mandatory) in [(ServerTlsMode::Mutual, true), (ServerTlsMode::OptionalMutual, false)] {
        let clients = Clients::new(&samples::tls(mode), None, &provider).unwrap();
        assert_eq!((clients.offer_client_auth(), clients.client_auth_mandatory()), (true, mandatory));
    }
}
