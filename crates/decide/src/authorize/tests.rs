use ripstop_model::{
    Attribute, Change, Condition, PolicyTarget, Rule, Selector, Sense, Snapshot, SpiffeId, Value, Workload,
};

use super::*;
use crate::samples::{policies, policy, selecting, snapshot, workload};

use MtlsMode::{Disable, Permissive, Strict};

fn facts<'a>(destination: &'a Workload, port: u16, peer: Option<&'a SpiffeId>) -> InboundFacts<'a> {
    InboundFacts::connection(destination, port, peer, None)
}

#[test]
fn modes() {
    let destination = workload("ns", "app", 1);
    let peer: SpiffeId = "spiffe://cluster.local/ns/a/sa/b".parse().unwrap();
    for (mode, plain, tunnel) in [(Disable, true, false), (Permissive, true, true), (Strict, false, true)] {
        let snapshot = Program::new(policies([policy("ns", "p", Some(mode), 1)]));
        let verdict = authorize(&snapshot, &facts(&destination, 80, None)).verdict;
        assert_eq!(verdict.is_allow(), plain, "{mode} plain");
        assert_eq!(
            authorize(&snapshot, &facts(&destination, 80, Some(&peer))).verdict.is_allow(),
            tunnel,
            "{mode} tunnel"
        );
    }
}

#[test]
fn a_refusal_names_reason_and_policy() {
    let destination = workload("ns", "app", 1);
    let mut own = selecting(policy("ns", "own", None, 1), "app");
    own.ports.insert(8080, Some(Strict));
    let snapshot = Program::new(policies([own]));
    let verdict = authorize(&snapshot, &facts(&destination, 8080, None)).verdict;
    let expected = DenyReason::Plaintext { port: 8080 };
    assert_eq!(verdict, Verdict::Deny { reason: expected, policy: Some(RuleId("PeerAuthentication/ns/own/1".into())) });
    assert!(verdict.to_string().starts_with("denied by PeerAuthentication/ns/own/1: port 8080 is STRICT"));
    assert!(authorize(&snapshot, &facts(&destination, 8081, None)).verdict.is_allow());
}

#[test]
fn foreign_trust_domains_are_refused() {
    let destination = workload("ns", "app", 1);
    let peer: SpiffeId = "spiffe://other.local/ns/a/sa/b".parse().unwrap();
    for mode in [Permissive, Strict, Disable] {
        let snapshot = Program::new(policies([policy("ns", "p", Some(mode), 1)]));
        let verdict = authorize(&snapshot, &facts(&destination, 80, Some(&peer))).verdict;
        assert!(matches!(verdict, Verdict::Deny { reason: DenyReason::TrustDomain { .. }, policy: None }), "{mode}");
    }
}

/// A mesh that believes identities of `partner.example`.
fn federated() -> Change {
    let federated_domains = vec!["partner.example".parse().unwrap()];
    Change::Mesh(MeshConfig { federated_domains, ..MeshConfig::default() }.into())
}

#[test]
fn gateways_refuse_domains_that_are_no_longer_trusted() {
    let destination = workload("ns", "edge", 1);
    let peer: SpiffeId = "spiffe://partner.example/ns/a/sa/b".parse().unwrap();
    let verdict = |program: &Program, peer| authorize_at_gateway(program, &facts(&destination, 80, peer)).verdict;
    let trusting = Program::new(snapshot([federated()]));
    assert!(verdict(&trusting, Some(&peer)).is_allow());
    let withdrawn = Program::new(Snapshot::default());
    let refused = verdict(&withdrawn, Some(&peer));
    assert!(matches!(refused, Verdict::Deny { reason: DenyReason::TrustDomain { .. }, policy: None }), "{refused}");
    let own: SpiffeId = "spiffe://cluster.local/ns/a/sa/b".parse().unwrap();
    assert!(verdict(&withdrawn, Some(&own)).is_allow() && verdict(&withdrawn, None).is_allow());
}

#[test]
fn another_domain_has_no_namespaces_and_accounts_of_the_mesh() {
    let destination = workload("ns", "app", 1);
    let own: SpiffeId = "spiffe://cluster.local/ns/a/sa/b".parse().unwrap();
    let partner: SpiffeId = "spiffe://partner.example/ns/a/sa/b".parse().unwrap();
    let account = |name: &str| Value::Account { namespace: "a".into(), name: name.into() };
    let exact = |text: &str| Value::Exact(text.into());
    // Whether the mesh's own is allowed, and the other.
    for (action, attribute, value, expected) in [
        (Action::Allow, Attribute::Namespace, exact("a"), (true, false)),
        (Action::Allow, Attribute::ServiceAccount, account("b"), (true, false)),
        (Action::Allow, Attribute::Principal, exact("partner.example/ns/a/sa/b"), (false, true)),
        (Action::Deny, Attribute::Namespace, exact("a"), (false, false)),
        (Action::Deny, Attribute::Namespace, exact("other"), (true, false)),
        (Action::Deny, Attribute::ServiceAccount, account("other"), (true, false)),
        (Action::Deny, Attribute::Principal, exact("partner.example/ns/a/sa/b"), (true, false)),
    ] {
        let told = format!("{action:?} {attribute:?} {value:?}");
        let condition = Condition { attribute, sense: Sense::AnyOf, values: vec![value], path: "source".into() };
        let policy = Authorization {
            id: RuleId("AuthorizationPolicy/ns/p/1".into()),
            namespace: "ns".into(),
            name: "p".into(),
            target: PolicyTarget::Workloads(Selector::default()),
            action,
            dry_run: false,
            rules: vec![Rule { from: vec![vec![condition]], to: Vec::new(), when: Vec::new() }],
            created: 1,
        };
        let program = Program::new(snapshot([federated(), Change::Authorization(Arc::new(policy))]));
        let allowed = |peer| authorize(&program, &facts(&destination, 80, Some(peer))).verdict.is_allow();
        assert_eq!((allowed(&own), allowed(&partner)), expected, "{told}");
    }
}

#[test]
fn the_proxys_ports_are_nobodys() {
    let destination = workload("ns", "app", 1);
    let peer: SpiffeId = "spiffe://cluster.local/ns/a/sa/b".parse().unwrap();
    for port in PROXY_PORTS {
        for peer in [None, Some(&peer)] {
            let verdict = authorize(&Program::new(Snapshot::default()), &facts(&destination, port, peer)).verdict;
            assert_eq!(verdict, Verdict::Deny { reason: DenyReason::ProxyPort { port }, policy: None });
        }
    }
}
