use super::*;
use crate::analyze::table::{check, object, process};

#[test]
fn for_no_proxy() {
    let config = |namespace: &str, spec: &str| object("ProxyConfig", namespace, "threads", spec);
    let edge = |role: &str| object("Process", "shop", "edge labels: {app: edge}", &format!("{{role: {role}}}"));
    let selecting =
        |app: &str| config("shop", &format!("{{selector: {{matchLabels: {{app: {app}}}}}, concurrency: 2}}"));
    let told = |column: u32, path: &str| {
        format!(
            "5:{column}: info RS272 ProxyConfig/shop/threads {path}: no proxy follows it: namespace shop has no gateway, \
             waypoint or sidecar that it is for, and other workloads have no proxy of their own (for the proxies of nodes, write it in \
             the mesh's defaultConfig, or without selector in namespace istio-system)"
        )
    };
    let (whole, selector) = (told(7, "spec"), told(18, "spec.selector"));
    check(
        CODES,
        &[
            ("a gateway", selecting("edge") + &edge("gateway"), &[]),
            ("a waypoint", config("shop", "{concurrency: 2}") + &edge("waypoint"), &[]),
            ("workloads", config("shop", "{concurrency: 2}") + &process("shop", "cart", ""), &[&whole]),
            ("a workload", selecting("cart") + &process("shop", "cart", "") + &edge("gateway"), &[&selector]),
            ("all of the mesh", config("istio-system", "{concurrency: 2}"), &[]),
            (
                "the default gateway",
                config("istio-system", "{selector: {matchLabels: {istio: ingressgateway}}, concurrency: 2}"),
                &[],
            ),
            ("nothing is asked for", config("shop", "{environmentVariables: {A: b}}"), &[]),
        ],
    );
}
