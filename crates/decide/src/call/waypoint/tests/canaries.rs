//! Canaries of waypoints.

use ripstop_model::Canary;

use super::*;

/// The waypoint `shop/next`, and `shop/web` of whose calls it takes a share.
fn next() -> Service {
    Service { addresses: vec!["240.240.0.10".parse().unwrap()], ..service("shop", "next") }
}

fn instance_of_next() -> Workload {
    let mut instance = behind(workload("shop", "next-0", 9), &next());
    instance.kind = ProcessKind::Waypoint;
    instance.native_tunnel = true;
    instance
}

fn with_canary(percent: u8, changes: impl IntoIterator<Item = Change>) -> Program {
    let mut web = web(WaypointCallers::Workloads);
    if let Some(waypoint) = &mut web.waypoint {
        waypoint.canary = Some(Canary { service: next().key, percent });
    }
    let all = [
        Change::Service(Arc::new(web)),
        Change::Service(Arc::new(next())),
        Change::Workload(Arc::new(instance_of_next())),
    ];
    mesh(all.into_iter().chain(changes))
}

/// How many of a hundred calls go to the canary.
fn taken(program: &Program) -> usize {
    let caller = workload("shop", "caller", 2);
    let goes = |pick| {
        let verdict = route(program, &OutboundFacts { source: &caller, destination: at(VIP), pick });
        verdict.route.endpoint().map(|endpoint| endpoint.workload.name.to_string())
    };
    (0..100).filter(|pick| goes(*pick).as_deref() == Some("next-0")).count()
}

#[test]
fn it_takes_its_share_and_leaves_it_to_the_other_if_it_is_not_ready() {
    for percent in [1, 10, 100] {
        assert_eq!(taken(&with_canary(percent, [])), usize::from(percent));
    }
    let unready = |instance: Workload| {
        Change::Workload(Arc::new(Workload { health: ripstop_model::Health::Unhealthy, ..instance }))
    };
    assert_eq!(taken(&with_canary(10, [unready(instance_of_next())])), 0);
    // Nobody gets to it in place of the other, whose policies are not its own.
    assert_eq!(taken(&with_canary(10, [unready(instance("front-0", 8))])), 10);
}

#[test]
fn both_serve_what_names_them() {
    let program = with_canary(10, []);
    for own in [instance("front-0", 8), instance_of_next()] {
        assert!(served(&program, &own, at(VIP), "shop").is_some(), "{}", own.name);
    }
    assert!(served(&mesh([]), &instance_of_next(), at(VIP), "shop").is_none());
}
