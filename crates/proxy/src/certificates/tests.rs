use ripstop_identity::CertificateAuthority;
use ripstop_model::TrustAnchor;

use super::*;
use crate::{
    backends::Backends,
    testing::{Worker, run},
};

fn another_authority(domain: &TrustDomain) -> CertificateAuthority {
    let directory = tempfile::tempdir().unwrap();
    CertificateAuthority::load_or_create(directory.path(), domain).unwrap()
}

fn believing(authorities: &[&CertificateAuthority]) -> MeshConfig {
    let anchor = |authority: &&CertificateAuthority| TrustAnchor {
        domains: vec!["partner.example".parse().unwrap()],
        pem: authority.roots().to_pem().into(),
    };
    MeshConfig { trust_anchors: authorities.iter().map(anchor).collect(), ..MeshConfig::default() }
}

#[test]
fn all_identities_share_what_a_change_was_read_to() {
    run(async {
        let worker = Worker::new([], Backends::new).await;
        let certificates = &worker.context.shared.certificates;
        let uses = [worker.holds("a").await, worker.holds("b").await];
        let held = || uses.each_ref().map(|one| certificates.get(&one.id).unwrap());
        let before = held();
        assert!(before[0].trusted().is(before[1].trusted()));
        let mut changes = certificates.believed_changes();
        let partner = another_authority(&"partner.example".parse().unwrap());
        certificates.follow(&believing(&[&partner]));
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        let after = held();
        assert!(after[0].trusted().is(after[1].trusted()) && !after[0].trusted().is(before[0].trusted()));
        assert!(certificates.believed(&TrustDomain::default()).is(after[0].trusted()));
        let newer = |now: &Arc<Credential>, then: &Arc<Credential>| now.generation > then.generation;
        assert!(after.iter().zip(&before).all(|(now, then)| newer(now, then) && !Arc::ptr_eq(now, then)));
        // One that comes later has the same.
        let late = worker.holds("c").await;
        assert!(certificates.get(&late.id).unwrap().trusted().is(after[0].trusted()));
        // The same settings again are no change.
        certificates.follow(&believing(&[&partner]));
        assert!(!changes.has_changed().unwrap());
        assert!(held().iter().zip(&after).all(|(now, then)| Arc::ptr_eq(now, then)));
    });
}

#[test]
fn roots_of_the_mesh_change_like_those_of_others() {
    run(async {
        let worker = Worker::new([], Backends::new).await;
        let certificates = &worker.context.shared.certificates;
        let held = worker.holds("a").await;
        let before = certificates.get(&held.id).unwrap();
        let changes = certificates.believed_changes();
        let next = another_authority(&TrustDomain::default());
        certificates.change(|trust| trust.with(next.roots()));
        assert!(changes.has_changed().unwrap());
        let after = certificates.get(&held.id).unwrap();
        assert!(!after.trusted().is(before.trusted()) && after.generation > before.generation);
        certificates.change(|trust| trust.with(next.roots()));
        assert!(Arc::ptr_eq(&after, &certificates.get(&held.id).unwrap()));
    });
}

/// While new settings are read, handshakes take what there is: this test would never end if they had to wait.
#[test]
fn nobody_waits_while_settings_are_read() {
    run(async {
        let worker = Worker::new([], Backends::new).await;
        let certificates = &worker.context.shared.certificates;
        let held = worker.holds("a").await;
        let before = certificates.get(&held.id).unwrap();
        let partner = another_authority(&"partner.example".parse().unwrap());
        certificates.change(|trust| {
            assert!(Arc::ptr_eq(&before, &certificates.get(&held.id).unwrap()));
            assert!(before.trusted().is(&certificates.believed(&TrustDomain::default())));
            trust.by(&believing(&[&partner]))
        });
        assert!(!Arc::ptr_eq(&before, &certificates.get(&held.id).unwrap()));
    });
}
