//! `WorkloadEntry`.

use super::Row;

pub(crate) const ROWS: &[Row] = &[
    Row {
        title: "no spec at all",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: vm
",
        good: &[],
        broken: &["WorkloadEntry/default/vm"],
        unreadable: false,
        findings: &[
            "a.yaml:1:1: error RS108 WorkloadEntry/default/vm spec.address: `address` is missing (give it, or the `network` whose workloads it stands for)",
        ],
    },
    Row {
        title: "neither address nor network",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: vm
spec:
  labels: {app: a}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: vm2
spec:
  address: ""
"#,
        good: &[],
        broken: &["WorkloadEntry/default/vm", "WorkloadEntry/default/vm2"],
        unreadable: false,
        findings: &[
            "a.yaml:6:3: error RS108 WorkloadEntry/default/vm spec.address: `address` is missing (give it, or the `network` whose workloads it stands for)",
            "a.yaml:13:3: error RS108 WorkloadEntry/default/vm2 spec.address: `address` is missing (give it, or the `network` whose workloads it stands for)",
        ],
    },
    Row {
        title: "addresses that are none",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: vm0
spec:
  address: 10.0.0.300
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: vm1
spec:
  address: "*.a.com"
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: vm2
spec:
  address: a.com:80
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: vm3
spec:
  address: 10.0.0.0/8
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: vm4
spec:
  address: a_b
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: vm5
spec:
  address: 10
"#,
        good: &[],
        broken: &[
            "WorkloadEntry/default/vm0",
            "WorkloadEntry/default/vm1",
            "WorkloadEntry/default/vm2",
            "WorkloadEntry/default/vm3",
            "WorkloadEntry/default/vm4",
            "WorkloadEntry/default/vm5",
        ],
        unreadable: false,
        findings: &[
            "a.yaml:6:12: error RS128 WorkloadEntry/default/vm0 spec.address: `10.0.0.300` is not a host: its last label `300` is a number, and it is no IP address",
            "a.yaml:13:12: error RS128 WorkloadEntry/default/vm1 spec.address: `*.a.com` is not a host: a wildcard is not allowed here (write the whole name)",
            "a.yaml:20:12: error RS128 WorkloadEntry/default/vm2 spec.address: `a.com:80` is not a host: it has a port (write the host alone; ports have a field of their own)",
            "a.yaml:27:12: error RS128 WorkloadEntry/default/vm3 spec.address: `10.0.0.0/8` is not a host: `/` is not allowed, only letters, digits and `-`",
            "a.yaml:34:12: error RS128 WorkloadEntry/default/vm4 spec.address: `a_b` is not a host: `_` is not allowed, only letters, digits and `-`",
            r#"a.yaml:41:12: error RS106 WorkloadEntry/default/vm5 spec.address: text is expected, the number 10 was found (write "10" in quotes)"#,
        ],
    },
    Row {
        title: "sockets that are none",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: vm0
spec:
  address: unix://
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: vm1
spec:
  address: unix://run/a.sock
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: vm2
spec:
  address: unix:///run/
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: vm3
spec:
  address: unix:///run/a.sock
",
        good: &["WorkloadEntry/default/vm3"],
        broken: &["WorkloadEntry/default/vm0", "WorkloadEntry/default/vm1", "WorkloadEntry/default/vm2"],
        unreadable: false,
        findings: &[
            "a.yaml:6:12: error RS113 WorkloadEntry/default/vm0 spec.address: `unix://` has no path of a socket: it is empty (write it like `unix:///path/to/socket`, or `unix://@name`)",
            "a.yaml:13:12: error RS113 WorkloadEntry/default/vm1 spec.address: `unix://run/a.sock` has no path of a socket: it is relative (write it like `unix:///path/to/socket`, or `unix://@name`)",
            "a.yaml:20:12: error RS113 WorkloadEntry/default/vm2 spec.address: `unix:///run/` has no path of a socket: it is a directory (write it like `unix:///path/to/socket`, or `unix://@name`)",
        ],
    },
    Row {
        title: "a socket with ports",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: vm
spec:
  address: unix:///run/a.sock
  ports:
    http: 80
",
        good: &[],
        broken: &["WorkloadEntry/default/vm"],
        unreadable: false,
        findings: &[
            "a.yaml:8:5: error RS124 WorkloadEntry/default/vm spec.ports: a socket has no `ports` (remove them)",
        ],
    },
    Row {
        title: "ports that are none",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: vm
spec:
  address: 10.0.0.1
  ports:
    "@": 80
    http: 0
    grpc: 65536
    tcp: "90"
    "": 1
    named: http
"#,
        good: &[],
        broken: &["WorkloadEntry/default/vm"],
        unreadable: false,
        findings: &[
            "a.yaml:8:5: error RS111 WorkloadEntry/default/vm spec.ports.@: `@` is not the name of a port: `@` is not allowed, only letters, digits and `-`",
            "a.yaml:9:11: error RS109 WorkloadEntry/default/vm spec.ports.http: 0 is out of range, 1 to 65535 is allowed",
            "a.yaml:10:11: error RS109 WorkloadEntry/default/vm spec.ports.grpc: 65536 is out of range, 1 to 65535 is allowed",
            "a.yaml:11:10: error RS106 WorkloadEntry/default/vm spec.ports.tcp: a number is expected, the text `90` was found (remove the quotes)",
            r#"a.yaml:12:5: error RS111 WorkloadEntry/default/vm spec.ports.: "" is not the name of a port: it is empty"#,
            "a.yaml:13:12: error RS106 WorkloadEntry/default/vm spec.ports.named: a whole number is expected, the text `http` was found",
        ],
    },
    Row {
        title: "labels that are none",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: vm
spec:
  address: 10.0.0.1
  labels:
    app: a b
    -x: y
    tier: 1
",
        good: &[],
        broken: &["WorkloadEntry/default/vm"],
        unreadable: false,
        findings: &[
            "a.yaml:8:10: error RS112 WorkloadEntry/default/vm spec.labels.app: `a b` is not the value of a label: ` ` is not allowed, only letters, digits, `-`, `_` and `.`",
            "a.yaml:9:5: error RS112 WorkloadEntry/default/vm spec.labels.-x: `-x` is not the key of a label: it must begin and end with a letter or digit",
            r#"a.yaml:9:9: error RS106 WorkloadEntry/default/vm spec.labels.-x: text is expected, the boolean `y` was found (write "y" in quotes)"#,
            r#"a.yaml:10:11: error RS106 WorkloadEntry/default/vm spec.labels.tier: text is expected, the number 1 was found (write "1" in quotes)"#,
        ],
    },
    Row {
        title: "a locality with four parts, the last of which nobody uses",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: vm
spec:
  address: 10.0.0.1
  locality: eu/west/1/rack-7
",
        good: &["WorkloadEntry/default/vm"],
        broken: &[],
        unreadable: false,
        findings: &[
            "a.yaml:7:13: info RS120 WorkloadEntry/default/vm spec.locality: what follows the third part of `eu/west/1/rack-7` has no effect (write it as `region/zone/subzone`)",
        ],
    },
    Row {
        title: "an account that is none, a weight below 0",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: vm
spec:
  network: east
  weight: -1
  serviceAccount: spiffe://cluster.local/ns/a/sa/b
",
        good: &[],
        broken: &["WorkloadEntry/default/vm"],
        unreadable: false,
        findings: &[
            "a.yaml:7:11: error RS109 WorkloadEntry/default/vm spec.weight: -1 is out of range, 0 to 4294967295 is allowed",
            "a.yaml:8:19: error RS111 WorkloadEntry/default/vm spec.serviceAccount: `spiffe://cluster.local/ns/a/sa/b` is not the name of a service account: `:` is not allowed, only lower-case letters, digits and `-`",
        ],
    },
    Row {
        title: "fields that a WorkloadEntry does not have",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: vm
spec:
  adress: 10.0.0.1
  service_account: web
  port: 80
  status: {}
",
        good: &[],
        broken: &["WorkloadEntry/default/vm"],
        unreadable: false,
        findings: &[
            "a.yaml:6:3: error RS107 WorkloadEntry/default/vm spec.adress: there is no field `adress` (did you mean `address`?)",
            "a.yaml:6:3: error RS108 WorkloadEntry/default/vm spec.address: `address` is missing (give it, or the `network` whose workloads it stands for)",
            "a.yaml:7:3: info RS16 WorkloadEntry/default/vm spec.service_account: `service_account` is an older spelling (write `serviceAccount`)",
            "a.yaml:8:3: error RS107 WorkloadEntry/default/vm spec.port: there is no field `port` (did you mean `ports`?)",
            "a.yaml:9:3: error RS107 WorkloadEntry/default/vm spec.status: there is no field `status` (its fields are `address`, `ports`, `labels`, `network`, `locality`, `weight`, `serviceAccount`)",
        ],
    },
    Row {
        title: "everything wrong at once",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: vm
spec:
  address: a..b
  ports: [80]
  labels: app
  network: 7
  locality: [eu]
  weight: much
  serviceAccount: ""
"#,
        good: &[],
        broken: &["WorkloadEntry/default/vm"],
        unreadable: false,
        findings: &[
            "a.yaml:6:12: error RS128 WorkloadEntry/default/vm spec.address: `a..b` is not a host: a label is empty",
            "a.yaml:7:10: error RS106 WorkloadEntry/default/vm spec.ports: a mapping is expected, a list was found (write `key: value`, one below the other and indented)",
            "a.yaml:8:11: error RS106 WorkloadEntry/default/vm spec.labels: a mapping is expected, the text `app` was found (write `key: value`, one below the other and indented)",
            r#"a.yaml:9:12: error RS106 WorkloadEntry/default/vm spec.network: text is expected, the number 7 was found (write "7" in quotes)"#,
            "a.yaml:10:13: error RS106 WorkloadEntry/default/vm spec.locality: text is expected, a list was found",
            "a.yaml:11:11: error RS106 WorkloadEntry/default/vm spec.weight: a whole number is expected, the text `much` was found",
        ],
    },
];
