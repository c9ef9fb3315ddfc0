//! What TrafficPolicies are attached to.

use super::{Case, check};

const CODES: &[&str] = &["IST0101", "RS230", "RS231", "RS232", "RS233", "RS246", "RS269"];

const GROUND: &str = "
Process shop/web {app: web}
Process shop/edge {app: edge}
Service shop/web {selector: {app: web}, ports: [{name: http, port: 80}, {name: tcp-admin, port: 81}]}
ServiceEntry shop/bank {hosts: [bank.example], resolution: DNS, ports: [{number: 443, name: tls, protocol: TLS}, {number: 80, name: plain, protocol: HTTP}]}
Gateway shop/edge {selector: {app: edge}, servers: [{name: web, port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}, {name: pass, port: {number: 443, name: tls, protocol: TLS}, tls: {mode: PASSTHROUGH}, hosts: ['*']}]}
";

const CASES: &[Case] = &[
    Case {
        title: "all is there, and each says something of its own",
        mesh: "
TrafficPolicy shop/a {targetRefs: [{kind: Service, name: web}], rateLimits: [{requests: 1, per: {identity: {}}}]}
TrafficPolicy shop/b {targetRefs: [{kind: Service, name: web, sectionName: http}], rateLimits: [{requests: 1}]}
TrafficPolicy shop/c {targetRefs: [{group: networking.istio.io, kind: ServiceEntry, name: bank}, {group: networking.istio.io, kind: Gateway, name: edge}], rateLimits: [{requests: 1}]}
TrafficPolicy shop/d {targetRefs: [{group: networking.istio.io, kind: Gateway, name: edge, sectionName: web}], rateLimits: [{requests: 1}]}
",
        findings: &[],
    },
    Case {
        title: "nobody has that name",
        mesh: "
TrafficPolicy shop/a {targetRefs: [{kind: Service, name: wbe}], rateLimits: [{requests: 1}]}
TrafficPolicy bank/b {targetRefs: [{kind: Service, name: web}], rateLimits: [{requests: 1}]}
TrafficPolicy shop/c {targetRefs: [{group: networking.istio.io, kind: ServiceEntry, name: web}], rateLimits: [{requests: 1}]}
TrafficPolicy shop/d {targetRefs: [{group: networking.istio.io, kind: Gateway, name: bank}], rateLimits: [{requests: 1}]}
",
        findings: &[
            "error IST0101 TrafficPolicy/shop/a spec.targetRefs[0].name: there is no Service wbe in namespace shop (is it misspelt, or still to come?)",
            "error IST0101 TrafficPolicy/bank/b spec.targetRefs[0].name: there is no Service web in namespace bank (is it misspelt, or still to come?)",
            "error IST0101 TrafficPolicy/shop/c spec.targetRefs[0].name: there is no ServiceEntry web in namespace shop (is it misspelt, or still to come?)",
            "error IST0101 TrafficPolicy/shop/d spec.targetRefs[0].name: there is no Gateway bank in namespace shop (is it misspelt, or still to come?)",
        ],
    },
    Case {
        title: "no section has that name",
        mesh: "
TrafficPolicy shop/a {targetRefs: [{kind: Service, name: web, sectionName: htpt}], rateLimits: [{requests: 1}]}
TrafficPolicy shop/b {targetRefs: [{group: networking.istio.io, kind: Gateway, name: edge, sectionName: http}], rateLimits: [{requests: 1}]}
",
        findings: &[
            "error IST0101 TrafficPolicy/shop/a spec.targetRefs[0].sectionName: Service web has no port of the name htpt (they are: http, tcp-admin)",
            "error IST0101 TrafficPolicy/shop/b spec.targetRefs[0].sectionName: Gateway edge has no server of the name http (they are: web, pass)",
        ],
    },
    Case {
        title: "the oldest acts, for each thing",
        mesh: "
TrafficPolicy shop/z {targetRefs: [{kind: Service, name: web}], rateLimits: [{requests: 1}]}
TrafficPolicy shop/a {targetRefs: [{kind: Service, name: web, sectionName: http}, {kind: Service, name: web}], rateLimits: [{requests: 1}]}
TrafficPolicy shop/b {targetRefs: [{kind: Service, name: web, sectionName: http}], rateLimits: [{requests: 1}]}
",
        findings: &[
            "warning RS230 TrafficPolicy/shop/a spec.targetRefs[1]: TrafficPolicy/shop/z is the oldest with `rateLimits` for Service web, and acts alone there (merge the two, or remove one)",
            "warning RS230 TrafficPolicy/shop/b spec.targetRefs[0]: TrafficPolicy/shop/a is the oldest with `rateLimits` for http of Service web, and acts alone there (merge the two, or remove one)",
        ],
    },
    Case {
        title: "how endpoints are picked is another matter than how many requests there may be",
        mesh: "
TrafficPolicy shop/a {targetRefs: [{kind: Service, name: web}], rateLimits: [{requests: 1}]}
TrafficPolicy shop/b {targetRefs: [{kind: Service, name: web}, {kind: Service, name: web, sectionName: tcp-admin}], loadBalancer: {peakEwma: {}}}
TrafficPolicy shop/c {targetRefs: [{kind: Service, name: web}], loadBalancer: {peakEwma: {decay: 5s}}}
",
        findings: &[
            "warning RS230 TrafficPolicy/shop/c spec.targetRefs[0]: TrafficPolicy/shop/b is the oldest with `loadBalancer` for Service web, and acts alone there (merge the two, or remove one)",
        ],
    },
    Case {
        title: "no proxy calls a gateway",
        mesh: "
TrafficPolicy shop/a {targetRefs: [{group: networking.istio.io, kind: Gateway, name: edge}, {kind: Service, name: web}], loadBalancer: {peakEwma: {}}}
",
        findings: &[
            "warning RS233 TrafficPolicy/shop/a spec.targetRefs[0]: no proxy calls Gateway edge: its `loadBalancer` says nothing (attach it to the Services that the gateway calls)",
        ],
    },
    Case {
        title: "checks are of endpoints that are called, and not of the caller's own choice",
        mesh: "
ServiceEntry shop/any {hosts: ['*.example'], resolution: NONE, ports: [{number: 80, name: http, protocol: HTTP}]}
TrafficPolicy shop/a {targetRefs: [{kind: Service, name: web}, {group: networking.istio.io, kind: ServiceEntry, name: bank}], healthChecks: {tcp: {}}}
TrafficPolicy shop/b {targetRefs: [{kind: Service, name: web}], healthChecks: {grpc: {}}, loadBalancer: {peakEwma: {}}}
TrafficPolicy shop/c {targetRefs: [{group: networking.istio.io, kind: Gateway, name: edge}], healthChecks: {tcp: {}}}
TrafficPolicy shop/d {targetRefs: [{group: networking.istio.io, kind: ServiceEntry, name: any}], healthChecks: {tcp: {}}}
",
        findings: &[
            "warning RS230 TrafficPolicy/shop/b spec.targetRefs[0]: TrafficPolicy/shop/a is the oldest with `healthChecks` for Service web, and acts alone there (merge the two, or remove one)",
            "warning RS233 TrafficPolicy/shop/c spec.targetRefs[0]: no proxy calls Gateway edge: its `healthChecks` says nothing (attach it to the Services that the gateway calls)",
            "warning RS246 TrafficPolicy/shop/d spec.targetRefs[0]: callers of ServiceEntry any choose its endpoints themselves: none is checked (declare its endpoints, or a `resolution` of STATIC or DNS)",
        ],
    },
    Case {
        title: "nobody reads requests there",
        mesh: "
TrafficPolicy shop/a {targetRefs: [{kind: Service, name: web, sectionName: tcp-admin}], rateLimits: [{requests: 1}]}
TrafficPolicy shop/b {targetRefs: [{group: networking.istio.io, kind: ServiceEntry, name: bank, sectionName: tls}], rateLimits: [{requests: 1}]}
TrafficPolicy shop/c {targetRefs: [{group: networking.istio.io, kind: Gateway, name: edge, sectionName: pass}], rateLimits: [{requests: 1}]}
",
        findings: &[
            "warning RS231 TrafficPolicy/shop/a spec.targetRefs[0]: nobody reads requests at tcp-admin of Service web: its limits hold back nothing (name the protocol of the port, by `appProtocol` or the beginning of its name)",
            "warning RS231 TrafficPolicy/shop/b spec.targetRefs[0]: nobody reads requests at tls of ServiceEntry bank: its limits hold back nothing (name the protocol of the port, by `appProtocol` or the beginning of its name)",
            "warning RS231 TrafficPolicy/shop/c spec.targetRefs[0]: nobody reads requests at pass of Gateway edge: its limits hold back nothing (name the protocol of the port, by `appProtocol` or the beginning of its name)",
        ],
    },
    Case {
        title: "each field has its oldest, and not every one acts everywhere",
        mesh: "
TrafficPolicy shop/a {targetRefs: [{kind: Service, name: web}], rateLimits: [{requests: 1}]}
TrafficPolicy shop/b {targetRefs: [{kind: Service, name: web}], retryBudget: {percent: 10}}
TrafficPolicy shop/c {targetRefs: [{kind: Service, name: web}, {group: networking.istio.io, kind: Gateway, name: edge}], retryBudget: {percent: 20}}
",
        findings: &[
            "warning RS230 TrafficPolicy/shop/c spec.targetRefs[0]: TrafficPolicy/shop/b is the oldest with `retryBudget` for Service web, and acts alone there (merge the two, or remove one)",
            "warning RS233 TrafficPolicy/shop/c spec.targetRefs[1]: no proxy calls Gateway edge: its `retryBudget` says nothing (attach it to the Services that the gateway calls)",
        ],
    },
    Case {
        title: "sessions are of requests, and of whoever is called",
        mesh: "
TrafficPolicy shop/a {targetRefs: [{kind: Service, name: web, sectionName: tcp-admin}, {kind: Service, name: web}, {group: networking.istio.io, kind: Gateway, name: edge}], sessionAffinity: {cookie: {name: a}}}
TrafficPolicy shop/b {targetRefs: [{kind: Service, name: web}], sessionAffinity: {cookie: {name: b}}}
",
        findings: &[
            "warning RS231 TrafficPolicy/shop/a spec.targetRefs[0]: nobody reads requests at tcp-admin of Service web: its `sessionAffinity` keeps nobody (name the protocol of the port, by `appProtocol` or the beginning of its name)",
            "warning RS233 TrafficPolicy/shop/a spec.targetRefs[2]: no proxy calls Gateway edge: its `sessionAffinity` says nothing (attach it to the Services that the gateway calls)",
            "warning RS230 TrafficPolicy/shop/b spec.targetRefs[0]: TrafficPolicy/shop/a is the oldest with `sessionAffinity` for Service web, and acts alone there (merge the two, or remove one)",
        ],
    },
    Case {
        title: "instances are protected, and slow ones overtaken, where requests are read by whoever calls",
        mesh: "
TrafficPolicy shop/a {targetRefs: [{kind: Service, name: web, sectionName: tcp-admin}, {kind: Service, name: web}, {group: networking.istio.io, kind: Gateway, name: edge}], adaptiveConcurrency: {}, hedging: {delay: 50ms}}
TrafficPolicy shop/b {targetRefs: [{kind: Service, name: web}], adaptiveConcurrency: {maxConcurrency: 10}}
TrafficPolicy shop/c {targetRefs: [{kind: Service, name: web}], hedging: {percentile: 95}}
",
        findings: &[
            "warning RS231 TrafficPolicy/shop/a spec.targetRefs[0]: nobody reads requests at tcp-admin of Service web: its `adaptiveConcurrency` holds back nothing (name the protocol of the port, by `appProtocol` or the beginning of its name)",
            "warning RS231 TrafficPolicy/shop/a spec.targetRefs[0]: nobody reads requests at tcp-admin of Service web: its `hedging` sends nothing twice (name the protocol of the port, by `appProtocol` or the beginning of its name)",
            "warning RS233 TrafficPolicy/shop/a spec.targetRefs[2]: no proxy calls Gateway edge: its `adaptiveConcurrency` says nothing (attach it to the Services that the gateway calls)",
            "warning RS233 TrafficPolicy/shop/a spec.targetRefs[2]: no proxy calls Gateway edge: its `hedging` says nothing (attach it to the Services that the gateway calls)",
            "warning RS230 TrafficPolicy/shop/b spec.targetRefs[0]: TrafficPolicy/shop/a is the oldest with `adaptiveConcurrency` for Service web, and acts alone there (merge the two, or remove one)",
            "warning RS230 TrafficPolicy/shop/c spec.targetRefs[0]: TrafficPolicy/shop/a is the oldest with `hedging` for Service web, and acts alone there (merge the two, or remove one)",
        ],
    },
    Case {
        title: "what belongs to one endpoint goes to no other",
        mesh: "
TrafficPolicy shop/a {targetRefs: [{kind: Service, name: web, sectionName: http}], sessionAffinity: {cookie: {name: a}}, hedging: {delay: 50ms}}
",
        findings: &[
            "warning RS269 TrafficPolicy/shop/a spec.targetRefs[0]: requests of a session stay at one endpoint of http of Service web: `hedging` sends them once (choose one of the two)",
        ],
    },
    Case {
        title: "routes have names, and no endpoints",
        mesh: "
VirtualService shop/web {hosts: [web], http: [{name: api, match: [{uri: {prefix: /api}}], route: [{destination: {host: web}}]}, {route: [{destination: {host: web}}]}]}
VirtualService shop/raw {hosts: [raw.example], tcp: [{route: [{destination: {host: web, port: {number: 81}}}]}]}
TrafficPolicy shop/a {targetRefs: [{group: networking.istio.io, kind: VirtualService, name: web, sectionName: api}, {group: networking.istio.io, kind: VirtualService, name: web}], rateLimits: [{requests: 1}], retryBudget: {percent: 10}}
TrafficPolicy shop/b {targetRefs: [{group: networking.istio.io, kind: VirtualService, name: web, sectionName: aip}, {group: networking.istio.io, kind: VirtualService, name: wbe}], rateLimits: [{requests: 1}]}
TrafficPolicy shop/c {targetRefs: [{group: networking.istio.io, kind: VirtualService, name: web, sectionName: api}], loadBalancer: {peakEwma: {}}, sessionAffinity: {cookie: {name: a}}}
TrafficPolicy shop/d {targetRefs: [{group: networking.istio.io, kind: VirtualService, name: raw}], rateLimits: [{requests: 1}]}
",
        findings: &[
            "error IST0101 TrafficPolicy/shop/b spec.targetRefs[0].sectionName: VirtualService web has no route for HTTP of the name aip (they are: api)",
            "error IST0101 TrafficPolicy/shop/b spec.targetRefs[1].name: there is no VirtualService wbe in namespace shop (is it misspelt, or still to come?)",
            "warning RS233 TrafficPolicy/shop/c spec.targetRefs[0]: endpoints are not picked by api of VirtualService web: its `loadBalancer` says nothing (attach it to the Services or ServiceEntries that the routes lead to)",
            "warning RS233 TrafficPolicy/shop/c spec.targetRefs[0]: endpoints are not picked by api of VirtualService web: its `sessionAffinity` says nothing (attach it to the Services or ServiceEntries that the routes lead to)",
            "warning RS231 TrafficPolicy/shop/d spec.targetRefs[0]: nobody reads requests at VirtualService raw: its limits hold back nothing (it has routes for connections alone)",
        ],
    },
    Case {
        title: "routes of a delegate have the names by which they act",
        mesh: "
VirtualService shop/root {hosts: [web], http: [{name: root, match: [{uri: {prefix: /a}}], delegate: {name: leaf}}]}
VirtualService shop/leaf {http: [{name: api, route: [{destination: {host: web}}]}]}
VirtualService shop/idle {http: [{name: api, route: [{destination: {host: web}}]}]}
TrafficPolicy shop/a {targetRefs: [{group: networking.istio.io, kind: VirtualService, name: leaf}, {group: networking.istio.io, kind: VirtualService, name: leaf, sectionName: root-api}], rateLimits: [{requests: 1}]}
TrafficPolicy shop/b {targetRefs: [{group: networking.istio.io, kind: VirtualService, name: leaf, sectionName: api}], rateLimits: [{requests: 1}]}
TrafficPolicy shop/c {targetRefs: [{group: networking.istio.io, kind: VirtualService, name: idle, sectionName: api}], rateLimits: [{requests: 1}]}
",
        findings: &[
            "error IST0101 TrafficPolicy/shop/b spec.targetRefs[0].sectionName: VirtualService leaf has no route for HTTP of the name api (they are: root-api)",
        ],
    },
    Case {
        title: "connections are counted wherever they come, but not by routes",
        mesh: "
VirtualService shop/web {hosts: [web], http: [{name: api, route: [{destination: {host: web}}]}]}
TrafficPolicy shop/a {targetRefs: [{kind: Service, name: web, sectionName: tcp-admin}, {kind: Service, name: web}], rateLimits: [{connections: 1}], connectionLimits: [{connections: 1}]}
TrafficPolicy shop/b {targetRefs: [{kind: Service, name: web}], rateLimits: [{requests: 1}]}
TrafficPolicy shop/c {targetRefs: [{kind: Service, name: web}], rateLimits: [{connections: 2}], connectionLimits: [{connections: 2}]}
TrafficPolicy shop/d {targetRefs: [{group: networking.istio.io, kind: VirtualService, name: web}], connectionLimits: [{connections: 2}]}
TrafficPolicy shop/e {targetRefs: [{group: networking.istio.io, kind: Gateway, name: edge}], connectionLimits: [{connections: 2, per: {identity: {}}}]}
",
        findings: &[
            "warning RS230 TrafficPolicy/shop/c spec.targetRefs[0]: TrafficPolicy/shop/a is the oldest with `rateLimits[].connections` for Service web, and acts alone there (merge the two, or remove one)",
            "warning RS230 TrafficPolicy/shop/c spec.targetRefs[0]: TrafficPolicy/shop/a is the oldest with `connectionLimits` for Service web, and acts alone there (merge the two, or remove one)",
            "warning RS233 TrafficPolicy/shop/d spec.targetRefs[0]: connections come before VirtualService web is asked: its `connectionLimits` says nothing (attach it to the Services or Gateways that are called)",
            "warning RS232 TrafficPolicy/shop/e spec.connectionLimits[0].per.identity: clients of Gateway edge prove no identity: all of them count together (count by `sourceAddress`)",
        ],
    },
    Case {
        title: "limits that services count are limits of requests, too",
        mesh: "
TrafficPolicy shop/a {targetRefs: [{kind: Service, name: web}], rateLimits: [{requests: 1}]}
TrafficPolicy shop/b {targetRefs: [{kind: Service, name: web}], globalRateLimits: [{service: {host: limits, port: 8081}, domain: a, descriptors: [{entries: [{path: {}}]}]}]}
",
        findings: &[
            "warning RS230 TrafficPolicy/shop/b spec.targetRefs[0]: TrafficPolicy/shop/a is the oldest with `rateLimits` or `globalRateLimits` for Service web, and acts alone there (merge the two, or remove one)",
        ],
    },
    Case {
        title: "clients from outside prove no identity",
        mesh: "
TrafficPolicy shop/a {targetRefs: [{group: networking.istio.io, kind: Gateway, name: edge}], rateLimits: [{requests: 1}, {requests: 2, per: {identity: {}}}], globalRateLimits: [{service: {host: limits, port: 8081}, domain: a, descriptors: [{entries: [{identity: {}, default: b}]}, {entries: [{path: {}}, {identity: {}}]}]}]}
",
        findings: &[
            "warning RS232 TrafficPolicy/shop/a spec.rateLimits[1].per.identity: clients of Gateway edge prove no identity: all of them count together (count by `sourceAddress` or a `header`)",
            "warning RS232 TrafficPolicy/shop/a spec.globalRateLimits[0].descriptors[1].entries[1].identity: clients of Gateway edge prove no identity: the descriptor is never sent for it (count by `sourceAddress` or a `header`, or write a `default`)",
        ],
    },
];

#[test]
fn what_a_policy_is_attached_to_is_looked_at() {
    check(CODES, GROUND, CASES);
}
