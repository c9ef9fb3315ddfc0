//! `Sidecar`.

use super::Row;

pub(crate) const ROWS: &[Row] = &[
    Row {
        title: "a Sidecar that says nothing",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: Sidecar
metadata:
  name: default
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata:
  name: a
spec:
  workloadSelector:
    labels: {app: a}
  ingress: []
  egress: []
",
        good: &[],
        broken: &["Sidecar/default/default", "Sidecar/default/a"],
        unreadable: false,
        findings: &[
            "a.yaml:1:1: error RS108 Sidecar/default/default spec: the Sidecar says nothing (write `ingress`, `egress`, `outboundTrafficPolicy` or `inboundConnectionPool`)",
            "a.yaml:11:3: error RS108 Sidecar/default/a spec: the Sidecar says nothing (write `ingress`, `egress`, `outboundTrafficPolicy` or `inboundConnectionPool`)",
        ],
    },
    Row {
        title: "ingress without port, and ports without number",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: Sidecar
metadata:
  name: default
spec:
  ingress:
  - defaultEndpoint: 127.0.0.1:8080
  - port: {protocol: HTTP}
  - port: {number: 0, protocol: HTTP}
  - port: {number: 65536, protocol: HTTP}
  - port: {number: 65536, protocol: HTTP}
  - port: 80
",
        good: &[],
        broken: &["Sidecar/default/default"],
        unreadable: false,
        findings: &[
            "a.yaml:7:5: error RS108 Sidecar/default/default spec.ingress[0].port: `port` is missing",
            "a.yaml:8:11: error RS108 Sidecar/default/default spec.ingress[1].port: the port of an ingress listener needs a `number` from 1 to 65535 (name the port of the workload)",
            "a.yaml:9:20: error RS108 Sidecar/default/default spec.ingress[2].port.number: the port of an ingress listener needs a `number` from 1 to 65535 (name the port of the workload)",
            "a.yaml:10:20: error RS109 Sidecar/default/default spec.ingress[3].port.number: 65536 is out of range, 1 to 65535 is allowed",
            "a.yaml:11:20: error RS109 Sidecar/default/default spec.ingress[4].port.number: 65536 is out of range, 1 to 65535 is allowed",
            "a.yaml:12:11: error RS106 Sidecar/default/default spec.ingress[5].port: a mapping is expected, the number 80 was found (write `key: value`, one below the other and indented)",
        ],
    },
    Row {
        title: "ports with faults",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: Sidecar
metadata:
  name: default
spec:
  ingress:
  - port:
      number: 80
      protocol: HTTTP
      name: my_port
      targetPort: 8080
  egress:
  - port: {number: 81, protocol: SSH, name: "a-"}
    hosts: ["*/*"]
"#,
        good: &[],
        broken: &["Sidecar/default/default"],
        unreadable: false,
        findings: &[
            "a.yaml:9:17: error RS110 Sidecar/default/default spec.ingress[0].port.protocol: `HTTTP` is none of `TCP`, `UDP`, `HTTP`, `HTTP2`, `HTTPS`, `GRPC`, `GRPC-WEB`, `TLS`, `MONGO`, `MYSQL`, `REDIS`, `HTTP_PROXY` (did you mean `HTTP`?)",
            "a.yaml:10:13: error RS111 Sidecar/default/default spec.ingress[0].port.name: `my_port` is not the name of a port: `_` is not allowed, only letters, digits and `-` (for example `my-port`)",
            "a.yaml:11:19: info RS120 Sidecar/default/default spec.ingress[0].port.targetPort: `targetPort` is read but has no effect (`defaultEndpoint` says where the application listens)",
            "a.yaml:13:34: error RS110 Sidecar/default/default spec.egress[0].port.protocol: `SSH` is none of `TCP`, `UDP`, `HTTP`, `HTTP2`, `HTTPS`, `GRPC`, `GRPC-WEB`, `TLS`, `MONGO`, `MYSQL`, `REDIS`, `HTTP_PROXY`",
            "a.yaml:13:45: error RS111 Sidecar/default/default spec.egress[0].port.name: `a-` is not the name of a port: it must begin and end with a letter or digit (for example `a`)",
        ],
    },
    Row {
        title: "ports that are given twice",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: Sidecar
metadata:
  name: default
spec:
  ingress:
  - port: {number: 80, protocol: HTTP, name: a}
  - port: {number: 80, protocol: HTTP, name: b}
    bind: 10.0.0.1
  egress:
  - port: {number: 80, protocol: HTTP}
    hosts: ["./*"]
  - port: {number: 80, protocol: TCP}
    bind: 10.0.0.1
    hosts: ["./*"]
"#,
        good: &[],
        broken: &["Sidecar/default/default"],
        unreadable: false,
        findings: &[
            "a.yaml:8:20: error RS117 Sidecar/default/default spec.ingress[1].port.number: port 80 is given twice, first in line 7 (one listener serves a port, whatever it binds)",
            "a.yaml:13:20: error RS117 Sidecar/default/default spec.egress[1].port.number: port 80 is given twice, first in line 11 (one listener serves a port, whatever it binds)",
        ],
    },
    Row {
        title: "ingress binds addresses, no sockets",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: Sidecar
metadata:
  name: default
spec:
  ingress:
  - port: {number: 80}
    bind: unix:///run/a.sock
  - port: {number: 81}
    bind: localhost
  - port: {number: 82}
    bind: ::1
",
        good: &[],
        broken: &["Sidecar/default/default"],
        unreadable: false,
        findings: &[
            "a.yaml:8:11: error RS113 Sidecar/default/default spec.ingress[0].bind: `unix:///run/a.sock` is not an IP address (only an egress listener binds a socket; the application's goes into `defaultEndpoint`)",
            "a.yaml:10:11: error RS113 Sidecar/default/default spec.ingress[1].bind: `localhost` is not an IP address",
        ],
    },
    Row {
        title: "endpoints that are not the workload's own",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: Sidecar
metadata:
  name: default
spec:
  ingress:
  - {port: {number: 1}, defaultEndpoint: "127.0.0.1:8080"}
  - {port: {number: 2}, defaultEndpoint: "10.0.0.1:8080"}
  - {port: {number: 3}, defaultEndpoint: "localhost:8080"}
  - {port: {number: 4}, defaultEndpoint: "127.0.0.1"}
  - {port: {number: 5}, defaultEndpoint: "127.0.0.1:0"}
  - {port: {number: 6}, defaultEndpoint: "[::1]:http"}
  - {port: {number: 7}, defaultEndpoint: "::1:80"}
  - {port: {number: 8}, defaultEndpoint: "unix://a.sock"}
  - {port: {number: 9}, defaultEndpoint: "0.0.0.0:+80"}
"#,
        good: &[],
        broken: &["Sidecar/default/default"],
        unreadable: false,
        findings: &[
            "a.yaml:8:42: error RS113 Sidecar/default/default spec.ingress[1].defaultEndpoint: `10.0.0.1:8080` is not an endpoint of the workload itself (write it like `127.0.0.1:8080`, `[::1]:8080`, `0.0.0.0:8080`, `[::]:8080` or `unix:///path`)",
            "a.yaml:9:42: error RS113 Sidecar/default/default spec.ingress[2].defaultEndpoint: `localhost:8080` is not an endpoint of the workload itself (write it like `127.0.0.1:8080`, `[::1]:8080`, `0.0.0.0:8080`, `[::]:8080` or `unix:///path`)",
            "a.yaml:10:42: error RS113 Sidecar/default/default spec.ingress[3].defaultEndpoint: `127.0.0.1` is not an endpoint of the workload itself (write it like `127.0.0.1:8080`, `[::1]:8080`, `0.0.0.0:8080`, `[::]:8080` or `unix:///path`)",
            "a.yaml:11:42: error RS109 Sidecar/default/default spec.ingress[4].defaultEndpoint: `0` after `127.0.0.1` is not a port from 1 to 65535 (write it like `127.0.0.1:8080`, `[::1]:8080`, `0.0.0.0:8080`, `[::]:8080` or `unix:///path`)",
            "a.yaml:12:42: error RS109 Sidecar/default/default spec.ingress[5].defaultEndpoint: `http` after `[::1]` is not a port from 1 to 65535 (write it like `127.0.0.1:8080`, `[::1]:8080`, `0.0.0.0:8080`, `[::]:8080` or `unix:///path`)",
            "a.yaml:13:42: error RS113 Sidecar/default/default spec.ingress[6].defaultEndpoint: `::1:80` is not an endpoint of the workload itself (write it like `127.0.0.1:8080`, `[::1]:8080`, `0.0.0.0:8080`, `[::]:8080` or `unix:///path`)",
            "a.yaml:14:42: error RS113 Sidecar/default/default spec.ingress[7].defaultEndpoint: `unix://a.sock` has no path of a socket: it is relative (write it like `unix:///path/to/socket`, or `unix://@name`)",
            "a.yaml:15:42: error RS109 Sidecar/default/default spec.ingress[8].defaultEndpoint: `+80` after `0.0.0.0` is not a port from 1 to 65535 (write it like `127.0.0.1:8080`, `[::1]:8080`, `0.0.0.0:8080`, `[::]:8080` or `unix:///path`)",
        ],
    },
    Row {
        title: "TLS that is for gateways",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: Sidecar
metadata:
  name: default
spec:
  ingress:
  - port: {number: 443, protocol: HTTPS}
    tls:
      mode: ISTIO_MUTUAL
      subjectAltNames: [a.com]
      httpsRedirect: true
      credentialName: cert
",
        good: &[],
        broken: &["Sidecar/default/default"],
        unreadable: false,
        findings: &[
            "a.yaml:9:13: error RS126 Sidecar/default/default spec.ingress[0].tls.mode: the mode `ISTIO_MUTUAL` is not supported on an ingress listener (write `SIMPLE` or `MUTUAL`)",
            "a.yaml:10:24: error RS126 Sidecar/default/default spec.ingress[0].tls.subjectAltNames: `subjectAltNames` is not supported on an ingress listener (ask for principals in an AuthorizationPolicy)",
            "a.yaml:11:22: error RS126 Sidecar/default/default spec.ingress[0].tls.httpsRedirect: `httpsRedirect` is not supported on an ingress listener (redirect at a Gateway)",
            "a.yaml:12:23: error RS124 Sidecar/default/default spec.ingress[0].tls.credentialName: `mode: ISTIO_MUTUAL` excludes `credentialName` (the mesh's own certificates are used: remove it, or write `mode: MUTUAL`)",
            "a.yaml:12:23: error RS126 Sidecar/default/default spec.ingress[0].tls.credentialName: `credentialName` is not supported on an ingress listener (name files: `serverCertificate`, `privateKey`, `caCertificates`)",
        ],
    },
    Row {
        title: "HTTP limits on a port that is not HTTP",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: Sidecar
metadata:
  name: default
spec:
  ingress:
  - port: {number: 90, protocol: TCP}
    connectionPool:
      http: {http1MaxPendingRequests: 1}
",
        good: &["Sidecar/default/default"],
        broken: &[],
        unreadable: false,
        findings: &[
            "a.yaml:9:13: info RS120 Sidecar/default/default spec.ingress[0].connectionPool.http: `http` is read but has no effect (the protocol of the port is `TCP`)",
        ],
    },
    Row {
        title: "a capture mode that does not exist",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: Sidecar
metadata:
  name: default
spec:
  ingress:
  - port: {number: 80}
    captureMode: iptables
",
        good: &[],
        broken: &["Sidecar/default/default"],
        unreadable: false,
        findings: &[
            "a.yaml:8:18: error RS110 Sidecar/default/default spec.ingress[0].captureMode: `iptables` is none of `DEFAULT`, `IPTABLES`, `NONE` (did you mean `IPTABLES`?)",
        ],
    },
    Row {
        title: "egress without hosts",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: Sidecar
metadata:
  name: default
spec:
  egress:
  - port: {number: 80}
  - hosts: []
",
        good: &[],
        broken: &["Sidecar/default/default"],
        unreadable: false,
        findings: &[
            "a.yaml:7:5: error RS108 Sidecar/default/default spec.egress[0].hosts: `hosts` is missing",
            "a.yaml:8:12: error RS108 Sidecar/default/default spec.egress[1].hosts: `hosts` is empty (write `~/*` if nothing may be called)",
        ],
    },
    Row {
        title: "hosts of egress that are none",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: Sidecar
metadata:
  name: default
spec:
  egress:
  - hosts:
    - reviews.default.svc.cluster.local
    - "*"
    - default/reviews
    - My_Space/a.com
    - /a.com
    - default/
    - default/*a.com
    - default/10.0.0.1
    - default/a.com/b
    - ~-x/a.com
    - ~other/a.com
    - ~/*
    - ../a.com
"#,
        good: &[],
        broken: &["Sidecar/default/default"],
        unreadable: false,
        findings: &[
            "a.yaml:8:7: error RS128 Sidecar/default/default spec.egress[0].hosts[0]: `reviews.default.svc.cluster.local` has no namespace (write `*/reviews.default.svc.cluster.local` for any, `./reviews.default.svc.cluster.local` for its own)",
            "a.yaml:9:7: error RS128 Sidecar/default/default spec.egress[0].hosts[1]: `*` has no namespace (write `*/*` for any, `./*` for its own)",
            "a.yaml:10:7: error RS128 Sidecar/default/default spec.egress[0].hosts[2]: `reviews` is a short name (write the whole name, like `reviews.default.svc.cluster.local`)",
            "a.yaml:11:7: error RS111 Sidecar/default/default spec.egress[0].hosts[3]: `My_Space` of `My_Space/a.com` is not a namespace: it must begin and end with a lower-case letter or digit (write a name, `*` for any, `.` for its own or `~` for none)",
            r#"a.yaml:12:7: error RS111 Sidecar/default/default spec.egress[0].hosts[4]: "" of `/a.com` is not a namespace: it is empty (write a name, `*` for any, `.` for its own or `~` for none)"#,
            r#"a.yaml:13:7: error RS128 Sidecar/default/default spec.egress[0].hosts[5]: "" is not a host: it is empty"#,
            "a.yaml:14:7: error RS128 Sidecar/default/default spec.egress[0].hosts[6]: `*a.com` is not a host: `*` stands only for whole labels at the beginning (write it like `*.example.com`)",
            "a.yaml:15:7: error RS128 Sidecar/default/default spec.egress[0].hosts[7]: `10.0.0.1` is an IP address and not a host (name the service)",
            "a.yaml:16:7: error RS128 Sidecar/default/default spec.egress[0].hosts[8]: `a.com/b` is not a host: `/` is not allowed, only letters, digits and `-`",
            "a.yaml:17:7: error RS111 Sidecar/default/default spec.egress[0].hosts[9]: `~-x` of `~-x/a.com` is not a namespace: it must begin and end with a lower-case letter or digit (write a name, `*` for any, `.` for its own or `~` for none)",
            "a.yaml:20:7: error RS111 Sidecar/default/default spec.egress[0].hosts[12]: `..` of `../a.com` is not a namespace: it must begin and end with a lower-case letter or digit (write a name, `*` for any, `.` for its own or `~` for none)",
        ],
    },
    Row {
        title: "hosts of egress that add nothing",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: Sidecar
metadata:
  name: default
spec:
  egress:
  - port: {number: 80}
    hosts: [./a.com, default/a.com, ~/b.com]
  - port: {number: 81}
    hosts: [other/*, other/a.com, ./a.com]
  - hosts: ["*/*", ./a.com, ~other/*]
"#,
        good: &["Sidecar/default/default"],
        broken: &[],
        unreadable: false,
        findings: &[
            "a.yaml:8:22: info RS120 Sidecar/default/default spec.egress[0].hosts[1]: `default/a.com` is given twice (remove it)",
            "a.yaml:10:22: info RS120 Sidecar/default/default spec.egress[1].hosts[1]: `other/a.com` lies within `other/*` and adds nothing (remove it)",
            "a.yaml:11:20: info RS120 Sidecar/default/default spec.egress[2].hosts[1]: `./a.com` lies within `*/*` and adds nothing (remove it)",
        ],
    },
    Row {
        title: "the listener without port is not the last",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: Sidecar
metadata:
  name: default
spec:
  egress:
  - hosts: ["*/*"]
  - port: {number: 80}
    hosts: ["./*"]
"#,
        good: &[],
        broken: &["Sidecar/default/default"],
        unreadable: false,
        findings: &[
            "a.yaml:7:5: error RS124 Sidecar/default/default spec.egress[0]: the listener without `port` serves all other ports, but is not the last (move it to the end of `egress`)",
        ],
    },
    Row {
        title: "two listeners without port",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: Sidecar
metadata:
  name: default
spec:
  egress:
  - hosts: ["other/*"]
  - hosts: ["./*"]
"#,
        good: &[],
        broken: &["Sidecar/default/default"],
        unreadable: false,
        findings: &[
            "a.yaml:8:5: error RS117 Sidecar/default/default spec.egress[1]: a second listener has no `port`, the first one stands in line 7 (give it a `port`, or join their `hosts`)",
        ],
    },
    Row {
        title: "three listeners without port, none of them the last",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: Sidecar
metadata:
  name: default
spec:
  egress:
  - hosts: ["other/*"]
  - hosts: ["./*"]
  - bind: 127.0.0.1
    hosts: ["./*"]
  - port: {number: 80}
    hosts: ["./*"]
"#,
        good: &[],
        broken: &["Sidecar/default/default"],
        unreadable: false,
        findings: &[
            "a.yaml:8:5: error RS117 Sidecar/default/default spec.egress[1]: a second listener has no `port`, the first one stands in line 7 (give it a `port`, or join their `hosts`)",
            "a.yaml:9:5: error RS117 Sidecar/default/default spec.egress[2]: a second listener has no `port`, the first one stands in line 7 (give it a `port`, or join their `hosts`)",
            "a.yaml:9:5: error RS124 Sidecar/default/default spec.egress[2]: the listener without `port` serves all other ports, but is not the last (move it to the end of `egress`)",
        ],
    },
    Row {
        title: "sockets of egress",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: Sidecar
metadata:
  name: default
spec:
  egress:
  - port: {protocol: HTTP}
    bind: unix:///run/a.sock
    hosts: ["./*"]
  - port: {number: 80, protocol: HTTP}
    bind: unix:///run/b.sock
    hosts: ["./*"]
  - port: {number: 0, protocol: HTTP}
    bind: unix:///run/a.sock
    captureMode: IPTABLES
    hosts: ["./*"]
  - port: {number: 0}
    bind: unix://c.sock
    hosts: ["./*"]
  - bind: unix:///run/d.sock
    hosts: ["./*"]
"#,
        good: &[],
        broken: &["Sidecar/default/default"],
        unreadable: false,
        findings: &[
            "a.yaml:11:11: error RS124 Sidecar/default/default spec.egress[1].bind: a socket has no port number (remove the `number`, or bind an IP address)",
            "a.yaml:14:11: error RS117 Sidecar/default/default spec.egress[2].bind: the socket `unix:///run/a.sock` is given twice, first in line 8 (give each listener its own)",
            "a.yaml:15:18: error RS124 Sidecar/default/default spec.egress[2].captureMode: `captureMode: IPTABLES` does not reach a socket (write `NONE`, or remove it)",
            "a.yaml:18:11: error RS113 Sidecar/default/default spec.egress[3].bind: `unix://c.sock` has no path of a socket: it is relative (write it like `unix:///path/to/socket`, or `unix://@name`)",
            "a.yaml:20:11: error RS108 Sidecar/default/default spec.egress[4].bind: a listener on a socket needs a `port` (write `port` with its `protocol`, and without `number`)",
        ],
    },
    Row {
        title: "ports of egress without number and without socket",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: Sidecar
metadata:
  name: default
spec:
  egress:
  - port: {protocol: HTTP}
    hosts: ["./*"]
  - port: {number: 0}
    bind: 127.0.0.1
    hosts: ["./*"]
  - port: {number: 82}
    bind: localhost
    hosts: ["./*"]
"#,
        good: &[],
        broken: &["Sidecar/default/default"],
        unreadable: false,
        findings: &[
            "a.yaml:7:11: error RS108 Sidecar/default/default spec.egress[0].port: a port needs a `number` from 1 to 65535 unless its listener binds a socket",
            "a.yaml:9:20: error RS108 Sidecar/default/default spec.egress[1].port.number: a port needs a `number` from 1 to 65535 unless its listener binds a socket",
            "a.yaml:13:11: error RS113 Sidecar/default/default spec.egress[2].bind: `localhost` is not an IP address (sockets are written like `unix:///path`)",
        ],
    },
    Row {
        title: "what becomes of calls to elsewhere",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: Sidecar
metadata:
  name: s0
spec:
  outboundTrafficPolicy:
    mode: ALLOW_ALL
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata:
  name: s1
spec:
  outboundTrafficPolicy:
    egressProxy:
      host: proxy.istio-system.svc.cluster.local
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata:
  name: s2
spec:
  outboundTrafficPolicy:
    mode: ALLOW_ANY
    egressProxy:
      host: proxy.istio-system.svc.cluster.local
      port: {number: 8080}
",
        good: &["Sidecar/default/s2"],
        broken: &["Sidecar/default/s0", "Sidecar/default/s1"],
        unreadable: false,
        findings: &[
            "a.yaml:7:11: error RS110 Sidecar/default/s0 spec.outboundTrafficPolicy.mode: `ALLOW_ALL` is none of `REGISTRY_ONLY`, `ALLOW_ANY` (did you mean `ALLOW_ANY`?)",
            "a.yaml:16:7: error RS108 Sidecar/default/s1 spec.outboundTrafficPolicy.egressProxy.port: `port` is missing",
            "a.yaml:16:7: error RS124 Sidecar/default/s1 spec.outboundTrafficPolicy.egressProxy: `egressProxy` excludes `mode: REGISTRY_ONLY` (write `mode: ALLOW_ANY`, or remove `egressProxy`)",
        ],
    },
    Row {
        title: "selectors with wildcards and expressions",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: Sidecar
metadata:
  name: default
spec:
  workloadSelector:
    matchLabels: {app: a}
  egress:
  - hosts: ["./*"]
"#,
        good: &[],
        broken: &["Sidecar/default/default"],
        unreadable: false,
        findings: &[
            "a.yaml:7:5: error RS107 Sidecar/default/default spec.workloadSelector.matchLabels: there is no field `matchLabels` (its fields are `labels`)",
        ],
    },
    Row {
        title: "everything wrong at once",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: Sidecar
metadata:
  name: default
spec:
  workloadSelector: app
  ingress:
  - bind: here
    defaultEndpoint: there
    captureMode: 9
  egress:
  - hosts: a.com
  - port: {number: many, protocol: HTTP3}
    hosts: [a.com, 7]
  outboundTrafficPolicy: ALLOW_ANY
",
        good: &[],
        broken: &["Sidecar/default/default"],
        unreadable: false,
        findings: &[
            "a.yaml:6:21: error RS106 Sidecar/default/default spec.workloadSelector: a mapping is expected, the text `app` was found (write `key: value`, one below the other and indented)",
            "a.yaml:8:5: error RS108 Sidecar/default/default spec.ingress[0].port: `port` is missing",
            "a.yaml:8:11: error RS113 Sidecar/default/default spec.ingress[0].bind: `here` is not an IP address",
            "a.yaml:9:22: error RS113 Sidecar/default/default spec.ingress[0].defaultEndpoint: `there` is not an endpoint of the workload itself (write it like `127.0.0.1:8080`, `[::1]:8080`, `0.0.0.0:8080`, `[::]:8080` or `unix:///path`)",
            "a.yaml:10:18: error RS110 Sidecar/default/default spec.ingress[0].captureMode: `9` is none of `DEFAULT`, `IPTABLES`, `NONE`",
            "a.yaml:12:5: error RS124 Sidecar/default/default spec.egress[0]: the listener without `port` serves all other ports, but is not the last (move it to the end of `egress`)",
            "a.yaml:12:12: error RS106 Sidecar/default/default spec.egress[0].hosts: a list is expected, the text `a.com` was found (put `- ` before each item)",
            "a.yaml:13:20: error RS106 Sidecar/default/default spec.egress[1].port.number: a whole number is expected, the text `many` was found",
            "a.yaml:13:36: error RS110 Sidecar/default/default spec.egress[1].port.protocol: `HTTP3` is none of `TCP`, `UDP`, `HTTP`, `HTTP2`, `HTTPS`, `GRPC`, `GRPC-WEB`, `TLS`, `MONGO`, `MYSQL`, `REDIS`, `HTTP_PROXY` (did you mean `HTTP`?)",
            "a.yaml:14:13: error RS128 Sidecar/default/default spec.egress[1].hosts[0]: `a.com` has no namespace (write `*/a.com` for any, `./a.com` for its own)",
            r#"a.yaml:14:20: error RS106 Sidecar/default/default spec.egress[1].hosts[1]: text is expected, the number 7 was found (write "7" in quotes)"#,
            "a.yaml:15:26: error RS106 Sidecar/default/default spec.outboundTrafficPolicy: a mapping is expected, the text `ALLOW_ANY` was found (write `key: value`, one below the other and indented)",
        ],
    },
];
