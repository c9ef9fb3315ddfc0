use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use proptest::{collection::btree_map, prelude::*};
use prost::Message as _;
use ripstop_model::{
    Admission, AppProtocol, DataplaneMode, Enrolment, EnrolmentLevel, Health, Labels, PortMapping, ProcessKind,
    Quarantine, RuleId, Selector, ServicePort, TargetPort, TunnelProtocol, Visibility, Waypoint, WaypointCallers,
};

use super::*;
use crate::{testing, workload as proto, workload::gateway_address::Destination};

#[test]
fn workload_has_the_bytes_of_istio() {
    let workload = Workload {
        uid: WorkloadUid::process("Ripstop", "bookinfo", "reviews-v1-0"),
        name: "reviews-v1-0".into(),
        namespace: "bookinfo".into(),
        addresses: vec!["10.244.1.7".parse().unwrap(), "fd00:10:244:1::7".parse().unwrap()],
        node: "one".into(),
        service_account: "reviews".into(),
        trust_domain: "mesh.test".parse().unwrap(),
        labels: Labels::from([("app".into(), "reviews".into())]),
        workload_name: "reviews-v1".into(),
        canonical_name: "reviews".into(),
        canonical_revision: "v1".into(),
        tunnel: TunnelProtocol::Hbone,
        native_tunnel: true,
        quarantine: None,
        group: None,
        waypoint: None,
        kind: ripstop_model::ProcessKind::Command,
        enrolment: Enrolment {
            mode: DataplaneMode::Node,
            decided_by: Some(("istio.io/dataplane-mode=ambient".into(), EnrolmentLevel::Namespace)),
        },
        health: Health::Unhealthy,
        services: vec![(
            ServiceKey::new("bookinfo", "reviews.bookinfo.svc.cluster.local"),
            vec![PortMapping { service_port: 80, target_port: 9080 }],
        )],
        cluster: "Ripstop".into(),
    };
    let encoded = encode_workload(&workload);
    assert_eq!(&*encoded.name, "Ripstop/ripstop.dev/Process/bookinfo/reviews-v1-0");
    // Fields by number, as istio.workload names them (workload.proto of Istio).
    testing::assert_fields(
        &testing::only_field(&encoded.body, 1),
        &[
            (1, b"reviews-v1-0"),
            (2, b"bookinfo"),
            (3, &[10, 244, 1, 7]),
            (3, &[0xfd, 0, 0, 0x10, 2, 0x44, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7]),
            (5, &[1]),
            (6, b"mesh.test"),
            (7, b"reviews"),
            (9, b"one"),
            (10, b"reviews"),
            (11, b"v1"),
            (13, b"reviews-v1"),
            (14, &[1]),
            (17, &[1]),
            (18, b"Ripstop"),
            (20, b"Ripstop/ripstop.dev/Process/bookinfo/reviews-v1-0"),
            (22, b"\x0a\x2bbookinfo/reviews.bookinfo.svc.cluster.local\x12\x07\x0a\x05\x08\x50\x10\xf8\x46"),
            (
                26,
                b"\x0a\x14ripstop.dev/workload\x12\x6b\
                  \x0a\x30type.googleapis.com/ripstop.v1.WorkloadExtension\x12\x37\
                  \x0a\x0e\x0a\x03app\x12\x07reviews\
                  \x12\x25\x08\x01\x12\x1fistio.io/dataplane-mode=ambient\x18\x02",
            ),
        ],
    );
    assert_eq!(decode(&encoded.name, &encoded.body), Ok(Address::Workload(workload)));
}

#[test]
fn service_has_the_bytes_of_istio() {
    let service = Service {
        key: ServiceKey::new("backend", "ratings.backend.svc.cluster.local"),
        name: "ratings".into(),
        addresses: vec!["240.240.3.4".parse().unwrap()],
        ports: vec![
            ServicePort {
                port: 80,
                name: "http".into(),
                target: TargetPort::Number(9080),
                protocol: AppProtocol::Http11,
            },
            ServicePort {
                port: 443,
                name: "tls".into(),
                target: TargetPort::Name("secure".into()),
                protocol: AppProtocol::Tls,
            },
        ],
        selector: None,
        headless: false,
        publish_not_ready: true,
        waypoint: None,
        subject_alt_names: vec!["spiffe://mesh.test/ns/backend/sa/old".into()],
        visibility: Visibility::default(),
    };
    let encoded = encode_service(&service);
    assert_eq!(&*encoded.name, "backend/ratings.backend.svc.cluster.local");
    testing::assert_fields(
        &testing::only_field(&encoded.body, 2),
        &[
            (1, b"ratings"),
            (2, b"backend"),
            (3, b"ratings.backend.svc.cluster.local"),
            (4, b"\x12\x04\xf0\xf0\x03\x04"),
            (5, b"\x08\x50\x10\xf8\x46\x18\x01"),
            (5, b"\x08\xbb\x03\x18\x05"),
            (6, b"spiffe://mesh.test/ns/backend/sa/old"),
            (8, b"\x18\x01"),
            (
                10,
                b"\x0a\x13ripstop.dev/service\x12\x48\
                  \x0a\x2ftype.googleapis.com/ripstop.v1.ServiceExtension\x12\x15\
                  \x12\x04http\x12\x03tls\x1a\x00\x1a\x06secure",
            ),
            (11, &[1]),
        ],
    );
    assert_eq!(decode(&encoded.name, &encoded.body), Ok(Address::Service(service)));
}

