use ripstop_model::{Snapshot, Workload};

use super::*;
use crate::samples::{policies, policy, selecting, workload};

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
