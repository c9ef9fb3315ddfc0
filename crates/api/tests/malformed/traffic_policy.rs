//! `TrafficPolicy`.

use super::Row;

pub(crate) const ROWS: &[Row] = &[
    Row {
        title: "attached to nothing, and to what it cannot be attached to",
        file: "a.yaml",
        text: r"apiVersion: ripstop.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: a}
spec:
  rateLimits: [{requests: 1}]
---
apiVersion: ripstop.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: b}
spec:
  targetRefs: []
  rateLimits: [{requests: 1}]
---
apiVersion: ripstop.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: c}
spec:
  targetRefs:
  - {kind: Gateway, name: web}
  - {kind: Service, name: web, namespace: other}
  - {kind: Service, name: ''}
  rateLimits: [{requests: 1}]
",
        good: &[],
        broken: &["TrafficPolicy/default/a", "TrafficPolicy/default/b", "TrafficPolicy/default/c"],
        unreadable: false,
        findings: &[
            "a.yaml:5:3: error RS108 TrafficPolicy/default/a spec.targetRefs: `targetRefs` is missing",
            "a.yaml:11:15: error RS108 TrafficPolicy/default/b spec.targetRefs: `targetRefs` is empty (name what it is for)",
            r#"a.yaml:19:12: error RS110 TrafficPolicy/default/c spec.targetRefs[0].kind: a TrafficPolicy cannot be attached to `Gateway` of "" (attach it to a Service, or to a ServiceEntry, Gateway or VirtualService (networking.istio.io))"#,
            "a.yaml:20:43: error RS124 TrafficPolicy/default/c spec.targetRefs[1].namespace: a policy is attached within its own namespace, not to one of `other` (move the policy there, and remove `namespace`)",
            "a.yaml:21:27: error RS108 TrafficPolicy/default/c spec.targetRefs[2].name: `name` is empty",
        ],
    },
    Row {
        title: "it says nothing, or the same twice",
        file: "a.yaml",
        text: r"apiVersion: ripstop.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: a}
spec:
  targetRefs: [{kind: Service, name: web}]
---
apiVersion: ripstop.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: b}
spec:
  targetRefs:
  - {kind: Service, name: web}
  - {kind: Service, name: web}
  rateLimits:
  - {requests: 1, interval: 1m}
  - {requests: 2, interval: 1m}
  - {requests: 1, interval: 1m}
",
        good: &[],
        broken: &["TrafficPolicy/default/a", "TrafficPolicy/default/b"],
        unreadable: false,
        findings: &[
            "a.yaml:5:3: error RS108 TrafficPolicy/default/a spec: the policy says nothing (write `rateLimits`, `globalRateLimits`, `connectionLimits`, `loadBalancer`, `retryBudget`, `sessionAffinity`, `healthChecks`, `adaptiveConcurrency` or `hedging`)",
            "a.yaml:13:5: error RS117 TrafficPolicy/default/b spec.targetRefs[1]: it is there a second time (remove one of them)",
            "a.yaml:17:5: error RS117 TrafficPolicy/default/b spec.rateLimits[2]: it is there a second time (remove one of them)",
        ],
    },
    Row {
        title: "limits that no service can count",
        file: "a.yaml",
        text: r"apiVersion: ripstop.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: a}
spec:
  targetRefs: [{kind: Service, name: web}]
  globalRateLimits:
  - {domain: shop, descriptors: [{entries: [{path: {}}]}]}
  - {service: {host: limits, port: 0}, domain: '', descriptors: []}
  - {service: {host: limits, port: 1}, domain: a, timeout: 11s, hitsAddend: 0, status: 200, descriptors: [{entries: []}]}
  - {service: {host: limits, port: 1}, domain: a, failureMode: Maybe, descriptors: [{entries: [{}, {path: {}, method: {}}, {path: {}, default: a}, {constant: ''}]}]}
---
apiVersion: ripstop.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: b}
spec:
  targetRefs: [{kind: Service, name: web}]
  globalRateLimits:
  - {service: {host: limits.shop.svc.cluster.local, port: 8081}, domain: a, match: {methods: [GET]}, timeout: 1s, hitsAddend: 2, failureMode: Deny, status: 503, headers: false, dryRun: true, descriptors: [{entries: [{identity: {}, key: who}, {header: x-a, default: b}]}, {entries: [{constant: c}]}]}
