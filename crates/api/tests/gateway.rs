//! `Gateway`s that load, with every field read, in every version and spelling.

use std::{collections::BTreeMap, fmt::Write as _};

use ripstop_api::{
    Spec,
    istio::{
        Gateway, Labels, Server, ServerPort, ServerProtocol, ServerTls, ServerTlsMode, TlsCertificate, TlsVersion,
    },
    parse_file,
};

const EVERYTHING: &str = "
selector: {istio: ingressgateway}
servers:
- name: plain
  port: {number: 80, protocol: HTTP, name: http}
  bind: '::1'
  hosts: ['*']
  tls: {httpsRedirect: true}
- name: terminated
  port: {number: 443, protocol: https, name: https}
  hosts: [./shop.example.com, '*/*.example.com', bank/*, shop.example.org, 10.1.2.3]
  tls:
    mode: MUTUAL
    serverCertificate: /etc/certs/tls.crt
    privateKey: /etc/certs/tls.key
    caCertificates: /etc/certs/ca.crt
    caCrl: /etc/certs/crl.pem
    subjectAltNames: [client.example.com]
    verifyCertificateSpki: [NvqYIYSbgK2vCJpQhObf77vv+bQWtc5ek5RIOwPiC9A=]
    verifyCertificateHash: [df6ff72fe9116521268f6f2dd4966f51df479883fe7037b39f75916ac3049d1a]
    minProtocolVersion: TLSV1_2
    maxProtocolVersion: TLSV1_3
    cipherSuites: [ECDHE-ECDSA-AES256-GCM-SHA384, ECDHE-RSA-CHACHA20-POLY1305]
    insecureSkipVerify: false
- port: {number: 8443, protocol: TLS, name: tls}
  hosts: [a.example.com]
  tls: {mode: OPTIONAL_MUTUAL, credentialNames: [rsa, ecdsa], caCertCredentialName: clients}
- port: {number: 8444, protocol: TLS, name: files}
  hosts: [b.example.com]
  tls:
    mode: OPTIONAL_MUTUAL
    tlsCertificates:
    - {serverCertificate: /etc/certs/rsa.crt, privateKey: /etc/certs/rsa.key, caCertificates: /etc/certs/ca.crt}
    - {serverCertificate: /etc/certs/ecdsa.crt, privateKey: /etc/certs/ecdsa.key}
- port: {number: 8445, protocol: HTTPS, name: secret}
  hosts: [c.example.com]
  tls: {mode: SIMPLE, credentialName: shop}
- port: {number: 15443, protocol: TLS, name: cross}
  hosts: ['*.local']
  tls: {mode: AUTO_PASSTHROUGH}
- port: {number: 8446, protocol: TLS, name: passed}
  hosts: [d.example.com]
  tls: {}
- port: {number: 8447, protocol: HTTPS, name: meshed}
  hosts: [e.example.com]
  tls: {mode: ISTIO_MUTUAL}
";

fn everything() -> Gateway {
    let certificate = |kind: &str, authority: &str| TlsCertificate {
        server_certificate: format!("/etc/certs/{kind}.crt"),
        private_key: format!("/etc/certs/{kind}.key"),
        ca_certificates: authority.into(),
    };
    let of_mode = |mode| ServerTls { mode, ..ServerTls::default() };
    Gateway {
        selector: Labels(BTreeMap::from([("istio".into(), "ingressgateway".into())])),
        servers: vec![
            Server {
                name: "plain".into(),
                bind: "::1".into(),
                ..server(
                    port(80, "HTTP", "http"),
                    &["*"],
                    ServerTls { https_redirect: Some(true), ..ServerTls::default() },
                )
            },
            terminated(),
            server(
                port(8443, "TLS", "tls"),
                &["a.example.com"],
                ServerTls {
                    credential_names: texts(&["rsa", "ecdsa"]),
                    ca_cert_credential_name: "clients".into(),
                    ..of_mode(ServerTlsMode::OptionalMutual)
                },
            ),
            server(
                port(8444, "TLS", "files"),
                &["b.example.com"],
                ServerTls {
                    tls_certificates: vec![certificate("rsa", "/etc/certs/ca.crt"), certificate("ecdsa", "")],
                    ..of_mode(ServerTlsMode::OptionalMutual)
                },
            ),
            server(
                port(8445, "HTTPS", "secret"),
                &["c.example.com"],
                ServerTls { credential_name: "shop".into(), ..of_mode(ServerTlsMode::Simple) },
            ),
            server(port(15443, "TLS", "cross"), &["*.local"], of_mode(ServerTlsMode::AutoPassthrough)),
            server(port(8446, "TLS", "passed"), &["d.example.com"], of_mode(ServerTlsMode::Passthrough)),
            server(port(8447, "HTTPS", "meshed"), &["e.example.com"], of_mode(ServerTlsMode::IstioMutual)),
        ],
    }
}

fn terminated() -> Server {
    let tls = ServerTls {
        https_redirect: None,
        mode: ServerTlsMode::Mutual,
        server_certificate: "/etc/certs/tls.crt".into(),
        private_key: "/etc/certs/tls.key".into(),
        ca_certificates: "/etc/certs/ca.crt".into(),
        ca_crl: "/etc/certs/crl.pem".into(),
        credential_name: String::new(),
        credential_names: vec![],
        ca_cert_credential_name: String::new(),
        tls_certificates: vec![],
        subject_alt_names: texts(&["client.example.com"]),
        verify_certificate_spki: texts(&["NvqYIYSbgK2vCJpQhObf77vv+bQWtc5ek5RIOwPiC9A="]),
        verify_certificate_hash: texts(&["df6ff72fe9116521268f6f2dd4966f51df479883fe7037b39f75916ac3049d1a"]),
        min_protocol_version: TlsVersion::V1_2,
        max_protocol_version: TlsVersion::V1_3,
        cipher_suites: texts(&["ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-CHACHA20-POLY1305"]),
        insecure_skip_verify: Some(false),
    };
    let hosts = ["./shop.example.com", "*/*.example.com", "bank/*", "shop.example.org", "10.1.2.3"];
    Server { name: "terminated".into(), ..server(port(443, "https", "https"), &hosts, tls) }
}

fn server(port: ServerPort, hosts: &[&str], tls: ServerTls) -> Server {
    Server { port: Some(port), hosts: texts(hosts), tls: Some(tls), ..Server::default() }
}

fn port(number: u16, protocol: &str, name: &str) -> ServerPort {
    ServerPort { number: Some(number), protocol: protocol.into(), name: name.into(), target_port: None }
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

fn document(version: &str, spec: &str) -> String {
    let spec = spec.trim_start().lines().fold(String::new(), |mut text, line| {
        writeln!(text, "  {line}").expect("writes");
        text
    });
    format!("apiVersion: networking.istio.io/{version}\nkind: Gateway\nmetadata: {{name: edge}}\nspec:\n{spec}")
}

/// The gateway, and the codes of what was found.
#[track_caller]
fn read(text: &str) -> (Gateway, Vec<&'static str>) {
    let parsed = parse_file("a.yaml", text);
    let [object] = parsed.objects.as_slice() else { panic!("{:#?}", parsed.findings) };
    let Spec::Gateway(gateway) = &object.spec else { panic!("{:?}", object.spec) };
    (Gateway::clone(gateway), parsed.findings.iter().map(|finding| finding.code).collect())
}

#[test]
fn every_field_in_every_version() {
    for version in ["v1", "v1beta1", "v1alpha3"] {
        assert_eq!(read(&document(version, EVERYTHING)), (everything(), vec![]), "{version}");
    }
}

#[test]
fn every_field_in_snake_case() {
    let names = [
        ("httpsRedirect", "https_redirect"),
        ("serverCertificate", "server_certificate"),
        ("privateKey", "private_key"),
        ("caCertificates", "ca_certificates"),
        ("caCrl", "ca_crl"),
        ("subjectAltNames", "subject_alt_names"),
        ("verifyCertificateSpki", "verify_certificate_spki"),
        ("verifyCertificateHash", "verify_certificate_hash"),
        ("minProtocolVersion", "min_protocol_version"),
        ("maxProtocolVersion", "max_protocol_version"),
        ("cipherSuites", "cipher_suites"),
        ("insecureSkipVerify", "insecure_skip_verify"),
        ("credentialNames", "credential_names"),
        ("caCertCredentialName", "ca_cert_credential_name"),
        ("tlsCertificates", "tls_certificates"),
        ("credentialName", "credential_name"),
    ];
    let snake = names.iter().fold(EVERYTHING.to_owned(), |text, (name, old)| {
        assert!(text.contains(name), "{name}");
        text.replace(name, old)
    });
    let (gateway, codes) = read(&document("v1", &snake));
    assert_eq!(gateway, everything());
    assert!(codes.len() >= names.len() && codes.iter().all(|code| *code == "RS16"), "{codes:?}");
}

#[test]
fn fields_without_effect_are_read() {
    let spec = "
servers:
- port: {number: 80, protocol: HTTP, name: http, targetPort: 8080}
  hosts: ['*']
  defaultEndpoint: 127.0.0.1:8080
";
    let (gateway, codes) = read(&document("v1", spec));
    assert_eq!(codes, ["RS120"; 2]);
    let server = &gateway.servers[0];
    assert_eq!(server.port.as_ref().and_then(|port| port.target_port), Some(8080));
    assert_eq!(server.default_endpoint, "127.0.0.1:8080");
}

#[test]
fn protocols_in_any_case() {
    let protocols = [
        ("HTTP", ServerProtocol::Http),
        ("http2", ServerProtocol::Http2),
        ("Grpc", ServerProtocol::Grpc),
        ("gRPC-Web", ServerProtocol::GrpcWeb),
        ("MONGO", ServerProtocol::Tcp),
        ("mysql", ServerProtocol::Tcp),
        ("Redis", ServerProtocol::Tcp),
        ("tcp", ServerProtocol::Tcp),
    ];
    for (text, protocol) in protocols {
        let spec = format!("servers:\n- port: {{number: 80, protocol: {text}, name: a}}\n  hosts: ['*']");
        let (gateway, codes) = read(&document("v1", &spec));
        assert!(codes.is_empty(), "{text}");
        let port = gateway.servers[0].port.as_ref().expect("has a port");
        assert_eq!((port.protocol.as_str(), port.server_protocol()), (text, Some(protocol)));
        assert!(!protocol.is_tls() && protocol.is_plain_http() == (protocol != ServerProtocol::Tcp));
    }
    assert!(ServerProtocol::Https.is_tls() && ServerProtocol::Tls.is_tls());
}
