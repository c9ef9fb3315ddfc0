//! `AuthorizationPolicy`: rules that say nothing, ports and addresses.

use super::super::Row;

pub(crate) const ROWS: &[Row] = &[
    Row {
        title: "a source without fields",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  rules:
  - from:
    - source: {}
",
        good: &[],
        broken: &["AuthorizationPolicy/shop/p"],
        unreadable: false,
        findings: &[
            "a.yaml:7:15: error RS108 AuthorizationPolicy/shop/p spec.rules[0].from[0].source: `source` asks for nothing (name values in one of its fields, or remove `from` to mean anybody)",
        ],
    },
    Row {
        title: "a source with empty lists only",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  rules:
  - from:
    - source:
        principals: []
        ipBlocks:
",
        good: &[],
        broken: &["AuthorizationPolicy/shop/p"],
        unreadable: false,
        findings: &[
            "a.yaml:8:9: error RS108 AuthorizationPolicy/shop/p spec.rules[0].from[0].source: `source` asks for nothing (name values in one of its fields, or remove `from` to mean anybody)",
        ],
    },
    Row {
        title: "an empty list beside one that says something is as if it were not there",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  rules:
  - from:
    - source:
        principals: []
        namespaces: [shop]
",
        good: &["AuthorizationPolicy/shop/p"],
        broken: &[],
        unreadable: false,
        findings: &[
            "a.yaml:8:21: warning RS130 AuthorizationPolicy/shop/p spec.rules[0].from[0].source.principals: `principals` is empty, which restricts nothing (name values, or remove it)",
        ],
    },
    Row {
        title: "an operation without fields",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  rules:
  - to:
    - operation: {}
    - operation: {paths: [], methods: []}
",
        good: &[],
        broken: &["AuthorizationPolicy/shop/p"],
        unreadable: false,
        findings: &[
            "a.yaml:7:18: error RS108 AuthorizationPolicy/shop/p spec.rules[0].to[0].operation: `operation` asks for nothing (name values in one of its fields, or remove `to` to mean anything)",
            "a.yaml:8:18: error RS108 AuthorizationPolicy/shop/p spec.rules[0].to[1].operation: `operation` asks for nothing (name values in one of its fields, or remove `to` to mean anything)",
        ],
    },
    Row {
        title: "a from and a to that hold nothing",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  rules:
  - from: []
    to: []
  - from:
    - {}
    to:
    - operation:
",
        good: &[],
        broken: &["AuthorizationPolicy/shop/p"],
        unreadable: false,
        findings: &[
            "a.yaml:6:11: error RS108 AuthorizationPolicy/shop/p spec.rules[0].from: `from` is empty (name one, or remove `from` to mean anybody)",
            "a.yaml:7:9: error RS108 AuthorizationPolicy/shop/p spec.rules[0].to: `to` is empty (name one, or remove `to` to mean anything)",
            "a.yaml:9:7: error RS108 AuthorizationPolicy/shop/p spec.rules[1].from[0].source: `source` is missing",
            "a.yaml:11:7: error RS108 AuthorizationPolicy/shop/p spec.rules[1].to[0].operation: `operation` is missing",
        ],
    },
    Row {
        title: "a rule that is null",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  rules:
  -
",
        good: &[],
        broken: &["AuthorizationPolicy/shop/p"],
        unreadable: false,
        findings: &[
            "a.yaml:6:4: error RS106 AuthorizationPolicy/shop/p spec.rules[0]: a mapping is expected, nothing was found (write `key: value`, one below the other and indented)",
        ],
    },
    Row {
        title: "source fields written beside source",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  rules:
  - from:
    - principals: [cluster.local/ns/shop/sa/web]
    - source:
        principal: [cluster.local/ns/shop/sa/web]
",
        good: &[],
        broken: &["AuthorizationPolicy/shop/p"],
        unreadable: false,
        findings: &[
            "a.yaml:7:7: error RS107 AuthorizationPolicy/shop/p spec.rules[0].from[0].principals: there is no field `principals` (its fields are `source`)",
            "a.yaml:7:7: error RS108 AuthorizationPolicy/shop/p spec.rules[0].from[0].source: `source` is missing",
            "a.yaml:9:9: error RS107 AuthorizationPolicy/shop/p spec.rules[0].from[1].source.principal: there is no field `principal` (did you mean `principals`?)",
        ],
    },
    Row {
        title: "ports as numbers",
        file: "a.yaml",
        text: r#"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  rules:
  - to:
    - operation:
        ports: [80, "443"]
"#,
        good: &[],
        broken: &["AuthorizationPolicy/shop/p"],
        unreadable: false,
        findings: &[
            "a.yaml:8:17: error RS106 AuthorizationPolicy/shop/p spec.rules[0].to[0].operation.ports[0]: text is expected, the number 80 was found (write \"80\" in quotes)",
        ],
    },
    Row {
        title: "ports that are none",
        file: "a.yaml",
        text: r#"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  rules:
  - to:
    - operation:
        ports: [http, "65536", "-1", "+80", "80-90", "*", " 80", "0"]
        notPorts: ["8 0", "443"]
"#,
        good: &[],
        broken: &["AuthorizationPolicy/shop/p"],
        unreadable: false,
        findings: &[
            "a.yaml:8:17: error RS109 AuthorizationPolicy/shop/p spec.rules[0].to[0].operation.ports[0]: `http` is not a port from 1 to 65535 (write the workload's own port as a number in quotes; names, ranges and wildcards are not known here)",
            "a.yaml:8:23: error RS109 AuthorizationPolicy/shop/p spec.rules[0].to[0].operation.ports[1]: `65536` is not a port from 1 to 65535 (write the workload's own port as a number in quotes; names, ranges and wildcards are not known here)",
            "a.yaml:8:32: error RS109 AuthorizationPolicy/shop/p spec.rules[0].to[0].operation.ports[2]: `-1` is not a port from 1 to 65535 (write the workload's own port as a number in quotes; names, ranges and wildcards are not known here)",
            "a.yaml:8:38: error RS109 AuthorizationPolicy/shop/p spec.rules[0].to[0].operation.ports[3]: `+80` is not a port from 1 to 65535 (write the workload's own port as a number in quotes; names, ranges and wildcards are not known here)",
            "a.yaml:8:45: error RS109 AuthorizationPolicy/shop/p spec.rules[0].to[0].operation.ports[4]: `80-90` is not a port from 1 to 65535 (write the workload's own port as a number in quotes; names, ranges and wildcards are not known here)",
            "a.yaml:8:54: error RS109 AuthorizationPolicy/shop/p spec.rules[0].to[0].operation.ports[5]: `*` is not a port from 1 to 65535 (write the workload's own port as a number in quotes; names, ranges and wildcards are not known here)",
            "a.yaml:8:59: error RS109 AuthorizationPolicy/shop/p spec.rules[0].to[0].operation.ports[6]: ` 80` is not a port from 1 to 65535 (write the workload's own port as a number in quotes; names, ranges and wildcards are not known here)",
            "a.yaml:8:66: warning RS130 AuthorizationPolicy/shop/p spec.rules[0].to[0].operation.ports[7]: no connection has port 0 (name a port from 1 to 65535)",
            "a.yaml:9:20: error RS109 AuthorizationPolicy/shop/p spec.rules[0].to[0].operation.notPorts[0]: `8 0` is not a port from 1 to 65535 (write the workload's own port as a number in quotes; names, ranges and wildcards are not known here)",
        ],
    },
    Row {
        title: "addresses that are none",
        file: "a.yaml",
        text: r#"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  rules:
  - from:
    - source:
        ipBlocks: [10.0.0.0/33, 10.0.0.256, 10.0.0.7/8]
        notIpBlocks: [10.0.0.1:80]
        remoteIpBlocks: ["10.*", "2001:db8::/129"]
        notRemoteIpBlocks: [localhost, "::1"]
"#,
        good: &[],
        broken: &["AuthorizationPolicy/shop/p"],
        unreadable: false,
        findings: &[
            "a.yaml:8:20: error RS113 AuthorizationPolicy/shop/p spec.rules[0].from[0].source.ipBlocks[0]: `10.0.0.0/33` is neither an IP address nor a CIDR block (write it like `192.0.2.7`, `10.0.0.0/8` or `2001:db8::/32`)",
            "a.yaml:8:33: error RS113 AuthorizationPolicy/shop/p spec.rules[0].from[0].source.ipBlocks[1]: `10.0.0.256` is neither an IP address nor a CIDR block (write it like `192.0.2.7`, `10.0.0.0/8` or `2001:db8::/32`)",
            "a.yaml:9:23: error RS113 AuthorizationPolicy/shop/p spec.rules[0].from[0].source.notIpBlocks[0]: `10.0.0.1:80` is neither an IP address nor a CIDR block (write it like `192.0.2.7`, `10.0.0.0/8` or `2001:db8::/32`)",
            "a.yaml:10:26: error RS113 AuthorizationPolicy/shop/p spec.rules[0].from[0].source.remoteIpBlocks[0]: `10.*` is neither an IP address nor a CIDR block (write it like `192.0.2.7`, `10.0.0.0/8` or `2001:db8::/32`)",
            "a.yaml:10:34: error RS113 AuthorizationPolicy/shop/p spec.rules[0].from[0].source.remoteIpBlocks[1]: `2001:db8::/129` is neither an IP address nor a CIDR block (write it like `192.0.2.7`, `10.0.0.0/8` or `2001:db8::/32`)",
            "a.yaml:11:29: error RS113 AuthorizationPolicy/shop/p spec.rules[0].from[0].source.notRemoteIpBlocks[0]: `localhost` is neither an IP address nor a CIDR block (write it like `192.0.2.7`, `10.0.0.0/8` or `2001:db8::/32`)",
        ],
    },
    Row {
        title: "addresses that are none in conditions",
        file: "a.yaml",
        text: r#"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  rules:
  - when:
    - {key: source.ip, values: [10.0.0.0/8, "10.1"]}
    - {key: remote.ip, notValues: [example.com]}
    - {key: destination.ip, values: ["*"], notValues: [192.0.2.1, "2001:db8::/x"]}
    - {key: destination.port, values: ["80", http], notValues: ["99999"]}
"#,
        good: &[],
        broken: &["AuthorizationPolicy/shop/p"],
        unreadable: false,
        findings: &[
            "a.yaml:7:45: error RS113 AuthorizationPolicy/shop/p spec.rules[0].when[0].values[1]: `10.1` is neither an IP address nor a CIDR block (write it like `192.0.2.7`, `10.0.0.0/8` or `2001:db8::/32`)",
            "a.yaml:8:36: error RS113 AuthorizationPolicy/shop/p spec.rules[0].when[1].notValues[0]: `example.com` is neither an IP address nor a CIDR block (write it like `192.0.2.7`, `10.0.0.0/8` or `2001:db8::/32`)",
            "a.yaml:9:38: error RS113 AuthorizationPolicy/shop/p spec.rules[0].when[2].values[0]: `*` is neither an IP address nor a CIDR block (write it like `192.0.2.7`, `10.0.0.0/8` or `2001:db8::/32`)",
            "a.yaml:9:67: error RS113 AuthorizationPolicy/shop/p spec.rules[0].when[2].notValues[1]: `2001:db8::/x` is neither an IP address nor a CIDR block (write it like `192.0.2.7`, `10.0.0.0/8` or `2001:db8::/32`)",
            "a.yaml:10:46: error RS109 AuthorizationPolicy/shop/p spec.rules[0].when[3].values[1]: `http` is not a port from 1 to 65535 (write the workload's own port as a number in quotes; names, ranges and wildcards are not known here)",
            "a.yaml:10:65: error RS109 AuthorizationPolicy/shop/p spec.rules[0].when[3].notValues[0]: `99999` is not a port from 1 to 65535 (write the workload's own port as a number in quotes; names, ranges and wildcards are not known here)",
        ],
    },
];
