//! Istio's kinds.

use super::Row;

pub(crate) const ROWS: &[Row] = &[
    Row {
        title: "a mode that does not exist",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
  name: default
spec:
  mtls:
    mode: strict
",
        good: &[],
        broken: &["PeerAuthentication/default/default"],
        unreadable: false,
        findings: &[
            "a.yaml:7:11: error RS110 PeerAuthentication/default/default spec.mtls.mode: `strict` is none of `UNSET`, `DISABLE`, `PERMISSIVE`, `STRICT` (did you mean `STRICT`?)",
        ],
    },
    Row {
        title: "a mode by number and fields in snake_case act, with the present spelling named",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
  name: default
spec:
  selector:
    match_labels:
      app: web
  mtls:
    mode: 3
  port_level_mtls:
    8080:
      mode: 1
",
        good: &["PeerAuthentication/default/default"],
        broken: &[],
        unreadable: false,
        findings: &[
            "a.yaml:7:5: info RS16 PeerAuthentication/default/default spec.selector.match_labels: `match_labels` is an older spelling (write `matchLabels`)",
            "a.yaml:10:11: info RS16 PeerAuthentication/default/default spec.mtls.mode: the mode is given by its number 3 (write `STRICT`)",
            "a.yaml:11:3: info RS16 PeerAuthentication/default/default spec.port_level_mtls: `port_level_mtls` is an older spelling (write `portLevelMtls`)",
            "a.yaml:13:13: info RS16 PeerAuthentication/default/default spec.portLevelMtls.8080.mode: the mode is given by its number 1 (write `DISABLE`)",
        ],
    },
    Row {
        title: "a mode by a number that does not exist",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
  name: default
spec:
  mtls:
    mode: 7
",
        good: &[],
        broken: &["PeerAuthentication/default/default"],
        unreadable: false,
        findings: &[
            "a.yaml:7:11: error RS110 PeerAuthentication/default/default spec.mtls.mode: `7` is none of `UNSET`, `DISABLE`, `PERMISSIVE`, `STRICT`",
        ],
    },
    Row {
        title: "port modes without a selector, ports that are none",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
  name: default
  namespace: shop
spec:
  portLevelMtls:
    http:
      mode: DISABLE
    0:
      mode: STRICT
    70000:
      mode: STRICTER
    8080:
",
        good: &[],
        broken: &["PeerAuthentication/shop/default"],
        unreadable: false,
        findings: &[
            "a.yaml:8:5: error RS109 PeerAuthentication/shop/default spec.portLevelMtls.http: `http` is not a port from 1 to 65535 (keys are the workload's own port numbers, not names and not the Service's ports)",
            "a.yaml:8:5: error RS119 PeerAuthentication/shop/default spec.portLevelMtls: `portLevelMtls` needs a `selector` with `matchLabels` (ports belong to workloads: select them, or remove `portLevelMtls`)",
            "a.yaml:10:5: error RS109 PeerAuthentication/shop/default spec.portLevelMtls.0: `0` is not a port from 1 to 65535 (keys are the workload's own port numbers, not names and not the Service's ports)",
            "a.yaml:12:5: error RS109 PeerAuthentication/shop/default spec.portLevelMtls.70000: `70000` is not a port from 1 to 65535 (keys are the workload's own port numbers, not names and not the Service's ports)",
            "a.yaml:13:13: error RS110 PeerAuthentication/shop/default spec.portLevelMtls.70000.mode: `STRICTER` is none of `UNSET`, `DISABLE`, `PERMISSIVE`, `STRICT` (did you mean `STRICT`?)",
            "a.yaml:14:5: error RS108 PeerAuthentication/shop/default spec.portLevelMtls.8080: the port has no `mode` (write `mode:` below it)",
        ],
    },
    Row {
        title: "an empty selector is none, and no ports are too few",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
  name: default
spec:
  selector:
    matchLabels: {}
  portLevelMtls: {}
",
        good: &[],
        broken: &["PeerAuthentication/default/default"],
        unreadable: false,
        findings: &[
            "a.yaml:8:18: error RS108 PeerAuthentication/default/default spec.portLevelMtls: `portLevelMtls` is empty (name a port, or remove it)",
            "a.yaml:8:18: error RS119 PeerAuthentication/default/default spec.portLevelMtls: `portLevelMtls` needs a `selector` with `matchLabels` (ports belong to workloads: select them, or remove `portLevelMtls`)",
        ],
    },
    Row {
        title: "expressions, which Istio does not have",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
  name: default
spec:
  selector:
    matchExpressions:
    - {key: app, operator: Exists}
",
        good: &[],
        broken: &["PeerAuthentication/default/default"],
        unreadable: false,
        findings: &[
            "a.yaml:7:5: error RS107 PeerAuthentication/default/default spec.selector.matchExpressions: there is no field `matchExpressions` (Istio selects by `matchLabels` only)",
        ],
    },
    Row {
        title: "mtls is not a mode but holds one",
        file: "a.yaml",
        text: r#"apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
  name: default
spec:
  mtls: STRICT
  selector:
    matchLabels:
      app: "*"
"#,
        good: &[],
        broken: &["PeerAuthentication/default/default"],
        unreadable: false,
        findings: &[
            "a.yaml:6:9: error RS106 PeerAuthentication/default/default spec.mtls: a mapping is expected, the text `STRICT` was found (write `key: value`, one below the other and indented)",
            "a.yaml:9:12: error RS112 PeerAuthentication/default/default spec.selector.matchLabels.app: `*` is not the value of a label: it must begin and end with a letter or digit",
        ],
    },
    Row {
        title: "spec is a list",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
  name: default
spec:
- mtls
",
        good: &[],
        broken: &["PeerAuthentication/default/default"],
        unreadable: false,
        findings: &[
            "a.yaml:6:3: error RS106 PeerAuthentication/default/default spec: a mapping is expected, a list was found (write `key: value`, one below the other and indented)",
        ],
    },
];
