use std::{
    io,
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};

use super::*;

const HOUR: Duration = Duration::from_hours(1);

/// A root that signs whatever it is told to.
struct Forge {
    issuer: CertifiedIssuer<'static, KeyPair>,
    roots: Roots,
    now: SystemTime,
}

impl Forge {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let roots = Roots::from_pem(&issuer.pem()).unwrap();
        Self { issuer, roots, now: SystemTime::now() }
    }

    /// A good leaf for `uri`, changed by `change`.
    fn leaf(&self, uri: &str, change: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.not_before = (self.now - HOUR).into();
        params.not_after = (self.now + HOUR).into();
        params.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        params.signed_by(&KeyPair::generate().unwrap(), &self.issuer).unwrap().der().clone()
    }

    fn trust(&self) -> Trust {
        Trust { own: Some(id("a")), domain: TrustDomain::default(), bundles: self.roots.clone().into() }
    }

    fn now(&self) -> UnixTime {
        UnixTime::since_unix_epoch(self.now.duration_since(SystemTime::UNIX_EPOCH).unwrap())
    }

    /// The verdict of both sides, which must agree, as a client expecting `b`.
    fn verify(&self, leaf: &CertificateDer<'_>) -> Result<SpiffeId, VerifyError> {
        let server = self.trust().verify(Side::Server, leaf, &[], self.now());
        let client = self.trust().verify(Side::Client, leaf, &[], self.now());
        match (&server, &client) {
            (Ok(a), Ok(b)) => assert_eq!(a, b),
            (Err(a), Err(b)) => {
                assert_eq!(a.fault.to_string().split('(').next(), b.fault.to_string().split('(').next());
            }
            _ => panic!("sides disagree: {server:?} {client:?}"),
        }
        server
    }

    fn fault(&self, leaf: &CertificateDer<'_>) -> VerifyError {
        self.verify(leaf).unwrap_err()
    }
}

const B: &str = "spiffe://cluster.local/ns/test/sa/b";

fn id(account: &str) -> SpiffeId {
    format!("spiffe://cluster.local/ns/test/sa/{account}").parse().unwrap()
}

#[test]
fn a_good_certificate_is_believed() {
    let forge = Forge::new();
    assert_eq!(forge.verify(&forge.leaf(B, |_| ())).unwrap(), id("b"));
    // Other kinds of names may sit beside the URI; the extended key usage may be missing.
    let leaf = forge.leaf(B, |params| {
        params.subject_alt_names.push(SanType::DnsName("b.example".try_into().unwrap()));
        params.extended_key_usages.clear();
    });
    assert_eq!(forge.verify(&leaf).unwrap(), id("b"));
}

#[test]
fn another_trust_domain() {
    let forge = Forge::new();
    let error = forge.fault(&forge.leaf("spiffe://other.org/ns/test/sa/b", |_| ()));
    assert!(matches!(&error.fault, Fault::TrustDomain(domain) if domain.as_str() == "cluster.local"), "{error}");
    let text = error.to_string();
    assert!(text.contains("spiffe://other.org/ns/test/sa/b") && text.contains(id("a").as_str()), "{text}");
}

#[test]
fn zero_or_several_uris() {
    let forge = Forge::new();
    let two = forge.leaf(B, |params| params.subject_alt_names.push(SanType::URI("https://b".try_into().unwrap())));
    assert!(matches!(forge.fault(&two).fault, Fault::UriSans(2)));
    let twice = forge.leaf(B, |params| params.subject_alt_names.push(SanType::URI(B.try_into().unwrap())));
    assert!(matches!(forge.fault(&twice).fault, Fault::UriSans(2)));
    let none = forge.leaf(B, |params| params.subject_alt_names.clear());
    assert!(matches!(forge.fault(&none).fault, Fault::UriSans(0)));
    let dns = forge.leaf(B, |params| {
        params.subject_alt_names = vec![SanType::DnsName("b.example".try_into().unwrap())];
    });
    assert!(matches!(forge.fault(&dns).fault, Fault::UriSans(0)));
}

#[test]
fn names_that_are_no_spiffe_ids() {
    let forge = Forge::new();
    for uri in [
        "https://cluster.local/ns/a",
        "spiffe://",
        "spiffe://cluster.local/a//b",
        "spiffe://CLUSTER/a",
        "spiffe://cluster.local/a?b",
    ] {
        let error = forge.fault(&forge.leaf(uri, |_| ()));
        assert!(matches!(error.fault, Fault::NotSpiffe(_)), "{uri}: {error}");
        assert_eq!(error.peer, Party::Unnamed);
    }
    let error = forge.fault(&forge.leaf("spiffe://cluster.local", |_| ()));
    assert!(matches!(error.fault, Fault::NoPath), "{error}");
}

