use std::{net::SocketAddr, sync::Arc, time::Duration};

use ripstop_model::{
    Action, Allowance, AppProtocol, Attribute, Authorization, Change, Condition, Labels, LimitKey, PolicyTarget,
    ProcessKind, Quarantine, RateLimit, RequestMatch, Rule, RuleId, Selector, Sense, Service, ServiceKey, Snapshot,
    SpiffeId, TargetKind, TargetRef, TrafficChange, TrafficPolicy, TrafficTarget, TrafficTargetKind, Value, Waypoint,
    WaypointCallers,
};

use super::*;
use crate::{
    CallStep, Content, OutboundFacts, Outcome, RequestFacts, Route, Token, authorize, authorize_at_waypoint, call,
    route,
    samples::{behind, service, workload},
};

const VIP: &str = "240.240.0.1:80";

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// The waypoint `shop/front`.
fn front() -> Service {
    Service { addresses: vec!["240.240.0.9".parse().unwrap()], ..service("shop", "front") }
}

fn instance(name: &str, last: u8) -> Workload {
    let mut instance = behind(workload("shop", name, last), &front());
    instance.kind = ProcessKind::Waypoint;
    instance.native_tunnel = true;
    instance.labels = Labels::from([("gateway.networking.k8s.io/gateway-name".into(), "front".into())]);
    instance
}

/// `shop/web` behind the waypoint, which gateways go through or not.
fn web(callers: WaypointCallers) -> Service {
    Service { waypoint: Some(Waypoint { service: front().key, callers }), ..service("shop", "web") }
}

fn mesh(changes: impl IntoIterator<Item = Change>) -> Program {
    let web = web(WaypointCallers::Workloads);
    let all = [
        Change::Workload(Arc::new(behind(workload("shop", "web-0", 5), &web))),
        Change::Service(Arc::new(web)),
        Change::Service(Arc::new(front())),
        Change::Workload(Arc::new(instance("front-0", 8))),
    ];
    Program::new(Snapshot::default().with(1, all.into_iter().chain(changes).collect::<Vec<_>>()))
}

fn facts<'a>(role: Role<'a>, source: &'a Workload, request: Option<&'a RequestFacts<'a>>) -> CallFacts<'a> {
    let destination = at(VIP);
    CallFacts {
        role,
        source: Some(source),
        host: None,
        address: Some(destination.ip()),
        port: destination.port(),
        sni: None,
        request,
    }
}

#[test]
fn workloads_go_through_it_and_it_goes_to_the_endpoints() {
    let program = mesh([]);
    for kind in [ProcessKind::Command, ProcessKind::Gateway, ProcessKind::Waypoint] {
        let caller = Workload { kind, ..workload("shop", "caller", 2) };
        let verdict = route(&program, &OutboundFacts { source: &caller, destination: at(VIP), pick: 0 });
        let Route::Service { service, port, endpoint } = verdict.route else { panic!("{verdict:?}") };
        assert_eq!((&*service.name, port), ("web", 80));
        let (name, tunnel) = (endpoint.workload.name.clone(), endpoint.tunnel_address().unwrap());
        if kind == ProcessKind::Command {
            // It is told of the service's address, and proves its own identity.
            assert_eq!((&*name, endpoint.target, tunnel), ("front-0", at(VIP), at("10.244.1.8:15008")));
            assert_eq!(endpoint.expected, [instance("front-0", 8).identity().unwrap()]);
        } else {
            assert_eq!((&*name, endpoint.target, tunnel), ("web-0", at("10.244.1.5:8080"), at("10.244.1.5:15008")));
        }
    }
    let web = Change::Service(Arc::new(web(WaypointCallers::WorkloadsAndGateways)));
    let program = mesh([web]);
    let gateway = Workload { kind: ProcessKind::Gateway, ..workload("shop", "gateway", 2) };
    let verdict = route(&program, &OutboundFacts { source: &gateway, destination: at(VIP), pick: 0 });
    assert_eq!(&*verdict.route.endpoint().unwrap().workload.name, "front-0");
}

