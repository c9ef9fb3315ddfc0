use ripstop_model::{Enrolment, Health, ProcessKind, TunnelProtocol};
use ripstop_wire::ripstop::{InstanceSet, capture::State};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::*;
use crate::keeper::Keeper;

fn registry(dir: &std::path::Path) -> Registry {
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let keeper = |name: &str| Keeper::start(dir.join(name), &tasks, stop.clone());
    let registry = Registry::open(&dir.join("i"), &dir.join("c"), keeper("i"), keeper("c")).unwrap();
    registry.report_instances(InstanceSet {
        instances: vec![Instance {
            uid: "c/ripstop.dev/Process/shop/cart-0".into(),
            namespace: "shop".into(),
            name: "cart-0".into(),
            node: "n1".into(),
            service_account: "cart".into(),
            ..Instance::default()
        }],
    });
    registry
}

fn peer(id: &str) -> Peer {
    Peer { address: "127.0.0.1:1".parse().unwrap(), id: (!id.is_empty()).then(|| id.parse().unwrap()) }
}

#[tokio::test]
async fn only_identities_of_the_own_node_are_signed() {
    let dir = tempfile::tempdir().unwrap();
    let registry = registry(dir.path());
    let domain = TrustDomain::default();
    let ask = |caller: &str, wanted: &str| authorise(&peer(caller), Some(wanted), &domain, &registry, |_, _| true);
    let (node, agent) = ("spiffe://cluster.local/ripstop/node/n1", "spiffe://cluster.local/ripstop/agent/n1");
    let cart = "spiffe://cluster.local/ns/shop/sa/cart";

    assert_eq!(ask(node, cart).unwrap().as_str(), cart);
    assert_eq!(ask(agent, cart).unwrap().as_str(), cart);
    assert_eq!(ask(node, "").unwrap().as_str(), node, "no name: renewal");
    assert_eq!(ask(node, node).unwrap().as_str(), node);

    let other = "spiffe://cluster.local/ripstop/node/n2";
    assert!(matches!(ask(other, cart), Err(Denial::NotPlaced { .. })));
    assert!(matches!(ask(node, "spiffe://cluster.local/ns/shop/sa/pay"), Err(Denial::NotPlaced { .. })));
    assert!(matches!(ask(node, agent), Err(Denial::Kind(_))));
    assert!(matches!(ask(node, "spiffe://cluster.local/ripstop/control/default"), Err(Denial::Kind(_))));
    assert!(matches!(ask(node, "spiffe://evil/ns/shop/sa/cart"), Err(Denial::TrustDomain(..))));
    assert!(matches!(ask(node, "cart"), Err(Denial::Name(_))));
    assert_eq!(ask("spiffe://cluster.local/ripstop/supervisor/default", cart), Err(Denial::Supervisor));
    for stranger in ["", cart, "spiffe://cluster.local/ripstop/control/default"] {
        assert_eq!(ask(stranger, cart), Err(Denial::Caller), "{stranger}");
    }
}

#[tokio::test]
async fn a_gateway_or_waypoint_gets_its_own_identity_only() {
    let dir = tempfile::tempdir().unwrap();
    let registry = registry(dir.path());
    let domain = TrustDomain::default();
    let ask = |caller: &str, wanted: &str| authorise(&peer(caller), Some(wanted), &domain, &registry, |_, _| true);
    for role in ["gateway", "waypoint"] {
        let named = |name: &str| format!("spiffe://cluster.local/ripstop/{role}/{name}");
        let own = named("shop.cart-0");
        let cart = "spiffe://cluster.local/ns/shop/sa/cart";
        assert_eq!(ask(&own, cart).unwrap().as_str(), cart);
        assert_eq!(ask(&own, "").unwrap().as_str(), own, "no name: renewal");
        for (caller, wanted) in [
            (own, "spiffe://cluster.local/ns/shop/sa/pay"),
            (named("shop.cart-0"), "spiffe://cluster.local/ns/bank/sa/cart"),
            (named("shop.cart-1"), cart),
            (named("bank.cart-0"), cart),
            (named("cart-0"), cart),
        ] {
            assert!(matches!(ask(&caller, wanted), Err(Denial::NotItsOwn { .. })), "{caller} {wanted}");
        }
    }
}

#[test]
fn long_lifetimes_are_refused_not_cut() {
    assert_eq!(lifetime(0), Ok(DEFAULT_TTL));
    assert_eq!(lifetime(-5), Ok(DEFAULT_TTL));
    assert_eq!(lifetime(60), Ok(Duration::from_mins(1)));
    assert_eq!(lifetime(24 * 3600), Ok(DEFAULT_TTL));
    assert_eq!(lifetime(24 * 3600 + 1), Err(Denial::Lifetime { asked: 24 * 3600 + 1 }));
}

#[test]
fn a_node_gets_nothing_of_workloads_that_are_not_its_own() {
    let workload = |mode, native_tunnel| Workload {
        uid: WorkloadUid::process("c", "shop", "cart-0"),
        name: "cart-0".into(),
        namespace: "shop".into(),
        addresses: vec!["10.0.0.1".parse().unwrap()],
        node: "n1".into(),
        service_account: "cart".into(),
        trust_domain: TrustDomain::default(),
        labels: [].into(),
        workload_name: "cart".into(),
        canonical_name: "cart".into(),
        canonical_revision: "latest".into(),
        tunnel: TunnelProtocol::None,
        native_tunnel,
        quarantine: None,
        group: None,
        waypoint: None,
        kind: ProcessKind::Command,
        enrolment: Enrolment { mode, decided_by: None },
        health: Health::Healthy,
        services: vec![],
        cluster: "c".into(),
    };
    let capture = |state: State, by_sidecar, left_behind| {
        Some(Capture { state: state.into(), by_sidecar, left_behind, ..Capture::default() })
    };
    let concerns = |workload: &Workload, capture: Option<Capture>| concerns_node(Some(workload), capture.as_ref());
    let (node, sidecar, outside) = (
        workload(DataplaneMode::Node, false),
        workload(DataplaneMode::Sidecar, false),
        workload(DataplaneMode::None, false),
    );
    assert!(concerns_node(None, None), "nobody has heard of it yet");
    // Also before it is captured, or when it moves there.
    assert!(concerns(&node, None) && concerns(&node, capture(State::Captured, true, false)));
    assert!(!concerns(&workload(DataplaneMode::Node, true), None));
    assert!(!concerns(&sidecar, None) && !concerns(&sidecar, capture(State::Pending, false, false)));
    assert!(!concerns(&sidecar, capture(State::Captured, true, false)));
    assert!(concerns(&sidecar, capture(State::Captured, true, true)), "something of it is left");
    assert!(concerns(&sidecar, capture(State::Captured, false, false)), "it has not moved yet");
    assert!(!concerns(&outside, None) && !concerns(&outside, capture(State::None, false, false)));
    assert!(concerns(&outside, capture(State::Draining, false, false)));
}
