use std::sync::Arc;

use proptest::prelude::*;
use ripstop_model::Change;

use super::*;
use crate::samples::{policies, policy, selecting, workload};

use MtlsMode::{Disable, Permissive, Strict};

/// Mode and name of the deciding policy for `ns/app` port 8080.
fn decided(policies_: Vec<PeerAuthentication>) -> (MtlsMode, Option<String>) {
    let verdict = peer_authentication(&policies(policies_), &workload("ns", "app", 1), 8080);
    let name = verdict.policy.map(|id| id.0.split('/').nth(2).unwrap().to_owned());
    (verdict.mode, name)
}

fn ports(mut policy: PeerAuthentication, ports: &[(u16, Option<MtlsMode>)]) -> PeerAuthentication {
    policy.ports = ports.iter().copied().collect();
    policy
}

#[test]
fn layers() {
    let mesh = || policy("istio-system", "mesh", Some(Strict), 1);
    let namespace = || policy("ns", "namespace", Some(Disable), 1);
    let own = || selecting(policy("ns", "own", Some(Permissive), 1), "app");
    for (title, given, mode, by) in [
        ("nothing", vec![], Permissive, None),
        ("mesh", vec![mesh()], Strict, Some("mesh")),
        ("namespace beats mesh", vec![mesh(), namespace()], Disable, Some("namespace")),
        ("workload beats namespace", vec![own(), mesh(), namespace()], Permissive, Some("own")),
        ("port beats workload", vec![namespace(), ports(own(), &[(8080, Some(Strict))])], Strict, Some("own")),
        ("another port does not", vec![namespace(), ports(own(), &[(80, Some(Strict))])], Permissive, Some("own")),
        ("UNSET port keeps the workload's", vec![namespace(), ports(own(), &[(8080, None)])], Permissive, Some("own")),
        (
            "UNSET workload keeps the namespace's",
            vec![namespace(), ports(selecting(policy("ns", "own", None, 1), "app"), &[(8080, None)])],
            Disable,
            Some("namespace"),
        ),
        ("UNSET namespace keeps the mesh's", vec![mesh(), policy("ns", "n", None, 1)], Strict, Some("mesh")),
        ("UNSET mesh keeps the default", vec![policy("istio-system", "m", None, 1)], Permissive, None),
        ("other namespaces do not count", vec![policy("other", "n", Some(Strict), 1)], Permissive, None),
        (
            "selectors of the root namespace do not reach out",
            vec![selecting(policy("istio-system", "m", Some(Strict), 1), "app")],
            Permissive,
            None,
        ),
        ("selectors must match", vec![selecting(policy("ns", "n", Some(Strict), 1), "db")], Permissive, None),
        (
            "the oldest of a scope acts",
            vec![policy("ns", "a", Some(Strict), 2), policy("ns", "b", Some(Disable), 1)],
            Disable,
            Some("b"),
        ),
        (
            "then the lower name",
            vec![policy("ns", "b", Some(Strict), 1), policy("ns", "a", Some(Disable), 1)],
            Disable,
            Some("a"),
        ),
        (
            "the oldest acts even if UNSET",
            vec![policy("ns", "a", None, 1), policy("ns", "b", Some(Strict), 2)],
            Permissive,
            None,
        ),
        (
            "the oldest selector acts even if a younger has the port",
            vec![
                selecting(policy("ns", "a", None, 1), "app"),
                ports(selecting(policy("ns", "b", Some(Strict), 2), "app"), &[(8080, Some(Strict))]),
            ],
            Permissive,
            None,
        ),
    ] {
        assert_eq!(decided(given), (mode, by.map(str::to_owned)), "{title}");
    }
}

#[test]
fn the_root_namespace_is_a_namespace_too() {
    let snapshot = policies([
        policy("istio-system", "mesh", Some(Strict), 1),
        selecting(policy("istio-system", "own", Some(Disable), 1), "app"),
    ]);
    let verdict = peer_authentication(&snapshot, &workload("istio-system", "app", 1), 80);
    assert_eq!(verdict.mode, Disable);
    assert_eq!(
        verdict.trace.iter().map(|step| step.layer).collect::<Vec<_>>(),
        [MtlsLayer::Default, MtlsLayer::Mesh, MtlsLayer::Workload]
    );
}

#[test]
fn root_namespace_and_default_come_from_the_mesh() {
    let mesh = MeshConfig { root_namespace: "root".into(), default_mtls: Strict, ..MeshConfig::default() };
    let snapshot = policies([policy("istio-system", "mesh", Some(Disable), 1)]).with(2, [Change::Mesh(Arc::new(mesh))]);
    let verdict = peer_authentication(&snapshot, &workload("ns", "app", 1), 80);
    assert_eq!((verdict.mode, verdict.policy), (Strict, None));
    let snapshot = snapshot.with(3, [Change::PeerAuthentication(Arc::new(policy("root", "m", Some(Permissive), 1)))]);
    assert_eq!(peer_authentication(&snapshot, &workload("ns", "app", 1), 80).mode, Permissive);
}

#[test]
fn the_trace_tells_the_story() {
    let snapshot = policies([
        policy("istio-system", "mesh", Some(Strict), 1),
        policy("ns", "all", None, 1),
        ports(selecting(policy("ns", "own", Some(Permissive), 1), "app"), &[(8080, Some(Disable))]),
    ]);
    let verdict = peer_authentication(&snapshot, &workload("ns", "app", 1), 8080);
    assert_eq!(
        verdict.trace.to_string(),
        "mesh default: PERMISSIVE → mesh (PeerAuthentication/istio-system/mesh/1): STRICT → \
         namespace (PeerAuthentication/ns/all/1): UNSET → workload (PeerAuthentication/ns/own/1): PERMISSIVE → \
         port (PeerAuthentication/ns/own/1): DISABLE"
    );
    assert_eq!(verdict.trace.decided_at(), MtlsLayer::Port);
}

