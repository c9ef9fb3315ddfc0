use ripstop_wire::encode_credential;

use super::*;

fn credential(name: &str, chain: &str, authorities: &str) -> Credential {
    Credential {
        namespace: "edge".into(),
        name: name.into(),
        chain: chain.as_bytes().into(),
        key: chain.as_bytes().into(),
        authorities: authorities.as_bytes().into(),
        revocations: Arc::default(),
    }
}

fn put(credential: &Credential) -> ResourceChange {
    let encoded = encode_credential(credential);
    let (name, version) = (encoded.name, encoded.version);
    ResourceChange { type_url: type_url::CREDENTIAL, name, version, body: Some(encoded.body) }
}

fn name(name: &str) -> ObjectName {
    ("edge".into(), name.into())
}

#[test]
fn a_change_is_taken_over_as_a_whole_or_not_at_all() {
    let secrets = Secrets::default();
    secrets.follow(&[put(&credential("a", "chain", "")), put(&credential("b", "", "ca"))]).unwrap();
    let broken = ResourceChange { body: Some(b"\xff".as_slice().into()), ..put(&credential("c", "", "")) };
    secrets.follow(&[put(&credential("a", "", "other")), broken]).unwrap_err();
    let held = secrets.load();
    let names = [name("none"), name("b"), name("a")];
    assert_eq!(held.certificate(&names).map(|held| &*held.name), Some("a"));
    assert_eq!(held.authorities(&names).map(|held| &*held.name), Some("b"));
    secrets.follow(&[ResourceChange { body: None, ..put(&credential("a", "", "")) }]).unwrap();
    assert!(secrets.load().certificate(&names).is_none());
}

#[test]
fn what_is_of_no_use_is_told_without_its_content() {
    let held = Credential { revocations: b"no list"[..].into(), ..credential("a", "no PEM", "no PEM either") };
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let told = [
        certified(&held, &provider).unwrap_err().to_string(),
        authorities(&held).unwrap_err().to_string(),
        revocations(&held).unwrap_err().to_string(),
    ];
    let expected = ["tls.crt", "ca.crt", "ca.crl"]
        .map(|part| format!("{part} of Secret edge/a: nothing of that kind is in it, as PEM"));
    assert_eq!(told, expected);
}

#[test]
fn the_part_that_is_to_blame_is_named() {
    let own = |host: &str| {
        let key = rcgen::KeyPair::generate().unwrap();
        let chain = rcgen::CertificateParams::new(vec![host.to_owned()]).unwrap().self_signed(&key).unwrap();
        (chain.pem(), key.serialize_pem())
    };
    let ((chain, key), (_, foreign)) = (own("a.example"), own("b.example"));
    let version_1 = include_str!("../../../pem/src/tests/version-1.pem");
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let told = [(&*chain, &*foreign), (version_1, &*key)].map(|(chain, key)| {
        let held = Credential { key: key.as_bytes().into(), ..credential("a", chain, "") };
        certified(&held, &provider).unwrap_err().to_string()
    });
    let expected = [
        "tls.key of Secret edge/a: it is not the key of the certificate",
        "tls.crt of Secret edge/a: it is an X.509 certificate of version 1, which TLS can't be made with: it has to be of \
         version 3, with its names as subjectAltName",
    ];
    assert_eq!(told, expected);
}
