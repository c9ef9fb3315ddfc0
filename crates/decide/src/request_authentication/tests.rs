use std::time::Duration;

use ripstop_model::{JwtKeys, JwtLocations, RuleId, Selector, TargetKind, TargetRef, Traffic};

use super::*;
use crate::samples::{labels, objects, traffic, workload};

fn rule(id: &str, issuer: &str) -> JwtRule {
    JwtRule {
        id: RuleId(id.into()),
        issuer: issuer.into(),
        audiences: Vec::new(),
        keys: JwtKeys::Discovery,
        locations: JwtLocations::default(),
        forward: false,
        payload_header: None,
        claim_headers: Vec::new(),
        timeout: Duration::from_secs(5),
        space_delimited: Vec::new(),
    }
}

/// Of `<namespace>/<name>`, with a rule for each issuer.
fn object(name: &str, target: PolicyTarget, issuers: &[&str]) -> RequestAuthentication {
    let (namespace, short) = name.split_once('/').unwrap();
    RequestAuthentication {
        id: RuleId(name.into()),
        namespace: namespace.into(),
        name: short.into(),
        target,
        rules: issuers.iter().map(|issuer| rule(name, issuer)).collect(),
    }
}

fn of(app: &str) -> PolicyTarget {
    PolicyTarget::Workloads(Selector(labels(&[("app", app)])))
}

fn everybody() -> PolicyTarget {
    PolicyTarget::Workloads(Selector::default())
}

/// `<issuer> of <object>`
fn found(given: Vec<RequestAuthentication>, namespace: &str) -> Vec<String> {
    let objects = objects(given, |object| (object.namespace.clone(), object.name.clone()));
    let program = traffic(Traffic { request_authentications: objects, ..Traffic::default() });
    let rules = request_authentications(&program, &workload(namespace, "app", 1));
    rules.iter().map(|rule| format!("{} of {}", rule.issuer, rule.id)).collect()
}

#[test]
fn all_that_select_add_up() {
    let attached = PolicyTarget::Attached(vec![TargetRef { kind: TargetKind::Service, name: "app".into() }]);
    for (title, given, expected) in [
        ("nothing", vec![], vec![]),
        (
            "sorted by issuer, across objects",
            vec![object("ns/a", everybody(), &["z", "b"]), object("ns/b", of("app"), &["a", "c"])],
            vec!["a of ns/b", "b of ns/a", "c of ns/b", "z of ns/a"],
        ),
        (
            "of one issuer the root namespace's come first, then by name",
            vec![
                object("ns/b", everybody(), &["i"]),
                object("ns/a", everybody(), &["i"]),
                object("istio-system/z", everybody(), &["i"]),
            ],
            vec!["i of istio-system/z", "i of ns/a", "i of ns/b"],
        ),
        (
            "selectors of the root namespace reach out",
            vec![object("istio-system/a", of("app"), &["i"]), object("istio-system/b", of("db"), &["j"])],
            vec!["i of istio-system/a"],
        ),
        (
            "others do not count",
            vec![
                object("ns/a", of("db"), &["i"]),
                object("other/a", everybody(), &["i"]),
                object("ns/b", attached, &["i"]),
            ],
            vec![],
        ),
        ("no rules do nothing", vec![object("ns/a", everybody(), &[])], vec![]),
    ] {
        assert_eq!(found(given, "ns"), expected, "{title}");
    }
}

#[test]
fn the_root_namespace_counts_once() {
    assert_eq!(found(vec![object("istio-system/a", everybody(), &["i"])], "istio-system"), ["i of istio-system/a"]);
}
