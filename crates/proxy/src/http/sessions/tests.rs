use std::{sync::Arc, time::Duration};

use ripstop_model::{
    Change, HttpAction, PortSettings, RuleId, ServerProtocol, SessionAffinity, TrafficChange, TrafficPolicy,
    TrafficTarget, TrafficTargetKind,
};

use crate::testing::{Edge, Leads, forward, head, limits, run};

#[test]
fn whoever_is_refused_by_a_limit_waits_for_no_names() {
    run(async {
        // Sessions have a say where there are several backends.
        let mut rule = forward();
        if let HttpAction::Forward(backends) = &mut rule.action {
            backends.push(backends[0].clone());
        }
        let edge = Edge::new(ServerProtocol::Http, Leads::Nowhere, PortSettings::default(), rule).await;
        let target = |kind, name: &str| TrafficTarget { kind, name: name.into(), section: None };
        let limit = limits(target(TrafficTargetKind::Gateway, "edge"), 1);
        let Change::TrafficObject(TrafficChange::Policy(_, Some(policy))) = &limit else { panic!("{limit:?}") };
        let sessions = TrafficPolicy {
            id: RuleId("TrafficPolicy/ns/sessions/1".into()),
            name: "sessions".into(),
            targets: vec![target(TrafficTargetKind::Entry, "web.ns.svc.cluster.local")],
            rate_limits: Vec::new(),
            session_affinity: Some(Arc::new(SessionAffinity {
                id: RuleId("TrafficPolicy/ns/sessions/1/spec.sessionAffinity".into()),
                cookie: "seat".into(),
                path: "/".into(),
                ttl: None,
            })),
            ..TrafficPolicy::clone(policy)
        };
        let sessions = TrafficChange::Policy(("ns".into(), "sessions".into()), Some(Arc::new(sessions)));
        edge.worker.change(Change::TrafficObject(sessions));
        edge.worker.change(limit);
        let ask = b"GET / HTTP/1.1\r\nHost: web.example\r\nCookie: seat=x\r\n\r\n";
        let (mut one, mut other) = (edge.sent(ask).await, edge.sent(ask).await);
        let first = async {
            tokio::select! {
                head = head(&mut one) => head,
                head = head(&mut other) => head,
            }
        };
        // The other one waits for the first answer of DNS, which takes five seconds not to come.
        let first = tokio::time::timeout(Duration::from_secs(4), first).await.expect("one is refused at once");
        assert!(first.starts_with("HTTP/1.1 429 "), "{first}");
    });
}
