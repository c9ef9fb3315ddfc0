//! Rules that are never reached.

use super::{Case, check};

const CODES: &[&str] = &["IST0130", "IST0131"];

const GROUND: &str = "";

const CASES: &[Case] = &[
    Case {
        title: "rules that are never reached",
        mesh: "
VirtualService shop/web {hosts: [web], http: [
  {name: api, match: [{uri: {prefix: /api}}, {uri: {prefix: /API2}, ignoreUriCase: true}], route: [{destination: {host: web}}]},
  {match: [{uri: {prefix: /api/v1}}, {uri: {exact: /api}, method: {exact: GET}}, {uri: {prefix: /api2/x}}, {uri: {exact: /Api}}, {uri: {regex: /api/.*}}], route: [{destination: {host: web}}]},
  {match: [{name: again, uri: {regex: /api/.*}}, {uri: {prefix: /}}], route: [{destination: {host: web}}]},
  {match: [{headers: {x-user: {exact: a}}}], route: [{destination: {host: web}}]},
  {route: [{destination: {host: web}}]},
  {match: [{uri: {exact: /health}}], route: [{destination: {host: web}}]}],
  tcp: [{route: [{destination: {host: web}}]}, {route: [{destination: {host: other}}]}]}
",
        findings: &[
            "info IST0131 VirtualService/shop/web spec.http[1].match[0]: the match is never reached: http[0] takes all that it does (the first rule that matches acts: put the narrower one first, or remove it)",
            "info IST0131 VirtualService/shop/web spec.http[1].match[1]: the match is never reached: http[0] takes all that it does (the first rule that matches acts: put the narrower one first, or remove it)",
            "info IST0131 VirtualService/shop/web spec.http[1].match[2]: the match is never reached: http[0] takes all that it does (the first rule that matches acts: put the narrower one first, or remove it)",
            "info IST0131 VirtualService/shop/web spec.http[2].match[0]: the match is never reached: http[1] takes all that it does (the first rule that matches acts: put the narrower one first, or remove it)",
            "warning IST0130 VirtualService/shop/web spec.http[3]: the rule is never reached: http[2] takes all that it matches (the first rule that matches acts: put the narrower one first, or remove it)",
            "warning IST0130 VirtualService/shop/web spec.http[5]: the rule is never reached: http[4] has no match and takes everything (the rule without match comes last)",
            "warning IST0130 VirtualService/shop/web spec.tcp[1]: the rule is never reached: tcp[0] has no match and takes everything (the rule without match comes last)",
        ],
    },
    Case {
        title: "rules behind a delegate are reached, one behind the rule that takes all is not",
        mesh: "
VirtualService shop/web {hosts: [web], http: [
  {delegate: {name: other}},
  {match: [{uri: {prefix: /a}}], delegate: {name: another, namespace: shop}},
  {match: [{uri: {prefix: /a}}], route: [{destination: {host: web}}]},
  {route: [{destination: {host: web}}]},
  {route: [{destination: {host: other}}]}]}
",
        findings: &[
            "warning IST0130 VirtualService/shop/web spec.http[4]: the rule is never reached: http[3] has no match and takes everything (the rule without match comes last)",
        ],
    },
    Case {
        title: "what differs is reached",
        mesh: "
VirtualService shop/web {hosts: [web], http: [
  {match: [{uri: {prefix: /a}, method: {exact: POST}}, {uri: {prefix: /a}, headers: {x: {exact: a}}}, {uri: {prefix: /a}, port: 80}, {uri: {prefix: /a}, sourceNamespace: bank}], route: [{destination: {host: web}}]},
  {match: [{uri: {prefix: /a}, method: {exact: GET}}, {uri: {prefix: /a}}], route: [{destination: {host: web}}]},
  {match: [{uri: {prefix: /}, gateways: [g]}], route: [{destination: {host: web}}]},
  {match: [{uri: {prefix: /b}}], route: [{destination: {host: web}}]}]}
",
        findings: &[
        ],
    },
    Case {
        title: "a match of the same rule, and of the same connections",
        mesh: "
VirtualService shop/web {hosts: [web.example.com], http: [
  {match: [{uri: {prefix: /a}}, {uri: {prefix: /a/b}}], route: [{destination: {host: web}}]}],
  tls: [{match: [{sniHosts: [web.example.com]}, {sniHosts: [web.example.com], port: 8443}], route: [{destination: {host: web}}]},
  {match: [{sniHosts: [web.example.com]}], route: [{destination: {host: web}}]}],
  tcp: [{match: [{port: 80}], route: [{destination: {host: web}}]}, {match: [{port: 81}, {port: 80}], route: [{destination: {host: web}}]}]}
",
        findings: &[
            "info IST0131 VirtualService/shop/web spec.http[0].match[1]: the match is never reached: an earlier one of this rule takes all that it does (remove it)",
            "warning IST0130 VirtualService/shop/web spec.tls[1]: the rule is never reached: tls[0] takes all that it matches (the first rule that matches acts: put the narrower one first, or remove it)",
            "info IST0131 VirtualService/shop/web spec.tcp[1].match[1]: the match is never reached: tcp[0] takes all that it does (the first rule that matches acts: put the narrower one first, or remove it)",
        ],
    },
];

#[test]
fn reach() {
    check(CODES, GROUND, CASES);
}
