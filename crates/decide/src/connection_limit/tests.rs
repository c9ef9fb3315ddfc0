use std::time::Duration;

use ripstop_model::{Change, ConnectionKey, MostConnections, RuleId, Service, TrafficChange, TrafficTargetKind};

use super::*;
use crate::samples::{behind, service, workload};

/// A policy of `shop` with limits of new connections, or of open ones.
fn policy(name: &str, created: u64, section: Option<&str>, most: MostConnections) -> Change {
    let limit = ConnectionLimit {
        id: RuleId(format!("TrafficPolicy/shop/{name}/1/spec.limits[0]").into()),
        key: ConnectionKey::All,
        most,
        dry_run: false,
    };
    let target =
        TrafficTarget { kind: TrafficTargetKind::Service, name: "web".into(), section: section.map(Arc::from) };
    let limits = vec![Arc::new(limit)];
    let (connection_rates, connection_limits) = match most {
        MostConnections::New { .. } => (limits, Vec::new()),
        MostConnections::Open(_) => (Vec::new(), limits),
    };
    let policy = TrafficPolicy {
        id: RuleId(format!("TrafficPolicy/shop/{name}/1").into()),
        namespace: "shop".into(),
        name: name.into(),
        targets: vec![target],
        rate_limits: Vec::new(),
        global_rate_limits: Vec::new(),
        connection_rates,
        connection_limits,
        balancing: None,
        health_checks: None,
        adaptive_concurrency: None,
        hedging: None,
        retry_budget: None,
        session_affinity: None,
        created,
    };
    Change::TrafficObject(TrafficChange::Policy(("shop".into(), name.into()), Some(Arc::new(policy))))
}

fn named(connecting: &[Connecting<'_>]) -> Vec<String> {
    connecting.iter().map(|found| format!("{} {}", found.policy.name, found.limits[0])).collect()
}

#[test]
fn new_and_open_connections_have_an_oldest_policy_each() {
    let web: Service = service("shop", "web");
    let own = Arc::new(behind(workload("shop", "web", 1), &web));
    let web = Arc::new(web);
    let bare = Program::default().with(1, [Change::Service(web.clone()), Change::Workload(own.clone())]);
    let at = |program: &Program, port| named(&connections_at_workload(program, &own, port, None, None));
    assert!(at(&bare, 8080).is_empty());
    let rate = |count| MostConnections::New { count, interval: Duration::from_secs(1), burst: count };
    let program = bare.with(2, [policy("a", 1, None, rate(5)), policy("b", 2, None, MostConnections::Open(3))]);
    let program =
        program.with(3, [policy("c", 3, None, rate(1)), policy("d", 4, Some("http"), MostConnections::Open(7))]);
    let expected = ["a 5 new connections in 1s, 5 at once", "d 7 open connections"];
    assert_eq!(at(&program, 8080), expected);
    assert!(at(&program, 9999).is_empty());
    assert_eq!(named(&connections_at_waypoint(&program, &Callee::Service(web), 80)), expected);
    // Requests are another matter.
    assert!(crate::limits_at_workload(&program, &own, 8080, None, None).is_empty());
}
