use std::collections::HashMap;

use ripstop_decide::{Client, backend_settings};
use ripstop_model::{
    Algorithm, BackendSettings, Change, LoadBalancer, LocalityPolicy, MtlsMode, OutlierDetection, PeerAuthentication,
    PortSettings, ProcessKind, RuleId, Selector, Subset, TunnelProtocol, WaypointCallers,
};

use super::*;
use crate::backends::testing::{
    address, behind, entry, labels, program, rule_change, rules, service, target, workload, written,
};

mod workloads;

/// What is found, as text: address, priority, weight, and `!` if not ready.
fn found(changes: Vec<Change>, callee: &Callee, subset: Option<&str>, addresses: &Addresses) -> Vec<String> {
    let mut target = target(callee);
    target.backend.subset = subset.map(Into::into);
    found_at(changes, callee, &BackendKey::new(&caller(), &target), addresses, &[]).0
}

fn found_at(
    changes: Vec<Change>,
    callee: &Callee,
    key: &BackendKey,
    addresses: &Addresses,
    originals: &[SocketAddr],
) -> (Vec<String>, Vec<Arc<str>>) {
    let caller = caller();
    let program = program(1, changes.into_iter().chain([Change::Workload(Arc::new(caller.clone()))]));
    let client = Client { namespace: "ns", labels: Some(&caller.labels) };
    let effective = backend_settings(&program, client, callee, &key.backend());
    let question =
        Question { program: &program, caller: &caller, key, callee, effective: &effective, addresses, originals };
    let Found { endpoints, names } = endpoints(question);
    let text = |endpoint: &Endpoint<EndpointKey>| {
        assert_eq!(*endpoint.hash_key, *endpoint.key.address().to_string());
        let ready = if endpoint.health == Health::Healthy { "" } else { "!" };
        let way = if endpoint.key.is_tunnelled() { " hbone" } else { "" };
        format!("{} {} {}{ready}{way}", endpoint.key.address(), endpoint.priority, endpoint.weight)
    };
    (endpoints.iter().map(text).collect(), names)
}

fn caller() -> Workload {
    let mut caller = workload("caller", 99);
    caller.labels.extend(labels(&[("topology.kubernetes.io/region", "r1"), ("topology.kubernetes.io/zone", "z1")]));
    caller
}

fn placed(mut workload: Workload, region: &str, zone: &str) -> Workload {
    workload.labels.extend(labels(&[("topology.kubernetes.io/region", region), ("topology.kubernetes.io/zone", zone)]));
    workload
}

fn all(service: &Service, workloads: impl IntoIterator<Item = Workload>) -> Vec<Change> {
    let workloads = workloads.into_iter().map(|workload| Change::Workload(Arc::new(workload)));
    workloads.chain([Change::Service(Arc::new(service.clone()))]).collect()
}

fn callee(service: &Service) -> Callee {
    Callee::Service(Arc::new(service.clone()))
}

fn none() -> Addresses {
    HashMap::new()
}

#[test]
fn workloads_of_a_service_are_called_at_their_own_ports() {
    let service = service("web");
    let changes = all(
        &service,
        [behind(workload("a", 1), &service, 8080), behind(workload("b", 2), &service, 9090), workload("stranger", 3)],
    );
    assert_eq!(found(changes, &callee(&service), None, &none()), ["10.1.0.1:8080 0 1", "10.1.0.2:9090 0 1"]);
}

#[test]
fn those_that_are_not_ready_are_known_but_not_ready_unless_the_service_publishes_them() {
    let mut service = service("web");
    let mut unready = behind(workload("a", 1), &service, 8080);
    unready.health = Health::Unhealthy;
    assert_eq!(found(all(&service, [unready.clone()]), &callee(&service), None, &none()), ["10.1.0.1:8080 0 1!"]);
    service.publish_not_ready = true;
    assert_eq!(found(all(&service, [unready]), &callee(&service), None, &none()), ["10.1.0.1:8080 0 1"]);
}

