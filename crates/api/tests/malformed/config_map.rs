//! `ConfigMap`.

use super::Row;

pub(crate) const ROWS: &[Row] = &[
    Row {
        title: "values are text",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: ConfigMap
metadata: {name: app}
data:
  PORT: 8080
  DEBUG: true
  nothing:
  list: [a]
",
        good: &[],
        broken: &["ConfigMap/default/app"],
        unreadable: false,
        findings: &[
            "a.yaml:5:9: error RS106 ConfigMap/default/app data.PORT: text is expected, a number was found (write it in quotes)",
            "a.yaml:6:10: error RS106 ConfigMap/default/app data.DEBUG: text is expected, a boolean was found (write it in quotes)",
            r#"a.yaml:7:3: error RS106 ConfigMap/default/app data.nothing: text is expected, nothing was found (write "" if it is meant to be empty)"#,
            "a.yaml:8:9: error RS106 ConfigMap/default/app data.list: text is expected, a list was found (write it as a text, for example with `|`)",
        ],
    },
    Row {
        title: "keys that are none, or there twice",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: ConfigMap
metadata: {name: app}
data:
  a key: x
  same: x
binaryData:
  same: eA==
  ...: eA==
",
        good: &[],
        broken: &["ConfigMap/default/app"],
        unreadable: false,
        findings: &[
            "a.yaml:5:3: error RS111 ConfigMap/default/app data.a key: `a key` is not a key: ` ` is not allowed, only letters, digits, `-`, `_` and `.`",
            "a.yaml:8:9: error RS117 ConfigMap/default/app binaryData.same: `same` stands below `data` too (remove one of them)",
            "a.yaml:9:3: error RS111 ConfigMap/default/app binaryData....: `...` is not a key: it may not be `.` or begin with `..`",
        ],
    },
    Row {
        title: "binary data that is no base64",
        file: "a.yaml",
        text: r#"apiVersion: v1
kind: ConfigMap
metadata: {name: app}
binaryData:
  logo: "<svg/>"
immutable: 1
"#,
        good: &[],
        broken: &["ConfigMap/default/app"],
        unreadable: false,
        findings: &[
            "a.yaml:5:9: error RS129 ConfigMap/default/app binaryData.logo: the value of `logo` is not base64 (encode it, or write it below `data` as it is)",
            "a.yaml:6:12: error RS106 ConfigMap/default/app immutable: `true` or `false` is expected, the number 1 was found",
        ],
    },
    Row {
        title: "fields of a Secret",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: ConfigMap
metadata: {name: app}
stringData: {a: b}
type: Opaque
spec: {}
",
        good: &[],
        broken: &["ConfigMap/default/app"],
        unreadable: false,
        findings: &[
            "a.yaml:4:1: error RS107 ConfigMap/default/app stringData: there is no field `stringData` (its fields are `apiVersion`, `kind`, `status`, `metadata`, `data`, `binaryData`, `immutable`)",
            "a.yaml:5:1: error RS107 ConfigMap/default/app type: there is no field `type` (its fields are `apiVersion`, `kind`, `status`, `metadata`, `data`, `binaryData`, `immutable`)",
            "a.yaml:6:1: error RS107 ConfigMap/default/app spec: there is no field `spec` (its fields are `apiVersion`, `kind`, `status`, `metadata`, `data`, `binaryData`, `immutable`)",
        ],
    },
    Row {
        title: "other ConfigMaps are data, whatever their keys",
        file: "a.yaml",
        text: r#"apiVersion: v1
kind: ConfigMap
metadata: {name: other}
data:
  mesh: "{ trustDomain"
  meshNetworks: nothing
---
apiVersion: v1
kind: ConfigMap
metadata: {name: istio-sidecar-injector}
data:
  config: "{{ template }}"
"#,
        good: &["ConfigMap/default/other", "ConfigMap/default/istio-sidecar-injector"],
        broken: &[],
        unreadable: false,
        findings: &[],
    },
    Row {
        title: "Istio's with `mesh` of the wrong type, in a list",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: ConfigMap
metadata: {name: istio}
data:
  mesh: {trustDomain: a}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: istio-1-30}
data:
  mesh: trustDomain
",
        good: &[],
        broken: &["ConfigMap/default/istio", "ConfigMap/default/istio-1-30"],
        unreadable: false,
        findings: &[
            "a.yaml:5:9: error RS106 ConfigMap/default/istio data.mesh: text is expected, a mapping was found (write it as a text, for example with `|`)",
            "a.yaml:11:9: error RS106 ConfigMap/default/istio-1-30 data.mesh: a mapping is expected, the text `trustDomain` was found (write `key: value`, one below the other and indented)",
        ],
    },
];
