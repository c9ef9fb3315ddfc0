//! Destinations.

use super::{Case, check};

const CODES: &[&str] = &["IST0101", "IST0112"];

const GROUND: &str = "
Service shop/reviews {selector: {app: reviews}, ports: [{name: http, port: 80}]}
Service shop/many {selector: {app: many}, ports: [{name: http, port: 80}, {name: admin, port: 9000}]}
Service bank/ledger {selector: {app: ledger}, ports: [{name: http, port: 80}]}
";

const CASES: &[Case] = &[
    Case {
        title: "hosts that exist, by every name",
        mesh: "
VirtualService shop/a {hosts: [reviews], http: [{route: [{destination: {host: reviews}}]},
  {match: [{uri: {prefix: /x}}], route: [{destination: {host: reviews.shop.svc.cluster.local}}]}]}
VirtualService shop/b {hosts: [other], http: [{route: [{destination: {host: ledger.bank.svc.cluster.local., port: {number: 80}}}]}]}
",
        findings: &[
        ],
    },
    Case {
        title: "a host that nobody has, a name that lacks its domain, a namesake elsewhere",
        mesh: "
VirtualService shop/a {hosts: [reviews], http: [{route: [
  {destination: {host: ratings}, weight: 1},
  {destination: {host: reviews.shop}, weight: 1},
  {destination: {host: ledger}, weight: 1},
  {destination: {host: api.example.com}, weight: 1}]}]}
",
        findings: &[
            "error IST0101 VirtualService/shop/a spec.http[0].route[0].destination.host: no Service and no ServiceEntry has the host ratings.shop.svc.cluster.local (correct the name, or declare a Service or ServiceEntry)",
            "error IST0101 VirtualService/shop/a spec.http[0].route[1].destination.host: no Service and no ServiceEntry has the host reviews.shop (if the Service of namespace shop is meant, write reviews.shop.svc.cluster.local)",
            "error IST0101 VirtualService/shop/a spec.http[0].route[2].destination.host: no Service and no ServiceEntry has the host ledger.shop.svc.cluster.local (if the Service of namespace bank is meant, write ledger.bank.svc.cluster.local)",
            "error IST0101 VirtualService/shop/a spec.http[0].route[3].destination.host: no Service and no ServiceEntry has the host api.example.com (correct the name, or declare a Service or ServiceEntry)",
        ],
    },
    Case {
        title: "misspelt hosts, in every form",
        mesh: "
ServiceEntry shop/partner {hosts: [api.partner.example], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS}
VirtualService shop/a {hosts: [reviews], http: [{route: [
  {destination: {host: reveiws}, weight: 1},
  {destination: {host: reviws.shop.svc.cluster.local}, weight: 1},
  {destination: {host: reviews.shp}, weight: 1},
  {destination: {host: legder}, weight: 1},
  {destination: {host: api.partners.example}, weight: 1}]}]}
",
        findings: &[
            r#"error IST0101 VirtualService/shop/a spec.http[0].route[0].destination.host: no Service and no ServiceEntry has the host reveiws.shop.svc.cluster.local (did you mean "reviews"?)"#,
            r#"error IST0101 VirtualService/shop/a spec.http[0].route[1].destination.host: no Service and no ServiceEntry has the host reviws.shop.svc.cluster.local (did you mean "reviews.shop.svc.cluster.local"?)"#,
            r#"error IST0101 VirtualService/shop/a spec.http[0].route[2].destination.host: no Service and no ServiceEntry has the host reviews.shp (did you mean "reviews.shop.svc.cluster.local"?)"#,
            r#"error IST0101 VirtualService/shop/a spec.http[0].route[3].destination.host: no Service and no ServiceEntry has the host legder.shop.svc.cluster.local (did you mean "ledger.bank.svc.cluster.local"?)"#,
            r#"error IST0101 VirtualService/shop/a spec.http[0].route[4].destination.host: no Service and no ServiceEntry has the host api.partners.example (did you mean "api.partner.example"?)"#,
        ],
    },
    Case {
        title: "a host and its subset: one finding for the entry",
        mesh: "
VirtualService shop/a {hosts: [ratings], http: [{route: [{destination: {host: ratings, subset: v1}}]}]}
",
        findings: &[
            r#"error IST0101 VirtualService/shop/a spec.http[0].route[0].destination.host: no Service and no ServiceEntry has the host ratings.shop.svc.cluster.local, and no DestinationRule defines its subset "v1" (correct the name, or declare a Service or ServiceEntry)"#,
        ],
    },
    Case {
        title: "ports",
        mesh: "
VirtualService shop/a {hosts: [reviews], http: [
  {match: [{uri: {prefix: /a}}], route: [{destination: {host: reviews, port: {number: 8080}}}]},
  {match: [{uri: {prefix: /b}}], route: [{destination: {host: reviews, port: {number: 80}}}]},
  {match: [{uri: {prefix: /c}}], route: [{destination: {host: many}}]},
  {route: [{destination: {host: many, port: {number: 9000}}}]}]}
",
        findings: &[
            "error IST0101 VirtualService/shop/a spec.http[0].route[0].destination.port.number: the host reviews.shop.svc.cluster.local has no port 8080 (its ports: 80)",
            "warning IST0112 VirtualService/shop/a spec.http[2].route[0].destination: many.shop.svc.cluster.local has the ports 80, 9000, and none is named: the port that is called decides (name one in port.number)",
        ],
    },
    Case {
        title: "mirrors, TLS and TCP are destinations, too",
        mesh: "
VirtualService shop/a {hosts: [reviews], http: [{route: [{destination: {host: reviews}}], mirror: {host: m1}},
  {match: [{uri: {prefix: /a}}], route: [{destination: {host: reviews}}], mirrors: [{destination: {host: reviews}}, {destination: {host: m2}}]}],
  tls: [{match: [{sniHosts: [reviews]}], route: [{destination: {host: t}}]}],
  tcp: [{route: [{destination: {host: c}}]}]}
",
        findings: &[
            "error IST0101 VirtualService/shop/a spec.http[0].mirror.host: no Service and no ServiceEntry has the host m1.shop.svc.cluster.local (correct the name, or declare a Service or ServiceEntry)",
            "error IST0101 VirtualService/shop/a spec.http[1].mirrors[1].destination.host: no Service and no ServiceEntry has the host m2.shop.svc.cluster.local (correct the name, or declare a Service or ServiceEntry)",
            "error IST0101 VirtualService/shop/a spec.tls[0].route[0].destination.host: no Service and no ServiceEntry has the host t.shop.svc.cluster.local (correct the name, or declare a Service or ServiceEntry)",
            "error IST0101 VirtualService/shop/a spec.tcp[0].route[0].destination.host: no Service and no ServiceEntry has the host c.shop.svc.cluster.local (correct the name, or declare a Service or ServiceEntry)",
        ],
    },
    Case {
        title: "subsets: defined, missing among others, missing at all",
        mesh: "
DestinationRule shop/r {host: reviews, subsets: [{name: v1, labels: {version: v1}}]}
VirtualService shop/a {hosts: [reviews], http: [{route: [
  {destination: {host: reviews, subset: v1}, weight: 1},
  {destination: {host: reviews, subset: v2}, weight: 1},
  {destination: {host: many, subset: v1, port: {number: 80}}, weight: 1}]}]}
",
        findings: &[
            r#"error IST0101 VirtualService/shop/a spec.http[0].route[1].destination.subset: no DestinationRule that its callers see defines the subset "v2" of reviews.shop.svc.cluster.local (subsets of the host: v1)"#,
            r#"error IST0101 VirtualService/shop/a spec.http[0].route[2].destination.subset: no DestinationRule that its callers see defines the subset "v1" of many.shop.svc.cluster.local (write a DestinationRule for many.shop.svc.cluster.local with this subset, or remove the subset here)"#,
        ],
    },
    Case {
        title: "the rule of a wildcard defines subsets",
        mesh: r#"
DestinationRule shop/r {host: "*.shop.svc.cluster.local", subsets: [{name: v1}]}
VirtualService shop/a {hosts: [reviews], http: [{route: [{destination: {host: reviews, subset: v1}}]}]}
"#,
        findings: &[
        ],
    },
    Case {
        title: "a rule of the caller hides that of the service",
        mesh: r#"
DestinationRule bank/r {host: ledger, subsets: [{name: v1}]}
DestinationRule shop/own {host: ledger.bank.svc.cluster.local, trafficPolicy: {outlierDetection: {}}}
VirtualService shop/a {hosts: [ledger.bank.svc.cluster.local], exportTo: ["."], http: [{route: [{destination: {host: ledger.bank.svc.cluster.local, subset: v1}}]}]}
"#,
        findings: &[
            r#"error IST0101 VirtualService/shop/a spec.http[0].route[0].destination.subset: no DestinationRule that its callers see defines the subset "v1" of ledger.bank.svc.cluster.local (define it in the DestinationRule of namespace shop, which acts for them alone)"#,
        ],
    },
    Case {
        title: "a rule that is not exported does not act for others; one of the root acts",
        mesh: r#"
DestinationRule bank/r {host: ledger, exportTo: ["."], subsets: [{name: v1}]}
DestinationRule istio-system/r {host: reviews.shop.svc.cluster.local, subsets: [{name: v1}]}
VirtualService shop/a {hosts: [ledger.bank.svc.cluster.local], exportTo: ["."], http: [{route: [{destination: {host: ledger.bank.svc.cluster.local, subset: v1}}]}]}
VirtualService shop/b {hosts: [reviews], http: [{route: [{destination: {host: reviews, subset: v1}}]}]}
"#,
        findings: &[
            r#"error IST0101 VirtualService/shop/a spec.http[0].route[0].destination.subset: no DestinationRule that its callers see defines the subset "v1" of ledger.bank.svc.cluster.local (the one of namespace bank does not act for them: export it, or move it to the Service's namespace)"#,
        ],
    },
    Case {
        title: "a rule of yet another namespace: of use to its own callers only",
        mesh: r#"
DestinationRule far/r {host: reviews.shop.svc.cluster.local, subsets: [{name: v1}]}
VirtualService shop/private {hosts: [reviews], exportTo: ["."], http: [{route: [{destination: {host: reviews, subset: v1}}]}]}
VirtualService shop/public {hosts: [reviews], http: [{route: [{destination: {host: reviews, subset: v1}}]}]}
"#,
        findings: &[
            r#"error IST0101 VirtualService/shop/private spec.http[0].route[0].destination.subset: no DestinationRule that its callers see defines the subset "v1" of reviews.shop.svc.cluster.local (the one of namespace far does not act for them: export it, or move it to the Service's namespace)"#,
        ],
    },
    Case {
        title: "hosts of ServiceEntries, wildcards too, as far as they are exported",
        mesh: r#"
ServiceEntry shop/e {hosts: [api.example.com, "*.wild.example"], resolution: NONE, location: MESH_EXTERNAL, ports: [{number: 443, name: tls, protocol: TLS}]}
ServiceEntry bank/hidden {hosts: [in.example.com], exportTo: ["."], resolution: DNS, ports: [{number: 443, name: tls, protocol: TLS}]}
VirtualService shop/a {hosts: [api.example.com], http: [{route: [
  {destination: {host: API.example.com}, weight: 1},
  {destination: {host: a.b.wild.example, port: {number: 80}}, weight: 1},
  {destination: {host: wild.example}, weight: 1},
  {destination: {host: in.example.com}, weight: 1}]}]}
VirtualService bank/b {hosts: [in.example.com], http: [{route: [{destination: {host: in.example.com}}]}]}
"#,
        findings: &[
            "error IST0101 VirtualService/shop/a spec.http[0].route[1].destination.port.number: the host a.b.wild.example has no port 80 (its ports: 443)",
            "error IST0101 VirtualService/shop/a spec.http[0].route[2].destination.host: no Service and no ServiceEntry has the host wild.example (correct the name, or declare a Service or ServiceEntry)",
            "error IST0101 VirtualService/shop/a spec.http[0].route[3].destination.host: the host in.example.com of namespace bank is not exported to namespace shop (name the namespace in its exportTo)",
        ],
    },
    Case {
        title: "a gateway is a caller",
        mesh: r#"
ServiceEntry bank/edge {hosts: [in.example.com], exportTo: [istio-system], resolution: DNS, ports: [{number: 443, name: tls, protocol: TLS}]}
Gateway shop/g {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}
VirtualService shop/a {hosts: [in.example.com], gateways: [g], http: [{route: [{destination: {host: in.example.com}}]}]}
"#,
        findings: &[
        ],
    },
];

#[test]
fn destinations() {
    check(CODES, GROUND, CASES);
}
