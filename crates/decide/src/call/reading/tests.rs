use std::sync::Arc;

use ripstop_model::{
    AppProtocol, Change, ConnectionRule, GatewayName, HostPattern, OutboundPolicy, RouteTable, RuleId, Snapshot,
    Traffic, Visibility,
};

use super::{Reading, reading};
use crate::{
    Program,
    samples::{service, workload},
};

/// What is read of a connection to the service's address, or another.
fn read(protocol: AppProtocol, traffic: Traffic, destination: &str) -> Reading {
    let mut called = service("shop", "web");
    called.ports[0].protocol = protocol;
    let changes = [Change::Service(called.into()), Change::Traffic(traffic.into())];
    let program = Program::new(Snapshot::default().with(1, changes));
    reading(&program, &workload("shop", "client", 9), destination.parse().unwrap())
}

/// Routes for the service: of requests, of TLS, of TCP.
fn routes(http: usize, tls: usize, tcp: usize) -> Traffic {
    let id = RuleId("VirtualService/shop/web/1".into());
    let connection = ConnectionRule { id: id.clone(), matches: Vec::new(), backends: Vec::new() };
    let request = ripstop_model::HttpRule {
        id: id.clone(),
        name: "".into(),
        matches: Vec::new(),
        action: ripstop_model::HttpAction::Forward(Vec::new()),
        rewrite: ripstop_model::Rewrite::default(),
        timeout: None,
        retries: None,
        fault: ripstop_model::Fault::default(),
        mirrors: Vec::new(),
        cors: None,
        request_headers: ripstop_model::HeaderOperations::default(),
        response_headers: ripstop_model::HeaderOperations::default(),
    };
    let table = RouteTable {
        id,
        namespace: "shop".into(),
        name: "web".into(),
        created: 1,
        hosts: vec![HostPattern::new("web.shop.svc.cluster.local")],
        gateways: vec![GatewayName::Mesh],
        visibility: Visibility::Everybody,
        http: vec![request; http],
        tls: vec![connection.clone(); tls],
        tcp: vec![connection; tcp],
    };
    let mut traffic = Traffic::default();
    traffic.routes.insert(("shop".into(), "web".into()), Arc::new(table));
    traffic
}

#[test]
fn what_nobody_asked_for_is_not_read() {
    use AppProtocol::{Grpc, Http2, Http11, Tcp, Tls, Unknown};
    for protocol in [Http11, Http2, Grpc, Tcp, Tls, Unknown] {
        assert_eq!(read(protocol, Traffic::default(), "240.240.0.1:80"), Reading::Nothing, "{protocol:?}");
    }
    // Routes of one kind do not concern ports of another.
    assert_eq!(read(Http11, routes(0, 1, 1), "240.240.0.1:80"), Reading::Nothing);
    assert_eq!(read(Tcp, routes(1, 0, 0), "240.240.0.1:80"), Reading::Nothing);
}

#[test]
fn routes_are_followed() {
    use AppProtocol::{Grpc, Http2, Http11, Tcp, Tls, Unknown};
    for protocol in [Http11, Http2, Grpc] {
        assert_eq!(read(protocol, routes(1, 0, 0), "240.240.0.1:80"), Reading::Requests, "{protocol:?}");
    }
    assert_eq!(read(Unknown, routes(1, 0, 0), "240.240.0.1:80"), Reading::Detection);
    assert_eq!(read(Unknown, routes(0, 0, 1), "240.240.0.1:80"), Reading::Connection);
    assert_eq!(read(Tls, routes(0, 1, 0), "240.240.0.1:80"), Reading::ServerName);
    assert_eq!(read(Tls, routes(0, 0, 1), "240.240.0.1:80"), Reading::Connection);
    assert_eq!(read(Tcp, routes(0, 0, 1), "240.240.0.1:80"), Reading::Connection);
}

#[test]
fn strangers_are_refused_where_the_mesh_says_so() {
    let mut traffic = Traffic::default();
    assert_eq!(read(AppProtocol::Http11, traffic.clone(), "192.0.2.1:80"), Reading::Nothing);
    traffic.defaults = Arc::new(ripstop_model::TrafficDefaults {
        outbound: OutboundPolicy::RegistryOnly,
        ..ripstop_model::TrafficDefaults::default()
    });
    assert_eq!(read(AppProtocol::Http11, traffic.clone(), "192.0.2.1:80"), Reading::Connection);
    assert_eq!(read(AppProtocol::Http11, traffic.clone(), "240.240.0.1:80"), Reading::Nothing);
    assert_eq!(read(AppProtocol::Http11, traffic, "240.240.0.1:81"), Reading::Connection);
}
