use std::time::Duration;

use ripstop_model::{
    AppProtocol, Change, EntryPort, HealthCheck, HedgeDelay, HostEntry, LocalityPolicy, PeakEwma, Resolution,
    ServicePort, TargetPort, TrafficChange, TrafficPolicy, TrafficTarget, TrafficTargetKind,
};

use super::*;
use crate::{
    call::{Reading, reading},
    samples::{service, workload},
};

const SLOW: PeakEwma =
    PeakEwma { decay: Duration::from_secs(60), default_rtt: Duration::ZERO, penalty: Duration::ZERO };

/// A policy `shop/<name>` that balances `kind/<target>`, or one of its ports.
fn policy(name: &str, created: u64, kind: TrafficTargetKind, target: &str, port: Option<&str>) -> TrafficPolicy {
    TrafficPolicy {
        id: RuleId(format!("TrafficPolicy/shop/{name}/1").into()),
        namespace: "shop".into(),
        name: name.into(),
        targets: vec![TrafficTarget { kind, name: target.into(), section: port.map(Arc::from) }],
        rate_limits: Vec::new(),
        balancing: Some(Balancing {
            id: RuleId(format!("TrafficPolicy/shop/{name}/1/spec.loadBalancer").into()),
            peak_ewma: SLOW,
        }),
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

/// `shop/web` with ports `http` (80) and `admin` (81, TCP).
fn web() -> Callee {
    let mut web = service("shop", "web");
    web.ports.push(ServicePort {
        port: 81,
        name: "admin".into(),
        target: TargetPort::Number(8081),
        protocol: AppProtocol::Tcp,
    });
    Callee::Service(web.into())
}

/// `bank.example`, with port `http` (80).
fn bank() -> HostEntry {
    HostEntry {
        id: RuleId("ServiceEntry/shop/bank/1".into()),
        object: ("shop".into(), "bank".into()),
        host: HostPattern::new("bank.example"),
        addresses: Vec::new(),
        ports: vec![EntryPort { port: 80, name: "http".into(), protocol: AppProtocol::Http11, target: 80 }],
        internal: false,
        allocates: true,
        waypoint: None,
        resolution: Resolution::Dns,
        endpoints: Vec::new(),
        selector: None,
        visibility: Visibility::Everybody,
        subject_alt_names: Vec::new(),
        created: 1,
    }
}

fn called(program: &Program, callee: &Callee, port: u16) -> EffectiveBackend {
    let client = Client { namespace: "elsewhere", labels: None };
    let host = callee.host_for(None).unwrap();
    settings(program, client, callee, &BackendRef { host, port: Some(port), subset: None })
}

/// Which policy acts at a port.
fn acting_at(program: &Program, callee: &Callee, port: u16) -> Option<String> {
    balancing(program, callee, port).map(|balancing| balancing.id.0.split('/').nth(2).unwrap().to_owned())
}

#[test]
fn a_port_comes_before_its_service_and_the_older_before_the_younger() {
    use TrafficTargetKind::{Entry, Gateway, Service};
    let web = web();
    let bare = Program::default();
    assert_eq!(acting_at(&bare, &web, 80), None);
    let program = with(&bare, policy("young", 7, Service, "web", None));
    let program = with(&program, policy("old", 5, Service, "web", None));
    let program = with(&program, policy("port", 9, Service, "web", Some("admin")));
    // One that limits requests says nothing of this.
    let limits = TrafficPolicy { balancing: None, ..policy("limits", 1, Service, "web", None) };
    let program = with(&program, limits);
    assert_eq!(acting_at(&program, &web, 80).as_deref(), Some("old"));
    assert_eq!(acting_at(&program, &web, 81).as_deref(), Some("port"));
    let others = with(&bare, policy("entry", 1, Entry, "web", None));
    let others = with(&others, policy("gateway", 1, Gateway, "web", None));
    let others = with(&others, policy("other", 1, Service, "webs", None));
    assert_eq!(acting_at(&others, &web, 80), None);
}

#[test]
fn a_declared_host_is_balanced_by_the_policy_of_its_entry() {
    let entry = Callee::Entry(Arc::new(bank()));
    let program = with(&Program::default(), policy("a", 1, TrafficTargetKind::Entry, "bank", Some("http")));
    assert_eq!(acting_at(&program, &entry, 80).as_deref(), Some("a"));
    assert_eq!(acting_at(&program, &entry, 81), None);
    assert_eq!(called(&program, &entry, 80).balancer.unwrap().algorithm, Algorithm::PeakEwma(SLOW));
}

#[test]
fn the_algorithm_is_replaced_and_nothing_else() {
    let web = web();
    let locality = Some(LocalityPolicy { enabled: true, ..LocalityPolicy::default() });
    let balancer = LoadBalancer { algorithm: Algorithm::RoundRobin, locality: locality.clone(), ..Default::default() };
    let rules = BackendPolicy {
        ids: vec![RuleId("DestinationRule/shop/web/1".into())],
        namespace: "shop".into(),
        host: HostPattern::new("web.shop.svc.cluster.local"),
        visibility: Visibility::Everybody,
        client: None,
        policy: BackendSettings {
            general: PortSettings { balancer: Some(Arc::new(balancer)), ..PortSettings::default() },
            ..BackendSettings::default()
        },
        subsets: Vec::new(),
        created: 1,
    };
    let name = ("shop".into(), text(&rules.host));
    let change = Change::TrafficObject(TrafficChange::Backends(name, Some(Arc::new(vec![rules]))));
    let bare = Program::default().with(1, [change]);
    assert_eq!(called(&bare, &web, 80).balancer.unwrap().algorithm, Algorithm::RoundRobin);
    let program = with(&bare, policy("a", 1, TrafficTargetKind::Service, "web", Some("http")));
    let effective = called(&program, &web, 80);
    let expected = LoadBalancer { algorithm: Algorithm::PeakEwma(SLOW), warmup: None, locality };
    assert_eq!(effective.balancer.as_deref(), Some(&expected));
    let ids: Vec<_> = effective.ids.iter().map(|id| &*id.0).collect();
    assert_eq!(ids, ["DestinationRule/shop/web/1", "TrafficPolicy/shop/a/1/spec.loadBalancer"]);
    assert_eq!(called(&program, &web, 81), called(&bare, &web, 81));
}

#[test]
fn sessions_are_of_requests_that_callers_read() {
    let session = |name: &str, created, port| {
        let session = SessionAffinity {
            id: RuleId(format!("TrafficPolicy/shop/{name}/1/spec.sessionAffinity").into()),
            cookie: name.into(),
            path: "/".into(),
            ttl: None,
        };
        let policy = policy(name, created, TrafficTargetKind::Service, "web", port);
        TrafficPolicy { balancing: None, session_affinity: Some(Arc::new(session)), ..policy }
    };
    let Callee::Service(web) = web() else { unreachable!() };
    let bare = Program::default().with(1, [Change::Service(web.clone())]);
    let program = with(&bare, session("all", 1, None));
    let program = with(&program, session("port", 2, Some("http")));
    let callee = Callee::Service(web);
    let effective = called(&program, &callee, 80);
    assert_eq!(&*effective.session.unwrap().cookie, "port");
    assert_eq!(effective.ids, [RuleId("TrafficPolicy/shop/port/1/spec.sessionAffinity".into())]);
    assert_eq!(&*called(&program, &callee, 81).session.unwrap().cookie, "all");
    let caller = workload("elsewhere", "client", 9);
    assert_eq!(reading(&program, &caller, ([240, 240, 0, 1], 80).into()), Reading::Requests);
    assert_eq!(reading(&bare, &caller, ([240, 240, 0, 1], 80).into()), Reading::Nothing);
}

/// Latencies are those of requests, where these can be read.
#[test]
fn callers_read_requests_for_it() {
    let Callee::Service(web) = web() else { unreachable!() };
    let bare = Program::default().with(1, [Change::Service(web)]);
    let caller = workload("elsewhere", "client", 9);
    let at = |program: &Program, port: u16| reading(program, &caller, ([240, 240, 0, 1], port).into());
    assert_eq!([at(&bare, 80), at(&bare, 81)], [Reading::Nothing; 2]);
    let program = with(&bare, policy("a", 1, TrafficTargetKind::Service, "web", None));
    assert_eq!([at(&program, 80), at(&program, 81)], [Reading::Requests, Reading::Connection]);
    let other = with(&bare, policy("a", 1, TrafficTargetKind::Service, "other", None));
    assert_eq!([at(&other, 80), at(&other, 81)], [Reading::Nothing; 2]);
}

#[test]
fn endpoints_are_checked_unless_callers_choose_them() {
    let checks = Arc::new(HealthChecks {
        id: RuleId("TrafficPolicy/shop/checks/1/spec.healthChecks".into()),
        check: HealthCheck::Grpc { service: "".into() },
        interval: Duration::from_secs(1),
        jitter: Duration::ZERO,
        timeout: Duration::from_secs(1),
        healthy_threshold: 1,
        unhealthy_threshold: 1,
    });
    let with_checks = |kind, target: &str, port| TrafficPolicy {
        balancing: None,
        health_checks: Some(checks.clone()),
        ..policy("checks", 1, kind, target, port)
    };
    let web = web();
    let program = with(&Program::default(), with_checks(TrafficTargetKind::Service, "web", Some("http")));
    // An older one that balances says nothing of this.
    let program = with(&program, policy("old", 0, TrafficTargetKind::Service, "web", Some("http")));
    let effective = called(&program, &web, 80);
    assert_eq!((effective.health_checks.as_ref(), effective.failures()), (Some(&checks), Failures::Noticed));
    assert_eq!(effective.ids.last(), Some(&checks.id));
    assert!(matches!(effective.balancer.unwrap().algorithm, Algorithm::PeakEwma(_)));
    let other = called(&program, &web, 81);
    assert_eq!((other.health_checks.as_ref(), other.failures()), (None, Failures::Unnoticed));

    let program = with(&Program::default(), with_checks(TrafficTargetKind::Entry, "bank", None));
    for (resolution, checked) in [
        (Resolution::Static, true),
        (Resolution::Dns, true),
        (Resolution::DnsRoundRobin, true),
        (Resolution::DynamicDns, false),
        (Resolution::Passthrough, false),
    ] {
        let bank = HostEntry { resolution, ..bank() };
        assert_eq!(health_checks(&program, &Callee::Entry(bank.into()), 80).is_some(), checked, "{resolution:?}");
    }
}

#[test]
fn what_is_sent_twice_has_a_bound_and_is_read_for_it() {
    let hedging = Arc::new(Hedging {
        id: RuleId("TrafficPolicy/shop/hedge/1/spec.hedging".into()),
        delay: HedgeDelay::Fixed(Duration::from_millis(50)),
        attempts: 2,
        methods: vec!["GET".into()],
    });
    let hedged = TrafficPolicy {
        balancing: None,
        hedging: Some(hedging.clone()),
        ..policy("hedge", 1, TrafficTargetKind::Service, "web", Some("http"))
    };
    let web = web();
    let Callee::Service(service) = &web else { unreachable!() };
    let caller = workload("elsewhere", "caller", 9);
    let program = with(&Program::default().with(1, [Change::Service(service.clone())]), hedged);
    let effective = called(&program, &web, 80);
    assert_eq!(effective.hedging.as_ref(), Some(&hedging));
    assert_eq!(effective.retry_budget, Some(USUAL_BUDGET));
    assert_eq!(effective.ids.last(), Some(&hedging.id));
    assert_eq!(called(&program, &web, 81).hedging, None);
    let at = |port| reading(&program, &caller, (service.addresses[0], port).into());
    assert_eq!(at(80), Reading::Requests);
    // Whoever has said how many retries there may be has said that of these, too.
    let own = RetryBudget { share: Share::NONE, min_concurrency: 1, min_per_second: 0, interval: Duration::ZERO };
    let budget = TrafficPolicy {
        balancing: None,
        retry_budget: Some(own),
        ..policy("budget", 1, TrafficTargetKind::Service, "web", None)
    };
    assert_eq!(called(&with(&program, budget), &web, 80).retry_budget, Some(own));
}
