//! Cookies of sessions.

use super::{Case, check};

const CODES: &[&str] = &["RS235"];

const GROUND: &str = "
Service shop/web {selector: {app: web}, ports: [{name: http, port: 80}]}
Service shop/api {selector: {app: api}, ports: [{name: http, port: 80}]}
";

const CASES: &[Case] = &[
    Case {
        title: "each is its own, or they share requests",
        mesh: "
TrafficPolicy shop/a {targetRefs: [{kind: Service, name: web}, {kind: Service, name: api}], sessionAffinity: {cookie: {name: seat}}}
VirtualService shop/web {hosts: [web], http: [{route: [{destination: {host: web}, weight: 50}, {destination: {host: api}, weight: 50}]}]}
",
        findings: &[],
    },
    Case {
        title: "two of one name by different routes",
        mesh: "
TrafficPolicy shop/a {targetRefs: [{kind: Service, name: web}], sessionAffinity: {cookie: {name: seat}}}
TrafficPolicy shop/b {targetRefs: [{kind: Service, name: api}], sessionAffinity: {cookie: {name: seat}}}
VirtualService shop/web {hosts: [web], http: [{match: [{uri: {prefix: /api}}], route: [{destination: {host: api}}]}, {route: [{destination: {host: web}}]}]}
",
        findings: &[
            "warning RS235 TrafficPolicy/shop/a spec.sessionAffinity.cookie.name: VirtualService shop/web leads to web.shop.svc.cluster.local and to api.shop.svc.cluster.local by different routes, and their sessions have one cookie, seat with the path /: each takes the other's from its clients (give one of them another name or path)",
        ],
    },
    Case {
        title: "a path that no request has",
        mesh: "
TrafficPolicy shop/a {targetRefs: [{kind: Service, name: web}], sessionAffinity: {cookie: {name: seat, path: /shop}}}
VirtualService shop/web {hosts: [web], http: [{match: [{uri: {prefix: /shop/in}}], route: [{destination: {host: web}}]}, {match: [{uri: {prefix: /}}], route: [{destination: {host: web}}]}, {match: [{uri: {prefix: /shopping}}], route: [{destination: {host: web}}]}]}
",
        findings: &[
            "warning RS235 TrafficPolicy/shop/a spec.sessionAffinity.cookie.path: clients send it to paths below /shop, which VirtualService shop/web does not lead to web.shop.svc.cluster.local by `spec.http[2]` (write a `path` that the route's paths begin with)",
        ],
    },
    Case {
        title: "callers are placed by it",
        mesh: "
TrafficPolicy shop/a {targetRefs: [{kind: Service, name: web}], sessionAffinity: {cookie: {name: seat}}}
DestinationRule shop/web {host: web, trafficPolicy: {loadBalancer: {consistentHash: {httpCookie: {name: seat, ttl: 0s}}}}}
VirtualService shop/web {hosts: [web], http: [{route: [{destination: {host: web}}]}]}
",
        findings: &[
            "warning RS235 TrafficPolicy/shop/a spec.sessionAffinity.cookie.name: DestinationRule/shop/web places requests to web.shop.svc.cluster.local by the cookie seat, too, and gives it another value (give it another name, or remove `consistentHash`)",
        ],
    },
    Case {
        title: "names that clients take by rules of their own",
        mesh: "
TrafficPolicy shop/a {targetRefs: [{kind: Service, name: web}], sessionAffinity: {cookie: {name: __Host-seat, path: /shop}}}
",
        findings: &[
            "warning RS235 TrafficPolicy/shop/a spec.sessionAffinity.cookie.name: clients take a cookie of the name __Host-seat over TLS alone, and no Gateway ends TLS (give it another name)",
            "warning RS235 TrafficPolicy/shop/a spec.sessionAffinity.cookie.path: clients take a cookie of the name __Host-seat with the path / alone (remove `path`, or give it another name)",
        ],
    },
];

#[test]
fn cookies_that_keep_nobody_are_told() {
    check(CODES, GROUND, CASES);
}