/// In Istio's form: by the host name of its service, and the port of tunnels.
#[test]
fn a_waypoint_has_the_bytes_of_istio() {
    let named = |port, destination| proto::Service {
        namespace: "shop".to_owned(),
        hostname: "web".to_owned(),
        waypoint: Some(proto::GatewayAddress { hbone_mtls_port: port, destination }),
        ingress_use_waypoint: true,
        ..proto::Service::default()
    };
    let hostname =
        || Some(Destination::Hostname(proto::NamespacedHostname { namespace: "edge".into(), hostname: "wp".into() }));
    let Ok(Address::Service(service)) = decode_message("shop/web", Type::Service(named(15008, hostname()))) else {
        panic!()
    };
    let waypoint = Waypoint {
        service: ServiceKey::new("edge", "wp"),
        callers: WaypointCallers::WorkloadsAndGateways,
        admission: Admission::Admitted,
        canary: None,
    };
    assert_eq!(service.waypoint.as_ref(), Some(&waypoint));
    let body = testing::only_field(&encode_service(&service).body, 2);
    let field = |number| testing::field_of(&body, number);
    assert_eq!(field(7), b"\x0a\x0a\x0a\x04edge\x12\x02wp\x18\xa0\x75");
    assert_eq!(field(12), [1]);
    let address = Destination::Address(proto::NetworkAddress::default());
    for (message, place) in [
        (named(15008, None), "service.waypoint.destination"),
        (named(15008, Some(address)), "service.waypoint.destination"),
        (named(443, hostname()), "service.waypoint.hbone_mtls_port"),
    ] {
        let error = decode_message("shop/web", Type::Service(message)).unwrap_err().to_string();
        assert!(error.contains(place), "{error}");
    }
}

/// Likewise, and nobody is led past one that can't be called.
#[test]
fn a_waypoint_of_a_workload_has_the_bytes_of_istio() {
    let named = |destination| proto::Workload {
        uid: "Kubernetes//Pod/shop/cart".to_owned(),
        name: "cart".to_owned(),
        namespace: "shop".to_owned(),
        waypoint: Some(proto::GatewayAddress { hbone_mtls_port: 15008, destination }),
        ..proto::Workload::default()
    };
    let hostname = proto::NamespacedHostname { namespace: "edge".into(), hostname: "wp".into() };
    let message = named(Some(Destination::Hostname(hostname)));
    let decoded = decode_message("Kubernetes//Pod/shop/cart", Type::Workload(message));
    let Ok(Address::Workload(workload)) = decoded else { panic!("{decoded:?}") };
    let waypoint = Waypoint {
        service: ServiceKey::new("edge", "wp"),
        callers: WaypointCallers::Workloads,
        admission: Admission::Admitted,
        canary: None,
    };
    assert_eq!(workload.waypoint.as_ref(), Some(&waypoint));
    let body = testing::only_field(&encode_workload(&workload).body, 1);
    assert_eq!(testing::field_of(&body, 8), b"\x0a\x0a\x0a\x04edge\x12\x02wp\x18\xa0\x75");
    let error = decode_message("Kubernetes//Pod/shop/cart", Type::Workload(named(None))).unwrap_err().to_string();
    assert!(error.contains("workload.waypoint.destination"), "{error}");
}

/// What an older control plane wrote says neither who sees a service nor what it selects.
#[test]
fn service_of_an_older_release_is_seen_by_everybody() {
    let service = proto::Service {
        namespace: "shop".to_owned(),
        hostname: "web".to_owned(),
        extensions: vec![proto::Extension {
            name: "ripstop.dev/service".to_owned(),
            config: Some(proto::Any {
                type_url: type_url::SERVICE_EXTENSION.to_owned(),
                value: Bytes::from_static(b"\x08\x01"),
            }),
        }],
        ..proto::Service::default()
    };
    let Ok(Address::Service(service)) = decode_message("shop/web", Type::Service(service)) else { panic!() };
    assert!(service.headless);
    assert_eq!((service.visibility, service.selector), (Visibility::Everybody, None));
}

