//! `VirtualService`.

use super::Row;

pub(crate) const ROWS: &[Row] = &[
    Row {
        title: "nothing but hosts",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  hosts: [web]
",
        good: &[],
        broken: &["VirtualService/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:6:3: error RS108 VirtualService/default/web spec: there is neither `http`, `tcp` nor `tls` (add at least one rule)",
        ],
    },
    Row {
        title: "ten faults give ten findings",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  hosts: ["*", web_1]
  gateways: [mesh, "*/edge"]
  exportTo: ["*", shop]
  http:
  - match:
    - uri: {regex: "("}
      headers:
        x user: {exact: a}
    timeout: 10us
    retries: {attempts: 2, retryOn: 5x}
    route:
    - destination: {host: "*", subset: v_1}
"#,
        good: &[],
        broken: &["VirtualService/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:6:11: error RS128 VirtualService/default/web spec.hosts[0]: `*` is no host for the workloads of the mesh (name the hosts, or name only gateways other than `mesh` in `gateways`)",
            "a.yaml:6:16: error RS128 VirtualService/default/web spec.hosts[1]: `web_1` is not a host: `_` is not allowed, only letters, digits and `-`",
            "a.yaml:7:20: error RS111 VirtualService/default/web spec.gateways[1]: `*/edge` is not the name of a gateway: `*` is not allowed, only letters, digits and `-` (write `name`, `namespace/name` or `mesh`)",
            "a.yaml:8:14: error RS124 VirtualService/default/web spec.exportTo[0]: `*` excludes all others (remove it, or keep nothing but `*`)",
            "a.yaml:11:20: error RS127 VirtualService/default/web spec.http[0].match[0].uri.regex: `(` is not a regex: unclosed group (regexes are RE2: no look-around, no back references)",
            "a.yaml:13:9: error RS111 VirtualService/default/web spec.http[0].match[0].headers.x user: `x user` is not the name of a header: ` ` is not allowed in it",
            "a.yaml:14:14: error RS109 VirtualService/default/web spec.http[0].timeout: `timeout` is too short, at least 1ms is needed",
            "a.yaml:15:37: error RS110 VirtualService/default/web spec.http[0].retries.retryOn: `5x` is none of `5xx`, `gateway-error`, `reset`, `reset-before-request`, `connect-failure`, `retriable-4xx`, `refused-stream`, `retriable-status-codes`, `retriable-headers`, `envoy-ratelimited`, `http3-post-connect-failure`, `cancelled`, `deadline-exceeded`, `internal`, `resource-exhausted`, `unavailable` (did you mean `5xx`?)",
            "a.yaml:17:27: error RS128 VirtualService/default/web spec.http[0].route[0].destination.host: `*` is not a host: `*` alone is not allowed here (name a domain: `*.example.com`)",
            "a.yaml:17:40: error RS111 VirtualService/default/web spec.http[0].route[0].destination.subset: `v_1` is not the name of a subset: `_` is not allowed, only letters, digits and `-`",
        ],
    },
    Row {
        title: "hosts that are none",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  hosts:
  - a_b
  - -a
  - "*a.example.com"
  - a.*.com
  - https://example.com
  - example.com:443
  - ""
  - 10.0.0.300
  - 10.0.0.1
  - Example.com.
  http:
  - route:
    - destination: {host: web}
"#,
        good: &[],
        broken: &["VirtualService/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:7:5: error RS128 VirtualService/default/web spec.hosts[0]: `a_b` is not a host: `_` is not allowed, only letters, digits and `-`",
            "a.yaml:8:5: error RS128 VirtualService/default/web spec.hosts[1]: `-a` is not a host: the label `-a` must begin and end with a letter or digit",
            "a.yaml:9:5: error RS128 VirtualService/default/web spec.hosts[2]: `*a.example.com` is not a host: `*` stands only for whole labels at the beginning (write it like `*.example.com`)",
            "a.yaml:10:5: error RS128 VirtualService/default/web spec.hosts[3]: `a.*.com` is not a host: `*` stands only for whole labels at the beginning (write it like `*.example.com`)",
            "a.yaml:11:5: error RS128 VirtualService/default/web spec.hosts[4]: `https://example.com` is not a host: it is a URL (write the host alone, without scheme and path)",
            "a.yaml:12:5: error RS128 VirtualService/default/web spec.hosts[5]: `example.com:443` is not a host: it has a port (write the host alone; ports have a field of their own)",
            r#"a.yaml:13:5: error RS128 VirtualService/default/web spec.hosts[6]: "" is not a host: it is empty"#,
            "a.yaml:14:5: error RS128 VirtualService/default/web spec.hosts[7]: `10.0.0.300` is not a host: its last label `300` is a number, and it is no IP address",
        ],
    },
    Row {
        title: "every host is no host of the mesh",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  hosts: ["*"]
  gateways: [edge, mesh]
  http:
  - route:
    - destination: {host: web}
"#,
        good: &[],
        broken: &["VirtualService/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:6:11: error RS128 VirtualService/default/web spec.hosts[0]: `*` is no host for the workloads of the mesh (name the hosts, or name only gateways other than `mesh` in `gateways`)",
        ],
    },
    Row {
        title: "hosts that overlap or are given twice",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  hosts: [a.example.com, A.example.com, web, "*.example.com", "*.com"]
  http:
  - route:
    - destination: {host: web}
"#,
        good: &[],
        broken: &["VirtualService/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:6:26: error RS117 VirtualService/default/web spec.hosts[1]: `A.example.com` is given twice (keep one of them)",
            "a.yaml:6:46: error RS124 VirtualService/default/web spec.hosts[3]: `a.example.com` lies within `*.example.com` (hosts of one VirtualService may not overlap: keep the wildcard, or write a VirtualService for each)",
            "a.yaml:6:46: error RS124 VirtualService/default/web spec.hosts[3]: `A.example.com` lies within `*.example.com` (hosts of one VirtualService may not overlap: keep the wildcard, or write a VirtualService for each)",
            "a.yaml:6:63: error RS124 VirtualService/default/web spec.hosts[4]: `*.example.com` lies within `*.com` (hosts of one VirtualService may not overlap: keep the wildcard, or write a VirtualService for each)",
        ],
    },
    Row {
        title: "gateways that are none",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  hosts: ["*"]
  gateways:
  - "*"
  - a/b/c
  - /edge
  - shop/
  - edge.shop.svc.cluster.local
  - shop/edge~istio-autogenerated-k8s-gateway~http
  http:
  - match:
    - uri: {prefix: /}
      gateways: [shop/my_edge]
    route:
    - destination: {host: web}
"#,
        good: &[],
        broken: &["VirtualService/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:8:5: error RS111 VirtualService/default/web spec.gateways[0]: `*` is not the name of a gateway: `*` is not allowed, only letters, digits and `-` (write `name`, `namespace/name` or `mesh`)",
            "a.yaml:9:5: error RS111 VirtualService/default/web spec.gateways[1]: `a/b/c` is not the name of a gateway: `/` is not allowed, only letters, digits and `-` (write `name`, `namespace/name` or `mesh`)",
            "a.yaml:10:5: error RS111 VirtualService/default/web spec.gateways[2]: `/edge` is not the name of a gateway: a label is empty (write `name`, `namespace/name` or `mesh`)",
            "a.yaml:11:5: error RS111 VirtualService/default/web spec.gateways[3]: `shop/` is not the name of a gateway: a label is empty (write `name`, `namespace/name` or `mesh`)",
            "a.yaml:12:5: warning RS130 VirtualService/default/web spec.gateways[4]: `edge.shop.svc.cluster.local` names a gateway the old way (write `shop/edge`)",
            "a.yaml:17:18: error RS111 VirtualService/default/web spec.http[0].match[0].gateways[0]: `shop/my_edge` is not the name of a gateway: `_` is not allowed, only letters, digits and `-` (write `name`, `namespace/name` or `mesh`)",
        ],
    },
    Row {
        title: "exportTo that contradicts itself",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  hosts: [web]
  exportTo: [".", default, shop, shop, "*", "~", Shop_1]
  http:
  - route:
    - destination: {host: web}
"#,
        good: &[],
        broken: &["VirtualService/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:7:19: error RS117 VirtualService/default/web spec.exportTo[1]: `default` is given twice (keep one of them)",
            "a.yaml:7:34: error RS117 VirtualService/default/web spec.exportTo[3]: `shop` is given twice (keep one of them)",
            "a.yaml:7:40: error RS124 VirtualService/default/web spec.exportTo[4]: `*` excludes all others (remove it, or keep nothing but `*`)",
            "a.yaml:7:45: error RS129 VirtualService/default/web spec.exportTo[5]: `~` hides services, not this kind (write `.` for its own namespace only)",
            "a.yaml:7:50: error RS111 VirtualService/default/web spec.exportTo[6]: `Shop_1` is neither `.`, `*` nor a namespace: it must begin and end with a lower-case letter or digit",
        ],
    },
    Row {
        title: "a delegate with what it must not have",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  gateways: [edge]
  http:
  - delegate: {name: other}
  tls:
  - match:
    - sniHosts: [a.example.com]
    route:
    - destination: {host: web}
  tcp:
  - route:
    - destination: {host: web}
",
        good: &[],
        broken: &["VirtualService/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:6:13: error RS124 VirtualService/default/web spec.gateways: `gateways` is given, but there are no `hosts` (add `hosts`; without them it is a delegate, which has nothing but HTTP rules)",
            "a.yaml:8:15: error RS124 VirtualService/default/web spec.http[0].delegate: `delegate` is given, but there are no `hosts` (add `hosts`; delegates do not delegate further)",
            "a.yaml:10:5: error RS124 VirtualService/default/web spec.tls: `tls` is given, but there are no `hosts` (add `hosts`; without them it is a delegate, which has nothing but HTTP rules)",
            "a.yaml:15:5: error RS124 VirtualService/default/web spec.tcp: `tcp` is given, but there are no `hosts` (add `hosts`; without them it is a delegate, which has nothing but HTTP rules)",
        ],
    },
    Row {
        title: "rules that say nothing or too much",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  hosts: [web]
  http:
  - match:
    - uri: {exact: /a}
  - match:
    - uri: {exact: /b}
    redirect: {uri: /c}
    directResponse: {status: 204}
    route:
    - destination: {host: web}
    fault:
      abort: {httpStatus: 500, percentage: {value: 1}}
    rewrite: {uri: /}
  - match:
    - uri: {exact: /d}
    directResponse: {status: 204}
    route:
    - destination: {host: web}
    rewrite: {uri: /}
  - match:
    - uri: {exact: /e}
    delegate: {name: other}
    redirect: {uri: /c}
    route:
    - destination: {host: web}
",
        good: &[],
        broken: &["VirtualService/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:8:5: error RS108 VirtualService/default/web spec.http[0]: there is neither `route`, `redirect`, `directResponse` nor `delegate` (say where the requests go, for example by `route`)",
            "a.yaml:13:21: error RS124 VirtualService/default/web spec.http[1].directResponse: `redirect` excludes `directResponse` (keep one of them)",
            "a.yaml:15:7: error RS124 VirtualService/default/web spec.http[1].route: `redirect` excludes `route` (keep one of them)",
            "a.yaml:17:7: error RS124 VirtualService/default/web spec.http[1].fault: `redirect` excludes `fault` (keep one of them)",
            "a.yaml:18:14: error RS124 VirtualService/default/web spec.http[1].rewrite: `redirect` excludes `rewrite` (keep one of them)",
            "a.yaml:23:7: error RS124 VirtualService/default/web spec.http[2].route: `directResponse` excludes `route` (keep one of them)",
            "a.yaml:24:14: error RS124 VirtualService/default/web spec.http[2].rewrite: `directResponse` excludes `rewrite` (keep one of them)",
            "a.yaml:28:15: error RS124 VirtualService/default/web spec.http[3].redirect: `delegate` excludes `redirect` (keep one of them)",
            "a.yaml:30:7: error RS124 VirtualService/default/web spec.http[3].route: `delegate` excludes `route` (keep one of them)",
        ],
    },
    Row {
        title: "a mirror and mirrors, and shares of no mirror",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  hosts: [web]
  http:
  - match:
    - uri: {prefix: /a}
    route:
    - destination: {host: web}
    mirror: {host: shadow}
    mirrorPercentage: {value: 100.5}
    mirrors:
    - destination: {host: other}
      percentage: {value: -1}
  - route:
    - destination: {host: web}
    mirrorPercent: 101
",
        good: &[],
        broken: &["VirtualService/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:12:13: error RS124 VirtualService/default/web spec.http[0].mirror: `mirrors` excludes `mirror` (keep one of them)",
            "a.yaml:13:31: error RS109 VirtualService/default/web spec.http[0].mirrorPercentage.value: 100.5 is out of range, 0 to 100 is allowed",
            "a.yaml:16:27: error RS109 VirtualService/default/web spec.http[0].mirrors[0].percentage.value: -1 is out of range, 0 to 100 is allowed",
            "a.yaml:19:20: error RS109 VirtualService/default/web spec.http[1].mirrorPercent: 101 is out of range, 0 to 100 is allowed",
            "a.yaml:19:20: info RS120 VirtualService/default/web spec.http[1].mirrorPercent: `mirrorPercent` is read but has no effect (it belongs to `mirror`; `mirrors` have a `percentage` each)",
            "a.yaml:19:20: info RS16 VirtualService/default/web spec.http[1].mirrorPercent: `mirrorPercent` is an older spelling (write `mirrorPercentage.value`)",
        ],
    },
    Row {
        title: "redirects that lead nowhere",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  hosts: [web]
  http:
  - match:
    - uri: {exact: /a}
    redirect: {redirectCode: 302}
  - match:
    - uri: {exact: /b}
    redirect: {uri: /c, prefixRewrite: /d, redirectCode: 200}
  - match:
    - uri: {prefix: /c}
    redirect: {scheme: HTTPS, port: 443, derivePort: FROM_REQUEST_PORT}
  - redirect: {authority: example.com, redirectCode: 304}
",
        good: &[],
        broken: &["VirtualService/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:10:15: error RS108 VirtualService/default/web spec.http[0].redirect: the redirect leads nowhere else (set at least one of `uri`, `authority`, `scheme` and `port`)",
            "a.yaml:13:40: error RS124 VirtualService/default/web spec.http[1].redirect.prefixRewrite: `prefixRewrite` excludes `uri` (keep one of them)",
            "a.yaml:13:40: error RS124 VirtualService/default/web spec.http[1].redirect.prefixRewrite: `prefixRewrite` needs a `match` by `uri.prefix` (match by prefix, or write `uri`, which replaces the whole path)",
            "a.yaml:13:58: error RS109 VirtualService/default/web spec.http[1].redirect.redirectCode: 200 is out of range, 300 to 399 is allowed (write 301, 302, 303, 307 or 308)",
            "a.yaml:16:24: error RS110 VirtualService/default/web spec.http[2].redirect.scheme: `HTTPS` is none of `http`, `https` (did you mean `https`?)",
            "a.yaml:16:54: error RS124 VirtualService/default/web spec.http[2].redirect.derivePort: `derivePort` excludes `port` (keep one of them)",
            "a.yaml:17:54: warning RS130 VirtualService/default/web spec.http[3].redirect.redirectCode: 304 redirects nobody, the rule is dropped (write 301, 302, 303, 307 or 308)",
        ],
    },
    Row {
        title: "answers that are none",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  hosts: [web]
  http:
  - match:
    - uri: {exact: /a}
    directResponse: {status: 199}
  - match:
    - uri: {exact: /b}
    directResponse:
      body: {string: hello, bytes: aGVsbG8=}
  - directResponse:
      status: 600
      body: {bytes: "no base64"}
"#,
        good: &[],
        broken: &["VirtualService/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:10:30: error RS109 VirtualService/default/web spec.http[0].directResponse.status: 199 is out of range, 200 to 599 is allowed",
            "a.yaml:14:7: error RS108 VirtualService/default/web spec.http[1].directResponse.status: `status` is missing",
            "a.yaml:14:36: error RS124 VirtualService/default/web spec.http[1].directResponse.body.bytes: `bytes` excludes `string` (keep one of them)",
            "a.yaml:16:15: error RS109 VirtualService/default/web spec.http[2].directResponse.status: 600 is out of range, 200 to 599 is allowed",
            "a.yaml:17:21: error RS129 VirtualService/default/web spec.http[2].directResponse.body.bytes: `bytes` is not base64 (write text as `string`)",
        ],
    },
    Row {
        title: "rewrites that rewrite nothing",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  hosts: [web]
  http:
  - match:
    - uri: {prefix: /a}
    rewrite: {uri: ""}
    route:
    - destination: {host: web}
  - match:
    - uri: {prefix: /b}
    rewrite:
      uri: /c
      uriRegexRewrite: {match: "(", rewrite: /d}
    route:
    - destination: {host: web}
  - match:
    - uri: {prefix: /c}
    rewrite:
      uriRegexRewrite: {match: ""}
    route:
    - destination: {host: web}
  - match:
    - uri: {prefix: /d}
    rewrite:
      uriRegexRewrite: {match: "*", rewrite: /}
    route:
    - destination: {host: web}
"#,
        good: &[],
        broken: &["VirtualService/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:10:14: error RS108 VirtualService/default/web spec.http[0].rewrite: the rewrite changes nothing (set `uri`, `uriRegexRewrite` or `authority`)",
            "a.yaml:17:24: error RS124 VirtualService/default/web spec.http[1].rewrite.uriRegexRewrite: `uriRegexRewrite` excludes `uri` (keep one of them)",
            "a.yaml:17:32: error RS127 VirtualService/default/web spec.http[1].rewrite.uriRegexRewrite.match: `(` is not a regex: unclosed group (regexes are RE2: no look-around, no back references)",
            "a.yaml:23:24: error RS108 VirtualService/default/web spec.http[2].rewrite.uriRegexRewrite.rewrite: `rewrite` is missing or empty (write what takes the place of the match)",
            "a.yaml:23:32: error RS108 VirtualService/default/web spec.http[2].rewrite.uriRegexRewrite.match: `match` is empty (write the regex of what is replaced)",
            "a.yaml:29:32: error RS127 VirtualService/default/web spec.http[3].rewrite.uriRegexRewrite.match: `*` is not a regex (write `.*` for any text)",
        ],
    },
    Row {
        title: "a substitution of a group that is not there",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  hosts: [web]
  http:
  - rewrite:
      uriRegexRewrite: {match: /a/(.*), rewrite: /b/\2}
    route:
    - destination: {host: web}
  - match:
    - uri: {prefix: /x}
    rewrite:
      uriRegexRewrite: {match: /a, rewrite: /\b}
    route:
    - destination: {host: web}
",
        good: &["VirtualService/default/web"],
        broken: &[],
        unreadable: false,
        findings: &[
            r"a.yaml:9:50: warning RS130 VirtualService/default/web spec.http[0].rewrite.uriRegexRewrite.rewrite: `\2` names a group, `match` has 1 (write `\1` for the first group, `\\` for a `\`)",
            r"a.yaml:15:45: warning RS130 VirtualService/default/web spec.http[1].rewrite.uriRegexRewrite.rewrite: a `\` stands before neither a digit nor `\` (write `\1` for the first group, `\\` for a `\`)",
        ],
    },
    Row {
        title: "the authority is set in three places",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  hosts: [web]
  http:
  - rewrite: {authority: a.example.com}
    headers:
      request:
        set: {Host: b.example.com}
        add: {":authority": c.example.com}
    route:
    - destination: {host: web}
"#,
        good: &[],
        broken: &["VirtualService/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:11:21: error RS124 VirtualService/default/web spec.http[0].headers.request.set.Host: the authority is set twice (keep one of `rewrite.authority` and the header in `headers.request`)",
            "a.yaml:12:29: error RS124 VirtualService/default/web spec.http[0].headers.request.add.:authority: the authority is set twice (keep one of `rewrite.authority` and the header in `headers.request`)",
        ],
    },
    Row {
        title: "headers that nobody may change",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  hosts: [web]
  http:
  - headers:
      request:
        set: {":path": /, x user: a}
        remove: [host, ":method", ""]
      response:
        add: {Host: a, ":status": "200"}
    route:
    - destination: {host: web}
      headers:
        response:
          set: {"x(y)": a}
"#,
        good: &[],
        broken: &["VirtualService/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:10:15: error RS129 VirtualService/default/web spec.http[0].headers.request.set.:path: `:path` cannot be changed here (pseudo-headers follow from path, method and scheme: write a `rewrite`)",
            "a.yaml:10:27: error RS111 VirtualService/default/web spec.http[0].headers.request.set.x user: `x user` is not the name of a header: ` ` is not allowed in it",
            "a.yaml:11:18: error RS129 VirtualService/default/web spec.http[0].headers.request.remove[0]: `host` cannot be changed here (the host of a request is changed by `rewrite.authority`)",
            "a.yaml:11:24: error RS129 VirtualService/default/web spec.http[0].headers.request.remove[1]: `:method` cannot be changed here (pseudo-headers follow from path, method and scheme: write a `rewrite`)",
            r#"a.yaml:11:35: error RS111 VirtualService/default/web spec.http[0].headers.request.remove[2]: "" is not the name of a header: it is empty"#,
            "a.yaml:13:15: error RS129 VirtualService/default/web spec.http[0].headers.response.add.Host: `Host` cannot be changed here (the host of a request is changed by `rewrite.authority`)",
            "a.yaml:13:24: error RS129 VirtualService/default/web spec.http[0].headers.response.add.:status: `:status` cannot be changed here (pseudo-headers follow from path, method and scheme: write a `rewrite`)",
            "a.yaml:18:17: error RS111 VirtualService/default/web spec.http[0].route[0].headers.response.set.x(y): `x(y)` is not the name of a header: `(` is not allowed in it",
        ],
    },
    Row {
        title: "header values with formats that do not end, which are not repeated since they may be secret",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  hosts: [web]
  http:
  - headers:
      request:
        set:
          a: s3cret%
          b: "%START_TIME"
          c: "%REQ(x"
          d: "%REQ(x):10%"
          e: "%UPSTREAM_METADATA([a])%"
          f: "%START_TIME%%"
          g: "tab\tis fine, 100%%"
          h: "new\nline"
    route:
    - destination: {host: web}
"#,
        good: &[],
        broken: &["VirtualService/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:11:14: error RS129 VirtualService/default/web spec.http[0].headers.request.set.a: the value of header `a` is malformed: a `%` has no counterpart (write `%%` for a `%` that begins no `%VARIABLE%`)",
            "a.yaml:12:14: error RS129 VirtualService/default/web spec.http[0].headers.request.set.b: the value of header `b` is malformed: a `%` has no counterpart (write `%%` for a `%` that begins no `%VARIABLE%`)",
            "a.yaml:13:14: error RS129 VirtualService/default/web spec.http[0].headers.request.set.c: the value of header `c` is malformed: the arguments of a `%VARIABLE(…)%` do not end (write `%%` for a `%` that begins no `%VARIABLE%`)",
            "a.yaml:14:14: error RS129 VirtualService/default/web spec.http[0].headers.request.set.d: the value of header `d` is malformed: the arguments of a `%VARIABLE(…)%` cannot be read (write `%%` for a `%` that begins no `%VARIABLE%`)",
            "a.yaml:15:14: error RS129 VirtualService/default/web spec.http[0].headers.request.set.e: the value of header `e` is malformed: the arguments of a `%VARIABLE(…)%` cannot be read (write `%%` for a `%` that begins no `%VARIABLE%`)",
            "a.yaml:16:14: error RS129 VirtualService/default/web spec.http[0].headers.request.set.f: the value of header `f` is malformed: a `%` has no counterpart (write `%%` for a `%` that begins no `%VARIABLE%`)",
            "a.yaml:18:14: error RS129 VirtualService/default/web spec.http[0].headers.request.set.h: the value of header `h` is malformed: it has control characters (keep it on one line)",
        ],
    },
    Row {
        title: "retries of nothing",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  hosts: [web]
  http:
  - retries: {attempts: 0, perTryTimeout: 2s, retryOn: 5xx, retryRemoteLocalities: true}
    route:
    - destination: {host: web}
",
        good: &[],
        broken: &["VirtualService/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:8:43: error RS124 VirtualService/default/web spec.http[0].retries.perTryTimeout: `perTryTimeout` is given, but `attempts` is 0: nothing is retried (set `attempts` to 1 or more)",
            "a.yaml:8:56: error RS124 VirtualService/default/web spec.http[0].retries.retryOn: `retryOn` is given, but `attempts` is 0: nothing is retried (set `attempts` to 1 or more)",
            "a.yaml:8:84: error RS124 VirtualService/default/web spec.http[0].retries.retryRemoteLocalities: `retryRemoteLocalities` is given, but `attempts` is 0: nothing is retried (set `attempts` to 1 or more)",
        ],
    },
    Row {
        title: "retries without attempts, and fewer than none",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  hosts: [web]
  http:
  - match:
    - uri: {prefix: /a}
    retries: {retryOn: 5xx}
    route:
    - destination: {host: web}
  - retries: {attempts: -1}
    route:
    - destination: {host: web}
",
        good: &[],
        broken: &["VirtualService/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:10:24: error RS124 VirtualService/default/web spec.http[0].retries.retryOn: `retryOn` is given, but `attempts` is 0: nothing is retried (set `attempts` to 1 or more)",
            "a.yaml:13:25: error RS109 VirtualService/default/web spec.http[1].retries.attempts: -1 is out of range, it must be at least 0 (write 0 for no retries)",
        ],
    },
    Row {
        title: "conditions of retries that are none",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  hosts: [web]
  http:
  - retries: {attempts: 3, retryOn: "5xx,connect-failur, reset,,503,599,1000"}
    route:
    - destination: {host: web}
"#,
        good: &[],
        broken: &["VirtualService/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:8:37: error RS110 VirtualService/default/web spec.http[0].retries.retryOn: `connect-failur` is none of `5xx`, `gateway-error`, `reset`, `reset-before-request`, `connect-failure`, `retriable-4xx`, `refused-stream`, `retriable-status-codes`, `retriable-headers`, `envoy-ratelimited`, `http3-post-connect-failure`, `cancelled`, `deadline-exceeded`, `internal`, `resource-exhausted`, `unavailable` (did you mean `connect-failure`?)",
            "a.yaml:8:37: error RS110 VirtualService/default/web spec.http[0].retries.retryOn: ` reset` is not a condition (join conditions by `,` without blanks: `5xx,reset`)",
            r#"a.yaml:8:37: error RS110 VirtualService/default/web spec.http[0].retries.retryOn: "" is not a condition (join conditions by `,` without blanks: `5xx,reset`)"#,
            "a.yaml:8:37: error RS110 VirtualService/default/web spec.http[0].retries.retryOn: 599 is not a status of HTTP",
            "a.yaml:8:37: error RS110 VirtualService/default/web spec.http[0].retries.retryOn: 1000 is not a status of HTTP",
        ],
    },
    Row {
        title: "durations that are too short or too fine",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  hosts: [web]
  http:
  - timeout: 999us
    retries: {attempts: 1, perTryTimeout: 0s, backoff: 1.5ms}
    fault:
      delay: {fixedDelay: 0s, percentage: {value: 1}}
    corsPolicy: {maxAge: 1500ms}
    route:
    - destination: {host: web}
",
        good: &[],
        broken: &["VirtualService/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:8:14: error RS109 VirtualService/default/web spec.http[0].timeout: `timeout` is too short, at least 1ms is needed",
            "a.yaml:9:43: error RS109 VirtualService/default/web spec.http[0].retries.perTryTimeout: `perTryTimeout` is too short, at least 1ms is needed",
            "a.yaml:9:56: error RS129 VirtualService/default/web spec.http[0].retries.backoff: `backoff` has a fraction of a millisecond (round it to whole milliseconds)",
            "a.yaml:11:27: error RS109 VirtualService/default/web spec.http[0].fault.delay.fixedDelay: `fixedDelay` is too short, at least 1ms is needed",
            "a.yaml:12:26: error RS129 VirtualService/default/web spec.http[0].corsPolicy.maxAge: `maxAge` has a fraction of a second (round it to whole seconds)",
        ],
    },
    Row {
        title: "a timeout without unit, and one that is none",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  hosts: [web]
  http:
  - timeout: 5
    retries: {attempts: 1, perTryTimeout: 1d}
    route:
    - destination: {host: web}
",
        good: &[],
        broken: &["VirtualService/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:8:14: error RS106 VirtualService/default/web spec.http[0].timeout: a duration is expected, the number 5 was found (add a unit: `5s`)",
            "a.yaml:9:43: error RS114 VirtualService/default/web spec.http[0].retries.perTryTimeout: `1d` is not a duration (write it like `1.5s`, `250ms` or `1h30m`)",
        ],
    },
    Row {
        title: "faults that are none",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  hosts: [web]
  http:
  - match:
    - uri: {prefix: /a}
    fault: {}
    route:
    - destination: {host: web}
  - match:
    - uri: {prefix: /b}
    fault:
      delay: {exponentialDelay: 1s, percent: 150}
      abort: {http2Error: CANCEL, percentage: {value: 0.00001}}
    route:
    - destination: {host: web}
  - match:
    - uri: {prefix: /c}
    fault:
      delay: {fixedDelay: 1s, exponentialDelay: 1s, percentage: {value: 1}}
      abort: {httpStatus: 99, grpcStatus: NOTFOUND, percentage: {value: 101}}
    route:
    - destination: {host: web}
",
        good: &[],
        broken: &["VirtualService/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:10:12: error RS108 VirtualService/default/web spec.http[0].fault: the fault has neither `delay` nor `abort` (add one of them)",
            "a.yaml:16:33: error RS126 VirtualService/default/web spec.http[1].fault.delay.exponentialDelay: `exponentialDelay` is not supported (write `fixedDelay`)",
            "a.yaml:16:46: error RS109 VirtualService/default/web spec.http[1].fault.delay.percent: 150 is out of range, 0 to 100 is allowed",
            "a.yaml:16:46: info RS16 VirtualService/default/web spec.http[1].fault.delay.percent: `percent` is an older spelling (write `percentage.value`)",
            "a.yaml:17:27: error RS126 VirtualService/default/web spec.http[1].fault.abort.http2Error: `http2Error` is not supported (write `httpStatus` or `grpcStatus`)",
            "a.yaml:17:55: error RS109 VirtualService/default/web spec.http[1].fault.abort.percentage.value: 0.00001 is too small a share, 0.0001 is the least (write 0 for none)",
            "a.yaml:23:49: error RS126 VirtualService/default/web spec.http[2].fault.delay.exponentialDelay: `exponentialDelay` is not supported (write `fixedDelay`)",
            "a.yaml:24:27: error RS109 VirtualService/default/web spec.http[2].fault.abort.httpStatus: 99 is out of range, 200 to 599 is allowed",
            "a.yaml:24:43: error RS110 VirtualService/default/web spec.http[2].fault.abort.grpcStatus: `NOTFOUND` is none of `OK`, `CANCELLED`, `UNKNOWN`, `INVALID_ARGUMENT`, `DEADLINE_EXCEEDED`, `NOT_FOUND`, `ALREADY_EXISTS`, `PERMISSION_DENIED`, `RESOURCE_EXHAUSTED`, `FAILED_PRECONDITION`, `ABORTED`, `OUT_OF_RANGE`, `UNIMPLEMENTED`, `INTERNAL`, `UNAVAILABLE`, `DATA_LOSS`, `UNAUTHENTICATED` (did you mean `NOT_FOUND`?)",
            "a.yaml:24:43: error RS124 VirtualService/default/web spec.http[2].fault.abort.grpcStatus: `grpcStatus` excludes `httpStatus` (keep one of them)",
            "a.yaml:24:73: error RS109 VirtualService/default/web spec.http[2].fault.abort.percentage.value: 101 is out of range, 0 to 100 is allowed",
        ],
    },
    Row {
        title: "faults that never happen",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  hosts: [web]
  http:
  - fault:
      delay: {fixedDelay: 1s}
      abort: {percentage: {value: 50}}
    route:
    - destination: {host: web}
",
        good: &["VirtualService/default/web"],
        broken: &[],
        unreadable: false,
        findings: &[
            "a.yaml:9:14: info RS120 VirtualService/default/web spec.http[0].fault.delay: `delay` is read but has no effect (add `percentage`: without it, it happens to no request)",
            "a.yaml:10:14: warning RS130 VirtualService/default/web spec.http[0].fault.abort: the abort says no status, it does not act (add `httpStatus` or `grpcStatus`)",
        ],
    },
    Row {
        title: "cross-origin rules that are none",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  hosts: [web]
  http:
  - corsPolicy:
      allowOrigins:
      - {}
      - exact: ""
      - prefix: ""
      - regex: "["
      - regex: "*"
      - exact: https://example.com
        prefix: https://
      allowMethods: [GET, get, FETCH, "*"]
      allowHeaders: ["*", x user, ""]
      exposeHeaders: ["x:y"]
      maxAge: 0s
      unmatchedPreflights: DROP
    route:
    - destination: {host: web}
"#,
        good: &[],
        broken: &["VirtualService/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:10:9: error RS108 VirtualService/default/web spec.http[0].corsPolicy.allowOrigins[0]: the origin is empty (add `exact`, `prefix` or `regex`)",
            "a.yaml:11:16: error RS108 VirtualService/default/web spec.http[0].corsPolicy.allowOrigins[1].exact: `exact` is empty (name an origin: `https://example.com`)",
            "a.yaml:12:17: error RS108 VirtualService/default/web spec.http[0].corsPolicy.allowOrigins[2].prefix: `prefix` is empty (name an origin: `https://example.com`)",
            "a.yaml:13:16: error RS127 VirtualService/default/web spec.http[0].corsPolicy.allowOrigins[3].regex: `[` is not a regex: unclosed character class (regexes are RE2: no look-around, no back references)",
            "a.yaml:14:16: error RS127 VirtualService/default/web spec.http[0].corsPolicy.allowOrigins[4].regex: `*` is not a regex (write `.*` for any text)",
            "a.yaml:16:17: error RS124 VirtualService/default/web spec.http[0].corsPolicy.allowOrigins[5].prefix: `prefix` excludes `exact` (keep one of them)",
            "a.yaml:17:27: error RS110 VirtualService/default/web spec.http[0].corsPolicy.allowMethods[1]: `get` is none of `GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE`, `CONNECT`, `OPTIONS`, `TRACE`, `*` (did you mean `GET`?)",
            "a.yaml:17:32: error RS110 VirtualService/default/web spec.http[0].corsPolicy.allowMethods[2]: `FETCH` is none of `GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE`, `CONNECT`, `OPTIONS`, `TRACE`, `*` (did you mean `PATCH`?)",
            "a.yaml:18:27: error RS111 VirtualService/default/web spec.http[0].corsPolicy.allowHeaders[1]: `x user` is not the name of a header: ` ` is not allowed in it",
            r#"a.yaml:18:35: error RS111 VirtualService/default/web spec.http[0].corsPolicy.allowHeaders[2]: "" is not the name of a header: it is empty"#,
            "a.yaml:19:23: error RS111 VirtualService/default/web spec.http[0].corsPolicy.exposeHeaders[0]: `x:y` is not the name of a header: `:` is not allowed in it",
            "a.yaml:20:15: error RS109 VirtualService/default/web spec.http[0].corsPolicy.maxAge: `maxAge` is too short, at least 1ms is needed",
            "a.yaml:21:28: error RS110 VirtualService/default/web spec.http[0].corsPolicy.unmatchedPreflights: `DROP` is none of `UNSPECIFIED`, `FORWARD`, `IGNORE`",
        ],
    },
    Row {
        title: "matches on headers that are none",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  hosts: [web]
  http:
  - match:
    - headers:
        "": {exact: a}
        x user: {exact: a}
        ":host": {exact: a}
        "@request.auth.claims": {exact: a}
        x-null:
        x-empty: {prefix: ""}
        x-regex: {regex: ""}
      withoutHeaders:
        "x/y": {}
      queryParams:
        page: {prefix: ""}
        size: {exact: "1", regex: "[0-9]+"}
    route:
    - destination: {host: web}
"#,
        good: &[],
        broken: &["VirtualService/default/web"],
        unreadable: false,
        findings: &[
            r#"a.yaml:10:9: error RS111 VirtualService/default/web spec.http[0].match[0].headers.: "" is not the name of a header: it is empty"#,
            "a.yaml:11:9: error RS111 VirtualService/default/web spec.http[0].match[0].headers.x user: `x user` is not the name of a header: ` ` is not allowed in it",
            "a.yaml:12:9: error RS111 VirtualService/default/web spec.http[0].match[0].headers.:host: `:host` is not the name of a header: `:` is not allowed in it",
            "a.yaml:13:9: error RS111 VirtualService/default/web spec.http[0].match[0].headers.@request.auth.claims: `@request.auth.claims` is not the name of a header: write `@request.auth.claims.name` or `@request.auth.claims[name]`",
            "a.yaml:14:9: error RS106 VirtualService/default/web spec.http[0].match[0].headers.x-null: a mapping is expected, nothing was found (write `{}` for any value that is there)",
            "a.yaml:15:27: error RS108 VirtualService/default/web spec.http[0].match[0].headers.x-empty.prefix: `prefix` is empty (write `{}` for any value that is there)",
            "a.yaml:16:26: error RS108 VirtualService/default/web spec.http[0].match[0].headers.x-regex.regex: `regex` is empty",
            "a.yaml:18:9: error RS111 VirtualService/default/web spec.http[0].match[0].withoutHeaders.x/y: `x/y` is not the name of a header: `/` is not allowed in it",
            "a.yaml:20:24: error RS108 VirtualService/default/web spec.http[0].match[0].queryParams.page.prefix: `prefix` is empty (write `{}` for any value that is there)",
            "a.yaml:21:35: error RS124 VirtualService/default/web spec.http[0].match[0].queryParams.size.regex: `regex` excludes `exact` (keep one of them)",
        ],
    },
    Row {
        title: "matches on parts of the request that are none",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  hosts: [web]
  http:
  - match:
    - uri: {prefix: ""}
      scheme: {prefix: ""}
      method: {regex: "*"}
      authority: {regex: "(?=a)"}
      port: 70000
      sourceNamespace: shop_1
      sourceLabels: {"a b": x, app: "x y"}
    route:
    - destination: {host: web}
"#,
        good: &[],
        broken: &["VirtualService/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:10:24: error RS108 VirtualService/default/web spec.http[0].match[0].scheme.prefix: `prefix` is empty (write `{}` for any value that is there)",
            "a.yaml:11:23: error RS127 VirtualService/default/web spec.http[0].match[0].method.regex: `*` is not a regex (write `.*` for any text)",
            "a.yaml:12:26: error RS127 VirtualService/default/web spec.http[0].match[0].authority.regex: `(?=a)` is not a regex: look-around, including look-ahead and look-behind, is not supported (regexes are RE2: no look-around, no back references)",
            "a.yaml:13:13: error RS109 VirtualService/default/web spec.http[0].match[0].port: 70000 is out of range, 1 to 65535 is allowed",
            "a.yaml:14:24: error RS111 VirtualService/default/web spec.http[0].match[0].sourceNamespace: `shop_1` is not the name of a namespace: `_` is not allowed, only letters, digits and `-`",
            "a.yaml:15:22: error RS112 VirtualService/default/web spec.http[0].match[0].sourceLabels.a b: `a b` is not the key of a label: ` ` is not allowed, only letters, digits, `-`, `_` and `.`",
            "a.yaml:15:37: error RS112 VirtualService/default/web spec.http[0].match[0].sourceLabels.app: `x y` is not the value of a label: ` ` is not allowed, only letters, digits, `-`, `_` and `.`",
        ],
    },
    Row {
        title: "a match that counts gateways and not the caller",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  hosts: [web]
  gateways: [mesh, edge]
  http:
  - match:
    - gateways: [edge]
      sourceLabels: {app: web}
      sourceNamespace: shop
    route:
    - destination: {host: web}
",
        good: &["VirtualService/default/web"],
        broken: &[],
        unreadable: false,
        findings: &[
            "a.yaml:11:21: info RS120 VirtualService/default/web spec.http[0].match[0].sourceLabels: `sourceLabels` is read but has no effect (`gateways` is given: it counts, and the caller does not)",
            "a.yaml:12:24: info RS120 VirtualService/default/web spec.http[0].match[0].sourceNamespace: `sourceNamespace` is read but has no effect (`gateways` is given: it counts, and the caller does not)",
        ],
    },
    Row {
        title: "claims are matched in the mesh",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  hosts: [web]
  gateways: [edge, mesh]
  http:
  - match:
    - headers:
        "@request.auth.claims.sub": {exact: a}
      withoutHeaders:
        "@request.auth.claims[groups][x]": {exact: b}
    route:
    - destination: {host: web}
"#,
        good: &[],
        broken: &["VirtualService/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:11:9: error RS124 VirtualService/default/web spec.http[0].match[0].headers.@request.auth.claims.sub: `@request.auth.claims.sub` is matched, but claims are known at gateways only (name gateways in `gateways`, and not `mesh`)",
            "a.yaml:13:9: error RS124 VirtualService/default/web spec.http[0].match[0].withoutHeaders.@request.auth.claims[groups][x]: `@request.auth.claims[groups][x]` is matched, but claims are known at gateways only (name gateways in `gateways`, and not `mesh`)",
        ],
    },
    Row {
        title: "a brace in a regex that repeats nothing",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  hosts: [web]
  http:
  - match:
    - uri: {regex: "/users/{id}"}
    route:
    - destination: {host: web}
"#,
        good: &[],
        broken: &["VirtualService/default/web"],
        unreadable: false,
        findings: &[
            r"a.yaml:9:20: error RS127 VirtualService/default/web spec.http[0].match[0].uri.regex: `/users/{id}` is not a regex: repetition quantifier expects a valid decimal (write `\{` for a `{` that repeats nothing)",
        ],
    },
    Row {
        title: "no gateway, no rule, no host",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  gateways: [edge]
",
        good: &[],
        broken: &["VirtualService/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:6:3: error RS108 VirtualService/default/web spec: there is neither `http`, `tcp` nor `tls` (add at least one rule)",
            "a.yaml:6:13: error RS124 VirtualService/default/web spec.gateways: `gateways` is given, but there are no `hosts` (add `hosts`; without them it is a delegate, which has nothing but HTTP rules)",
        ],
    },
    Row {
        title: "destinations that are none",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  hosts: [web]
  http:
  - route:
    - destination: {host: 10.0.0.1, port: {number: 0}}
      weight: 50
    - destination: {host: "*", subset: v 1, port: {}}
      weight: -50
    - destination: {host: ""}
      weight: 3000000000
    - destination: {}
    - weight: 1
"#,
        good: &[],
        broken: &["VirtualService/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:9:27: error RS128 VirtualService/default/web spec.http[0].route[0].destination.host: `10.0.0.1` is an address, not the name of a service (name a service; a `ServiceEntry` gives an address a name)",
            "a.yaml:9:52: error RS109 VirtualService/default/web spec.http[0].route[0].destination.port.number: 0 is out of range, 1 to 65535 is allowed",
            "a.yaml:11:27: error RS128 VirtualService/default/web spec.http[0].route[1].destination.host: `*` is not a host: `*` alone is not allowed here (name a domain: `*.example.com`)",
            "a.yaml:11:40: error RS111 VirtualService/default/web spec.http[0].route[1].destination.subset: `v 1` is not the name of a subset: ` ` is not allowed, only letters, digits and `-`",
            "a.yaml:11:51: error RS108 VirtualService/default/web spec.http[0].route[1].destination.port.number: `number` is missing",
            "a.yaml:12:15: error RS109 VirtualService/default/web spec.http[0].route[1].weight: -50 is out of range, 0 to 4294967295 is allowed",
            r#"a.yaml:13:27: error RS128 VirtualService/default/web spec.http[0].route[2].destination.host: "" is not a host: it is empty"#,
            "a.yaml:14:15: error RS109 VirtualService/default/web spec.http[0].route[2].weight: 3000000000 is out of range, 0 to 2147483647 is allowed",
            "a.yaml:15:20: error RS108 VirtualService/default/web spec.http[0].route[3].destination.host: `host` is missing",
            "a.yaml:16:7: error RS108 VirtualService/default/web spec.http[0].route[4].destination: `destination` is missing",
        ],
    },
    Row {
        title: "weights that add up to nothing",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  hosts: [web]
  http:
  - match:
    - uri: {prefix: /a}
    route:
    - destination: {host: a}
    - destination: {host: b}
  - route:
    - destination: {host: a}
      weight: 0
    - destination: {host: b}
      weight: 0
  tcp:
  - route:
    - destination: {host: a}
      weight: 0
    - destination: {host: b}
",
        good: &[],
        broken: &["VirtualService/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:11:7: error RS129 VirtualService/default/web spec.http[0].route: none of 2 destinations has a `weight` (give each its share, for example 90 and 10)",
            "a.yaml:14:7: error RS129 VirtualService/default/web spec.http[1].route: none of 2 destinations has a `weight` (give each its share, for example 90 and 10)",
            "a.yaml:20:7: error RS129 VirtualService/default/web spec.tcp[0].route: none of 2 destinations has a `weight` (give each its share, for example 90 and 10)",
        ],
    },
    Row {
        title: "TLS rules without names, without matches, without destination",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  hosts: [a.example.com]
  tls:
  - match: []
    route:
    - destination: {host: web}
  - route:
    - destination: {host: web}
  - match:
    - sniHosts: []
    - port: 443
",
        good: &[],
        broken: &["VirtualService/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:8:12: error RS108 VirtualService/default/web spec.tls[0].match: `match` is empty (match at least one server name by `sniHosts`)",
            "a.yaml:11:5: error RS108 VirtualService/default/web spec.tls[1].match: `match` is missing",
            "a.yaml:13:5: error RS108 VirtualService/default/web spec.tls[2].route: `route` is missing or empty (say where connections go)",
            "a.yaml:14:17: error RS108 VirtualService/default/web spec.tls[2].match[0].sniHosts: `sniHosts` is empty (name at least one server name)",
            "a.yaml:15:7: error RS108 VirtualService/default/web spec.tls[2].match[1].sniHosts: `sniHosts` is missing",
        ],
    },
    Row {
        title: "server names that no host has",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  hosts: ["*.example.com", web]
  tls:
  - match:
    - sniHosts: [a.example.com, "*.a.example.com", web, example.com, "*.com", "*", a..b, 10.0.0.1]
      destinationSubnets: [10.0.0.0/8, 10.0.0.0/33, "::1", subnet]
      sourceLabels: {"-": "-"}
      gateways: [a/b/c]
    route:
    - destination: {host: web}
"#,
        good: &[],
        broken: &["VirtualService/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:9:57: error RS124 VirtualService/default/web spec.tls[0].match[0].sniHosts[3]: `example.com` lies within none of the `hosts` (add it to `hosts`, or remove it)",
            "a.yaml:9:70: error RS124 VirtualService/default/web spec.tls[0].match[0].sniHosts[4]: `*.com` lies within none of the `hosts` (add it to `hosts`, or remove it)",
            "a.yaml:9:79: error RS124 VirtualService/default/web spec.tls[0].match[0].sniHosts[5]: `*` lies within none of the `hosts` (add it to `hosts`, or remove it)",
            "a.yaml:9:84: error RS128 VirtualService/default/web spec.tls[0].match[0].sniHosts[6]: `a..b` is not a host: a label is empty",
            "a.yaml:9:90: warning RS130 VirtualService/default/web spec.tls[0].match[0].sniHosts[7]: `10.0.0.1` is an address, and clients do not send addresses as server names (name a host, or match by `destinationSubnets` in `tcp`)",
            "a.yaml:10:40: error RS113 VirtualService/default/web spec.tls[0].match[0].destinationSubnets[1]: `10.0.0.0/33` is neither an IP address nor a CIDR block (write it like `10.0.0.0/8`)",
            "a.yaml:10:60: error RS113 VirtualService/default/web spec.tls[0].match[0].destinationSubnets[3]: `subnet` is neither an IP address nor a CIDR block (write it like `10.0.0.0/8`)",
            "a.yaml:11:22: error RS112 VirtualService/default/web spec.tls[0].match[0].sourceLabels.-: `-` is not the key of a label: it must begin and end with a letter or digit",
            "a.yaml:11:27: error RS112 VirtualService/default/web spec.tls[0].match[0].sourceLabels.-: `-` is not the value of a label: it must begin and end with a letter or digit",
            "a.yaml:12:18: error RS111 VirtualService/default/web spec.tls[0].match[0].gateways[0]: `a/b/c` is not the name of a gateway: `/` is not allowed, only letters, digits and `-` (write `name`, `namespace/name` or `mesh`)",
        ],
    },
    Row {
        title: "generated server names are for gateways",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  hosts: [outbound_.80_._.web.shop.svc.cluster.local]
  tls:
  - match:
    - sniHosts: [outbound_.80_._.web.shop.svc.cluster.local]
    route:
    - destination: {host: web}
",
        good: &[],
        broken: &["VirtualService/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:6:11: error RS128 VirtualService/default/web spec.hosts[0]: `outbound_.80_._.web.shop.svc.cluster.local` is not a host: `_` is not allowed, only letters, digits and `-`",
            "a.yaml:9:18: error RS128 VirtualService/default/web spec.tls[0].match[0].sniHosts[0]: `outbound_.80_._.web.shop.svc.cluster.local` is not a host: `_` is not allowed, only letters, digits and `-`",
        ],
    },
    Row {
        title: "generated server names that are none",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  hosts: [outbound_.80_._.web.shop.svc.cluster.local, outbound_.http_._.web]
  gateways: [edge]
  tls:
  - match:
    - sniHosts: [outbound_.80_._.web.shop.svc.cluster.local, outbound_.80_, outbound_.80_.v1_.w_b]
    route:
    - destination: {host: web}
",
        good: &[],
        broken: &["VirtualService/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:6:55: error RS128 VirtualService/default/web spec.hosts[1]: `outbound_.http_._.web` is not a generated name (they look like `outbound_.80_.subset_.host`)",
            "a.yaml:10:62: error RS128 VirtualService/default/web spec.tls[0].match[0].sniHosts[1]: `outbound_.80_` is not a generated name (they look like `outbound_.80_.subset_.host`)",
            "a.yaml:10:77: error RS128 VirtualService/default/web spec.tls[0].match[0].sniHosts[2]: `w_b` is not a host: `_` is not allowed, only letters, digits and `-`",
        ],
    },
    Row {
        title: "TCP rules that are none",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  hosts: [web]
  tcp:
  - match:
    - destinationSubnets: [10.0.0.0/64]
      sourceSubnet: 10.0.0.0/8
      port: 0
  - match:
    - port: 80
    route: []
",
        good: &[],
        broken: &["VirtualService/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:8:5: error RS108 VirtualService/default/web spec.tcp[0].route: `route` is missing or empty (say where connections go)",
            "a.yaml:9:28: error RS113 VirtualService/default/web spec.tcp[0].match[0].destinationSubnets[0]: `10.0.0.0/64` is neither an IP address nor a CIDR block (write it like `10.0.0.0/8`)",
            "a.yaml:10:21: info RS120 VirtualService/default/web spec.tcp[0].match[0].sourceSubnet: `sourceSubnet` is read but has no effect (select callers by `sourceLabels` or `sourceNamespace`)",
            "a.yaml:11:13: error RS109 VirtualService/default/web spec.tcp[0].match[0].port: 0 is out of range, 1 to 65535 is allowed",
            "a.yaml:14:12: error RS108 VirtualService/default/web spec.tcp[1].route: `route` is missing or empty (say where connections go)",
        ],
    },
    Row {
        title: "fields that there are not",
        file: "a.yaml",
        text: r"apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  hosts: [web]
  gateway: edge
  http:
  - matches:
    - uri: {prefix: /}
    route:
    - destination: {host: web, port: 80}
    retries: {attempts: 1, retriesOn: 5xx}
    headers: {requests: {set: {a: b}}}
",
        good: &[],
        broken: &["VirtualService/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:7:3: error RS107 VirtualService/default/web spec.gateway: there is no field `gateway` (did you mean `gateways`?)",
            "a.yaml:9:5: error RS107 VirtualService/default/web spec.http[0].matches: there is no field `matches` (did you mean `match`?)",
            "a.yaml:12:38: error RS106 VirtualService/default/web spec.http[0].route[0].destination.port: a mapping is expected, the number 80 was found (write `key: value`, one below the other and indented)",
            "a.yaml:13:28: error RS107 VirtualService/default/web spec.http[0].retries.retriesOn: there is no field `retriesOn` (did you mean `retryOn`?)",
            "a.yaml:14:15: error RS107 VirtualService/default/web spec.http[0].headers.requests: there is no field `requests` (did you mean `request`?)",
        ],
    },
    Row {
        title: "values of the wrong type",
        file: "a.yaml",
        text: r#"apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: web
spec:
  hosts: web
  gateways: [1]
  exportTo: .
  http:
  - route:
    - destination: web
      weight: "100"
    match:
    - uri: /api
      headers: [x]
      port: http
    timeout: true
    retries: 3
    fault: {abort: {httpStatus: "500", grpcStatus: 14}}
    redirect:
      derivePort: 7
"#,
        good: &[],
        broken: &["VirtualService/default/web"],
        unreadable: false,
        findings: &[
            "a.yaml:6:10: error RS106 VirtualService/default/web spec.hosts: a list is expected, the text `web` was found (put `- ` before each item)",
            r#"a.yaml:7:14: error RS106 VirtualService/default/web spec.gateways[0]: text is expected, the number 1 was found (write "1" in quotes)"#,
            "a.yaml:8:13: error RS106 VirtualService/default/web spec.exportTo: a list is expected, the text `.` was found (put `- ` before each item)",
            "a.yaml:11:7: error RS124 VirtualService/default/web spec.http[0].route: `redirect` excludes `route` (keep one of them)",
            "a.yaml:11:20: error RS106 VirtualService/default/web spec.http[0].route[0].destination: a mapping is expected, the text `web` was found (write `key: value`, one below the other and indented)",
            "a.yaml:12:15: error RS106 VirtualService/default/web spec.http[0].route[0].weight: a number is expected, the text `100` was found (remove the quotes)",
            "a.yaml:14:12: error RS106 VirtualService/default/web spec.http[0].match[0].uri: a mapping is expected, the text `/api` was found (write `key: value`, one below the other and indented)",
            "a.yaml:15:16: error RS106 VirtualService/default/web spec.http[0].match[0].headers: a mapping is expected, a list was found (write `key: value`, one below the other and indented)",
            "a.yaml:16:13: error RS106 VirtualService/default/web spec.http[0].match[0].port: a whole number is expected, the text `http` was found",
            r#"a.yaml:17:14: error RS106 VirtualService/default/web spec.http[0].timeout: text is expected, the boolean `true` was found (write "true" in quotes)"#,
            "a.yaml:18:14: error RS106 VirtualService/default/web spec.http[0].retries: a mapping is expected, the number 3 was found (write `key: value`, one below the other and indented)",
            "a.yaml:19:12: error RS124 VirtualService/default/web spec.http[0].fault: `redirect` excludes `fault` (keep one of them)",
            "a.yaml:19:20: info RS120 VirtualService/default/web spec.http[0].fault.abort: `abort` is read but has no effect (add `percentage`: without it, it happens to no request)",
            "a.yaml:19:33: error RS106 VirtualService/default/web spec.http[0].fault.abort.httpStatus: a number is expected, the text `500` was found (remove the quotes)",
            r#"a.yaml:19:52: error RS106 VirtualService/default/web spec.http[0].fault.abort.grpcStatus: text is expected, the number 14 was found (write "14" in quotes)"#,
            "a.yaml:19:52: error RS124 VirtualService/default/web spec.http[0].fault.abort.grpcStatus: `grpcStatus` excludes `httpStatus` (keep one of them)",
            "a.yaml:21:19: error RS110 VirtualService/default/web spec.http[0].redirect.derivePort: `7` is none of `FROM_PROTOCOL_DEFAULT`, `FROM_REQUEST_PORT`",
        ],
    },
];
