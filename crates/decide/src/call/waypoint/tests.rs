use std::{net::SocketAddr, sync::Arc, time::Duration};

use ripstop_model::{
    Action, Admission, Allowance, AppProtocol, Attribute, Authorization, Change, Condition, Labels, LimitKey,
    PolicyTarget, ProcessKind, Quarantine, RateLimit, RequestMatch, Rule, RuleId, Selector, Sense, Service, ServiceKey,
    Snapshot, SpiffeId, TargetKind, TargetRef, TrafficChange, TrafficPolicy, TrafficTarget, TrafficTargetKind, Value,
    Waypoint, WaypointCallers,
};

use super::*;
use crate::{
    CallFacts, CallStep, Content, OutboundFacts, Outcome, RequestFacts, Role, Route, Token, authorize,
    authorize_at_waypoint, call, route,
    samples::{behind, service, workload},
};

mod canaries;
mod workloads;

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
    let waypoint = Waypoint { service: front().key, callers, admission: Admission::Admitted, canary: None };
    Service { waypoint: Some(waypoint), ..service("shop", "web") }
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
    let verdict = call(&program, &facts(Role::Waypoint { called: None }, &own, Some(&request)));
    assert!(matches!(verdict.outcome, Outcome::Respond { status: 418, .. }), "{verdict:?}");
    // Nothing of it, once there is no waypoint.
    let bare = Change::Service(Arc::new(service("shop", "web")));
    let program = program.with(2, [bare]);
    assert_eq!(crate::reading(&program, &caller, at(VIP)), Reading::Requests);
}