#[test]
fn foreign_workload_is_tolerated() {
    let uid = "Kubernetes//Pod/shop/cart-7d9f";
    let workload = proto::Workload {
        uid: uid.to_owned(),
        name: "cart-7d9f".to_owned(),
        namespace: "shop".to_owned(),
        addresses: vec![Bytes::from_static(&[10, 0, 0, 1])],
        network: "net1".to_owned(),
        tunnel_protocol: proto::TunnelProtocol::LegacyIstioMtls.into(),
        workload_type: proto::WorkloadType::Pod.into(),
        locality: Some(proto::Locality { region: "r".to_owned(), ..proto::Locality::default() }),
        extensions: vec![proto::Extension {
            name: "somebody.else".to_owned(),
            config: Some(proto::Any { type_url: "x".to_owned(), value: Bytes::from_static(b"\xff\xff") }),
        }],
        ..proto::Workload::default()
    };
    let Address::Workload(workload) = decode_message(uid, Type::Workload(workload)).unwrap() else { panic!() };
    assert_eq!(workload.trust_domain.as_str(), "cluster.local");
    assert_eq!(workload.tunnel, TunnelProtocol::None);
    assert_eq!(&*workload.canonical_revision, "latest");
    assert_eq!(workload.enrolment, Enrolment::default());
    assert!(workload.labels.is_empty());
}

#[test]
fn foreign_service_is_tolerated() {
    let service = proto::Service {
        namespace: "shop".to_owned(),
        hostname: "db.example.com".to_owned(),
        name: "db".to_owned(),
        ports: vec![proto::Port { service_port: 5432, target_port: 0, app_protocol: 99 }],
        addresses: vec![
            proto::NetworkAddress {
                address: Bytes::from_static(&[10, 1, 0, 0]),
                length: Some(16),
                ..Default::default()
            },
            proto::NetworkAddress {
                address: Bytes::from_static(&[10, 2, 0, 1]),
                length: Some(32),
                ..Default::default()
            },
        ],
        ..proto::Service::default()
    };
    let Address::Service(service) = decode_message("shop/db.example.com", Type::Service(service)).unwrap() else {
        panic!()
    };
    assert_eq!(service.addresses, ["10.2.0.1".parse::<IpAddr>().unwrap()]);
    assert!(!service.headless);
    assert_eq!(
        service.ports,
        [ServicePort { port: 5432, name: "".into(), target: TargetPort::Number(5432), protocol: AppProtocol::Unknown }]
    );
}

#[test]
fn foreign_service_without_addresses_is_headless() {
    let service = proto::Service {
        namespace: "shop".to_owned(),
        hostname: "db.example.com".to_owned(),
        ..proto::Service::default()
    };
    let Ok(Address::Service(service)) = decode_message("shop/db.example.com", Type::Service(service)) else { panic!() };
    assert!(service.headless);
}

#[test]
fn malformed_workloads_name_resource_and_field() {
    let good = || proto::Workload {
        uid: "c/g/k/ns/name".to_owned(),
        name: "name".to_owned(),
        namespace: "ns".to_owned(),
        ..proto::Workload::default()
    };
    let port = |service_port, target_port| {
        let ports = vec![proto::Port { service_port, target_port, app_protocol: 0 }];
        BTreeMap::from([("ns/host".to_owned(), proto::PortList { ports })])
    };
    let own = |value: &'static [u8]| {
        vec![proto::Extension {
            name: "ripstop.dev/workload".to_owned(),
            config: Some(proto::Any { type_url: type_url::WORKLOAD_EXTENSION.to_owned(), value: value.into() }),
        }]
    };
    for (field, message) in [
        ("workload.uid", proto::Workload { uid: String::new(), ..good() }),
        ("workload.name", proto::Workload { name: String::new(), ..good() }),
        ("workload.namespace", proto::Workload { namespace: String::new(), ..good() }),
        ("workload.addresses[0]", proto::Workload { addresses: vec![Bytes::from_static(b"abc")], ..good() }),
        ("workload.trust_domain", proto::Workload { trust_domain: "NOT VALID".to_owned(), ..good() }),
        ("workload.tunnel_protocol", proto::Workload { tunnel_protocol: 9, ..good() }),
        ("workload.status", proto::Workload { status: -1, ..good() }),
        ("services[\"ns/host\"].service_port", proto::Workload { services: port(0, 1), ..good() }),
        ("services[\"ns/host\"].target_port", proto::Workload { services: port(1, 65536), ..good() }),
        (
            "services[\"host\"]",
            proto::Workload { services: BTreeMap::from([("host".to_owned(), proto::PortList::default())]), ..good() },
        ),
        ("enrolment.mode", proto::Workload { extensions: own(b"\x12\x02\x08\x07"), ..good() }),
    ] {
        let error = decode_message("c/g/k/ns/name", Type::Workload(message)).unwrap_err().to_string();
        assert!(error.contains(field) && error.contains("c/g/k/ns/name"), "{field}: {error}");
    }
    let broken = proto::Workload { extensions: own(b"\xff"), ..good() };
    let error = decode_message("c/g/k/ns/name", Type::Workload(broken)).unwrap_err();
    assert!(matches!(error, DecodeError::Protobuf { .. }), "{error}");
}