",
        good: &["TrafficPolicy/default/b"],
        broken: &["TrafficPolicy/default/a"],
        unreadable: false,
        findings: &[
            "a.yaml:7:5: error RS108 TrafficPolicy/default/a spec.globalRateLimits[0].service: `service` is missing",
            "a.yaml:8:36: error RS109 TrafficPolicy/default/a spec.globalRateLimits[1].service.port: 0 is no port (write a number from 1 to 65535)",
            "a.yaml:8:48: error RS108 TrafficPolicy/default/a spec.globalRateLimits[1].domain: `domain` is empty",
            "a.yaml:8:65: error RS108 TrafficPolicy/default/a spec.globalRateLimits[1].descriptors: `descriptors` is empty (services of limits count by descriptors alone)",
            "a.yaml:9:60: error RS109 TrafficPolicy/default/a spec.globalRateLimits[2].timeout: `timeout` is too long, at most 10s are allowed (requests wait for it)",
            "a.yaml:9:77: error RS109 TrafficPolicy/default/a spec.globalRateLimits[2].hitsAddend: `hitsAddend` is out of range, 1 to 1000000 is allowed (leave it out for 1)",
            "a.yaml:9:88: error RS109 TrafficPolicy/default/a spec.globalRateLimits[2].status: 200 is no status of an error (write a number from 400 to 599)",
            "a.yaml:9:117: error RS108 TrafficPolicy/default/a spec.globalRateLimits[2].descriptors[0].entries: `entries` is empty (services of limits count by descriptors alone)",
            "a.yaml:10:64: error RS110 TrafficPolicy/default/a spec.globalRateLimits[3].failureMode: `Maybe` is none of `Allow`, `Deny`",
            "a.yaml:10:96: error RS108 TrafficPolicy/default/a spec.globalRateLimits[3].descriptors[0].entries[0]: the entry has no value (write one of `identity`, `header`, `path`, `method`, `host`, `sourceAddress`, `constant`, `destinationWorkload`, `destinationService`)",
            "a.yaml:10:119: error RS124 TrafficPolicy/default/a spec.globalRateLimits[3].descriptors[0].entries[1].method: `method` excludes `path` (keep one of them)",
            "a.yaml:10:144: error RS124 TrafficPolicy/default/a spec.globalRateLimits[3].descriptors[0].entries[2].default: `default` says nothing: there always is a `path` (remove it)",
            "a.yaml:10:159: error RS108 TrafficPolicy/default/a spec.globalRateLimits[3].descriptors[0].entries[3].constant: `constant` is empty (services of limits know no empty texts)",
        ],
    },
    Row {
        title: "budgets that make no sense",
        file: "a.yaml",
        text: r"apiVersion: ripstop.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: a}
spec:
  targetRefs: [{kind: Service, name: web}]
  retryBudget: {percent: 101, minConcurrency: 1, minRetriesPerSecond: 1000001}
",
        good: &[],
        broken: &["TrafficPolicy/default/a"],
        unreadable: false,
        findings: &[
            "a.yaml:6:26: error RS109 TrafficPolicy/default/a spec.retryBudget.percent: 101 is out of range, 0 to 100 is allowed (it is a share in per cent)",
            "a.yaml:6:71: error RS109 TrafficPolicy/default/a spec.retryBudget.minRetriesPerSecond: at most 1000000 retries a second can be counted",
            "a.yaml:6:71: error RS124 TrafficPolicy/default/a spec.retryBudget.minRetriesPerSecond: `minRetriesPerSecond` excludes `minConcurrency` (keep one of them)",
        ],
    },
    Row {
        title: "connections that make no sense",
        file: "a.yaml",
        text: r"apiVersion: ripstop.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: a}
spec:
  targetRefs: [{kind: Service, name: web}]
  connectionLimits:
  - {connections: 0}
  - {connections: 5}
  - {per: {}, connections: 1}
  - {per: {identity: {}, sourceAddress: {}}, connections: 1}
  - {per: {header: a}, connections: 1}
  - {per: {identity: {}}}
---
apiVersion: ripstop.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: b}
spec:
  targetRefs: [{kind: Service, name: web}]
  rateLimits: [{connections: 100, burst: 200, per: {sourceAddress: {}}, dryRun: true}]
  connectionLimits: [{connections: 5, per: {identity: {}}}, {connections: 50}]
