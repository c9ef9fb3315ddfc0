use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use rustls_pki_types::{CertificateSigningRequestDer, pem::PemObject as _};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::*;
use crate::{Svid, new_csr};

const DAY: Duration = days(1);

fn mesh() -> (tempfile::TempDir, CertificateAuthority) {
    let dir = tempfile::tempdir().unwrap();
    let authority = CertificateAuthority::load_or_create(&dir.path().join("ca"), &TrustDomain::default()).unwrap();
    (dir, authority)
}

fn id() -> SpiffeId {
    "spiffe://cluster.local/ns/bookinfo/sa/reviews".parse().unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn what_it_issues_is_believed() {
    let (_dir, authority) = mesh();
    let (key, csr) = new_csr().unwrap();
    let issued = authority.issue(&csr, &id(), DAY).unwrap();
    assert_eq!(issued.certificates.len(), 2);
    let svid = Svid::new(&issued.pem(), key).unwrap();
    assert_eq!(svid.id, id());
    svid.check(authority.roots(), SystemTime::now()).unwrap();
    svid.check(authority.roots(), SystemTime::now() + DAY + Duration::from_secs(1)).unwrap_err();
}

#[test]
fn leaves_look_as_documented() {
    let (_dir, authority) = mesh();
    let now = SystemTime::UNIX_EPOCH
        + Duration::from_secs(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs());
    let (key, csr) = new_csr().unwrap();
    let svid = Svid::new(&authority.issue_at(&csr, &id(), DAY, now).unwrap().pem(), key).unwrap();
    assert_eq!(svid.not_before(), now - BACKDATE);
    assert_eq!(svid.not_after(), now + DAY);
    let (_, leaf) = X509Certificate::from_der(&svid.chain()[0]).unwrap();
    assert_eq!(leaf.subject().iter().count(), 0, "empty subject");
    let san = leaf.subject_alternative_name().unwrap().unwrap();
    assert!(san.critical);
    assert_eq!(san.value.general_names.len(), 1);
    let usage = leaf.key_usage().unwrap().unwrap();
    assert!(usage.critical && usage.value.digital_signature());
    assert!(!usage.value.key_cert_sign() && !usage.value.crl_sign() && !usage.value.key_encipherment());
    let extended = leaf.extended_key_usage().unwrap().unwrap().value;
    assert!(extended.server_auth && extended.client_auth && !extended.any);
    assert!(!leaf.is_ca());
    let (_, intermediate) = X509Certificate::from_der(&svid.chain()[1]).unwrap();
    let constraints = intermediate.basic_constraints().unwrap().unwrap();
    assert!(constraints.critical && constraints.value.ca);
    assert_eq!(constraints.value.path_len_constraint, Some(0));
    let usage = intermediate.key_usage().unwrap().unwrap();
    assert!(usage.critical && usage.value.key_cert_sign() && !usage.value.digital_signature());
    let (_, root) = X509Certificate::from_der(&authority.roots().certificates()[0]).unwrap();
    assert_eq!(root.basic_constraints().unwrap().unwrap().value.path_len_constraint, Some(1));
    assert_eq!(authority.roots().trust_domain(), Some(TrustDomain::default()));
    let (_, second_csr) = new_csr().unwrap();
    let second = authority.issue(&second_csr, &id(), DAY).unwrap();
    let other = read_pem("x", &second.pem()).unwrap();
    let (_, other) = X509Certificate::from_der(&other[0]).unwrap();
    assert_ne!(leaf.raw_serial(), other.raw_serial());
}

#[test]
fn files_are_private_except_the_root() {
    let (dir, _authority) = mesh();
    let ca = dir.path().join("ca");
    assert_eq!(mode(&ca), 0o700);
    assert_eq!(mode(&ca.join(ROOT)), 0o600);
    assert_eq!(mode(&ca.join(INTERMEDIATE)), 0o600);
    assert_eq!(mode(&ca.join(PUBLISHED)), 0o644);
    assert!(!fs::read_to_string(ca.join(PUBLISHED)).unwrap().contains("PRIVATE"));
    assert!(fs::read_to_string(ca.join(ROOT)).unwrap().starts_with("-----BEGIN PRIVATE KEY-----"), "PKCS#8");
    assert_eq!(fs::read_dir(&ca).unwrap().count(), 3, "no temporary files stay");
}

#[test]
fn it_is_the_same_after_a_restart() {
    let (dir, authority) = mesh();
    let before = fs::read(dir.path().join("ca").join(INTERMEDIATE)).unwrap();
    let again = CertificateAuthority::load_or_create(&dir.path().join("ca"), &TrustDomain::default()).unwrap();
    assert_eq!(again.roots(), authority.roots());
    assert_eq!(fs::read(dir.path().join("ca").join(INTERMEDIATE)).unwrap(), before);
    let (key, csr) = new_csr().unwrap();
    let svid = Svid::new(&again.issue(&csr, &id(), DAY).unwrap().pem(), key).unwrap();
    svid.check(authority.roots(), SystemTime::now()).unwrap();
}

#[test]
fn the_intermediate_is_renewed_in_time() {
    let (dir, authority) = mesh();
    let now = SystemTime::now();
    let path = dir.path().join("ca").join(INTERMEDIATE);
    let before = fs::read(&path).unwrap();
    let issue = |now| {
        let (key, csr) = new_csr().unwrap();
        Svid::new(&authority.issue_at(&csr, &id(), MAX_TTL, now).unwrap().pem(), key).unwrap()
    };
    issue(now + days(365 - 91));
    assert_eq!(fs::read(&path).unwrap(), before);
    let later = now + days(365 - 89);
    let svid = issue(later);
    assert_ne!(fs::read(&path).unwrap(), before);
    svid.check(authority.roots(), later).unwrap();
    assert!(svid.not_after() + Duration::from_secs(2) > later + MAX_TTL, "the leaf is not cut short");
    // A restart long after finds it old, too.
    let much_later = later + days(300);
    let again = CertificateAuthority::load_or_create_at(&dir.path().join("ca"), &TrustDomain::default(), much_later);
    assert!(again.unwrap().intermediate_not_after() > much_later + days(360));
}

#[test]
fn near_the_end_of_the_root_leaves_are_cut_short() {
    let (_dir, authority) = mesh();
    let late = authority.root_not_after() - DAY;
    let (_, csr) = new_csr().unwrap();
    let issued = authority.issue_at(&csr, &id(), MAX_TTL, late).unwrap();
    assert!(issued.not_after <= authority.root_not_after());
}

#[test]
fn broken_files() {
    let (dir, authority) = mesh();
    let ca = dir.path().join("ca");
    let load = || CertificateAuthority::load_or_create(&ca, &TrustDomain::default());
    // An intermediate that is broken, or of another root, is made anew.
    fs::write(ca.join(INTERMEDIATE), "garbage").unwrap();
    load().unwrap();
    let (other, _authority) = mesh();
    fs::copy(other.path().join("ca").join(INTERMEDIATE), ca.join(INTERMEDIATE)).unwrap();
    let healed = load().unwrap();
    let (key, csr) = new_csr().unwrap();
    let svid = Svid::new(&healed.issue(&csr, &id(), DAY).unwrap().pem(), key).unwrap();
    svid.check(authority.roots(), SystemTime::now()).unwrap();
    // What is published is published again.
    fs::remove_file(ca.join(PUBLISHED)).unwrap();
    load().unwrap();
    assert_eq!(fs::read_to_string(ca.join(PUBLISHED)).unwrap(), authority.roots_pem());
    // A broken root is an error, and stays.
    let good = fs::read(ca.join(ROOT)).unwrap();
    for bad in [b"garbage".to_vec(), vec![], good[..good.len() / 2].to_vec(), vec![0xff; 100]] {
        fs::write(ca.join(ROOT), &bad).unwrap();
        let error = load().unwrap_err();
        assert!(matches!(error, Error::Authority { .. } | Error::Io { .. }), "{error}");
        assert_eq!(fs::read(ca.join(ROOT)).unwrap(), bad);
    }
    // So are a key and a certificate that do not belong together.
    let text = String::from_utf8(good).unwrap();
    let certificate = &text[text.find("-----BEGIN CERT").unwrap()..];
    let stranger = PrivateKey::from_pem(&fs::read_to_string(other.path().join("ca").join(ROOT)).unwrap()).unwrap();
    fs::write(ca.join(ROOT), stranger.to_pem() + certificate).unwrap();
    assert!(load().unwrap_err().to_string().contains("another certificate"));
}

#[test]
fn another_trust_domain_is_refused() {
    let (dir, authority) = mesh();
    let other: TrustDomain = "other.org".parse().unwrap();
    let error = CertificateAuthority::load_or_create(&dir.path().join("ca"), &other).unwrap_err();
    assert!(matches!(error, Error::AuthorityDomain { .. }), "{error}");
    let (_, csr) = new_csr().unwrap();
    for name in ["spiffe://other.org/ns/a/sa/b", "spiffe://cluster.local"] {
        let error = authority.issue(&csr, &name.parse().unwrap(), DAY).unwrap_err();
        assert!(matches!(error, Error::Foreign { .. }), "{error}");
    }
    for ttl in [Duration::ZERO, MAX_TTL + Duration::from_secs(1)] {
        assert!(matches!(authority.issue(&csr, &id(), ttl).unwrap_err(), Error::Ttl { .. }));
    }
}

#[test]
fn requests_must_prove_a_p256_key() {
    let (_dir, authority) = mesh();
    let issue = |csr: &str| authority.issue(csr, &id(), DAY);
    let (_, good) = new_csr().unwrap();
    issue(&good).unwrap();
    // The names in a request do not matter.
    let key = KeyPair::generate().unwrap();
    let mut greedy = CertificateParams::new(vec!["admin.example".to_owned()]).unwrap();
    greedy.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let csr = greedy.serialize_request(&key).unwrap().pem().unwrap();
    let chain = issue(&csr).unwrap();
    let leaf = &read_pem("x", &chain.certificates[0]).unwrap()[0];
    assert_eq!(crate::peer_id(std::slice::from_ref(leaf)).unwrap(), id());
    // Other keys.
    for algorithm in [&rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519] {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let csr = CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
        assert!(issue(&csr).unwrap_err().to_string().contains("P-256"));
    }
    // A request whose signed part (the first 103 bytes) or signature (the last 64 and more) was changed proves nothing.
    let der = CertificateSigningRequestDer::from_pem_slice(good.as_bytes()).unwrap();
    for i in (0..103).chain(der.len() - 64..der.len()) {
        let mut bytes = der.to_vec();
        bytes[i] ^= 1;
        assert!(issue(&encode("CERTIFICATE REQUEST", &bytes)).is_err(), "byte {i}");
    }
    for text in ["", "garbage", &encode("CERTIFICATE", &der), &"x".repeat(100_000)] {
        assert!(matches!(issue(text).unwrap_err(), Error::Csr { .. }));
    }
}

/// Two processes that start at once end with one root.
#[test]
fn concurrent_creation() {
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca");
    let roots: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| CertificateAuthority::load_or_create(&ca, &TrustDomain::default())))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut seen: Vec<_> = roots.into_iter().map(|authority| authority.unwrap().roots_pem()).collect();
    seen.dedup();
    assert_eq!(seen.len(), 1);
}