#[test]
fn nobody_goes_past_a_waypoint_that_is_missing_or_not_ready() {
    let caller = workload("shop", "caller", 2);
    let asked = OutboundFacts { source: &caller, destination: at(VIP), pick: 0 };
    let unready = Workload { health: ripstop_model::Health::Unhealthy, ..instance("front-0", 8) };
    let no_waypoint = Workload { kind: ProcessKind::Command, ..instance("front-0", 8) };
    for change in [
        Change::Workload(Arc::new(unready)),
        // Whatever else its service leads to is none.
        Change::Workload(Arc::new(no_waypoint)),
        Change::WorkloadGone(instance("front-0", 8).uid),
    ] {
        let verdict = route(&mesh([change]), &asked).route;
        assert_eq!(verdict, Route::NoHealthyEndpoint { service: front().key, port: 15008 });
    }
}

#[test]
fn what_goes_through_it_is_neither_read_nor_routed_before() {
    let program = mesh([routes()]);
    let (caller, own) = (workload("shop", "caller", 2), instance("front-0", 8));
    assert_eq!(crate::reading(&program, &caller, at(VIP)), Reading::Nothing);
    let request = request("GET");
    let verdict = call(&program, &facts(Role::Node, &caller, Some(&request)));
    assert!(matches!(verdict.outcome, Outcome::Forward { rule: None, .. }), "{verdict:?}");
    assert!(verdict.trace.contains(&CallStep::Waypoint(front().key)), "{verdict:?}");
    let verdict = call(&program, &facts(Role::Waypoint, &own, Some(&request)));
    assert!(matches!(verdict.outcome, Outcome::Respond { status: 418, .. }), "{verdict:?}");
    // Nothing of it, once there is no waypoint.
    let bare = Change::Service(Arc::new(service("shop", "web")));
    let program = program.with(2, [bare]);
    assert_eq!(crate::reading(&program, &caller, at(VIP)), Reading::Requests);
}

#[test]
fn it_serves_what_names_it() {
    let (program, own) = (mesh([]), instance("front-0", 8));
    let found = served(&program, &own, at(VIP)).unwrap();
    assert_eq!(found.key(), Some(ServiceKey::new("shop", "web.shop.svc.cluster.local")));
    for other in ["240.240.0.1:81", "240.240.0.9:80", "10.244.1.5:8080", "192.0.2.1:80"] {
        assert_eq!(served(&program, &own, at(other)), None, "{other}");
    }
    let mut elsewhere = instance("other-0", 7);
    elsewhere.services.clear();
    assert_eq!(served(&program, &elsewhere, at(VIP)), None);
    let command = Workload { kind: ProcessKind::Command, ..own };
    assert_eq!(served(&program, &command, at(VIP)), None);
}

