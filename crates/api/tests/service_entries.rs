//! `ServiceEntry`, `WorkloadEntry` and `WorkloadGroup` with every field, in each version and spelling.

mod istio;

use std::collections::BTreeMap;

use istio::{each_version_and_spelling, labels, one};
use ripstop_api::{
    Spec,
    istio::{
        ExecHealthCheck, GrpcHealthCheck, HttpHeader, HttpHealthCheck, LabelSelector, Labels, Location, ProbeScheme,
        ReadinessProbe, Resolution, ServiceEntry, ServiceEntryPort, TcpHealthCheck, WorkloadEntry, WorkloadGroup,
        WorkloadMetadata, WorkloadTemplate,
    },
    parse_file,
};

fn port(number: u16, protocol: &str, name: &str) -> ServiceEntryPort {
    ServiceEntryPort { number: Some(number), protocol: protocol.into(), name: name.into(), target_port: None }
}

fn address(address: &str) -> WorkloadEntry {
    WorkloadEntry { address: address.into(), ..WorkloadEntry::default() }
}

#[track_caller]
fn entry(text: &str) -> ServiceEntry {
    let text = format!("apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: a}}\nspec:\n{text}");
    let Spec::ServiceEntry(entry) = one(&text).spec else { panic!("no ServiceEntry") };
    *entry
}

#[test]
fn a_service_entry_with_everything() {
    let expected = ServiceEntry {
        hosts: vec!["db.example.com".into(), "*.db.example.com".into()],
        addresses: vec!["10.0.0.1".into(), "10.1.0.0/16".into(), "2001:db8::1".into()],
        ports: vec![
            ServiceEntryPort { target_port: Some(8443), ..port(443, "TLS", "tls") },
            port(80, "http", "HTTP-1"),
            port(8080, "grpc-web", "web"),
        ],
        location: Location::Internal,
        resolution: Resolution::Static,
        endpoints: vec![
            WorkloadEntry {
                address: "10.2.0.1".into(),
                ports: BTreeMap::from([("tls".into(), 9443), ("HTTP-1".into(), 9080)]),
                labels: labels(&[("app", "db"), ("version", "v1")]),
                network: "east".into(),
                locality: "eu/west/1".into(),
                weight: Some(20),
                service_account: "db".into(),
            },
            WorkloadEntry { network: "west".into(), ..WorkloadEntry::default() },
            address("2001:db8::2"),
        ],
        workload_selector: None,
        export_to: vec![".".into(), "shop".into()],
        subject_alt_names: vec!["spiffe://cluster.local/ns/db/sa/db".into()],
    };
    let text = r"
kind: ServiceEntry
metadata: {name: db, namespace: data}
spec:
  hosts: [db.example.com, '*.db.example.com']
  addresses: [10.0.0.1, 10.1.0.0/16, '2001:db8::1']
  ports:
  - {number: 443, protocol: TLS, name: tls, targetPort: 8443}
  - {number: 80, protocol: http, name: HTTP-1}
  - {number: 8080, protocol: grpc-web, name: web}
  location: MESH_INTERNAL
  resolution: STATIC
  endpoints:
  - address: 10.2.0.1
    ports: {tls: 9443, HTTP-1: 9080}
    labels: {app: db, version: v1}
    network: east
    locality: eu/west/1
    weight: 20
    serviceAccount: db
  - network: west
  - address: '2001:db8::2'
  exportTo: [., shop]
  subjectAltNames: ['spiffe://cluster.local/ns/db/sa/db']
";
    each_version_and_spelling(text, 4, &Spec::ServiceEntry(expected.into()));
}

#[test]
fn a_service_entry_that_selects_workloads() {
    let text = r"
kind: ServiceEntry
metadata: {name: db, namespace: data}
spec:
  hosts: [db.data.mesh]
  resolution: STATIC
  workloadSelector:
    labels: {app: db}
";
    let expected = ServiceEntry {
        hosts: vec!["db.data.mesh".into()],
        resolution: Resolution::Static,
        workload_selector: Some(LabelSelector { labels: labels(&[("app", "db")]) }),
        ..ServiceEntry::default()
    };
    each_version_and_spelling(text, 1, &Spec::ServiceEntry(expected.into()));
}

#[test]
fn a_service_entry_with_nothing_but_a_host() {
    let entry = entry("  hosts: [a.com]\n");
    let expected = ServiceEntry { hosts: vec!["a.com".into()], ..ServiceEntry::default() };
    assert_eq!(entry, expected);
    assert_eq!((entry.location, entry.resolution), (Location::External, Resolution::None));
}