",
        good: &["TrafficPolicy/default/b"],
        broken: &["TrafficPolicy/default/a"],
        unreadable: false,
        findings: &[
            "a.yaml:7:19: error RS109 TrafficPolicy/default/a spec.connectionLimits[0].connections: `connections` is 0, which lets nothing pass (an AuthorizationPolicy refuses everything)",
            "a.yaml:8:5: error RS117 TrafficPolicy/default/a spec.connectionLimits[1]: it is there a second time (remove one of them)",
            "a.yaml:9:11: error RS108 TrafficPolicy/default/a spec.connectionLimits[2].per: `per` names nothing (write `identity: {}` or `sourceAddress: {}`, or remove `per`)",
            "a.yaml:10:41: error RS124 TrafficPolicy/default/a spec.connectionLimits[3].per.sourceAddress: `sourceAddress` excludes `identity` (keep one of them)",
            "a.yaml:11:5: error RS117 TrafficPolicy/default/a spec.connectionLimits[4]: it is there a second time (remove one of them)",
            "a.yaml:11:11: error RS108 TrafficPolicy/default/a spec.connectionLimits[4].per: `per` names nothing (write `identity: {}` or `sourceAddress: {}`, or remove `per`)",
            "a.yaml:11:12: error RS107 TrafficPolicy/default/a spec.connectionLimits[4].per.header: there is no field `header` (its fields are `identity`, `sourceAddress`)",
            "a.yaml:12:5: error RS108 TrafficPolicy/default/a spec.connectionLimits[5].connections: `connections` is missing",
        ],
    },
    Row {
        title: "cookies that cannot be",
        file: "a.yaml",
        text: r"apiVersion: ripstop.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: a}
spec:
  targetRefs: [{kind: Service, name: web}]
  sessionAffinity: {}
---
apiVersion: ripstop.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: b}
spec:
  targetRefs: [{kind: Service, name: web}]
  sessionAffinity: {cookie: {name: 'a=b', path: '/a; Domain=evil', ttl: 9601h}}
---
apiVersion: ripstop.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: c}
spec:
  targetRefs: [{kind: Service, name: web}]
  sessionAffinity: {cookie: {path: a, ttl: 1500ms}}
---
apiVersion: ripstop.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: d}
spec:
  targetRefs: [{kind: Service, name: web}]
  sessionAffinity: {cookie: {name: a, path: /b, ttl: 9600h}}
