use prost::Message as _;

use super::*;
use crate::testing::{self, Sample};

pub(crate) fn topology(sample: &mut Sample) -> Topology {
    Topology {
        trusted_proxies: sample.maybe(Sample::number),
        proxy_protocol: sample.flag(),
        client_cert: sample.pick(&[
            None,
            Some(ForwardClientCert::Sanitize),
            Some(ForwardClientCert::ForwardOnly),
            Some(ForwardClientCert::AppendForward),
            Some(ForwardClientCert::SanitizeSet),
            Some(ForwardClientCert::AlwaysForwardOnly),
        ]),
    }
}

pub(crate) fn of_gateway(sample: &mut Sample) -> GatewayTopology {
    GatewayTopology { id: sample.id(), namespace: sample.name(), name: sample.name(), topology: topology(sample) }
}

#[test]
fn survives_the_wire() {
    Sample::many(|sample| {
        let topology = of_gateway(sample);
        let encoded = encode(&topology);
        assert_eq!(*encoded.name, format!("{}/{}", topology.namespace, topology.name));
        assert_eq!(decode(&encoded.name, &encoded.body), Ok(topology));
    });
}

/// Proxies keep resources on disk: numbers of fields stay what they are.
#[test]
fn has_these_bytes() {
    let topology = GatewayTopology {
        id: RuleId("Process/ns/name/1".into()),
        namespace: "ns".into(),
        name: "name".into(),
        topology: Topology {
            trusted_proxies: Some(2),
            proxy_protocol: true,
            client_cert: Some(ForwardClientCert::SanitizeSet),
        },
    };
    testing::assert_fields(
        &encode(&topology).body,
        &[(1, b"Process/ns/name/1"), (2, b"ns"), (3, b"name"), (4, b"\x08\x02\x10\x01\x18\x04")],
    );
}

#[test]
fn malformed_ones_name_the_field() {
    let good = || ripstop::GatewayTopology {
        id: "id".into(),
        namespace: "ns".into(),
        name: "name".into(),
        topology: Some(ripstop::Topology::default()),
    };
    for (field, message) in [
        ("field id", ripstop::GatewayTopology { id: String::new(), ..good() }),
        (
            "field topology.client_cert",
            ripstop::GatewayTopology {
                topology: Some(ripstop::Topology { client_cert: 6, ..ripstop::Topology::default() }),
                ..good()
            },
        ),
        ("field topology", ripstop::GatewayTopology { topology: None, ..good() }),
        ("content is that of \"other/name\"", ripstop::GatewayTopology { namespace: "other".into(), ..good() }),
    ] {
        let error = decode("ns/name", &message.encode_to_vec().into()).unwrap_err().to_string();
        assert!(error.contains(field) && error.contains("ns/name"), "{field}: {error}");
    }
    assert!(matches!(decode("ns/name", &Bytes::from_static(b"\xff")), Err(DecodeError::Protobuf { .. })));
}
