use prost::Message as _;

use super::*;
use crate::testing::{self, Sample};

pub(crate) fn settings(sample: &mut Sample) -> ProxySettings {
    ProxySettings {
        id: sample.id(),
        namespace: sample.name(),
        name: sample.name(),
        selector: sample.selector(),
        concurrency: sample.maybe(Sample::number),
        environment: sample.labels(),
        created: sample.long(),
    }
}

#[test]
fn survives_the_wire() {
    Sample::many(|sample| {
        let settings = settings(sample);
        let encoded = encode(&settings);
        assert_eq!(*encoded.name, format!("{}/{}", settings.namespace, settings.name));
        assert_eq!(decode(&encoded.name, &encoded.body), Ok(settings));
    });
}

/// Proxies keep resources on disk: numbers of fields stay what they are.
#[test]
fn has_these_bytes() {
    let settings = ProxySettings {
        id: RuleId("ProxyConfig/ns/name/1".into()),
        namespace: "ns".into(),
        name: "name".into(),
        selector: Selector([("app".into(), "web".into())].into()),
        concurrency: Some(0),
        environment: [("A".into(), "".into())].into(),
        created: 1,
    };
    testing::assert_fields(
        &encode(&settings).body,
        &[
            (1, b"ProxyConfig/ns/name/1"),
            (2, b"ns"),
            (3, b"name"),
            (4, b"\x0a\x03app\x12\x03web"),
            (5, &[0]),
            (6, b"\x0a\x01A"),
            (7, &[1]),
        ],
    );
}

#[test]
fn malformed_ones_name_the_field() {
    let good = || ripstop::ProxySettings {
        id: "id".into(),
        namespace: "ns".into(),
        name: "name".into(),
        ..ripstop::ProxySettings::default()
    };
    for (field, message) in [
        ("field id", ripstop::ProxySettings { id: String::new(), ..good() }),
        ("content is that of \"other/name\"", ripstop::ProxySettings { namespace: "other".into(), ..good() }),
    ] {
        let error = decode("ns/name", &message.encode_to_vec().into()).unwrap_err().to_string();
        assert!(error.contains(field) && error.contains("ns/name"), "{field}: {error}");
    }
    assert!(matches!(decode("ns/name", &Bytes::from_static(b"\xff")), Err(DecodeError::Protobuf { .. })));
}
