use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    SanType,
};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::*;
use crate::verify::{Fault, ServerVerifier, Side, Trust};

/// An authority that signs whatever it is told to.
struct Forge(CertifiedIssuer<'static, KeyPair>);

impl Forge {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn roots(&self) -> Roots {
        Roots::from_pem(&self.0.pem()).unwrap()
    }

    fn anchor(&self, domains: &[&str]) -> TrustAnchor {
        TrustAnchor {
            domains: domains.iter().map(|domain| domain.parse().unwrap()).collect(),
            pem: self.0.pem().into(),
        }
    }

    /// The certificate of `ns/a/sa/a` in that domain.
    fn leaf(&self, domain: &str) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.not_before = (SystemTime::now() - Duration::from_hours(1)).into();
        params.not_after = (SystemTime::now() + Duration::from_hours(1)).into();
        params.subject_alt_names = vec![SanType::URI(uri(domain).try_into().unwrap())];
        params.is_ca = IsCa::ExplicitNoCa;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.signed_by(&KeyPair::generate().unwrap(), &self.0).unwrap().der().clone()
    }
}

fn uri(domain: &str) -> String {
    format!("spiffe://{domain}/ns/a/sa/a")
}

fn mesh(aliases: &[&str], trust_anchors: Vec<TrustAnchor>) -> MeshConfig {
    let trust_domain_aliases = aliases.iter().map(|alias| alias.parse().unwrap()).collect();
    MeshConfig { trust_domain_aliases, trust_anchors, ..MeshConfig::default() }
}

fn now() -> UnixTime {
    UnixTime::since_unix_epoch(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap())
}

/// Whether somebody of the mesh, whose authority is `own`, believes `leaf`, on either side.
fn believes(own: &Forge, mesh: &MeshConfig, leaf: &CertificateDer<'_>) -> bool {
    let domain = TrustDomain::default();
    let trust = Trust { own: None, bundles: Anchors::of_mesh(mesh).beside(&own.roots(), &domain), domain };
    let [server, client] = [Side::Server, Side::Client].map(|side| trust.verify(side, leaf, &[], now()).is_ok());
    assert_eq!(server, client);
    server
}

#[test]
fn a_root_counts_for_its_trust_domains_only() {
    let (own, old, partner) = (Forge::new(), Forge::new(), Forge::new());
    let anchors = vec![old.anchor(&["old.example"]), partner.anchor(&["partner.example", "second.example"])];
    let mesh = mesh(&["old.example", "bare.example"], anchors);
    for (signer, domain, believed) in [
        (&own, "cluster.local", true),
        (&own, "old.example", false),
        // An alias without roots of its own has the mesh's.
        (&own, "bare.example", true),
        (&own, "partner.example", false),
        (&own, "else.example", false),
        (&old, "old.example", true),
        (&old, "cluster.local", false),
        (&old, "bare.example", false),
        (&old, "partner.example", false),
        (&partner, "partner.example", true),
        (&partner, "second.example", true),
        (&partner, "old.example", false),
        (&partner, "cluster.local", false),
        (&partner, "else.example", false),
    ] {
        assert_eq!(believes(&own, &mesh, &signer.leaf(domain)), believed, "{domain}");
    }
}

#[test]
fn roots_for_no_domain_in_particular_are_those_of_the_mesh_and_its_aliases() {
    let (own, next, old) = (Forge::new(), Forge::new(), Forge::new());
    let mesh = mesh(&["old.example", "bare.example"], vec![next.anchor(&[]), old.anchor(&["old.example"])]);
    for domain in ["cluster.local", "old.example", "bare.example"] {
        assert!(believes(&own, &mesh, &next.leaf(domain)), "{domain}");
    }
    assert!(!believes(&own, &mesh, &next.leaf("else.example")));
    assert!(believes(&own, &mesh, &own.leaf("cluster.local")) && believes(&own, &mesh, &old.leaf("old.example")));
}

#[test]
fn several_roots_of_one_domain_count_alike_and_those_of_the_own_one_too() {
    let (own, one, two) = (Forge::new(), Forge::new(), Forge::new());
    let anchors = vec![one.anchor(&["a.example"]), two.anchor(&["a.example", "cluster.local"])];
    let mesh = mesh(&[], anchors);
    assert!(believes(&own, &mesh, &one.leaf("a.example")) && believes(&own, &mesh, &two.leaf("a.example")));
    assert!(believes(&own, &mesh, &two.leaf("cluster.local")) && !believes(&own, &mesh, &one.leaf("cluster.local")));
}