#[test]
fn openssl_agrees() {
    let (dir, authority) = mesh();
    if Command::new("openssl").arg("version").output().is_err() {
        eprintln!("SKIPPED: openssl is not installed, its verdict was not asked");
        return;
    }
    let (key, csr) = new_csr().unwrap();
    let issued = authority.issue(&csr, &id(), DAY).unwrap();
    let svid = Svid::new(&issued.pem(), key).unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    fs::write(path("csr.pem"), csr).unwrap();
    fs::write(path("key.pem"), svid.key().to_pem()).unwrap();
    fs::write(path("leaf.pem"), &issued.certificates[0]).unwrap();
    fs::write(path("intermediate.pem"), &issued.certificates[1]).unwrap();
    let (root, leaf, intermediate) = (path("ca/root.pem"), path("leaf.pem"), path("intermediate.pem"));
    for purpose in ["sslserver", "sslclient"] {
        let args =
            ["verify", "-x509_strict", "-purpose", purpose, "-CAfile", &root, "-untrusted", &intermediate, &leaf];
        openssl(&args);
    }
    openssl(&["req", "-verify", "-noout", "-in", &path("csr.pem")]);
    openssl(&["pkey", "-check", "-noout", "-in", &path("key.pem")]);
    let text = openssl(&["x509", "-noout", "-text", "-in", &leaf]);
    assert!(text.contains("URI:spiffe://cluster.local/ns/bookinfo/sa/reviews"), "{text}");
    assert!(text.contains("prime256v1"), "{text}");
}

fn openssl(args: &[&str]) -> String {
    let output = Command::new("openssl").args(args).output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "openssl {args:?}: {text}");
    text
}
