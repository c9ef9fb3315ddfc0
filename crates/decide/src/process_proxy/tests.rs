use std::{sync::Arc, time::Duration};

use ripstop_model::{
    AppProtocol, Change, ConnectionProfile, DataplaneMode, Enrolment, EscapedSlashes, ObjectName, PathNormalization,
    RuleId, Traffic, TrafficDefaults, Underscores,
};

use super::*;
use crate::{
    reads_requests,
    samples::{behind, service, traffic, workload},
};

#[test]
fn what_is_said_of_a_gateway_stands_for_the_whole_of_it() {
    let said = |trusted_proxies, proxy_protocol| Topology { trusted_proxies, proxy_protocol, ..Topology::default() };
    let of = |default: Topology, own: &[(&str, Topology)], name: &str| {
        let defaults = Arc::new(TrafficDefaults { topology: default, ..TrafficDefaults::default() });
        let own = own.iter().map(|(name, topology)| {
            let object: ObjectName = ("ns".into(), (*name).into());
            let id = RuleId(format!("Process/ns/{name}/1").into());
            let (namespace, name) = object.clone();
            let proxy = ProcessProxy { id, namespace, name, topology: *topology, settings: Arc::default() };
            (object, Arc::new(proxy))
        });
        let program = traffic(Traffic { defaults, process_proxies: own.collect(), ..Traffic::default() });
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

#[test]
fn what_a_process_is_said_to_be_like_is_in_place_of_what_the_mesh_says() {
    let edge = ConnectionSettings { profile: ConnectionProfile::Edge, ..ConnectionSettings::NONE };
    let defaults = |connections| Arc::new(ProxyDefaults { connections, ..ProxyDefaults::default() });
    let object: ObjectName = ("ns".into(), "own".into());
    let streams = ConnectionSettings { streams: Some(3), ..ConnectionSettings::NONE };
    let own = ProcessProxy {
        id: RuleId("Process/ns/own/1".into()),
        namespace: object.0.clone(),
        name: object.1.clone(),
        topology: Topology::default(),
        settings: defaults(streams),
    };
    let program = traffic(Traffic {
        defaults: Arc::new(TrafficDefaults {
            proxies: defaults(edge),
            normalization: PathNormalization::DecodeAndMergeSlashes,
            ..TrafficDefaults::default()
        }),
        process_proxies: [(object, Arc::new(own))].into_iter().collect(),
        ..Traffic::default()
    });
    let named = |name: &str, kind| Workload { name: name.into(), kind, ..workload("ns", "app", 1) };
    assert_eq!(connection_settings(&program, &named("own-0", ProcessKind::Gateway)), streams);
    // Only gateways follow the profile.
    assert_eq!(connection_settings(&program, &named("app-0", ProcessKind::Command)), edge);
    let gateway = named("app-0", ProcessKind::Gateway);
    assert_eq!(connection_settings(&program, &gateway), edge.at_gateway());
    assert_eq!(paths(&program, &gateway).escaped_slashes, EscapedSlashes::Redirected);
    assert_eq!(paths(&program, &named("own-0", ProcessKind::Gateway)).escaped_slashes, EscapedSlashes::Decoded);
}

/// What only who reads requests can do has them read, at whoever has a proxy of its own.
#[test]
fn settings_of_a_sidecar_have_requests_read() {
    let of = |connections, protocol| {
        let proxies = Arc::new(ProxyDefaults { connections, ..ProxyDefaults::default() });
        let program = traffic(Traffic {
            defaults: Arc::new(TrafficDefaults { proxies, ..TrafficDefaults::default() }),
            ..Traffic::default()
        });
        let mut web = service("ns", "app");
        web.ports[0].protocol = protocol;
        program.with(2, [Change::Service(Arc::new(web))])
    };
    let mode = |mode| Workload {
        enrolment: Enrolment { mode, decided_by: None },
        ..behind(workload("ns", "app", 1), &service("ns", "app"))
    };
    let (ambient, injected) = (mode(DataplaneMode::Node), mode(DataplaneMode::Sidecar));
    let none = ConnectionSettings::NONE;
    for (settings, reads) in [
        (ConnectionSettings { underscores: Some(Underscores::Refused), ..none }, true),
        (ConnectionSettings { idle: Some(Duration::from_secs(5)), ..none }, true),
        (ConnectionSettings { kept: Some(1), connections: Some(2), profile: ConnectionProfile::Edge, ..none }, false),
        (none, false),
    ] {
        let program = of(settings, AppProtocol::Http11);
        assert_eq!(reads_requests(&program, &injected, 8080), reads, "{settings:?}");
        assert!(!reads_requests(&program, &ambient, 8080), "{settings:?}");
        // What may wait for its server to speak is left alone.
        assert!(!reads_requests(&program, &injected, 9999), "{settings:?}");
        assert!(!reads_requests(&of(settings, AppProtocol::Unknown), &injected, 8080), "{settings:?}");
    }
}