#[test]
fn enrolled_workloads_are_called_by_tunnel_unless_a_policy_says_plain_or_it_is_the_caller_itself() {
    let service = service("web");
    let enrolled = |name, last| {
        let mut workload = behind(workload(name, last), &service, 8080);
        workload.tunnel = TunnelProtocol::Hbone;
        workload
    };
    let mut changes = all(&service, [enrolled("a", 1), enrolled("b", 2)]);
    changes.push(Change::PeerAuthentication(Arc::new(PeerAuthentication {
        id: RuleId("PeerAuthentication/ns/p/1".into()),
        namespace: "ns".into(),
        name: "p".into(),
        selector: Selector(labels(&[("app", "b")])),
        mode: Some(MtlsMode::Disable),
        ports: std::collections::BTreeMap::new(),
        created: 0,
    })));
    assert_eq!(found(changes, &callee(&service), None, &none()), ["10.1.0.1:8080 0 1 hbone", "10.1.0.2:8080 0 1"]);

    let mut itself = behind(caller(), &service, 8080);
    itself.tunnel = TunnelProtocol::Hbone;
    let program = program(1, all(&service, [itself.clone()]));
    let key = BackendKey::new(&itself, &target(&callee(&service)));
    let question = Question {
        program: &program,
        caller: &itself,
        key: &key,
        callee: &callee(&service),
        effective: &EffectiveBackend::default(),
        addresses: &none(),
        originals: &[],
    };
    let found = endpoints(question).endpoints;
    assert_eq!(found.iter().map(|found| found.key.is_tunnelled()).collect::<Vec<_>>(), [false]);
}

#[test]
fn the_proxys_own_ports_are_no_endpoints() {
    let service = service("web");
    let mut enrolled = behind(workload("a", 1), &service, 15008);
    enrolled.tunnel = TunnelProtocol::Hbone;
    assert_eq!(found(all(&service, [enrolled]), &callee(&service), None, &none()), Vec::<String>::new());
}

#[test]
fn a_tunnel_expects_the_workloads_identity_and_those_that_the_service_names() {
    let mut service = service("web");
    service.subject_alt_names = vec!["spiffe://cluster.local/ns/ns/sa/other".into()];
    let mut enrolled = behind(workload("a", 1), &service, 8080);
    enrolled.tunnel = TunnelProtocol::Hbone;
    let program = program(1, all(&service, [enrolled]));
    let key = BackendKey::new(&caller(), &target(&callee(&service)));
    let question = Question {
        program: &program,
        caller: &caller(),
        key: &key,
        callee: &callee(&service),
        effective: &EffectiveBackend::default(),
        addresses: &none(),
        originals: &[],
    };
    let found = endpoints(question).endpoints;
    let expected: Vec<_> = found[0].key.expected().iter().map(ToString::to_string).collect();
    assert_eq!(expected, ["spiffe://cluster.local/ns/ns/sa/a", "spiffe://cluster.local/ns/ns/sa/other"]);
}

/// Whoever it is told to go through: with the service's address, and whatever its rules are.
#[test]
fn a_waypoint_stands_for_the_endpoints_of_its_service_but_for_itself_and_gateways() {
    let front = service("front");
    let waypoint = |name, last, kind, health| {
        let mut instance = behind(workload(name, last), &front, 15008);
        (instance.kind, instance.tunnel, instance.health) = (kind, TunnelProtocol::Hbone, health);
        instance
    };
    let mut web = service("web");
    web.waypoint = Some(Waypoint {
        service: front.key.clone(),
        callers: WaypointCallers::Workloads,
        admission: ripstop_model::Admission::Admitted,
        canary: None,
    });
    let mut changes = all(&web, [behind(workload("a", 1), &web, 8080)]);
    changes.extend(all(
        &front,
        [
            waypoint("front-0", 11, ProcessKind::Waypoint, Health::Healthy),
            waypoint("front-1", 12, ProcessKind::Waypoint, Health::Unhealthy),
            waypoint("stranger", 13, ProcessKind::Command, Health::Healthy),
        ],
    ));
    let through = ["10.1.0.11:15008 0 1 hbone", "10.1.0.12:15008 0 1! hbone"];
    assert_eq!(found(changes.clone(), &callee(&web), None, &none()), through);
    assert_eq!(found(changes.clone(), &callee(&web), Some("v1"), &none()), through, "subsets are the waypoint's");
    let program = program(1, changes);
    for kind in [ProcessKind::Waypoint, ProcessKind::Gateway] {
        let caller = Workload { kind, ..caller() };
        let key = BackendKey::new(&caller, &target(&callee(&web)));
        let question = Question {
            program: &program,
            caller: &caller,
            key: &key,
            callee: &callee(&web),
            effective: &EffectiveBackend::default(),
            addresses: &none(),
            originals: &[],
        };
        let found: Vec<_> = endpoints(question).endpoints.iter().map(|found| found.key.address()).collect();
        assert_eq!(found, [address("10.1.0.1:8080")], "{kind:?}");
    }
}

