//! `DestinationRule`s.

use super::Row;

pub(crate) const ROWS: &[Row] = &[
    Row {
        title: "no host, and fields that do not exist",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  hosts: [reviews]
  trafficPolicies: {}
",
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:7:3: error RS107 DestinationRule/shop/reviews spec.hosts: there is no field `hosts` (did you mean `host`?)",
            "a.yaml:7:3: error RS108 DestinationRule/shop/reviews spec.host: `host` is missing",
            "a.yaml:8:3: error RS107 DestinationRule/shop/reviews spec.trafficPolicies: there is no field `trafficPolicies` (did you mean `trafficPolicy`?)",
        ],
    },
    Row {
        title: "a host that is none",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: "reviews:9080"
"#,
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:7:9: error RS128 DestinationRule/shop/reviews spec.host: `reviews:9080` is not a host: it has a port (write the host alone; ports have a field of their own)",
        ],
    },
    Row {
        title: "an address has no rule",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: 10.1.2.3
",
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:7:9: error RS128 DestinationRule/shop/reviews spec.host: `10.1.2.3` is an address, not the name of a service (name the service, or the host of a `ServiceEntry` that has the address)",
        ],
    },
    Row {
        title: "a wildcard within a name",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: "rev*.shop.svc.cluster.local"
"#,
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:7:9: error RS128 DestinationRule/shop/reviews spec.host: `rev*.shop.svc.cluster.local` is not a host: `*` stands only for whole labels at the beginning (write it like `*.example.com`)",
        ],
    },
    Row {
        title: "subsets without name, with names that are none and with one name twice",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: reviews
  subsets:
  - labels: {version: v1}
  - name: v 2
    labels: {version: v2}
  - name: v_3
  - name: ""
  - name: v4
  - name: V5
  - name: v4
    labels: {version: "*"}
"#,
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:9:5: error RS108 DestinationRule/shop/reviews spec.subsets[0].name: `name` is missing",
            "a.yaml:10:11: error RS111 DestinationRule/shop/reviews spec.subsets[1].name: `v 2` is not the name of a subset: ` ` is not allowed, only lower-case letters, digits and `-`",
            "a.yaml:12:11: error RS111 DestinationRule/shop/reviews spec.subsets[2].name: `v_3` is not the name of a subset: `_` is not allowed, only lower-case letters, digits and `-`",
            "a.yaml:13:11: error RS111 DestinationRule/shop/reviews spec.subsets[3].name: \"\" is not the name of a subset: it is empty",
            "a.yaml:16:11: error RS117 DestinationRule/shop/reviews spec.subsets[6].name: two subsets are named `v4` (rename one of them)",
            "a.yaml:17:23: error RS112 DestinationRule/shop/reviews spec.subsets[6].labels.version: `*` is not the value of a label: selectors compare whole values, without wildcards",
        ],
    },
    Row {
        title: "exportTo names everybody and others, and its own namespace twice",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: reviews
  exportTo: ["*", ".", shop, Bank]
"#,
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:8:14: error RS124 DestinationRule/shop/reviews spec.exportTo[0]: `*` excludes all others (remove it, or keep nothing but `*`)",
            "a.yaml:8:24: error RS117 DestinationRule/shop/reviews spec.exportTo[2]: `shop` is given twice (keep one of them)",
            "a.yaml:8:30: error RS111 DestinationRule/shop/reviews spec.exportTo[3]: `Bank` is neither `.`, `*` nor a namespace: it must begin and end with a lower-case letter or digit",
        ],
    },
    Row {
        title: "exportTo hides no rule",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: reviews
  exportTo: ["~"]
"#,
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:8:14: error RS129 DestinationRule/shop/reviews spec.exportTo[0]: `~` hides services, not this kind (write `.` for its own namespace only)",
        ],
    },
    Row {
        title: "a rule for some callers stays in its own namespace",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: reviews
  workloadSelector:
    matchLabels: {app: productpage}
  exportTo: [shop, bank]
",
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:10:20: error RS124 DestinationRule/shop/reviews spec.exportTo[1]: a rule with `workloadSelector` cannot be exported to `bank` (write `.`, or remove `workloadSelector`)",
        ],
    },
    Row {
        title: "a workload selector is spelled as in policies",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: reviews
  workloadSelector:
    labels: {app: productpage}
",
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:9:5: error RS107 DestinationRule/shop/reviews spec.workloadSelector.labels: there is no field `labels` (its fields are `matchLabels`)",
        ],
    },
    Row {
        title: "a policy that says nothing",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: reviews
  trafficPolicy: {}
  subsets:
  - name: v1
    trafficPolicy: {}
",
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:8:18: error RS108 DestinationRule/shop/reviews spec.trafficPolicy: `trafficPolicy` is empty (give one of `loadBalancer`, `connectionPool`, `outlierDetection`, `tls`, `portLevelSettings`, `tunnel`, `proxyProtocol`, `retryBudget`, or remove it)",
            "a.yaml:11:20: error RS108 DestinationRule/shop/reviews spec.subsets[0].trafficPolicy: `trafficPolicy` is empty (give one of `loadBalancer`, `connectionPool`, `outlierDetection`, `tls`, `portLevelSettings`, `tunnel`, `proxyProtocol`, `retryBudget`, or remove it)",
        ],
    },
    Row {
        title: "two algorithms",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: reviews
  trafficPolicy:
    loadBalancer:
      simple: RANDOM
      consistentHash:
        useSourceIp: true
",
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:12:9: error RS124 DestinationRule/shop/reviews spec.trafficPolicy.loadBalancer.consistentHash: `consistentHash` excludes `simple` (keep one of them)",
        ],
    },
    Row {
        title: "an algorithm that does not exist, and an older one",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: reviews
  trafficPolicy:
    loadBalancer:
      simple: LEAST_REQUESTS
      warmup: {duration: 10s}
  subsets:
  - name: v1
    trafficPolicy:
      loadBalancer:
        simple: LEAST_CONN
",
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:10:15: error RS110 DestinationRule/shop/reviews spec.trafficPolicy.loadBalancer.simple: `LEAST_REQUESTS` is none of `UNSPECIFIED`, `RANDOM`, `PASSTHROUGH`, `ROUND_ROBIN`, `LEAST_REQUEST` (did you mean `LEAST_REQUEST`?)",
            "a.yaml:16:17: info RS16 DestinationRule/shop/reviews spec.subsets[0].trafficPolicy.loadBalancer.simple: `LEAST_CONN` is an older spelling (write `LEAST_REQUEST`)",
        ],
    },
    Row {
        title: "a hash without a key, with two, and with keys that are empty",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: reviews
  trafficPolicy:
    loadBalancer:
      consistentHash:
        ringHash: {minimumRingSize: 2048}
  subsets:
  - name: v1
    trafficPolicy:
      loadBalancer:
        consistentHash:
          httpHeaderName: x-user
          httpCookie: {name: user}
  - name: v2
    trafficPolicy:
      loadBalancer:
        consistentHash:
          useSourceIp: false
  - name: v3
    trafficPolicy:
      loadBalancer:
        consistentHash:
          httpHeaderName: ""
"#,
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:11:9: error RS108 DestinationRule/shop/reviews spec.trafficPolicy.loadBalancer.consistentHash: `consistentHash` has no key (give one of `httpHeaderName`, `httpCookie`, `useSourceIp: true`, `httpQueryParameterName`)",
            "a.yaml:18:23: error RS124 DestinationRule/shop/reviews spec.subsets[0].trafficPolicy.loadBalancer.consistentHash.httpCookie: `httpCookie` excludes `httpHeaderName` (keep one of them)",
            "a.yaml:23:11: error RS108 DestinationRule/shop/reviews spec.subsets[1].trafficPolicy.loadBalancer.consistentHash: `consistentHash` has no key (give one of `httpHeaderName`, `httpCookie`, `useSourceIp: true`, `httpQueryParameterName`)",
            "a.yaml:28:27: error RS108 DestinationRule/shop/reviews spec.subsets[2].trafficPolicy.loadBalancer.consistentHash.httpHeaderName: `httpHeaderName` is empty",
        ],
    },
    Row {
        title: "a cookie without name, and with attributes without name",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: reviews
  trafficPolicy:
    loadBalancer:
      consistentHash:
        httpCookie:
          path: /
          ttl: 5
          attributes:
          - value: Strict
          - name: ""
"#,
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:12:11: error RS108 DestinationRule/shop/reviews spec.trafficPolicy.loadBalancer.consistentHash.httpCookie.name: `name` is missing",
            "a.yaml:13:16: error RS106 DestinationRule/shop/reviews spec.trafficPolicy.loadBalancer.consistentHash.httpCookie.ttl: a duration is expected, the number 5 was found (add a unit: `5s`)",
            "a.yaml:15:13: error RS108 DestinationRule/shop/reviews spec.trafficPolicy.loadBalancer.consistentHash.httpCookie.attributes[0].name: `name` is missing",
            "a.yaml:16:19: error RS108 DestinationRule/shop/reviews spec.trafficPolicy.loadBalancer.consistentHash.httpCookie.attributes[1].name: `name` is empty",
        ],
    },
    Row {
        title: "two hash algorithms, and the older field beside one",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: reviews
  trafficPolicy:
    loadBalancer:
      consistentHash:
        useSourceIp: true
        ringHash: {}
        maglev: {}
  subsets:
  - name: v1
    trafficPolicy:
      loadBalancer:
        consistentHash:
          useSourceIp: true
          minimumRingSize: 4096
          maglev: {tableSize: 65537}
",
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:13:17: error RS124 DestinationRule/shop/reviews spec.trafficPolicy.loadBalancer.consistentHash.maglev: `maglev` excludes `ringHash` (keep one of them)",
            "a.yaml:20:28: error RS124 DestinationRule/shop/reviews spec.subsets[0].trafficPolicy.loadBalancer.consistentHash.minimumRingSize: `minimumRingSize` excludes `maglev` (keep one of them)",
            "a.yaml:20:28: info RS16 DestinationRule/shop/reviews spec.subsets[0].trafficPolicy.loadBalancer.consistentHash.minimumRingSize: `minimumRingSize` is an older spelling (write `ringHash.minimumRingSize`)",
        ],
    },
    Row {
        title: "the older field of the ring alone acts",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: reviews
  trafficPolicy:
    loadBalancer:
      consistentHash:
        httpQueryParameterName: user
        minimumRingSize: 4096
",
        good: &["DestinationRule/shop/reviews"],
        broken: &[],
        unreadable: false,
        findings: &[
            "a.yaml:12:26: info RS16 DestinationRule/shop/reviews spec.trafficPolicy.loadBalancer.consistentHash.minimumRingSize: `minimumRingSize` is an older spelling (write `ringHash.minimumRingSize`)",
        ],
    },
    Row {
        title: "Maglev tables that are no primes or too large",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: reviews
  trafficPolicy:
    loadBalancer:
      consistentHash:
        useSourceIp: true
        maglev: {tableSize: 65536}
  subsets:
  - name: v1
    trafficPolicy:
      loadBalancer:
        consistentHash:
          useSourceIp: true
          maglev: {tableSize: 5000012}
  - name: v2
    trafficPolicy:
      loadBalancer:
        consistentHash:
          useSourceIp: true
          maglev: {tableSize: 0}
",
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:12:29: error RS129 DestinationRule/shop/reviews spec.trafficPolicy.loadBalancer.consistentHash.maglev.tableSize: 65536 is not a prime (the next one is 65537)",
            "a.yaml:19:31: error RS109 DestinationRule/shop/reviews spec.subsets[0].trafficPolicy.loadBalancer.consistentHash.maglev.tableSize: 5000012 is out of range, a prime from 2 to 5000011 is allowed",
            "a.yaml:25:31: error RS109 DestinationRule/shop/reviews spec.subsets[1].trafficPolicy.loadBalancer.consistentHash.maglev.tableSize: 0 is out of range, a prime from 2 to 5000011 is allowed",
        ],
    },
    Row {
        title: "a warm-up without duration and out of range",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: reviews
  trafficPolicy:
    loadBalancer:
      simple: ROUND_ROBIN
      warmup:
        minimumPercent: 150.5
        aggression: 0.3
",
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:12:9: error RS108 DestinationRule/shop/reviews spec.trafficPolicy.loadBalancer.warmup.duration: `duration` is missing",
            "a.yaml:12:25: error RS109 DestinationRule/shop/reviews spec.trafficPolicy.loadBalancer.warmup.minimumPercent: 150.5 is out of range, 0 to 100 is allowed",
            "a.yaml:13:21: error RS109 DestinationRule/shop/reviews spec.trafficPolicy.loadBalancer.warmup.aggression: 0.3 is out of range, at least 1 is needed",
        ],
    },
    Row {
        title: "a warm-up that does not act",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: reviews
  trafficPolicy:
    loadBalancer:
      simple: RANDOM
      warmup: {duration: 30s}
  subsets:
  - name: v1
    trafficPolicy:
      loadBalancer:
        warmupDurationSecs: 10s
        warmup: {duration: 30s}
  - name: v2
    trafficPolicy:
      loadBalancer:
        consistentHash: {useSourceIp: true}
        warmupDurationSecs: 10s
",
        good: &["DestinationRule/shop/reviews"],
        broken: &[],
        unreadable: false,
        findings: &[
            "a.yaml:11:15: info RS120 DestinationRule/shop/reviews spec.trafficPolicy.loadBalancer.warmup: `warmup` is read but has no effect (endpoints warm up only with `ROUND_ROBIN` and `LEAST_REQUEST`)",
            "a.yaml:16:29: info RS120 DestinationRule/shop/reviews spec.subsets[0].trafficPolicy.loadBalancer.warmupDurationSecs: `warmupDurationSecs` is read but has no effect (`warmup` replaces it)",
            "a.yaml:16:29: info RS16 DestinationRule/shop/reviews spec.subsets[0].trafficPolicy.loadBalancer.warmupDurationSecs: `warmupDurationSecs` is an older spelling (write `warmup.duration`)",
            "a.yaml:22:29: info RS120 DestinationRule/shop/reviews spec.subsets[1].trafficPolicy.loadBalancer.warmupDurationSecs: `warmupDurationSecs` is read but has no effect (endpoints warm up only with `ROUND_ROBIN` and `LEAST_REQUEST`)",
            "a.yaml:22:29: info RS16 DestinationRule/shop/reviews spec.subsets[1].trafficPolicy.loadBalancer.warmupDurationSecs: `warmupDurationSecs` is an older spelling (write `warmup.duration`)",
        ],
    },
    Row {
        title: "distribute excludes failover and its priorities",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: reviews
  trafficPolicy:
    outlierDetection: {}
    loadBalancer:
      localityLbSetting:
        distribute:
        - from: eu/*
          to: {eu/*: 100}
        failover:
        - {from: eu, to: us}
        failoverPriority: [topology.istio.io/network]
",
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:16:11: error RS124 DestinationRule/shop/reviews spec.trafficPolicy.loadBalancer.localityLbSetting.failover: `failover` excludes `distribute` (keep one of them)",
            "a.yaml:17:27: error RS124 DestinationRule/shop/reviews spec.trafficPolicy.loadBalancer.localityLbSetting.failoverPriority: `failoverPriority` excludes `distribute` (keep one of them)",
        ],
    },
    Row {
        title: "shares out of range and not 100 together",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: reviews
  trafficPolicy:
    loadBalancer:
      localityLbSetting:
        distribute:
        - from: eu/a/*
          to:
            eu/a/*: 80
            eu/b/*: 10
        - from: eu/b/*
          to:
            eu/a/*: 0
            eu/b/*: 101
        - from: eu/c/*
          to: {}
",
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:14:13: error RS129 DestinationRule/shop/reviews spec.trafficPolicy.loadBalancer.localityLbSetting.distribute[0].to: the shares are 90 together, not 100",
            "a.yaml:18:21: error RS109 DestinationRule/shop/reviews spec.trafficPolicy.loadBalancer.localityLbSetting.distribute[1].to.eu/a/*: 0 is out of range, 1 to 100 is allowed",
            "a.yaml:19:21: error RS109 DestinationRule/shop/reviews spec.trafficPolicy.loadBalancer.localityLbSetting.distribute[1].to.eu/b/*: 101 is out of range, 1 to 100 is allowed",
            "a.yaml:21:15: error RS129 DestinationRule/shop/reviews spec.trafficPolicy.loadBalancer.localityLbSetting.distribute[2].to: the shares are 0 together, not 100",
        ],
    },
    Row {
        title: "localities that overlap or are none",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: reviews
  trafficPolicy:
    loadBalancer:
      localityLbSetting:
        distribute:
        - from: eu/a/*
          to:
            eu/a/1: 20
            eu/a/*: 30
            eu/b: 50
        - from: eu/a/1
          to:
            eu//1: 50
            "*/a": 50
        - from: "*"
          to: {eu: 100}
        - from: eu
          to: {us: 50, us/*: 50}
"#,
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:14:21: error RS124 DestinationRule/shop/reviews spec.trafficPolicy.loadBalancer.localityLbSetting.distribute[0].to.eu/a/1: `eu/a/1` lies within `eu/a/*`, which is given too (name each locality once)",
            "a.yaml:17:17: error RS124 DestinationRule/shop/reviews spec.trafficPolicy.loadBalancer.localityLbSetting.distribute[1].from: `eu/a/1` lies within `eu/a/*`, which is given too (name each locality once)",
            "a.yaml:19:20: error RS129 DestinationRule/shop/reviews spec.trafficPolicy.loadBalancer.localityLbSetting.distribute[1].to.eu//1: `eu//1` is not a locality: a part of it is empty (write it like `region/zone/subzone` or `region/*`)",
            "a.yaml:20:20: error RS129 DestinationRule/shop/reviews spec.trafficPolicy.loadBalancer.localityLbSetting.distribute[1].to.*/a: `*/a` is not a locality: `*` stands only at the end (write it like `region/zone/subzone` or `region/*`)",
            "a.yaml:23:17: error RS124 DestinationRule/shop/reviews spec.trafficPolicy.loadBalancer.localityLbSetting.distribute[3].from: `eu` lies within `*`, which is given too (name each locality once)",
            "a.yaml:24:30: error RS124 DestinationRule/shop/reviews spec.trafficPolicy.loadBalancer.localityLbSetting.distribute[3].to.us/*: `us/*` lies within `us`, which is given too (name each locality once)",
        ],
    },
    Row {
        title: "failover to itself, and not from region to region",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: reviews
  trafficPolicy:
    outlierDetection: {}
    loadBalancer:
      localityLbSetting:
        failover:
        - {from: eu, to: eu}
        - {from: eu/a, to: "*"}
        - {from: eu}
"#,
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:13:26: error RS124 DestinationRule/shop/reviews spec.trafficPolicy.loadBalancer.localityLbSetting.failover[0].to: `eu` fails over to itself (name another region)",
            "a.yaml:14:18: error RS129 DestinationRule/shop/reviews spec.trafficPolicy.loadBalancer.localityLbSetting.failover[1].from: `eu/a` is not a region (failover is from one region to another)",
            "a.yaml:14:28: error RS129 DestinationRule/shop/reviews spec.trafficPolicy.loadBalancer.localityLbSetting.failover[1].to: `*` is not a region (failover is from one region to another)",
            "a.yaml:15:11: error RS108 DestinationRule/shop/reviews spec.trafficPolicy.loadBalancer.localityLbSetting.failover[2].to: `to` is missing",
        ],
    },
    Row {
        title: "failover excludes priorities by place, others are fine",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: reviews
  trafficPolicy:
    outlierDetection: {}
    loadBalancer:
      localityLbSetting:
        failover:
        - {from: eu, to: us}
        failoverPriority:
        - topology.istio.io/network
        - topology.kubernetes.io/region
        - topology.kubernetes.io/zone
",
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:16:11: error RS124 DestinationRule/shop/reviews spec.trafficPolicy.loadBalancer.localityLbSetting.failoverPriority[1]: `topology.kubernetes.io/region` in `failoverPriority` excludes `failover` (where to fail over is said by one of them)",
            "a.yaml:17:11: error RS124 DestinationRule/shop/reviews spec.trafficPolicy.loadBalancer.localityLbSetting.failoverPriority[2]: `topology.kubernetes.io/zone` in `failoverPriority` excludes `failover` (where to fail over is said by one of them)",
        ],
    },
    Row {
        title: "zones beside localities, and priorities by place",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: reviews
  trafficPolicy:
    loadBalancer:
      localityLbSetting: {enabled: true}
      zoneAwareLbSetting:
        enabled: true
        failover:
        - {from: eu, to: eu}
        failoverPriority:
        - topology.kubernetes.io/zone
        - topology.kubernetes.io/region=eu
        - topology.istio.io/network
        minClusterSize: -1
",
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:12:9: error RS124 DestinationRule/shop/reviews spec.trafficPolicy.loadBalancer.zoneAwareLbSetting: `zoneAwareLbSetting` excludes `localityLbSetting` (keep one of them)",
            "a.yaml:14:26: error RS124 DestinationRule/shop/reviews spec.trafficPolicy.loadBalancer.zoneAwareLbSetting.failover[0].to: `eu` fails over to itself (name another region)",
            "a.yaml:16:11: error RS129 DestinationRule/shop/reviews spec.trafficPolicy.loadBalancer.zoneAwareLbSetting.failoverPriority[0]: `topology.kubernetes.io/zone` is not for `zoneAwareLbSetting`, which looks at zones itself (remove it)",
            "a.yaml:17:11: error RS129 DestinationRule/shop/reviews spec.trafficPolicy.loadBalancer.zoneAwareLbSetting.failoverPriority[1]: `topology.kubernetes.io/region=eu` is not for `zoneAwareLbSetting`, which looks at zones itself (remove it)",
            "a.yaml:19:25: error RS109 DestinationRule/shop/reviews spec.trafficPolicy.loadBalancer.zoneAwareLbSetting.minClusterSize: -1 is out of range, 0 to 9223372036854775807 is allowed",
        ],
    },
    Row {
        title: "a pool without anything",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: reviews
  trafficPolicy:
    connectionPool: {}
",
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:9:21: error RS108 DestinationRule/shop/reviews spec.trafficPolicy.connectionPool: `connectionPool` is empty (give one of `tcp`, `http`, or remove it)",
        ],
    },
    Row {
        title: "times of TCP that are too short, too fine or none",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: reviews
  trafficPolicy:
    connectionPool:
      tcp:
        maxConnections: -1
        connectTimeout: 0s
        maxConnectionDuration: 500us
        idleTimeout: 1500us
        tcpKeepalive:
          probes: 1.5
          time: 10
          interval: -1s
",
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:11:25: error RS109 DestinationRule/shop/reviews spec.trafficPolicy.connectionPool.tcp.maxConnections: -1 is out of range, 0 to 4294967295 is allowed",
            "a.yaml:12:25: error RS109 DestinationRule/shop/reviews spec.trafficPolicy.connectionPool.tcp.connectTimeout: `connectTimeout` is too short, at least 1ms is needed",
            "a.yaml:13:32: error RS109 DestinationRule/shop/reviews spec.trafficPolicy.connectionPool.tcp.maxConnectionDuration: `maxConnectionDuration` is too short, at least 1ms is needed",
            "a.yaml:14:22: error RS114 DestinationRule/shop/reviews spec.trafficPolicy.connectionPool.tcp.idleTimeout: `idleTimeout` is finer than milliseconds (write whole milliseconds)",
            "a.yaml:16:19: error RS106 DestinationRule/shop/reviews spec.trafficPolicy.connectionPool.tcp.tcpKeepalive.probes: a whole number is expected, the number 1.5 was found",
            "a.yaml:17:17: error RS106 DestinationRule/shop/reviews spec.trafficPolicy.connectionPool.tcp.tcpKeepalive.time: a duration is expected, the number 10 was found (add a unit: `10s`)",
            "a.yaml:18:21: error RS114 DestinationRule/shop/reviews spec.trafficPolicy.connectionPool.tcp.tcpKeepalive.interval: `-1s` is not a duration (write it like `1.5s`, `250ms` or `1h30m`)",
        ],
    },
    Row {
        title: "no idle limit is fine for TCP, not for HTTP",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: reviews
  trafficPolicy:
    connectionPool:
      tcp: {idleTimeout: 0s}
      http: {idleTimeout: 0s}
",
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:11:27: error RS109 DestinationRule/shop/reviews spec.trafficPolicy.connectionPool.http.idleTimeout: `idleTimeout` is too short, at least 1ms is needed",
        ],
    },
    Row {
        title: "upgrading and keeping the client's protocol",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: reviews
  trafficPolicy:
    connectionPool:
      http:
        h2UpgradePolicy: UPGRADE
        useClientProtocol: true
        maxRetries: many
",
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:12:28: error RS124 DestinationRule/shop/reviews spec.trafficPolicy.connectionPool.http.useClientProtocol: `useClientProtocol` excludes `h2UpgradePolicy: UPGRADE` (keep one of them)",
            "a.yaml:13:21: error RS106 DestinationRule/shop/reviews spec.trafficPolicy.connectionPool.http.maxRetries: a whole number is expected, the text `many` was found",
        ],
    },
    Row {
        title: "an upgrade policy by a number that does not exist",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: reviews
  trafficPolicy:
    connectionPool:
      http:
        h2UpgradePolicy: 3
        useClientProtocol: true
",
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:11:26: error RS110 DestinationRule/shop/reviews spec.trafficPolicy.connectionPool.http.h2UpgradePolicy: `3` is none of `DEFAULT`, `DO_NOT_UPGRADE`, `UPGRADE`",
        ],
    },
    Row {
        title: "PINGs need both times",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: reviews
  trafficPolicy:
    connectionPool:
      http:
        http2KeepAlive: {interval: 0.5ms}
",
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:11:25: error RS108 DestinationRule/shop/reviews spec.trafficPolicy.connectionPool.http.http2KeepAlive.timeout: `timeout` is missing",
            "a.yaml:11:36: error RS109 DestinationRule/shop/reviews spec.trafficPolicy.connectionPool.http.http2KeepAlive.interval: `interval` is too short, at least 1ms is needed",
        ],
    },
    Row {
        title: "ejection out of range",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: reviews
  trafficPolicy:
    outlierDetection:
      interval: 0s
      baseEjectionTime: forever
      maxEjectionPercent: 101
      minHealthPercent: -1
      outlierDetectionHttpErrorCodes: [429, 99, 600, "503"]
"#,
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:10:17: error RS109 DestinationRule/shop/reviews spec.trafficPolicy.outlierDetection.interval: `interval` is too short, at least 1ms is needed",
            "a.yaml:11:25: error RS114 DestinationRule/shop/reviews spec.trafficPolicy.outlierDetection.baseEjectionTime: `forever` is not a duration (write it like `1.5s`, `250ms` or `1h30m`)",
            "a.yaml:12:27: error RS109 DestinationRule/shop/reviews spec.trafficPolicy.outlierDetection.maxEjectionPercent: 101 is out of range, 0 to 100 is allowed",
            "a.yaml:13:25: error RS109 DestinationRule/shop/reviews spec.trafficPolicy.outlierDetection.minHealthPercent: -1 is out of range, 0 to 4294967295 is allowed",
            "a.yaml:14:45: error RS109 DestinationRule/shop/reviews spec.trafficPolicy.outlierDetection.outlierDetectionHttpErrorCodes[1]: 99 is out of range, 100 to 599 is allowed",
            "a.yaml:14:49: error RS109 DestinationRule/shop/reviews spec.trafficPolicy.outlierDetection.outlierDetectionHttpErrorCodes[2]: 600 is out of range, 100 to 599 is allowed",
            "a.yaml:14:54: error RS106 DestinationRule/shop/reviews spec.trafficPolicy.outlierDetection.outlierDetectionHttpErrorCodes[3]: a number is expected, the text `503` was found (remove the quotes)",
        ],
    },
    Row {
        title: "local failures that are not counted apart, and an older counter",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: reviews
  trafficPolicy:
    outlierDetection:
      consecutiveErrors: 7
      consecutiveLocalOriginFailures: 3
",
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:10:26: info RS16 DestinationRule/shop/reviews spec.trafficPolicy.outlierDetection.consecutiveErrors: `consecutiveErrors` is an older spelling (write `consecutive5xxErrors`)",
            "a.yaml:11:39: error RS124 DestinationRule/shop/reviews spec.trafficPolicy.outlierDetection.consecutiveLocalOriginFailures: `consecutiveLocalOriginFailures` needs `splitExternalLocalOriginErrors: true` (local failures are counted apart only then: add it, or use `consecutive5xxErrors`)",
        ],
    },
    Row {
        title: "TLS fields without a mode are plaintext",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: reviews
  trafficPolicy:
    tls:
      caCertificates: /etc/certs/ca.pem
      sni: reviews.example.com
",
        good: &["DestinationRule/shop/reviews"],
        broken: &[],
        unreadable: false,
        findings: &[
            "a.yaml:10:23: info RS120 DestinationRule/shop/reviews spec.trafficPolicy.tls.caCertificates: `caCertificates` is read but has no effect (`mode` is `DISABLE`, which is plaintext: write `mode: SIMPLE` for TLS)",
            "a.yaml:11:12: info RS120 DestinationRule/shop/reviews spec.trafficPolicy.tls.sni: `sni` is read but has no effect (`mode` is `DISABLE`, which is plaintext: write `mode: SIMPLE` for TLS)",
        ],
    },
    Row {
        title: "a mode that does not exist",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: reviews
  trafficPolicy:
    tls:
      mode: STRICT
      sni: reviews.example.com
",
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:10:13: error RS110 DestinationRule/shop/reviews spec.trafficPolicy.tls.mode: `STRICT` is none of `DISABLE`, `SIMPLE`, `MUTUAL`, `ISTIO_MUTUAL`",
        ],
    },
    Row {
        title: "mutual TLS without a certificate, and with half of one",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: reviews
  trafficPolicy:
    tls: {mode: MUTUAL}
  subsets:
  - name: v1
    trafficPolicy:
      tls: {mode: MUTUAL, clientCertificate: /etc/certs/cert.pem}
  - name: v2
    trafficPolicy:
      tls: {mode: MUTUAL, privateKey: /etc/certs/key.pem}
",
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:9:10: error RS108 DestinationRule/shop/reviews spec.trafficPolicy.tls: `mode: MUTUAL` needs a client certificate (give `credentialName`, or `clientCertificate` and `privateKey`)",
            "a.yaml:13:46: error RS108 DestinationRule/shop/reviews spec.subsets[0].trafficPolicy.tls.clientCertificate: `clientCertificate` needs `privateKey` (give `credentialName`, or `clientCertificate` and `privateKey`)",
            "a.yaml:16:39: error RS108 DestinationRule/shop/reviews spec.subsets[1].trafficPolicy.tls.privateKey: `privateKey` needs `clientCertificate` (give `credentialName`, or `clientCertificate` and `privateKey`)",
        ],
    },
    Row {
        title: "a Secret and files",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: reviews
  trafficPolicy:
    tls:
      mode: MUTUAL
      credentialName: reviews
      clientCertificate: /etc/certs/cert.pem
      privateKey: /etc/certs/key.pem
      caCertificates: /etc/certs/ca.pem
      caCrl: /etc/certs/crl.pem
",
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:12:26: error RS124 DestinationRule/shop/reviews spec.trafficPolicy.tls.clientCertificate: `credentialName` excludes `clientCertificate` (keep the `Secret` or the files)",
            "a.yaml:13:19: error RS124 DestinationRule/shop/reviews spec.trafficPolicy.tls.privateKey: `credentialName` excludes `privateKey` (keep the `Secret` or the files)",
            "a.yaml:14:23: error RS124 DestinationRule/shop/reviews spec.trafficPolicy.tls.caCertificates: `credentialName` excludes `caCertificates` (keep the `Secret` or the files)",
            "a.yaml:15:14: error RS124 DestinationRule/shop/reviews spec.trafficPolicy.tls.caCrl: `credentialName` excludes `caCrl` (keep the `Secret` or the files)",
        ],
    },
    Row {
        title: "a client certificate that nobody sees",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: reviews
  trafficPolicy:
    tls:
      mode: SIMPLE
      clientCertificate: /etc/certs/cert.pem
      privateKey: /etc/certs/key.pem
",
        good: &["DestinationRule/shop/reviews"],
        broken: &[],
        unreadable: false,
        findings: &[
            "a.yaml:11:26: info RS120 DestinationRule/shop/reviews spec.trafficPolicy.tls.clientCertificate: `clientCertificate` is read but has no effect (a client certificate is shown with `mode: MUTUAL` only)",
            "a.yaml:12:19: info RS120 DestinationRule/shop/reviews spec.trafficPolicy.tls.privateKey: `privateKey` is read but has no effect (a client certificate is shown with `mode: MUTUAL` only)",
        ],
    },
    Row {
        title: "the mesh's certificates and others, the server name is fine",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: reviews
  trafficPolicy:
    tls:
      mode: ISTIO_MUTUAL
      sni: reviews.example.com
      subjectAltNames: [spiffe://cluster.local/ns/shop/sa/reviews]
      clientCertificate: /etc/certs/cert.pem
      credentialName: reviews
      insecureSkipVerify: true
",
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:13:26: error RS124 DestinationRule/shop/reviews spec.trafficPolicy.tls.clientCertificate: `mode: ISTIO_MUTUAL` excludes `clientCertificate` (the mesh's own certificates are used: remove it, or write `mode: MUTUAL`)",
            "a.yaml:14:23: error RS124 DestinationRule/shop/reviews spec.trafficPolicy.tls.credentialName: `mode: ISTIO_MUTUAL` excludes `credentialName` (the mesh's own certificates are used: remove it, or write `mode: MUTUAL`)",
            "a.yaml:15:27: error RS124 DestinationRule/shop/reviews spec.trafficPolicy.tls.insecureSkipVerify: `mode: ISTIO_MUTUAL` excludes `insecureSkipVerify` (the mesh's own certificates are used: remove it, or write `mode: MUTUAL`)",
        ],
    },
    Row {
        title: "not verified, by what it would be verified",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: reviews
  trafficPolicy:
    tls:
      mode: SIMPLE
      insecureSkipVerify: true
      caCertificates: /etc/certs/ca.pem
      subjectAltNames: [reviews.example.com]
  subsets:
  - name: v1
    trafficPolicy:
      tls:
        mode: SIMPLE
        insecureSkipVerify: true
        credentialName: reviews
  - name: v2
    trafficPolicy:
      tls:
        mode: MUTUAL
        insecureSkipVerify: true
        credentialName: reviews
        subjectAltNames: [reviews.example.com]
",
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:12:23: error RS124 DestinationRule/shop/reviews spec.trafficPolicy.tls.caCertificates: `insecureSkipVerify` excludes `caCertificates` (with `insecureSkipVerify` the endpoint is not verified: keep one of them)",
            "a.yaml:13:24: error RS124 DestinationRule/shop/reviews spec.trafficPolicy.tls.subjectAltNames: `insecureSkipVerify` excludes `subjectAltNames` (with `insecureSkipVerify` the endpoint is not verified: keep one of them)",
            "a.yaml:20:25: error RS124 DestinationRule/shop/reviews spec.subsets[0].trafficPolicy.tls.credentialName: `insecureSkipVerify` excludes `credentialName` (with `insecureSkipVerify` the endpoint is not verified: keep one of them)",
            "a.yaml:27:26: error RS124 DestinationRule/shop/reviews spec.subsets[1].trafficPolicy.tls.subjectAltNames: `insecureSkipVerify` excludes `subjectAltNames` (with `insecureSkipVerify` the endpoint is not verified: keep one of them)",
        ],
    },
    Row {
        title: "ports without number, without settings, given twice and with what is not of ports",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: reviews
  trafficPolicy:
    portLevelSettings:
    - tls: {mode: SIMPLE}
    - port: {}
      tls: {mode: SIMPLE}
    - port: {number: 80}
    - port: {number: 80}
      tls: {mode: SIMPLE}
    - port: {number: 70000}
      tunnel: {targetHost: a.example.com, targetPort: 443}
",
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:10:7: error RS108 DestinationRule/shop/reviews spec.trafficPolicy.portLevelSettings[0].port: `port` is missing",
            "a.yaml:11:13: error RS108 DestinationRule/shop/reviews spec.trafficPolicy.portLevelSettings[1].port.number: `number` is missing",
            "a.yaml:13:7: error RS108 DestinationRule/shop/reviews spec.trafficPolicy.portLevelSettings[2]: the port has no settings (give `loadBalancer`, `connectionPool`, `outlierDetection` or `tls`, or remove the item)",
            "a.yaml:14:22: error RS117 DestinationRule/shop/reviews spec.trafficPolicy.portLevelSettings[3].port.number: the port 80 is given twice (put all its settings into one item)",
            "a.yaml:16:7: error RS108 DestinationRule/shop/reviews spec.trafficPolicy.portLevelSettings[4]: the port has no settings (give `loadBalancer`, `connectionPool`, `outlierDetection` or `tls`, or remove the item)",
            "a.yaml:16:22: error RS109 DestinationRule/shop/reviews spec.trafficPolicy.portLevelSettings[4].port.number: 70000 is out of range, 1 to 65535 is allowed",
            "a.yaml:17:7: error RS107 DestinationRule/shop/reviews spec.trafficPolicy.portLevelSettings[4].tunnel: there is no field `tunnel` (its fields are `port`, `loadBalancer`, `connectionPool`, `outlierDetection`, `tls`)",
        ],
    },
    Row {
        title: "tunnels that lead nowhere, and the PROXY protocol beside one",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: reviews
  trafficPolicy:
    tunnel:
      protocol: GET
      targetHost: "*.example.com"
      targetPort: 0
    proxyProtocol: {version: V3}
  subsets:
  - name: v1
    trafficPolicy:
      tunnel: {}
"#,
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:10:17: error RS110 DestinationRule/shop/reviews spec.trafficPolicy.tunnel.protocol: `GET` is none of `CONNECT`, `POST`",
            "a.yaml:11:19: error RS128 DestinationRule/shop/reviews spec.trafficPolicy.tunnel.targetHost: `*.example.com` is not a host: a wildcard is not allowed here (write the whole name)",
            "a.yaml:12:19: error RS109 DestinationRule/shop/reviews spec.trafficPolicy.tunnel.targetPort: 0 is out of range, 1 to 65535 is allowed",
            "a.yaml:13:20: error RS124 DestinationRule/shop/reviews spec.trafficPolicy.proxyProtocol: `proxyProtocol` excludes `tunnel` (keep one of them)",
            "a.yaml:13:30: error RS110 DestinationRule/shop/reviews spec.trafficPolicy.proxyProtocol.version: `V3` is none of `V1`, `V2` (did you mean `V1`?)",
            "a.yaml:17:15: error RS108 DestinationRule/shop/reviews spec.subsets[0].trafficPolicy.tunnel.targetHost: `targetHost` is missing",
            "a.yaml:17:15: error RS108 DestinationRule/shop/reviews spec.subsets[0].trafficPolicy.tunnel.targetPort: `targetPort` is missing",
        ],
    },
    Row {
        title: "a budget of retries out of range, and the limit it replaces",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: reviews
  trafficPolicy:
    retryBudget: {percent: 120, minRetryConcurrency: -3, budgetInterval: 10}
  subsets:
  - name: v1
    trafficPolicy:
      retryBudget: {percent: 20}
      connectionPool:
        http: {maxRetries: 3}
",
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:9:28: error RS109 DestinationRule/shop/reviews spec.trafficPolicy.retryBudget.percent: 120 is out of range, 0 to 100 is allowed",
            "a.yaml:9:54: error RS109 DestinationRule/shop/reviews spec.trafficPolicy.retryBudget.minRetryConcurrency: -3 is out of range, 0 to 4294967295 is allowed",
            "a.yaml:9:74: error RS106 DestinationRule/shop/reviews spec.trafficPolicy.retryBudget.budgetInterval: a duration is expected, the number 10 was found (add a unit: `10s`)",
            "a.yaml:15:28: info RS120 DestinationRule/shop/reviews spec.subsets[0].trafficPolicy.connectionPool.http.maxRetries: `maxRetries` is read but has no effect (`retryBudget` replaces it)",
        ],
    },
    Row {
        title: "lists and mappings that are none",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: [reviews]
  subsets: {name: v1}
  exportTo: "*"
  trafficPolicy:
    loadBalancer: ROUND_ROBIN
    portLevelSettings: {port: {number: 80}}
"#,
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:7:9: error RS106 DestinationRule/shop/reviews spec.host: text is expected, a list was found",
            "a.yaml:8:12: error RS106 DestinationRule/shop/reviews spec.subsets: a list is expected, a mapping was found (put `- ` before each item)",
            "a.yaml:9:13: error RS106 DestinationRule/shop/reviews spec.exportTo: a list is expected, the text `*` was found (put `- ` before each item)",
            "a.yaml:11:19: error RS106 DestinationRule/shop/reviews spec.trafficPolicy.loadBalancer: a mapping is expected, the text `ROUND_ROBIN` was found (write `key: value`, one below the other and indented)",
            "a.yaml:12:24: error RS106 DestinationRule/shop/reviews spec.trafficPolicy.portLevelSettings: a list is expected, a mapping was found (put `- ` before each item)",
        ],
    },
    Row {
        title: "the indentation is lost below a subset",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: reviews
  subsets:
  - name: v1
    labels:
    version: v1
",
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:11:5: error RS18 DestinationRule/shop/reviews spec.subsets[0].version: the indentation is lost: `version` stands beside `labels`, which is empty, and not below it (indent it by two blanks, and what belongs below it by two more)",
        ],
    },
    Row {
        title: "snake_case acts, with the present spelling named",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: shop
spec:
  host: reviews
  traffic_policy:
    load_balancer:
      simple: 4
    connection_pool:
      http:
        h2_upgrade_policy: 2
        use_client_protocol: true
",
        good: &[],
        broken: &["DestinationRule/shop/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:8:3: info RS16 DestinationRule/shop/reviews spec.traffic_policy: `traffic_policy` is an older spelling (write `trafficPolicy`)",
            "a.yaml:9:5: info RS16 DestinationRule/shop/reviews spec.trafficPolicy.load_balancer: `load_balancer` is an older spelling (write `loadBalancer`)",
            "a.yaml:10:15: info RS16 DestinationRule/shop/reviews spec.trafficPolicy.loadBalancer.simple: `simple` is given by its number 4 (write `ROUND_ROBIN`)",
            "a.yaml:11:5: info RS16 DestinationRule/shop/reviews spec.trafficPolicy.connection_pool: `connection_pool` is an older spelling (write `connectionPool`)",
            "a.yaml:13:9: info RS16 DestinationRule/shop/reviews spec.trafficPolicy.connectionPool.http.h2_upgrade_policy: `h2_upgrade_policy` is an older spelling (write `h2UpgradePolicy`)",
            "a.yaml:13:28: info RS16 DestinationRule/shop/reviews spec.trafficPolicy.connectionPool.http.h2UpgradePolicy: `h2UpgradePolicy` is given by its number 2 (write `UPGRADE`)",
            "a.yaml:14:9: info RS16 DestinationRule/shop/reviews spec.trafficPolicy.connectionPool.http.use_client_protocol: `use_client_protocol` is an older spelling (write `useClientProtocol`)",
            "a.yaml:14:30: error RS124 DestinationRule/shop/reviews spec.trafficPolicy.connectionPool.http.useClientProtocol: `useClientProtocol` excludes `h2UpgradePolicy: UPGRADE` (keep one of them)",
        ],
    },
    Row {
        title: "a version that does not exist",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1alpha1
kind: DestinationRule
metadata:
  name: reviews
spec:
  host: reviews
",
        good: &[],
        broken: &["DestinationRule/default/reviews"],
        unreadable: false,
        findings: &[
            "a.yaml:1:13: error RS104 DestinationRule/default/reviews apiVersion: `DestinationRule` of `networking.istio.io` has no version `v1alpha1` (write `networking.istio.io/v1`)",
        ],
    },
];
