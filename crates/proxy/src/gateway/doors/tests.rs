use std::net::TcpStream;

use ripstop_model::{Enrolment, Health, Labels, PortMapping, ServiceKey, TrustDomain, TunnelProtocol, WorkloadUid};

use super::*;

fn workload(services: &[(&str, &[(u16, u16)])]) -> Workload {
    let mapping = |(service_port, target_port): &(u16, u16)| PortMapping {
        service_port: *service_port,
        target_port: *target_port,
    };
    Workload {
        uid: WorkloadUid::process("Ripstop", "edge", "web-0"),
        name: "web-0".into(),
        namespace: "edge".into(),
        addresses: Vec::new(),
        node: "one".into(),
        service_account: "web".into(),
        trust_domain: TrustDomain::default(),
        labels: Labels::new(),
        workload_name: "web".into(),
        canonical_name: "web".into(),
        canonical_revision: "latest".into(),
        tunnel: TunnelProtocol::None,
        native_tunnel: false,
        quarantine: None,
        group: None,
        waypoint: None,
        kind: ripstop_model::ProcessKind::Command,
        enrolment: Enrolment::default(),
        health: Health::Healthy,
        services: services
            .iter()
            .map(|(name, ports)| (ServiceKey::new("edge", name), ports.iter().map(mapping).collect()))
            .collect(),
        cluster: "Ripstop".into(),
    }
}

fn places<const N: usize>(ports: [(u16, Option<&str>); N]) -> BTreeSet<Reached> {
    ports.map(|(port, address)| Reached { port, address: address.map(|address| address.parse().unwrap()) }).into()
}

#[test]
fn a_listener_is_behind_the_port_of_its_service() {
    let wanted = places([(80, None), (443, None), (9000, None)]);
    let to = |ports: [(u16, u16); 3]| BTreeMap::from(ports.map(|(at, port)| (at.into(), port)));
    assert_eq!(binds(&workload(&[]), &wanted), to([(80, 80), (443, 443), (9000, 9000)]));
    let behind = workload(&[("web.edge.svc", &[(80, 8080)]), ("other.edge.svc", &[(443, 8443), (80, 9999)])]);
    assert_eq!(binds(&behind, &wanted), to([(8080, 80), (8443, 443), (9000, 9000)]));
}

#[test]
fn of_listeners_of_one_port_that_which_takes_all_listens_alone() {
    let at = |wanted: BTreeSet<Reached>| -> Vec<_> {
        let bound = binds(&workload(&[]), &wanted);
        bound.into_keys().map(|place| (place.port, place.address.map(|address| address.to_string()))).collect()
    };
    let one = || Some("10.0.0.1".to_owned());
    assert_eq!(at(places([(80, Some("10.0.0.1")), (81, None)])), [(80, one()), (81, None)]);
    assert_eq!(at(places([(80, Some("10.0.0.1")), (80, None)])), [(80, None)]);
}

#[test]
fn a_listener_takes_both_families_or_one_address() {
    let listener = listen(0).unwrap();
    let port = listener.local_addr().unwrap().port();
    for address in ["127.0.0.1", "::1"] {
        TcpStream::connect((address, port)).unwrap();
    }
    for (own, others) in [("127.0.0.2", ["127.0.0.1", "::1"]), ("::1", ["127.0.0.1", "127.0.0.2"])] {
        let listener = listen(Reached { port: 0, address: Some(own.parse().unwrap()) }).unwrap();
        let port = listener.local_addr().unwrap().port();
        TcpStream::connect((own, port)).unwrap();
        for other in others {
            TcpStream::connect((other, port)).unwrap_err();
        }
    }
}