#[test]
fn every_resolution() {
    let none = entry("  hosts: ['*.com']\n  addresses: [10.0.0.0/8]\n  exportTo: ['~']\n  resolution: NONE\n");
    assert_eq!((none.resolution, none.export_to), (Resolution::None, vec!["~".into()]));
    let tcp = "  ports: [{number: 80, protocol: TCP, name: tcp}]\n";
    let socket =
        entry(&format!("  hosts: [a]\n{tcp}  endpoints: [{{address: 'unix:///run/a.sock'}}]\n  resolution: STATIC\n"));
    assert_eq!(socket.endpoints, [address("unix:///run/a.sock")]);
    let hidden = entry(&format!("  hosts: [a]\n{tcp}  endpoints: [{{address: 'unix://@a'}}]\n  resolution: STATIC\n"));
    assert_eq!(hidden.endpoints, [address("unix://@a")]);
    let dns = entry("  hosts: ['*.a.com']\n  endpoints: [{address: b.com}, {address: ::1}]\n  resolution: DNS\n");
    assert_eq!((dns.resolution, dns.endpoints), (Resolution::Dns, vec![address("b.com"), address("::1")]));
    let itself = entry(&format!("  hosts: [a.com]\n{tcp}  addresses: [10.0.0.1]\n  resolution: DNS_ROUND_ROBIN\n"));
    assert_eq!(itself.resolution, Resolution::DnsRoundRobin);
    let one = entry("  hosts: [a.com]\n  endpoints: [{address: b.com}]\n  resolution: DNS_ROUND_ROBIN\n");
    assert_eq!(one.endpoints, [address("b.com")]);
    let ports = "[{number: 80, protocol: HTTP, name: http}, {number: 443, protocol: tls, name: tls}]";
    let dynamic = entry(&format!("  hosts: ['*.a.com', '*.b.com']\n  ports: {ports}\n  resolution: DYNAMIC_DNS\n"));
    assert_eq!((dynamic.resolution, dynamic.ports.len()), (Resolution::DynamicDns, 2));
    let several = entry(&format!("  hosts: [a.com, b.com]\n  ports: {ports}\n  resolution: DNS\n"));
    assert_eq!(several.hosts.len(), 2);
}

#[test]
fn every_protocol() {
    for protocol in [
        "tcp",
        "UDP",
        "Http",
        "HTTP2",
        "https",
        "GRPC",
        "GRPC-Web",
        "TLS",
        "mongo",
        "MySQL",
        "Redis",
        "HTTP_PROXY",
        "\"\"",
    ] {
        let entry = entry(&format!("  hosts: [a.com]\n  ports: [{{number: 80, protocol: {protocol}, name: a}}]\n"));
        assert_eq!(entry.ports[0].protocol, protocol.trim_matches('"'));
    }
}

#[test]
fn a_workload_entry_with_everything() {
    let text = r"
kind: WorkloadEntry
metadata: {name: db, namespace: data}
spec:
  address: db-1.example.com
  ports: {tls: 9443, metrics: 9090}
  labels: {app: db}
  network: east
  locality: eu/west/1
  weight: 7
  serviceAccount: db.writer
";
    let expected = WorkloadEntry {
        address: "db-1.example.com".into(),
        ports: BTreeMap::from([("tls".into(), 9443), ("metrics".into(), 9090)]),
        labels: labels(&[("app", "db")]),
        network: "east".into(),
        locality: "eu/west/1".into(),
        weight: Some(7),
        service_account: "db.writer".into(),
    };
    each_version_and_spelling(text, 1, &Spec::WorkloadEntry(expected.into()));
}

#[test]
fn a_workload_entry_for_a_network() {
    let text = "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: a}\nspec: {network: east}\n";
    let expected = WorkloadEntry { network: "east".into(), ..WorkloadEntry::default() };
    assert_eq!(one(text).spec, Spec::WorkloadEntry(expected.into()));
}