",
        good: &["TrafficPolicy/default/d"],
        broken: &["TrafficPolicy/default/a", "TrafficPolicy/default/b", "TrafficPolicy/default/c"],
        unreadable: false,
        findings: &[
            "a.yaml:6:20: error RS108 TrafficPolicy/default/a spec.sessionAffinity.cookie: `cookie` is missing",
            "a.yaml:13:36: error RS111 TrafficPolicy/default/b spec.sessionAffinity.cookie.name: `a=b` is not a cookie: `=` is not allowed, only letters, digits and some signs such as `-` and `_`",
            "a.yaml:13:49: error RS111 TrafficPolicy/default/b spec.sessionAffinity.cookie.path: `/a; Domain=evil` is no path of a cookie (it begins with `/`, and has neither `;` nor anything but ASCII in it)",
            "a.yaml:13:73: error RS109 TrafficPolicy/default/b spec.sessionAffinity.cookie.ttl: `ttl` is too long, at most 9600h are allowed (browsers keep none for longer)",
            "a.yaml:20:29: error RS108 TrafficPolicy/default/c spec.sessionAffinity.cookie.name: `name` is missing",
            "a.yaml:20:36: error RS111 TrafficPolicy/default/c spec.sessionAffinity.cookie.path: `a` is no path of a cookie (it begins with `/`, and has neither `;` nor anything but ASCII in it)",
            "a.yaml:20:44: error RS129 TrafficPolicy/default/c spec.sessionAffinity.cookie.ttl: `ttl` is no number of whole seconds (cookies know no parts)",
        ],
    },
    Row {
        title: "numbers that make no sense",
        file: "a.yaml",
        text: r"apiVersion: ripstop.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: a}
spec:
  targetRefs: [{kind: Service, name: web}]
  rateLimits:
  - {requests: 0, burst: 0}
  - {requests: 1, interval: 999us}
  - {requests: 1, interval: 25h}
  - {requests: 1000001}
  - {requests: 1, status: 200}
  - {interval: 1s}
  - {requests: 1, connections: 5}
  - {connections: 0, status: 429, per: {path: {}}, match: {methods: [GET]}}
",
        good: &[],
        broken: &["TrafficPolicy/default/a"],
        unreadable: false,
        findings: &[
            "a.yaml:7:16: error RS109 TrafficPolicy/default/a spec.rateLimits[0].requests: `requests` is 0, which lets nothing pass (an AuthorizationPolicy refuses everything)",
            "a.yaml:7:26: error RS109 TrafficPolicy/default/a spec.rateLimits[0].burst: `burst` is 0, which lets nothing pass (an AuthorizationPolicy refuses everything)",
            "a.yaml:8:29: error RS109 TrafficPolicy/default/a spec.rateLimits[1].interval: `interval` is too short, at least 1ms is needed",
            "a.yaml:9:29: error RS109 TrafficPolicy/default/a spec.rateLimits[2].interval: `interval` is too long, at most 24h are allowed",
            "a.yaml:10:16: error RS109 TrafficPolicy/default/a spec.rateLimits[3].requests: 1000001 requests in 1s are too many to be counted (at most 1000000 a second are allowed)",
            "a.yaml:11:27: error RS109 TrafficPolicy/default/a spec.rateLimits[4].status: 200 is no status of an error (write a number from 400 to 599)",
            "a.yaml:12:5: error RS108 TrafficPolicy/default/a spec.rateLimits[5]: `requests` is missing (write `requests` or `connections`)",
            "a.yaml:13:32: error RS124 TrafficPolicy/default/a spec.rateLimits[6].connections: `connections` excludes `requests` (keep one of them)",
            "a.yaml:14:19: error RS109 TrafficPolicy/default/a spec.rateLimits[7].connections: `connections` is 0, which lets nothing pass (an AuthorizationPolicy refuses everything)",
            "a.yaml:14:30: error RS124 TrafficPolicy/default/a spec.rateLimits[7].status: connections have no `status` (limit `requests`, or remove it)",
            "a.yaml:14:47: error RS124 TrafficPolicy/default/a spec.rateLimits[7].per.path: connections have no `path` (limit `requests`, or remove it)",
            "a.yaml:14:59: error RS124 TrafficPolicy/default/a spec.rateLimits[7].match: connections have no `match` (limit `requests`, or remove it)",
        ],
    },
    Row {
        title: "how endpoints are picked",
        file: "a.yaml",
        text: r"apiVersion: ripstop.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: a}
spec:
  targetRefs: [{kind: Service, name: web}]
  loadBalancer: {}
---
apiVersion: ripstop.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: b}
spec:
  targetRefs: [{kind: Service, name: web}]
  loadBalancer: {simple: RANDOM, peakEwma: {decay: 99ms, defaultRtt: 61m, penalty: 1}}
---
apiVersion: ripstop.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: c}
spec:
  targetRefs: [{kind: Service, name: web}]
  loadBalancer: {peakEwma: {decay: 1m, defaultRtt: 0s, penalty: 1h}}
",
        good: &["TrafficPolicy/default/c"],
        broken: &["TrafficPolicy/default/a", "TrafficPolicy/default/b"],
        unreadable: false,
        findings: &[
            "a.yaml:6:17: error RS108 TrafficPolicy/default/a spec.loadBalancer.peakEwma: `peakEwma` is missing",
            "a.yaml:13:18: error RS107 TrafficPolicy/default/b spec.loadBalancer.simple: there is no field `simple` (its fields are `peakEwma`)",
            "a.yaml:13:52: error RS109 TrafficPolicy/default/b spec.loadBalancer.peakEwma.decay: `decay` is too short, at least 100ms is needed",
            "a.yaml:13:70: error RS109 TrafficPolicy/default/b spec.loadBalancer.peakEwma.defaultRtt: `defaultRtt` is too long, at most 1h are allowed",
            "a.yaml:13:84: error RS106 TrafficPolicy/default/b spec.loadBalancer.peakEwma.penalty: a duration is expected, the number 1 was found (add a unit: `1s`)",
        ],
    },
    Row {
        title: "how endpoints are checked",
        file: "a.yaml",
        text: r"apiVersion: ripstop.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: a}
spec:
  targetRefs: [{kind: Service, name: web}]
  healthChecks: {interval: 99ms, timeout: 61s, jitter: 2h}
---
apiVersion: ripstop.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: b}
spec:
  targetRefs: [{kind: Service, name: web}]
  healthChecks: {http: {}, tcp: {send: ''}, healthyThreshold: 0, unhealthyThreshold: 101}
