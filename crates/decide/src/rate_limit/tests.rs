use std::time::Duration;

use ripstop_model::{
    Admission, Allowance, Change, EntryPort, HostPattern, LimitKey, PortMapping, RateLimit, RequestMatch, Resolution,
    RuleId, ServerProtocol, ServerTlsMode, Service, ServicePort, TargetPort, TrafficChange, Visibility, Waypoint,
    WaypointCallers,
};

use super::*;
use crate::{
    reads_requests,
    samples::{behind, gateway, labels, put, server, service, tls, workload},
};

/// A policy `shop/<name>` with a limit, attached to `KIND/name[/section]`s.
fn policy(name: &str, created: u64, targets: &[&str]) -> TrafficPolicy {
    let limit = RateLimit {
        id: RuleId(format!("TrafficPolicy/shop/{name}/1/spec.rateLimits[0]").into()),
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
    let target = |text: &&str| {
        let mut parts = text.split('/');
        TrafficTarget {
            kind: match parts.next() {
                Some("Service") => TrafficTargetKind::Service,
                Some("Entry") => TrafficTargetKind::Entry,
                Some("Routes") => TrafficTargetKind::Routes,
                _ => TrafficTargetKind::Gateway,
            },
            name: parts.next().unwrap().into(),
            section: parts.next().map(Arc::from),
        }
    };
    TrafficPolicy {
        id: RuleId(format!("TrafficPolicy/shop/{name}/1").into()),
        namespace: "shop".into(),
        name: name.into(),
        targets: targets.iter().map(target).collect(),
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
        created,
    }
}

fn with(program: &Program, policy: TrafficPolicy) -> Program {
    let name = (policy.namespace.clone(), policy.name.clone());
    program.with(program.version() + 1, [Change::TrafficObject(TrafficChange::Policy(name, Some(Arc::new(policy))))])
}

fn without(program: &Program, name: &str) -> Program {
    let name = ("shop".into(), name.into());
    program.with(program.version() + 1, [Change::TrafficObject(TrafficChange::Policy(name, None))])
}

/// `shop/web` with ports `http` (80 → 8080) and `admin` (81 → 8081, TCP), and the workload behind it.
fn mesh() -> (Program, Arc<Workload>) {
    let mut web: Service = service("shop", "web");
    web.ports.push(ServicePort {
        port: 81,
        name: "admin".into(),
        target: TargetPort::Number(8081),
        protocol: AppProtocol::Tcp,
    });
    let mut own = behind(workload("shop", "web", 1), &web);
    own.services[0].1.push(PortMapping { service_port: 81, target_port: 8081 });
    let own = Arc::new(own);
    (Program::default().with(1, [Change::Service(web.into()), Change::Workload(own.clone())]), own)
}

fn named<'p>(limiting: impl IntoIterator<Item = Limiting<'p>>) -> Vec<String> {
    limiting.into_iter().map(|limiting| limiting.policy.name.to_string()).collect()
}

#[test]
fn a_port_comes_before_its_service_and_the_older_before_the_younger() {
    let (bare, own) = mesh();
    assert!(limits_at_workload(&bare, &own, 8080, None, None).is_empty());
    assert!(!reads_requests(&bare, &own, 8080));
    let whole = with(&with(&bare, policy("a", 7, &["Service/web"])), policy("z", 5, &["Service/web"]));
    for port in [8080, 8081] {
        assert_eq!(named(limits_at_workload(&whole, &own, port, None, None)), ["z"], "the oldest, whatever its name");
    }
    assert!(limits_at_workload(&whole, &own, 9999, None, None).is_empty());
    let port = with(&whole, policy("port", 9, &["Service/web/http"]));
    assert_eq!(named(limits_at_workload(&port, &own, 8080, None, None)), ["port"]);
    assert_eq!(named(limits_at_workload(&port, &own, 8081, None, None)), ["z"]);
    // What goes leaves the place to the next.
    let gone = without(&without(&port, "port"), "z");
    assert_eq!(named(limits_at_workload(&gone, &own, 8080, None, None)), ["a"]);
    assert!(limits_at_workload(&without(&gone, "a"), &own, 8080, None, None).is_empty());
    // One without limits takes the place of nobody.
    let silent = TrafficPolicy { rate_limits: Vec::new(), ..policy("silent", 1, &["Service/web/http"]) };
    assert_eq!(named(limits_at_workload(&with(&port, silent), &own, 8080, None, None)), ["port"]);
}

