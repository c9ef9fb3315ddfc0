use std::time::Duration;

use ripstop_model::{
    Action, Attribute, Authorization, CallerScope, Change, Condition, ConnectionKey, ConnectionLimit, DataplaneMode,
    Enrolment, Health, MostConnections, MtlsMode, PeerAuthentication, PolicyTarget, Rule, Selector, Sense,
    TrafficChange, TrafficPolicy, TrustDomain, TunnelProtocol, Value, Workload, WorkloadUid,
};

use super::*;
use crate::{
    backends::testing::{behind, service, workload},
    testing::limited,
};

fn uid() -> WorkloadUid {
    WorkloadUid::process("c", "ns", "a-0")
}

fn program() -> Program {
    let workload = Workload {
        uid: uid(),
        name: "a-0".into(),
        namespace: "ns".into(),
        addresses: vec!["10.0.0.1".parse().unwrap()],
        node: "n".into(),
        service_account: "a".into(),
        trust_domain: TrustDomain::default(),
        labels: [].into(),
        workload_name: "a".into(),
        canonical_name: "a".into(),
        canonical_revision: "latest".into(),
        tunnel: TunnelProtocol::Hbone,
        native_tunnel: false,
        quarantine: None,
        group: None,
        waypoint: None,
        kind: ripstop_model::ProcessKind::Command,
        enrolment: Enrolment { mode: DataplaneMode::Node, decided_by: None },
        health: Health::Healthy,
        services: Vec::new(),
        cluster: "c".into(),
    };
    Program::default().with(1, [Change::Workload(Arc::new(workload))])
}

fn strict(program: &Program, mode: MtlsMode) -> Program {
    let policy = PeerAuthentication {
        id: RuleId("PeerAuthentication/ns/default/1".into()),
        namespace: "ns".into(),
        name: "default".into(),
        selector: Selector::default(),
        mode: Some(mode),
        ports: [].into(),
        created: 1,
    };
    program.with(2, [Change::PeerAuthentication(Arc::new(policy))])
}

fn facts(peer: Option<&str>) -> Facts {
    Facts {
        workload: LocalWorkload::new(uid()),
        address: "10.0.0.1".parse().unwrap(),
        port: 80,
        peer: peer.map(|id| id.parse().unwrap()),
        source: "10.0.0.2:40000".parse().unwrap(),
        remote: None,
        sni: None,
        judged: Judged::Unread,
        through: None,
    }
}

#[test]
fn strict_ends_open_plaintext_and_nothing_else() {
    let connections = Connections::default();
    let (_plain, mut plain) = connections.register(facts(None));
    let (_tunnel, mut tunnel) = connections.register(facts(Some("spiffe://cluster.local/ns/x/sa/y")));
    connections.recheck(&Arc::new(program()));
    assert!(plain.try_recv().is_err() && tunnel.try_recv().is_err(), "PERMISSIVE ends nothing");
    connections.recheck(&Arc::new(strict(&program(), MtlsMode::Strict)));
    let revocation = plain.try_recv().unwrap();
    assert_eq!(revocation.policy, Some(RuleId("PeerAuthentication/ns/default/1".into())));
    assert!(tunnel.try_recv().is_err(), "a proven identity stays");
    connections.recheck(&Arc::new(strict(&program(), MtlsMode::Disable)));
    assert!(tunnel.try_recv().is_ok(), "DISABLE ends tunnels");
}

#[test]
fn authorization_ends_what_it_denies_and_nothing_else() {
    let connections = Connections::default();
    let (_friend, mut friend) = connections.register(facts(Some("spiffe://cluster.local/ns/x/sa/friend")));
    let (_other, mut other) = connections.register(facts(Some("spiffe://cluster.local/ns/x/sa/other")));
    let (_plain, mut plain) = connections.register(facts(None));
    let condition = Condition {
        attribute: Attribute::ServiceAccount,
        sense: Sense::AnyOf,
        values: vec![Value::Account { namespace: "x".into(), name: "friend".into() }],
        path: "from[0].source.serviceAccounts".into(),
    };
    let policy = Authorization {
        id: RuleId("AuthorizationPolicy/ns/friends/1".into()),
        namespace: "ns".into(),
        name: "friends".into(),
        target: PolicyTarget::Workloads(Selector::default()),
        action: Action::Allow,
        dry_run: false,
        rules: vec![Rule { from: vec![vec![condition]], ..Rule::default() }],
        created: 1,
    };
    let restricted = program().with(2, [Change::Authorization(Arc::new(policy))]);
    connections.recheck(&Arc::new(restricted.clone()));
    assert!(friend.try_recv().is_err(), "it is allowed");
    let revocation = other.try_recv().unwrap();
    assert_eq!(revocation.policy, Some(RuleId("AuthorizationPolicy/ns/friends/1".into())));
    assert!(revocation.reason.contains("AuthorizationPolicy/ns/friends/1"));
    assert!(plain.try_recv().is_ok(), "plaintext proves no account");
    let reopened = restricted.with(3, [Change::AuthorizationGone(("ns".into(), "friends".into()))]);
    assert!(facts(None).refusal(&reopened).is_none(), "without the policy everybody may come in again");
}

