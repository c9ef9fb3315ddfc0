use std::time::Duration;

use ripstop_model::{BackendRef, Change, RetryBudget, RuleId, Share, TrafficChange};

use super::*;
use crate::{Client, backend_settings, samples::service};

fn policy(name: &str, created: u64, section: Option<&str>, percent: f64) -> Change {
    let budget = RetryBudget {
        share: Share::from_percent(percent),
        min_concurrency: 0,
        min_per_second: 5,
        interval: Duration::ZERO,
    };
    let target =
        TrafficTarget { kind: TrafficTargetKind::Service, name: "web".into(), section: section.map(Arc::from) };
    let policy = TrafficPolicy {
        id: RuleId(format!("TrafficPolicy/shop/{name}/1").into()),
        namespace: "shop".into(),
        name: name.into(),
        targets: vec![target],
        rate_limits: Vec::new(),
        balancing: None,
        health_checks: None,
        adaptive_concurrency: None,
        hedging: None,
        retry_budget: Some(budget),
        session_affinity: None,
        global_rate_limits: Vec::new(),
        connection_rates: Vec::new(),
        connection_limits: Vec::new(),
        created,
    };
    let name = (policy.namespace.clone(), policy.name.clone());
    Change::TrafficObject(TrafficChange::Policy(name, Some(Arc::new(policy))))
}

#[test]
fn what_a_policy_says_of_a_service_holds_for_whoever_calls_it() {
    let web = Arc::new(service("shop", "web"));
    let callee = Callee::Service(web.clone());
    let settings = |program: &Program| {
        let backend = BackendRef { host: web.key.hostname.clone(), subset: None, port: Some(80) };
        let effective = backend_settings(program, Client { namespace: "bank", labels: None }, &callee, &backend);
        let ids: Vec<String> = effective.ids.iter().map(ToString::to_string).collect();
        (effective.retry_budget.map(|budget| budget.share), ids)
    };
    let program = Program::default().with(1, [Change::Service(web.clone())]);
    assert_eq!(settings(&program), (None, vec![]));
    let program = program.with(2, [policy("all", 1, None, 20.0)]);
    let share = |percent| Some(Share::from_percent(percent));
    assert_eq!(settings(&program), (share(20.0), vec!["TrafficPolicy/shop/all/1".to_owned()]));
    let program = program.with(3, [policy("port", 2, Some("http"), 30.0), policy("other", 0, Some("else"), 40.0)]);
    assert_eq!(settings(&program), (share(30.0), vec!["TrafficPolicy/shop/port/1".to_owned()]));
}

/// A number of retries is another limit, unless the same rules have a budget.
#[test]
fn a_budget_stands_beside_a_number_of_the_callers_rules() {
    use ripstop_model::{BackendPolicy, BackendSettings, ConnectionPool, HostPattern, PortSettings, Visibility};

    let web = Arc::new(service("shop", "web"));
    let callee = Callee::Service(web.clone());
    let own = RetryBudget {
        share: Share::from_percent(10.0),
        min_concurrency: 1,
        min_per_second: 0,
        interval: Duration::ZERO,
    };
    let rules = |retry_budget| {
        let pool = ConnectionPool { max_retries: Some(7), max_requests: Some(9), ..ConnectionPool::default() };
        let rules = BackendPolicy {
            ids: vec![RuleId("DestinationRule/shop/web/1".into())],
            namespace: "shop".into(),
            host: HostPattern::new(&web.key.hostname),
            visibility: Visibility::Everybody,
            client: None,
            policy: BackendSettings {
                general: PortSettings { pool: Some(Arc::new(pool)), ..PortSettings::default() },
                retry_budget,
                ..BackendSettings::default()
            },
            subsets: Vec::new(),
            created: 1,
        };
        let name = ("shop".into(), rules.host.to_string().into());
        Change::TrafficObject(TrafficChange::Backends(name, Some(Arc::new(vec![rules]))))
    };
    let settings = |program: &Program| {
        let backend = BackendRef { host: web.key.hostname.clone(), subset: None, port: Some(80) };
        let effective = backend_settings(program, Client { namespace: "shop", labels: None }, &callee, &backend);
        let pool = effective.pool.unwrap();
        assert_eq!(pool.max_requests, Some(9));
        (effective.retry_budget.map(|budget| budget.share), pool.max_retries)
    };
    let bare = Program::default().with(1, [Change::Service(web.clone()), rules(None)]);
    assert_eq!(settings(&bare), (None, Some(7)));
    let policed = bare.with(2, [policy("all", 1, None, 20.0)]);
    assert_eq!(settings(&policed), (Some(Share::from_percent(20.0)), Some(7)));
    let budgeted = bare.with(2, [rules(Some(own))]);
    assert_eq!(settings(&budgeted), (Some(own.share), None));
    let both = policed.with(3, [rules(Some(own))]);
    assert_eq!(settings(&both), (Some(Share::from_percent(20.0)), Some(7)));
}
