use super::*;
use crate::analyze::table::{check, ground, object};

fn policy(spec: &str) -> String {
    object("AuthorizationPolicy", "shop", "a", spec)
}

/// A process `cart`, and a service that leads to it by a port of that name.
fn cart(port: &str) -> String {
    let ports = format!("[{{name: {port}, port: 80, targetPort: 8080}}]");
    ground("shop", &["cart"])
        + &object("Service", "shop", "cart", &format!("{{selector: {{app: cart}}, ports: {ports}}}"))
}

/// A process `cart`, and a host that leads to it by a port of that protocol.
fn host(protocol: &str) -> String {
    let ports = format!("[{{name: a, number: 80, protocol: {protocol}, targetPort: 8080}}]");
    let spec = format!(
        "{{hosts: [cart.example.com], location: MESH_INTERNAL, resolution: STATIC, ports: {ports}, workloadSelector: \
         {{labels: {{app: cart}}}}}}"
    );
    ground("shop", &["cart"]) + &object("ServiceEntry", "shop", "cart", &spec)
}

#[test]
fn requests() {
    let codes = &[HTTP_ONLY];
    let rules = "rules: [{from: [{source: {principals: [a/ns/b/sa/c]}}]}, {from: [{source: {notRequestPrincipals: ['*'], ipBlocks: [10.0.0.1]}}], \
                 to: [{operation: {ports: ['80']}}, {operation: {methods: [GET], notPaths: [/a]}}, {operation: {methods: [PUT]}}], \
                 when: [{key: source.ip, values: [10.0.0.1]}, {key: 'request.headers[X-Api]', values: [a]}]}]";
    let provider = |kind: &str| {
        object(
            "Mesh",
            "",
            "default",
            &format!("{{meshConfig: {{extensionProviders: [{{name: ask, {kind}: {{service: a.shop, port: 80}}}}]}}}}"),
        )
    };
    let at_edge =
        policy("{selector: {matchLabels: {app: edge}}, rules: [{from: [{source: {remoteIpBlocks: [10.0.0.1]}}]}]}");
    let edge = |topology: &str| {
        let metadata = format!(
            "edge labels: {{app: edge}}, annotations: {{proxy.istio.io/config: 'gatewayTopology: {topology}'}}"
        );
        object("Process", "shop", &metadata, "{role: gateway}")
            + &object("Service", "shop", "edge", "{selector: {app: edge}, ports: [{name: tcp, port: 80}]}")
    };
    let custom = "{action: CUSTOM, provider: {name: ask}, rules: [{to: [{operation: {paths: [/a]}}]}]}";
    check(
        codes,
        &[
            (
                "allow",
                policy(&format!("{{{rules}}}")) + &cart("tcp"),
                &["5:105: warning RS225 AuthorizationPolicy/shop/a \
                spec.rules[1].from[0].source.notRequestPrincipals: connections without HTTP do not tell notRequestPrincipals, methods, notPaths, request.headers[x-api]: rules that \
                use any match nothing, and what they would allow is denied (decide by principals, \
                namespaces, serviceAccounts, ipBlocks and ports)"],
            ),
            (
                "deny",
                policy(&format!("{{action: DENY, {rules}}}")) + &cart("tls"),
                &["5:119: warning RS225 AuthorizationPolicy/shop/a \
                spec.rules[1].from[0].source.notRequestPrincipals: connections without HTTP do not tell notRequestPrincipals, methods, notPaths, request.headers[x-api]: each counts \
                as met, so that more is denied than is written (decide by principals, namespaces, \
                serviceAccounts, ipBlocks and ports)"],
            ),
            (
                "audit",
                policy(&format!("{{action: AUDIT, {rules}}}")) + &cart("mysql"),
                &["5:120: warning RS225 AuthorizationPolicy/shop/a \
                spec.rules[1].from[0].source.notRequestPrincipals: connections without HTTP do not tell notRequestPrincipals, methods, notPaths, request.headers[x-api]: each counts \
                as met, so that more is recorded than is written (decide by principals, namespaces, \
                serviceAccounts, ipBlocks and ports)"],
            ),
            (
                "only a condition",
                policy("{rules: [{when: [{key: 'request.auth.claims[a]', values: [b]}]}]}") + &cart("tcp"),
                &[
                    "5:30: warning RS225 AuthorizationPolicy/shop/a spec.rules[0].when[0].key: connections without HTTP do not tell request.auth.claims[a]: rules that use any match \
                nothing, and what they would allow is denied (decide by principals, namespaces, \
                serviceAccounts, ipBlocks and ports)",
                ],
            ),
            (
                "a server name",
                policy("{action: DENY, rules: [{when: [{key: connection.sni, values: [b]}]}]}"),
                &[
                    "5:44: warning RS225 AuthorizationPolicy/shop/a spec.rules[0].when[0].key: connections without HTTP do not tell connection.sni: each counts as met, so that more \
                is denied than is written (decide by principals, namespaces, serviceAccounts, ipBlocks and \
                ports)",
                ],
            ),
            (
                "a server name at the gateway",
                object(
                    "AuthorizationPolicy",
                    "istio-system",
                    "a",
                    "{selector: {matchLabels: {istio: ingressgateway}}, rules: [{when: [{key: connection.sni, values: [b]}]}]}",
                ),
                &[],
            ),
            (
                "the client of a gateway, whom nobody names",
                at_edge.clone() + &edge("{}"),
                &["5:88: warning RS225 AuthorizationPolicy/shop/a spec.rules[0].from[0].source.remoteIpBlocks: \
                connections without HTTP do not tell remoteIpBlocks: rules that use any \
                match nothing, and what they would allow is denied (decide by principals, namespaces, \
                serviceAccounts, ipBlocks and ports)"],
            ),
            ("the client of a gateway, whom a proxy names", at_edge.clone() + &edge("{proxyProtocol: {}}"), &[]),
            (
                "address of the client",
                policy("{rules: [{from: [{source: {remoteIpBlocks: [10.0.0.1]}}]}]}") + &cart("tcp"),
                &["5:50: warning RS225 AuthorizationPolicy/shop/a spec.rules[0].from[0].source.remoteIpBlocks: \
                connections without HTTP do not tell remoteIpBlocks: rules that use any \
                match nothing, and what they would allow is denied (decide by principals, namespaces, \
                serviceAccounts, ipBlocks and ports)"],
            ),
            (
                "a host of the mesh that leads to it",
                policy("{rules: [{to: [{operation: {paths: [/a]}}]}]}") + &host("TCP"),
                &["5:42: warning RS225 AuthorizationPolicy/shop/a spec.rules[0].to[0].operation.paths: connections \
                without HTTP do not tell paths: rules that use any match nothing, and what they would allow is denied \
                (decide by principals, namespaces, serviceAccounts, ipBlocks and ports)"],
            ),
            (
                "a host of the mesh that leads to it, for somebody else",
                policy("{selector: {matchLabels: {app: till}}, rules: [{to: [{operation: {paths: [/a]}}]}]}")
                    + &host("TLS"),
                &[],
            ),
            ("requests to a host", policy("{rules: [{to: [{operation: {paths: [/a]}}]}]}") + &host("HTTP"), &[]),
            ("requests are read", policy(&format!("{{action: DENY, {rules}}}")) + &cart("http"), &[]),
            ("requests may be found", policy(&format!("{{action: DENY, {rules}}}")) + &cart("web"), &[]),
            ("nobody is there", policy(&format!("{{{rules}}}")), &[]),
            (
                "somebody else",
                policy(&format!("{{selector: {{matchLabels: {{app: till}}}}, {rules}}}")) + &cart("tcp"),
                &[],
            ),
            (
                "somebody of any namespace",
                object("AuthorizationPolicy", "istio-system", "a", "{rules: [{to: [{operation: {paths: [/a]}}]}]}")
                    + &cart("tcp"),
                &["5:42: warning RS225 AuthorizationPolicy/istio-system/a spec.rules[0].to[0].operation.paths: \
                connections without HTTP do not tell paths: rules that use any match nothing, and what they would \
                allow is denied (decide by principals, namespaces, serviceAccounts, ipBlocks and ports)"],
            ),
            (
                "connections alone",
                policy(
                    "{rules: [{from: [{source: {serviceAccounts: [b]}}], to: [{operation: {ports: ['1']}}], when: [{key: destination.port, values: ['1']}]}]}",
                ),
                &[],
            ),
            ("nothing, everything", policy("{}") + &object("AuthorizationPolicy", "shop", "b", "{rules: [{}]}"), &[]),
            (
                "asked by HTTP",
                provider("envoyExtAuthzHttp") + &policy(custom) + &cart("tcp"),
                &[
                    "10:16: warning RS225 AuthorizationPolicy/shop/a spec.action: no authorizer is asked yet: live \
                connections that match are refused until requests are read, unless every service of the port \
                declares TCP or TLS (let its rules match only what may be refused)",
                    "10:81: warning RS225 AuthorizationPolicy/shop/a spec.rules[0].to[0].operation.paths: connections without HTTP do not tell paths: each counts as met, so that more \
                is refused than is written (decide by principals, namespaces, serviceAccounts, \
                ipBlocks and ports)",
                ],
            ),
            (
                "asked by gRPC",
                provider("envoyExtAuthzGrpc") + &policy(custom) + &cart("tcp"),
                &[
                    "10:16: warning RS225 AuthorizationPolicy/shop/a spec.action: no authorizer is asked yet: live \
                connections that match are refused until requests are read (let its rules match only what may be \
                refused)",
                    "10:81: warning RS225 AuthorizationPolicy/shop/a spec.rules[0].to[0].operation.paths: connections without HTTP do not tell paths: each counts as met, so that more \
                is refused than is written (decide by principals, namespaces, serviceAccounts, \
                ipBlocks and ports)",
                ],
            ),
            (
                "asked is nobody who is known",
                policy("{action: CUSTOM, provider: {name: ask}, rules: [{}]}"),
                &["5:16: warning RS225 AuthorizationPolicy/shop/a spec.action: no authorizer is asked yet: live \
                connections that match are refused until requests are read (let its rules match only what may be \
                refused)"],
            ),
            (
                "asked, which nobody can try",
                object(
                    "AuthorizationPolicy",
                    "shop",
                    "a annotations: {istio.io/dry-run: 'true'}",
                    "{action: CUSTOM, provider: {name: ask}, rules: [{}]}",
                ),
                &["5:16: warning RS225 AuthorizationPolicy/shop/a spec.action: no authorizer is asked yet: live \
                connections that match are refused until requests are read (let its rules match only what may be \
                refused)"],
            ),
            (
                "asked about what it is attached to",
                policy(
                    "{action: CUSTOM, provider: {name: ask}, targetRefs: [{kind: Service, name: cart}], rules: [{}]}",
                ),
                &[],
            ),
            ("attached", policy(&format!("{{targetRefs: [{{kind: Service, name: cart}}], {rules}}}")), &[]),
            (
                "on trial",
                object(
                    "AuthorizationPolicy",
                    "shop",
                    "a annotations: {istio.io/dry-run: 'true'}",
                    &format!("{{{rules}}}"),
                ),
                &[],
            ),
        ],
    );
}