fn any_mode() -> impl Strategy<Value = Option<MtlsMode>> {
    prop::sample::select(vec![None, Some(Disable), Some(Permissive), Some(Strict)])
}

fn any_policy() -> impl Strategy<Value = PeerAuthentication> {
    (
        prop::sample::select(vec!["istio-system", "ns", "other"]),
        "[a-d]",
        any_mode(),
        prop::option::of(prop::sample::select(vec!["app", "db"])),
        prop::collection::btree_map(8080u16..8083, any_mode(), 0..3),
        0u64..4,
    )
        .prop_map(|(namespace, name, mode, app, ports, created)| {
            let mut made = policy(namespace, &name, mode, created);
            if let Some(app) = app {
                made = selecting(made, app);
                made.ports = ports;
            }
            made
        })
}

/// Policies with distinct names per namespace, as the store guarantees.
fn any_policies() -> impl Strategy<Value = Vec<PeerAuthentication>> {
    prop::collection::vec(any_policy(), 0..8).prop_map(|made| {
        let mut seen = std::collections::BTreeSet::new();
        made.into_iter().filter(|policy| seen.insert((policy.namespace.clone(), policy.name.clone()))).collect()
    })
}

fn mode_of(given: &[PeerAuthentication], namespace: &str, port: u16) -> MtlsMode {
    peer_authentication(&policies(given.iter().cloned()), &workload(namespace, "app", 1), port).mode
}

proptest! {
    /// A policy that says nothing, in a scope where no other speaks, changes nothing.
    #[test]
    fn unset_in_a_free_scope_changes_nothing(given in any_policies(), port in 8080u16..8083) {
        let free: Vec<_> = given.into_iter().filter(|policy| policy.namespace.as_ref() != "ns").collect();
        let before = mode_of(&free, "ns", port);
        for quiet in [policy("ns", "quiet", None, 0), selecting(policy("ns", "quiet", None, 0), "app")] {
            let mut more = free.clone();
            more.push(ports(quiet.clone(), if quiet.selector.is_empty() { &[] } else { &[(8080, None)] }));
            prop_assert_eq!(mode_of(&more, "ns", port), before);
        }
    }

    /// A policy younger than all others of its scope never acts.
    #[test]
    fn a_younger_policy_of_a_taken_scope_changes_nothing(given in any_policies(), mode in any_mode(), port in 8080u16..8083) {
        for namespace in ["istio-system", "ns"] {
            for app in [None, Some("app")] {
                let taken = given.iter().any(|policy| {
                    policy.namespace.as_ref() == namespace
                        && policy.selector.is_empty() == app.is_none()
                        && policy.selector.matches(&workload(namespace, "app", 1).labels)
                });
                if taken {
                    let mut younger = policy(namespace, "younger", mode, 99);
                    if let Some(app) = app {
                        younger = ports(selecting(younger, app), &[(port, mode)]);
                    }
                    let mut more = given.clone();
                    more.push(younger);
                    prop_assert_eq!(mode_of(&more, "ns", port), mode_of(&given, "ns", port));
                }
            }
        }
    }

    /// Where the mesh is STRICT and every policy that is weaker was taken away, it is STRICT.
    #[test]
    fn without_weaker_policies_strict_stays(given in any_policies(), port in 8080u16..8083) {
        let weak = |mode: &Option<MtlsMode>| matches!(mode, Some(Permissive | Disable));
        let mut rest: Vec<_> = given
            .into_iter()
            .filter(|policy| !weak(&policy.mode) && !policy.ports.values().any(weak))
            .collect();
        rest.retain(|policy| policy.namespace.as_ref() != "istio-system");
        rest.push(policy("istio-system", "mesh", Some(Strict), 0));
        prop_assert_eq!(mode_of(&rest, "ns", port), Strict);
    }

    /// Taking away a PERMISSIVE or DISABLE that is the only one of its scope never weakens a port.
    #[test]
    fn removing_a_weaker_policy_never_weakens_strict(given in any_policies(), port in 8080u16..8083) {
        let strict: Vec<_> = given.into_iter().filter(|policy| policy.namespace.as_ref() != "ns").collect();
        let before = mode_of(&strict, "ns", port);
        for weaker in [Some(Permissive), Some(Disable)] {
            let mut with = strict.clone();
            with.push(policy("ns", "weaker", weaker, 0));
            prop_assert_eq!(mode_of(&with, "ns", port), weaker.unwrap());
            with.pop();
            prop_assert_eq!(mode_of(&with, "ns", port), before);
        }
    }

    /// Policies that the trace does not name do not matter.
    #[test]
    fn bystanders_do_not_matter(given in any_policies(), port in 8080u16..8083) {
        let verdict = peer_authentication(&policies(given.iter().cloned()), &workload("ns", "app", 1), port);
        let spoke: Vec<_> = verdict.trace.iter().filter_map(|step| step.policy.clone()).collect();
        let rest: Vec<_> = given.into_iter().filter(|policy| spoke.contains(&policy.id)).collect();
        prop_assert_eq!(mode_of(&rest, "ns", port), verdict.mode);
    }

    /// The order in which policies arrive never matters.
    #[test]
    fn order_never_matters(given in any_policies(), port in 8080u16..8083) {
        let mut backwards = given.clone();
        backwards.reverse();
        prop_assert_eq!(mode_of(&given, "ns", port), mode_of(&backwards, "ns", port));
    }
}
