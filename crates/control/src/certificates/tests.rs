use ripstop_wire::ripstop::{Instance, InstanceSet};
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
    let ask = |caller: &str, wanted: &str| authorise(&peer(caller), Some(wanted), &domain, &registry);
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
    let ask = |caller: &str, wanted: &str| authorise(&peer(caller), Some(wanted), &domain, &registry);
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
