use std::{collections::HashSet, sync::Arc};

use ripstop_decide::Endpoint;

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
