use std::net::SocketAddr;

use ripstop_model::{
    BackendRef, Change, ConnectionRule, Enrolment, ListenerMode, RuleId, Selector, Snapshot, TrafficChange, Visibility,
    WeightedBackend,
};

use super::*;
use crate::{
    Outcome, Reading, RequestFacts, Token, call, outcome, reading,
    samples::{labels, objects, service, workload},
};

/// Of `namespace`; `app` are the callers.
fn scope(namespace: &str, name: &str, created: u64, app: Option<&str>) -> CallerScope {
    CallerScope {
        id: RuleId(name.into()),
        namespace: namespace.into(),
        name: name.into(),
        selector: app.map(|app| Selector(labels(&[("app", app)]))).unwrap_or_default(),
        egress: None,
        ingress: Vec::new(),
        outbound: Some(OutboundPolicy::RegistryOnly),
        egress_proxy: None,
        inbound_pool: None,
        created,
    }
}

/// Hosts of a namespace, at a port or all others.
fn egress(port: Option<u16>, namespace: &str, host: &str) -> EgressScope {
    let host = ImportedHost { namespace: Some(namespace.into()), host: HostPattern::new(host) };
    EgressScope {
        port,
        protocol: AppProtocol::Unknown,
        bind: None,
        mode: ListenerMode::Captured,
        hosts: vec![host],
        without: Vec::new(),
    }
}

fn world(scopes: Vec<CallerScope>, tables: Vec<RouteTable>) -> Program {
    let scopes = objects(scopes, |scope| (scope.namespace.clone(), scope.name.clone()));
    let traffic = ripstop_model::Traffic { scopes, ..ripstop_model::Traffic::default() };
    let routes = tables.into_iter().map(|table| {
        let name = (table.namespace.clone(), table.name.clone());
        Change::TrafficObject(TrafficChange::Routes(name, Some(Arc::new(table))))
    });
    let first = [Change::Service(service("shop", "web").into()), Change::Traffic(Box::new(traffic))];
    Program::new(Snapshot::default()).with(1, first.into_iter().chain(routes).collect::<Vec<_>>())
}

fn caller(mode: DataplaneMode) -> Workload {
    Workload { enrolment: Enrolment { mode, decided_by: None }, ..workload("office", "client", 9) }
}

