use super::*;
use crate::analyze::table::{check, ground, object, process};

const CLAIM: &str = "rules: [{when: [{key: 'request.auth.claims[role]', values: [admin]}]}]";
const RULES: &str = "jwtRules: [{issuer: a.example}]";

fn select(app: &str) -> String {
    if app.is_empty() { String::new() } else { format!("selector: {{matchLabels: {{app: {app}}}}}, ") }
}

fn policy(namespace: &str, app: &str) -> String {
    object("AuthorizationPolicy", namespace, "p", &format!("{{{}{CLAIM}}}", select(app)))
}

fn reader(namespace: &str, app: &str) -> String {
    object("RequestAuthentication", namespace, "r", &format!("{{{}{RULES}}}", select(app)))
}

#[test]
fn policies() {
    let ground = ground("shop", &["cart", "pay"]) + &process("yard", "rake", "");
    let source = |source: &str| {
        let spec = format!("{{rules: [{{}}, {{from: [{{source: {{{source}}}}}]}}]}}");
        ground.clone() + &object("AuthorizationPolicy", "shop", "p", &spec)
    };
    let empty = object("RequestAuthentication", "shop", "r", "{}");
    check(
        &[NO_TOKEN],
        &[
            ("no tokens", source("principals: [a/ns/b/sa/c]"), &[]),
            (
                "claim",
                ground.clone() + &policy("shop", "cart"),
                &["25:68: error RS11 AuthorizationPolicy/shop/p spec.rules[0].when[0].key: \
                request.auth.claims[role] looks at tokens, and no RequestAuthentication reads any at \
                Process/shop/cart (write a RequestAuthentication for the same workloads)"],
            ),
            (
                "principal",
                source("requestPrincipals: ['*']"),
                &["25:57: error RS11 AuthorizationPolicy/shop/p \
                spec.rules[1].from[0].source.requestPrincipals: requestPrincipals looks at tokens, and no \
                RequestAuthentication reads any at Process/shop/cart (write a RequestAuthentication for the \
                same workloads)"],
            ),
            (
                "no principal",
                source("notRequestPrincipals: ['*']"),
                &["25:60: error RS11 AuthorizationPolicy/shop/p \
                spec.rules[1].from[0].source.notRequestPrincipals: notRequestPrincipals looks at tokens, \
                and no RequestAuthentication reads any at Process/shop/cart (write a RequestAuthentication \
                for the same workloads)"],
            ),
            ("same selector", ground.clone() + &policy("shop", "cart") + &reader("shop", "cart"), &[]),
            ("whole namespace", ground.clone() + &policy("shop", "cart") + &reader("shop", ""), &[]),
            ("whole mesh", ground.clone() + &policy("shop", "") + &reader("istio-system", ""), &[]),
            (
                "root namespace, by label",
                ground.clone() + &policy("shop", "cart") + &reader("istio-system", "cart"),
                &[],
            ),
            (
                "another workload",
                ground.clone() + &policy("shop", "cart") + &reader("shop", "pay"),
                &["25:68: error RS11 AuthorizationPolicy/shop/p spec.rules[0].when[0].key: \
                request.auth.claims[role] looks at tokens, and no RequestAuthentication reads any at \
                Process/shop/cart (write a RequestAuthentication for the same workloads)"],
            ),
            (
                "another namespace",
                ground.clone() + &policy("shop", "cart") + &reader("yard", ""),
                &["25:68: error RS11 AuthorizationPolicy/shop/p spec.rules[0].when[0].key: \
                request.auth.claims[role] looks at tokens, and no RequestAuthentication reads any at \
                Process/shop/cart (write a RequestAuthentication for the same workloads)"],
            ),
            (
                "one of two",
                ground.clone() + &policy("shop", "") + &reader("shop", "cart"),
                &["25:30: error RS11 AuthorizationPolicy/shop/p spec.rules[0].when[0].key: \
                request.auth.claims[role] looks at tokens, and no RequestAuthentication reads any at \
                Process/shop/pay (write a RequestAuthentication for the same workloads)"],
            ),
            (
                "without rules",
                ground.clone() + &policy("shop", "cart") + &empty,
                &["25:68: error RS11 AuthorizationPolicy/shop/p spec.rules[0].when[0].key: \
                request.auth.claims[role] looks at tokens, and no RequestAuthentication reads any at \
                Process/shop/cart (write a RequestAuthentication for the same workloads)"],
            ),
            ("nobody yet", policy("shop", "cart") + &reader("shop", "cart"), &[]),
            ("nobody yet, narrower", policy("shop", "cart, version: v1") + &reader("shop", "cart"), &[]),
            (
                "nobody yet, wider",
                policy("shop", "cart") + &reader("shop", "cart, version: v1"),
                &["5:68: error RS11 AuthorizationPolicy/shop/p spec.rules[0].when[0].key: \
                request.auth.claims[role] looks at tokens, and no RequestAuthentication reads any at its \
                workloads (write a RequestAuthentication for the same workloads)"],
            ),
            ("nobody yet, whole namespace", policy("shop", "") + &reader("shop", ""), &[]),
            (
                "nobody yet, no reader",
                policy("shop", ""),
                &["5:30: error RS11 AuthorizationPolicy/shop/p spec.rules[0].when[0].key: \
                request.auth.claims[role] looks at tokens, and no RequestAuthentication reads any at its \
                workloads (write a RequestAuthentication for the same workloads)"],
            ),
            (
                "mesh, but the gateway",
                policy("istio-system", "") + &reader("shop", ""),
                &["5:30: error RS11 AuthorizationPolicy/istio-system/p spec.rules[0].when[0].key: \
                request.auth.claims[role] looks at tokens, and no RequestAuthentication reads any at the \
                default ingress gateway (write a RequestAuthentication for the same workloads)"],
            ),
            (
                "only who is enrolled",
                ground.clone() + &policy("istio-system", "rake") + &reader("yard", ""),
                &["25:68: error RS11 AuthorizationPolicy/istio-system/p spec.rules[0].when[0].key: \
                request.auth.claims[role] looks at tokens, and no RequestAuthentication reads any at its \
                workloads (write a RequestAuthentication for the same workloads)"],
            ),
        ],
    );
}

