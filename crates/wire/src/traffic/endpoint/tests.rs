use prost::Message as _;

use super::*;
use crate::testing::Sample;

pub(crate) fn endpoint(sample: &mut Sample) -> StaticEndpoint {
    StaticEndpoint {
        id: sample.id(),
        namespace: sample.name(),
        address: match sample.below(4) {
            0 => EndpointAddress::Ip(sample.pick(&["192.0.2.1", "fd00::1", "::ffff:10.0.0.1"]).parse().unwrap()),
            1 => EndpointAddress::Name(sample.text()),
            2 => EndpointAddress::Unix(sample.text()),
            _ => EndpointAddress::Network,
        },
        ports: sample.map(|sample| (sample.text(), sample.short())),
        labels: sample.labels(),
        network: sample.text(),
        locality: sample.text(),
        weight: sample.number(),
        service_account: sample.maybe(Sample::text),
    }
}

#[test]
fn survives_the_wire() {
    Sample::many(|sample| {
        let (name, endpoint) = ((sample.name(), sample.name()), endpoint(sample));
        let encoded = encode(&name, &endpoint);
        assert_eq!(*encoded.name, format!("{}/{}", name.0, name.1));
        assert_eq!(decode(&encoded.name, &encoded.body), Ok(endpoint));
    });
}

#[test]
fn malformed_ones_name_the_field() {
    let good = || ripstop::StaticEndpoint {
        id: "id".into(),
        namespace: "ns".into(),
        address: Some(Address::Network(true)),
        ..ripstop::StaticEndpoint::default()
    };
    let ip = |text: &str| Some(Address::Ip(text.to_owned()));
    for (field, endpoint) in [
        ("field endpoint: it is missing", None),
        ("field endpoint.id", Some(ripstop::StaticEndpoint { id: String::new(), ..good() })),
        ("field endpoint.namespace", Some(ripstop::StaticEndpoint { namespace: String::new(), ..good() })),
        ("field endpoint.address: it is missing", Some(ripstop::StaticEndpoint { address: None, ..good() })),
        ("field endpoint.address: \"1.2.3\"", Some(ripstop::StaticEndpoint { address: ip("1.2.3"), ..good() })),
        (
            "field endpoint.ports[\"http\"]",
            Some(ripstop::StaticEndpoint { ports: [("http".to_owned(), 1 << 16)].into(), ..good() }),
        ),
    ] {
        let message = ripstop::DeclaredEndpoint { namespace: "ns".into(), name: "name".into(), endpoint };
        let error = decode("ns/name", &message.encode_to_vec().into()).unwrap_err().to_string();
        assert!(error.contains(field) && error.contains("ns/name"), "{field}: {error}");
    }
    let other = ripstop::DeclaredEndpoint { namespace: "ns".into(), name: "other".into(), endpoint: Some(good()) };
    let error = decode("ns/name", &other.encode_to_vec().into()).unwrap_err();
    assert!(matches!(error, DecodeError::Name { .. }), "{error}");
}
