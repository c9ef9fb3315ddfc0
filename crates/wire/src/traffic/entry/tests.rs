use prost::Message as _;

use super::*;
use crate::{testing::Sample, traffic::endpoint::tests::endpoint};

/// The hosts of one object.
pub(crate) fn entries(sample: &mut Sample) -> (ObjectName, Vec<HostEntry>) {
    let object = (sample.name(), sample.name());
    let blocks = ["10.0.0.0/8", "192.0.2.1/32", "fd00::1/8"].map(|block| block.parse().unwrap());
    let entries = sample.list(|sample| HostEntry {
        id: sample.id(),
        object: object.clone(),
        host: sample.host(),
        addresses: sample.list(|sample| sample.pick(&blocks)),
        ports: sample.list(|sample| EntryPort {
            port: sample.short(),
            name: sample.text(),
            protocol: sample.protocol(),
            target: sample.short(),
        }),
        internal: sample.flag(),
        allocates: sample.flag(),
        resolution: sample.pick(&[
            Resolution::Passthrough,
            Resolution::Static,
            Resolution::Dns,
            Resolution::DnsRoundRobin,
            Resolution::DynamicDns,
        ]),
        endpoints: sample.list(endpoint),
        selector: sample.maybe(Sample::selector),
        visibility: sample.visibility(),
        subject_alt_names: sample.list(Sample::text),
        waypoint: sample.maybe(|sample| Waypoint {
            service: ServiceKey::new(sample.name(), &sample.name()),
            callers: sample.pick(&[WaypointCallers::Workloads, WaypointCallers::WorkloadsAndGateways]),
            admission: sample.pick(&[Admission::Admitted, Admission::Refused]),
            canary: sample.maybe(|sample| ripstop_model::Canary {
                service: ServiceKey::new(sample.name(), &sample.name()),
                percent: 10,
            }),
        }),
        created: sample.long(),
    });
    (object, entries)
}

#[test]
fn survives_the_wire() {
    Sample::many(|sample| {
        let (name, entries) = entries(sample);
        let encoded = encode(&name, &entries);
        assert_eq!(*encoded.name, format!("{}/{}", name.0, name.1));
        assert_eq!(decode(&encoded.name, &encoded.body), Ok(entries));
    });
}

#[test]
fn malformed_ones_name_the_field() {
    let good = || ripstop::HostEntry {
        id: "id".into(),
        host: "a.example".into(),
        resolution: host_entry::Resolution::Dns.into(),
        ..ripstop::HostEntry::default()
    };
    let port = |port, protocol, target| vec![ripstop::EntryPort { port, name: String::new(), protocol, target }];
    for (field, entry) in [
        ("field hosts[0].id", ripstop::HostEntry { id: String::new(), ..good() }),
        ("field hosts[0].host", ripstop::HostEntry { host: "A".into(), ..good() }),
        ("field hosts[0].addresses[0]", ripstop::HostEntry { addresses: vec!["10.0.0.1".into()], ..good() }),
        ("field hosts[0].ports[0].port", ripstop::HostEntry { ports: port(1 << 16, 0, 0), ..good() }),
        ("field hosts[0].ports[0].protocol", ripstop::HostEntry { ports: port(1, 6, 0), ..good() }),
        ("field hosts[0].ports[0].target", ripstop::HostEntry { ports: port(1, 0, 1 << 16), ..good() }),
        ("field hosts[0].resolution: it is missing", ripstop::HostEntry { resolution: 0, ..good() }),
        ("field hosts[0].resolution: 6", ripstop::HostEntry { resolution: 6, ..good() }),
        (
            "field hosts[0].waypoint.namespace",
            ripstop::HostEntry { waypoint: Some(ripstop::Waypoint::default()), ..good() },
        ),
        (
            "field hosts[0].endpoints[0].id",
            ripstop::HostEntry { endpoints: vec![ripstop::StaticEndpoint::default()], ..good() },
        ),
    ] {
        let message = ripstop::HostEntries { namespace: "ns".into(), name: "name".into(), hosts: vec![entry] };
        let error = decode("ns/name", &message.encode_to_vec().into()).unwrap_err().to_string();
        assert!(error.contains(field) && error.contains("ns/name"), "{field}: {error}");
    }
    let other = ripstop::HostEntries { namespace: "ns".into(), name: "other".into(), hosts: vec![good()] };
    let error = decode("ns/name", &other.encode_to_vec().into()).unwrap_err();
    assert!(matches!(error, DecodeError::Name { .. }), "{error}");
}