#[test]
fn requests_are_read_where_there_is_a_limit_and_may_be_requests() {
    let (bare, own) = mesh();
    let limited = with(&bare, policy("a", 1, &["Service/web"]));
    assert!(reads_requests(&limited, &own, 8080));
    assert!(!reads_requests(&limited, &own, 8081), "TCP is not read");
    assert_eq!(limits_of_unread(&limited, &own, 8080, None, None).map(|policy| &*policy.name), Some("a"));
    assert_eq!(limits_of_unread(&limited, &own, 8081, None, None), None);
    assert_eq!(limits_of_unread(&bare, &own, 8080, None, None), None);
    let elsewhere = with(&bare, policy("a", 1, &["Service/other", "Entry/web", "Gateway/web"]));
    assert!(!reads_requests(&elsewhere, &own, 8080));
}

/// At the waypoint whoever goes through it, at the workload whoever goes past it.
#[test]
fn what_comes_by_a_waypoint_is_counted_there_and_only_there() {
    let front = service("shop", "front");
    let instance = |name: &str, account: &str, kind| {
        let own = behind(workload("shop", name, 8), &front);
        Change::Workload(Arc::new(Workload { kind, service_account: account.into(), ..own }))
    };
    let (bare, own) = mesh();
    let waypoint = Some(Waypoint {
        service: front.key.clone(),
        callers: WaypointCallers::Workloads,
        admission: Admission::Admitted,
        canary: None,
    });
    let web = Arc::new(Service { waypoint, ..Service::clone(bare.service(&own.services[0].0).unwrap()) });
    let limited = with(&bare, policy("a", 1, &["Service/web"]));
    let changes = [
        Change::Service(web.clone()),
        Change::Service(Arc::new(front.clone())),
        instance("front-0", "front", ProcessKind::Waypoint),
        // It has the waypoint's port, and is none.
        instance("other-0", "other", ProcessKind::Command),
    ];
    let program = limited.with(9, changes);
    let callee = Callee::Service(web);
    assert_eq!(named(limits_at_waypoint(&program, &callee, 80)), ["a"]);
    assert!(limits_at_waypoint(&program, &callee, 9999).is_none());
    assert!(limits_at_waypoint(&without(&program, "a"), &callee, 80).is_none());
    let at_instance = Some("10.244.1.8".parse().unwrap());
    let elsewhere = Some("10.244.1.7".parse().unwrap());
    for (peer, source, counted) in [
        (Some("front"), at_instance, false),
        // Whoever has the account of the waypoint is not that yet.
        (Some("front"), elsewhere, true),
        (Some("front"), None, true),
        (Some("other"), at_instance, true),
        (Some("web"), at_instance, true),
        (Some("caller"), elsewhere, true),
        (None, at_instance, true),
    ] {
        let peer = peer.map(|account| format!("spiffe://cluster.local/ns/shop/sa/{account}").parse().unwrap());
        let found = limits_at_workload(&program, &own, 8080, peer.as_ref(), source);
        assert_eq!(!found.is_empty(), counted, "{peer:?} {source:?}");
        let unread = limits_of_unread(&program, &own, 8080, peer.as_ref(), source);
        assert_eq!(unread.is_some(), counted, "{peer:?} {source:?}");
        // Without the label nothing is counted before.
        assert_eq!(limits_at_workload(&limited, &own, 8080, peer.as_ref(), source).len(), 1, "{peer:?}");
        // Nor by a waypoint that does not serve it.
        let mut refused = Service::clone(program.service(&own.services[0].0).unwrap());
        refused.waypoint.as_mut().unwrap().admission = Admission::Refused;
        let program = program.with(10, [Change::Service(Arc::new(refused))]);
        assert_eq!(limits_at_workload(&program, &own, 8080, peer.as_ref(), source).len(), 1, "{peer:?}");
    }
    assert!(reads_requests(&program, &own, 8080), "who goes past it is read");
}

