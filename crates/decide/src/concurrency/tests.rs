use std::{sync::Arc, time::Duration};

use ripstop_model::{
    AdaptiveConcurrency, Change, MinRtt, RuleId, Service, Share, TrafficChange, TrafficTarget, TrafficTargetKind,
};

use super::*;
use crate::{
    limits_of_unread, reads_requests,
    samples::{behind, service, workload},
};

/// A policy of `shop` for `web`, or a port of it.
fn policy(name: &str, created: u64, section: Option<&str>) -> Change {
    let adaptive = AdaptiveConcurrency {
        id: RuleId(format!("TrafficPolicy/shop/{name}/1/spec.adaptiveConcurrency").into()),
        percentile: Share::ALL,
        update_interval: Duration::from_millis(100),
        min: 3,
        max: 10,
        min_rtt: MinRtt::Fixed(Duration::from_millis(1)),
        buffer: Share::NONE,
    };
    let target =
        TrafficTarget { kind: TrafficTargetKind::Service, name: "web".into(), section: section.map(Arc::from) };
    let policy = TrafficPolicy {
        id: RuleId(format!("TrafficPolicy/shop/{name}/1").into()),
        namespace: "shop".into(),
        name: name.into(),
        targets: vec![target],
        rate_limits: Vec::new(),
        connection_rates: Vec::new(),
        connection_limits: Vec::new(),
        balancing: None,
        health_checks: None,
        adaptive_concurrency: Some(Arc::new(adaptive)),
        hedging: None,
        retry_budget: None,
        session_affinity: None,
        global_rate_limits: Vec::new(),
        created,
    };
    Change::TrafficObject(TrafficChange::Policy(("shop".into(), name.into()), Some(Arc::new(policy))))
}

#[test]
fn an_instance_is_protected_by_the_oldest_policy_of_its_port_and_read_for_it() {
    let web: Service = service("shop", "web");
    let own = Arc::new(behind(workload("shop", "web", 1), &web));
    let web = Arc::new(web);
    let bare = Program::default().with(1, [Change::Service(web.clone()), Change::Workload(own.clone())]);
    let at = |program: &Program, port| {
        concurrency_at_workload(program, &own, port).map(|found| found.policy.name.to_string())
    };
    assert_eq!(at(&bare, 8080), None);
    assert!(!reads_requests(&bare, &own, 8080));
    let program = bare.with(2, [policy("b", 2, None), policy("a", 3, None)]);
    assert_eq!(at(&program, 8080).as_deref(), Some("b"));
    assert_eq!(at(&program, 9999), None);
    assert!(reads_requests(&program, &own, 8080) && !reads_requests(&program, &own, 9999));
    let unread = limits_of_unread(&program, &own, 8080, None, None);
    assert_eq!(unread.map(|policy| policy.name.to_string()).as_deref(), Some("b"));
    let program = program.with(3, [policy("port", 9, Some("http"))]);
    assert_eq!(at(&program, 8080).as_deref(), Some("port"));
    // Of a service, its callers say nothing.
    assert!(concurrency_of_entry(&program, &Callee::Service(web), 80).is_none());
}
