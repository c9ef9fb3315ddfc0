use std::sync::Arc;

use ripstop_model::{GatewayTopology, ObjectName, RuleId, Traffic, TrafficDefaults};

use super::*;
use crate::samples::{traffic, workload};

#[test]
fn what_is_said_of_a_gateway_stands_for_the_whole_of_it() {
    let said = |trusted_proxies, proxy_protocol| Topology { trusted_proxies, proxy_protocol, client_cert: None };
    let of = |default: Topology, own: &[(&str, Topology)], name: &str| {
        let defaults = Arc::new(TrafficDefaults { topology: default, ..TrafficDefaults::default() });
        let own = own.iter().map(|(name, topology)| {
            let object: ObjectName = ("ns".into(), (*name).into());
            let id = RuleId(format!("Process/ns/{name}/1").into());
            let topology =
                GatewayTopology { id, namespace: object.0.clone(), name: object.1.clone(), topology: *topology };
            (object, Arc::new(topology))
        });
        let program = traffic(Traffic { defaults, topologies: own.collect(), ..Traffic::default() });
        let mut gateway = workload("ns", "edge", 1);
        gateway.name = name.into();
        topology(&program, &gateway)
    };
    let nothing = Topology::default();
    assert_eq!(of(nothing, &[], "edge-0"), nothing);
    assert_eq!(of(said(Some(2), true), &[], "edge-0"), said(Some(2), true));
    let own = [("edge", said(Some(0), true)), ("edge-0", said(Some(9), false))];
    assert_eq!(of(said(Some(2), false), &own, "edge-0"), said(Some(0), true));
    assert_eq!(of(said(Some(2), true), &[("edge", said(None, false))], "edge-1"), nothing);
    assert_eq!(of(said(Some(2), true), &own, "other-0"), said(Some(2), true));
}