/// A service of the same pods, or a host that leads to them, is no way around the limit of another.
#[test]
fn a_waypoint_counts_by_the_workload_that_it_leads_to() {
    let front = service("shop", "front");
    let waypoint = Some(Waypoint {
        service: front.key.clone(),
        callers: WaypointCallers::Workloads,
        admission: Admission::Admitted,
        canary: None,
    });
    let (bare, own) = mesh();
    let key = own.services[0].0.clone();
    let limited = with(&bare, policy("a", 1, &["Service/web"]));
    let at = |waypoint: &Option<Waypoint>| {
        let web = Service { waypoint: waypoint.clone(), ..Service::clone(limited.service(&key).unwrap()) };
        limited.with(9, [Change::Service(Arc::new(web))])
    };
    let program = at(&waypoint);
    let instance = |kind| Workload { kind, ..behind(workload("shop", "front", 8), &front) };
    let proxy = instance(ProcessKind::Waypoint);
    assert_eq!(named(limits_behind(&program, &proxy, &own, 8080)), ["a"]);
    assert!(limits_behind(&program, &proxy, &own, 9999).is_empty());
    // Endpoints count for whoever does not stand in front of them.
    assert!(limits_behind(&program, &instance(ProcessKind::Command), &own, 8080).is_empty());
    let other = Workload { kind: ProcessKind::Waypoint, ..workload("shop", "other", 9) };
    assert!(limits_behind(&program, &other, &own, 8080).is_empty());
    assert!(limits_behind(&at(&None), &proxy, &own, 8080).is_empty());
    let refused = waypoint.clone().map(|waypoint| Waypoint { admission: Admission::Refused, ..waypoint });
    assert!(limits_behind(&at(&refused), &proxy, &own, 8080).is_empty());
    // What is passed on unread must be known to be none of requests, or be declared as such.
    let unread = |port, content| limits_of_unread_behind(&program, &proxy, &own, port, content).is_some();
    for content in [Content::Unread, Content::Opaque] {
        assert!(unread(8080, content) && !unread(8081, content), "{content:?}");
    }
    let mut vague = Service::clone(program.service(&key).unwrap());
    vague.ports[0].protocol = AppProtocol::Unknown;
    let program = program.with(10, [Change::Service(Arc::new(vague))]);
    let unread = |content| limits_of_unread_behind(&program, &proxy, &own, 8080, content).is_some();
    assert!(unread(Content::Unread) && !unread(Content::Opaque));
}

#[test]
fn a_policy_that_changes_is_attached_anew() {
    let (bare, own) = mesh();
    let before = with(&bare, policy("a", 1, &["Service/web/http", "Service/web/admin"]));
    assert_eq!(limits_at_workload(&before, &own, 8080, None, None)[0].target.section.as_deref(), Some("http"));
    assert_eq!(limits_at_workload(&before, &own, 8081, None, None)[0].target.section.as_deref(), Some("admin"));
    let after = with(&before, policy("a", 1, &["Service/other"]));
    assert!(
        limits_at_workload(&after, &own, 8080, None, None).is_empty()
            && limits_at_workload(&after, &own, 8081, None, None).is_empty()
    );
    assert_eq!(Program::new(before.snapshot().clone()).traffic().policies.len(), 1);
    let anew = Program::new(before.snapshot().clone());
    assert_eq!(named(limits_at_workload(&anew, &own, 8080, None, None)), ["a"], "made at once or step by step");
}

#[test]
fn declared_hosts_have_their_own() {
    let port = |port, name: &str| EntryPort { port, name: name.into(), protocol: AppProtocol::Http11, target: port };
    let entry = HostEntry {
        allocates: true,
        id: RuleId("ServiceEntry/shop/bank/1".into()),
        object: ("shop".into(), "bank".into()),
        host: HostPattern::new("bank.example"),
        addresses: Vec::new(),
        ports: vec![port(80, "plain"), port(81, "other")],
        internal: false,
        waypoint: None,
        resolution: Resolution::Dns,
        endpoints: Vec::new(),
        selector: None,
        visibility: Visibility::Everybody,
        subject_alt_names: Vec::new(),
        created: 1,
    };
    let program = with(&Program::default(), policy("all", 1, &["Entry/bank"]));
    let program = with(&program, policy("one", 2, &["Entry/bank/plain"]));
    assert_eq!(named(limits_of_entry(&program, &entry, 80)), ["one"]);
    assert_eq!(named(limits_of_entry(&program, &entry, 81)), ["all"]);
    assert!(limits_of_entry(&Program::default(), &entry, 80).is_none());
    let unread = |entry: HostEntry| limits_of_unread_call(&program, &Callee::Entry(Arc::new(entry)), 80);
    assert_eq!(unread(entry.clone()).map(|policy| &*policy.name), Some("one"));
    let raw = EntryPort { protocol: AppProtocol::Unknown, ..entry.ports[0].clone() };
    assert_eq!(unread(HostEntry { ports: vec![raw], ..entry }), None, "nobody has said that it speaks HTTP");
}

