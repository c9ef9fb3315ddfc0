use std::time::Duration;

use prost::Message as _;
use ripstop_model::{ConnectionSettings, ForwardClientCert, Topology};

use super::*;
use crate::{
    testing::{self, Sample},
    traffic::{defaults::tests::proxy_defaults, topology::tests::topology},
};

pub(crate) fn proxy(sample: &mut Sample) -> ProcessProxy {
    ProcessProxy {
        id: sample.id(),
        namespace: sample.name(),
        name: sample.name(),
        topology: topology(sample),
        settings: Arc::new(proxy_defaults(sample)),
    }
}

#[test]
fn survives_the_wire() {
    Sample::many(|sample| {
        let proxy = proxy(sample);
        let encoded = encode(&proxy);
        assert_eq!(*encoded.name, format!("{}/{}", proxy.namespace, proxy.name));
        assert_eq!(decode(&encoded.name, &encoded.body), Ok(proxy));
    });
}

/// Proxies keep resources on disk: numbers of fields stay what they are.
#[test]
fn has_these_bytes() {
    let proxy = ProcessProxy {
        id: RuleId("Process/ns/name/1".into()),
        namespace: "ns".into(),
        name: "name".into(),
        topology: Topology {
            trusted_proxies: Some(2),
            proxy_protocol: true,
            client_cert: Some(ForwardClientCert::SanitizeSet),
            client_cert_parts: None,
        },
        settings: Arc::new(ProxyDefaults {
            concurrency: Some(0),
            drain: Some(Duration::from_secs(3)),
            connections: ConnectionSettings { streams: Some(7), ..ConnectionSettings::NONE },
            ..ProxyDefaults::default()
        }),
    };
    testing::assert_fields(
        &encode(&proxy).body,
        &[
            (1, b"Process/ns/name/1"),
            (2, b"ns"),
            (3, b"name"),
            (4, b"\x08\x02\x10\x01\x18\x04"),
            (5, b"\x00"),
            (6, b"\x08\x03"),
            (9, b"\x48\x07"),
        ],
    );
}

#[test]
fn malformed_ones_name_the_field() {
    let good = || ripstop::ProcessProxy {
        id: "id".into(),
        namespace: "ns".into(),
        name: "name".into(),
        topology: Some(ripstop::Topology::default()),
        ..ripstop::ProcessProxy::default()
    };
    let connections = |connections| ripstop::ProcessProxy { connections: Some(connections), ..good() };
    for (field, message) in [
        ("field id", ripstop::ProcessProxy { id: String::new(), ..good() }),
        (
            "field topology.client_cert",
            ripstop::ProcessProxy {
                topology: Some(ripstop::Topology { client_cert: 6, ..ripstop::Topology::default() }),
                ..good()
            },
        ),
        ("field topology", ripstop::ProcessProxy { topology: None, ..good() }),
        (
            "field connections.underscores",
            connections(ripstop::ConnectionSettings { underscores: 4, ..ripstop::ConnectionSettings::default() }),
        ),
        (
            "field connections.escaped_slashes",
            connections(ripstop::ConnectionSettings { escaped_slashes: 5, ..ripstop::ConnectionSettings::default() }),
        ),
        ("content is that of \"other/name\"", ripstop::ProcessProxy { namespace: "other".into(), ..good() }),
    ] {
        let error = decode("ns/name", &message.encode_to_vec().into()).unwrap_err().to_string();
        assert!(error.contains(field) && error.contains("ns/name"), "{field}: {error}");
    }
    assert!(matches!(decode("ns/name", &Bytes::from_static(b"\xff")), Err(DecodeError::Protobuf { .. })));
}
