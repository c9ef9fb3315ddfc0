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
            r#"warning IST0173 DestinationRule/shop/r spec.subsets[1].labels: the subset "v3" is empty: no workload behind reviews has version=v3 (they have version=v1, v2)"#,
            r#"warning IST0173 DestinationRule/shop/r spec.subsets[4].labels: the subset "odd" is empty: no workload behind reviews has tier=a (none of them has a label tier)"#,
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
            "warning IST0174 DestinationRule/shop/r spec.host: no Service and no ServiceEntry has the host ratings.shop.svc.cluster.local (correct the name, or declare a Service or ServiceEntry)",
            "warning IST0174 DestinationRule/shop/short spec.host: no Service and no ServiceEntry has the host reviews.shop (if the Service of namespace shop is meant, write reviews.shop.svc.cluster.local)",
            "warning IST0174 DestinationRule/bank/namesake spec.host: no Service and no ServiceEntry has the host reviews.bank.svc.cluster.local (if the Service of namespace shop is meant, write reviews.shop.svc.cluster.local)",
            "warning IST0174 DestinationRule/shop/wild spec.host: no Service and no ServiceEntry has the host *.bank.svc.cluster.local (correct the name, or declare a Service or ServiceEntry)",
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
            r#"warning IST0173 DestinationRule/shop/e spec.subsets[1].labels: the subset "b" is empty: no workload behind e.example.com has version=b (they have version=a)"#,
            r#"warning IST0173 DestinationRule/shop/s spec.subsets[2].labels: the subset "b" is empty: no workload behind s.example.com has version=b (they have version=v1, v2, w)"#,
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
            "warning IST0174 DestinationRule/shop/e spec.host: the host e.example.com of namespace bank is not exported to namespace shop (name the namespace in its exportTo)",
        ],
    },
];

#[test]
fn subsets() {
    check(CODES, GROUND, CASES);
}
