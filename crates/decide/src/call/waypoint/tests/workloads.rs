//! Calls of workloads' own addresses that go through a waypoint.

use ripstop_model::{OutboundPolicy, TrafficDefaults};

use super::*;
use crate::{route_excluding, route_past_waypoints, through_waypoint};

const CART: &str = "10.244.1.6:8080";

/// `shop/cart-0`, which is behind no service, and whose callers go through the waypoint.
fn cart() -> Workload {
    let waypoint = Waypoint {
        service: front().key,
        callers: WaypointCallers::Workloads,
        admission: Admission::Admitted,
        canary: None,
    };
    Workload { waypoint: Some(waypoint), ..workload("shop", "cart-0", 6) }
}

fn with_cart(changes: impl IntoIterator<Item = Change>) -> Program {
    mesh([Change::Workload(Arc::new(cart()))].into_iter().chain(changes))
}

fn asked<'a>(role: Role<'a>, source: &'a Workload, request: Option<&'a RequestFacts<'a>>) -> CallFacts<'a> {
    let destination = at(CART);
    CallFacts { address: Some(destination.ip()), port: destination.port(), ..facts(role, source, request) }
}

#[test]
fn workloads_go_through_it_to_the_address_and_it_goes_there() {
    let program = with_cart([]);
    for (caller, expected) in [
        (workload("shop", "caller", 2), "front-0"),
        (Workload { kind: ProcessKind::Gateway, ..workload("shop", "caller", 2) }, "cart-0"),
        (instance("front-0", 8), "cart-0"),
        // Whoever calls itself does not leave.
        (cart(), "cart-0"),
    ] {
        let asked = OutboundFacts { source: &caller, destination: at(CART), pick: 0 };
        let Route::Workload { endpoint } = route(&program, &asked).route else { panic!("{}", caller.name) };
        assert_eq!((&*endpoint.workload.name, endpoint.target), (expected, at(CART)), "{}", caller.name);
        assert_eq!(endpoint.is_of_waypoint(at(CART)), expected == "front-0");
        // What leads there by another name does not take its waypoint.
        let past = route_past_waypoints(&program, &asked);
        assert_eq!(&*past.endpoint().unwrap().workload.name, "cart-0");
    }
}

#[test]
fn nobody_goes_past_one_that_is_missing_or_does_not_serve_it() {
    let caller = workload("shop", "caller", 2);
    let asked = OutboundFacts { source: &caller, destination: at(CART), pick: 0 };
    let nobody = Route::NoHealthyEndpoint { service: front().key, port: 15008 };
    let mut refused = cart();
    if let Some(waypoint) = &mut refused.waypoint {
        waypoint.admission = Admission::Refused;
    }
    for change in [Change::WorkloadGone(instance("front-0", 8).uid), Change::Workload(Arc::new(refused))] {
        assert_eq!(route(&with_cart([change]), &asked).route, nobody);
    }
    // Another instance is tried once one does not answer.
    let other = instance("front-1", 9);
    let program = with_cart([Change::Workload(Arc::new(other.clone()))]);
    let route = route_excluding(&program, &asked, &[instance("front-0", 8).uid]).route;
    assert_eq!(route.endpoint().map(|endpoint| &endpoint.workload.uid), Some(&other.uid));
}

#[test]
fn its_own_ports_are_nobodys_all_the_same() {
    let caller = workload("shop", "caller", 2);
    let destination = at("10.244.1.6:15008");
    let route = route(&with_cart([]), &OutboundFacts { source: &caller, destination, pick: 0 }).route;
    assert_eq!(route, Route::IllegalDestination { destination });
}

#[test]
fn it_is_called_by_its_address_and_no_rule_knows_it() {
    let program = with_cart([routes()]);
    let (caller, own) = (workload("shop", "caller", 2), instance("front-0", 8));
    assert_eq!(crate::reading(&program, &caller, at(CART)), Reading::Nothing);
    let request = request("GET");
    let verdict = call(&program, &asked(Role::Node, &caller, Some(&request)));
    assert!(verdict.trace.contains(&CallStep::Waypoint(front().key)), "{verdict:?}");
    let callee = served(&program, &own, at(CART), "shop").unwrap();
    assert_eq!(callee, Callee::Workload(Arc::new(cart())));
    assert_eq!(callee.key(), None);
    for verdict in [verdict, call(&program, &asked(Role::Waypoint { called: Some(&callee) }, &own, Some(&request)))] {
        let Outcome::Forward { rule: None, backends } = &verdict.outcome else { panic!("{verdict:?}") };
        assert_eq!((&*backends[0].backend.host, backends[0].backend.port), ("10.244.1.6", Some(8080)));
    }
    // Nobody else's address is served, nor that of one which is called directly.
    assert_eq!(served(&program, &own, at("10.244.1.5:8080"), "shop"), None);
}

