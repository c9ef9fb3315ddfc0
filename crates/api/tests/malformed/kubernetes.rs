//! Kubernetes' kinds.

use super::Row;

pub(crate) const ROWS: &[Row] = &[
    Row {
        title: "several ports without names, numbers out of range",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  selector:
    app: web
  ports:
  - port: 80
  - port: 70000
    name: https
  - name: dns
    port: 53
    protocol: udp
    targetPort: 0
",
        good: &[],
        broken: &["Service/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:9:5: error RS118 Service/default/web spec.ports[0]: `ports[0]` has no `name` (every port of a Service with several ports needs a name)",
            "a.yaml:10:11: error RS109 Service/default/web spec.ports[1].port: 70000 is out of range, 1 to 65535 is allowed",
            "a.yaml:14:15: error RS110 Service/default/web spec.ports[2].protocol: `udp` is none of `TCP`, `UDP` (did you mean `UDP`?)",
            "a.yaml:15:17: error RS109 Service/default/web spec.ports[2].targetPort: 0 is out of range, 1 to 65535 is allowed",
        ],
    },
    Row {
        title: "ports with the same name and number",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  ports:
  - name: http
    port: 80
  - name: http
    port: 81
  - name: again
    port: 80
  - name: other
    port: 80
    protocol: UDP
",
        good: &[],
        broken: &["Service/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:9:11: error RS117 Service/default/web spec.ports[1].name: the port name `http` is given twice, first in line 7 (give each port its own name)",
            "a.yaml:12:11: error RS117 Service/default/web spec.ports[2].port: port 80 is given twice for one protocol, first in line 8 (remove one of them)",
        ],
    },
    Row {
        title: "numbers in quotes, names that are none",
        file: "a.yaml",
        text: r#"apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  ports:
  - port: "80"
    targetPort: "8080"
"#,
        good: &[],
        broken: &["Service/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:7:11: error RS106 Service/default/web spec.ports[0].port: a number is expected, the text `80` was found (remove the quotes)",
            "a.yaml:8:17: error RS106 Service/default/web spec.ports[0].targetPort: a number or a name is expected, the text `8080` was found (remove the quotes)",
        ],
    },
    Row {
        title: "a target port that no port can be named",
        file: "a.yaml",
        text: r#"apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  ports:
  - port: 80
    targetPort: a-name-that-is-too-long
    protocol: SCTP
    appProtocol: "http 2"
"#,
        good: &[],
        broken: &["Service/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:8:17: error RS111 Service/default/web spec.ports[0].targetPort: `a-name-that-is-too-long` is not the name of a port: it has 23 characters, at most 15 are allowed",
            "a.yaml:9:15: error RS126 Service/default/web spec.ports[0].protocol: `SCTP` is not supported (write `TCP` or `UDP`)",
            "a.yaml:10:18: error RS111 Service/default/web spec.ports[0].appProtocol: `http 2` is not the name of a protocol: ` ` is not allowed, only letters, digits, `-`, `_` and `.` (for example `http-2`)",
        ],
    },
    Row {
        title: "types that are served as ClusterIP",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  type: LoadBalancer
  ports:
  - port: 80
    nodePort: 30080
  sessionAffinity: None
  internalTrafficPolicy: Cluster
",
        good: &["Service/default/web"],
        broken: &[],
        unreadable: false,
        findings: &[
            "a.yaml:6:9: warning RS121 Service/default/web spec.type: type `LoadBalancer` is served as `ClusterIP` only (nothing outside the mesh reaches it, and it stands for no foreign name)",
            "a.yaml:9:15: info RS120 Service/default/web spec.ports[0].nodePort: `nodePort` is read but has no effect",
            "a.yaml:10:20: info RS120 Service/default/web spec.sessionAffinity: `sessionAffinity` is read but has no effect",
            "a.yaml:11:26: info RS120 Service/default/web spec.internalTrafficPolicy: `internalTrafficPolicy` is read but has no effect",
        ],
    },
    Row {
        title: "a type that does not exist",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  type: ClusterIp
  ports:
  - port: 80
",
        good: &[],
        broken: &["Service/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:6:9: error RS110 Service/default/web spec.type: `ClusterIp` is none of `ClusterIP`, `NodePort`, `LoadBalancer`, `ExternalName` (did you mean `ClusterIP`?)",
        ],
    },
    Row {
        title: "a Service without ports",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  selector:
    app: web
",
        good: &[],
        broken: &["Service/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:6:3: error RS108 Service/default/web spec.ports: `ports` is missing (a Service needs `ports` unless `clusterIP` is `None`)",
        ],
    },
    Row {
        title: "a Service without spec",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: Service
metadata:
  name: web
",
        good: &[],
        broken: &["Service/default/web"],
        unreadable: false,
        findings: &["a.yaml:1:1: error RS108 Service/default/web spec: `spec` is missing"],
    },
    Row {
        title: "a cluster address that is none, a selector that is a list",
        file: "a.yaml",
        text: r#"apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  clusterIP: none
  selector: [app]
  publishNotReadyAddresses: "true"
  ports:
    port: 80
"#,
        good: &[],
        broken: &["Service/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:6:14: error RS113 Service/default/web spec.clusterIP: `none` is neither an IP address nor `None` (write `None`)",
            "a.yaml:7:13: error RS106 Service/default/web spec.selector: a mapping is expected, a list was found (write `key: value`, one below the other and indented)",
            "a.yaml:8:29: error RS106 Service/default/web spec.publishNotReadyAddresses: `true` or `false` is expected, the text `true` was found (remove the quotes)",
            "a.yaml:10:5: error RS106 Service/default/web spec.ports: a list is expected, a mapping was found (put `- ` before each item)",
        ],
    },
    Row {
        title: "fields of a ServiceAccount that nothing acts on",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: ServiceAccount
metadata:
  name: web
secrets:
- name: token
automountServiceAccountToken: false
",
        good: &["ServiceAccount/default/web"],
        broken: &[],
        unreadable: false,
        findings: &[
            "a.yaml:6:3: info RS120 ServiceAccount/default/web secrets: `secrets` is read but has no effect",
            "a.yaml:7:31: info RS120 ServiceAccount/default/web automountServiceAccountToken: `automountServiceAccountToken` is read but has no effect",
        ],
    },
    Row {
        title: "a field of Service that was put beside spec",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  ports:
  - port: 80
selector:
  app: web
",
        good: &[],
        broken: &["Service/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:8:1: error RS107 Service/default/web selector: there is no field `selector` (its fields are `apiVersion`, `kind`, `status`, `metadata`, `spec`)",
        ],
    },
    Row {
        title: "an empty list of ports",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  ports: []
",
        good: &[],
        broken: &["Service/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:6:10: error RS108 Service/default/web spec.ports: `ports` is empty (a Service needs `ports` unless `clusterIP` is `None`)",
        ],
    },
];