#[test]
fn attached() {
    let policy = |kind: &str, name: &str| {
        let group = if kind == "Gateway" { "group: gateway.networking.k8s.io, " } else { "" };
        object(
            "AuthorizationPolicy",
            "shop",
            "p",
            &format!("{{targetRefs: [{{{group}kind: {kind}, name: {name}}}], {CLAIM}}}"),
        )
    };
    let reader = |namespace: &str, kind: &str, name: &str| {
        let group = if kind == "Service" { "" } else { "group: gateway.networking.k8s.io, " };
        let target = format!("targetRefs: [{{{group}kind: {kind}, name: {name}}}]");
        object("RequestAuthentication", namespace, "r", &format!("{{{target}, {RULES}}}"))
    };
    check(
        &[NO_TOKEN],
        &[
            (
                "nobody",
                policy("Service", "cart"),
                &["5:73: error RS11 AuthorizationPolicy/shop/p spec.rules[0].when[0].key: \
                request.auth.claims[role] looks at tokens, and no RequestAuthentication reads any at \
                Service cart (write a RequestAuthentication for the same workloads)"],
            ),
            ("same", policy("Service", "cart") + &reader("shop", "Service", "cart"), &[]),
            (
                "another",
                policy("Service", "cart") + &reader("shop", "Service", "pay"),
                &["5:73: error RS11 AuthorizationPolicy/shop/p spec.rules[0].when[0].key: \
                request.auth.claims[role] looks at tokens, and no RequestAuthentication reads any at \
                Service cart (write a RequestAuthentication for the same workloads)"],
            ),
            (
                "same name elsewhere",
                policy("Service", "cart") + &reader("yard", "Service", "cart"),
                &["5:73: error RS11 AuthorizationPolicy/shop/p spec.rules[0].when[0].key: \
                request.auth.claims[role] looks at tokens, and no RequestAuthentication reads any at \
                Service cart (write a RequestAuthentication for the same workloads)"],
            ),
            ("waypoint", policy("Service", "cart") + &reader("shop", "Gateway", "waypoint"), &[]),
            (
                "all waypoints",
                policy("Service", "cart") + &reader("istio-system", "GatewayClass", "istio-waypoint"),
                &[],
            ),
            ("gateway", policy("Gateway", "edge") + &reader("shop", "Gateway", "edge"), &[]),
            (
                "another gateway",
                policy("Gateway", "edge") + &reader("shop", "Gateway", "other"),
                &["5:107: error RS11 AuthorizationPolicy/shop/p spec.rules[0].when[0].key: \
                request.auth.claims[role] looks at tokens, and no RequestAuthentication reads any at \
                Gateway edge (write a RequestAuthentication for the same workloads)"],
            ),
            (
                "a policy for workloads",
                super::tests::policy("shop", "") + &reader("shop", "Service", "cart"),
                &["5:30: error RS11 AuthorizationPolicy/shop/p spec.rules[0].when[0].key: \
                request.auth.claims[role] looks at tokens, and no RequestAuthentication reads any at its \
                workloads (write a RequestAuthentication for the same workloads)"],
            ),
        ],
    );
}