fn request(method: &'static str) -> RequestFacts<'static> {
    RequestFacts { method, scheme: "http", authority: "web", path: "/", query: "", headers: &[], token: Token::Absent }
}

/// Every request for `web` is answered 418.
fn routes() -> Change {
    let id = RuleId("VirtualService/shop/web/1".into());
    let rule = ripstop_model::HttpRule {
        id: id.clone(),
        name: "".into(),
        matches: Vec::new(),
        action: ripstop_model::HttpAction::Respond { status: 418, body: Arc::from(*b"") },
        rewrite: ripstop_model::Rewrite::default(),
        timeout: None,
        retries: None,
        fault: ripstop_model::Fault::default(),
        mirrors: Vec::new(),
        cors: None,
        request_headers: ripstop_model::HeaderOperations::default(),
        response_headers: ripstop_model::HeaderOperations::default(),
    };
    let table = ripstop_model::RouteTable {
        id,
        namespace: "shop".into(),
        name: "web".into(),
        created: 1,
        hosts: vec![ripstop_model::HostPattern::new("web.shop.svc.cluster.local")],
        gateways: vec![ripstop_model::GatewayName::Mesh],
        visibility: ripstop_model::Visibility::Everybody,
        http: vec![rule],
        tls: Vec::new(),
        tcp: Vec::new(),
    };
    Change::TrafficObject(ripstop_model::TrafficChange::Routes(("shop".into(), "web".into()), Some(Arc::new(table))))
}

fn policy(namespace: &str, target: PolicyTarget) -> Change {
    let rule = Rule {
        to: vec![vec![Condition {
            attribute: Attribute::Method,
            sense: Sense::AnyOf,
            values: vec![Value::Exact("DELETE".into())],
            path: "to[0].operation.methods".into(),
        }]],
        ..Rule::default()
    };
    Change::Authorization(Arc::new(Authorization {
        id: RuleId(format!("AuthorizationPolicy/{namespace}/deny/1").into()),
        namespace: namespace.into(),
        name: "deny".into(),
        target,
        action: Action::Deny,
        dry_run: false,
        rules: vec![rule],
        created: 1,
    }))
}

#[test]
fn policies_act_there_by_what_they_are_attached_to_and_elsewhere_by_selection() {
    let attached = |kind, name: &str| PolicyTarget::Attached(vec![TargetRef { kind, name: name.into() }]);
    let own = instance("front-0", 8);
    let callee = behind(workload("shop", "web-0", 5), &web(WaypointCallers::Workloads));
    let peer: SpiffeId = "spiffe://cluster.local/ns/shop/sa/caller".parse().unwrap();
    let key = ServiceKey::new("shop", "web.shop.svc.cluster.local");
    for (namespace, target, at_waypoint, at_callee) in [
        ("shop", attached(TargetKind::Service, "web"), true, false),
        ("shop", attached(TargetKind::Service, "web.shop"), false, false),
        ("shop", attached(TargetKind::Service, "we"), false, false),
        ("edge", attached(TargetKind::Service, "web"), false, false),
        ("shop", attached(TargetKind::Gateway, "front"), true, false),
        ("shop", attached(TargetKind::Gateway, "other"), false, false),
        ("istio-system", attached(TargetKind::Gateway, "front"), false, false),
        ("istio-system", attached(TargetKind::GatewayClass, "istio-waypoint"), true, false),
        ("shop", attached(TargetKind::GatewayClass, "istio-waypoint"), false, false),
        ("shop", PolicyTarget::Workloads(Selector::default()), false, true),
        ("istio-system", PolicyTarget::Workloads(Selector::default()), false, true),
    ] {
        let program = mesh([policy(namespace, target.clone())]);
        for (method, matches) in [("DELETE", true), ("GET", false)] {
            let request = request(method);
            let asked = |destination, port| InboundFacts {
                service: Some(&key),
                content: Content::Request(&request),
                ..InboundFacts::connection(destination, port, Some(&peer), None)
            };
            let there = authorize_at_waypoint(&program, &asked(&own, 80)).verdict;
            assert_eq!(!there.is_allow(), at_waypoint && matches, "{namespace} {target:?} {method}");
            let here = authorize(&program, &asked(&callee, 8080)).verdict;
            assert_eq!(!here.is_allow(), at_callee && matches, "{namespace} {target:?} {method}");
        }
    }
}

/// A limit of requests to `web`.
fn limit() -> Change {
    let limit = RateLimit {
        id: RuleId("TrafficPolicy/shop/web/1/spec.rateLimits[0]".into()),
        allowance: Allowance {
            requests: RequestMatch::default(),
            key: LimitKey::All,
            count: 1,
            interval: Duration::from_secs(1),
            burst: 1,
        },
        status: 429,
        tells: true,
        dry_run: false,
    };
    let policy = TrafficPolicy {
        id: RuleId("TrafficPolicy/shop/web/1".into()),
        namespace: "shop".into(),
        name: "web".into(),
        targets: vec![TrafficTarget { kind: TrafficTargetKind::Service, name: "web".into(), section: None }],
        rate_limits: vec![Arc::new(limit)],
        balancing: None,
        created: 1,
    };
    Change::TrafficObject(TrafficChange::Policy(("shop".into(), "web".into()), Some(Arc::new(policy))))
}

/// Nobody it does not admit comes to it, and nobody is led to those who do not admit it.
#[test]
fn quarantine_holds_at_a_waypoint_and_behind_it() {
    let caller = workload("shop", "caller", 2);
    let peer = caller.identity().unwrap();
    let cut_off = |own: Workload, peers: &[&SpiffeId]| {
        let peers = peers.iter().map(|peer| (*peer).clone()).collect();
        let quarantine = Quarantine { rule: RuleId("Process/shop/x/1".into()), peers };
        Workload { quarantine: Some(Arc::new(quarantine)), ..own }
    };
    let arrives = |own: &Workload| {
        let facts = InboundFacts { content: Content::Opaque, ..InboundFacts::connection(own, 80, Some(&peer), None) };
        authorize_at_waypoint(&mesh([]), &facts).verdict.is_allow()
    };
    let own = instance("front-0", 8);
    assert!(arrives(&own));
    assert!(!arrives(&cut_off(own.clone(), &[])));
    assert!(arrives(&cut_off(own.clone(), &[&peer])));
    let hbone = ripstop_model::TunnelProtocol::Hbone;
    let callee = behind(workload("shop", "web-0", 5), &web(WaypointCallers::Workloads));
    let identity = own.identity().unwrap();
    for (callee, goes) in [
        (callee.clone(), true),
        (cut_off(callee.clone(), &[]), false),
        (cut_off(callee.clone(), &[&peer]), false),
        (cut_off(callee, &[&identity]), true),
    ] {
        assert_eq!(crate::departure(&own, Some(&callee), hbone).is_none(), goes, "{:?}", callee.quarantine);
    }
    // Who may speak with nobody does not speak through a waypoint either.
    assert!(crate::departure(&cut_off(caller.clone(), &[]), Some(&own), hbone).is_some());
    assert!(crate::departure(&cut_off(caller, &[&identity]), Some(&own), hbone).is_none());
}

#[test]
fn nobody_of_another_trust_domain_comes_through() {
    let (program, own) = (mesh([]), instance("front-0", 8));
    let peer: SpiffeId = "spiffe://elsewhere.example/ns/a/sa/b".parse().unwrap();
    let facts = InboundFacts { content: Content::Opaque, ..InboundFacts::connection(&own, 80, Some(&peer), None) };
    assert!(!authorize_at_waypoint(&program, &facts).verdict.is_allow());
}

#[test]
fn being_silent_is_no_way_around_a_policy_that_looks_at_requests() {
    let own = instance("front-0", 8);
    let attached = PolicyTarget::Attached(vec![TargetRef { kind: TargetKind::Service, name: "web".into() }]);
    let key = ServiceKey::new("shop", "web.shop.svc.cluster.local");
    for (protocol, policies, expected) in [
        (AppProtocol::Http11, vec![], Reading::Requests),
        (AppProtocol::Grpc, vec![], Reading::Requests),
        (AppProtocol::Tls, vec![], Reading::ServerName),
        (AppProtocol::Tcp, vec![policy("shop", attached.clone())], Reading::Connection),
        (AppProtocol::Unknown, vec![], Reading::Detection),
        (AppProtocol::Unknown, vec![policy("shop", attached.clone())], Reading::Requests),
        (AppProtocol::Unknown, vec![limit()], Reading::Requests),
        (AppProtocol::Tcp, vec![limit()], Reading::Connection),
    ] {
        let program = mesh(policies);
        let mut service = web(WaypointCallers::Workloads);
        service.ports[0].protocol = protocol;
        let facts = InboundFacts { service: Some(&key), ..InboundFacts::connection(&own, 80, None, None) };
        assert_eq!(
            reading_at_waypoint(&program, &Callee::Service(Arc::new(service)), &facts),
            expected,
            "{protocol:?}"
        );
    }
}
