use std::collections::BTreeMap;

use ripstop_model::{LoadBalancer, Traffic, TrafficDefaults};

use super::*;
use crate::samples::{labels, traffic};

/// An endpoint: locality, `key=value` labels, weight.
type Written<'a> = (&'a str, &'a [(&'a str, &'a str)], u32);

const CLIENT: &str = "eu/west/1";

/// Preferences of a client at [`CLIENT`] with that label `version`, on network `n1`.
fn preferred(endpoints: &[Written<'_>], policy: &LocalityPolicy, failures: Failures) -> Vec<(u32, u64)> {
    let own = labels(&[("version", "v1")]);
    let client = Located { locality: CLIENT, network: "n1", labels: &own };
    let labels: Vec<Labels> = endpoints.iter().map(|(_, pairs, _)| labels(pairs)).collect();
    let candidates: Vec<Candidate<'_>> = endpoints
        .iter()
        .zip(&labels)
        .map(|((locality, _, weight), labels)| Candidate {
            at: Located { locality, network: "", labels },
            weight: *weight,
            health: Health::Healthy,
        })
        .collect();
    let found = preferences(&client, &[], &candidates, Some(policy), failures);
    found.into_iter().map(|found| (found.priority, found.weight)).collect()
}

fn ranks(endpoints: &[Written<'_>], policy: &LocalityPolicy) -> Vec<u32> {
    preferred(endpoints, policy, Failures::Noticed).into_iter().map(|(priority, _)| priority).collect()
}

fn at<'a>(localities: &[&'a str]) -> Vec<Written<'a>> {
    localities.iter().map(|locality| (*locality, &[][..], 1)).collect()
}

fn enabled() -> LocalityPolicy {
    LocalityPolicy { enabled: true, ..LocalityPolicy::default() }
}

fn failover(from: &str, to: &str) -> LocalityPolicy {
    LocalityPolicy { failover: vec![(from.into(), to.into())], ..enabled() }
}

fn by_labels(listed: &[&str]) -> LocalityPolicy {
    LocalityPolicy { failover_priority: listed.iter().map(|label| (*label).into()).collect(), ..enabled() }
}

fn distribute(from: &str, to: &[(&str, u32)]) -> LocalityPolicy {
    let to: BTreeMap<Arc<str>, u32> = to.iter().map(|(to, share)| ((*to).into(), *share)).collect();
    LocalityPolicy { distribute: vec![(from.into(), to)], ..enabled() }
}

#[test]
fn places() {
    for (title, localities, policy, expected) in [
        ("near to far", &["us/a/1", "eu/west/1", "eu/north/1", "eu/west/2"][..], enabled(), &[3, 0, 2, 1][..]),
        ("gaps close", &["us/a/1", "eu/north/1", "us/b/1"], enabled(), &[1, 0, 1]),
        ("a zone of that name elsewhere is elsewhere", &["us/west/1", "eu/x/1"], enabled(), &[1, 0]),
        ("places that nobody knows are elsewhere", &["", "eu/west/1"], enabled(), &[1, 0]),
        ("less known is farther", &["eu/west", "eu", "eu/west/1"], enabled(), &[1, 2, 0]),
        ("one takes over", &["asia/a/1", "us/a/1", "eu/west/1"], failover("eu", "us"), &[2, 1, 0]),
        ("of another region it does not", &["asia/a/1", "us/a/1"], failover("asia", "us"), &[0, 0]),
        (
            "zones are alike where zones are balanced",
            &["eu/north/1", "eu/west/1", "us/a/1"],
            LocalityPolicy { zone_aware: Some(6), ..enabled() },
            &[0, 0, 1],
        ),
    ] {
        assert_eq!(ranks(&at(localities), &policy), expected, "{title}");
    }
}

