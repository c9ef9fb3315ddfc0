//! `ServiceEntry`.

use super::Row;

pub(crate) const ROWS: &[Row] = &[
    Row {
        title: "no spec at all",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: a
",
        good: &[],
        broken: &["ServiceEntry/default/a"],
        unreadable: false,
        findings: &["a.yaml:1:1: error RS108 ServiceEntry/default/a spec.hosts: `hosts` is missing"],
    },
    Row {
        title: "no hosts, and an empty list of them",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: a
spec:
  resolution: NONE
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: b
spec:
  hosts: []
",
        good: &[],
        broken: &["ServiceEntry/default/a", "ServiceEntry/default/b"],
        unreadable: false,
        findings: &[
            "a.yaml:6:3: error RS108 ServiceEntry/default/a spec.hosts: `hosts` is missing",
            "a.yaml:13:10: error RS108 ServiceEntry/default/b spec.hosts: `hosts` is empty (name the service)",
        ],
    },
    Row {
        title: "hosts that are none",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: a
spec:
  hosts:
  - "*"
  - "*.com"
  - "*a.com"
  - a.*.com
  - 10.0.0.1
  - https://a.com
  - a.com:443
  - a_b.com
  - ""
  - A.Example.com.
"#,
        good: &[],
        broken: &["ServiceEntry/default/a"],
        unreadable: false,
        findings: &[
            "a.yaml:7:5: error RS128 ServiceEntry/default/a spec.hosts[0]: `*` is not a host: `*` alone is not allowed here (name a domain: `*.example.com`)",
            "a.yaml:9:5: error RS128 ServiceEntry/default/a spec.hosts[2]: `*a.com` is not a host: `*` stands only for whole labels at the beginning (write it like `*.example.com`)",
            "a.yaml:10:5: error RS128 ServiceEntry/default/a spec.hosts[3]: `a.*.com` is not a host: `*` stands only for whole labels at the beginning (write it like `*.example.com`)",
            "a.yaml:11:5: error RS128 ServiceEntry/default/a spec.hosts[4]: `10.0.0.1` is an IP address and not a host (name the service, and write the address into `addresses`)",
            "a.yaml:12:5: error RS128 ServiceEntry/default/a spec.hosts[5]: `https://a.com` is not a host: it is a URL (write the host alone, without scheme and path)",
            "a.yaml:13:5: error RS128 ServiceEntry/default/a spec.hosts[6]: `a.com:443` is not a host: it has a port (write the host alone; ports have a field of their own)",
            "a.yaml:14:5: error RS128 ServiceEntry/default/a spec.hosts[7]: `a_b.com` is not a host: `_` is not allowed, only letters, digits and `-`",
            r#"a.yaml:15:5: error RS128 ServiceEntry/default/a spec.hosts[8]: "" is not a host: it is empty"#,
        ],
    },
    Row {
        title: "addresses that are none",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: a
spec:
  hosts: [a.com]
  addresses:
  - 10.0.0.1
  - 10.0.0.1/8
  - 2001:db8::/32
  - 10.0.0.0/33
  - 2001:db8::/129
  - 10.0.0.0/08
  - 10.0.0.300
  - b.com
  - unix:///run/a.sock
",
        good: &[],
        broken: &["ServiceEntry/default/a"],
        unreadable: false,
        findings: &[
            "a.yaml:11:5: error RS113 ServiceEntry/default/a spec.addresses[3]: `10.0.0.0/33` is neither an IP address nor a CIDR block",
            "a.yaml:12:5: error RS113 ServiceEntry/default/a spec.addresses[4]: `2001:db8::/129` is neither an IP address nor a CIDR block",
            "a.yaml:13:5: error RS113 ServiceEntry/default/a spec.addresses[5]: `10.0.0.0/08` is neither an IP address nor a CIDR block",
            "a.yaml:14:5: error RS113 ServiceEntry/default/a spec.addresses[6]: `10.0.0.300` is neither an IP address nor a CIDR block",
            "a.yaml:15:5: error RS113 ServiceEntry/default/a spec.addresses[7]: `b.com` is neither an IP address nor a CIDR block (names go into `hosts`)",
            "a.yaml:16:5: error RS113 ServiceEntry/default/a spec.addresses[8]: `unix:///run/a.sock` is neither an IP address nor a CIDR block (a socket is an address of `endpoints`)",
        ],
    },
    Row {
        title: "blocks are no addresses of a name that is resolved",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: a
spec:
  hosts: [a.com]
  addresses: [10.0.0.0/8, 10.1.1.1, "2001:db8::/32"]
  resolution: DNS
"#,
        good: &[],
        broken: &["ServiceEntry/default/a"],
        unreadable: false,
        findings: &[
            "a.yaml:7:15: error RS124 ServiceEntry/default/a spec.addresses[0]: `resolution: DNS` excludes the CIDR block `10.0.0.0/8` (write single addresses, or resolve by `NONE` or `STATIC`)",
            "a.yaml:7:37: error RS124 ServiceEntry/default/a spec.addresses[2]: `resolution: DNS` excludes the CIDR block `2001:db8::/32` (write single addresses, or resolve by `NONE` or `STATIC`)",
        ],
    },
    Row {
        title: "ports with the name or number of another",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: a
spec:
  hosts: [a.com]
  ports:
  - {name: http, number: 80, protocol: HTTP}
  - {name: http, number: 81, protocol: HTTP}
  - name: web
    number: 80
    protocol: http
  - name: HTTP
    number: 82
",
        good: &[],
        broken: &["ServiceEntry/default/a"],
        unreadable: false,
        findings: &[
            "a.yaml:9:12: error RS117 ServiceEntry/default/a spec.ports[1].name: the port name `http` is given twice, first in line 8 (give each port its own name)",
            "a.yaml:11:13: error RS117 ServiceEntry/default/a spec.ports[2].number: port 80 is given twice, first in line 8 (remove one of them)",
        ],
    },
    Row {
        title: "ports without name, with names and numbers that are none",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: a
spec:
  hosts: [a.com]
  ports:
  - number: 80
  - name: ""
    number: 0
  - name: my_port
    number: 65536
    targetPort: 70000
  - name: -a
    number: "81"
  - name: a
  - 80
"#,
        good: &[],
        broken: &["ServiceEntry/default/a"],
        unreadable: false,
        findings: &[
            "a.yaml:8:5: error RS108 ServiceEntry/default/a spec.ports[0].name: `name` is missing",
            r#"a.yaml:9:11: error RS111 ServiceEntry/default/a spec.ports[1].name: "" is not the name of a port: it is empty"#,
            "a.yaml:10:13: error RS109 ServiceEntry/default/a spec.ports[1].number: 0 is out of range, 1 to 65535 is allowed",
            "a.yaml:11:11: error RS111 ServiceEntry/default/a spec.ports[2].name: `my_port` is not the name of a port: `_` is not allowed, only letters, digits and `-` (for example `my-port`)",
            "a.yaml:12:13: error RS109 ServiceEntry/default/a spec.ports[2].number: 65536 is out of range, 1 to 65535 is allowed",
            "a.yaml:13:17: error RS109 ServiceEntry/default/a spec.ports[2].targetPort: 70000 is out of range, 1 to 65535 is allowed",
            "a.yaml:14:11: error RS111 ServiceEntry/default/a spec.ports[3].name: `-a` is not the name of a port: it must begin and end with a letter or digit (for example `a`)",
            "a.yaml:15:13: error RS106 ServiceEntry/default/a spec.ports[3].number: a number is expected, the text `81` was found (remove the quotes)",
            "a.yaml:16:5: error RS108 ServiceEntry/default/a spec.ports[4].number: `number` is missing",
            "a.yaml:17:5: error RS106 ServiceEntry/default/a spec.ports[5]: a mapping is expected, the number 80 was found (write `key: value`, one below the other and indented)",
        ],
    },
    Row {
        title: "protocols that do not exist",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: a
spec:
  hosts: [a.com]
  ports:
  - {name: a, number: 1, protocol: HTTP1}
  - {name: b, number: 2, protocol: grpc-Web}
  - {name: c, number: 3, protocol: SMTP}
  - {name: d, number: 4, protocol: 7}
",
        good: &[],
        broken: &["ServiceEntry/default/a"],
        unreadable: false,
        findings: &[
            "a.yaml:8:36: error RS110 ServiceEntry/default/a spec.ports[0].protocol: `HTTP1` is none of `TCP`, `UDP`, `HTTP`, `HTTP2`, `HTTPS`, `GRPC`, `GRPC-WEB`, `TLS`, `MONGO`, `MYSQL`, `REDIS`, `HTTP_PROXY` (did you mean `HTTP`?)",
            "a.yaml:10:36: error RS110 ServiceEntry/default/a spec.ports[2].protocol: `SMTP` is none of `TCP`, `UDP`, `HTTP`, `HTTP2`, `HTTPS`, `GRPC`, `GRPC-WEB`, `TLS`, `MONGO`, `MYSQL`, `REDIS`, `HTTP_PROXY` (did you mean `HTTP`?)",
            r#"a.yaml:11:36: error RS106 ServiceEntry/default/a spec.ports[3].protocol: text is expected, the number 7 was found (write "7" in quotes)"#,
        ],
    },
    Row {
        title: "a port of the endpoints where connections keep theirs, and a selector of workloads",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: a
spec:
  hosts: [a.com]
  ports:
  - {name: http, number: 80, protocol: HTTP, targetPort: 8080}
  workloadSelector:
    labels: {app: a}
",
        good: &["ServiceEntry/default/a"],
        broken: &[],
        unreadable: false,
        findings: &[
            "a.yaml:8:58: info RS120 ServiceEntry/default/a spec.ports[0].targetPort: `targetPort` is read but has no effect (connections keep the port that the caller chose)",
            "a.yaml:10:5: info RS120 ServiceEntry/default/a spec.workloadSelector: `workloadSelector` is read but has no effect (write `resolution: STATIC`)",
        ],
    },
    Row {
        title: "a location and a resolution that do not exist",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: a
spec:
  hosts: [a.com]
  location: EXTERNAL
  resolution: STATICS
  endpoints:
  - address: 10.0.0.1
",
        good: &[],
        broken: &["ServiceEntry/default/a"],
        unreadable: false,
        findings: &[
            "a.yaml:7:13: error RS110 ServiceEntry/default/a spec.location: `EXTERNAL` is none of `MESH_EXTERNAL`, `MESH_INTERNAL`",
            "a.yaml:8:15: error RS110 ServiceEntry/default/a spec.resolution: `STATICS` is none of `NONE`, `STATIC`, `DNS`, `DNS_ROUND_ROBIN`, `DYNAMIC_DNS` (did you mean `STATIC`?)",
        ],
    },
    Row {
        title: "endpoints without a resolution",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: a
spec:
  hosts: [a.com]
  ports:
  - {name: http, number: 80, protocol: HTTP}
  endpoints:
  - address: 10.0.0.1
",
        good: &[],
        broken: &["ServiceEntry/default/a"],
        unreadable: false,
        findings: &[
            "a.yaml:10:5: error RS124 ServiceEntry/default/a spec.endpoints: `resolution: NONE` excludes `endpoints` (write `resolution: STATIC`, or `DNS` if their addresses are names)",
        ],
    },
    Row {
        title: "static without endpoints",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: a
spec:
  hosts: [a.com]
  resolution: STATIC
",
        good: &[],
        broken: &["ServiceEntry/default/a"],
        unreadable: false,
        findings: &[
            "a.yaml:7:15: error RS108 ServiceEntry/default/a spec.resolution: `resolution: STATIC` needs `endpoints` or a `workloadSelector` (name the addresses, or select workloads)",
        ],
    },
    Row {
        title: "static endpoints beside a selector",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: a
spec:
  hosts: [a.com]
  resolution: STATIC
  workloadSelector:
    labels: {app: a}
  endpoints:
  - address: 10.0.0.1
",
        good: &[],
        broken: &["ServiceEntry/default/a"],
        unreadable: false,
        findings: &[
            "a.yaml:11:5: error RS124 ServiceEntry/default/a spec.endpoints: `endpoints` excludes `workloadSelector` (keep one of them)",
        ],
    },
    Row {
        title: "static endpoints with names",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: a
spec:
  hosts: [a.com]
  resolution: STATIC
  endpoints:
  - address: 10.0.0.1
  - address: b.com
  - address: 10.0.0.300
  - network: east
  - labels: {app: a}
",
        good: &[],
        broken: &["ServiceEntry/default/a"],
        unreadable: false,
        findings: &[
            "a.yaml:10:14: error RS113 ServiceEntry/default/a spec.endpoints[1].address: `b.com` is not an IP address (write `resolution: DNS` to have names resolved)",
            "a.yaml:11:14: error RS128 ServiceEntry/default/a spec.endpoints[2].address: `10.0.0.300` is not a host: its last label `300` is a number, and it is no IP address",
            "a.yaml:13:5: error RS108 ServiceEntry/default/a spec.endpoints[4].address: `address` is missing (give it, or the `network` whose workloads it stands for)",
        ],
    },
    Row {
        title: "a socket for two ports",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: a
spec:
  hosts: [a.com]
  resolution: STATIC
  ports:
  - {name: http, number: 80, protocol: HTTP}
  - {name: grpc, number: 81, protocol: GRPC}
  endpoints:
  - address: unix:///run/a.sock
    ports: {http: 8080}
  - address: unix://run/a.sock
",
        good: &[],
        broken: &["ServiceEntry/default/a"],
        unreadable: false,
        findings: &[
            "a.yaml:12:14: error RS124 ServiceEntry/default/a spec.endpoints[0].address: a socket serves one port, the service has 2 (give the service one port)",
            "a.yaml:13:12: error RS124 ServiceEntry/default/a spec.endpoints[0].ports: a socket has no `ports` (remove them)",
            "a.yaml:14:14: error RS113 ServiceEntry/default/a spec.endpoints[1].address: `unix://run/a.sock` has no path of a socket: it is relative (write it like `unix:///path/to/socket`, or `unix://@name`)",
        ],
    },
    Row {
        title: "endpoints name ports that the service does not have",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: a
spec:
  hosts: [a.com]
  resolution: STATIC
  ports:
  - {name: http, number: 80, protocol: HTTP}
  endpoints:
  - address: 10.0.0.1
    ports:
      http: 8080
      htp: 8081
      metrics: 9090
  - address: 10.0.0.2
    ports:
      "@": 80
      http: 0
"#,
        good: &[],
        broken: &["ServiceEntry/default/a"],
        unreadable: false,
        findings: &[
            "a.yaml:14:7: error RS123 ServiceEntry/default/a spec.endpoints[0].ports.htp: the service has no port `htp` (did you mean `http`?)",
            "a.yaml:15:7: error RS123 ServiceEntry/default/a spec.endpoints[0].ports.metrics: the service has no port `metrics` (declare it in `ports` of the service)",
            "a.yaml:18:7: error RS111 ServiceEntry/default/a spec.endpoints[1].ports.@: `@` is not the name of a port: `@` is not allowed, only letters, digits and `-`",
            "a.yaml:19:13: error RS109 ServiceEntry/default/a spec.endpoints[1].ports.http: 0 is out of range, 1 to 65535 is allowed",
        ],
    },
    Row {
        title: "a wildcard that is to be resolved",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: a
spec:
  hosts: [a.com, "*.b.com"]
  resolution: DNS
"#,
        good: &[],
        broken: &["ServiceEntry/default/a"],
        unreadable: false,
        findings: &[
            "a.yaml:6:18: error RS124 ServiceEntry/default/a spec.hosts[1]: `resolution: DNS` cannot resolve `*.b.com` (name `endpoints`, or resolve by `NONE` or `DYNAMIC_DNS`)",
        ],
    },
    Row {
        title: "endpoints that cannot be resolved",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: a
spec:
  hosts: ["*.b.com"]
  resolution: DNS
  ports:
  - {name: http, number: 80, protocol: HTTP}
  endpoints:
  - address: unix:///run/a.sock
  - network: east
  - address: "*.c.com"
  - address: c.com
  - address: ::1
"#,
        good: &[],
        broken: &["ServiceEntry/default/a"],
        unreadable: false,
        findings: &[
            "a.yaml:11:14: error RS113 ServiceEntry/default/a spec.endpoints[0].address: `unix:///run/a.sock` is a socket, `resolution: DNS` wants names or IP addresses (write `resolution: STATIC`)",
            "a.yaml:12:5: error RS108 ServiceEntry/default/a spec.endpoints[1]: `resolution: DNS` needs the `address` of each endpoint (give it, or write `resolution: STATIC`)",
            "a.yaml:13:14: error RS128 ServiceEntry/default/a spec.endpoints[2].address: `*.c.com` is not a host: a wildcard is not allowed here (write the whole name)",
        ],
    },
    Row {
        title: "round robin resolves one name",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: a
spec:
  hosts: [a.com, b.com, c.com]
  resolution: DNS_ROUND_ROBIN
  ports:
  - {name: http, number: 80, protocol: HTTP}
  endpoints:
  - address: d.com
  - address: e.com
",
        good: &[],
        broken: &["ServiceEntry/default/a"],
        unreadable: false,
        findings: &[
            "a.yaml:6:18: error RS124 ServiceEntry/default/a spec.hosts[1]: `resolution: DNS_ROUND_ROBIN` wants one of `hosts`, 3 are given (keep one of them, or write `resolution: DNS`)",
            "a.yaml:12:5: error RS124 ServiceEntry/default/a spec.endpoints[1]: `resolution: DNS_ROUND_ROBIN` wants one of `endpoints`, 2 are given (keep one of them, or write `resolution: DNS`)",
        ],
    },
    Row {
        title: "several hosts on ports that do not tell them apart",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: a
spec:
  hosts: [a.com, b.com]
  resolution: DNS
  ports:
  - {name: https, number: 443, protocol: HTTPS}
  - {name: tcp, number: 81, protocol: TCP}
  - {name: auto, number: 82}
  - {name: bad, number: 83, protocol: QUIC}
",
        good: &[],
        broken: &["ServiceEntry/default/a"],
        unreadable: false,
        findings: &[
            "a.yaml:10:39: error RS124 ServiceEntry/default/a spec.ports[1].protocol: nothing tells several `hosts` apart on a port that is neither HTTP nor TLS (write one ServiceEntry for each host, or the protocol if it is HTTP or TLS)",
            "a.yaml:11:5: error RS124 ServiceEntry/default/a spec.ports[2]: nothing tells several `hosts` apart on a port that is neither HTTP nor TLS (write one ServiceEntry for each host, or the protocol if it is HTTP or TLS)",
            "a.yaml:12:39: error RS110 ServiceEntry/default/a spec.ports[3].protocol: `QUIC` is none of `TCP`, `UDP`, `HTTP`, `HTTP2`, `HTTPS`, `GRPC`, `GRPC-WEB`, `TLS`, `MONGO`, `MYSQL`, `REDIS`, `HTTP_PROXY`",
        ],
    },
    Row {
        title: "dynamic resolution takes wildcards and nothing else",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: a
spec:
  hosts: ["*.a.com", b.com, "*"]
  resolution: DYNAMIC_DNS
  addresses: [10.0.0.1, 10.0.0.0/8]
  ports:
  - {name: http, number: 80, protocol: http}
  - {name: tls, number: 443, protocol: TLS}
  - {name: https, number: 444, protocol: HTTPS}
  - {name: tcp, number: 90, protocol: TCP}
  - {name: auto, number: 91}
  endpoints:
  - address: 10.0.0.1
"#,
        good: &[],
        broken: &["ServiceEntry/default/a"],
        unreadable: false,
        findings: &[
            "a.yaml:6:22: error RS124 ServiceEntry/default/a spec.hosts[1]: `resolution: DYNAMIC_DNS` wants wildcards, `b.com` is none (write it like `*.example.com`, or resolve by `DNS`)",
            "a.yaml:6:29: error RS128 ServiceEntry/default/a spec.hosts[2]: `*` is not a host: `*` alone is not allowed here (name a domain: `*.example.com`)",
            "a.yaml:8:14: error RS124 ServiceEntry/default/a spec.addresses: `resolution: DYNAMIC_DNS` excludes `addresses` (remove them, or choose another resolution)",
            "a.yaml:12:42: error RS124 ServiceEntry/default/a spec.ports[2].protocol: `resolution: DYNAMIC_DNS` does not serve the protocol `HTTPS` (requests must tell the host: `HTTP`, `HTTP2`, `GRPC` or `TLS`)",
            "a.yaml:13:39: error RS124 ServiceEntry/default/a spec.ports[3].protocol: `resolution: DYNAMIC_DNS` does not serve the protocol `TCP` (requests must tell the host: `HTTP`, `HTTP2`, `GRPC` or `TLS`)",
            r#"a.yaml:14:5: error RS124 ServiceEntry/default/a spec.ports[4]: `resolution: DYNAMIC_DNS` does not serve the protocol "" (requests must tell the host: `HTTP`, `HTTP2`, `GRPC` or `TLS`)"#,
            "a.yaml:16:5: error RS124 ServiceEntry/default/a spec.endpoints: `resolution: DYNAMIC_DNS` excludes `endpoints` (remove them, or choose another resolution)",
        ],
    },
    Row {
        title: "exported to nobody and to somebody",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: a
spec:
  hosts: [a.com]
  exportTo: ["~", ".", default, "*", My_Space]
"#,
        good: &[],
        broken: &["ServiceEntry/default/a"],
        unreadable: false,
        findings: &[
            "a.yaml:7:14: error RS124 ServiceEntry/default/a spec.exportTo[0]: `~` excludes all others (remove it, or keep nothing but `~`)",
            "a.yaml:7:24: error RS117 ServiceEntry/default/a spec.exportTo[2]: `default` is given twice (keep one of them)",
            "a.yaml:7:33: error RS124 ServiceEntry/default/a spec.exportTo[3]: `*` excludes all others (remove it, or keep nothing but `*`)",
            "a.yaml:7:38: error RS111 ServiceEntry/default/a spec.exportTo[4]: `My_Space` is neither `.`, `*` nor a namespace: it must begin and end with a lower-case letter or digit",
        ],
    },
    Row {
        title: "selectors with wildcards and expressions",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: a
spec:
  hosts: [a.com]
  resolution: STATIC
  workloadSelector:
    matchLabels: {app: a}
",
        good: &[],
        broken: &["ServiceEntry/default/a"],
        unreadable: false,
        findings: &[
            "a.yaml:9:5: error RS107 ServiceEntry/default/a spec.workloadSelector.matchLabels: there is no field `matchLabels` (its fields are `labels`)",
        ],
    },
    Row {
        title: "fields in wrong places and of wrong types",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: a
spec:
  host: a.com
  hosts: a.com
  ports:
    http: 80
  endpoints: [10.0.0.1]
  resolution: [DNS]
  exportTo: "*"
"#,
        good: &[],
        broken: &["ServiceEntry/default/a"],
        unreadable: false,
        findings: &[
            "a.yaml:6:3: error RS107 ServiceEntry/default/a spec.host: there is no field `host` (did you mean `hosts`?)",
            "a.yaml:7:10: error RS106 ServiceEntry/default/a spec.hosts: a list is expected, the text `a.com` was found (put `- ` before each item)",
            "a.yaml:9:5: error RS106 ServiceEntry/default/a spec.ports: a list is expected, a mapping was found (put `- ` before each item)",
            "a.yaml:10:15: error RS106 ServiceEntry/default/a spec.endpoints[0]: a mapping is expected, the text `10.0.0.1` was found (write `key: value`, one below the other and indented)",
            "a.yaml:11:15: error RS106 ServiceEntry/default/a spec.resolution: text is expected, a list was found",
            "a.yaml:12:13: error RS106 ServiceEntry/default/a spec.exportTo: a list is expected, the text `*` was found (put `- ` before each item)",
        ],
    },
    Row {
        title: "everything wrong at once",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: a
spec:
  hosts: ["*", a b]
  addresses: [nowhere]
  location: 7
  resolution: DNS
  ports:
  - {name: web, number: 80, protocol: HTTPZ}
  - {name: web, number: 80}
  endpoints:
  - address: unix://
    weight: -1
    labels: {"a b": c}
    serviceAccount: Me@home
    locality: eu/de/a/b
  exportTo: ["*", "*"]
"#,
        good: &[],
        broken: &["ServiceEntry/default/a"],
        unreadable: false,
        findings: &[
            "a.yaml:6:11: error RS128 ServiceEntry/default/a spec.hosts[0]: `*` is not a host: `*` alone is not allowed here (name a domain: `*.example.com`)",
            "a.yaml:6:16: error RS128 ServiceEntry/default/a spec.hosts[1]: `a b` is not a host: ` ` is not allowed, only letters, digits and `-`",
            "a.yaml:7:15: error RS113 ServiceEntry/default/a spec.addresses[0]: `nowhere` is neither an IP address nor a CIDR block (names go into `hosts`)",
            "a.yaml:8:13: error RS110 ServiceEntry/default/a spec.location: `7` is none of `MESH_EXTERNAL`, `MESH_INTERNAL`",
            "a.yaml:11:39: error RS110 ServiceEntry/default/a spec.ports[0].protocol: `HTTPZ` is none of `TCP`, `UDP`, `HTTP`, `HTTP2`, `HTTPS`, `GRPC`, `GRPC-WEB`, `TLS`, `MONGO`, `MYSQL`, `REDIS`, `HTTP_PROXY` (did you mean `HTTP`?)",
            "a.yaml:12:5: error RS124 ServiceEntry/default/a spec.ports[1]: nothing tells several `hosts` apart on a port that is neither HTTP nor TLS (write one ServiceEntry for each host, or the protocol if it is HTTP or TLS)",
            "a.yaml:12:12: error RS117 ServiceEntry/default/a spec.ports[1].name: the port name `web` is given twice, first in line 11 (give each port its own name)",
            "a.yaml:12:25: error RS117 ServiceEntry/default/a spec.ports[1].number: port 80 is given twice, first in line 11 (remove one of them)",
            "a.yaml:14:14: error RS113 ServiceEntry/default/a spec.endpoints[0].address: `unix://` has no path of a socket: it is empty (write it like `unix:///path/to/socket`, or `unix://@name`)",
            "a.yaml:15:13: error RS109 ServiceEntry/default/a spec.endpoints[0].weight: -1 is out of range, 0 to 4294967295 is allowed",
            "a.yaml:16:14: error RS112 ServiceEntry/default/a spec.endpoints[0].labels.a b: `a b` is not the key of a label: ` ` is not allowed, only letters, digits, `-`, `_` and `.`",
            "a.yaml:17:21: error RS111 ServiceEntry/default/a spec.endpoints[0].serviceAccount: `Me@home` is not the name of a service account: it must begin and end with a lower-case letter or digit (for example `me-home`)",
            "a.yaml:18:15: info RS120 ServiceEntry/default/a spec.endpoints[0].locality: what follows the third part of `eu/de/a/b` has no effect (write it as `region/zone/subzone`)",
            "a.yaml:19:14: error RS124 ServiceEntry/default/a spec.exportTo[0]: `*` excludes all others (remove it, or keep nothing but `*`)",
            "a.yaml:19:19: error RS117 ServiceEntry/default/a spec.exportTo[1]: `*` is given twice (keep one of them)",
        ],
    },
];
