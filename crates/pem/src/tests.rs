use rcgen::{CertificateParams, IsCa, KeyPair};

use super::*;

/// A certificate for `host`, and its key.
fn own(host: &str) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    (CertificateParams::new(vec![host.to_owned()]).unwrap().self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn fault(chain: &str, key: &str) -> (Part, String) {
    let fault = facts(chain.as_bytes(), key.as_bytes()).unwrap_err();
    (fault.part, fault.reason.to_string())
}

/// Of version 1: made by `openssl x509 -req` without extensions, as many guides have it.
const VERSION_1: &str = include_str!("tests/version-1.pem");

#[test]
fn the_part_that_is_to_blame_is_told() {
    let ((chain, key), (other, foreign)) = (own("a.example"), own("b.example"));
    assert!(facts(chain.as_bytes(), key.as_bytes()).unwrap().covers("a.example"));
    let block = |name: &str, body: &str| format!("-----BEGIN {name}-----\n{body}\n-----END {name}-----\n");
    let junk = |name: &str| block(name, "MAA=");
    let nothing = "nothing of that kind is in it, as PEM";
    let table = [
        (&*chain, &*foreign, Part::Key, "it is not the key of the certificate"),
        (
            &*(chain.clone() + &other),
            &*foreign,
            Part::Key,
            "it is the key of certificate 2 of the chain: put the one that it belongs to first",
        ),
        ("", &*key, Part::Chain, nothing),
        (&*key, &*key, Part::Chain, nothing),
        (&*chain, &*chain, Part::Key, nothing),
        (&*junk("CERTIFICATE"), &*key, Part::Chain, "what is in it is no X.509 certificate"),
        (
            &*chain,
            &*junk("PRIVATE KEY"),
            Part::Key,
            "it is no key that TLS is made with: those are RSA of 2048 bits and more, ECDSA (P-256, P-384, P-521) and Ed25519",
        ),
        (
            &*chain,
            &*junk("ENCRYPTED PRIVATE KEY"),
            Part::Key,
            "the key is encrypted by a passphrase, which nobody has: write it without one",
        ),
        (
            &*chain,
            &*block("EC PRIVATE KEY", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nMAA="),
            Part::Key,
            "the key is encrypted by a passphrase, which nobody has: write it without one",
        ),
        (
            VERSION_1,
            &*key,
            Part::Chain,
            "it is an X.509 certificate of version 1, which TLS can't be made with: it has to be of version 3, with its names as subjectAltName",
        ),
    ];
    for (chain, key, part, told) in table {
        assert_eq!(fault(chain, key), (part, told.to_owned()));
    }
}

#[test]
fn a_certificate_says_for_whom_and_for_how_long_it_is() {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["A.example".to_owned(), "*.b.example".to_owned()]).unwrap();
    (params.not_before, params.not_after) = (rcgen::date_time_ymd(2024, 2, 1), rcgen::date_time_ymd(2024, 3, 1));
    let facts = Facts::of(params.self_signed(&key).unwrap().der()).unwrap();
    assert_eq!(facts.not_after.duration_since(facts.not_before).unwrap().as_secs(), 29 * 86_400);
    assert!(!facts.is_authority);
    for (host, covered) in [
        ("a.example", true),
        ("c.a.example", false),
        ("d.B.example", true),
        ("*.b.example", true),
        ("b.example", false),
        ("e.d.b.example", false),
        ("*.d.b.example", false),
        ("*.example", false),
        ("*", false),
    ] {
        assert_eq!(facts.covers(host), covered, "{host}");
    }
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    assert!(Facts::of(params.self_signed(&key).unwrap().der()).unwrap().is_authority);
    assert_eq!(Facts::of(&CertificateDer::from(&b"0\0"[..])), None);
}
