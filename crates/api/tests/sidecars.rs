//! `Sidecar` with every field, in each version and spelling.

mod istio;

use std::time::Duration;

use istio::{each_version_and_spelling, labels, one};
use ripstop_api::{
    Spec,
    istio::{
        CaptureMode, ConnectionPool, Destination, EgressListener, HttpPool, IngressListener, LabelSelector,
        OutboundMode, OutboundTrafficPolicy, PortSelector, ServerTls, ServerTlsMode, Sidecar, SidecarPort, TcpPool,
    },
    parse_file,
};

fn port(number: u16, protocol: &str, name: &str) -> SidecarPort {
    SidecarPort { number: Some(number), protocol: protocol.into(), name: name.into(), target_port: None }
}

fn egress(port: Option<SidecarPort>, bind: &str, capture_mode: CaptureMode, hosts: &[&str]) -> EgressListener {
    let hosts = hosts.iter().map(ToString::to_string).collect();
    EgressListener { port, bind: bind.into(), capture_mode, hosts }
}

#[test]
fn a_sidecar_with_everything() {
    let text = r"
kind: Sidecar
metadata: {name: cart, namespace: shop}
spec:
  workloadSelector:
    labels: {app: cart}
  ingress:
  - port: {number: 9080, protocol: http, name: http}
    bind: 10.0.0.7
    captureMode: IPTABLES
    defaultEndpoint: 127.0.0.1:8080
    tls:
      mode: MUTUAL
      serverCertificate: /etc/certs/cert.pem
      privateKey: /etc/certs/key.pem
      caCertificates: /etc/certs/ca.pem
    connectionPool:
      http: {maxRetries: 3}
  - port: {number: 9090}
    defaultEndpoint: unix:///run/cart.sock
  egress:
  - port: {number: 3306, protocol: MySQL, name: MySQL-1}
    bind: 127.0.0.1
    captureMode: NONE
    hosts: ['data/*']
  - port: {protocol: HTTP}
    bind: unix:///run/out.sock
    hosts: ['*/api.example.com', '~other/api.example.com']
  - port: {number: 0, protocol: GRPC}
    bind: unix://@out
    captureMode: DEFAULT
    hosts: ['~/*']
  - hosts: [./*, istio-system/*, '*/*.example.com', data/db.data.svc.cluster.local]
  outboundTrafficPolicy:
    mode: ALLOW_ANY
  inboundConnectionPool:
    tcp: {connectTimeout: 3s}
";
    let expected = Sidecar {
        workload_selector: Some(LabelSelector { labels: labels(&[("app", "cart")]) }),
        ingress: vec![
            IngressListener {
                port: Some(port(9080, "http", "http")),
                bind: "10.0.0.7".into(),
                capture_mode: CaptureMode::Iptables,
                default_endpoint: "127.0.0.1:8080".into(),
                tls: Some(ServerTls {
                    mode: ServerTlsMode::Mutual,
                    server_certificate: "/etc/certs/cert.pem".into(),
                    private_key: "/etc/certs/key.pem".into(),
                    ca_certificates: "/etc/certs/ca.pem".into(),
                    ..ServerTls::default()
                }),
                connection_pool: Some(ConnectionPool {
                    http: Some(HttpPool { max_retries: Some(3), ..HttpPool::default() }),
                    ..ConnectionPool::default()
                }),
            },
            IngressListener {
                port: Some(port(9090, "", "")),
                default_endpoint: "unix:///run/cart.sock".into(),
                ..IngressListener::default()
            },
        ],
        egress: vec![
            egress(Some(port(3306, "MySQL", "MySQL-1")), "127.0.0.1", CaptureMode::None, &["data/*"]),
            egress(
                Some(SidecarPort { protocol: "HTTP".into(), ..SidecarPort::default() }),
                "unix:///run/out.sock",
                CaptureMode::Default,
                &["*/api.example.com", "~other/api.example.com"],
            ),
            egress(
                Some(SidecarPort { protocol: "GRPC".into(), ..SidecarPort::default() }),
                "unix://@out",
                CaptureMode::Default,
                &["~/*"],
            ),
            egress(
                None,
                "",
                CaptureMode::Default,
                &["./*", "istio-system/*", "*/*.example.com", "data/db.data.svc.cluster.local"],
            ),
        ],
        outbound_traffic_policy: Some(OutboundTrafficPolicy { mode: OutboundMode::AllowAny, egress_proxy: None }),
        inbound_connection_pool: Some(ConnectionPool {
            tcp: Some(TcpPool { connect_timeout: Some(Duration::from_secs(3)), ..TcpPool::default() }),
            ..ConnectionPool::default()
        }),
    };
    each_version_and_spelling(text, 14, &Spec::Sidecar(expected.into()));
}

#[test]
fn fields_of_a_sidecar_that_nothing_acts_on() {
    let text = r"apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: cart}
spec:
  ingress:
  - port: {number: 9080, targetPort: 8080}
  outboundTrafficPolicy:
    mode: ALLOW_ANY
    egressProxy: {host: out.shop.svc.cluster.local, subset: v1, port: {number: 80}}
";
    let parsed = parse_file("a.yaml", text);
    let codes: Vec<_> = parsed.findings.iter().map(|finding| (finding.code, finding.path.as_str())).collect();
    assert_eq!(codes, [("RS120", "spec.ingress[0].port.targetPort")]);
    let [object] = &parsed.objects[..] else { panic!("no object") };
    let Spec::Sidecar(sidecar) = &object.spec else { panic!("no Sidecar") };
    assert_eq!(sidecar.ingress[0].port.as_ref().and_then(|port| port.target_port), Some(8080));
    let proxy = sidecar.outbound_traffic_policy.as_ref().and_then(|policy| policy.egress_proxy.as_ref());
    let expected = Destination {
        host: "out.shop.svc.cluster.local".into(),
        subset: "v1".into(),
        port: Some(PortSelector { number: Some(80) }),
    };
    assert_eq!(proxy, Some(&expected));
}

#[test]
fn a_sidecar_can_be_short() {
    let sidecar = |spec: &str| {
        let head = "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: default}\nspec:";
        let Spec::Sidecar(sidecar) = one(&format!("{head} {spec}\n")).spec else { panic!("no Sidecar") };
        *sidecar
    };
    let none = sidecar("{egress: [{hosts: ['~/*']}]}");
    assert_eq!(none.egress, [egress(None, "", CaptureMode::Default, &["~/*"])]);
    let policy = OutboundTrafficPolicy { mode: OutboundMode::RegistryOnly, egress_proxy: None };
    assert_eq!(sidecar("{outboundTrafficPolicy: {}}").outbound_traffic_policy, Some(policy));
    for endpoint in ["[::1]:80", "0.0.0.0:80", "[::]:80", ":80", "unix://@app"] {
        let spec = format!("{{ingress: [{{port: {{number: 80}}, defaultEndpoint: '{endpoint}'}}]}}");
        assert_eq!(sidecar(&spec).ingress[0].default_endpoint, endpoint);
    }
}