---
apiVersion: ripstop.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: c}
spec:
  targetRefs: [{kind: Service, name: web}]
  healthChecks: {http: {path: healthz, host: 'a b', method: CONNECT, expectedStatuses: [200, 101]}}
---
apiVersion: ripstop.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: d}
spec:
  targetRefs: [{kind: Service, name: web}]
  healthChecks: {http: {path: '/a b', method: 'G T'}, interval: 1}
---
apiVersion: ripstop.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: e}
spec:
  targetRefs: [{kind: Service, name: web}]
  healthChecks: {grpc: {service: shop.Cart}, interval: 1s, timeout: 500ms, jitter: 0s, healthyThreshold: 1}
",
        good: &["TrafficPolicy/default/e"],
        broken: &[
            "TrafficPolicy/default/a",
            "TrafficPolicy/default/b",
            "TrafficPolicy/default/c",
            "TrafficPolicy/default/d",
        ],
        unreadable: false,
        findings: &[
            "a.yaml:6:17: error RS108 TrafficPolicy/default/a spec.healthChecks: `healthChecks` does not say how it is checked (write `http: {path: /healthz}`, `grpc: {}` or `tcp: {}`)",
            "a.yaml:6:28: error RS109 TrafficPolicy/default/a spec.healthChecks.interval: `interval` is too short, at least 100ms is needed",
            "a.yaml:6:43: error RS109 TrafficPolicy/default/a spec.healthChecks.timeout: `timeout` is too long, at most 60s are allowed",
            "a.yaml:6:56: error RS109 TrafficPolicy/default/a spec.healthChecks.jitter: `jitter` is too long, at most 3600s are allowed",
            "a.yaml:13:24: error RS108 TrafficPolicy/default/b spec.healthChecks.http.path: `path` is missing",
            "a.yaml:13:33: error RS124 TrafficPolicy/default/b spec.healthChecks.tcp: `tcp` excludes `http` (keep one of them)",
            "a.yaml:13:40: error RS108 TrafficPolicy/default/b spec.healthChecks.tcp.send: `send` is empty",
            "a.yaml:13:63: error RS109 TrafficPolicy/default/b spec.healthChecks.healthyThreshold: 0 is out of range, 1 to 100 is allowed",
            "a.yaml:13:86: error RS109 TrafficPolicy/default/b spec.healthChecks.unhealthyThreshold: 101 is out of range, 1 to 100 is allowed",
            "a.yaml:20:31: error RS111 TrafficPolicy/default/c spec.healthChecks.http.path: `healthz` is no path (paths begin with `/`)",
            "a.yaml:20:46: error RS111 TrafficPolicy/default/c spec.healthChecks.http.host: ` ` cannot stand in a request's head (write it percent-encoded)",
            "a.yaml:20:61: error RS110 TrafficPolicy/default/c spec.healthChecks.http.method: CONNECT asks for a tunnel (write `GET` or `HEAD`)",
            "a.yaml:20:94: error RS109 TrafficPolicy/default/c spec.healthChecks.http.expectedStatuses[1]: 101 is no status of an answer (write numbers from 200 to 599)",
            "a.yaml:27:31: error RS111 TrafficPolicy/default/d spec.healthChecks.http.path: ` ` cannot stand in a request's head (write it percent-encoded)",
            "a.yaml:27:47: error RS111 TrafficPolicy/default/d spec.healthChecks.http.method: `G T` is not a method: ` ` is not allowed, only letters, digits and some signs such as `-` and `_`",
            "a.yaml:27:65: error RS106 TrafficPolicy/default/d spec.healthChecks.interval: a duration is expected, the number 1 was found (add a unit: `1s`)",
        ],
    },
    Row {
        title: "how many requests an instance gets",
        file: "a.yaml",
        text: r"apiVersion: ripstop.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: a}
spec:
  targetRefs: [{kind: Service, name: web}]
  adaptiveConcurrency: {percentile: 0, updateInterval: 9ms, minConcurrency: 0, maxConcurrency: 2, buffer: 101}
---
apiVersion: ripstop.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: b}
spec:
  targetRefs: [{kind: Service, name: web}]
  adaptiveConcurrency: {minConcurrency: 5, maxConcurrency: 4, minRtt: {interval: 1s, fixed: 1us, jitter: -1, requests: 0}}