#[test]
fn label_order() {
    let v1: &[_] = &[("version", "v1")];
    let v2: &[_] = &[("version", "v2")];
    let near: &[_] = &[("topology.istio.io/network", "n1"), ("version", "v1")];
    let abroad: &[_] = &[("topology.istio.io/network", "n2"), ("version", "v1")];
    let abroad_x: &[_] = &[("topology.istio.io/network", "n2"), ("version", "v1"), ("app", "x")];
    let near_v2: &[_] = &[("topology.istio.io/network", "n1"), ("version", "v2")];
    let abroad_v2: &[_] = &[("topology.istio.io/network", "n2"), ("version", "v2")];
    for (title, endpoints, listed, expected) in [
        ("equal is nearer", &[("", v2, 1), ("", v1, 1)][..], &["version"][..], &[1, 0][..]),
        ("what neither has is equal", &[("", v1, 1), ("", &[("app", "x")], 1)], &["app"], &[0, 1]),
        ("a literal instead of the client's", &[("", v2, 1), ("", v1, 1)], &["version=v2"], &[0, 1]),
        (
            "only the beginning counts",
            &[("us/a/1", v1, 1), ("eu/x/1", v2, 1), ("eu/y/1", v1, 1)],
            &["topology.kubernetes.io/region", "version"],
            &[2, 1, 0],
        ),
        (
            "places are labels, too",
            &[("eu/west/2", v1, 1), ("eu/west/1", v1, 1), ("eu/x/1", v1, 1)],
            &["topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone"],
            &[1, 0, 2],
        ),
        (
            "another network is farther than all, and goes on being compared",
            &[("", abroad_v2, 1), ("", abroad, 1), ("", near_v2, 1), ("", near, 1)],
            &["topology.istio.io/network", "version"],
            &[3, 2, 1, 0],
        ),
        (
            "in another place it is like any label",
            &[("", abroad, 1), ("", near, 1), ("", near_v2, 1)],
            &["version", "topology.istio.io/network"],
            &[1, 0, 2],
        ),
        (
            "and ends what is compared",
            &[("", abroad, 1), ("", abroad_x, 1), ("", near, 1)],
            &["version", "topology.istio.io/network", "app"],
            &[1, 1, 0],
        ),
    ] {
        assert_eq!(ranks(endpoints, &by_labels(listed)), expected, "{title}");
    }
}

#[test]
fn label_order_and_failover() {
    let v1: &[_] = &[("version", "v1")];
    let endpoints = [("us/a/1", &[][..], 1), ("eu/west/1", &[][..], 1), ("asia/a/1", v1, 1), ("us/a/1", v1, 1)];
    let policy = LocalityPolicy { failover: vec![("eu".into(), "us".into())], ..by_labels(&["version"]) };
    assert_eq!(ranks(&endpoints, &policy), [3, 2, 1, 0]);
}

#[test]
fn of_a_client_without_labels_nothing_is_equal_or_not() {
    let (none, v2) = (Labels::new(), labels(&[("version", "v2")]));
    let client = Located { locality: "", network: "", labels: &none };
    let candidates =
        [&none, &v2].map(|labels| Candidate { at: Located { labels, ..client }, weight: 1, health: Health::Healthy });
    let found = preferences(&client, &[], &candidates, Some(&by_labels(&["version"])), Failures::Noticed);
    assert_eq!(found.iter().map(|found| found.priority).collect::<Vec<_>>(), [0, 0]);
}

#[test]
fn priorities_need_ejection_and_the_policy() {
    let endpoints = [("us/a/1", &[][..], 3), ("eu/west/1", &[][..], 2)];
    let flat = [(0, 3), (0, 2)];
    assert_eq!(preferred(&endpoints, &enabled(), Failures::Unnoticed), flat);
    assert_eq!(preferred(&endpoints, &LocalityPolicy::default(), Failures::Noticed), flat);
    assert_eq!(preferred(&endpoints, &enabled(), Failures::Noticed), [(1, 3), (0, 2)]);
    assert!(preferred(&[], &enabled(), Failures::Noticed).is_empty());
}