#[test]
fn what_cannot_be_read_vouches_for_nobody() {
    let own = Forge::new();
    let broken = TrustAnchor { domains: vec!["a.example".parse().unwrap()], pem: "nothing".into() };
    let leaf = own.leaf("a.example");
    assert!(!believes(&own, &mesh(&[], vec![broken]), &leaf));
    // A leaf is nobody's root.
    let pem = pem::encode(&pem::Pem::new("CERTIFICATE", leaf.to_vec()));
    let anchor = TrustAnchor { domains: vec!["a.example".parse().unwrap()], pem: pem.into() };
    assert!(!believes(&own, &mesh(&[], vec![anchor]), &leaf));
}

#[test]
fn an_alias_whose_roots_cannot_be_used_is_not_believed_by_those_of_the_mesh() {
    let (own, old, next) = (Forge::new(), Forge::new(), Forge::new());
    let unusable = |pem: &str| TrustAnchor { domains: vec!["old.example".parse().unwrap()], pem: pem.into() };
    for pem in ["", "nothing"] {
        let config = mesh(&["old.example"], vec![unusable(pem)]);
        assert!(!believes(&own, &config, &own.leaf("old.example")), "{pem:?}");
        assert!(believes(&own, &config, &own.leaf("cluster.local")), "{pem:?}");
        // Others of the domain count, whatever stands first.
        let usable = || old.anchor(&["old.example"]);
        for anchors in [vec![unusable(pem), usable()], vec![usable(), unusable(pem)]] {
            let config = mesh(&["old.example"], anchors);
            assert!(believes(&own, &config, &old.leaf("old.example")), "{pem:?}");
            assert!(!believes(&own, &config, &own.leaf("old.example")), "{pem:?}");
        }
        // Those for no domain in particular are those of aliases, too.
        let config = mesh(&["old.example"], vec![unusable(pem), next.anchor(&[])]);
        assert!(believes(&own, &config, &next.leaf("old.example")), "{pem:?}");
    }
}

#[test]
fn who_is_of_an_alias_is_who_it_would_be_of_the_mesh() {
    let (own, old, partner) = (Forge::new(), Forge::new(), Forge::new());
    let anchors = vec![old.anchor(&["old.example"]), partner.anchor(&["partner.example"])];
    let bundles = Anchors::of_mesh(&mesh(&["old.example"], anchors)).beside(&own.roots(), &TrustDomain::default());
    let answers = |expected: &str, leaf: CertificateDer<'_>| {
        let trust = Trust { own: None, domain: TrustDomain::default(), bundles: bundles.clone() };
        let verifier = ServerVerifier { trust, expected: vec![expected.parse().unwrap()].into() };
        verifier.verify(&leaf, &[], now()).map(drop).map_err(|error| error.fault)
    };
    for (expected, leaf) in [
        ("cluster.local", own.leaf("cluster.local")),
        ("cluster.local", old.leaf("old.example")),
        ("old.example", own.leaf("cluster.local")),
        ("old.example", old.leaf("old.example")),
        ("partner.example", partner.leaf("partner.example")),
    ] {
        answers(&uri(expected), leaf).unwrap();
    }
    for (expected, leaf) in [
        (uri("cluster.local"), partner.leaf("partner.example")),
        (uri("partner.example"), own.leaf("cluster.local")),
        ("spiffe://cluster.local/ns/a/sa/other".into(), old.leaf("old.example")),
    ] {
        assert!(matches!(answers(&expected, leaf), Err(Fault::Unexpected(_))), "{expected}");
    }
}

#[test]
fn settings_that_say_the_same_are_the_same() {
    let forge = Forge::new();
    let config = mesh(&["a.example"], vec![forge.anchor(&["a.example"])]);
    let anchors = Anchors::of_mesh(&config);
    assert!(anchors.are_of(&config) && !anchors.are_of(&MeshConfig::default()));
    assert!(Anchors::default().are_of(&MeshConfig::default()));
}