#[test]
fn a_connection_at_a_gateway_is_judged_anew_by_its_server_name() {
    let connections = Connections::default();
    let named = |name: &str| Facts { sni: Some(name.into()), judged: Judged::Gateway, ..facts(None) };
    let (_shop, mut shop) = connections.register(named("shop.example"));
    let (_other, mut other) = connections.register(named("other.example"));
    let (_nameless, mut nameless) = connections.register(Facts { sni: None, ..named("") });
    let condition = Condition {
        attribute: Attribute::Sni,
        sense: Sense::AnyOf,
        values: vec![Value::Exact("shop.example".into())],
        path: "when[0]".into(),
    };
    let policy = Authorization {
        id: RuleId("AuthorizationPolicy/ns/named/1".into()),
        namespace: "ns".into(),
        name: "named".into(),
        target: PolicyTarget::Workloads(Selector::default()),
        action: Action::Allow,
        dry_run: false,
        rules: vec![Rule { when: vec![condition], ..Rule::default() }],
        created: 1,
    };
    connections.recheck(&Arc::new(program().with(2, [Change::Authorization(Arc::new(policy))])));
    assert!(shop.try_recv().is_err(), "its name is allowed");
    assert!(other.try_recv().is_ok() && nameless.try_recv().is_ok(), "no other name is, and none is not");
}

#[test]
fn a_callee_that_changes_is_judged_anew_under_the_same_policies() {
    let connections = Connections::default();
    let (_registered, mut revoked) = connections.register(facts(None));
    let mut policy = (*strict(&program(), MtlsMode::Strict).peer_authentications().next().unwrap()).as_ref().clone();
    policy.selector = Selector([("app".into(), "guarded".into())].into());
    let first = Arc::new(program().with(2, [Change::PeerAuthentication(Arc::new(policy))]));
    connections.recheck(&first);
    let unchanged = Arc::new(first.with(3, []));
    assert!(unchanged.has_policies_of(&first));
    connections.recheck(&unchanged);
    assert!(revoked.try_recv().is_err());
    let mut callee = (**first.workload(&uid()).unwrap()).clone();
    callee.labels = [("app".into(), "guarded".into())].into();
    connections.recheck(&Arc::new(first.with(4, [Change::Workload(Arc::new(callee))])));
    assert!(revoked.try_recv().unwrap().reason.contains("STRICT"));
}

#[test]
fn a_workload_without_configuration_keeps_its_connections_and_gets_no_new_ones() {
    let connections = Connections::default();
    let (_registered, mut revoked) = connections.register(facts(None));
    connections.recheck(&Arc::new(Program::default()));
    assert!(revoked.try_recv().is_err());
    assert!(matches!(facts(None).refusal(&Program::default()), Some(Error::UnknownWorkload(_))));
    assert!(facts(None).refusal(&program()).is_none());
}

#[test]
fn the_table_forgets_what_has_ended() {
    let connections = Connections::default();
    let (registered, _revoked) = connections.register(facts(None));
    assert_eq!(connections.0.borrow().open.len(), 1);
    drop(registered);
    assert!(connections.0.borrow().open.is_empty());
}

#[test]
fn who_finds_no_room_at_a_listener_takes_nothing_of_limits() {
    let service = service("web");
    let mut own = behind(workload("web", 1), &service, 80);
    own.enrolment = Enrolment { mode: DataplaneMode::Sidecar, decided_by: None };
    let Change::TrafficObject(TrafficChange::Policy(name, Some(policy))) = limited(1) else { unreachable!() };
    let two = ConnectionLimit {
        id: RuleId("TrafficPolicy/ns/limits/1/spec.connectionRateLimits[0]".into()),
        key: ConnectionKey::All,
        most: MostConnections::New { count: 2, interval: Duration::from_secs(3600), burst: 2 },
        dry_run: false,
    };
    let policy = TrafficPolicy {
        rate_limits: Vec::new(),
        connection_rates: vec![Arc::new(two)],
        ..TrafficPolicy::clone(&policy)
    };
    let scope = CallerScope {
        id: RuleId("Sidecar/ns/default/1".into()),
        namespace: "ns".into(),
        name: "default".into(),
        selector: Selector::default(),
        egress: None,
        ingress: Vec::new(),
        outbound: None,
        egress_proxy: None,
        inbound_pool: Some(Arc::new(ConnectionPool { max_connections: Some(1), ..ConnectionPool::default() })),
        created: 1,
    };
    let facts = Facts { workload: LocalWorkload::new(own.uid.clone()), ..facts(None) };
    let program = Program::default().with(
        1,
        [
            Change::Workload(Arc::new(own)),
            Change::Service(Arc::new(service)),
            Change::TrafficObject(TrafficChange::Policy(name, Some(Arc::new(policy)))),
            Change::TrafficObject(TrafficChange::Scope(("ns".into(), "default".into()), Some(Arc::new(scope)))),
        ],
    );
    let limits = ConnectionLimits::default();
    let first = facts.admitted(&program, &limits).unwrap();
    for _ in 0..3 {
        let refused = facts.admitted(&program, &limits).unwrap_err();
        assert_eq!(refused.policy(), Some(&RuleId("Sidecar/ns/default/1".into())));
    }
    drop(first);
    let second = facts.admitted(&program, &limits).unwrap();
    drop(second);
    let refused = facts.admitted(&program, &limits).unwrap_err();
    assert_eq!(refused.policy(), Some(&RuleId("TrafficPolicy/ns/limits/1/spec.connectionRateLimits[0]".into())));
    // Nor does who is refused by those keep room.
    let mut room = Admitted::default();
    let id = RuleId("Sidecar/ns/default/1".into());
    assert!(limits.enter(&mut room, (&facts.workload.uid, 80), 1, &id).is_ok());
}