#[test]
fn identities() {
    let codes = &[BY_IDENTITY];
    let deny = |source: &str| policy(&format!("{{action: DENY, rules: [{{from: [{{source: {{{source}}}}}]}}]}}"));
    check(
        codes,
        &[
            (
                "principals",
                deny("principals: [a/ns/b/sa/c]"),
                &["5:60: info RS226 AuthorizationPolicy/shop/a spec.rules[0].from[0].source.principals: a \
                caller in plaintext has no identity, may be one of these, and is denied too (enrol the \
                callers that may come in)"],
            ),
            (
                "namespaces",
                deny("ipBlocks: [10.0.0.1], namespaces: [a]"),
                &["5:82: info RS226 AuthorizationPolicy/shop/a spec.rules[0].from[0].source.namespaces: a \
                caller in plaintext has no identity, may be one of these, and is denied too (enrol the \
                callers that may come in)"],
            ),
            (
                "accounts",
                deny("serviceAccounts: [a]"),
                &["5:65: info RS226 AuthorizationPolicy/shop/a spec.rules[0].from[0].source.serviceAccounts: a \
                caller in plaintext has no identity, may be one of these, and is denied too (enrol the \
                callers that may come in)"],
            ),
            (
                "trust domains",
                deny("trustDomains: [a]"),
                &["5:62: info RS226 AuthorizationPolicy/shop/a spec.rules[0].from[0].source.trustDomains: a \
                caller in plaintext has no identity, may be one of these, and is denied too (enrol the \
                callers that may come in)"],
            ),
            (
                "condition",
                policy("{action: DENY, rules: [{}, {when: [{key: source.namespace, values: [a]}]}]}"),
                &["5:48: info RS226 AuthorizationPolicy/shop/a spec.rules[1].when[0].key: a caller in \
                plaintext has no identity, may be one of these, and is denied too (enrol the callers that \
                may come in)"],
            ),
            ("all but some", deny("notPrincipals: [a/ns/b/sa/c]"), &[]),
            ("addresses", deny("ipBlocks: [10.0.0.1]"), &[]),
            ("allow", policy("{rules: [{from: [{source: {principals: [a/ns/b/sa/c]}}]}]}"), &[]),
        ],
    );
}

/// Policies, workloads, services and hosts of one namespace: one finding for each policy, however many there are.
#[test]
fn many_policies() {
    let told = |count: usize| {
        let (mut text, mut names) = (String::new(), Vec::new());
        for n in 0..count {
            let ports = "ports: [{name: tcp, port: 80, targetPort: 8080}]";
            text += &object("Service", "shop", &format!("s{n}"), &format!("{{selector: {{app: s{n}}}, {ports}}}"));
            let policy = format!(
                "{{selector: {{matchLabels: {{app: s{n}}}}}, rules: [{{to: [{{operation: {{paths: [/a]}}}}]}}]}}"
            );
            text += &object("AuthorizationPolicy", "shop", &format!("a{n}"), &policy);
            names.push(format!("s{n}"));
        }
        text += &ground("shop", &names.iter().map(String::as_str).collect::<Vec<_>>());
        crate::analyze::table::told(&mut crate::tests::World::of(&text), &[HTTP_ONLY]).len()
    };
    assert_eq!((told(50), told(200)), (50, 200));
}
