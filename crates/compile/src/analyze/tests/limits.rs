//! What limits of requests of TrafficPolicies say.

use super::{Case, check};

const CODES: &[&str] = &["RS238", "RS268"];

const GROUND: &str = "
Service shop/web {selector: {app: web}, ports: [{name: http, port: 80}]}
Service shop/limits {selector: {app: limits}, ports: [{name: grpc, port: 8081}]}
Gateway shop/edge {selector: {app: edge}, servers: [{name: web, port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}
";

const CASES: &[Case] = &[
    Case {
        title: "each has something to refuse",
        mesh: "
TrafficPolicy shop/a {targetRefs: [{kind: Service, name: web}], rateLimits: [{requests: 10, interval: 1s}, {requests: 100, interval: 1m, burst: 20}, {requests: 5, per: {identity: {}}}, {requests: 20, match: {methods: [GET], path: {prefix: /a..b/.c}}}, {connections: 5}, {requests: 1, interval: 1h, dryRun: true}], connectionLimits: [{connections: 5}, {connections: 4, per: {identity: {}}}], globalRateLimits: [{service: {host: limits, port: 8081}, domain: shop, descriptors: [{entries: [{destinationWorkload: {}}]}]}]}
",
        findings: &[],
    },
    Case {
        title: "a stricter one stands beside it",
        mesh: "
TrafficPolicy shop/a {targetRefs: [{kind: Service, name: web}], rateLimits: [{requests: 100, interval: 1m}, {requests: 100, interval: 1s}, {requests: 200, interval: 2m, burst: 100, status: 503}, {connections: 9}, {connections: 8}], connectionLimits: [{connections: 5}, {connections: 5, per: {identity: {}}}]}
",
        findings: &[
            "warning RS238 TrafficPolicy/shop/a spec.rateLimits[1]: `spec.rateLimits[0]` refuses all that it would refuse: it never refuses anything itself (remove one of them, or count otherwise)",
            "warning RS238 TrafficPolicy/shop/a spec.rateLimits[2]: `spec.rateLimits[0]` refuses all that it would refuse: it never refuses anything itself (remove one of them, or count otherwise)",
            "warning RS238 TrafficPolicy/shop/a spec.rateLimits[3]: `spec.rateLimits[4]` refuses all that it would refuse: it never refuses anything itself (remove one of them, or count otherwise)",
            "warning RS238 TrafficPolicy/shop/a spec.connectionLimits[1]: `spec.connectionLimits[0]` refuses all that it would refuse: it never refuses anything itself (remove one of them, or count otherwise)",
        ],
    },
    Case {
        title: "no request is like that",
        mesh: "
TrafficPolicy shop/a {targetRefs: [{kind: Service, name: web}], rateLimits: [{requests: 1, match: {path: {exact: '/a?b=c'}}}, {requests: 1, match: {path: {prefix: /a/../b}, methods: [GET, post]}}]}
TrafficPolicy shop/b {targetRefs: [{group: networking.istio.io, kind: Gateway, name: edge}], globalRateLimits: [{service: {host: limits, port: 8081}, domain: shop, descriptors: [{entries: [{path: {}}, {destinationWorkload: {}}]}, {entries: [{destinationWorkload: {}, default: edge}]}]}]}
",
        findings: &[
            "warning RS238 TrafficPolicy/shop/a spec.rateLimits[0].match.path.exact: no path is or begins like \"/a?b=c\": the limit never refuses anything (paths are compared without query, and without `.` and `..`)",
            "warning RS238 TrafficPolicy/shop/a spec.rateLimits[1].match.path.prefix: no path is or begins like \"/a/../b\": the limit never refuses anything (paths are compared without query, and without `.` and `..`)",
            "warning RS238 TrafficPolicy/shop/a spec.rateLimits[1].match.methods[1]: no request has the method \"post\": case counts (write POST)",
            "warning RS238 TrafficPolicy/shop/b spec.globalRateLimits[0].descriptors[0].entries[1]: which workload is called is known only where requests of a Service are counted: the descriptor is never sent (write `destinationService`, or a `default`)",
        ],
    },
    Case {
        title: "the service of limits is not there",
        mesh: "
TrafficPolicy shop/a {targetRefs: [{kind: Service, name: web}], globalRateLimits: [{service: {host: limit, port: 8081}, domain: shop, descriptors: [{entries: [{path: {}}]}]}, {service: {host: limits, port: 8082}, domain: shop, failureMode: Deny, descriptors: [{entries: [{path: {}}]}]}]}
",
        findings: &[
            "warning RS268 TrafficPolicy/shop/a spec.globalRateLimits[0].service.host: no Service and no ServiceEntry has the host limit.shop.svc.cluster.local: its limits refuse nothing (did you mean \"limits\"?)",
            "warning RS268 TrafficPolicy/shop/a spec.globalRateLimits[1].service.port: the host limits.shop.svc.cluster.local has no port 8082: requests are refused (its ports: 8081)",
        ],
    },
];

#[test]
fn limits_that_can_refuse_nothing_are_told() {
    check(CODES, GROUND, CASES);
}