/// Whoever may call nothing but what is declared may call no addresses of others.
#[test]
fn where_only_what_is_declared_may_be_called_it_may_not() {
    let caller = workload("shop", "caller", 2);
    let program = with_cart([]);
    assert!(through_waypoint(&program, Some(&caller), at(CART)).is_some());
    assert!(through_waypoint(&program, Some(&cart()), at(CART)).is_none());
    let defaults = TrafficDefaults { outbound: OutboundPolicy::RegistryOnly, ..TrafficDefaults::default() };
    let change = Change::Traffic(Box::new(ripstop_model::Traffic {
        defaults: Arc::new(defaults),
        ..ripstop_model::Traffic::default()
    }));
    let program = with_cart([change]);
    assert!(through_waypoint(&program, Some(&caller), at(CART)).is_none());
    assert!(matches!(call(&program, &asked(Role::Node, &caller, None)).outcome, Outcome::Refused));
}

#[test]
fn it_is_the_same_one_as_long_as_it_has_its_uid() {
    let program = with_cart([]);
    let key = served(&program, &instance("front-0", 8), at(CART), "shop").and_then(|callee| callee.called()).unwrap();
    assert!(called_as(&program, &key, at(CART)).is_some());
    let heir = Workload { uid: ripstop_model::WorkloadUid::new("another"), ..cart() };
    let program = program.with(2, [Change::WorkloadGone(cart().uid), Change::Workload(Arc::new(heir))]);
    assert_eq!(called_as(&program, &key, at(CART)), None);
}

#[test]
fn its_services_say_what_is_read_of_it() {
    let own = instance("front-0", 8);
    for (protocols, expected) in [
        (&[][..], Reading::Detection),
        (&[AppProtocol::Tcp], Reading::Connection),
        (&[AppProtocol::Tls], Reading::ServerName),
        (&[AppProtocol::Http11], Reading::Requests),
        (&[AppProtocol::Tcp, AppProtocol::Http11], Reading::Requests),
        (&[AppProtocol::Tcp, AppProtocol::Tls], Reading::Detection),
    ] {
        let services: Vec<Service> = protocols
            .iter()
            .enumerate()
            .map(|(number, protocol)| {
                let mut service = service("shop", &format!("cart-{number}"));
                service.addresses = vec![format!("240.240.1.{number}").parse().unwrap()];
                service.ports[0].protocol = *protocol;
                service
            })
            .collect();
        let cart = services.iter().fold(cart(), behind);
        let changes = services.iter().map(|service| Change::Service(Arc::new(service.clone())));
        let program = with_cart(changes.chain([Change::Workload(Arc::new(cart))]));
        let callee = served(&program, &own, at(CART), "shop").unwrap();
        let facts = InboundFacts { address: Some(at(CART).ip()), ..InboundFacts::connection(&own, 8080, None, None) };
        assert_eq!(reading_at_waypoint(&program, &callee, &facts), expected, "{protocols:?}");
    }
}

/// What is attached to services is for calls of these; what is attached to the waypoint is for all that it stands in front of.
#[test]
fn policies_of_the_waypoint_judge_its_calls() {
    let peer: SpiffeId = "spiffe://cluster.local/ns/shop/sa/caller".parse().unwrap();
    let own = instance("front-0", 8);
    for (kind, name, allowed) in [
        (TargetKind::Gateway, "front", false),
        (TargetKind::Service, "cart-0", true),
        (TargetKind::Entry, "anything", true),
    ] {
        let target = PolicyTarget::Attached(vec![TargetRef { kind, name: name.into() }]);
        let program = with_cart([policy("shop", target)]);
        let request = request("DELETE");
        let facts = InboundFacts {
            address: Some(at(CART).ip()),
            content: Content::Request(&request),
            ..InboundFacts::connection(&own, 8080, Some(&peer), Some(at("10.244.1.2:4000")))
        };
        assert_eq!(authorize_at_waypoint(&program, &facts).verdict.is_allow(), allowed, "{kind:?}");
    }
}
