//! Certificates.

use super::{Case, check};

const CODES: &[&str] = &["IST0101", "IST0138", "IST0161"];

const GROUND: &str = r#"
Secret istio-system/good {tls.crt: "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", tls.key: "-----BEGIN EC PRIVATE KEY-----\nMAA=\n-----END EC PRIVATE KEY-----\n"}
"#;

const CASES: &[Case] = &[
    Case {
        title: "Secrets where the gateway runs, and where the Gateway is",
        mesh: r#"
Secret shop/own {cert: "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", key: "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n"}
Gateway shop/g {selector: {istio: ingressgateway}, servers: [
  {port: {number: 443, name: a, protocol: HTTPS}, hosts: [a.example.com], tls: {mode: SIMPLE, credentialName: good}},
  {port: {number: 443, name: b, protocol: HTTPS}, hosts: [b.example.com], tls: {mode: SIMPLE, credentialName: own}},
  {port: {number: 443, name: c, protocol: HTTPS}, hosts: [c.example.com], tls: {mode: SIMPLE, credentialName: "kubernetes://good"}},
  {port: {number: 443, name: d, protocol: TLS}, hosts: [d.example.com], tls: {mode: PASSTHROUGH}}]}
"#,
        findings: &[
        ],
    },
    Case {
        title: "Secrets that there are not",
        mesh: "
Secret bank/none {cert: a, key: b}
Process edge/own {app: own-gateway}
Gateway shop/g {selector: {istio: ingressgateway}, servers: [{port: {number: 443, name: a, protocol: HTTPS}, hosts: [a.example.com], tls: {mode: SIMPLE, credentialName: none}}]}
Gateway shop/h {selector: {app: own-gateway}, servers: [{port: {number: 443, name: a, protocol: HTTPS}, hosts: [h.example.com], tls: {mode: MUTUAL, credentialNames: [good, none], caCertCredentialName: ca}}]}
",
        findings: &[
            "error IST0101 Gateway/shop/g spec.servers[0].tls.credentialName: there is no Secret istio-system/none: the hosts of this server are not served (create it in istio-system, the namespace of the gateway's workload, or in that of the Gateway)",
            "error IST0101 Gateway/shop/h spec.servers[0].tls.credentialNames[0]: there is no Secret edge/good: the hosts of this server are not served (create it in edge, the namespace of the gateway's workload, or in that of the Gateway)",
            "error IST0101 Gateway/shop/h spec.servers[0].tls.credentialNames[1]: there is no Secret edge/none: the hosts of this server are not served (create it in edge, the namespace of the gateway's workload, or in that of the Gateway)",
            "error IST0101 Gateway/shop/h spec.servers[0].tls.caCertCredentialName: there is no Secret edge/ca: the hosts of this server are not served (create it in edge, the namespace of the gateway's workload, or in that of the Gateway)",
        ],
    },
    Case {
        title: "Secrets that are of no use",
        mesh: r#"
Secret istio-system/half {tls.crt: "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", tls.key: ""}
Secret istio-system/text {tls.crt: "certificate", tls.key: "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n"}
Secret istio-system/swapped {key: "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", cert: "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"}
Secret istio-system/nothing {other: a}
Gateway shop/g {selector: {istio: ingressgateway}, servers: [
  {port: {number: 443, name: a, protocol: HTTPS}, hosts: [a.example.com], tls: {mode: SIMPLE, credentialName: half}},
  {port: {number: 443, name: b, protocol: HTTPS}, hosts: [b.example.com], tls: {mode: SIMPLE, credentialName: text}},
  {port: {number: 443, name: c, protocol: HTTPS}, hosts: [c.example.com], tls: {mode: SIMPLE, credentialName: swapped}},
  {port: {number: 443, name: d, protocol: HTTPS}, hosts: [d.example.com], tls: {mode: SIMPLE, credentialName: nothing}}]}
"#,
        findings: &[
            "error IST0161 Gateway/shop/g spec.servers[0].tls.credentialName: the Secret istio-system/half has no tls.key (give it tls.crt and tls.key, in PEM)",
            "error IST0161 Gateway/shop/g spec.servers[1].tls.credentialName: the Secret istio-system/text has no certificate in PEM at tls.crt (give it tls.crt and tls.key, in PEM)",
            "error IST0161 Gateway/shop/g spec.servers[2].tls.credentialName: the Secret istio-system/swapped has no private key in PEM at key (give it tls.crt and tls.key, in PEM)",
            "error IST0161 Gateway/shop/g spec.servers[3].tls.credentialName: the Secret istio-system/nothing has no tls.crt and no tls.key (give it tls.crt and tls.key, in PEM)",
        ],
    },
    Case {
        title: "one certificate of two Gateways; a Gateway of its own ones, and one of other proxies, is left alone",
        mesh: r#"
Process edge/own {app: own-gateway}
Secret edge/good {tls.crt: "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", tls.key: "-----BEGIN EC PRIVATE KEY-----\nMAA=\n-----END EC PRIVATE KEY-----\n"}
Gateway shop/a {selector: {istio: ingressgateway}, servers: [{port: {number: 443, name: a, protocol: HTTPS}, hosts: [a.example.com], tls: {mode: SIMPLE, credentialName: good}}]}
Gateway bank/b {selector: {istio: ingressgateway}, servers: [{port: {number: 443, name: a, protocol: HTTPS}, hosts: [b.example.com], tls: {mode: SIMPLE, credentialName: good}}]}
Gateway shop/c {selector: {app: own-gateway}, servers: [{port: {number: 443, name: a, protocol: HTTPS}, hosts: [c.example.com], tls: {mode: SIMPLE, credentialName: good}},
  {port: {number: 443, name: b, protocol: HTTPS}, hosts: [d.example.com], tls: {mode: SIMPLE, credentialName: good}}]}
"#,
        findings: &[
            "warning IST0138 Gateway/shop/a spec.servers[0].tls.credentialName: the certificate of the Secret istio-system/good is also that of Gateway bank/b: clients that reuse a connection for its hosts get 404 (put all hosts of a certificate into one Gateway, or give each its own certificate)",
            "warning IST0138 Gateway/bank/b spec.servers[0].tls.credentialName: the certificate of the Secret istio-system/good is also that of Gateway shop/a: clients that reuse a connection for its hosts get 404 (put all hosts of a certificate into one Gateway, or give each its own certificate)",
        ],
    },
    Case {
        title: "one file of two Gateways",
        mesh: "
Gateway shop/a {selector: {istio: ingressgateway}, servers: [{port: {number: 443, name: a, protocol: HTTPS}, hosts: [a.example.com], tls: {mode: SIMPLE, serverCertificate: /c, privateKey: /k}}]}
Gateway shop/b {selector: {istio: ingressgateway}, servers: [{port: {number: 443, name: a, protocol: HTTPS}, hosts: [b.example.com], tls: {mode: SIMPLE, serverCertificate: /c, privateKey: /k}}]}
",
        findings: &[
            "warning IST0138 Gateway/shop/a spec.servers[0].tls: the certificate of the file /c is also that of Gateway shop/b: clients that reuse a connection for its hosts get 404 (put all hosts of a certificate into one Gateway, or give each its own certificate)",
            "warning IST0138 Gateway/shop/b spec.servers[0].tls: the certificate of the file /c is also that of Gateway shop/a: clients that reuse a connection for its hosts get 404 (put all hosts of a certificate into one Gateway, or give each its own certificate)",
        ],
    },
];

#[test]
fn certificates() {
    check(CODES, GROUND, CASES);
}