#[test]
fn it_serves_what_names_it() {
    let (program, own) = (mesh([]), instance("front-0", 8));
    let found = served(&program, &own, at(VIP), "shop").unwrap();
    assert_eq!(found.key(), Some(ServiceKey::new("shop", "web.shop.svc.cluster.local")));
    for other in ["240.240.0.1:81", "240.240.0.9:80", "10.244.1.5:8080", "192.0.2.1:80"] {
        assert_eq!(served(&program, &own, at(other), "shop"), None, "{other}");
    }
    let mut elsewhere = instance("other-0", 7);
    elsewhere.services.clear();
    assert_eq!(served(&program, &elsewhere, at(VIP), "shop"), None);
    let command = Workload { kind: ProcessKind::Command, ..own };
    assert_eq!(served(&program, &command, at(VIP), "shop"), None);
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
        retry_budget: None,
        session_affinity: None,
        global_rate_limits: Vec::new(),
        connection_rates: Vec::new(),
        connection_limits: Vec::new(),
        health_checks: None,
        adaptive_concurrency: None,
        hedging: None,
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

/// Nothing of it reaches the waypoint, nor goes past it.
#[test]
fn a_waypoint_that_does_not_serve_a_namespace_gets_none_of_its_calls() {
    let mut refused = web(WaypointCallers::Workloads);
    refused.waypoint.as_mut().unwrap().admission = Admission::Refused;
    let program = mesh([Change::Service(Arc::new(refused))]);
    let caller = workload("shop", "caller", 2);
    let verdict = route(&program, &OutboundFacts { source: &caller, destination: at(VIP), pick: 0 });
    assert_eq!(verdict.route, Route::NoHealthyEndpoint { service: front().key, port: 15008 });
    assert!(verdict.trace.contains(&crate::RouteStep::NotAdmitted("shop".into())), "{verdict:?}");
    // Whoever comes all the same is refused.
    assert_eq!(served(&program, &instance("front-0", 8), at(VIP), "shop"), None);
}

/// Routes for `web` in that namespace, to that host and with a copy of it there.
fn leads(namespace: &str, host: &str) -> Change {
    let Change::TrafficObject(TrafficChange::Routes(_, Some(table))) = routes() else { unreachable!() };
    let mut table = ripstop_model::RouteTable::clone(&table);
    let backend = ripstop_model::BackendRef { host: host.into(), subset: None, port: Some(80) };
    let weighted = ripstop_model::WeightedBackend {
        backend: backend.clone(),
        weight: 1,
        authority: None,
        path: "path".into(),
        request_headers: ripstop_model::HeaderOperations::default(),
        response_headers: ripstop_model::HeaderOperations::default(),
    };
    table.namespace = namespace.into();
    table.http[0].action = ripstop_model::HttpAction::Forward(vec![weighted]);
    Change::TrafficObject(TrafficChange::Routes((namespace.into(), "web".into()), Some(Arc::new(table))))
}

/// The waypoint calls in its own name: routes of others may not use that for what is not theirs.
#[test]
fn routes_of_a_served_namespace_lead_to_its_own_hosts_alone() {
    let vip = |mut service: Service, address: &str| {
        service.addresses = vec![address.parse().unwrap()];
        Change::Service(Arc::new(service))
    };
    let hidden = |namespace: &str, name: &str| Service {
        visibility: ripstop_model::Visibility::Namespaces([Arc::from(namespace)].into()),
        ..service(namespace, name)
    };
    let elsewhere = |name: &str| {
        let mut own = instance(name, 8);
        own.namespace = "edge".into();
        own
    };
    let common = || {
        vec![
            vip(service("shop", "cart"), "240.240.1.1"),
            vip(hidden("shop", "own"), "240.240.1.2"),
            vip(service("edge", "secret"), "240.240.1.3"),
            vip(hidden("edge", "hidden"), "240.240.1.4"),
            vip(service("bank", "vault"), "240.240.1.5"),
        ]
    };
    let request = request("GET");
    for (of, host, own_leads, foreign_leads) in [
        ("shop", "cart.shop.svc.cluster.local", true, true),
        // What only its own namespace sees.
        ("shop", "own.shop.svc.cluster.local", true, true),
        ("shop", "secret.edge.svc.cluster.local", true, false),
        ("shop", "hidden.edge.svc.cluster.local", false, false),
        ("shop", "vault.bank.svc.cluster.local", true, false),
        // Those of the waypoint's own namespace lead wherever it sees.
        ("edge", "vault.bank.svc.cluster.local", true, true),
        ("edge", "hidden.edge.svc.cluster.local", true, true),
        ("edge", "own.shop.svc.cluster.local", true, false),
    ] {
        let mut changes = common();
        changes.push(leads(of, host));
        let program = mesh(changes);
        let Change::TrafficObject(TrafficChange::Routes(_, Some(table))) = leads(of, host) else { unreachable!() };
        for (own, expected) in [(instance("front-0", 8), own_leads), (elsewhere("front-0"), foreign_leads)] {
            let is_own = *own.namespace == *of;
            let asked = facts(Role::Waypoint { called: None }, &own, Some(&request));
            let verdict = call(&program, &asked);
            let Outcome::Forward { rule, backends } = &verdict.outcome else { panic!("{verdict:?}") };
            let shadow = crate::shadow(&program, &asked, &table, &backends[0].backend);
            match rule {
                Some(_) => {
                    assert_eq!(backends[0].missing.is_none(), expected, "{of} {host} {}", own.namespace);
                    assert_eq!(shadow.missing, backends[0].missing, "{of} {host} {}", own.namespace);
                }
                // Routes of a third namespace are none of its own.
                None => assert!(!is_own && of == "edge", "{of} {host} {}", own.namespace),
            }
        }
    }
}

/// Of several hosts of the same name and address, the caller's own is called, else the oldest that it sees.
#[test]
fn a_declared_host_is_the_one_that_was_called() {
    let (own, address) = (instance("front-0", 8), at("240.240.9.9:80"));
    let entry = |namespace: &str, created: u64, visibility| {
        let entry = HostEntry {
            id: RuleId(format!("ServiceEntry/{namespace}/out/1").into()),
            object: (namespace.into(), "out".into()),
            host: ripstop_model::HostPattern::new("out.example"),
            addresses: vec!["240.240.9.9/32".parse().unwrap()],
            ports: Vec::new(),
            internal: false,
            allocates: false,
            waypoint: web(WaypointCallers::Workloads).waypoint,
            resolution: ripstop_model::Resolution::Static,
            endpoints: Vec::new(),
            selector: None,
            visibility,
            subject_alt_names: Vec::new(),
            created,
        };
        let name = entry.object.clone();
        Change::TrafficObject(TrafficChange::Entries(name, Some(Arc::new(vec![entry]))))
    };
    let everybody = ripstop_model::Visibility::Everybody;
    let alone = |namespace: &str| ripstop_model::Visibility::Namespaces([Arc::from(namespace)].into());
    let program = mesh([
        entry("bank", 5, alone("bank")),
        entry("edge", 3, everybody.clone()),
        entry("mall", 4, everybody),
        entry("den", 1, alone("den")),
    ]);
    for (caller, expected) in
        [("bank", "bank"), ("edge", "edge"), ("mall", "mall"), ("den", "den"), ("shop", "edge"), ("", "edge")]
    {
        let found = served(&program, &own, address, caller).unwrap();
        assert_eq!(&**found.namespace(), expected, "{caller}");
        let key = found.key().unwrap();
        assert_eq!(called_as(&program, &CalledKey::Host(key), address).as_ref(), Some(&found), "{caller}");
        // Its routes are those of the one that was called.
        let asked = CallFacts {
            role: Role::Waypoint { called: Some(&found) },
            address: Some(address.ip()),
            ..facts(Role::Node, &own, None)
        };
        assert_eq!(call(&program, &asked).callee.as_ref(), Some(&found), "{caller}");
    }
    assert_eq!(called_as(&program, &CalledKey::Host(ServiceKey::new("none", "out.example")), address), None);
    // One that goes past the waypoint leaves the others.
    let Change::TrafficObject(TrafficChange::Entries(name, Some(bare))) = entry("edge", 3, alone("edge")) else {
        unreachable!()
    };
    let bare = bare.iter().map(|entry| HostEntry { waypoint: None, ..entry.clone() }).collect();
    let program = program.with(9, [Change::TrafficObject(TrafficChange::Entries(name, Some(Arc::new(bare))))]);
    assert_eq!(&**served(&program, &own, address, "shop").unwrap().namespace(), "mall");
}

/// Of different hosts that share an address, the caller's proxy calls the one with the smallest block, then the oldest.
#[test]
fn of_overlapping_blocks_the_smallest_was_called() {
    let own = instance("front-0", 8);
    let entry = |host: &str, namespace: &str, block: &str, created: u64| {
        let entry = HostEntry {
            id: RuleId(format!("ServiceEntry/{namespace}/{host}/1").into()),
            object: (namespace.into(), host.into()),
            host: ripstop_model::HostPattern::new(host),
            addresses: vec![block.parse().unwrap()],
            ports: Vec::new(),
            internal: false,
            allocates: false,
            waypoint: web(WaypointCallers::Workloads).waypoint,
            resolution: ripstop_model::Resolution::Static,
            endpoints: Vec::new(),
            selector: None,
            visibility: ripstop_model::Visibility::Everybody,
            subject_alt_names: Vec::new(),
            created,
        };
        let name = entry.object.clone();
        Change::TrafficObject(TrafficChange::Entries(name, Some(Arc::new(vec![entry]))))
    };
    let program = mesh([
        entry("wide.example", "bank", "10.9.0.0/16", 1),
        entry("narrow.example", "mall", "10.9.8.0/24", 5),
        entry("twin.example", "bank", "10.9.8.0/24", 6),
    ]);
    for (address, expected) in [("10.9.8.7:80", "narrow.example"), ("10.9.7.7:80", "wide.example")] {
        for caller in ["bank", "mall", "shop"] {
            let found = served(&program, &own, at(address), caller).unwrap();
            assert_eq!(&*found.key().unwrap().hostname, expected, "{address} {caller}");
            // As at the caller's node.
            let source = workload(caller, "caller", 2);
            let asked = CallFacts { address: Some(at(address).ip()), ..facts(Role::Node, &source, None) };
            let Outcome::Forward { backends, .. } = crate::outcome(&program, &asked) else { panic!("{address}") };
            assert_eq!(&*backends[0].backend.host, expected, "{address} {caller}");
        }
    }
}

/// Its metrics and its readiness; its port of tunnels leads to what it stands in front of only.
#[test]
fn a_waypoints_own_ports_are_reached_in_the_clear() {
    let mut own = instance("front-0", 8);
    own.tunnel = ripstop_model::TunnelProtocol::Hbone;
    let program = mesh([Change::Workload(Arc::new(own))]);
    let caller = workload("shop", "caller", 2);
    for (port, plain) in [(15020, true), (15090, true), (15021, true), (15008, false)] {
        let destination = SocketAddr::new("10.244.1.8".parse().unwrap(), port);
        let route = route(&program, &OutboundFacts { source: &caller, destination, pick: 0 }).route;
        match route.endpoint() {
            Some(endpoint) => assert!(plain && endpoint.tunnel_address().is_none(), "{route:?}"),
            None => assert!(!plain, "{route:?}"),
        }
    }
}

/// Others may declare a host of the same name.
#[test]
fn what_is_attached_to_a_declared_host_acts_for_that_of_its_namespace() {
    let program = mesh([]);
    let declared = |namespace: &str| HostEntry {
        allocates: true,
        id: RuleId(format!("ServiceEntry/{namespace}/out/1").into()),
        object: (namespace.into(), "out".into()),
        host: ripstop_model::HostPattern::new("out.example"),
        addresses: Vec::new(),
        ports: Vec::new(),
        internal: false,
        waypoint: None,
        resolution: ripstop_model::Resolution::Static,
        endpoints: Vec::new(),
        selector: None,
        visibility: ripstop_model::Visibility::Everybody,
        subject_alt_names: Vec::new(),
        created: 1,
    };
    let entries = ["shop", "other"].map(|namespace| {
        let entry = declared(namespace);
        Change::TrafficObject(TrafficChange::Entries(entry.object.clone(), Some(Arc::new(vec![entry]))))
    });
    let target = PolicyTarget::Attached(vec![TargetRef { kind: TargetKind::Entry, name: "out".into() }]);
    let program = program.with(2, entries.into_iter().chain([policy("shop", target)]));
    let own = instance("front-0", 8);
    let peer: SpiffeId = "spiffe://cluster.local/ns/shop/sa/caller".parse().unwrap();
    for (namespace, denied) in [("shop", true), ("other", false)] {
        let key = ServiceKey::new(namespace, "out.example");
        let facts = InboundFacts { service: Some(&key), ..InboundFacts::connection(&own, 80, Some(&peer), None) };
        assert_eq!(authorize_at_waypoint(&program, &facts).verdict.is_allow(), !denied, "{namespace}");
    }
}

/// What hangs on nothing but who calls is said before anything is taken.
#[test]
fn who_may_ask_for_nothing_is_told_so_at_once() {
    let own = instance("front-0", 8);
    let peer: SpiffeId = "spiffe://cluster.local/ns/shop/sa/caller".parse().unwrap();
    let key = ServiceKey::new("shop", "web.shop.svc.cluster.local");
    let condition = |attribute, sense, value: &str| Condition {
        attribute,
        sense,
        values: vec![Value::Exact(value.into())],
        path: "path".into(),
    };
    let caller = || condition(Attribute::Principal, Sense::AnyOf, "cluster.local/ns/shop/sa/caller");
    let other = || condition(Attribute::Principal, Sense::AnyOf, "cluster.local/ns/shop/sa/other");
    let get = || condition(Attribute::Method, Sense::AnyOf, "GET");
    let named = || condition(Attribute::Sni, Sense::AnyOf, "web.example");
    let policy = |action, from: Vec<Condition>, to: Vec<Condition>, when: Vec<Condition>| {
        let list = |conditions: Vec<Condition>| if conditions.is_empty() { Vec::new() } else { vec![conditions] };
        let target = PolicyTarget::Attached(vec![TargetRef { kind: TargetKind::Service, name: "web".into() }]);
        let Change::Authorization(policy) = policy("shop", target) else { unreachable!() };
        let rules = vec![Rule { from: list(from), to: list(to), when }];
        Change::Authorization(Arc::new(Authorization { action, rules, ..Authorization::clone(&policy) }))
    };
    for (change, refused) in [
        (policy(Action::Deny, vec![caller()], vec![], vec![]), true),
        (policy(Action::Deny, vec![], vec![], vec![]), true),
        (policy(Action::Deny, vec![other()], vec![], vec![]), false),
        // Whether these match is known once there is a request, or a name.
        (policy(Action::Deny, vec![caller()], vec![get()], vec![]), false),
        (policy(Action::Deny, vec![caller()], vec![], vec![named()]), false),
        (policy(Action::Allow, vec![caller()], vec![], vec![]), false),
        (policy(Action::Allow, vec![caller()], vec![get()], vec![]), false),
        (policy(Action::Allow, vec![caller()], vec![], vec![named()]), false),
        (policy(Action::Allow, vec![other()], vec![get()], vec![]), true),
        (policy(Action::Allow, vec![other()], vec![], vec![]), true),
    ] {
        let program = mesh([change.clone()]);
        let facts = InboundFacts { service: Some(&key), ..InboundFacts::connection(&own, 80, Some(&peer), None) };
        let verdict = crate::refused_at_waypoint(&program, &facts);
        assert_eq!(verdict.is_some(), refused, "{change:?}");
        assert!(verdict.is_none_or(|verdict| !verdict.is_allow()));
    }
    let stranger: SpiffeId = "spiffe://elsewhere.example/ns/a/sa/b".parse().unwrap();
    let facts = InboundFacts { service: Some(&key), ..InboundFacts::connection(&own, 80, Some(&stranger), None) };
    assert!(crate::refused_at_waypoint(&mesh([]), &facts).is_some(), "of another trust domain");
}
