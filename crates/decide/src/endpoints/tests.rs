use ripstop_model::{AppProtocol, Change, RuleId, Traffic, Visibility};

use super::*;
use crate::samples::{labels, objects, service, snapshot, workload};

fn port(name: &str, target: u16) -> EntryPort {
    EntryPort { port: 80, name: name.into(), protocol: AppProtocol::Http11, target }
}

fn entry(resolution: Resolution, endpoints: Vec<StaticEndpoint>, selector: Option<&str>) -> HostEntry {
    HostEntry {
        id: RuleId("ServiceEntry/ns/entry/1".into()),
        object: ("ns".into(), "entry".into()),
        host: HostPattern::new("host.example"),
        addresses: Vec::new(),
        ports: vec![port("http", 8080)],
        internal: true,
        allocates: true,
        waypoint: None,
        resolution,
        endpoints,
        selector: selector.map(|app| Selector(labels(&[("app", app)]))),
        visibility: Visibility::default(),
        subject_alt_names: Vec::new(),
        created: 1,
    }
}

/// Of `<namespace>/<name>`, labelled `app: app`.
fn endpoint(name: &str, address: EndpointAddress) -> StaticEndpoint {
    StaticEndpoint {
        id: RuleId(name.into()),
        namespace: name.split('/').next().unwrap().into(),
        address,
        ports: [("http".into(), 9090), ("zero".into(), 0)].into(),
        labels: labels(&[("app", "app")]),
        network: "n1".into(),
        locality: "eu/west".into(),
        weight: 3,
        service_account: None,
    }
}

fn ip(name: &str) -> StaticEndpoint {
    endpoint(name, EndpointAddress::Ip("192.0.2.1".parse().unwrap()))
}

fn named_host(name: &str) -> StaticEndpoint {
    endpoint(name, EndpointAddress::Name("vm.example".into()))
}

fn socket(name: &str) -> StaticEndpoint {
    endpoint(name, EndpointAddress::Unix("/run/app".into()))
}

/// A mesh with those endpoints, and with workloads `ns/app` (two of them), `ns/db`, `other/app`.
fn mesh(endpoints: Vec<StaticEndpoint>) -> Program {
    let name = |endpoint: &StaticEndpoint| {
        let (namespace, name) = endpoint.id.0.split_once('/').unwrap();
        (namespace.into(), name.into())
    };
    let traffic = Traffic { endpoints: objects(endpoints, name), ..Traffic::default() };
    let mut second = workload("ns", "app-2", 4);
    second.labels = labels(&[("app", "app")]);
    let workloads = [second, workload("ns", "app", 1), workload("ns", "db", 2), workload("other", "app", 3)];
    let workloads = workloads.into_iter().map(|workload| Change::Workload(Arc::new(workload)));
    Program::new(snapshot(workloads.chain([Change::Traffic(Box::new(traffic))])))
}

fn names(endpoints: Vec<EntryEndpoint<'_>>) -> Vec<String> {
    let name = |endpoint| match endpoint {
        EntryEndpoint::Declared(endpoint) => endpoint.id.to_string(),
        EntryEndpoint::Workload(workload) => format!("workload {}", workload.name),
        EntryEndpoint::Host(host) => format!("host {host}"),
    };
    endpoints.into_iter().map(name).collect()
}

