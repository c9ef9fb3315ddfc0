use prost::Message as _;

use super::*;
use crate::testing::Sample;

pub(crate) fn object(sample: &mut Sample) -> RequestAuthentication {
    RequestAuthentication {
        id: sample.id(),
        namespace: sample.name(),
        name: sample.name(),
        target: sample.target(),
        rules: sample.list(rule),
    }
}

fn rule(sample: &mut Sample) -> JwtRule {
    JwtRule {
        id: sample.id(),
        issuer: sample.text(),
        audiences: sample.list(Sample::text),
        keys: match sample.below(3) {
            0 => JwtKeys::Inline(sample.text()),
            1 => JwtKeys::Uri(sample.text()),
            _ => JwtKeys::Discovery,
        },
        locations: JwtLocations {
            headers: sample.list(Sample::pair),
            params: sample.list(Sample::text),
            cookies: sample.list(Sample::text),
        },
        forward: sample.flag(),
        payload_header: sample.maybe(Sample::text),
        claim_headers: sample.list(Sample::pair),
        timeout: sample.duration(),
        space_delimited: sample.list(Sample::text),
    }
}

#[test]
fn survives_the_wire() {
    Sample::many(|sample| {
        let object = object(sample);
        let encoded = encode(&object);
        assert_eq!(*encoded.name, format!("{}/{}", object.namespace, object.name));
        assert_eq!(decode(&encoded.name, &encoded.body), Ok(object));
    });
}

#[test]
fn malformed_ones_name_the_field() {
    let good = || ripstop::RequestAuthentication {
        id: "id".into(),
        namespace: "ns".into(),
        name: "name".into(),
        ..ripstop::RequestAuthentication::default()
    };
    let rule = || ripstop::JwtRule {
        id: "r".into(),
        keys: Some(Keys::Discovery(true)),
        timeout: Some(ripstop::Duration { seconds: 5, nanos: 0 }),
        ..ripstop::JwtRule::default()
    };
    let with = |rule| ripstop::RequestAuthentication { rules: vec![rule], ..good() };
    let target = |kind| vec![ripstop::PolicyTarget { kind, name: "web".into() }];
    for (field, message) in [
        ("field id", ripstop::RequestAuthentication { id: String::new(), ..good() }),
        ("field targets[0]: its kind is missing", ripstop::RequestAuthentication { targets: target(0), ..good() }),
        ("field targets[0]: 5", ripstop::RequestAuthentication { targets: target(5), ..good() }),
        ("field rules[0].id", with(ripstop::JwtRule { id: String::new(), ..rule() })),
        ("field rules[0].keys: it is missing", with(ripstop::JwtRule { keys: None, ..rule() })),
        ("field rules[0].timeout: it is missing", with(ripstop::JwtRule { timeout: None, ..rule() })),
        ("content is that of \"other/name\"", ripstop::RequestAuthentication { namespace: "other".into(), ..good() }),
    ] {
        let error = decode("ns/name", &message.encode_to_vec().into()).unwrap_err().to_string();
        assert!(error.contains(field) && error.contains("ns/name"), "{field}: {error}");
    }
    // Half a rule would let in what the whole one keeps out: a field that is new (99, a text) refuses it.
    let newer = [&with(rule()).encode_to_vec()[..], &[0x9a, 0x06, 1, b'x']].concat();
    let error = decode("ns/name", &newer.into()).unwrap_err().to_string();
    assert!(error.contains("not known here"), "{error}");
}