#[test]
fn a_gateways_listener_is_found_by_who_is_asked_for() {
    let mut web = server(80, ServerProtocol::Http, "*.example", None);
    web.name = "web".into();
    let mut api = server(80, ServerProtocol::Http, "api.example", None);
    api.name = "api".into();
    let mut safe = server(443, ServerProtocol::Https, "safe.example", Some(tls(ServerTlsMode::Simple, &["c"])));
    safe.name = "safe".into();
    let mut own = workload("edge", "gateway", 1);
    own.labels = labels(&[("istio", "ingressgateway")]);
    let program = Program::default().with(1, [put(gateway("shop", "edge", 1, vec![web, api, safe]))]);
    let program = with(&program, policy("all", 1, &["Gateway/edge"]));
    let program = with(&program, policy("api", 2, &["Gateway/edge/api", "Gateway/edge/safe"]));
    let at = |port, sni, authority| named(limits_at_gateway(&program, &own, port, sni, authority));
    assert_eq!(at(80, None, "web.example"), ["all"]);
    assert_eq!(at(80, None, "API.example:80"), ["api"]);
    assert_eq!(at(443, Some("safe.example"), "anything"), ["api"], "of TLS the server name counts");
    assert!(at(443, Some("other.example"), "safe.example").is_empty());
    assert!(at(80, None, "other.test").is_empty() && at(81, None, "web.example").is_empty());
}

#[test]
fn a_route_has_limits_by_its_name_and_its_object() {
    let bare = Program::default();
    let rule = |id: &str, name: &str| HttpRule {
        id: RuleId(id.into()),
        name: name.into(),
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
    let api = rule("VirtualService/shop/web/3/spec.http[0]", "api");
    let unnamed = rule("VirtualService/shop/web/3/spec.http[1]", "");
    // Of a delegate's route, what is attached to the delegate.
    let delegate = rule("VirtualService/shop/part/1/spec.http[0]", "api");
    let elsewhere = rule("VirtualService/bank/web/1/spec.http[0]", "api");
    assert!(limits_of_route(&bare, &api).is_none());
    let program = with(&bare, policy("service", 1, &["Service/web", "Gateway/web", "Entry/web"]));
    assert!(limits_of_route(&program, &api).is_none());
    let program = with(&program, policy("all", 2, &["Routes/web"]));
    let program = with(&program, policy("api", 3, &["Routes/web/api"]));
    assert_eq!(named(limits_of_route(&program, &api)), ["api"]);
    assert_eq!(named(limits_of_route(&program, &unnamed)), ["all"]);
    for other in [&delegate, &elsewhere] {
        assert!(limits_of_route(&program, other).is_none());
    }
    assert_eq!(named(limits_of_route(&with(&program, policy("part", 4, &["Routes/part"])), &delegate)), ["part"]);
    // Another one says how much may be tried again.
    assert!(retry_budget_of_route(&program, &api).is_none());
    let budget = ripstop_model::RetryBudget {
        share: ripstop_model::Share::from_percent(20.0),
        min_concurrency: 3,
        min_per_second: 0,
        interval: Duration::ZERO,
    };
    let retries = TrafficPolicy {
        rate_limits: Vec::new(),
        retry_budget: Some(budget),
        ..policy("retries", 1, &["Routes/web", "Routes/part/api"])
    };
    let budgeted = with(&program, retries);
    assert_eq!(named(retry_budget_of_route(&budgeted, &api)), ["retries"]);
    assert_eq!(named(retry_budget_of_route(&budgeted, &delegate)), ["retries"]);
    assert_eq!(named(limits_of_route(&budgeted, &api)), ["api"]);
    // What is gone is no longer looked for.
    let gone = ["all", "api", "retries"].iter().fold(budgeted, |program, name| without(&program, name));
    assert!(limits_of_route(&gone, &api).is_none() && !gone.has_policies_of_routes());
}