#[test]
fn name_and_content_must_agree() {
    let workload = proto::Workload {
        uid: "c/g/k/ns/one".to_owned(),
        name: "one".to_owned(),
        namespace: "ns".to_owned(),
        ..proto::Workload::default()
    };
    let error = decode_message("c/g/k/ns/two", Type::Workload(workload)).unwrap_err();
    assert!(matches!(error, DecodeError::Name { .. }), "{error}");
}

#[test]
fn garbage_and_emptiness_are_errors() {
    assert!(matches!(decode("x", &Bytes::from_static(b"\x0a\xff")), Err(DecodeError::Protobuf { .. })));
    assert!(matches!(decode("x", &Bytes::new()), Err(DecodeError::Field { .. })));
}

#[test]
fn names_tell_workloads_from_services() {
    let workload = |uid: &str| Ok(AddressName::Workload(WorkloadUid::new(uid)));
    assert_eq!(decode_name("Kubernetes//Pod/ns/name"), workload("Kubernetes//Pod/ns/name"));
    assert_eq!(decode_name("n/SplitHorizonWorkload/a/b/c/d"), workload("n/SplitHorizonWorkload/a/b/c/d"));
    assert_eq!(decode_name("ns/host.example"), Ok(AddressName::Service(ServiceKey::new("ns", "host.example"))));
    for bad in ["", "name", "/host", "ns/", "a/b/c"] {
        assert!(matches!(decode_name(bad), Err(DecodeError::Name { .. })), "{bad}");
    }
}