---
apiVersion: ripstop.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: c}
spec:
  targetRefs: [{kind: Service, name: web}]
  adaptiveConcurrency: {}
",
        good: &["TrafficPolicy/default/c"],
        broken: &["TrafficPolicy/default/a", "TrafficPolicy/default/b"],
        unreadable: false,
        findings: &[
            "a.yaml:6:37: error RS109 TrafficPolicy/default/a spec.adaptiveConcurrency.percentile: `percentile` is 0, which no latency is below (write 50 for the median)",
            "a.yaml:6:56: error RS109 TrafficPolicy/default/a spec.adaptiveConcurrency.updateInterval: `updateInterval` is too short, at least 10ms is needed",
            "a.yaml:6:77: error RS109 TrafficPolicy/default/a spec.adaptiveConcurrency.minConcurrency: 0 is out of range, 1 to 1000000 is allowed",
            "a.yaml:6:107: error RS109 TrafficPolicy/default/a spec.adaptiveConcurrency.buffer: 101 is out of range, 0 to 100 is allowed (it is in per cent)",
            "a.yaml:13:60: error RS124 TrafficPolicy/default/b spec.adaptiveConcurrency.maxConcurrency: `minConcurrency`, 5, is above `maxConcurrency`, 4 (lower one of them, or raise the other)",
            "a.yaml:13:82: error RS124 TrafficPolicy/default/b spec.adaptiveConcurrency.minRtt.interval: `interval` is of measurements, and with `fixed` there are none (remove one of them)",
            "a.yaml:13:93: error RS109 TrafficPolicy/default/b spec.adaptiveConcurrency.minRtt.fixed: `fixed` is too short, at least 10µs is needed",
            "a.yaml:13:106: error RS109 TrafficPolicy/default/b spec.adaptiveConcurrency.minRtt.jitter: -1 is out of range, 0 to 100 is allowed (it is in per cent)",
            "a.yaml:13:106: error RS124 TrafficPolicy/default/b spec.adaptiveConcurrency.minRtt.jitter: `jitter` is of measurements, and with `fixed` there are none (remove one of them)",
            "a.yaml:13:120: error RS109 TrafficPolicy/default/b spec.adaptiveConcurrency.minRtt.requests: 0 is out of range, 1 to 100000 is allowed",
            "a.yaml:13:120: error RS124 TrafficPolicy/default/b spec.adaptiveConcurrency.minRtt.requests: `requests` is of measurements, and with `fixed` there are none (remove one of them)",
        ],
    },
    Row {
        title: "when a request is sent once more",
        file: "a.yaml",
        text: r"apiVersion: ripstop.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: a}
spec:
  targetRefs: [{kind: Service, name: web}]
  hedging: {maxAttempts: 4, methods: [CONNECT, 'G T']}
---
apiVersion: ripstop.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: b}
spec:
  targetRefs: [{kind: Service, name: web}]
  hedging: {delay: 2m, minDelay: 1us, percentile: 49}
---
apiVersion: ripstop.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: c}
spec:
  targetRefs: [{kind: Service, name: web}]
  hedging: {percentile: 95, minDelay: 5ms, maxAttempts: 3, methods: [GET, PUT]}
