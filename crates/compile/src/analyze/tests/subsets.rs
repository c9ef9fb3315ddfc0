//! Subsets and hosts of DestinationRules.

use super::{Case, check};

const CODES: &[&str] = &["IST0173", "IST0174"];

const GROUND: &str = "
Service shop/reviews {selector: {app: reviews}, ports: [{name: http, port: 80}]}
Service shop/idle {selector: {app: idle}, ports: [{name: http, port: 80}]}
Process shop/reviews-v1 {app: reviews, version: v1}
Process shop/reviews-v2 {app: reviews, version: v2}
Process bank/reviews-v3 {app: reviews, version: v3}
";

const CASES: &[Case] = &[
    Case {
        title: "subsets that select, an empty one, one of places, one without labels",
        mesh: "
DestinationRule shop/r {host: reviews, subsets: [{name: v1, labels: {version: v1}}, {name: v3, labels: {version: v3}},
  {name: here, labels: {topology.kubernetes.io/zone: a, version: v2}}, {name: all}, {name: odd, labels: {tier: a}}]}
",
        findings: &[
        ],
    },
    Case {
        title: "nothing runs behind the host: nobody can tell",
        mesh: "
DestinationRule shop/r {host: idle, subsets: [{name: v1, labels: {version: v1}}]}
",
        findings: &[
        ],
    },
    Case {
        title: "hosts that nobody has",
        mesh: r#"
DestinationRule shop/r {host: ratings, subsets: [{name: v1, labels: {version: v1}}]}
DestinationRule shop/short {host: reviews.shop}
DestinationRule bank/namesake {host: reviews}
DestinationRule shop/wild {host: "*.bank.svc.cluster.local"}
"#,
        findings: &[
        ],
    },
    Case {
        title: "wildcards that hold something, and defaults",
        mesh: r#"
DestinationRule shop/a {host: "*.shop.svc.cluster.local", subsets: [{name: v9, labels: {version: v9}}]}
DestinationRule shop/b {host: "*.local"}
DestinationRule shop/c {host: "*"}
"#,
        findings: &[
        ],
    },
    Case {
        title: "endpoints of ServiceEntries, written and selected",
        mesh: "
ServiceEntry shop/e {hosts: [e.example.com], resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: 10.0.0.1, labels: {version: a}}]}
ServiceEntry shop/s {hosts: [s.example.com], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}], workloadSelector: {labels: {app: reviews}}}
WorkloadEntry shop/w {address: 10.0.0.2, labels: {app: reviews, version: w}}
DestinationRule shop/e {host: e.example.com, subsets: [{name: a, labels: {version: a}}, {name: b, labels: {version: b}}]}
DestinationRule shop/s {host: s.example.com, subsets: [{name: w, labels: {version: w}}, {name: v1, labels: {version: v1}}, {name: b, labels: {version: b}}]}
",
        findings: &[
        ],
    },
    Case {
        title: "a host that is not exported",
        mesh: r#"
ServiceEntry bank/e {hosts: [e.example.com], exportTo: ["."], resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}]}
DestinationRule shop/e {host: e.example.com}
DestinationRule bank/e {host: e.example.com}
"#,
        findings: &[
        ],
    },
];

#[test]
fn subsets() {
    check(CODES, GROUND, CASES);
}