/// A waypoint calls in its own name: a host of another namespace leads to whatever is outside, and to its own workloads.
#[test]
fn what_a_foreign_host_has_at_an_address_is_none_of_the_waypoints_to_call() {
    let of = |namespace: &str, name: &str, last| Workload { namespace: namespace.into(), ..workload(name, last) };
    let workloads = [of("shop", "own", 1), of("edge", "waypoints", 2), of("bank", "vault", 3)];
    let changes: Vec<_> = workloads.into_iter().map(|one| Change::Workload(Arc::new(one))).collect();
    let program = program(1, changes);
    let at = |last: u8| written(EndpointAddress::Ip([10, 1, 0, last].into()));
    let out = |namespace: &str| HostEntry {
        object: (namespace.into(), "out".into()),
        ..entry("out.example", Resolution::Static, 80, [1, 2, 3, 99].map(at).to_vec())
    };
    for (kind, namespace, expected) in [
        (ProcessKind::Waypoint, "shop", &[1, 99][..]),
        (ProcessKind::Waypoint, "edge", &[1, 2, 3, 99]),
        (ProcessKind::Command, "shop", &[1, 2, 3, 99]),
    ] {
        let caller = Workload { kind, ..of("edge", "front", 9) };
        let callee = Callee::Entry(Arc::new(out(namespace)));
        let key = BackendKey::new(&caller, &target(&callee));
        let question = Question {
            program: &program,
            caller: &caller,
            key: &key,
            callee: &callee,
            effective: &EffectiveBackend::default(),
            addresses: &none(),
            originals: &[],
        };
        let found = endpoints(question).endpoints;
        let found: Vec<_> = found.iter().map(|found| found.key.address().ip()).collect();
        let expected: Vec<IpAddr> = expected.iter().map(|last| [10, 1, 0, *last].into()).collect();
        assert_eq!(found, expected, "{kind:?} {namespace}");
    }
}

fn subset(name: &str, pairs: &[(&str, &str)]) -> Subset {
    Subset {
        id: RuleId(format!("subset {name}").into()),
        name: name.into(),
        labels: Selector(labels(pairs)),
        policy: BackendSettings::default(),
    }
}

#[test]
fn a_subset_is_those_with_its_labels_and_one_that_is_not_defined_is_nobody() {
    let service = service("web");
    let mut policy = rules(&service.key.hostname, PortSettings::default());
    policy.subsets = vec![subset("a-only", &[("app", "a")]), subset("all", &[])];
    let changes = || {
        let mut changes =
            all(&service, [behind(workload("a", 1), &service, 8080), behind(workload("b", 2), &service, 8080)]);
        changes.push(rule_change(policy.clone()));
        changes
    };
    assert_eq!(found(changes(), &callee(&service), Some("a-only"), &none()), ["10.1.0.1:8080 0 1"]);
    assert_eq!(found(changes(), &callee(&service), Some("all"), &none()), ["10.1.0.1:8080 0 1", "10.1.0.2:8080 0 1"]);
    assert_eq!(found(changes(), &callee(&service), Some("none"), &none()), Vec::<String>::new());
}

fn by_locality(locality: LocalityPolicy, outlier: bool) -> PortSettings {
    PortSettings {
        balancer: Some(Arc::new(LoadBalancer { locality: Some(locality), ..LoadBalancer::default() })),
        outlier: outlier.then(Arc::default),
        ..PortSettings::default()
    }
}

fn spread(service: &Service) -> [Workload; 3] {
    [
        placed(behind(workload("a", 1), service, 8080), "r2", "z1"),
        placed(behind(workload("b", 2), service, 8080), "r1", "z2"),
        placed(behind(workload("c", 3), service, 8080), "r1", "z1"),
    ]
}

#[test]
fn nearer_endpoints_come_first_where_failing_ones_are_ejected() {
    let service = service("web");
    let failover = LocalityPolicy { enabled: true, ..LocalityPolicy::default() };
    for (outlier, expected) in [
        (true, ["10.1.0.1:8080 2 1", "10.1.0.2:8080 1 1", "10.1.0.3:8080 0 1"]),
        (false, ["10.1.0.1:8080 0 1", "10.1.0.2:8080 0 1", "10.1.0.3:8080 0 1"]),
    ] {
        let mut changes = all(&service, spread(&service));
        changes.push(rule_change(rules(&service.key.hostname, by_locality(failover.clone(), outlier))));
        assert_eq!(found(changes, &callee(&service), None, &none()), expected);
    }
}

