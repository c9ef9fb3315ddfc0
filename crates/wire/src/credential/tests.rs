use ripstop_model::Credential;

use super::{decode, encode_credential};

fn full() -> Credential {
    Credential {
        namespace: "istio-system".into(),
        name: "shop".into(),
        chain: b"a chain".as_slice().into(),
        key: b"a key".as_slice().into(),
        authorities: b"authorities".as_slice().into(),
        revocations: b"revocations".as_slice().into(),
    }
}

#[test]
fn a_credential_survives_the_wire() {
    let encoded = encode_credential(&full());
    assert_eq!(&*encoded.name, "istio-system/shop");
    assert_eq!(decode(&encoded.name, &encoded.body), Ok(full()));
}

#[test]
fn one_under_another_name_is_refused() {
    let encoded = encode_credential(&full());
    assert!(decode("istio-system/other", &encoded.body).is_err());
}

#[test]
fn its_content_is_not_in_debug_output() {
    assert_eq!(format!("{:?}", full()), "Credential(istio-system/shop)");
}