#[test]
fn a_workload_group_with_everything() {
    let text = r"
kind: WorkloadGroup
metadata: {name: db, namespace: data}
spec:
  metadata:
    labels: {app: db}
    annotations: {example.com/Team: 'blue, and more'}
  template:
    ports: {tls: 9443}
    labels: {tier: back}
    network: east
    locality: eu/west
    weight: 3
    serviceAccount: db
  probe:
    initialDelaySeconds: 1
    timeoutSeconds: 2
    periodSeconds: 3
    successThreshold: 4
    failureThreshold: 5
    httpGet:
      path: /ready?full=1
      port: 8080
      host: 127.0.0.1
      scheme: HTTPS
      httpHeaders:
      - {name: X-A, value: one}
      - {name: X-A, value: two}
      - {name: x_b}
";
    let header = |name: &str, value: &str| HttpHeader { name: name.into(), value: value.into() };
    let expected = WorkloadGroup {
        metadata: WorkloadMetadata {
            labels: labels(&[("app", "db")]),
            annotations: BTreeMap::from([("example.com/Team".into(), "blue, and more".into())]),
        },
        template: WorkloadTemplate {
            address: String::new(),
            ports: BTreeMap::from([("tls".into(), 9443)]),
            labels: labels(&[("tier", "back")]),
            network: "east".into(),
            locality: "eu/west".into(),
            weight: Some(3),
            service_account: "db".into(),
        },
        probe: Some(ReadinessProbe {
            initial_delay_seconds: Some(1),
            timeout_seconds: Some(2),
            period_seconds: Some(3),
            success_threshold: Some(4),
            failure_threshold: Some(5),
            http_get: Some(HttpHealthCheck {
                path: "/ready?full=1".into(),
                port: Some(8080),
                host: "127.0.0.1".into(),
                scheme: ProbeScheme::Https,
                http_headers: vec![header("X-A", "one"), header("X-A", "two"), header("x_b", "")],
            }),
            ..ReadinessProbe::default()
        }),
    };
    each_version_and_spelling(text, 8, &Spec::WorkloadGroup(expected.into()));
}

#[test]
fn every_action_of_a_probe() {
    let probe = |text: &str| {
        let group = one(&format!(
            "apiVersion: networking.istio.io/v1\nkind: WorkloadGroup\nmetadata: {{name: a}}\nspec:\n  template: {{}}\n  \
             probe: {text}\n"
        ));
        let Spec::WorkloadGroup(group) = group.spec else { panic!("no WorkloadGroup") };
        assert_eq!(group.metadata.labels, Labels::default());
        group.probe
    };
    let none = ReadinessProbe::default();
    let tcp = TcpHealthCheck { host: "localhost".into(), port: Some(80) };
    let expected = ReadinessProbe { tcp_socket: Some(tcp), ..none.clone() };
    assert_eq!(probe("{tcpSocket: {host: localhost, port: 80}}"), Some(expected));
    let exec = ExecHealthCheck { command: vec!["test".into(), "-f".into(), "/ready".into()] };
    assert_eq!(
        probe("{exec: {command: [test, -f, /ready]}}"),
        Some(ReadinessProbe { exec: Some(exec), ..none.clone() })
    );
    let grpc = GrpcHealthCheck { port: Some(90), service: "shop.Cart".into() };
    let expected = ReadinessProbe { grpc: Some(grpc), period_seconds: Some(0), ..none.clone() };
    assert_eq!(probe("{grpc: {port: 90, service: shop.Cart}, periodSeconds: 0}"), Some(expected));
    let http = HttpHealthCheck { port: Some(80), ..HttpHealthCheck::default() };
    assert_eq!(probe("{httpGet: {port: 80, scheme: ''}}"), Some(ReadinessProbe { http_get: Some(http), ..none }));
}

#[test]
fn lists_have_limits() {
    fn list(count: usize, item: fn(usize) -> String) -> String {
        (0..count).map(item).collect::<Vec<_>>().join(", ")
    }
    let entry = |more: usize| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: a}}\nspec:\n  hosts: [{}]\n  \
             addresses: [{}]\n  endpoints: [{}]\n  resolution: STATIC\n",
            list(256 + more, |n| format!("a{n}.com")),
            list(256 + more, |n| format!("10.0.{}.{}", n / 256, n % 256)),
            list(4096 + more, |n| format!("{{address: 10.1.{}.{}}}", n / 256, n % 256)),
        )
    };
    let workload = |more: usize| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {{name: a}}\nspec:\n  address: a\n  \
             network: {}\n  ports: {{{}}}\n  labels: {{{}}}\n",
            "n".repeat(2048 + more),
            list(128 + more, |n| format!("p{n}: 80")),
            list(256 + more, |n| format!("l{n}: a")),
        )
    };
    let fields = [["hosts", "addresses", "endpoints"], ["network", "ports", "labels"]];
    for (text, fields) in [(entry as fn(usize) -> String, fields[0]), (workload, fields[1])] {
        one(&text(0));
        let parsed = parse_file("a.yaml", &text(1));
        let found: Vec<_> = parsed.findings.iter().map(|finding| (finding.code, finding.path.clone())).collect();
        assert_eq!(found, fields.map(|field| ("RS109", format!("spec.{field}"))));
    }
}