#[test]
fn shares_by_locality_become_weights_and_what_is_not_listed_is_left_out() {
    let service = service("web");
    let shares = [("r1/z1".into(), 75), ("r1/z2".into(), 25)].into();
    let policy =
        LocalityPolicy { enabled: true, distribute: vec![("r1/*".into(), shares)], ..LocalityPolicy::default() };
    let mut changes = all(&service, spread(&service));
    changes.push(rule_change(rules(&service.key.hostname, by_locality(policy, false))));
    let found = found(changes, &callee(&service), None, &none());
    assert_eq!(found, ["10.1.0.2:8080 0 25000000", "10.1.0.3:8080 0 75000000"]);
}

#[test]
fn weights_fit_into_32_bits_in_the_same_proportions() {
    let preference = |weight| Preference { priority: 0, weight };
    let number = |weight: Option<NonZeroU32>| weight.map(NonZeroU32::get);
    let large = 4 * u64::from(u32::MAX);
    let scaled: Vec<_> = weights(&[preference(large), preference(large / 2), preference(1), preference(0)])
        .into_iter()
        .map(number)
        .collect();
    assert_eq!(scaled, [Some(u32::MAX), Some(u32::MAX / 2), Some(1), None]);
    assert_eq!(weights(&[preference(7)]).into_iter().map(number).collect::<Vec<_>>(), [Some(7)]);
    assert!(weights(&[]).is_empty());
}

#[test]
fn members_of_groups_have_their_weight() {
    let service = service("web");
    let mut heavy = behind(workload("a", 1), &service, 8080);
    heavy.labels.insert("app".into(), "web".into());
    let ports = [("http".into(), 8888)].into();
    heavy.group = Some(Arc::new(ripstop_model::Membership { group: "vms".into(), weight: 3, ports }));
    let changes = all(&service, [heavy.clone(), behind(workload("b", 2), &service, 8080)]);
    assert_eq!(found(changes, &callee(&service), None, &none()), ["10.1.0.1:8080 0 3", "10.1.0.2:8080 0 1"]);
    // Behind a declared host that selects it, at the port that its group names.
    let mut entry = entry("out.example", Resolution::Static, 80, Vec::new());
    entry.selector = Some(Selector(labels(&[("app", "web")])));
    let changes = vec![Change::Workload(Arc::new(heavy))];
    assert_eq!(found(changes, &Callee::Entry(Arc::new(entry)), None, &none()), ["10.1.0.1:8888 0 3"]);
}

#[test]
fn one_endpoint_of_a_headless_service_has_a_name_of_its_own() {
    let mut service = service("db");
    service.headless = true;
    let changes =
        all(&service, [behind(workload("db-0", 1), &service, 8080), behind(workload("db-1", 2), &service, 8080)]);
    let mut target = target(&callee(&service));
    target.backend.host = "db-1.db.ns.svc.cluster.local".into();
    let (found, _) = found_at(changes, &callee(&service), &BackendKey::new(&caller(), &target), &none(), &[]);
    assert_eq!(found, ["10.1.0.2:8080 0 1"]);
}

#[test]
fn what_is_written_down_is_called_with_its_port_and_weight_and_sockets_are_not() {
    let mut heavy = written(EndpointAddress::Ip("10.2.0.1".parse().unwrap()));
    heavy.weight = 3;
    heavy.ports.insert("http".into(), 8888);
    let socket = written(EndpointAddress::Unix("/run/admin.sock".into()));
    let plain = written(EndpointAddress::Ip("10.2.0.2".parse().unwrap()));
    let own = written(EndpointAddress::Ip("127.0.0.1".parse().unwrap()));
    let entry = entry("out.example", Resolution::Static, 80, vec![heavy, socket, plain, own]);
    let found = found(Vec::new(), &Callee::Entry(Arc::new(entry)), None, &none());
    assert_eq!(found, ["10.2.0.1:8888 0 3", "10.2.0.2:80 0 1"]);
}