/// Where a connection of `caller` to the service goes: `web`, past the mesh, or nowhere.
fn goes(program: &Program, caller: &Workload, role: Role<'_>) -> &'static str {
    let facts = CallFacts {
        role,
        source: Some(caller),
        host: None,
        address: Some("240.240.0.1".parse().unwrap()),
        port: 80,
        sni: None,
        request: None,
    };
    match outcome(program, &facts) {
        Outcome::Forward { .. } => "web",
        Outcome::Passthrough => "past",
        Outcome::Refused => "nowhere",
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_nearest_scope_acts() {
    let caller = caller(DataplaneMode::Sidecar);
    let all = [
        scope("istio-system", "root", 1, None),
        scope("istio-system", "root-selecting", 1, Some("client")),
        scope("office", "namespace", 3, None),
        scope("office", "younger", 4, None),
        scope("office", "selecting", 5, Some("client")),
        scope("office", "others", 0, Some("other")),
        scope("shop", "foreign", 0, None),
    ];
    for (without, acting) in [
        (&[][..], "selecting"),
        (&["selecting"][..], "namespace"),
        (&["selecting", "namespace", "younger"][..], "root"),
    ] {
        let scopes = all.iter().filter(|scope| !without.contains(&&*scope.name)).cloned().collect();
        let program = world(scopes, Vec::new());
        assert_eq!(caller_scope(&program, &caller).map(|scope| &*scope.name), Some(acting));
    }
}

#[test]
fn a_node_limits_those_who_ask_for_a_sidecar() {
    for (egress, sidecar) in [
        (None, "web"),
        (Some(egress(None, "shop", "*")), "web"),
        (Some(egress(Some(80), "shop", "*")), "web"),
        (Some(egress(Some(81), "shop", "*")), "nowhere"),
        (Some(egress(None, "office", "*")), "nowhere"),
        (Some(egress(None, "shop", "other.shop.svc.cluster.local")), "nowhere"),
    ] {
        let egress: Option<Vec<EgressScope>> = egress.map(|egress| vec![egress]);
        let program = world(vec![CallerScope { egress, ..scope("office", "scope", 1, None) }], Vec::new());
        let (injected, ambient) = (caller(DataplaneMode::Sidecar), caller(DataplaneMode::Node));
        assert_eq!(goes(&program, &injected, Role::Node), sidecar);
        assert_eq!(goes(&program, &injected, Role::Sidecar), sidecar);
        assert_eq!(goes(&program, &ambient, Role::Node), "web");
        let read = reading(&program, &injected, "240.240.0.1:80".parse().unwrap());
        // Its authority says what a request calls.
        assert_eq!(read, if sidecar == "web" { Reading::Requests } else { Reading::Connection });
        assert_eq!(reading(&program, &ambient, "240.240.0.1:80".parse().unwrap()), Reading::Nothing);
    }
}

#[test]
fn what_an_imported_route_leads_to_is_known() {
    let backend = BackendRef { host: "web.shop.svc.cluster.local".into(), subset: None, port: Some(80) };
    let leading = |namespace: &str| RouteTable {
        id: RuleId("route".into()),
        namespace: namespace.into(),
        name: "route".into(),
        created: 1,
        hosts: vec![HostPattern::new("front.office.svc.cluster.local")],
        gateways: vec![GatewayName::Mesh],
        visibility: Visibility::Everybody,
        http: Vec::new(),
        tls: Vec::new(),
        tcp: vec![ConnectionRule {
            id: RuleId("rule".into()),
            matches: Vec::new(),
            backends: vec![WeightedBackend {
                backend: backend.clone(),
                weight: 1,
                request_headers: ripstop_model::HeaderOperations::default(),
                response_headers: ripstop_model::HeaderOperations::default(),
                authority: None,
                path: "".into(),
            }],
        }],
    };
    let known = egress(None, "office", "*");
    let scope = || CallerScope { egress: Some(vec![known.clone()]), ..scope("office", "scope", 1, None) };
    let caller = caller(DataplaneMode::Sidecar);
    let program = world(vec![scope()], vec![leading("office")]);
    assert_eq!(goes(&program, &caller, Role::Node), "web");
    // Once the route is gone, so is what it led to.
    let name = ("office".into(), "route".into());
    let without = program.with(2, [Change::TrafficObject(TrafficChange::Routes(name, None))]);
    assert_eq!(goes(&without, &caller, Role::Node), "nowhere");
    assert_eq!(goes(&world(vec![scope()], vec![leading("shop")]), &caller, Role::Node), "nowhere");
}

#[test]
fn a_sidecar_goes_by_the_authority_as_its_namespace_reads_it() {
    let other = |namespace: &str, last: u8| Service {
        addresses: vec![[240, 240, 0, last].into()],
        ..service(namespace, "other")
    };
    let services = [service("office", "web"), other("office", 2), other("shop", 3)];
    let changes: Vec<Change> = services.into_iter().map(|service| Change::Service(service.into())).collect();
    let program = Program::new(Snapshot::default()).with(1, changes);
    let caller = caller(DataplaneMode::Sidecar);
    let meant = |role: Role<'_>, authority: &str| {
        let request = RequestFacts {
            method: "GET",
            scheme: "http",
            authority,
            path: "/",
            query: "",
            headers: &[],
            token: Token::Absent,
        };
        let facts = CallFacts {
            role,
            source: Some(&caller),
            host: None,
            address: Some("240.240.0.1".parse().unwrap()),
            port: 80,
            sni: None,
            request: Some(&request),
        };
        let verdict = call(&program, &facts);
        verdict.callee.map_or_else(|| "nobody".to_owned(), |callee| callee.pattern().to_string())
    };
    assert!(matches!(Role::of_caller(&caller), Role::Sidecar));
    for (authority, host) in [
        ("other", "other.office.svc.cluster.local"),
        ("OTHER:80", "other.office.svc.cluster.local"),
        ("other.office.", "other.office.svc.cluster.local"),
        ("other.shop", "other.shop.svc.cluster.local"),
        ("other.shop.svc", "other.shop.svc.cluster.local"),
        ("other.shop.svc.cluster.local:80", "other.shop.svc.cluster.local"),
        ("240.240.0.3", "other.shop.svc.cluster.local"),
        // Names that nobody has go where they were sent.
        ("240.240.0.9", "web.office.svc.cluster.local"),
        ("nobody.example", "web.office.svc.cluster.local"),
        ("other.other", "web.office.svc.cluster.local"),
    ] {
        assert_eq!(meant(Role::Sidecar, authority), host, "{authority}");
        assert_eq!(meant(Role::Node, authority), "web.office.svc.cluster.local", "a node goes by the address");
    }
}

#[test]
fn what_nobody_knows_goes_through_the_egress_proxy() {
    let proxy = BackendRef { host: "web.shop.svc.cluster.local".into(), subset: None, port: Some(80) };
    let scope = |outbound| CallerScope {
        egress_proxy: Some(proxy.clone()),
        outbound: Some(outbound),
        ..scope("office", "scope", 1, None)
    };
    let caller = caller(DataplaneMode::Sidecar);
    let cart = workload("shop", "cart", 5);
    let inside = cart.addresses[0];
    let open = world(vec![scope(OutboundPolicy::AllowAny)], Vec::new()).with(2, [Change::Workload(cart.into())]);
    let closed = world(vec![scope(OutboundPolicy::RegistryOnly)], Vec::new());
    let outside: IpAddr = "192.0.2.1".parse().unwrap();
    let goes = |program: &Program, caller: &Workload, address: IpAddr| {
        let facts = CallFacts {
            role: Role::of_caller(caller),
            source: Some(caller),
            host: None,
            address: Some(address),
            port: 443,
            sni: None,
            request: None,
        };
        match outcome(program, &facts) {
            Outcome::Forward { backends, .. } => backends[0].backend.to_string(),
            Outcome::Passthrough => "past".into(),
            Outcome::Refused => "nowhere".into(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(goes(&open, &caller, outside), proxy.to_string());
    assert_eq!(reading(&open, &caller, (outside, 443).into()), Reading::Connection);
    assert_eq!(goes(&open, &caller, inside), "past");
    assert_eq!(goes(&closed, &caller, outside), "nowhere");
    // It is for those who ask for a sidecar.
    let ambient = Workload { enrolment: Enrolment { mode: DataplaneMode::Node, decided_by: None }, ..caller.clone() };
    assert_eq!(goes(&open, &ambient, outside), "past");
    assert_eq!(reading(&open, &ambient, (outside, 443).into()), Reading::Nothing);
}

/// A listener of that port at the caller's loopback.
fn door(port: u16, protocol: AppProtocol, namespace: &str, host: &str) -> EgressScope {
    EgressScope { protocol, mode: ListenerMode::Own, ..egress(Some(port), namespace, host) }
}

#[test]
fn what_comes_to_a_listener_goes_to_whom_it_names() {
    let doors = vec![
        door(9080, AppProtocol::Http11, "shop", "*"),
        door(9443, AppProtocol::Tls, "shop", "*"),
        door(9000, AppProtocol::Tcp, "shop", "web.shop.svc.cluster.local"),
        egress(None, "nobody", "*"),
    ];
    let scope = CallerScope { egress: Some(doors), ..scope("office", "scope", 1, None) };
    let program = world(vec![scope], Vec::new());
    let caller = caller(DataplaneMode::Sidecar);
    let loopback = "127.0.0.1".parse().unwrap();
    let went = |port: u16, address: IpAddr, sni: Option<&str>, authority: Option<&str>| {
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
            role: Role::of_caller(&caller),
            source: Some(&caller),
            host: None,
            address: Some(address),
            port,
            sni,
            request: request.as_ref(),
        };
        match outcome(&program, &facts) {
            Outcome::Forward { backends, .. } => {
                format!("{}:{}", backends[0].backend.host, backends[0].backend.port.unwrap())
            }
            Outcome::NoRule { table: None } => "404".to_owned(),
            Outcome::Refused => "refused".to_owned(),
            Outcome::Passthrough => "passed".to_owned(),
            other => format!("{other:?}"),
        }
    };
    let web = "web.shop.svc.cluster.local:80";
    // The only port of a service is meant where it has none of that number.
    for authority in ["web.shop", "web.shop.svc.cluster.local:9080", "WEB.shop.svc"] {
        assert_eq!(went(9080, loopback, None, Some(authority)), web, "{authority}");
    }
    for authority in ["nobody.shop", "127.0.0.1:9080"] {
        assert_eq!(went(9080, loopback, None, Some(authority)), "404", "{authority}");
    }
    assert_eq!(went(9443, loopback, Some("web.shop.svc.cluster.local"), None), web);
    assert_eq!(went(9443, loopback, Some("other.example"), None), "refused");
    assert_eq!(went(9000, loopback, None, None), web);
    // What is called elsewhere does not come there.
    assert_eq!(went(9080, "192.0.2.1".parse().unwrap(), None, Some("web.shop")), "refused");
    let read = |port| reading(&program, &caller, SocketAddr::new(loopback, port));
    assert_eq!([read(9080), read(9443), read(9000)], [Reading::Requests, Reading::ServerName, Reading::Connection]);
}