#[test]
fn routes() {
    let route = |gateways: &str, header: &str| {
        let first = "{route: [{destination: {host: cart}}], match: [{uri: {prefix: /a}}]}";
        let second =
            format!("{{route: [{{destination: {{host: cart}}}}], match: [{{headers: {{'{header}': {{exact: a}}}}}}]}}");
        object(
            "VirtualService",
            "shop",
            "v",
            &format!("{{hosts: [a.example], gateways: [{gateways}], http: [{first}, {second}]}}"),
        )
    };
    let gateway = |selector: &str| {
        object(
            "Gateway",
            "shop",
            "edge",
            &format!(
                "{{selector: {{{selector}}}, servers: [{{port: {{number: 80, name: http, protocol: HTTP}}, hosts: ['*']}}]}}"
            ),
        )
    };
    let reader = |namespace: &str, labels: &str| {
        object(
            "RequestAuthentication",
            namespace,
            "r",
            &format!("{{selector: {{matchLabels: {{{labels}}}}}, {RULES}}}"),
        )
    };
    let ingress = gateway("istio: ingressgateway");
    let claim = "@request.auth.claims.role";
    check(
        &[NO_CLAIM],
        &[
            (
                "nobody reads",
                ingress.clone() + &route("edge", claim),
                &["10:210: error IST0149 VirtualService/shop/v \
                spec.http[1].match[0].headers.@request.auth.claims.role: it routes by claims at gateway \
                edge, and no RequestAuthentication reads tokens at the default ingress gateway (write a \
                RequestAuthentication for the gateway's workloads)"],
            ),
            (
                "other spelling",
                ingress.clone() + &route("other, shop/edge", "@Request.auth.claims[role]"),
                &["10:223: error IST0149 VirtualService/shop/v \
                spec.http[1].match[0].headers.@Request.auth.claims[role]: it routes by claims at gateway \
                shop/edge, and no RequestAuthentication reads tokens at the default ingress gateway (write \
                a RequestAuthentication for the gateway's workloads)"],
            ),
            ("no claim", ingress.clone() + &route("edge", "x-role"), &[]),
            (
                "read there",
                ingress.clone() + &route("edge", claim) + &reader("istio-system", "istio: ingressgateway"),
                &[],
            ),
            (
                "read elsewhere",
                ingress.clone() + &route("edge", claim) + &reader("shop", "istio: ingressgateway"),
                &["10:210: error IST0149 VirtualService/shop/v \
                spec.http[1].match[0].headers.@request.auth.claims.role: it routes by claims at gateway \
                edge, and no RequestAuthentication reads tokens at the default ingress gateway (write a \
                RequestAuthentication for the gateway's workloads)"],
            ),
            (
                "any gateway",
                gateway("") + &route("edge", claim),
                &["10:210: error IST0149 VirtualService/shop/v \
                spec.http[1].match[0].headers.@request.auth.claims.role: it routes by claims at gateway \
                edge, and no RequestAuthentication reads tokens at the default ingress gateway (write a \
                RequestAuthentication for the gateway's workloads)"],
            ),
            (
                "own gateway",
                ground("shop", &["door"])
                    + &gateway("app: door")
                    + &route("edge", claim)
                    + &reader("shop", "app: door"),
                &[],
            ),
            ("unknown gateway", ingress + &route("other", claim), &[]),
        ],
    );
}
