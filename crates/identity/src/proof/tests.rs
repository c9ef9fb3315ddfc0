use ripstop_model::{MeshConfig, TrustAnchor, TrustDomain};

use super::*;
use crate::{Anchors, CertificateAuthority, Roots, Svid, new_csr};

/// An authority, and a certificate of it.
struct Issuer {
    authority: CertificateAuthority,
    domain: TrustDomain,
    _directory: tempfile::TempDir,
}

impl Issuer {
    fn new(domain: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let domain: TrustDomain = domain.parse().unwrap();
        let authority = CertificateAuthority::load_or_create(directory.path(), &domain).unwrap();
        Self { authority, domain, _directory: directory }
    }

    fn roots(&self) -> &Roots {
        self.authority.roots()
    }

    fn id(&self) -> SpiffeId {
        SpiffeId::service_account(&self.domain, "ns", "a").unwrap()
    }

    fn svid(&self, ttl: Duration) -> Svid {
        let (key, csr) = new_csr().unwrap();
        Svid::new(&self.authority.issue(&csr, &self.id(), ttl).unwrap().pem(), key).unwrap()
    }

    fn anchor(&self) -> TrustAnchor {
        TrustAnchor { domains: vec![self.domain.clone()], pem: self.roots().to_pem().into() }
    }
}

const HOUR: Duration = Duration::from_secs(3600);

/// What somebody of the mesh of `own` believes.
fn believed(own: &Issuer, aliases: &[&str], trust_anchors: Vec<TrustAnchor>) -> Bundles {
    let trust_domain_aliases = aliases.iter().map(|alias| alias.parse().unwrap()).collect();
    let mesh = MeshConfig { trust_domain_aliases, trust_anchors, ..MeshConfig::default() };
    Anchors::of_mesh(&mesh).beside(own.roots(), &own.domain)
}

#[test]
fn a_root_that_is_withdrawn_takes_its_proofs_with_it() {
    let own = Issuer::new("cluster.local");
    // Two authorities of one domain, which stays believed.
    let (old, new) = (Issuer::new("partner.example"), Issuer::new("partner.example"));
    let both = || believed(&own, &[], vec![old.anchor(), new.anchor()]);
    let only_new = || believed(&own, &[], vec![new.anchor()]);
    for (issuer, stays) in [(&old, false), (&new, true), (&own, true)] {
        let (svid, now) = (issuer.svid(HOUR), SystemTime::now());
        let expected: Arc<[SpiffeId]> = [issuer.id()].into();
        let client = Proof::of_client(&own.id(), svid.chain(), Some(&both()), now).unwrap();
        let server = Proof::of_server(&own.id(), svid.chain(), expected, Some(&both()), now).unwrap();
        for mut proof in [client, server] {
            assert_eq!(proof.id(), &issuer.id());
            proof.holds(&both()).unwrap();
            let judged = proof.holds(&only_new());
            assert_eq!(judged.is_ok(), stays, "{judged:?}");
            // That it did not hold is no reason why it should not later.
            proof.holds(&both()).unwrap();
            assert_eq!(proof.holds(&only_new()).is_ok(), stays);
        }
    }
    let mut proof = Proof::of_client(&own.id(), old.svid(HOUR).chain(), Some(&both()), SystemTime::now()).unwrap();
    assert!(matches!(proof.holds(&only_new()).unwrap_err().fault, Fault::UnknownRoot));
    let mut proof = Proof::of_client(&own.id(), old.svid(HOUR).chain(), Some(&both()), SystemTime::now()).unwrap();
    assert!(proof.holds(&believed(&own, &[], Vec::new())).is_err());
}

#[test]
fn what_nobody_is_known_to_have_judged_is_verified() {
    let (own, old, new) =
        (Issuer::new("cluster.local"), Issuer::new("partner.example"), Issuer::new("partner.example"));
    let by_new = believed(&own, &[], vec![new.anchor()]);
    let proof =
        |issuer: &Issuer| Proof::of_client(&own.id(), issuer.svid(HOUR).chain(), None, SystemTime::now()).unwrap();
    proof(&new).holds(&by_new).unwrap();
    assert!(proof(&old).holds(&by_new).is_err());
}

#[test]
fn the_meshs_own_root_is_withdrawn_like_others() {
    let (old, new) = (Issuer::new("cluster.local"), Issuer::new("cluster.local"));
    let svid = old.svid(HOUR);
    let mut proof = Proof::of_client(&old.id(), svid.chain(), Some(&old.roots().into()), SystemTime::now()).unwrap();
    proof.holds(&Bundles::from(old.roots().and(new.roots()))).unwrap();
    assert!(proof.holds(&new.roots().into()).is_err());
}

#[test]
fn whoever_is_no_alias_any_more_is_no_callee_either() {
    let (own, alias) = (Issuer::new("cluster.local"), Issuer::new("old.example"));
    let with = believed(&own, &["old.example"], vec![alias.anchor()]);
    let expected: Arc<[SpiffeId]> = [own.id()].into();
    let mut proof =
        Proof::of_server(&own.id(), alias.svid(HOUR).chain(), expected, Some(&with), SystemTime::now()).unwrap();
    proof.holds(&with).unwrap();
    // Still believed, but somebody else.
    let error = proof.holds(&believed(&own, &[], vec![alias.anchor()])).unwrap_err();
    assert!(matches!(error.fault, Fault::Unexpected(_)), "{error}");
}

#[test]
fn a_certificate_that_has_expired_since_is_judged_as_it_was() {
    let (own, partner) = (Issuer::new("cluster.local"), Issuer::new("partner.example"));
    let (first, second) = (partner.anchor(), Issuer::new("partner.example").anchor());
    let svid = partner.svid(Duration::from_secs(60));
    let long_ago = svid.not_before() + Duration::from_secs(1);
    let before = believed(&own, &[], vec![first.clone(), second]);
    let mut proof = Proof::of_client(&own.id(), svid.chain(), Some(&before), long_ago).unwrap();
    // The other root went, so that the chain is verified.
    proof.holds(&believed(&own, &[], vec![first])).unwrap();
    let after = svid.not_after() + HOUR;
    let mut late = Proof::of_client(&own.id(), svid.chain(), Some(&before), after).unwrap();
    assert!(late.holds(&believed(&own, &[], vec![partner.anchor()])).is_err());
}

#[test]
fn what_shows_no_identity_proves_nothing() {
    let own = Issuer::new("cluster.local");
    assert!(Proof::of_client(&own.id(), &[], None, SystemTime::now()).is_err());
    assert!(Proof::of_client(&own.id(), own.roots().certificates(), None, SystemTime::now()).is_err());
}