fn decode_message(name: &str, message: Type) -> Result<Address, DecodeError> {
    decode(name, &Message { r#type: Some(message) }.encode_to_vec().into())
}

fn text() -> impl Strategy<Value = Arc<str>> {
    "[a-z][a-z0-9-]{0,8}".prop_map(Arc::from)
}

fn labels() -> impl Strategy<Value = Labels> {
    btree_map(text(), text(), 0..4)
}

fn port() -> impl Strategy<Value = u16> {
    1..=u16::MAX
}

fn key() -> impl Strategy<Value = ServiceKey> {
    (text(), text()).prop_map(|(namespace, hostname)| ServiceKey::new(namespace, &hostname))
}

fn enrolment() -> impl Strategy<Value = Enrolment> {
    let mode = prop_oneof![Just(DataplaneMode::None), Just(DataplaneMode::Node), Just(DataplaneMode::Sidecar)];
    let level = prop_oneof![Just(EnrolmentLevel::Workload), Just(EnrolmentLevel::Namespace)];
    (mode, proptest::option::of((text(), level))).prop_map(|(mode, decided_by)| Enrolment { mode, decided_by })
}

fn quarantine() -> impl Strategy<Value = Option<Arc<Quarantine>>> {
    let peer = prop_oneof![Just("spiffe://mesh.test/ns/ops/sa/debug"), Just("spiffe://mesh.test/ns/a/sa/b")];
    let peers = proptest::collection::vec(peer.prop_map(|peer| peer.parse().unwrap()), 0..3);
    let quarantine = (text(), peers).prop_map(|(rule, peers)| Arc::new(Quarantine { rule: RuleId(rule), peers }));
    proptest::option::of(quarantine)
}

fn workload() -> impl Strategy<Value = Workload> {
    let mapping = (port(), port()).prop_map(|(service_port, target_port)| PortMapping { service_port, target_port });
    let services = btree_map(key(), proptest::collection::vec(mapping, 0..3), 0..3);
    let names = [text(), text(), text(), text(), text(), text(), text(), text()];
    let addresses = proptest::collection::vec(any::<IpAddr>(), 0..3);
    (names, addresses, labels(), enrolment(), quarantine(), services, any::<[bool; 3]>()).prop_map(
        |(
            [cluster, namespace, name, node, account, owner, canonical, revision],
            addresses,
            labels,
            enrolment,
            quarantine,
            services,
            flags,
        )| {
            Workload {
                uid: WorkloadUid::process(&cluster, &namespace, &name),
                name,
                namespace,
                addresses,
                node,
                service_account: account,
                trust_domain: "mesh.test".parse().unwrap(),
                labels,
                workload_name: owner,
                canonical_name: canonical,
                canonical_revision: revision,
                tunnel: if flags[0] { TunnelProtocol::Hbone } else { TunnelProtocol::None },
                native_tunnel: flags[1],
                quarantine,
                kind: [ProcessKind::Command, ProcessKind::Gateway, ProcessKind::Waypoint]
                    [usize::from(flags[0]) + usize::from(flags[2])],
                enrolment,
                health: if flags[2] { Health::Healthy } else { Health::Unhealthy },
                services: services.into_iter().collect(),
                group: flags[0].then(|| {
                    let ports = [("http".into(), 8080)].into();
                    Arc::new(ripstop_model::Membership { group: "vms".into(), weight: 3, ports })
                }),
                waypoint: flags[1].then(|| Waypoint {
                    service: ServiceKey::new("edge", "wp"),
                    callers: WaypointCallers::Workloads,
                    admission: if flags[2] { Admission::Admitted } else { Admission::Refused },
                    canary: None,
                }),
                cluster,
            }
        },
    )
}

fn service_port() -> impl Strategy<Value = ServicePort> {
    let target = prop_oneof![port().prop_map(TargetPort::Number), text().prop_map(TargetPort::Name)];
    let protocol = prop_oneof![
        Just(AppProtocol::Unknown),
        Just(AppProtocol::Http11),
        Just(AppProtocol::Http2),
        Just(AppProtocol::Grpc),
        Just(AppProtocol::Tcp),
        Just(AppProtocol::Tls),
    ];
    let name = prop_oneof![Just(Arc::from("")), text()];
    (port(), name, target, protocol).prop_map(|(port, name, target, protocol)| ServicePort {
        port,
        name,
        target,
        protocol,
    })
}

fn service() -> impl Strategy<Value = Service> {
    let ports = proptest::collection::vec(service_port(), 0..4);
    let addresses = proptest::collection::vec(any::<IpAddr>(), 0..3);
    let alternatives = proptest::collection::vec(text(), 0..3);
    let selector = proptest::option::of(labels().prop_map(Selector));
    let visibility = prop_oneof![
        Just(Visibility::Everybody),
        proptest::collection::btree_set(text(), 0..3).prop_map(Visibility::Namespaces),
        Just(Visibility::Nobody),
    ];
    (key(), text(), addresses, ports, any::<[bool; 3]>(), alternatives, selector, visibility).prop_map(
        |(key, name, addresses, ports, flags, subject_alt_names, selector, visibility)| Service {
            key,
            name,
            addresses,
            ports,
            selector,
            headless: flags[0],
            publish_not_ready: flags[1],
            waypoint: flags[0].then(|| Waypoint {
                service: ServiceKey::new("edge", "waypoint.edge.svc.cluster.local"),
                callers: if flags[1] { WaypointCallers::WorkloadsAndGateways } else { WaypointCallers::Workloads },
                admission: if flags[1] { Admission::Refused } else { Admission::Admitted },
                canary: flags[2]
                    .then(|| ripstop_model::Canary { service: ServiceKey::new("edge", "next"), percent: 10 }),
            }),
            subject_alt_names,
            visibility,
        },
    )
}

proptest! {
    #[test]
    fn workloads_survive_the_wire(workload in workload()) {
        let encoded = encode_workload(&workload);
        prop_assert_eq!(decode(&encoded.name, &encoded.body), Ok(Address::Workload(workload.clone())));
        // Equal content, equal version; names lead back to the key.
        prop_assert_eq!(encode_workload(&workload).version, encoded.version);
        prop_assert_eq!(decode_name(&encoded.name), Ok(AddressName::Workload(workload.uid)));
    }

    #[test]
    fn services_survive_the_wire(service in service()) {
        let encoded = encode_service(&service);
        prop_assert_eq!(decode(&encoded.name, &encoded.body), Ok(Address::Service(service.clone())));
        prop_assert_eq!(decode_name(&encoded.name), Ok(AddressName::Service(service.key)));
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(name: String, body: Vec<u8>) {
        let _ = decode(&name, &body.into());
        let _ = decode_name(&name);
    }
}
