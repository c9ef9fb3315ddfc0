use super::*;
use crate::{
    analyze::table::{check, ground, object, process, told},
    tests::World,
};

/// Workload `cart`, which declares 8080, with a Service whose port 80 leads there, and one of whom nothing is known.
fn shop() -> String {
    let service = "{selector: {app: cart}, ports: [{name: http, port: 80, targetPort: web}, {name: raw, port: 90, \
                   targetPort: 9000}]}";
    ground("shop", &["cart"])
        + &object("Service", "shop", "front", service)
        + &object("Process", "shop", "free labels: {app: free}", "{command: [serve]}")
}

#[test]
fn authorization_policies() {
    let policy = |namespace: &str, app: &str, rule: &str| {
        let spec = format!("{{selector: {{matchLabels: {{app: {app}}}}}, rules: [{{{rule}}}]}}");
        shop() + &object("AuthorizationPolicy", namespace, "a", &spec)
    };
    let operation = |fields: &str| format!("to: [{{operation: {{{fields}}}}}]");
    check(
        CODES,
        &[
            ("declared, and led to", policy("shop", "cart", &operation("ports: ['8080', '9000']")), &[]),
            ("no ports", policy("shop", "cart", &operation("methods: [GET]")), &[]),
            (
                "the Service's",
                policy("shop", "cart", &operation("ports: ['8080', '80']")),
                &[
                    "25:89: warning RS255 AuthorizationPolicy/shop/a spec.rules[0].to[0].operation.ports[1]: no workload \
                that it selects has port 80: port 80 of Service front leads to 8080 (write 8080: policies name ports of \
                workloads, not of Services)",
                ],
            ),
            (
                "nobody's",
                policy("shop", "cart", &operation("notPorts: ['8081']")),
                &[
                    "25:84: warning RS255 AuthorizationPolicy/shop/a spec.rules[0].to[0].operation.notPorts[0]: no workload \
                that it selects has port 8081 (their ports: 8080, 9000)",
                ],
            ),
            (
                "in a condition, of all namespaces",
                policy("istio-system", "cart", "when: [{key: destination.port, values: ['8080', '1']}]"),
                &[
                    "25:103: warning RS255 AuthorizationPolicy/istio-system/a spec.rules[0].when[0].values[1]: no workload \
                that it selects has port 1 (their ports: 8080, 9000)",
                ],
            ),
            ("somebody who may have any", policy("shop", "free", &operation("ports: ['1']")), &[]),
            ("nobody", policy("shop", "none", &operation("ports: ['1']")), &[]),
            (
                "everybody, of whom one may have any",
                shop() + &object("AuthorizationPolicy", "shop", "a", "{rules: [{to: [{operation: {ports: ['1']}}]}]}"),
                &[],
            ),
            (
                "gateways, which have those of Gateways",
                object(
                    "AuthorizationPolicy",
                    "istio-system",
                    "a",
                    "{selector: {matchLabels: {istio: ingressgateway}}, rules: [{to: [{operation: {ports: ['1']}}]}]}",
                ),
                &[],
            ),
        ],
    );
    // What runs without being declared has its ports too.
    let mut world = World::of(&policy("shop", "once", &operation("ports: ['8080', '1']")));
    assert!(told(&mut world, CODES).is_empty());
    world.run("shop", "once", 0).labels.insert("app".into(), "once".into());
    assert_eq!(told(&mut world, CODES).len(), 1);
}

#[test]
fn peer_authentications() {
    let policy = |namespace: &str, port: u16| {
        let spec =
            format!("{{selector: {{matchLabels: {{app: cart}}}}, portLevelMtls: {{{port}: {{mode: DISABLE}}}}}}");
        shop() + &process("bank", "cart", "") + &object("PeerAuthentication", namespace, "a", &spec)
    };
    check(
        CODES,
        &[
            ("its own", policy("shop", 8080), &[]),
            (
                "the Service's",
                policy("shop", 80),
                &[
                    "30:66: warning RS255 PeerAuthentication/shop/a spec.portLevelMtls.80: no workload that it selects has \
                port 80: port 80 of Service front leads to 8080 (write 8080: policies name ports of workloads, not of \
                Services)",
                ],
            ),
            (
                "of its own namespace alone",
                policy("bank", 9000),
                &[
                    "30:68: warning RS255 PeerAuthentication/bank/a spec.portLevelMtls.9000: no workload that it selects \
                has port 9000 (their ports: 8080)",
                ],
            ),
        ],
    );
}

#[test]
fn ports_of_entries_are_of_those_that_they_select() {
    let policy = "{selector: {matchLabels: {app: cart}}, rules: [{to: [{operation: {ports: ['7000']}}]}]}";
    let entry = "{hosts: [a.example], workloadSelector: {labels: {app: cart}}, ports: [{number: 443, name: tls, protocol: \
                 TLS, targetPort: 7000}], resolution: STATIC, location: MESH_INTERNAL}";
    let mesh = shop() + &object("AuthorizationPolicy", "shop", "a", policy);
    assert_eq!(told(&mut World::of(&mesh), CODES).len(), 1);
    assert!(told(&mut World::of(&(mesh + &object("ServiceEntry", "shop", "e", entry))), CODES).is_empty());
}
