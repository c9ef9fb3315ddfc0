//! `WorkloadGroup`.

use super::Row;

pub(crate) const ROWS: &[Row] = &[
    Row {
        title: "no spec at all",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata:
  name: vms
",
        good: &[],
        broken: &["WorkloadGroup/default/vms"],
        unreadable: false,
        findings: &["a.yaml:1:1: error RS108 WorkloadGroup/default/vms spec.template: `template` is missing"],
    },
    Row {
        title: "no template",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata:
  name: vms
spec:
  metadata:
    labels: {app: a}
",
        good: &[],
        broken: &["WorkloadGroup/default/vms"],
        unreadable: false,
        findings: &["a.yaml:6:3: error RS108 WorkloadGroup/default/vms spec.template: `template` is missing"],
    },
    Row {
        title: "a template with an address, which each workload says for itself",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata:
  name: vms
spec:
  template:
    address: 10.0.0.1
    serviceAccount: web
",
        good: &["WorkloadGroup/default/vms"],
        broken: &[],
        unreadable: false,
        findings: &[
            "a.yaml:7:14: info RS120 WorkloadGroup/default/vms spec.template.address: `address` is read but has no effect (each workload registers its own address)",
        ],
    },
    Row {
        title: "metadata that is none",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata:
  name: vms
spec:
  metadata:
    name: a
    labels:
      app: a/b
    annotations:
      a b: c
      d: 1
  template: {}
",
        good: &[],
        broken: &["WorkloadGroup/default/vms"],
        unreadable: false,
        findings: &[
            "a.yaml:7:5: error RS107 WorkloadGroup/default/vms spec.metadata.name: there is no field `name` (its fields are `labels`, `annotations`)",
            "a.yaml:9:12: error RS112 WorkloadGroup/default/vms spec.metadata.labels.app: `a/b` is not the value of a label: `/` is not allowed, only letters, digits, `-`, `_` and `.`",
            "a.yaml:11:7: error RS112 WorkloadGroup/default/vms spec.metadata.annotations.a b: `a b` is not the key of an annotation: ` ` is not allowed, only letters, digits, `-`, `_` and `.`",
            r#"a.yaml:12:10: error RS106 WorkloadGroup/default/vms spec.metadata.annotations.d: text is expected, the number 1 was found (write "1" in quotes)"#,
        ],
    },
    Row {
        title: "a template with faults",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata:
  name: vms
spec:
  template:
    ports:
      my_port: 80
      http: 70000
    labels: {app: a b}
    locality: eu/west/1/2
    weight: 1.5
    serviceAccount: Web
    replicas: 2
",
        good: &[],
        broken: &["WorkloadGroup/default/vms"],
        unreadable: false,
        findings: &[
            "a.yaml:8:7: error RS111 WorkloadGroup/default/vms spec.template.ports.my_port: `my_port` is not the name of a port: `_` is not allowed, only letters, digits and `-`",
            "a.yaml:9:13: error RS109 WorkloadGroup/default/vms spec.template.ports.http: 70000 is out of range, 1 to 65535 is allowed",
            "a.yaml:10:19: error RS112 WorkloadGroup/default/vms spec.template.labels.app: `a b` is not the value of a label: ` ` is not allowed, only letters, digits, `-`, `_` and `.`",
            "a.yaml:11:15: info RS120 WorkloadGroup/default/vms spec.template.locality: what follows the third part of `eu/west/1/2` has no effect (write it as `region/zone/subzone`)",
            "a.yaml:12:13: error RS106 WorkloadGroup/default/vms spec.template.weight: a whole number is expected, the number 1.5 was found",
            "a.yaml:13:21: error RS111 WorkloadGroup/default/vms spec.template.serviceAccount: `Web` is not the name of a service account: it must begin and end with a lower-case letter or digit (for example `web`)",
            "a.yaml:14:5: error RS107 WorkloadGroup/default/vms spec.template.replicas: there is no field `replicas` (its fields are `address`, `ports`, `labels`, `network`, `locality`, `weight`, `serviceAccount`)",
        ],
    },
    Row {
        title: "a probe without action",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata:
  name: vms
spec:
  template: {}
  probe:
    periodSeconds: 5
",
        good: &[],
        broken: &["WorkloadGroup/default/vms"],
        unreadable: false,
        findings: &[
            "a.yaml:8:5: error RS108 WorkloadGroup/default/vms spec.probe: `probe` has no action (write `httpGet`, `tcpSocket`, `exec` or `grpc`)",
        ],
    },
    Row {
        title: "a probe with two actions",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata:
  name: vms
spec:
  template: {}
  probe:
    tcpSocket: {port: 80}
    exec: {command: [test]}
",
        good: &[],
        broken: &["WorkloadGroup/default/vms"],
        unreadable: false,
        findings: &[
            "a.yaml:9:11: error RS124 WorkloadGroup/default/vms spec.probe.exec: `exec` excludes `tcpSocket` (keep one of them)",
        ],
    },
    Row {
        title: "numbers of a probe",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata:
  name: vms
spec:
  template: {}
  probe:
    initialDelaySeconds: -1
    timeoutSeconds: 1s
    periodSeconds: "5"
    successThreshold: 1.5
    failureThreshold: many
    grpc: {port: 0}
"#,
        good: &[],
        broken: &["WorkloadGroup/default/vms"],
        unreadable: false,
        findings: &[
            "a.yaml:8:26: error RS109 WorkloadGroup/default/vms spec.probe.initialDelaySeconds: -1 is out of range, 0 to 4294967295 is allowed",
            "a.yaml:9:21: error RS106 WorkloadGroup/default/vms spec.probe.timeoutSeconds: a whole number is expected, the text `1s` was found",
            "a.yaml:10:20: error RS106 WorkloadGroup/default/vms spec.probe.periodSeconds: a number is expected, the text `5` was found (remove the quotes)",
            "a.yaml:11:23: error RS106 WorkloadGroup/default/vms spec.probe.successThreshold: a whole number is expected, the number 1.5 was found",
            "a.yaml:12:23: error RS106 WorkloadGroup/default/vms spec.probe.failureThreshold: a whole number is expected, the text `many` was found",
            "a.yaml:13:18: error RS109 WorkloadGroup/default/vms spec.probe.grpc.port: 0 is out of range, 1 to 65535 is allowed",
        ],
    },
    Row {
        title: "an HTTP probe with faults",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata:
  name: vms
spec:
  template: {}
  probe:
    httpGet:
      path: /a b
      scheme: https
      httpHeaders:
      - {name: "**", value: a}
      - {name: "", value: b}
      - {value: c}
      - name: X-A
        value: "a\nX-B: b"
      - X-C
"#,
        good: &[],
        broken: &["WorkloadGroup/default/vms"],
        unreadable: false,
        findings: &[
            "a.yaml:9:7: error RS108 WorkloadGroup/default/vms spec.probe.httpGet.port: `port` is missing",
            "a.yaml:9:13: error RS129 WorkloadGroup/default/vms spec.probe.httpGet.path: ` ` is not allowed in a path (write it as `%XX`)",
            "a.yaml:10:15: error RS110 WorkloadGroup/default/vms spec.probe.httpGet.scheme: `https` is none of `HTTP`, `HTTPS` (did you mean `HTTPS`?)",
            "a.yaml:12:16: error RS111 WorkloadGroup/default/vms spec.probe.httpGet.httpHeaders[0].name: `**` is not the name of a header: `*` is not allowed, only letters, digits, `-` and `_`",
            r#"a.yaml:13:16: error RS111 WorkloadGroup/default/vms spec.probe.httpGet.httpHeaders[1].name: "" is not the name of a header: it is empty"#,
            "a.yaml:14:9: error RS108 WorkloadGroup/default/vms spec.probe.httpGet.httpHeaders[2].name: `name` is missing",
            r"a.yaml:16:16: error RS129 WorkloadGroup/default/vms spec.probe.httpGet.httpHeaders[3].value: `\n` is not allowed in the value of `X-A`",
            "a.yaml:17:9: error RS106 WorkloadGroup/default/vms spec.probe.httpGet.httpHeaders[4]: a mapping is expected, the text `X-C` was found (write `key: value`, one below the other and indented)",
        ],
    },
    Row {
        title: "ports of probes are numbers",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata:
  name: vms
spec:
  template: {}
  probe:
    tcpSocket: {port: http, host: localhost}
---
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata:
  name: vms2
spec:
  template: {}
  probe:
    tcpSocket: {port: 65536}
---
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata:
  name: vms3
spec:
  template: {}
  probe:
    tcpSocket: {}
---
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata:
  name: vms4
spec:
  template: {}
  probe:
    grpc: {}
",
        good: &[],
        broken: &[
            "WorkloadGroup/default/vms",
            "WorkloadGroup/default/vms2",
            "WorkloadGroup/default/vms3",
            "WorkloadGroup/default/vms4",
        ],
        unreadable: false,
        findings: &[
            "a.yaml:8:23: error RS106 WorkloadGroup/default/vms spec.probe.tcpSocket.port: a whole number is expected, the text `http` was found",
            "a.yaml:17:23: error RS109 WorkloadGroup/default/vms2 spec.probe.tcpSocket.port: 65536 is out of range, 1 to 65535 is allowed",
            "a.yaml:26:16: error RS108 WorkloadGroup/default/vms3 spec.probe.tcpSocket.port: `port` is missing",
            "a.yaml:35:11: error RS108 WorkloadGroup/default/vms4 spec.probe.grpc.port: `port` is missing",
        ],
    },
    Row {
        title: "commands that are none",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata:
  name: vms
spec:
  template: {}
  probe:
    exec: {command: []}
---
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata:
  name: vms2
spec:
  template: {}
  probe:
    exec:
      command: ["", test, ""]
---
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata:
  name: vms3
spec:
  template: {}
  probe:
    exec:
      command: test -f /ready
---
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata:
  name: vms4
spec:
  template: {}
  probe:
    exec: {}
"#,
        good: &[],
        broken: &[
            "WorkloadGroup/default/vms",
            "WorkloadGroup/default/vms2",
            "WorkloadGroup/default/vms3",
            "WorkloadGroup/default/vms4",
        ],
        unreadable: false,
        findings: &[
            "a.yaml:8:21: error RS108 WorkloadGroup/default/vms spec.probe.exec.command: `command` is empty (its first item is the executable)",
            "a.yaml:18:17: error RS108 WorkloadGroup/default/vms2 spec.probe.exec.command[0]: a part of `command` is empty (remove it)",
            "a.yaml:18:27: error RS108 WorkloadGroup/default/vms2 spec.probe.exec.command[2]: a part of `command` is empty (remove it)",
            "a.yaml:28:16: error RS106 WorkloadGroup/default/vms3 spec.probe.exec.command: a list is expected, the text `test -f /ready` was found (put `- ` before each item)",
            "a.yaml:37:11: error RS108 WorkloadGroup/default/vms4 spec.probe.exec.command: `command` is missing",
        ],
    },
    Row {
        title: "everything wrong at once",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata:
  name: vms
spec:
  metadata: {labels: [a]}
  template: vm
  probe:
    httpGet: {port: 80}
    tcpSocket: {port: 80}
    grpc: {port: 80, service: 7}
  replicas: 3
",
        good: &[],
        broken: &["WorkloadGroup/default/vms"],
        unreadable: false,
        findings: &[
            "a.yaml:6:22: error RS106 WorkloadGroup/default/vms spec.metadata.labels: a mapping is expected, a list was found (write `key: value`, one below the other and indented)",
            "a.yaml:7:13: error RS106 WorkloadGroup/default/vms spec.template: a mapping is expected, the text `vm` was found (write `key: value`, one below the other and indented)",
            "a.yaml:10:16: error RS124 WorkloadGroup/default/vms spec.probe.tcpSocket: `tcpSocket` excludes `httpGet` (keep one of them)",
            r#"a.yaml:11:31: error RS106 WorkloadGroup/default/vms spec.probe.grpc.service: text is expected, the number 7 was found (write "7" in quotes)"#,
            "a.yaml:12:3: error RS107 WorkloadGroup/default/vms spec.replicas: there is no field `replicas` (its fields are `metadata`, `template`, `probe`)",
        ],
    },
];
