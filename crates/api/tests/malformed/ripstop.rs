//! Kinds of `ripstop.dev/v1alpha1`.

use super::Row;

pub(crate) const ROWS: &[Row] = &[
    Row {
        title: "a process without a command",
        file: "a.yaml",
        text: r"apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata:
  name: web
spec:
  replicas: 1
",
        good: &[],
        broken: &["Process/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:6:3: error RS108 Process/default/web spec.command: `command` is missing (write the executable and its arguments as a list)",
        ],
    },
    Row {
        title: "a command as one text, and an empty one",
        file: "a.yaml",
        text: r"apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata:
  name: web
spec:
  command: sleep 10
---
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata:
  name: api
spec:
  command: []
---
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata:
  name: job
spec:
  command: [sleep, 10]
",
        good: &[],
        broken: &["Process/default/web", "Process/default/api", "Process/default/job"],
        unreadable: false,
        findings: &[
            r#"a.yaml:6:12: error RS106 Process/default/web spec.command: a list is expected, the text `sleep 10` was found (write `["sleep", "10"]`)"#,
            "a.yaml:13:12: error RS108 Process/default/api spec.command: `command` is empty (its first item is the executable)",
            r#"a.yaml:20:20: error RS106 Process/default/job spec.command[1]: text is expected, the number 10 was found (write "10" in quotes)"#,
        ],
    },
    Row {
        title: "everything wrong at once in one process",
        file: "a.yaml",
        text: r#"apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata:
  name: web
  namespace: shop
spec:
  node: Node_1
  replicas: 2000
  serviceAccountName: ""
  command: [/bin/web]
  env:
  - name: A=B
    value: x
  - name: PORT
    value: 8080
  - value: y
  restartPolicy: Sometimes
  runAsUser: 0
"#,
        good: &[],
        broken: &["Process/shop/web"],
        unreadable: false,
        findings: &[
            "a.yaml:7:9: error RS111 Process/shop/web spec.node: `Node_1` is not the name of a node: it must begin and end with a lower-case letter or digit (for example `node-1`)",
            "a.yaml:8:13: error RS109 Process/shop/web spec.replicas: 2000 is out of range, 0 to 1000 is allowed",
            r#"a.yaml:9:23: error RS111 Process/shop/web spec.serviceAccountName: "" is not the name of a service account: it is empty"#,
            "a.yaml:12:11: error RS111 Process/shop/web spec.env[0].name: `A=B` is not the name of an environment variable: `=` is not allowed, only printable ASCII without blanks and `=`",
            r#"a.yaml:15:12: error RS106 Process/shop/web spec.env[1].value: text is expected, the number 8080 was found (write "8080" in quotes)"#,
            "a.yaml:16:5: error RS108 Process/shop/web spec.env[2].name: `name` is missing",
            r#"a.yaml:16:12: error RS106 Process/shop/web spec.env[2].value: text is expected, the boolean `y` was found (write "y" in quotes)"#,
            "a.yaml:17:18: error RS110 Process/shop/web spec.restartPolicy: `Sometimes` is none of `Always`, `OnFailure`, `Never`",
            "a.yaml:18:14: error RS125 Process/shop/web spec.runAsUser: a process may not run as user 0 (leave it out to run as 65534, or name a user above 0)",
        ],
    },
    Row {
        title: "a variable twice, and one from elsewhere",
        file: "a.yaml",
        text: r#"apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata:
  name: web
spec:
  command: [web]
  env:
  - name: A
    value: "1"
  - name: A
    value: "2"
  - name: B
    valueFrom:
      secretKeyRef: {name: s, key: k}
  - name: C
    value: c
    valueFrom: {}
"#,
        good: &[],
        broken: &["Process/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:10:11: error RS117 Process/default/web spec.env[1].name: the variable `A` is given twice, first in line 8 (remove one of them)",
            "a.yaml:14:7: info RS120 Process/default/web spec.env[2].valueFrom: `valueFrom` is read but has no effect (the variable stays unset: write `value`)",
            "a.yaml:17:16: error RS124 Process/default/web spec.env[3].valueFrom: `value` and `valueFrom` exclude each other (remove one of them)",
        ],
    },
    Row {
        title: "quantities",
        file: "a.yaml",
        text: r"apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata:
  name: web
spec:
  command: [web]
  resources:
    limits:
      memory: 128m
      cpu: lots
    requests:
      cpu: 100m
---
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata:
  name: api
spec:
  command: [api]
  resources:
    limits:
      memory: 128MB
      cpu: 0
      gpu: 1
",
        good: &[],
        broken: &["Process/default/web", "Process/default/api"],
        unreadable: false,
        findings: &[
            "a.yaml:9:15: error RS115 Process/default/web spec.resources.limits.memory: `128m` is not a whole number of bytes above 0 (did you mean `128Mi`?)",
            "a.yaml:10:12: error RS115 Process/default/web spec.resources.limits.cpu: `lots` is not a quantity (for example `128Mi`, `500m` or `0.5`)",
            "a.yaml:12:7: info RS120 Process/default/web spec.resources.requests: `requests` is read but has no effect",
            "a.yaml:22:15: error RS115 Process/default/api spec.resources.limits.memory: `128MB` is not a quantity (write `128M`)",
            "a.yaml:23:12: error RS115 Process/default/api spec.resources.limits.cpu: `0` is not a number of cores above 0 (write cores (`0.5`) or thousandths (`500m`))",
            "a.yaml:24:7: error RS107 Process/default/api spec.resources.limits.gpu: there is no field `gpu` (did you mean `cpu`?)",
        ],
    },
    Row {
        title: "probes with units, without action, with two, with a port that is not declared",
        file: "a.yaml",
        text: r"apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata:
  name: web
spec:
  command: [web]
  ports:
  - name: http
    containerPort: 8080
  readinessProbe:
    httpGet:
      path: healthz
      port: htpt
      host: localhost
      scheme: HTTPS
    tcpSocket:
      port: 8080
    periodSeconds: 5s
    timeoutSeconds: 0
---
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata:
  name: api
spec:
  command: [api]
  readinessProbe:
    periodSeconds: 1m
---
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata:
  name: job
spec:
  command: [job]
  readinessProbe:
    grpc:
      port: 9000
",
        good: &[],
        broken: &["Process/default/web", "Process/default/api", "Process/default/job"],
        unreadable: false,
        findings: &[
            "a.yaml:11:5: error RS124 Process/default/web spec.readinessProbe: `readinessProbe` has 2 actions (keep one of `httpGet`, `tcpSocket` and `exec`)",
            "a.yaml:13:13: error RS123 Process/default/web spec.readinessProbe.httpGet.port: no port is named `htpt` (did you mean `http`?)",
            "a.yaml:14:13: error RS113 Process/default/web spec.readinessProbe.httpGet.host: `localhost` is not an IP address",
            "a.yaml:15:15: error RS126 Process/default/web spec.readinessProbe.httpGet.scheme: `HTTPS` probes are not supported (write `tcpSocket`)",
            "a.yaml:18:20: error RS114 Process/default/web spec.readinessProbe.periodSeconds: `5s` is not a whole number of seconds (write `5`)",
            "a.yaml:19:21: error RS109 Process/default/web spec.readinessProbe.timeoutSeconds: 0 is out of range, 1 to 86400 is allowed",
            "a.yaml:28:5: error RS108 Process/default/api spec.readinessProbe: `readinessProbe` has no action (write `httpGet`, `tcpSocket` or `exec`)",
            "a.yaml:28:20: error RS114 Process/default/api spec.readinessProbe.periodSeconds: `1m` is not a whole number of seconds (write a number without unit)",
            "a.yaml:38:7: error RS126 Process/default/job spec.readinessProbe.grpc: `grpc` probes are not supported (write `tcpSocket`)",
        ],
    },
    Row {
        title: "ports of a process",
        file: "a.yaml",
        text: r"apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata:
  name: web
spec:
  command: [web]
  ports:
  - containerPort: 8080
    name: http
    hostPort: 80
  - containerPort: 8080
    name: http
  - name: x
  - port: 9090
",
        good: &[],
        broken: &["Process/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:10:15: info RS120 Process/default/web spec.ports[0].hostPort: `hostPort` is read but has no effect",
            "a.yaml:11:20: error RS117 Process/default/web spec.ports[1].containerPort: port 8080 is given twice for one protocol, first in line 8 (remove one of them)",
            "a.yaml:12:11: error RS117 Process/default/web spec.ports[1].name: the port name `http` is given twice, first in line 9 (give each port its own name)",
            "a.yaml:13:5: error RS108 Process/default/web spec.ports[2].containerPort: `containerPort` is missing",
            "a.yaml:14:5: error RS107 Process/default/web spec.ports[3].port: there is no field `port` (its fields are `name`, `containerPort`, `protocol`, `hostPort`, `hostIP`)",
            "a.yaml:14:5: error RS108 Process/default/web spec.ports[3].containerPort: `containerPort` is missing",
        ],
    },
    Row {
        title: "a Pod's spelling where a process has its own",
        file: "a.yaml",
        text: r"apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata:
  name: web
spec:
  serviceAccount: web
  nodeName: n1
  securityContext:
    runAsUser: 1000
  containers:
  - name: web
    image: web:1
",
        good: &[],
        broken: &["Process/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:6:3: error RS108 Process/default/web spec.command: `command` is missing (write the executable and its arguments as a list)",
            "a.yaml:6:19: info RS16 Process/default/web spec.serviceAccount: `serviceAccount` is an older spelling (write `serviceAccountName`)",
            "a.yaml:7:3: error RS107 Process/default/web spec.nodeName: there is no field `nodeName` (write `node`)",
            "a.yaml:8:3: error RS107 Process/default/web spec.securityContext: there is no field `securityContext` (write `runAsUser` in `spec`)",
            "a.yaml:10:3: error RS107 Process/default/web spec.containers: there is no field `containers` (a Process is one process: write `command` in its `spec`)",
        ],
    },
    Row {
        title: "fields that nothing acts on",
        file: "a.yaml",
        text: r"apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata:
  name: web
spec:
  command: [web]
  image: web:1
  livenessProbe:
    tcpSocket: {port: 80}
  terminationGracePeriodSeconds: 5
",
        good: &["Process/default/web"],
        broken: &[],
        unreadable: false,
        findings: &[
            "a.yaml:7:10: info RS120 Process/default/web spec.image: `image` is read but has no effect",
            "a.yaml:9:5: info RS120 Process/default/web spec.livenessProbe: `livenessProbe` is read but has no effect",
            "a.yaml:10:34: info RS120 Process/default/web spec.terminationGracePeriodSeconds: `terminationGracePeriodSeconds` is read but has no effect",
        ],
    },
    Row {
        title: "blocks of a node",
        file: "a.yaml",
        text: r"apiVersion: ripstop.dev/v1alpha1
kind: Node
metadata:
  name: n1
spec:
  podCIDR: 10.1.0.1
  podCIDRs:
  - 10.1.2.3/24
  - 10.2.0.0/16
  - 10.3.0.0/16
  - fd00::/127
  - 127.0.0.0/8
  - everything
",
        good: &[],
        broken: &["Node/n1"],
        unreadable: false,
        findings: &[
            "a.yaml:6:12: error RS113 Node/n1 spec.podCIDR: `10.1.0.1` has no prefix length (a block is `address/length`, for example `10.244.1.0/24`)",
            "a.yaml:8:5: error RS113 Node/n1 spec.podCIDRs[0]: `10.1.2.3/24` has bits set after its prefix (write `10.1.2.0/24`)",
            "a.yaml:10:5: error RS117 Node/n1 spec.podCIDRs[2]: 10.3.0.0/16 is a second IPv4 block (a node has at most one block a family)",
            "a.yaml:11:5: error RS109 Node/n1 spec.podCIDRs[3]: fd00::/127 has an unfit size, a prefix of 8 to 125 is allowed",
            "a.yaml:12:5: error RS113 Node/n1 spec.podCIDRs[4]: 127.0.0.0/8 holds no addresses for workloads (use a private block, for example `10.244.1.0/24`)",
            "a.yaml:13:5: error RS113 Node/n1 spec.podCIDRs[5]: `everything` is not a CIDR block (a block is `address/length`, for example `10.244.1.0/24`)",
        ],
    },
    Row {
        title: "two fields for one block that differ",
        file: "a.yaml",
        text: r"apiVersion: ripstop.dev/v1alpha1
kind: Node
metadata:
  name: n1
spec:
  podCIDR: 10.1.0.0/24
  podCIDRs: [10.2.0.0/24]
",
        good: &[],
        broken: &["Node/n1"],
        unreadable: false,
        findings: &[
            "a.yaml:6:12: error RS124 Node/n1 spec.podCIDR: `podCIDR` is 10.1.0.0/24, but the first of `podCIDRs` is 10.2.0.0/24 (remove `podCIDR`)",
        ],
    },
    Row {
        title: "a mesh with another name and bad settings",
        file: "a.yaml",
        text: r#"apiVersion: ripstop.dev/v1alpha1
kind: Mesh
metadata:
  name: mine
spec:
  trustDomain: Example.com
  serviceDomain: svc..local
  rootNamespace: istio_system
  clusterId: ""
  logLevel: warning
  mtls:
    mode: MUTUAL
  egress:
    allow: [10.0.0.0/8, 10.0.0.1/8, localhost]
    alow: []
  dns:
    upstream: [dns.example.com]
  metricsPort: -1
"#,
        good: &[],
        broken: &["Mesh/mine"],
        unreadable: false,
        findings: &[
            "a.yaml:4:9: error RS111 Mesh/mine metadata.name: the mesh is named `default`, the text `mine` was found (write `default`)",
            "a.yaml:6:16: error RS111 Mesh/mine spec.trustDomain: `Example.com` is not a trust domain: `E` is not allowed, only lower-case letters, digits, `-`, `.` and `_`",
            "a.yaml:7:18: error RS111 Mesh/mine spec.serviceDomain: `svc..local` is not a domain name: it is empty",
            "a.yaml:8:18: error RS111 Mesh/mine spec.rootNamespace: `istio_system` is not a DNS label: `_` is not allowed, only lower-case letters, digits and `-` (for example `istio-system`)",
            r#"a.yaml:9:14: error RS111 Mesh/mine spec.clusterId: "" is not a cluster id: it is empty"#,
            "a.yaml:10:13: error RS110 Mesh/mine spec.logLevel: `warning` is none of `error`, `warn`, `info`, `debug`, `trace` (did you mean `warn`?)",
            "a.yaml:12:11: error RS110 Mesh/mine spec.mtls.mode: `MUTUAL` is none of `UNSET`, `DISABLE`, `PERMISSIVE`, `STRICT`",
            "a.yaml:14:25: error RS113 Mesh/mine spec.egress.allow[1]: `10.0.0.1/8` has bits set after its prefix (write `10.0.0.0/8`)",
            "a.yaml:14:37: error RS113 Mesh/mine spec.egress.allow[2]: `localhost` is not a CIDR block (a block is `address/length`, for example `10.244.1.0/24`)",
            "a.yaml:15:5: error RS107 Mesh/mine spec.egress.alow: there is no field `alow` (did you mean `allow`?)",
            "a.yaml:17:16: error RS113 Mesh/mine spec.dns.upstream[0]: `dns.example.com` is not an IP address",
            "a.yaml:18:16: error RS109 Mesh/mine spec.metricsPort: -1 is out of range, 0 to 65535 is allowed",
        ],
    },
];
