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

#[test]
fn a_listener_is_behind_the_port_of_its_service() {
    let wanted = BTreeSet::from([80, 443, 9000]);
    assert_eq!(binds(&workload(&[]), &wanted), BTreeMap::from([(80, 80), (443, 443), (9000, 9000)]));
    let behind = workload(&[("web.edge.svc", &[(80, 8080)]), ("other.edge.svc", &[(443, 8443), (80, 9999)])]);
    assert_eq!(binds(&behind, &wanted), BTreeMap::from([(8080, 80), (8443, 443), (9000, 9000)]));
}

#[test]
fn a_listener_takes_both_families() {
    let listener = listen(0).unwrap();
    let port = listener.local_addr().unwrap().port();
    for address in ["127.0.0.1", "::1"] {
        TcpStream::connect((address, port)).unwrap();
    }
}
