use std::{collections::HashSet, sync::Arc};

use ripstop_decide::Endpoint;
use ripstop_model::ProcessKind;

use super::*;
use crate::backends::testing::{address, workload};

fn at(name: &str, port: u16, tunnel: bool) -> EndpointKey {
    let workload = Arc::new(workload(name, 1));
    let target = SocketAddr::new(workload.addresses[0], port);
    EndpointKey::workload_at(Endpoint { workload, target, tunnel, expected: Vec::new() })
}

#[test]
fn the_same_workload_at_the_same_address_is_the_same_endpoint_however_it_is_reached() {
    let (plain, tunnelled) = (at("a", 80, false), at("a", 80, true));
    assert_eq!(plain, tunnelled);
    assert!(HashSet::from([plain.clone()]).contains(&tunnelled));
    assert!(!plain.is_reached_like(&tunnelled) && !plain.is_unchanged(&tunnelled));
    assert!(plain.is_reached_like(&at("a", 80, false)));
}

#[test]
fn another_workload_or_port_or_nobody_at_that_address_is_another_endpoint() {
    let one = at("a", 80, false);
    assert_ne!(one, at("b", 80, false));
    assert_ne!(one, at("a", 81, false));
    assert_ne!(one, EndpointKey::outside(address("10.1.0.1:80"), None));
}

#[test]
fn labels_that_say_nothing_about_the_way_do_not_matter_to_connections() {
    let one = at("a", 80, false);
    let mut changed = workload("a", 1);
    changed.labels.insert("x".into(), "y".into());
    let other = EndpointKey::workload_at(Endpoint {
        workload: Arc::new(changed),
        target: one.address(),
        tunnel: false,
        expected: Vec::new(),
    });
    assert!(other.is_reached_like(&one) && !other.is_unchanged(&one));
}

#[test]
fn instances_of_a_waypoint_that_are_called_for_the_same_are_several() {
    let through = |name: &str, host: u8, port: u16| {
        let workload = Arc::new(Workload { kind: ProcessKind::Waypoint, ..workload(name, host) });
        let target = SocketAddr::new([240, 240, 0, 1].into(), port);
        EndpointKey::workload_at(Endpoint { workload, target, tunnel: true, expected: Vec::new() })
    };
    let one = through("a", 1, 80);
    assert_eq!((one.address(), one.tunnel_address()), (address("10.1.0.1:15008"), Some(address("10.1.0.1:15008"))));
    assert_eq!(one.as_routed().unwrap().target, address("240.240.0.1:80"));
    assert_ne!(one, through("b", 2, 80));
    assert_ne!(one.address(), through("b", 2, 80).address());
    // Whatever is called for decides where a connection leads.
    assert!(!one.is_reached_like(&through("a", 1, 81)));
    assert!(one.is_reached_like(&through("a", 1, 80)));
}
