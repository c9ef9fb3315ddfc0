use proptest::prelude::*;
use ripstop_model::{Change, PeerAuthentication};

use super::*;
use crate::samples::{behind, policy, selecting, service, snapshot, workload};

const VIP: &str = "240.240.0.1:80";

struct World {
    service: Service,
    endpoints: Vec<Workload>,
    policies: Vec<PeerAuthentication>,
}

impl World {
    /// `count` endpoints `app-<n>` of `ns/app`, called by `ns/caller` at 10.244.1.100.
    fn with(count: u8) -> Self {
        let service = service("ns", "app");
        let endpoints = (1..=count).map(|n| behind(workload("ns", &format!("app-{n}"), n), &service)).collect();
        Self { service, endpoints, policies: Vec::new() }
    }

    fn route(&self, destination: &str, pick: u64, excluded: &[usize]) -> RouteVerdict {
        let caller = workload("ns", "caller", 100);
        let excluded: Vec<_> = excluded.iter().map(|index| self.endpoints[*index].uid.clone()).collect();
        let facts = OutboundFacts { source: &caller, destination: destination.parse().unwrap(), pick };
        route_excluding(&self.snapshot(), &facts, &excluded)
    }

    fn snapshot(&self) -> Snapshot {
        let workloads = self.endpoints.iter().cloned().chain([workload("ns", "caller", 100)]);
        let policies = self.policies.iter().cloned().map(|policy| Change::PeerAuthentication(Arc::new(policy)));
        snapshot(
            workloads
                .map(|workload| Change::Workload(Arc::new(workload)))
                .chain(policies)
                .chain([Change::Service(Arc::new(self.service.clone()))]),
        )
    }
}

fn target(verdict: &RouteVerdict) -> String {
    verdict.route.endpoint().map(|endpoint| endpoint.target.to_string()).unwrap_or_default()
}

#[test]
fn a_service_leads_to_each_endpoint_in_turn() {
    let world = World::with(3);
    let seen: Vec<_> = (0..4).map(|pick| target(&world.route(VIP, pick, &[]))).collect();
    assert_eq!(seen, ["10.244.1.1:8080", "10.244.1.2:8080", "10.244.1.3:8080", "10.244.1.1:8080"]);
    let verdict = world.route(VIP, 0, &[]);
    let Route::Service { service, port: 80, endpoint } = &verdict.route else { panic!("{:?}", verdict.route) };
    assert_eq!(service.name.as_ref(), "app");
    assert!(endpoint.tunnel);
    assert_eq!(endpoint.expected, ["spiffe://cluster.local/ns/ns/sa/app-1".parse().unwrap()]);
    assert!(matches!(
        verdict.trace[..],
        [
            RouteStep::ServiceAddress(_),
            RouteStep::Endpoints { total: 3, usable: 3, .. },
            RouteStep::Picked(_),
            RouteStep::Mtls(_)
        ]
    ));
}

#[test]
fn tried_and_unready_endpoints_are_left_out() {
    let mut world = World::with(3);
    assert_eq!(target(&world.route(VIP, 0, &[0])), "10.244.1.2:8080");
    world.endpoints[1].health = Health::Unhealthy;
    assert_eq!(target(&world.route(VIP, 0, &[0])), "10.244.1.3:8080");
    let none = world.route(VIP, 0, &[0, 2]);
    assert_eq!(none.route, Route::NoHealthyEndpoint { service: world.service.key.clone(), port: 80 });
    assert_eq!(none.trace[1].to_string(), "0 of 3 endpoints usable (1 not ready, 0 without the port, 2 tried before)");
    world.service.publish_not_ready = true;
    assert_eq!(target(&world.route(VIP, 0, &[0, 2])), "10.244.1.2:8080");
}

#[test]
fn endpoints_without_the_port_are_left_out() {
    let mut world = World::with(2);
    world.endpoints[0].services[0].1.clear();
    world.endpoints[1].addresses.clear();
    assert!(matches!(world.route(VIP, 0, &[]).route, Route::NoHealthyEndpoint { port: 80, .. }));
}

#[test]
fn families() {
    let mut world = World::with(1);
    world.service.addresses.push("fd00::80".parse().unwrap());
    assert_eq!(target(&world.route("[fd00::80]:80", 0, &[])), "[fd00:10:244:1::1]:8080");
    assert_eq!(target(&world.route("[::ffff:240.240.0.1]:80", 0, &[])), "10.244.1.1:8080");
    world.endpoints[0].addresses.remove(0);
    assert_eq!(target(&world.route(VIP, 0, &[])), "[fd00:10:244:1::1]:8080", "what it has must do");
}

#[test]
fn other_destinations() {
    let world = World::with(1);
    let key = world.service.key.clone();
    assert_eq!(world.route("240.240.0.1:81", 0, &[]).route, Route::UnknownServicePort { service: key, port: 81 });
    let direct = world.route("10.244.1.1:9999", 0, &[]);
    assert!(matches!(direct.route, Route::Workload { .. }));
    assert_eq!(target(&direct), "10.244.1.1:9999");
    let foreign = "192.0.2.1:443".parse().unwrap();
    assert_eq!(world.route("192.0.2.1:443", 0, &[]).route, Route::Passthrough { destination: foreign });
    let nowhere = "192.0.2.1:0".parse().unwrap();
    assert_eq!(world.route("192.0.2.1:0", 0, &[]).route, Route::IllegalDestination { destination: nowhere });
}

