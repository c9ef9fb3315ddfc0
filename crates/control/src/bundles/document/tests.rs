use ripstop_identity::CertificateAuthority;
use serde_json::json;

use super::*;

/// An authority, in DER and base64.
fn authority() -> (String, String) {
    let dir = tempfile::tempdir().unwrap();
    let authority = CertificateAuthority::load_or_create(dir.path(), &"a.example".parse().unwrap()).unwrap();
    let pem = authority.roots_pem().clone();
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    (pem, base64)
}

#[test]
fn authorities_are_taken_and_other_keys_are_not() {
    let (pem, base64) = authority();
    let text = json!({
        "keys": [
            {"use": "jwt-svid", "kty": "EC", "kid": "1", "crv": "P-256", "x": "", "y": ""},
            {"use": "x509-svid", "kty": "EC", "x5c": [base64]},
            {"kty": "EC"},
        ],
        "spiffe_sequence": 3,
        "spiffe_refresh_hint": 60,
    });
    let read = Document::parse(text.to_string().as_bytes()).unwrap();
    assert_eq!(read, Document { pem, refresh: Some(Duration::from_secs(60)) });
    // Who has withdrawn all keys vouches for nobody.
    let none = Document::parse(br#"{"keys": []}"#).unwrap();
    assert_eq!(none, Document { pem: String::new(), refresh: None });
}

#[test]
fn what_is_wrong_is_told() {
    let (_, base64) = authority();
    let key = |x5c: serde_json::Value| json!({"keys": [{"use": "x509-svid", "x5c": x5c}]}).to_string();
    for (text, expected) in [
        ("[]".to_owned(), "it is no bundle: "),
        ("{}".to_owned(), "it is no bundle: missing field `keys`"),
        ("<html>".to_owned(), "it is no bundle: "),
        (key(json!([])), "keys[0] has 0 certificates in `x5c`, not one"),
        (key(json!([base64, base64])), "keys[0] has 2 certificates in `x5c`, not one"),
        (key(json!(["no base64!"])), "keys[0] has an `x5c` that is not base64"),
        (key(json!([STANDARD.encode("no certificate")])), "keys[0] is no certificate of an authority"),
    ] {
        let told = Document::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(told.starts_with(expected), "{text}: {told}");
    }
}
