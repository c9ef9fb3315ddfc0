use std::sync::Arc;

use ripstop_model::{
    AppProtocol, Change, ConnectionRule, EntryPort, GatewayName, HostEntry, HostPattern, OutboundPolicy, Resolution,
    RouteTable, RuleId, Snapshot, Traffic, Visibility,
};

use super::{Reading, reading};
use crate::{
    CallFacts, Outcome, Program, RequestFacts, Role, Token, outcome,
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

/// A declared host with one port.
fn entry(host: &str, port: u16, protocol: AppProtocol, resolution: Resolution) -> HostEntry {
    HostEntry {
        id: RuleId("ServiceEntry/shop/e/1".into()),
        object: ("shop".into(), "e".into()),
        host: HostPattern::new(host),
        addresses: Vec::new(),
        ports: vec![EntryPort { port, name: "p".into(), protocol, target: port }],
        internal: false,
        allocates: true,
        waypoint: None,
        resolution,
        endpoints: Vec::new(),
        selector: None,
        visibility: Visibility::Everybody,
        subject_alt_names: Vec::new(),
        created: 1,
    }
}

fn declared(entries: Vec<HostEntry>) -> Traffic {
    let mut traffic = Traffic::default();
    traffic.entries.insert(("shop".into(), "e".into()), Arc::new(entries));
    traffic
}

#[test]
fn hosts_without_addresses_are_read_for_their_names() {
    use AppProtocol::{Http11, Tcp, Tls, Unknown};
    let read = |entries: Vec<HostEntry>| read(Http11, declared(entries), "192.0.2.1:443");
    let at = |protocol| entry("*.example", 443, protocol, Resolution::Passthrough);
    assert_eq!(read(vec![at(Tls)]), Reading::PerhapsServerName);
    assert_eq!(read(vec![at(Http11)]), Reading::Detection);
    assert_eq!(read(vec![at(Unknown)]), Reading::Detection);
    assert_eq!(read(vec![at(Tls), at(Http11)]), Reading::Detection);
    // TCP takes its port.
    assert_eq!(read(vec![at(Tcp)]), Reading::Connection);
    assert_eq!(read(vec![entry("*.example", 80, Tls, Resolution::Passthrough)]), Reading::Nothing);
    let addressed = HostEntry { addresses: vec!["198.51.100.0/24".parse().unwrap()], ..at(Tls) };
    assert_eq!(read(vec![addressed]), Reading::Nothing);
}

/// Which host a call means, by what it says.
fn meant(traffic: Traffic, destination: &str, sni: Option<&str>, authority: Option<&str>) -> String {
    let destination: std::net::SocketAddr = destination.parse().unwrap();
    let program = Program::new(Snapshot::default().with(1, [Change::Traffic(traffic.into())]));
    let source = workload("shop", "client", 9);
    let request = authority.map(|authority| RequestFacts {
        method: "GET",
        scheme: "http",
        authority,
        path: "/",
        query: "",
        headers: &[],
        token: Token::Absent,
    });
    let facts = CallFacts {
        role: Role::Node,
        source: Some(&source),
        host: None,
        address: Some(destination.ip()),
        port: destination.port(),
        sni,
        request: request.as_ref(),
    };
    match outcome(&program, &facts) {
        Outcome::Forward { backends, .. } => backends[0].backend.host.to_string(),
        other => format!("{other:?}"),
    }
}

#[test]
fn a_host_without_addresses_is_the_one_that_is_named() {
    use AppProtocol::{Http11, Tls};
    let wild = || {
        declared(vec![
            entry("*.example", 443, Tls, Resolution::Passthrough),
            entry("*.example", 80, Http11, Resolution::Passthrough),
        ])
    };
    assert_eq!(meant(wild(), "192.0.2.1:443", Some("A.example"), None), "a.example");
    assert_eq!(meant(wild(), "192.0.2.1:443", Some("a.test"), None), "Passthrough");
    assert_eq!(meant(wild(), "192.0.2.1:443", None, None), "Passthrough");
    assert_eq!(meant(wild(), "192.0.2.1:80", None, Some("a.example:80")), "a.example");
    // What is spoken is not what is declared there.
    assert_eq!(meant(wild(), "192.0.2.1:443", None, Some("a.example")), "Passthrough");
    assert_eq!(meant(wild(), "192.0.2.1:80", Some("a.example"), None), "Passthrough");
    assert_eq!(meant(wild(), "192.0.2.1:81", None, Some("a.example")), "Passthrough");
}

#[test]
fn an_address_of_its_own_means_its_host() {
    let entry = entry("api.example", 443, AppProtocol::Tls, Resolution::Dns);
    let own = entry.own_address().unwrap();
    let traffic = || declared(vec![entry.clone()]);
    assert_eq!(read(AppProtocol::Http11, traffic(), &format!("{own}:443")), Reading::Connection);
    assert_eq!(meant(traffic(), &format!("{own}:443"), Some("other.example"), None), "api.example");
    assert_eq!(meant(traffic(), &format!("{own}:444"), None, None), "Passthrough");
}

#[test]
fn requests_to_strangers_go_by_name_where_the_mesh_says_so() {
    let defaults = ripstop_model::TrafficDefaults {
        outbound: OutboundPolicy::AllowAnyDynamicDns,
        ..ripstop_model::TrafficDefaults::default()
    };
    let traffic = Traffic { defaults: defaults.into(), ..Traffic::default() };
    let program = Program::new(Snapshot::default().with(1, [Change::Traffic(traffic.into())]));
    let client = workload("shop", "client", 9);
    let destination = "192.0.2.1:80".parse().unwrap();
    assert_eq!(reading(&program, &client, destination), Reading::Detection);
    let goes = |authority: Option<&str>| {
        let request = authority.map(|authority| RequestFacts {
            method: "GET",
            scheme: "http",
            authority,
            path: "/",
            query: "",
            headers: &[],
            token: Token::Absent,
        });
        let facts = CallFacts {
            role: Role::Node,
            source: Some(&client),
            host: None,
            address: Some(destination.ip()),
            port: destination.port(),
            sni: None,
            request: request.as_ref(),
        };
        match outcome(&program, &facts) {
            Outcome::Forward { backends, .. } => backends[0].backend.to_string(),
            Outcome::Passthrough => "where it was sent".into(),
            other => panic!("{other:?}"),
        }
    };
    let named = goes(Some("Stranger.example"));
    assert!(named.contains("stranger.example") && named.contains("80"), "{named}");
    let port = goes(Some("stranger.example:8080"));
    assert!(port.contains("8080"), "{port}");
    for authority in [None, Some("192.0.2.1"), Some("[fd00::1]:80"), Some("a b"), Some("")] {
        assert_eq!(goes(authority), "where it was sent", "{authority:?}");
    }
}
