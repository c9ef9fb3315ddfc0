//! Gateways that conflict.

use super::{Case, check};

const CODES: &[&str] = &["IST0145"];

const GROUND: &str = "
Process edge/own {app: own-gateway, zone: a}
";

const CASES: &[Case] = &[
    Case {
        title: "the same host and port; others are left alone",
        mesh: "
Gateway shop/a {selector: {istio: ingressgateway}, servers: [{port: {number: 443, name: a, protocol: TLS}, hosts: [a.example.com], tls: {mode: PASSTHROUGH}}]}
Gateway shop/b {selector: {istio: ingressgateway}, servers: [{port: {number: 443, name: a, protocol: TLS}, hosts: [other.example.com, a.example.com], tls: {mode: PASSTHROUGH}}]}
Gateway shop/port {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: a, protocol: HTTP}, hosts: [a.example.com]}]}
Gateway shop/bind {selector: {istio: ingressgateway}, servers: [{port: {number: 443, name: a, protocol: TLS}, bind: 10.0.0.1, hosts: [a.example.com], tls: {mode: PASSTHROUGH}}]}
Gateway shop/proxy {selector: {app: own-gateway}, servers: [{port: {number: 443, name: a, protocol: TLS}, hosts: [a.example.com], tls: {mode: PASSTHROUGH}}]}
",
        findings: &[
            "warning IST0145 Gateway/shop/a spec.servers[0].hosts: on port 443 the host a.example.com is also one of Gateway shop/b: for the same host the older one acts (put the server into one Gateway, or give the Gateways different hosts, ports or selectors)",
            "warning IST0145 Gateway/shop/b spec.servers[0].hosts: on port 443 the host a.example.com is also one of Gateway shop/a: for the same host the older one acts (put the server into one Gateway, or give the Gateways different hosts, ports or selectors)",
        ],
    },
    Case {
        title: "wildcards overlap, namespaces part",
        mesh: r#"
Gateway shop/a {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: a, protocol: HTTP}, hosts: ["*.example.com"]}]}
Gateway shop/b {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: a, protocol: HTTP}, hosts: [b.example.com]}]}
Gateway shop/c {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: a, protocol: HTTP}, hosts: [bank/c.example.org]}]}
Gateway shop/d {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: a, protocol: HTTP}, hosts: [shop/c.example.org]}]}
"#,
        findings: &[
            "warning IST0145 Gateway/shop/a spec.servers[0].hosts: on port 80 the host *.example.com is also one of Gateway shop/b: requests get the rules of both (put the server into one Gateway, or give the Gateways different hosts, ports or selectors)",
            "warning IST0145 Gateway/shop/b spec.servers[0].hosts: on port 80 the host b.example.com is also one of Gateway shop/a: requests get the rules of both (put the server into one Gateway, or give the Gateways different hosts, ports or selectors)",
        ],
    },
    Case {
        title: "selectors that say more hit the same proxies, if they hit some",
        mesh: r#"
Gateway shop/a {selector: {app: own-gateway}, servers: [{port: {number: 80, name: a, protocol: HTTP}, hosts: ["*"]}]}
Gateway shop/b {selector: {app: own-gateway, zone: a}, servers: [{port: {number: 80, name: a, protocol: HTTP}, hosts: ["*"]}]}
Gateway shop/c {selector: {app: own-gateway, zone: b}, servers: [{port: {number: 80, name: a, protocol: HTTP}, hosts: ["*"]}]}
"#,
        findings: &[
            "warning IST0145 Gateway/shop/a spec.servers[0].hosts: on port 80 the host * is also one of Gateway shop/b: requests get the rules of both (put the server into one Gateway, or give the Gateways different hosts, ports or selectors)",
            "warning IST0145 Gateway/shop/b spec.servers[0].hosts: on port 80 the host * is also one of Gateway shop/a: requests get the rules of both (put the server into one Gateway, or give the Gateways different hosts, ports or selectors)",
        ],
    },
    Case {
        title: "servers of one Gateway are its own affair",
        mesh: "
Gateway shop/a {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: a, protocol: HTTP}, hosts: [a.example.com]}, {port: {number: 80, name: b, protocol: HTTP}, hosts: [a.example.com]}]}
",
        findings: &[
        ],
    },
];

#[test]
fn gateway_conflicts() {
    check(CODES, GROUND, CASES);
}
