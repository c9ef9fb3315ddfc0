//! `AuthorizationPolicy`: attributes, service accounts, wildcards and paths.

use super::super::Row;

pub(crate) const ROWS: &[Row] = &[
    Row {
        title: "empty texts",
        file: "a.yaml",
        text: r#"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  rules:
  - from:
    - source:
        principals: ["", cluster.local/ns/shop/sa/web]
        namespaces: [""]
        ipBlocks: [""]
    to:
    - operation:
        hosts: [""]
        ports: [""]
        methods: [""]
        paths: [""]
    when:
    - {key: 'request.headers[x-user]', values: ["", a], notValues: [""]}
    - {key: "", values: [a]}
"#,
        good: &[],
        broken: &["AuthorizationPolicy/shop/p"],
        unreadable: false,
        findings: &[
            "a.yaml:8:22: error RS108 AuthorizationPolicy/shop/p spec.rules[0].from[0].source.principals[0]: `principals[0]` is empty",
            "a.yaml:9:22: error RS108 AuthorizationPolicy/shop/p spec.rules[0].from[0].source.namespaces[0]: `namespaces[0]` is empty",
            "a.yaml:10:20: error RS108 AuthorizationPolicy/shop/p spec.rules[0].from[0].source.ipBlocks[0]: `ipBlocks[0]` is empty",
            "a.yaml:13:17: error RS108 AuthorizationPolicy/shop/p spec.rules[0].to[0].operation.hosts[0]: `hosts[0]` is empty",
            "a.yaml:14:17: error RS108 AuthorizationPolicy/shop/p spec.rules[0].to[0].operation.ports[0]: `ports[0]` is empty",
            "a.yaml:15:19: error RS108 AuthorizationPolicy/shop/p spec.rules[0].to[0].operation.methods[0]: `methods[0]` is empty",
            "a.yaml:16:17: error RS108 AuthorizationPolicy/shop/p spec.rules[0].to[0].operation.paths[0]: `paths[0]` is empty",
            "a.yaml:18:49: error RS108 AuthorizationPolicy/shop/p spec.rules[0].when[0].values[0]: `values[0]` is empty",
            "a.yaml:18:69: error RS108 AuthorizationPolicy/shop/p spec.rules[0].when[0].notValues[0]: `notValues[0]` is empty",
            "a.yaml:19:13: error RS108 AuthorizationPolicy/shop/p spec.rules[0].when[1].key: `key` is empty",
        ],
    },
    Row {
        title: "keys that are no attributes any more",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  rules:
  - when:
    - {key: 'destination.labels[version]', values: [v1]}
    - {key: destination.name, values: [web]}
    - {key: destination.namespace, values: [shop]}
    - {key: destination.user, values: [web]}
",
        good: &[],
        broken: &["AuthorizationPolicy/shop/p"],
        unreadable: false,
        findings: &[
            "a.yaml:7:13: error RS126 AuthorizationPolicy/shop/p spec.rules[0].when[0].key: `destination.labels[version]` is no attribute any more (choose workloads by `selector`)",
            "a.yaml:8:13: error RS126 AuthorizationPolicy/shop/p spec.rules[0].when[1].key: `destination.name` is no attribute any more (attach the policy to the Service by `targetRefs`, or choose its workloads by `selector`)",
            "a.yaml:9:13: error RS126 AuthorizationPolicy/shop/p spec.rules[0].when[2].key: `destination.namespace` is no attribute any more (put the policy into that namespace)",
            "a.yaml:10:13: error RS126 AuthorizationPolicy/shop/p spec.rules[0].when[3].key: `destination.user` is no attribute any more (choose the workloads of that user by `selector`)",
        ],
    },
    Row {
        title: "keys that are no attributes",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  rules:
  - when:
    - {key: source.ips, values: [10.0.0.1]}
    - {key: request.header, values: [a]}
    - {key: request.auth.claim, values: [a]}
    - {key: color, values: [red]}
    - {key: experimental.envoy.filters., values: [a]}
    - {key: 'request.experimental.inline.headers[x-a]', values: [a]}
",
        good: &[],
        broken: &["AuthorizationPolicy/shop/p"],
        unreadable: false,
        findings: &[
            "a.yaml:7:13: error RS110 AuthorizationPolicy/shop/p spec.rules[0].when[0].key: `source.ips` is no attribute (did you mean `source.ip`?)",
            "a.yaml:8:13: error RS110 AuthorizationPolicy/shop/p spec.rules[0].when[1].key: `request.header` is no attribute (did you mean `request.headers[…]`?)",
            "a.yaml:9:13: error RS110 AuthorizationPolicy/shop/p spec.rules[0].when[2].key: `request.auth.claim` is no attribute (did you mean `request.auth.claims[…]`?)",
            "a.yaml:10:13: error RS110 AuthorizationPolicy/shop/p spec.rules[0].when[3].key: `color` is no attribute (there are `source.ip`, `remote.ip`, `source.namespace`, `source.principal`, `source.serviceAccount`, `source.trustDomain`, `request.auth.principal`, `request.auth.audiences`, `request.auth.presenter`, `destination.ip`, `destination.port`, `connection.sni`, `request.headers[…]` and `request.auth.claims[…]`)",
            "a.yaml:11:13: error RS110 AuthorizationPolicy/shop/p spec.rules[0].when[4].key: `experimental.envoy.filters.` is no attribute (there are `source.ip`, `remote.ip`, `source.namespace`, `source.principal`, `source.serviceAccount`, `source.trustDomain`, `request.auth.principal`, `request.auth.audiences`, `request.auth.presenter`, `destination.ip`, `destination.port`, `connection.sni`, `request.headers[…]` and `request.auth.claims[…]`)",
            "a.yaml:12:13: error RS126 AuthorizationPolicy/shop/p spec.rules[0].when[5].key: `request.experimental.inline.headers[x-a]` is an attribute of Istio's that is not supported (write `request.headers[…]`)",
        ],
    },
    Row {
        title: "keys without what stands in brackets",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  rules:
  - when:
    - {key: request.headers, values: [a]}
    - {key: 'request.headers[]', values: [a]}
    - {key: 'request.headers[a][b]', values: [a]}
    - {key: 'request.headers[x user]', values: [a]}
    - {key: 'request.auth.claims', values: [a]}
    - {key: 'request.auth.claims[a', values: [a]}
    - {key: 'request.auth.claims[a][]', values: [a]}
    - {key: experimental.envoy.filters.a.b, values: [a]}
",
        good: &[],
        broken: &["AuthorizationPolicy/shop/p"],
        unreadable: false,
        findings: &[
            "a.yaml:7:13: error RS129 AuthorizationPolicy/shop/p spec.rules[0].when[0].key: `request.headers` does not name one header in brackets (write it like `request.headers[user-agent]`)",
            "a.yaml:8:13: error RS129 AuthorizationPolicy/shop/p spec.rules[0].when[1].key: `request.headers[]` does not name one header in brackets (write it like `request.headers[user-agent]`)",
            "a.yaml:9:13: error RS129 AuthorizationPolicy/shop/p spec.rules[0].when[2].key: `request.headers[a][b]` does not name one header in brackets (write it like `request.headers[user-agent]`)",
            "a.yaml:10:13: error RS111 AuthorizationPolicy/shop/p spec.rules[0].when[3].key: `x user` is not the name of a header: ` ` is not allowed, only letters, digits and some signs such as `-` and `_`",
            "a.yaml:11:13: error RS129 AuthorizationPolicy/shop/p spec.rules[0].when[4].key: `request.auth.claims` does not name a claim in brackets (write it like `request.auth.claims[groups]`)",
            "a.yaml:12:13: error RS129 AuthorizationPolicy/shop/p spec.rules[0].when[5].key: `request.auth.claims[a` does not name a claim in brackets (write it like `request.auth.claims[groups]`)",
            "a.yaml:13:13: error RS129 AuthorizationPolicy/shop/p spec.rules[0].when[6].key: `request.auth.claims[a][]` does not name a claim in brackets (write it like `request.auth.claims[groups]`)",
            "a.yaml:14:13: error RS129 AuthorizationPolicy/shop/p spec.rules[0].when[7].key: `experimental.envoy.filters.a.b` does not name one key in brackets (write it like `experimental.envoy.filters.example[key]`)",
        ],
    },
    Row {
        title: "conditions without values",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  rules:
  - when:
    - key: source.ip
    - {key: source.ip, values: [], notValues: []}
    - {key: source.ip, values: [], notValues: [10.0.0.1]}
    - values: [a]
    - {}
",
        good: &[],
        broken: &["AuthorizationPolicy/shop/p"],
        unreadable: false,
        findings: &[
            "a.yaml:7:7: error RS108 AuthorizationPolicy/shop/p spec.rules[0].when[0]: a condition needs `values` or `notValues` (name at least one value)",
            "a.yaml:8:7: error RS108 AuthorizationPolicy/shop/p spec.rules[0].when[1]: a condition needs `values` or `notValues` (name at least one value)",
            "a.yaml:9:32: warning RS130 AuthorizationPolicy/shop/p spec.rules[0].when[2].values: `values` is empty, which restricts nothing (name values, or remove it)",
            "a.yaml:10:7: error RS108 AuthorizationPolicy/shop/p spec.rules[0].when[3].key: `key` is missing",
            "a.yaml:11:7: error RS108 AuthorizationPolicy/shop/p spec.rules[0].when[4].key: `key` is missing",
            "a.yaml:11:7: error RS108 AuthorizationPolicy/shop/p spec.rules[0].when[4]: a condition needs `values` or `notValues` (name at least one value)",
        ],
    },
    Row {
        title: "service accounts beside principals and namespaces",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  rules:
  - from:
    - source:
        serviceAccounts: [shop/web]
        principals: [cluster.local/ns/shop/sa/web]
        notNamespaces: [test]
    - source:
        notServiceAccounts: [shop/web]
        namespaces: [shop]
",
        good: &[],
        broken: &["AuthorizationPolicy/shop/p"],
        unreadable: false,
        findings: &[
            "a.yaml:8:26: error RS124 AuthorizationPolicy/shop/p spec.rules[0].from[0].source.serviceAccounts: `serviceAccounts` excludes `principals` and `notNamespaces` (keep one of them; two sources would be alternatives)",
            "a.yaml:12:29: error RS124 AuthorizationPolicy/shop/p spec.rules[0].from[1].source.notServiceAccounts: `notServiceAccounts` excludes `namespaces` (keep one of them; two sources would be alternatives)",
        ],
    },
    Row {
        title: "service accounts that are none",
        file: "a.yaml",
        text: r#"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  rules:
  - from:
    - source:
        serviceAccounts: [web, shop/web, "shop/*", /web, shop/, a/b/c, ""]
    when:
    - {key: source.serviceAccount, values: ["*", shop/web], notValues: [cluster.local/ns/shop/sa/web]}
"#,
        good: &[],
        broken: &["AuthorizationPolicy/shop/p"],
        unreadable: false,
        findings: &[
            "a.yaml:8:42: error RS129 AuthorizationPolicy/shop/p spec.rules[0].from[0].source.serviceAccounts[2]: `shop/*` has a wildcard, service accounts are compared whole (use `principals` or `namespaces` for wildcards)",
            "a.yaml:8:52: error RS111 AuthorizationPolicy/shop/p spec.rules[0].from[0].source.serviceAccounts[3]: `/web` is no service account (write `namespace/name`, or `name` for the policy's own namespace)",
            "a.yaml:8:58: error RS111 AuthorizationPolicy/shop/p spec.rules[0].from[0].source.serviceAccounts[4]: `shop/` is no service account (write `namespace/name`, or `name` for the policy's own namespace)",
            "a.yaml:8:65: error RS111 AuthorizationPolicy/shop/p spec.rules[0].from[0].source.serviceAccounts[5]: `a/b/c` is no service account (write `namespace/name`, or `name` for the policy's own namespace)",
            "a.yaml:8:72: error RS108 AuthorizationPolicy/shop/p spec.rules[0].from[0].source.serviceAccounts[6]: `serviceAccounts[6]` is empty",
            "a.yaml:10:45: error RS129 AuthorizationPolicy/shop/p spec.rules[0].when[0].values[0]: `*` has a wildcard, service accounts are compared whole (use `principals` or `namespaces` for wildcards)",
            "a.yaml:10:73: error RS111 AuthorizationPolicy/shop/p spec.rules[0].when[0].notValues[0]: `cluster.local/ns/shop/sa/web` is no service account (write `namespace/name`, or `name` for the policy's own namespace)",
        ],
    },
    Row {
        title: "a wildcard in the middle stands for itself",
        file: "a.yaml",
        text: r#"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  rules:
  - from:
    - source:
        principals: ["*/ns/shop/*", "cluster.local/ns/*/sa/web", "cluster.local/*", "*/sa/web", "*"]
        requestPrincipals: [a*b]
        trustDomains: ["td.*.example", "*.example", "td.*"]
        namespaces: ["sh*p", "*-test-*"]
    to:
    - operation:
        hosts: ["*.example.com", "api.*.example.com", "**"]
        methods: [G*T]
        paths: ["/a/*/b", "/a/*", "*/b"]
    when:
    - {key: connection.sni, values: ["a.*.b"], notValues: ["*.b"]}
    - {key: source.namespace, values: ["a*b*c"]}
"#,
        good: &["AuthorizationPolicy/shop/p"],
        broken: &[],
        unreadable: false,
        findings: &[
            "a.yaml:8:22: warning RS130 AuthorizationPolicy/shop/p spec.rules[0].from[0].source.principals[0]: `*/ns/shop/*` has a `*` that stands for itself and for nothing else (a wildcard is a single `*`: alone, first or last)",
            "a.yaml:8:37: warning RS130 AuthorizationPolicy/shop/p spec.rules[0].from[0].source.principals[1]: `cluster.local/ns/*/sa/web` has a `*` that stands for itself and for nothing else (a wildcard is a single `*`: alone, first or last)",
            "a.yaml:9:29: warning RS130 AuthorizationPolicy/shop/p spec.rules[0].from[0].source.requestPrincipals[0]: `a*b` has a `*` that stands for itself and for nothing else (a wildcard is a single `*`: alone, first or last)",
            "a.yaml:10:24: warning RS130 AuthorizationPolicy/shop/p spec.rules[0].from[0].source.trustDomains[0]: `td.*.example` has a `*` that stands for itself and for nothing else (a wildcard is a single `*`: alone, first or last)",
            "a.yaml:14:34: warning RS130 AuthorizationPolicy/shop/p spec.rules[0].to[0].operation.hosts[1]: `api.*.example.com` has a `*` that stands for itself and for nothing else (a wildcard is a single `*`: alone, first or last)",
            "a.yaml:14:55: warning RS130 AuthorizationPolicy/shop/p spec.rules[0].to[0].operation.hosts[2]: `**` has a `*` that stands for itself and for nothing else (a wildcard is a single `*`: alone, first or last)",
            "a.yaml:15:19: warning RS130 AuthorizationPolicy/shop/p spec.rules[0].to[0].operation.methods[0]: `G*T` has a `*` that stands for itself and for nothing else (a wildcard is a single `*`: alone, first or last)",
            "a.yaml:16:17: warning RS130 AuthorizationPolicy/shop/p spec.rules[0].to[0].operation.paths[0]: `/a/*/b` has a `*` that stands for itself and for nothing else (a wildcard is a single `*`: alone, first or last)",
            "a.yaml:18:38: warning RS130 AuthorizationPolicy/shop/p spec.rules[0].when[0].values[0]: `a.*.b` has a `*` that stands for itself and for nothing else (a wildcard is a single `*`: alone, first or last)",
        ],
    },
    Row {
        title: "path templates that are none",
        file: "a.yaml",
        text: r#"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  rules:
  - to:
    - operation:
        paths:
        - /{**}/a/{*}
        - /{**}/{**}
        - /a/{*}b
        - /a/{b}
        - /a/{
        - /{*}/*
        - /{*}//a
        - "/{*}/a b"
        - /{*}/{***}
        - "/{*}/{b=*}"
        notPaths: ["/{*}/b*", "/a}"]
"#,
        good: &[],
        broken: &["AuthorizationPolicy/shop/p"],
        unreadable: false,
        findings: &[
            "a.yaml:9:11: error RS129 AuthorizationPolicy/shop/p spec.rules[0].to[0].operation.paths[0]: `/{**}/a/{*}` is no path template: an operator follows `{**}` (let `{**}` be the last operator)",
            "a.yaml:10:11: error RS129 AuthorizationPolicy/shop/p spec.rules[0].to[0].operation.paths[1]: `/{**}/{**}` is no path template: an operator follows `{**}` (let `{**}` be the last operator)",
            "a.yaml:11:11: error RS129 AuthorizationPolicy/shop/p spec.rules[0].to[0].operation.paths[2]: `/a/{*}b` is no path template: its segment `{*}b` has other braces than `{*}` and `{**}` (a segment is `{*}`, `{**}` or text without braces)",
            "a.yaml:12:11: error RS129 AuthorizationPolicy/shop/p spec.rules[0].to[0].operation.paths[3]: `/a/{b}` is no path template: its segment `{b}` has other braces than `{*}` and `{**}` (a segment is `{*}`, `{**}` or text without braces)",
            "a.yaml:13:11: error RS129 AuthorizationPolicy/shop/p spec.rules[0].to[0].operation.paths[4]: `/a/{` is no path template: its segment `{` has other braces than `{*}` and `{**}` (a segment is `{*}`, `{**}` or text without braces)",
            "a.yaml:14:11: error RS129 AuthorizationPolicy/shop/p spec.rules[0].to[0].operation.paths[5]: `/{*}/*` is no path template: its segment `*` has a `*` (write `{*}` for a segment, without `*` elsewhere)",
            "a.yaml:15:11: error RS129 AuthorizationPolicy/shop/p spec.rules[0].to[0].operation.paths[6]: `/{*}//a` is no path template: it has an empty segment (write each `/` once)",
            "a.yaml:16:11: error RS129 AuthorizationPolicy/shop/p spec.rules[0].to[0].operation.paths[7]: `/{*}/a b` is no path template: ` ` is not allowed in a segment (encode it with `%`)",
            "a.yaml:17:11: error RS129 AuthorizationPolicy/shop/p spec.rules[0].to[0].operation.paths[8]: `/{*}/{***}` is no path template: its segment `{***}` has other braces than `{*}` and `{**}` (a segment is `{*}`, `{**}` or text without braces)",
            "a.yaml:18:11: error RS129 AuthorizationPolicy/shop/p spec.rules[0].to[0].operation.paths[9]: `/{*}/{b=*}` is no path template: its segment `{b=*}` has other braces than `{*}` and `{**}` (a segment is `{*}`, `{**}` or text without braces)",
            "a.yaml:19:20: error RS129 AuthorizationPolicy/shop/p spec.rules[0].to[0].operation.notPaths[0]: `/{*}/b*` is no path template: its segment `b*` has a `*` (write `{*}` for a segment, without `*` elsewhere)",
            "a.yaml:19:31: error RS129 AuthorizationPolicy/shop/p spec.rules[0].to[0].operation.notPaths[1]: `/a}` is no path template: its segment `a}` has other braces than `{*}` and `{**}` (a segment is `{*}`, `{**}` or text without braces)",
        ],
    },
    Row {
        title: "paths that no request has",
        file: "a.yaml",
        text: r#"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  rules:
  - to:
    - operation:
        paths: [admin, "/a?b=c", "/a#b", "{*}/a", /ok, "*ok"]
"#,
        good: &["AuthorizationPolicy/shop/p"],
        broken: &[],
        unreadable: false,
        findings: &[
            "a.yaml:8:17: warning RS130 AuthorizationPolicy/shop/p spec.rules[0].to[0].operation.paths[0]: paths begin with `/`, so `admin` matches none (write `/admin`)",
            "a.yaml:8:24: warning RS130 AuthorizationPolicy/shop/p spec.rules[0].to[0].operation.paths[1]: paths are compared without query and fragment, so `/a?b=c` matches none (leave out what follows the path)",
            "a.yaml:8:34: warning RS130 AuthorizationPolicy/shop/p spec.rules[0].to[0].operation.paths[2]: paths are compared without query and fragment, so `/a#b` matches none (leave out what follows the path)",
            "a.yaml:8:42: warning RS130 AuthorizationPolicy/shop/p spec.rules[0].to[0].operation.paths[3]: paths begin with `/`, so `{*}/a` matches none (write `/{*}/a`)",
        ],
    },
    Row {
        title: "methods in the wrong case, identities with their scheme",
        file: "a.yaml",
        text: r#"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  rules:
  - from:
    - source:
        principals: [spiffe://cluster.local/ns/shop/sa/web]
    to:
    - operation:
        methods: [get, Post, PURGE, link]
    when:
    - {key: source.principal, values: ["spiffe://cluster.local/*"]}
"#,
        good: &["AuthorizationPolicy/shop/p"],
        broken: &[],
        unreadable: false,
        findings: &[
            "a.yaml:8:22: warning RS130 AuthorizationPolicy/shop/p spec.rules[0].from[0].source.principals[0]: identities are compared without `spiffe://`, so `spiffe://cluster.local/ns/shop/sa/web` matches none (write `cluster.local/ns/shop/sa/web`)",
            "a.yaml:11:19: warning RS130 AuthorizationPolicy/shop/p spec.rules[0].to[0].operation.methods[0]: methods are compared with their case, so `get` is not `GET` (write `GET`)",
            "a.yaml:11:24: warning RS130 AuthorizationPolicy/shop/p spec.rules[0].to[0].operation.methods[1]: methods are compared with their case, so `Post` is not `POST` (write `POST`)",
            "a.yaml:13:40: warning RS130 AuthorizationPolicy/shop/p spec.rules[0].when[0].values[0]: identities are compared without `spiffe://`, so `spiffe://cluster.local/*` matches none (write `cluster.local/*`)",
        ],
    },
];
