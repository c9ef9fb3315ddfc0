use std::sync::Arc;

use ripstop_model::Change;

use super::*;
use crate::samples::{service, workload};

fn frontend(text: &str) -> Frontend {
    let address: SocketAddrV4 = text.parse().unwrap();
    Frontend { address: *address.ip(), port: address.port(), transport: Transport::Tcp }
}

fn endpoint(text: &str) -> SocketAddrV4 {
    text.parse().unwrap()
}

#[test]
fn only_ready_endpoints_of_the_port_and_family() {
    let web = service("web", "shop", &["240.240.0.1", "fd00::1"], &[(80, 8080), (443, 8443)]);
    let mut early = service("early", "shop", &["240.240.0.2"], &[(80, 80)]);
    early.publish_not_ready = true;
    let idle = service("idle", "shop", &["240.240.0.3"], &[(80, 80)]);
    let headless = service("headless", "shop", &[], &[(80, 80)]);
    let both = workload("web-0", "shop", &["10.244.1.2", "fd00:10::2"], &[&web, &headless]);
    let mut one_port = workload("web-1", "shop", &["10.244.1.3"], &[&web]);
    one_port.services[0].1.truncate(1);
    let mut sick = workload("web-2", "shop", &["10.244.1.4"], &[&web, &early, &idle]);
    sick.health = Health::Unhealthy;
    let only_v6 = workload("web-3", "shop", &["fd00:10::3"], &[&web]);
    let changes = [web, early, idle, headless].map(|service| Change::Service(Arc::new(service)));
    let workloads = [both, one_port, sick, only_v6].map(|workload| Change::Workload(Arc::new(workload)));
    let snapshot = Snapshot::default().with(1, changes.into_iter().chain(workloads));

    let expected = Endpoints::from([
        (frontend("240.240.0.1:80"), vec![endpoint("10.244.1.2:8080"), endpoint("10.244.1.3:8080")]),
        (frontend("240.240.0.1:443"), vec![endpoint("10.244.1.2:8443")]),
        (frontend("240.240.0.2:80"), vec![endpoint("10.244.1.4:80")]),
        (frontend("240.240.0.3:80"), vec![]),
    ]);
    assert_eq!(endpoints(&snapshot), expected);
}

#[test]
fn the_mesh_reaches_as_far_as_its_routes_and_workloads() {
    let usual = workload("web-0", "shop", &["10.244.1.2", "fd00:10:244:1::2"], &[]);
    let routed = workload("web-1", "shop", &["172.20.3.4"], &[]);
    let strange = workload("web-2", "shop", &["172.30.0.9"], &[]);
    let workloads = [usual, routed, strange].map(|workload| Change::Workload(Arc::new(workload)));
    let snapshot = Snapshot::default().with(1, workloads);
    let inside = inside(vec!["172.20.0.0/16".parse().unwrap(), "10.244.2.0/24".parse().unwrap()], &snapshot);
    let texts: Vec<String> = inside.iter().map(ToString::to_string).collect();
    for prefix in ["10.244.0.0/16", "100.64.0.0/16", "172.20.0.0/16", "172.30.0.9/32", "fd00:10:244::/48"] {
        assert!(texts.iter().any(|text| text == prefix), "{prefix} in {texts:?}");
    }
    assert_eq!(texts.len(), 6);
}