#[test]
fn shares() {
    // In per cent of all calls, rounded.
    let shares = |endpoints: &[Written<'_>], policy: &LocalityPolicy| -> Vec<u64> {
        let found = preferred(endpoints, policy, Failures::Unnoticed);
        let total: u64 = found.iter().map(|(_, weight)| weight).sum();
        found.iter().map(|(_, weight)| (weight * 100 + total / 2) / total.max(1)).collect()
    };
    let weighted = [("eu/west/1", &[][..], 1), ("eu/west/1", &[][..], 3), ("us/a/1", &[][..], 7)];
    for (title, endpoints, policy, expected) in [
        (
            "by weight inside a locality, by share between them",
            &weighted[..],
            distribute("eu/west/*", &[("eu/west/1", 80), ("us/*", 20)]),
            &[20, 60, 20][..],
        ),
        ("what is not listed is dropped", &weighted, distribute("eu/*", &[("us/a/1", 100)]), &[0, 0, 100]),
        (
            "a pattern's share is divided by weight",
            &[("us/a/1", &[][..], 1), ("us/b/1", &[], 3), ("eu/west/1", &[], 1)],
            distribute("*", &[("us/*", 40), ("eu", 60)]),
            &[10, 30, 60],
        ),
        (
            "a locality has one share",
            &[("us/a/1", &[][..], 1), ("eu/west/1", &[], 1)],
            distribute("*", &[("us/*", 50), ("us/a", 10), ("eu", 50)]),
            &[50, 50],
        ),
        ("of another client nothing holds", &weighted, distribute("eu/north/*", &[("us", 100)]), &[9, 27, 64]),
        (
            "the share of nobody is that of the others",
            &weighted,
            distribute("eu", &[("asia", 50), ("us", 50)]),
            &[0, 0, 100],
        ),
    ] {
        assert_eq!(shares(endpoints, &policy), expected, "{title}");
    }
}

#[test]
fn shares_exclude_priorities() {
    let endpoints = at(&["us/a/1", "eu/west/1"]);
    let policy = distribute("eu/*", &[("us", 50), ("eu", 50)]);
    assert_eq!(ranks(&endpoints, &policy), [0, 0]);
}

#[test]
fn labels_say_the_place_if_nothing_else_does() {
    for (title, locality, given, expected) in [
        ("dots", "", &[("istio-locality", "eu.west.1")][..], ("eu", "west", "1")),
        ("slashes, and dots in them", "", &[("topology.istio.io/locality", "eu.a/west")], ("eu.a", "west", "")),
        ("one by one", "", &[(REGION, "eu"), (SUBZONE, "1")], ("eu", "", "1")),
        ("what is said counts first", "us/a", &[(REGION, "eu"), ("istio-locality", "x.y")], ("us", "a", "")),
    ] {
        let labels = labels(given);
        assert_eq!(Located { locality, network: "", labels: &labels }.place(), expected, "{title}");
    }
}

#[test]
fn the_backends_policy_beats_the_meshs() {
    let mesh = failover("a", "b");
    let defaults = TrafficDefaults { locality: mesh.clone(), ..TrafficDefaults::default() };
    let program = traffic(Traffic { defaults: Arc::new(defaults), ..Traffic::default() });
    let backend = |locality| EffectiveBackend {
        balancer: Some(Arc::new(LoadBalancer { locality, ..LoadBalancer::default() })),
        ..EffectiveBackend::default()
    };
    let own = failover("c", "d");
    for (title, backend, expected) in [
        ("no balancer", EffectiveBackend::default(), Some(&mesh)),
        ("a balancer without", backend(None), Some(&mesh)),
        ("its own", backend(Some(own.clone())), Some(&own)),
        ("off is off", backend(Some(LocalityPolicy::default())), None),
    ] {
        assert_eq!(policy(&program, &backend), expected, "{title}");
    }
}
