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

fn claims(issuer: &str, audiences: &[&str]) -> Claims {
    let audiences = audiences.iter().map(|text| (*text).to_owned()).collect();
    Claims { issuer: issuer.into(), audiences, ..Claims::default() }
}

#[test]
fn issuer_and_audience_must_be_accepted_by_one_rule() {
    let demanding = |issuer: &str, audiences: &[&str]| JwtRule {
        audiences: audiences.iter().map(|text| (*text).into()).collect(),
        ..rule("ns/a", issuer)
    };
    let word = |rules: &[JwtRule], claims: &Claims| match token(&rules.iter().collect::<Vec<_>>(), claims) {
        TokenVerdict::Ignored => "ignored".to_owned(),
        TokenVerdict::Refused => "refused".to_owned(),
        TokenVerdict::Accepted(rule, _) => format!("by {}", rule.issuer),
    };
    for (title, rules, issuer, audiences, expected) in [
        ("no rule", vec![], "a", &[] as &[_], "ignored"),
        ("its issuer", vec![rule("x", "a"), rule("x", "b")], "b", &[], "by b"),
        ("another issuer", vec![rule("x", "a"), rule("x", "b")], "c", &[], "refused"),
        ("any issuer", vec![rule("x", "")], "c", &[], "by "),
        ("one of its audiences", vec![demanding("a", &["k", "l"])], "a", &["z", "l"], "by a"),
        ("scheme and slash do not count", vec![demanding("a", &["https://k/"])], "a", &["http://k"], "by a"),
        ("another audience", vec![demanding("a", &["k"])], "a", &["z"], "refused"),
        ("no audience", vec![demanding("a", &["k"])], "a", &[], "refused"),
        (
            "the audience of another issuer",
            vec![demanding("a", &["k"]), demanding("b", &["l"])],
            "a",
            &["l"],
            "refused",
        ),
    ] {
        assert_eq!(word(&rules, &claims(issuer, audiences)), expected, "{title}");
    }
}

#[test]
fn lists_separated_by_blanks_are_taken_apart() {
    let text = |text: &str| Claim::Texts(vec![text.into()]);
    let login = Claim::Nested([("scope".to_owned(), text("c d"))].into());
    let others = [("scope", text("read  write")), ("groups", text("a b")), ("name", text("A B")), ("login", login)];
    let others = others.into_iter().map(|(name, claim)| (name.to_owned(), claim)).collect();
    let rule = JwtRule { space_delimited: vec!["groups".into(), "login.scope".into()], ..rule("x", "a") };
    let TokenVerdict::Accepted(_, seen) = token(&[&rule], &Claims { others, ..claims("a", &[]) }) else {
        panic!("not accepted");
    };
    for (names, expected) in [
        (&["scope"] as &[_], vec!["read", "write"]),
        (&["groups"], vec!["a", "b"]),
        (&["name"], vec!["A B"]),
        (&["login", "scope"], vec!["c", "d"]),
    ] {
        assert_eq!(seen.claim(names), Some(expected), "{names:?}");
    }
}
