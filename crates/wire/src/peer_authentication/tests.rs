use std::collections::BTreeMap;

use proptest::{collection::btree_map, prelude::*};
use prost::Message as _;
use ripstop_model::Labels;

use super::*;
use crate::testing;

#[test]
fn has_these_bytes() {
    let policy = PeerAuthentication {
        id: RuleId("PeerAuthentication/bookinfo/strict/3".into()),
        namespace: "bookinfo".into(),
        name: "strict".into(),
        selector: Selector(Labels::from([("app".into(), "reviews".into())])),
        mode: Some(MtlsMode::Strict),
        ports: BTreeMap::from([(8080, Some(MtlsMode::Disable)), (9080, None)]),
        created: 300,
    };
    let encoded = encode_peer_authentication(&policy);
    assert_eq!(&*encoded.name, "bookinfo/strict");
    assert_eq!(encoded.type_url, "type.googleapis.com/ripstop.v1.PeerAuthentication");
    testing::assert_fields(
        &encoded.body,
        &[
            (1, b"PeerAuthentication/bookinfo/strict/3"),
            (2, b"bookinfo"),
            (3, b"strict"),
            (4, b"\x0a\x03app\x12\x07reviews"),
            (5, &[3]),
            (6, b"\x08\x90\x3f\x10\x01"),
            (6, b"\x08\xf8\x46"),
            (7, b"\xac\x02"),
        ],
    );
    assert_eq!(decode(&encoded.name, &encoded.body), Ok(policy));
}

#[test]
fn malformed_ones_name_the_field() {
    let good = || ripstop::PeerAuthentication {
        id: "id".to_owned(),
        namespace: "ns".to_owned(),
        name: "name".to_owned(),
        ..ripstop::PeerAuthentication::default()
    };
    for (field, message) in [
        ("field id", ripstop::PeerAuthentication { id: String::new(), ..good() }),
        ("field mode", ripstop::PeerAuthentication { mode: 4, ..good() }),
        ("field ports[0]", ripstop::PeerAuthentication { ports: BTreeMap::from([(0, 1)]), ..good() }),
        ("field ports[70000]", ripstop::PeerAuthentication { ports: BTreeMap::from([(70000, 1)]), ..good() }),
        ("field ports[80]", ripstop::PeerAuthentication { ports: BTreeMap::from([(80, 9)]), ..good() }),
        ("content is that of \"other/name\"", ripstop::PeerAuthentication { namespace: "other".to_owned(), ..good() }),
    ] {
        let error = decode("ns/name", &message.encode_to_vec().into()).unwrap_err().to_string();
        assert!(error.contains(field) && error.contains("ns/name"), "{field}: {error}");
    }
}

#[test]
fn names() {
    assert_eq!(decode_name("ns/name"), Ok(("ns".into(), "name".into())));
    for bad in ["", "name", "/name", "ns/", "a/b/c"] {
        assert!(decode_name(bad).is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn survives_the_wire(
        names in any::<[bool; 2]>(),
        selector in btree_map("[a-z]{1,5}", "[a-z]{0,5}", 0..4),
        ports in btree_map(1..=u16::MAX, 0..4_u8, 0..4),
        mode in 0..4_u8,
        created: u64,
    ) {
        let mode_of = |number: u8| match number {
            0 => None,
            1 => Some(MtlsMode::Disable),
            2 => Some(MtlsMode::Permissive),
            _ => Some(MtlsMode::Strict),
        };
        let policy = PeerAuthentication {
            id: RuleId("PeerAuthentication/a/b/1".into()),
            namespace: if names[0] { "a".into() } else { "istio-system".into() },
            name: if names[1] { "b".into() } else { "default".into() },
            selector: Selector(selector.into_iter().map(|(key, value)| (key.into(), value.into())).collect()),
            mode: mode_of(mode),
            ports: ports.into_iter().map(|(port, mode)| (port, mode_of(mode))).collect(),
            created,
        };
        let encoded = encode_peer_authentication(&policy);
        prop_assert_eq!(decode(&encoded.name, &encoded.body), Ok(policy));
    }
}
