//! Hosts of several VirtualServices.

use super::{Case, check};

const CODES: &[&str] = &["IST0109", "IST0140"];

const GROUND: &str = "
Service shop/web {selector: {app: web}, ports: [{name: http, port: 80}]}
";

const CASES: &[Case] = &[
    Case {
        title: "one host by two objects",
        mesh: "
VirtualService shop/a {hosts: [web], http: [{route: [{destination: {host: web}}]}]}
VirtualService bank/b {hosts: [other, web.shop.svc.cluster.local], http: [{route: [{destination: {host: web.shop.svc.cluster.local}}]}]}
",
        findings: &[
        ],
    },
    Case {
        title: "different hosts, a gateway's, a delegate",
        mesh: r#"
VirtualService shop/a {hosts: [web], http: [{route: [{destination: {host: web}}]}]}
VirtualService bank/a {hosts: [web], http: [{route: [{destination: {host: web.shop.svc.cluster.local}}]}]}
VirtualService shop/g {hosts: [web], gateways: [edge], http: [{route: [{destination: {host: web}}]}]}
VirtualService shop/d {http: [{route: [{destination: {host: web}}]}]}
VirtualService shop/w {hosts: ["*.example.com"], http: [{route: [{destination: {host: web}}]}]}
VirtualService shop/x {hosts: [x.example.com], http: [{route: [{destination: {host: web}}]}]}
"#,
        findings: &[
        ],
    },
    Case {
        title: "what some namespaces see: each other, and what all see, wildcards too",
        mesh: r#"
VirtualService shop/a {hosts: [web], exportTo: [".", bank], http: [{route: [{destination: {host: web}}]}]}
VirtualService shop/b {hosts: [web], exportTo: [bank], http: [{route: [{destination: {host: web}}]}]}
VirtualService shop/c {hosts: [web], exportTo: [far], http: [{route: [{destination: {host: web}}]}]}
VirtualService shop/w {hosts: ["*.example.com"], http: [{route: [{destination: {host: web}}]}]}
VirtualService bank/x {hosts: [x.example.com], exportTo: ["."], http: [{route: [{destination: {host: web.shop.svc.cluster.local}}]}]}
"#,
        findings: &[
        ],
    },
    Case {
        title: "subsets that do not act at a gateway",
        mesh: "
VirtualService shop/mesh {hosts: [web], http: [{route: [{destination: {host: web, subset: v1}}]}]}
VirtualService shop/edge {hosts: [web.example.com], gateways: [g], http: [{route: [{destination: {host: web.shop.svc.cluster.local}}]}]}
VirtualService shop/fine {hosts: [fine.example.com], gateways: [g], http: [{route: [{destination: {host: web, subset: v1}}]}]}
VirtualService shop/inside {hosts: [inside], gateways: [mesh], http: [{route: [{destination: {host: web}}]}]}
",
        findings: &[
        ],
    },
    Case {
        title: "its own subsets do not count",
        mesh: "
VirtualService shop/both {hosts: [web], gateways: [mesh, g], http: [{match: [{uri: {prefix: /a}}], route: [{destination: {host: web, subset: v1}}]}, {route: [{destination: {host: web}}]}]}
",
        findings: &[
        ],
    },
];

#[test]
fn hosts() {
    check(CODES, GROUND, CASES);
}