#[test]
fn a_proxys_ports_are_no_destination() {
    let mut world = World::with(1);
    for port in PROXY_PORTS {
        assert!(
            matches!(world.route(&format!("10.244.1.1:{port}"), 0, &[]).route, Route::IllegalDestination { .. }),
            "{port}"
        );
        assert!(matches!(world.route(&format!("10.244.1.100:{port}"), 0, &[]).route, Route::IllegalDestination { .. }));
    }
    world.endpoints[0].native_tunnel = true;
    assert!(matches!(world.route("10.244.1.1:15008", 0, &[]).route, Route::IllegalDestination { .. }));
    assert!(matches!(world.route("10.244.1.1:15001", 0, &[]).route, Route::Workload { .. }));
    world.endpoints[0].native_tunnel = false;
    world.endpoints[0].tunnel = TunnelProtocol::None;
    assert!(matches!(world.route("10.244.1.1:15008", 0, &[]).route, Route::Workload { .. }), "an ordinary port");
}

#[test]
fn nobodys_addresses_are_no_destination() {
    let world = World::with(1);
    for address in
        ["127.0.0.1:15001", "[::1]:80", "0.0.0.0:80", "[::]:80", "224.0.0.1:80", "[ff02::1]:80", "240.240.9.9:80"]
    {
        let route = world.route(address, 0, &[]).route;
        assert!(matches!(route, Route::IllegalDestination { .. }), "{address}: {route:?}");
    }
    assert!(matches!(world.route("192.0.2.1:80", 0, &[]).route, Route::Passthrough { .. }));
}

#[test]
fn tunnel_or_plain() {
    let mut world = World::with(1);
    let tunnel = |world: &World| {
        let endpoint = world.route(VIP, 0, &[]).route.endpoint().cloned().unwrap();
        assert_eq!(endpoint.expected.is_empty(), !endpoint.tunnel);
        endpoint.tunnel
    };
    assert!(tunnel(&world));
    world.policies.push(selecting(policy("ns", "off", Some(MtlsMode::Disable), 1), "app-1"));
    assert!(!tunnel(&world), "DISABLE");
    world.policies[0].mode = Some(MtlsMode::Strict);
    world.policies[0].ports.insert(80, Some(MtlsMode::Disable));
    assert!(tunnel(&world), "ports of policies are the workload's, not the service's");
    world.policies[0].ports.insert(8080, Some(MtlsMode::Disable));
    assert!(!tunnel(&world));
    world.policies.clear();
    world.endpoints[0].tunnel = TunnelProtocol::None;
    assert!(!tunnel(&world), "not captured");
}

#[test]
fn calling_oneself_stays_inside() {
    let world = World::with(1);
    let snapshot = world.snapshot();
    for destination in [VIP, "10.244.1.1:8080"] {
        let facts = OutboundFacts { source: &world.endpoints[0], destination: destination.parse().unwrap(), pick: 0 };
        let verdict = route(&snapshot, &facts);
        assert!(!verdict.route.endpoint().unwrap().tunnel);
        assert_eq!(verdict.trace.last(), Some(&RouteStep::Itself));
    }
}

#[test]
fn further_identities_of_the_service_are_expected() {
    let mut world = World::with(1);
    world.service.subject_alt_names = vec!["spiffe://cluster.local/ns/x/sa/y".into(), "not spiffe".into()];
    let expected: Vec<_> =
        world.route(VIP, 0, &[]).route.endpoint().unwrap().expected.iter().map(ToString::to_string).collect();
    assert_eq!(expected, ["spiffe://cluster.local/ns/ns/sa/app-1", "spiffe://cluster.local/ns/x/sa/y"]);
    let direct = world.route("10.244.1.1:8080", 0, &[]);
    assert_eq!(direct.route.endpoint().unwrap().expected.len(), 1, "a direct call names no service");
}

proptest! {
    /// Whatever is picked is ready, was not tried before, and has the port; and if there is such an
    /// endpoint, one is picked.
    #[test]
    fn only_usable_endpoints_are_picked(
        states in prop::collection::vec((any::<bool>(), any::<bool>(), any::<bool>()), 0..12),
        pick: u64,
        publish: bool,
    ) {
        let mut world = World::with(u8::try_from(states.len()).unwrap());
        world.service.publish_not_ready = publish;
        let mut excluded = Vec::new();
        for (index, (unready, no_port, tried)) in states.iter().enumerate() {
            if *unready { world.endpoints[index].health = Health::Unhealthy; }
            if *no_port { world.endpoints[index].services[0].1.clear(); }
            if *tried { excluded.push(index); }
        }
        let usable = |(unready, no_port, tried): &(bool, bool, bool)| (!unready || publish) && !no_port && !tried;
        let verdict = world.route(VIP, pick, &excluded);
        match verdict.route.endpoint() {
            Some(endpoint) => {
                let index = world.endpoints.iter().position(|workload| workload.uid == endpoint.workload.uid).unwrap();
                prop_assert!(usable(&states[index]));
            }
            None => prop_assert!(!states.iter().any(usable)),
        }
    }
}
