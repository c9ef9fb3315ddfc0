//! Rules for all other requests.

use super::{Case, check};

const CODES: &[&str] = &["RS06"];

const GROUND: &str = "";

const CASES: &[Case] = &[
    Case {
        title: "rules for some requests only",
        mesh: "
VirtualService shop/a {hosts: [a], http: [{match: [{uri: {prefix: /a}}], route: [{destination: {host: a}}]}]}
VirtualService shop/b {hosts: [b], gateways: [g, mesh], http: [{match: [{headers: {x: {exact: a}}}, {uri: {prefix: /}, sourceLabels: {app: a}}, {gateways: [g]}], route: [{destination: {host: a}}]}]}
",
        findings: &[
            "warning RS06 VirtualService/shop/a spec.http: no rule takes the requests that none matches: callers in the mesh get 404 for them (add a last rule without match)",
            "warning RS06 VirtualService/shop/b spec.http: no rule takes the requests that none matches: callers in the mesh get 404 for them (add a last rule without match)",
        ],
    },
    Case {
        title: "a rule for all others, in each form",
        mesh: "
VirtualService shop/a {hosts: [a], http: [{match: [{uri: {prefix: /a}}], route: [{destination: {host: a}}]}, {route: [{destination: {host: a}}]}]}
VirtualService shop/b {hosts: [b], http: [{match: [{uri: {exact: /b}}, {uri: {prefix: /}}], route: [{destination: {host: a}}]}]}
VirtualService shop/c {hosts: [c], http: [{match: [{uri: {regex: .*}}], redirect: {uri: /x}}]}
VirtualService shop/d {hosts: [d], gateways: [mesh, g], http: [{match: [{gateways: [mesh]}], route: [{destination: {host: a}}]}]}
",
        findings: &[
        ],
    },
    Case {
        title: "at gateways, of connections, and by a delegate",
        mesh: "
VirtualService shop/a {hosts: [a.example.com], gateways: [g], http: [{match: [{uri: {prefix: /a}}], route: [{destination: {host: a}}]}]}
VirtualService shop/b {hosts: [b], tcp: [{match: [{port: 80}], route: [{destination: {host: a}}]}]}
VirtualService shop/c {hosts: [c], http: [{delegate: {name: d}}]}
VirtualService shop/d {http: [{match: [{uri: {prefix: /a}}], route: [{destination: {host: a}}]}, {route: [{destination: {host: a}}]}]}
",
        findings: &[
        ],
    },
];

#[test]
fn catch_all() {
    check(CODES, GROUND, CASES);
}
