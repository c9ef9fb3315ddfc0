use super::*;
use crate::{CertificateAuthority, Error, new_csr};

fn authority() -> (tempfile::TempDir, CertificateAuthority) {
    let dir = tempfile::tempdir().unwrap();
    let authority = CertificateAuthority::load_or_create(dir.path(), &"mesh.example".parse().unwrap()).unwrap();
    (dir, authority)
}

fn id() -> SpiffeId {
    "spiffe://mesh.example/ns/a/sa/b".parse().unwrap()
}

#[test]
fn pem_round_trip() {
    let (_dir, authority) = authority();
    let (key, csr) = new_csr().unwrap();
    let svid = Svid::new(&authority.issue(&csr, &id(), Duration::from_mins(1)).unwrap().pem(), key).unwrap();
    let again = Svid::from_pem(&svid.chain_pem(), &svid.key().to_pem()).unwrap();
    assert_eq!(again.chain(), svid.chain());
    assert_eq!((again.not_before(), again.not_after()), (svid.not_before(), svid.not_after()));
    assert_eq!(again.renew_at(), svid.renew_at(), "the same before and after a restart");
    assert!(!format!("{svid:?} {:?}", svid.key()).contains("BEGIN"));
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let (_dir, authority) = authority();
    let (_, csr) = new_csr().unwrap();
    let (stranger, _) = new_csr().unwrap();
    let chain = authority.issue(&csr, &id(), Duration::from_mins(1)).unwrap().pem();
    assert!(matches!(Svid::new(&chain, stranger.clone()).unwrap_err(), Error::Key { .. }));
    assert!(matches!(Svid::new("", stranger.clone()).unwrap_err(), Error::Pem { .. }));
    assert!(matches!(Svid::new(&authority.roots_pem(), stranger).unwrap_err(), Error::Verify(_)));
    assert!(matches!(Svid::from_pem(&chain, "").unwrap_err(), Error::Pem { .. }));
}

#[test]
fn renewal_at_half_life_with_jitter() {
    let (_dir, authority) = authority();
    let life = Duration::from_hours(24);
    let now = SystemTime::now();
    let mut earliest = Duration::MAX;
    let mut latest = Duration::ZERO;
    for _ in 0..40 {
        let (key, csr) = new_csr().unwrap();
        let svid = Svid::new(&authority.issue_at(&csr, &id(), life, now).unwrap().pem(), key).unwrap();
        assert!(!svid.needs_renewal(svid.renew_at() - Duration::from_secs(1)));
        assert!(svid.needs_renewal(svid.renew_at()));
        assert!(!svid.is_expired(svid.not_after() - Duration::from_secs(1)));
        assert!(svid.is_expired(svid.not_after()));
        let age = svid.renew_at().duration_since(svid.not_before()).unwrap();
        (earliest, latest) = (earliest.min(age), latest.max(age));
    }
    assert!(earliest >= life.mul_f64(0.45), "{earliest:?}");
    assert!(latest <= (life + Duration::from_secs(61)).mul_f64(0.55), "{latest:?}");
    assert!(
        latest.checked_sub(earliest).unwrap() > life.mul_f64(0.03),
        "certificates spread: {earliest:?} to {latest:?}"
    );
}
