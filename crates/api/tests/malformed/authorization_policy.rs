//! `AuthorizationPolicy`: actions, providers and what a policy is attached to.

use super::Row;

#[path = "authorization_policy/rules.rs"]
pub(crate) mod rules;
#[path = "authorization_policy/values.rs"]
pub(crate) mod values;

pub(crate) const ROWS: &[Row] = &[
    Row {
        title: "an action in the wrong case, beside a provider that it would need",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  action: Custom
  provider: {name: opa}
",
        good: &[],
        broken: &["AuthorizationPolicy/shop/p"],
        unreadable: false,
        findings: &[
            "a.yaml:5:11: error RS110 AuthorizationPolicy/shop/p spec.action: `Custom` is none of `ALLOW`, `DENY`, `AUDIT`, `CUSTOM` (did you mean `CUSTOM`?)",
        ],
    },
    Row {
        title: "an action by number acts",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  action: 1
  rules:
  - {}
",
        good: &["AuthorizationPolicy/shop/p"],
        broken: &[],
        unreadable: false,
        findings: &[
            "a.yaml:5:11: info RS16 AuthorizationPolicy/shop/p spec.action: `action` is given by its number 1 (write `DENY`)",
        ],
    },
    Row {
        title: "DENY without rules never fires",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  action: DENY
",
        good: &[],
        broken: &["AuthorizationPolicy/shop/p"],
        unreadable: false,
        findings: &[
            "a.yaml:5:11: error RS108 AuthorizationPolicy/shop/p spec.rules: `DENY` without `rules` never fires (name what it is for, or write `rules: [{}]` for everything)",
        ],
    },
    Row {
        title: "CUSTOM without rules and provider",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  action: CUSTOM
  rules: []
",
        good: &[],
        broken: &["AuthorizationPolicy/shop/p"],
        unreadable: false,
        findings: &[
            "a.yaml:5:11: error RS108 AuthorizationPolicy/shop/p spec.provider: `CUSTOM` needs a `provider` (name the mesh's extension provider that decides: `provider: {name: …}`)",
            "a.yaml:6:10: error RS108 AuthorizationPolicy/shop/p spec.rules: `CUSTOM` without `rules` never fires (name what it is for, or write `rules: [{}]` for everything)",
        ],
    },
    Row {
        title: "AUDIT without rules is allowed and never fires",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  action: AUDIT
  selector:
    matchLabels: {app: web}
",
        good: &["AuthorizationPolicy/shop/p"],
        broken: &[],
        unreadable: false,
        findings: &[
            "a.yaml:5:11: warning RS130 AuthorizationPolicy/shop/p spec.rules: `AUDIT` without `rules` never fires (name what it is for, or write `rules: [{}]` for everything)",
        ],
    },
    Row {
        title: "CUSTOM without a provider",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  action: CUSTOM
  rules:
  - {}
",
        good: &[],
        broken: &["AuthorizationPolicy/shop/p"],
        unreadable: false,
        findings: &[
            "a.yaml:5:11: error RS108 AuthorizationPolicy/shop/p spec.provider: `CUSTOM` needs a `provider` (name the mesh's extension provider that decides: `provider: {name: …}`)",
        ],
    },
    Row {
        title: "a provider without a name",
        file: "a.yaml",
        text: r#"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  action: CUSTOM
  provider: {name: ""}
  rules:
  - {}
"#,
        good: &[],
        broken: &["AuthorizationPolicy/shop/p"],
        unreadable: false,
        findings: &["a.yaml:6:20: error RS108 AuthorizationPolicy/shop/p spec.provider.name: `name` is empty"],
    },
    Row {
        title: "a provider that says nothing",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  action: CUSTOM
  provider: {}
  rules:
  - {}
",
        good: &[],
        broken: &["AuthorizationPolicy/shop/p"],
        unreadable: false,
        findings: &["a.yaml:6:13: error RS108 AuthorizationPolicy/shop/p spec.provider.name: `name` is missing"],
    },
    Row {
        title: "a provider for ALLOW",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  provider: {name: opa}
  rules:
  - {}
",
        good: &[],
        broken: &["AuthorizationPolicy/shop/p"],
        unreadable: false,
        findings: &[
            "a.yaml:5:13: error RS124 AuthorizationPolicy/shop/p spec.provider: `provider` is for `action: CUSTOM`, and not for `ALLOW` (remove it, or write `action: CUSTOM`)",
        ],
    },
    Row {
        title: "CUSTOM cannot ask for identities",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  action: CUSTOM
  provider: {name: opa}
  rules:
  - from:
    - source:
        principals: [a]
        notPrincipals: [b]
        requestPrincipals: [c/d]
        notRequestPrincipals: [e/f]
        namespaces: [g]
        notNamespaces: [h]
        trustDomains: [i]
        notTrustDomains: [j]
        ipBlocks: [10.0.0.0/8]
        remoteIpBlocks: [10.0.0.0/8]
    - source:
        serviceAccounts: [k]
        notServiceAccounts: [l]
    to:
    - operation: {paths: [/x]}
",
        good: &[],
        broken: &["AuthorizationPolicy/shop/p"],
        unreadable: false,
        findings: &[
            "a.yaml:10:21: error RS124 AuthorizationPolicy/shop/p spec.rules[0].from[0].source.principals: `principals` cannot be asked for with `action: CUSTOM` (let the authorizer look at it, or use an `ALLOW` or `DENY` policy)",
            "a.yaml:11:24: error RS124 AuthorizationPolicy/shop/p spec.rules[0].from[0].source.notPrincipals: `notPrincipals` cannot be asked for with `action: CUSTOM` (let the authorizer look at it, or use an `ALLOW` or `DENY` policy)",
            "a.yaml:12:28: error RS124 AuthorizationPolicy/shop/p spec.rules[0].from[0].source.requestPrincipals: `requestPrincipals` cannot be asked for with `action: CUSTOM` (let the authorizer look at it, or use an `ALLOW` or `DENY` policy)",
            "a.yaml:13:31: error RS124 AuthorizationPolicy/shop/p spec.rules[0].from[0].source.notRequestPrincipals: `notRequestPrincipals` cannot be asked for with `action: CUSTOM` (let the authorizer look at it, or use an `ALLOW` or `DENY` policy)",
            "a.yaml:14:21: error RS124 AuthorizationPolicy/shop/p spec.rules[0].from[0].source.namespaces: `namespaces` cannot be asked for with `action: CUSTOM` (let the authorizer look at it, or use an `ALLOW` or `DENY` policy)",
            "a.yaml:15:24: error RS124 AuthorizationPolicy/shop/p spec.rules[0].from[0].source.notNamespaces: `notNamespaces` cannot be asked for with `action: CUSTOM` (let the authorizer look at it, or use an `ALLOW` or `DENY` policy)",
            "a.yaml:16:23: error RS124 AuthorizationPolicy/shop/p spec.rules[0].from[0].source.trustDomains: `trustDomains` cannot be asked for with `action: CUSTOM` (let the authorizer look at it, or use an `ALLOW` or `DENY` policy)",
            "a.yaml:17:26: error RS124 AuthorizationPolicy/shop/p spec.rules[0].from[0].source.notTrustDomains: `notTrustDomains` cannot be asked for with `action: CUSTOM` (let the authorizer look at it, or use an `ALLOW` or `DENY` policy)",
            "a.yaml:21:26: error RS124 AuthorizationPolicy/shop/p spec.rules[0].from[1].source.serviceAccounts: `serviceAccounts` cannot be asked for with `action: CUSTOM` (let the authorizer look at it, or use an `ALLOW` or `DENY` policy)",
            "a.yaml:22:29: error RS124 AuthorizationPolicy/shop/p spec.rules[0].from[1].source.notServiceAccounts: `notServiceAccounts` cannot be asked for with `action: CUSTOM` (let the authorizer look at it, or use an `ALLOW` or `DENY` policy)",
        ],
    },
    Row {
        title: "CUSTOM cannot ask for identities in conditions",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  action: CUSTOM
  provider: {name: opa}
  rules:
  - when:
    - {key: source.namespace, values: [a]}
    - {key: source.serviceAccount, values: [a]}
    - {key: source.trustDomain, values: [a]}
    - {key: source.principal, values: [a]}
    - {key: request.auth.principal, values: [a/b]}
    - {key: request.auth.audiences, values: [a]}
    - {key: 'request.auth.claims[iss]', values: [a]}
    - {key: source.ip, values: [10.0.0.1]}
    - {key: 'request.headers[x-user]', values: ['*']}
",
        good: &[],
        broken: &["AuthorizationPolicy/shop/p"],
        unreadable: false,
        findings: &[
            "a.yaml:9:13: error RS124 AuthorizationPolicy/shop/p spec.rules[0].when[0].key: `source.namespace` cannot be asked for with `action: CUSTOM` (let the authorizer look at it, or use an `ALLOW` or `DENY` policy)",
            "a.yaml:10:13: error RS124 AuthorizationPolicy/shop/p spec.rules[0].when[1].key: `source.serviceAccount` cannot be asked for with `action: CUSTOM` (let the authorizer look at it, or use an `ALLOW` or `DENY` policy)",
            "a.yaml:11:13: error RS124 AuthorizationPolicy/shop/p spec.rules[0].when[2].key: `source.trustDomain` cannot be asked for with `action: CUSTOM` (let the authorizer look at it, or use an `ALLOW` or `DENY` policy)",
            "a.yaml:12:13: error RS124 AuthorizationPolicy/shop/p spec.rules[0].when[3].key: `source.principal` cannot be asked for with `action: CUSTOM` (let the authorizer look at it, or use an `ALLOW` or `DENY` policy)",
            "a.yaml:13:13: error RS124 AuthorizationPolicy/shop/p spec.rules[0].when[4].key: `request.auth.principal` cannot be asked for with `action: CUSTOM` (let the authorizer look at it, or use an `ALLOW` or `DENY` policy)",
            "a.yaml:14:13: error RS124 AuthorizationPolicy/shop/p spec.rules[0].when[5].key: `request.auth.audiences` cannot be asked for with `action: CUSTOM` (let the authorizer look at it, or use an `ALLOW` or `DENY` policy)",
            "a.yaml:15:13: error RS124 AuthorizationPolicy/shop/p spec.rules[0].when[6].key: `request.auth.claims[iss]` cannot be asked for with `action: CUSTOM` (let the authorizer look at it, or use an `ALLOW` or `DENY` policy)",
        ],
    },
    Row {
        title: "a selector and what excludes it",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  selector:
    matchLabels: {app: web}
  targetRef:
    kind: Service
    name: web
  rules:
  - {}
",
        good: &[],
        broken: &["AuthorizationPolicy/shop/p"],
        unreadable: false,
        findings: &[
            "a.yaml:8:5: error RS124 AuthorizationPolicy/shop/p spec.targetRef: `targetRef` excludes `selector` (keep one of them)",
            "a.yaml:8:5: info RS16 AuthorizationPolicy/shop/p spec.targetRef: `targetRef` is an older spelling (write `targetRefs`)",
        ],
    },
    Row {
        title: "targets that are none",
        file: "a.yaml",
        text: r#"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  targetRefs:
  - {kind: Deployment, group: apps, name: web}
  - {kind: Service, name: web, namespace: other}
  - {kind: Gateway, group: networking.istio.io, name: web}
  - {kind: "", name: ""}
  - {group: gateway.networking.k8s.io, kind: Gateway}
  rules:
  - {}
"#,
        good: &[],
        broken: &["AuthorizationPolicy/shop/p"],
        unreadable: false,
        findings: &[
            "a.yaml:6:12: error RS110 AuthorizationPolicy/shop/p spec.targetRefs[0].kind: a policy cannot be attached to `Deployment` of `apps` (attach it to a Gateway or GatewayClass (gateway.networking.k8s.io), a Service, or a ServiceEntry (networking.istio.io))",
            "a.yaml:7:43: error RS124 AuthorizationPolicy/shop/p spec.targetRefs[1].namespace: a policy is attached within its own namespace, not to one of `other` (move the policy there, and remove `namespace`)",
            "a.yaml:8:12: error RS110 AuthorizationPolicy/shop/p spec.targetRefs[2].kind: a policy cannot be attached to `Gateway` of `networking.istio.io` (attach it to a Gateway or GatewayClass (gateway.networking.k8s.io), a Service, or a ServiceEntry (networking.istio.io))",
            "a.yaml:9:12: error RS108 AuthorizationPolicy/shop/p spec.targetRefs[3].kind: `kind` is empty",
            "a.yaml:9:22: error RS108 AuthorizationPolicy/shop/p spec.targetRefs[3].name: `name` is empty",
            "a.yaml:10:5: error RS108 AuthorizationPolicy/shop/p spec.targetRefs[4].name: `name` is missing",
        ],
    },
    Row {
        title: "a selector with wildcards and expressions",
        file: "a.yaml",
        text: r#"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  selector:
    matchLabels:
      app: "*"
      a*b: c
    matchExpressions: []
"#,
        good: &[],
        broken: &["AuthorizationPolicy/shop/p"],
        unreadable: false,
        findings: &[
            "a.yaml:7:12: error RS112 AuthorizationPolicy/shop/p spec.selector.matchLabels.app: `*` is not the value of a label: selectors compare whole values, without wildcards",
            "a.yaml:8:7: error RS112 AuthorizationPolicy/shop/p spec.selector.matchLabels.a*b: `a*b` is not the key of a label: `*` is not allowed, only letters, digits, `-`, `_` and `.`",
            "a.yaml:9:5: error RS107 AuthorizationPolicy/shop/p spec.selector.matchExpressions: there is no field `matchExpressions` (its fields are `matchLabels`)",
        ],
    },
    Row {
        title: "fields that do not exist",
        file: "a.yaml",
        text: r#"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  rule:
  - from: []
  workloadSelector: {}
  rules:
  - from:
    - source:
        principal: [a]
        principals: [a]
    to:
    - operation:
        methods: [GET]
        port: ["80"]
    whens: []
"#,
        good: &[],
        broken: &["AuthorizationPolicy/shop/p"],
        unreadable: false,
        findings: &[
            "a.yaml:5:3: error RS107 AuthorizationPolicy/shop/p spec.rule: there is no field `rule` (did you mean `rules`?)",
            "a.yaml:7:3: error RS107 AuthorizationPolicy/shop/p spec.workloadSelector: there is no field `workloadSelector` (its fields are `selector`, `rules`, `action`, `provider`, `targetRef`, `targetRefs`)",
            "a.yaml:11:9: error RS107 AuthorizationPolicy/shop/p spec.rules[0].from[0].source.principal: there is no field `principal` (did you mean `principals`?)",
            "a.yaml:16:9: error RS107 AuthorizationPolicy/shop/p spec.rules[0].to[0].operation.port: there is no field `port` (did you mean `ports`?)",
            "a.yaml:17:5: error RS107 AuthorizationPolicy/shop/p spec.rules[0].whens: there is no field `whens` (did you mean `when`?)",
        ],
    },
    Row {
        title: "values that are no lists, and lists that are no texts",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  action: [DENY]
  rules:
    from:
    - source: {principals: a}
",
        good: &[],
        broken: &["AuthorizationPolicy/shop/p"],
        unreadable: false,
        findings: &[
            "a.yaml:5:11: error RS106 AuthorizationPolicy/shop/p spec.action: text is expected, a list was found",
            "a.yaml:7:5: error RS106 AuthorizationPolicy/shop/p spec.rules: a list is expected, a mapping was found (put `- ` before each item)",
        ],
    },
    Row {
        title: "single values where lists belong",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  rules:
  - from:
    - source: {principals: cluster.local/ns/shop/sa/web}
    to:
      operation: {methods: GET}
    when:
    - {key: [source.ip], values: 10.0.0.1}
    - {key: 'request.headers[x-level]', values: [1, true, a]}
",
        good: &[],
        broken: &["AuthorizationPolicy/shop/p"],
        unreadable: false,
        findings: &[
            "a.yaml:7:28: error RS106 AuthorizationPolicy/shop/p spec.rules[0].from[0].source.principals: a list is expected, the text `cluster.local/ns/shop/sa/web` was found (put `- ` before each item)",
            "a.yaml:9:7: error RS106 AuthorizationPolicy/shop/p spec.rules[0].to: a list is expected, a mapping was found (put `- ` before each item)",
            "a.yaml:11:13: error RS106 AuthorizationPolicy/shop/p spec.rules[0].when[0].key: text is expected, a list was found",
            "a.yaml:11:34: error RS106 AuthorizationPolicy/shop/p spec.rules[0].when[0].values: a list is expected, the text `10.0.0.1` was found (put `- ` before each item)",
            "a.yaml:12:50: error RS106 AuthorizationPolicy/shop/p spec.rules[0].when[1].values[0]: text is expected, the number 1 was found (write \"1\" in quotes)",
            "a.yaml:12:53: error RS106 AuthorizationPolicy/shop/p spec.rules[0].when[1].values[1]: text is expected, the boolean `true` was found (write \"true\" in quotes)",
        ],
    },
    Row {
        title: "ten faults give ten findings",
        file: "a.yaml",
        text: r#"apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  action: CUSTOM
  selector:
    matchLabels: {app: "*"}
  targetRefs:
  - {kind: Service, name: web}
  rules:
  - from:
    - source: {}
    - source:
        namespaces: [shop]
        ipBlocks: [10.0.0.0/64]
    to:
    - operation:
        ports: [http]
        paths: ["/a/{b}"]
    when:
    - {key: destination.user, values: [web]}
    - {key: source.ip}
"#,
        good: &[],
        broken: &["AuthorizationPolicy/shop/p"],
        unreadable: false,
        findings: &[
            "a.yaml:5:11: error RS108 AuthorizationPolicy/shop/p spec.provider: `CUSTOM` needs a `provider` (name the mesh's extension provider that decides: `provider: {name: …}`)",
            "a.yaml:7:24: error RS112 AuthorizationPolicy/shop/p spec.selector.matchLabels.app: `*` is not the value of a label: selectors compare whole values, without wildcards",
            "a.yaml:9:5: error RS124 AuthorizationPolicy/shop/p spec.targetRefs: `targetRefs` excludes `selector` (keep one of them)",
            "a.yaml:12:15: error RS108 AuthorizationPolicy/shop/p spec.rules[0].from[0].source: `source` asks for nothing (name values in one of its fields, or remove `from` to mean anybody)",
            "a.yaml:14:21: error RS124 AuthorizationPolicy/shop/p spec.rules[0].from[1].source.namespaces: `namespaces` cannot be asked for with `action: CUSTOM` (let the authorizer look at it, or use an `ALLOW` or `DENY` policy)",
            "a.yaml:15:20: error RS113 AuthorizationPolicy/shop/p spec.rules[0].from[1].source.ipBlocks[0]: `10.0.0.0/64` is neither an IP address nor a CIDR block (write it like `192.0.2.7`, `10.0.0.0/8` or `2001:db8::/32`)",
            "a.yaml:18:17: error RS109 AuthorizationPolicy/shop/p spec.rules[0].to[0].operation.ports[0]: `http` is not a port from 1 to 65535 (write the workload's own port as a number in quotes; names, ranges and wildcards are not known here)",
            "a.yaml:19:17: error RS129 AuthorizationPolicy/shop/p spec.rules[0].to[0].operation.paths[0]: `/a/{b}` is no path template: its segment `{b}` has other braces than `{*}` and `{**}` (a segment is `{*}`, `{**}` or text without braces)",
            "a.yaml:21:13: error RS126 AuthorizationPolicy/shop/p spec.rules[0].when[0].key: `destination.user` is no attribute any more (choose the workloads of that user by `selector`)",
            "a.yaml:22:7: error RS108 AuthorizationPolicy/shop/p spec.rules[0].when[1]: a condition needs `values` or `notValues` (name at least one value)",
        ],
    },
    Row {
        title: "an indentation lost, a neighbour kept",
        file: "a.yaml",
        text: r"apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: security.istio.io/v1beta1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec:
  rules:
  - from:
    - source:
      principals: [cluster.local/ns/shop/sa/web]
---
apiVersion: v1
kind: Namespace
metadata: {name: other}
",
        good: &["Namespace/shop", "Namespace/other"],
        broken: &["AuthorizationPolicy/shop/p"],
        unreadable: false,
        findings: &[
            "a.yaml:11:7: error RS108 AuthorizationPolicy/shop/p spec.rules[0].from[0].source: `source` is missing",
            "a.yaml:12:7: error RS18 AuthorizationPolicy/shop/p spec.rules[0].from[0].principals: the indentation is lost: `principals` stands beside `source`, which is empty, and not below it (indent it by two blanks, and what belongs below it by two more)",
        ],
    },
    Row {
        title: "a version that is not served",
        file: "a.yaml",
        text: r"apiVersion: security.istio.io/v1alpha1
kind: AuthorizationPolicy
metadata: {name: p}
spec: {}
",
        good: &[],
        broken: &["AuthorizationPolicy/default/p"],
        unreadable: false,
        findings: &[
            "a.yaml:1:13: error RS104 AuthorizationPolicy/default/p apiVersion: `AuthorizationPolicy` of `security.istio.io` has no version `v1alpha1` (write `security.istio.io/v1`)",
        ],
    },
];