#[test]
fn endpoints_of_a_declared_host() {
    use Resolution::{Dns, DnsRoundRobin, DynamicDns, Passthrough, Static};
    let program = mesh(vec![ip("ns/b"), named_host("ns/a"), socket("ns/c"), ip("other/x")]);
    let workloads = ["workload app", "workload app-2"];
    for (title, entry, expected) in [
        ("its own", entry(Static, vec![ip("ns/1"), socket("ns/2")], None), vec!["ns/1", "ns/2"]),
        ("names are for DNS", entry(Static, vec![named_host("ns/1"), ip("ns/2")], None), vec!["ns/2"]),
        ("and found by it", entry(Dns, vec![named_host("ns/1"), ip("ns/2")], None), vec!["ns/1", "ns/2"]),
        ("the host, if there are none", entry(Dns, vec![], None), vec!["host host.example"]),
        ("or one address of it", entry(DnsRoundRobin, vec![], None), vec!["host host.example"]),
        ("not without DNS", entry(Static, vec![], None), vec![]),
        ("not if it selects", entry(Dns, vec![], Some("nobody")), vec![]),
        ("a wildcard is no name", HostEntry { host: HostPattern::new("*.x"), ..entry(Dns, vec![], None) }, vec![]),
        (
            "selected in its namespace",
            entry(Static, vec![], Some("app")),
            ["ns/b", "ns/c"].into_iter().chain(workloads).collect(),
        ),
        (
            "selected names, too",
            entry(Dns, vec![], Some("app")),
            ["ns/a", "ns/b", "ns/c"].into_iter().chain(workloads).collect(),
        ),
        ("where the caller says", entry(Passthrough, vec![ip("ns/1")], None), vec![]),
        ("by each request", entry(DynamicDns, vec![], None), vec![]),
    ] {
        assert_eq!(names(static_endpoints(&program, &entry)), expected, "{title}");
    }
}

#[test]
fn ports_of_a_declared_host() {
    let (address, unix, own, host) = (ip("ns/a"), socket("ns/b"), workload("ns", "app", 1), Arc::from("host"));
    for (title, endpoint, name, expected) in [
        ("its own of that name", EntryEndpoint::Declared(&address), "http", Some(9090)),
        ("else the entry's", EntryEndpoint::Declared(&address), "grpc", Some(8080)),
        ("0 is none", EntryEndpoint::Declared(&address), "zero", Some(8080)),
        ("a socket has none", EntryEndpoint::Declared(&unix), "http", None),
        ("a workload has the entry's", EntryEndpoint::Workload(&own), "http", Some(8080)),
        ("so has the host", EntryEndpoint::Host(&host), "http", Some(8080)),
    ] {
        assert_eq!(endpoint.port(&port(name, 8080)), expected, "{title}");
    }
}

#[test]
fn places_and_weights() {
    let (address, own, host) = (ip("ns/a"), workload("ns", "app", 1), Arc::from("host"));
    let told = |endpoint: EntryEndpoint<'_>| {
        let at = endpoint.located();
        format!("{}@{} {} x{}", at.locality, at.network, at.labels.len(), endpoint.weight())
    };
    assert_eq!(told(EntryEndpoint::Declared(&address)), "eu/west@n1 1 x3");
    assert_eq!(told(EntryEndpoint::Workload(&own)), "@ 1 x1");
    assert_eq!(told(EntryEndpoint::Host(&host)), "@ 0 x1");
}

#[test]
fn endpoints_of_a_service() {
    let network = endpoint("ns/d", EndpointAddress::Network);
    let program = mesh(vec![ip("ns/b"), named_host("ns/a"), socket("ns/c"), network, ip("other/x"), ip("ns2/x")]);
    let selecting = |app: &str| Service { selector: Some(Selector(labels(&[("app", app)]))), ..service("ns", "app") };
    for (title, service, expected) in [
        ("addresses and networks", selecting("app"), vec!["ns/b", "ns/d"]),
        ("of those labels", selecting("db"), vec![]),
        ("without selector", service("ns", "app"), vec![]),
        ("headless", Service { headless: true, ..selecting("app") }, vec![]),
        (
            "an empty selector selects nothing",
            Service { selector: Some(Selector::default()), ..service("ns", "app") },
            vec![],
        ),
    ] {
        let found = service_entries(&program, &service);
        assert_eq!(found.map(|endpoint| endpoint.id.to_string()).collect::<Vec<_>>(), expected, "{title}");
    }
}

#[test]
fn ports_of_a_service() {
    let endpoint = ip("ns/a");
    let port = |name: &str, target| ServicePort { port: 80, name: name.into(), target, protocol: AppProtocol::Http11 };
    for (title, port, expected) in [
        ("a number", port("web", TargetPort::Number(8080)), Some(8080)),
        ("its own of the port's name", port("http", TargetPort::Number(8080)), Some(9090)),
        ("its own of the target's name", port("web", TargetPort::Name("http".into())), Some(9090)),
        ("a name that it does not have", port("http", TargetPort::Name("web".into())), None),
    ] {
        assert_eq!(service_port(&endpoint, &port), expected, "{title}");
    }
}
