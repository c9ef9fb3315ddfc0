//! Workloads that are called by their own addresses, and waypoints with canaries.

use super::*;

const WEB: &str = "10.1.0.1:80";

/// `web`, whose callers go through the waypoint behind `front`, and an instance of that.
fn behind_waypoint() -> (Workload, Vec<Change>) {
    let front = service("front");
    let waypoint = Waypoint {
        service: front.key.clone(),
        callers: WaypointCallers::Workloads,
        admission: Admission::Admitted,
        canary: None,
    };
    let web = Workload { waypoint: Some(waypoint), ..workload("web", 1) };
    let instance = Workload {
        kind: ProcessKind::Waypoint,
        tunnel: TunnelProtocol::Hbone,
        native_tunnel: true,
        ..behind(workload("front", 8), &front, 15008)
    };
    let changes = all(&front, [web.clone(), instance]);
    (web, changes)
}

#[test]
fn it_is_called_through_its_waypoint_alone() {
    let (web, changes) = behind_waypoint();
    let callee = Callee::Workload(Arc::new(web.clone()));
    assert_eq!(found(changes, &callee, None, &none()), ["10.1.0.8:15008 0 1 hbone"]);
    // There is none, and nobody else.
    let changes = vec![Change::Workload(Arc::new(web))];
    assert_eq!(found(changes, &callee, None, &none()), Vec::<String>::new());
    // One that goes through none, whether it is ready or not: nobody else is meant.
    let bare = Workload { health: Health::Unhealthy, ..workload("web", 1) };
    let callee = Callee::Workload(Arc::new(bare.clone()));
    assert_eq!(found(vec![Change::Workload(Arc::new(bare))], &callee, None, &none()), ["10.1.0.1:80 0 1"]);
}

/// A host leads to its endpoints, whatever these name; who goes to an address by itself takes the waypoint there.
#[test]
fn a_host_is_no_way_through_it_and_an_address_no_way_around_it() {
    let (_, changes) = behind_waypoint();
    let endpoint = written(EndpointAddress::Ip("10.1.0.1".parse().unwrap()));
    let out = Callee::Entry(Arc::new(entry("out.example", Resolution::Static, 80, vec![endpoint])));
    assert_eq!(found(changes.clone(), &out, None, &none()), ["10.1.0.1:80 0 1"]);
    let anywhere = Callee::Entry(Arc::new(entry("*.example", Resolution::Passthrough, 80, Vec::new())));
    let key = BackendKey::new(&caller(), &target(&anywhere));
    let (found, _) = found_at(changes, &anywhere, &key, &none(), &[address(WEB)]);
    assert_eq!(found, ["10.1.0.8:15008 0 1 hbone"]);
}

#[test]
fn a_canary_has_its_share_however_many_there_are() {
    let (front, next) = (service("front"), service("next"));
    let mut web = service("web");
    web.addresses = vec!["240.240.0.1".parse().unwrap()];
    web.waypoint = Some(Waypoint {
        service: front.key.clone(),
        callers: WaypointCallers::Workloads,
        admission: Admission::Admitted,
        canary: Some(ripstop_model::Canary { service: next.key.clone(), percent: 10 }),
    });
    let instance = |name: &str, last, of: &Service| Workload {
        kind: ProcessKind::Waypoint,
        tunnel: TunnelProtocol::Hbone,
        native_tunnel: true,
        ..behind(workload(name, last), of, 15008)
    };
    let changes = |canary: Health| {
        let mut changes = all(&front, [instance("front-0", 1, &front), instance("front-1", 2, &front)]);
        let canary = Workload { health: canary, ..instance("next-0", 3, &next) };
        changes.extend(all(&next, [canary]));
        changes.push(Change::Service(Arc::new(web.clone())));
        changes
    };
    // Nine tenths among two.
    let weights = |canary| {
        let found = found(changes(canary), &callee(&web), None, &none());
        let weights = found.iter().filter_map(|told| told.split(' ').nth(2).map(str::to_owned));
        weights.collect::<Vec<_>>()
    };
    assert_eq!(weights(Health::Healthy), ["90", "90", "20"]);
    assert_eq!(weights(Health::Unhealthy), ["1", "1"]);
}
