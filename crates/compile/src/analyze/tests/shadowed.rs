//! DestinationRules of several namespaces.

use super::{Case, check};

const CODES: &[&str] = &["RS220"];

const GROUND: &str = "
Service shop/web {selector: {app: web}, ports: [{name: http, port: 80}]}
";

const CASES: &[Case] = &[
    Case {
        title: "one namespace only, several objects",
        mesh: "
DestinationRule shop/a {host: web}
DestinationRule shop/b {host: web.shop.svc.cluster.local, subsets: [{name: v1}]}
",
        findings: &[],
    },
    Case {
        title: "a caller's own rule hides that of the service",
        mesh: "
DestinationRule shop/a {host: web}
DestinationRule bank/b {host: web.shop.svc.cluster.local}
DestinationRule far/c {host: web.shop.svc.cluster.local}
",
        findings: &[
            "warning RS220 DestinationRule/shop/a spec.host: callers in bank, far get the DestinationRule for web.shop.svc.cluster.local of their own namespace, and nothing of this one (rules of different namespaces are not merged: repeat there what they need of it)",
        ],
    },
    Case {
        title: "that of the service hides that of the root",
        mesh: "
DestinationRule istio-system/a {host: web.shop.svc.cluster.local}
DestinationRule shop/b {host: web}
",
        findings: &[
            "warning RS220 DestinationRule/istio-system/a spec.host: the DestinationRule of shop, the namespace of web.shop.svc.cluster.local, acts instead, and nothing of this one (rules of different namespaces are not merged: repeat there what they need of it)",
        ],
    },
    Case {
        title: "what acts for some callers, or is not exported, or is for a host that nobody has",
        mesh: "
DestinationRule shop/a {host: web}
DestinationRule bank/b {host: web.shop.svc.cluster.local, workloadSelector: {matchLabels: {app: one}}}
DestinationRule shop/c {host: c.example.com}
DestinationRule bank/c {host: c.example.com}
",
        findings: &[],
    },
    Case {
        title: "not exported",
        mesh: r#"
DestinationRule shop/a {host: web, exportTo: ["."]}
DestinationRule bank/b {host: web.shop.svc.cluster.local}
"#,
        findings: &[],
    },
];

#[test]
fn shadowed() {
    check(CODES, GROUND, CASES);
}
