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
            "error IST0109 VirtualService/shop/a spec.hosts[0]: the host web is also one of VirtualService/bank/b: callers in the mesh get the rules of one alone, and this one comes first (put all rules for the host into one VirtualService; it may delegate to others)",
            "error IST0109 VirtualService/bank/b spec.hosts[1]: the host web.shop.svc.cluster.local is also one of VirtualService/shop/a: callers in the mesh get the rules of one alone, and VirtualService/shop/a comes first (put all rules for the host into one VirtualService; it may delegate to others)",
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
            "error IST0109 VirtualService/shop/a spec.hosts[0]: the host web is also one of VirtualService/shop/b: callers in the mesh get the rules of one alone, and this one comes first (put all rules for the host into one VirtualService; it may delegate to others)",
            "error IST0109 VirtualService/shop/b spec.hosts[0]: the host web is also one of VirtualService/shop/a: callers in the mesh get the rules of one alone, and VirtualService/shop/a comes first (put all rules for the host into one VirtualService; it may delegate to others)",
            "error IST0109 VirtualService/shop/w spec.hosts[0]: the host *.example.com is also one of VirtualService/bank/x: callers in the mesh get the rules of one alone, and VirtualService/bank/x comes first (put all rules for the host into one VirtualService; it may delegate to others)",
            "error IST0109 VirtualService/bank/x spec.hosts[0]: the host x.example.com is also one of VirtualService/shop/w: callers in the mesh get the rules of one alone, and this one comes first (put all rules for the host into one VirtualService; it may delegate to others)",
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
            "warning IST0140 VirtualService/shop/edge spec.http[0].route[0].destination: VirtualService/shop/mesh divides web.shop.svc.cluster.local into subsets, which does not act for requests of a gateway (name the subsets here, too)",
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