",
        good: &["TrafficPolicy/default/c"],
        broken: &["TrafficPolicy/default/a", "TrafficPolicy/default/b"],
        unreadable: false,
        findings: &[
            "a.yaml:6:12: error RS108 TrafficPolicy/default/a spec.hedging: `hedging` does not say when (write `delay: 100ms` or `percentile: 95`)",
            "a.yaml:6:26: error RS109 TrafficPolicy/default/a spec.hedging.maxAttempts: 4 is out of range, 2 to 3 is allowed (the first one counts)",
            "a.yaml:6:39: error RS110 TrafficPolicy/default/a spec.hedging.methods[0]: CONNECT asks for a tunnel (remove it)",
            "a.yaml:6:48: error RS111 TrafficPolicy/default/a spec.hedging.methods[1]: `G T` is not a method: ` ` is not allowed, only letters, digits and some signs such as `-` and `_`",
            "a.yaml:13:20: error RS109 TrafficPolicy/default/b spec.hedging.delay: `delay` is too long, at most 60s are allowed",
            "a.yaml:13:34: error RS109 TrafficPolicy/default/b spec.hedging.minDelay: `minDelay` is too short, at least 1ms is needed",
            "a.yaml:13:34: error RS124 TrafficPolicy/default/b spec.hedging.minDelay: `minDelay` is of `percentile`, and with `delay` there is none (remove one of them)",
            "a.yaml:13:51: error RS109 TrafficPolicy/default/b spec.hedging.percentile: 49 is out of range, 50 to less than 100 is allowed (of so many requests in a hundred there is no second attempt)",
            "a.yaml:13:51: error RS124 TrafficPolicy/default/b spec.hedging.percentile: `percentile` excludes `delay` (keep one of them)",
        ],
    },
    Row {
        title: "what requests have in common, and which are meant",
        file: "a.yaml",
        text: r"apiVersion: ripstop.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: a}
spec:
  targetRefs: [{kind: Service, name: web}]
  rateLimits:
  - {requests: 1, per: {}}
  - {requests: 1, per: {identity: {}, path: {}}}
  - {requests: 1, per: {header: 'x user'}}
  - {requests: 1, match: {}}
  - {requests: 1, match: {path: {}}}
  - {requests: 1, match: {path: {prefix: a}}}
  - {requests: 1, match: {path: {exact: /a, prefix: /b}, methods: ['G T']}}
  - {requests: 1, match: {headers: {'x user': {}, y: {prefix: ''}}}}
",
        good: &[],
        broken: &["TrafficPolicy/default/a"],
        unreadable: false,
        findings: &[
            "a.yaml:7:24: error RS108 TrafficPolicy/default/a spec.rateLimits[0].per: `per` names nothing (write `identity: {}`, `header: NAME`, `path: {}` or `sourceAddress: {}`, or remove `per`)",
            "a.yaml:8:45: error RS124 TrafficPolicy/default/a spec.rateLimits[1].per.path: `path` excludes `identity` (keep one of them)",
            "a.yaml:9:33: error RS111 TrafficPolicy/default/a spec.rateLimits[2].per.header: `x user` is not a header: ` ` is not allowed, only letters, digits and some signs such as `-` and `_` (for example `x-user`)",
            "a.yaml:10:26: error RS108 TrafficPolicy/default/a spec.rateLimits[3].match: `match` names nothing (write `path`, `methods` or `headers`, or remove `match`)",
            "a.yaml:11:33: error RS108 TrafficPolicy/default/a spec.rateLimits[4].match.path: `path` names nothing (write `exact` or `prefix`)",
            "a.yaml:12:42: error RS111 TrafficPolicy/default/a spec.rateLimits[5].match.path.prefix: `a` is no beginning of a path (paths begin with `/`)",
            "a.yaml:13:53: error RS124 TrafficPolicy/default/a spec.rateLimits[6].match.path.prefix: `prefix` excludes `exact` (keep one of them)",
            "a.yaml:13:68: error RS111 TrafficPolicy/default/a spec.rateLimits[6].match.methods[0]: `G T` is not a method: ` ` is not allowed, only letters, digits and some signs such as `-` and `_`",
            "a.yaml:14:37: error RS111 TrafficPolicy/default/a spec.rateLimits[7].match.headers: `x user` is not a header: ` ` is not allowed, only letters, digits and some signs such as `-` and `_`",
            "a.yaml:14:63: error RS108 TrafficPolicy/default/a spec.rateLimits[7].match.headers.y.prefix: `prefix` is empty (write `{}` for any value that is there)",
        ],
    },
];