#[test]
fn an_address_of_the_mesh_is_called_as_the_workload_that_has_it() {
    let mut enrolled = workload("a", 1);
    enrolled.tunnel = TunnelProtocol::Hbone;
    let at = written(EndpointAddress::Ip("10.1.0.1".parse().unwrap()));
    let entry = entry("out.example", Resolution::Static, 80, vec![at]);
    let changes = vec![Change::Workload(Arc::new(enrolled))];
    assert_eq!(found(changes, &Callee::Entry(Arc::new(entry)), None, &none()), ["10.1.0.1:80 0 1 hbone"]);
}

#[test]
fn names_are_asked_for_and_every_address_is_an_endpoint() {
    let named = written(EndpointAddress::Name("a.example".into()));
    let callee = Callee::Entry(Arc::new(entry("out.example", Resolution::Dns, 443, vec![named])));
    let key = BackendKey::new(&caller(), &target(&callee));
    let (nobody, names) = found_at(Vec::new(), &callee, &key, &none(), &[]);
    assert_eq!((nobody.len(), names), (0, vec![Arc::from("a.example")]));
    let answer = ["10.2.0.1", "10.2.0.2"].map(|ip| ip.parse().unwrap()).to_vec();
    let addresses = HashMap::from([("a.example".into(), answer)]);
    let (found, _) = found_at(Vec::new(), &callee, &key, &addresses, &[]);
    assert_eq!(found, ["10.2.0.1:443 0 1", "10.2.0.2:443 0 1"]);
}

#[test]
fn a_host_without_endpoints_is_its_own_name_and_one_address_at_a_time_if_it_says_so() {
    let answer = ["10.2.0.1", "10.2.0.2"].map(|ip| ip.parse().unwrap()).to_vec();
    let addresses = HashMap::from([("out.example".into(), answer)]);
    for (resolution, count) in [(Resolution::Dns, 2), (Resolution::DnsRoundRobin, 1)] {
        let callee = Callee::Entry(Arc::new(entry("out.example", resolution, 443, Vec::new())));
        assert_eq!(found(Vec::new(), &callee, None, &addresses).len(), count);
    }
}

#[test]
fn a_wildcard_that_is_resolved_by_request_is_the_host_that_was_called() {
    let callee = Callee::Entry(Arc::new(entry("*.example", Resolution::DynamicDns, 443, Vec::new())));
    let mut target = target(&callee);
    target.backend.host = "a.example".into();
    let (_, names) = found_at(Vec::new(), &callee, &BackendKey::new(&caller(), &target), &none(), &[]);
    assert_eq!(names, [Arc::from("a.example")]);
}

#[test]
fn where_callers_went_is_called_if_the_mesh_lets_them() {
    let callee = Callee::Entry(Arc::new(entry("*.example", Resolution::Passthrough, 80, Vec::new())));
    let key = BackendKey::new(&caller(), &target(&callee));
    let originals = [address("10.2.0.7:80"), address("240.240.9.9:80"), address("127.0.0.1:80")];
    let (found, names) = found_at(Vec::new(), &callee, &key, &none(), &originals);
    assert_eq!((found, names.len()), (vec!["10.2.0.7:80 0 1".to_owned()], 0));
}

#[test]
fn a_port_that_nobody_has_has_no_endpoints() {
    let service = service("web");
    let changes = all(&service, [behind(workload("a", 1), &service, 8080)]);
    let mut target = target(&callee(&service));
    target.backend.port = Some(81);
    let (found, _) = found_at(changes, &callee(&service), &BackendKey::new(&caller(), &target), &none(), &[]);
    assert_eq!(found.len(), 0);
}

#[test]
fn locality_of_what_is_written_down_counts() {
    let place = |ip: &str, locality: &str| {
        let mut endpoint = written(EndpointAddress::Ip(ip.parse().unwrap()));
        endpoint.locality = locality.into();
        endpoint
    };
    let endpoints = vec![place("10.2.0.1", "r9/z1"), place("10.2.0.2", "r1/z1")];
    let entry = entry("out.example", Resolution::Static, 80, endpoints);
    let settings = PortSettings {
        balancer: Some(Arc::new(LoadBalancer {
            algorithm: Algorithm::RoundRobin,
            locality: Some(LocalityPolicy { enabled: true, ..LocalityPolicy::default() }),
            ..LoadBalancer::default()
        })),
        outlier: Some(Arc::new(OutlierDetection::default())),
        ..PortSettings::default()
    };
    let changes = vec![rule_change(rules("out.example", settings))];
    let found = found(changes, &Callee::Entry(Arc::new(entry)), None, &none());
    assert_eq!(found, ["10.2.0.1:80 1 1", "10.2.0.2:80 0 1"]);
}