#[test]
fn an_authority_is_no_workload() {
    let forge = Forge::new();
    let ca = forge.leaf(B, |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    assert!(matches!(forge.fault(&ca).fault, Fault::CaBit));
    for usage in [KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign] {
        let signer = forge.leaf(B, |params| params.key_usages.push(usage));
        assert!(matches!(forge.fault(&signer).fault, Fault::KeyUsage));
    }
}

#[test]
fn a_leaf_can_not_vouch_for_another() {
    let forge = Forge::new();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::URI(B.try_into().unwrap())];
    params.is_ca = IsCa::ExplicitNoCa;
    let middle = params.signed_by(&key, &forge.issuer).unwrap().der().clone();
    let false_issuer = rcgen::Issuer::new(params, key);
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::URI(B.try_into().unwrap())];
    let leaf = params.signed_by(&KeyPair::generate().unwrap(), &false_issuer).unwrap();
    for side in [Side::Server, Side::Client] {
        forge.trust().verify(side, leaf.der(), std::slice::from_ref(&middle), forge.now()).unwrap_err();
    }
}

#[test]
fn out_of_its_time() {
    let forge = Forge::new();
    let expired = forge.leaf(B, |params| params.not_after = (forge.now - Duration::from_secs(10)).into());
    let error = forge.fault(&expired);
    assert!(matches!(error.fault, Fault::Expired(_)), "{error}");
    assert!(error.to_string().contains("clock"), "{error}");
    assert_eq!(error.peer, Party::Claimed(id("b")));
    let future = forge.leaf(B, |params| params.not_before = (forge.now + Duration::from_secs(10)).into());
    assert!(matches!(forge.fault(&future).fault, Fault::NotYetValid(_)));
}

#[test]
fn for_another_purpose() {
    let forge = Forge::new();
    let only = |purpose: ExtendedKeyUsagePurpose| forge.leaf(B, |params| params.extended_key_usages = vec![purpose]);
    let verify = |side, leaf: &CertificateDer<'_>| forge.trust().verify(side, leaf, &[], forge.now());
    let client_only = only(ExtendedKeyUsagePurpose::ClientAuth);
    assert!(matches!(verify(Side::Server, &client_only).unwrap_err().fault, Fault::Purpose(_)));
    verify(Side::Client, &client_only).unwrap();
    let server_only = only(ExtendedKeyUsagePurpose::ServerAuth);
    assert!(matches!(verify(Side::Client, &server_only).unwrap_err().fault, Fault::Purpose(_)));
    verify(Side::Server, &server_only).unwrap();
}

#[test]
fn an_unknown_root() {
    let (forge, other) = (Forge::new(), Forge::new());
    let error = forge.fault(&other.leaf(B, |_| ()));
    assert!(matches!(error.fault, Fault::UnknownRoot), "{error}");
    assert_eq!(error.peer, Party::Claimed(id("b")));
}

#[test]
fn bytes_that_are_no_certificate() {
    let forge = Forge::new();
    let good = forge.leaf(B, |_| ());
    for bytes in [vec![], b"no certificate".to_vec(), good[..good.len() - 1].to_vec(), [&good, &b"x"[..]].concat()] {
        assert!(matches!(forge.fault(&bytes.into()).fault, Fault::Unparsable(_)));
    }
    // Any flipped bit breaks it somewhere, and nothing panics.
    for i in 0..good.len() {
        let mut bytes = good.to_vec();
        bytes[i] ^= 1;
        assert!(forge.trust().verify(Side::Server, &bytes.into(), &[], forge.now()).is_err(), "byte {i}");
    }
}

#[test]
fn an_unexpected_identity() {
    let forge = Forge::new();
    let leaf = forge.leaf(B, |_| ());
    let verifier = |expected: Vec<SpiffeId>| ServerVerifier { trust: forge.trust(), expected: expected.into() };
    verifier(vec![id("c"), id("b")]).verify(&leaf, &[], forge.now()).unwrap();
    let error = verifier(vec![id("c")]).verify(&leaf, &[], forge.now()).unwrap_err();
    assert!(matches!(error.fault, Fault::Unexpected(_)));
    assert_eq!(error.peer, Party::Proven(id("b")));
    for account in ["a", "b", "c"] {
        assert!(error.to_string().contains(id(account).as_str()), "{error}");
    }
    let error = verifier(vec![]).verify(&leaf, &[], forge.now()).unwrap_err();
    assert!(error.to_string().contains("nobody"), "{error}");
}

#[test]
fn the_error_is_found_again() {
    let error = VerifyError { own: None, peer: Party::Unnamed, fault: Fault::UriSans(0) };
    let direct = io::Error::new(io::ErrorKind::InvalidData, into_rustls(error.clone()));
    let wrapped = io::Error::other(Arc::new(io::Error::other(into_rustls(error))));
    for error in [direct, io::Error::other(wrapped)] {
        assert!(matches!(verify_error(&error).unwrap().fault, Fault::UriSans(0)));
    }
    assert!(verify_error(&io::ErrorKind::BrokenPipe.into()).is_none());
    assert!(verify_error(&io::Error::other(rustls::Error::DecryptError)).is_none());
}
