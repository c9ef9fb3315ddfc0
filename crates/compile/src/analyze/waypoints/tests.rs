use super::*;
use crate::{
    analyze::table::{check, object, told},
    tests::World,
};

fn waypoint(name: &str) -> String {
    object("Process", "shop", name, "{role: waypoint}")
}

fn service(labels: &str, spec: &str) -> String {
    object(
        "Service",
        "shop",
        &format!("cart labels: {{{labels}}}"),
        &format!("{{{spec}ports: [{{name: tcp, port: 80}}]}}"),
    )
}

#[test]
fn labels() {
    let named = "istio.io/use-waypoint: front";
    check(
        CODES,
        &[
            ("it is there", waypoint("front") + &service(named, "selector: {app: cart}, "), &[]),
            ("nobody is named", service("istio.io/use-waypoint: none", "selector: {app: cart}, "), &[]),
            (
                "it is not there",
                service(named, "selector: {app: cart}, "),
                &["4:73: error RS240 Service/shop/cart metadata.labels.istio.io/use-waypoint: there is no waypoint \
                   shop/front: calls fail (make it: ripstop waypoint apply --name front -n shop; or remove the label)"],
            ),
            (
                "of a namespace",
                object("Namespace", "", &format!("shop labels: {{{named}}}"), ""),
                &["4:56: error RS240 Namespace/shop metadata.labels.istio.io/use-waypoint: there is no waypoint \
                   shop/front: calls fail (make it: ripstop waypoint apply --name front -n shop; or remove the label)"],
            ),
            (
                "it is elsewhere",
                waypoint("front") + &object("Namespace", "", &format!("edge labels: {{{named}}}"), ""),
                &["9:56: error RS240 Namespace/edge metadata.labels.istio.io/use-waypoint: there is no waypoint \
                   edge/front: calls fail (if that of namespace shop is meant, set istio.io/use-waypoint-namespace=shop; \
                   else make it: ripstop waypoint apply --name front -n edge)"],
            ),
            (
                "it is none",
                object("Process", "shop", "front", "{command: [serve]}") + &service(named, "selector: {app: cart}, "),
                &[
                    "9:73: error RS240 Service/shop/cart metadata.labels.istio.io/use-waypoint: Process shop/front is no \
                   waypoint: calls fail (make it: ripstop waypoint apply --name front -n shop; or remove the label)",
                ],
            ),
            (
                "headless",
                waypoint("front") + &service(named, "clusterIP: None, selector: {app: cart}, "),
                &[
                    "9:73: warning RS242 Service/shop/cart metadata.labels.istio.io/use-waypoint: it is headless: callers \
                   go to its endpoints (policies that are attached to it act nowhere; remove the label, or give it an \
                   address)",
                ],
            ),
            (
                "for what",
                object("Process", "shop", "front labels: {istio.io/waypoint-for: everybody}", "{role: waypoint}"),
                &["4:74: warning RS243 Process/shop/front metadata.labels.istio.io/waypoint-for: \
                   istio.io/waypoint-for=everybody is not known: it is a waypoint for services (known values: service, \
                   workload, all, none)"],
            ),
        ],
    );
}

#[test]
fn one_that_is_for_something_else() {
    let named = "labels: {istio.io/use-waypoint: front}";
    let front = |scope: &str| {
        object("Process", "shop", &format!("front labels: {{istio.io/waypoint-for: {scope}}}"), "{role: waypoint}")
    };
    let process = || object("Process", "shop", &format!("cart {named}"), "{command: [serve]}");
    let account =
        || object("ServiceAccount", "shop", &format!("cart {named}"), "").replace("networking.istio.io/v1", "v1");
    let namespace = || object("Namespace", "", &format!("shop {named}"), "");
    check(
        CODES,
        &[
            ("all", front("all") + &process() + &account() + &namespace(), &[]),
            ("workloads", front("workload") + &process() + &account() + &namespace(), &[]),
            ("a namespace of services", front("service") + &namespace(), &[]),
            (
                "services",
                front("service") + &process() + &account(),
                &[
                    "9:73: warning RS247 Process/shop/cart metadata.labels.istio.io/use-waypoint: the waypoint shop/front is \
                   for services, and this is a workload: its callers go past it (set istio.io/waypoint-for=all on Process \
                   shop/front, or remove the label)",
                    "14:73: warning RS247 ServiceAccount/shop/cart metadata.labels.istio.io/use-waypoint: the waypoint \
                   shop/front is for services, and this is an account of workloads: its callers go past it (set \
                   istio.io/waypoint-for=all on Process shop/front, or remove the label)",
                ],
            ),
            (
                "workloads, and a service",
                front("workload") + &service("istio.io/use-waypoint: front", "selector: {app: cart}, "),
                &[
                    "9:73: warning RS247 Service/shop/cart metadata.labels.istio.io/use-waypoint: the waypoint shop/front is \
                   for workloads, and this is a service: its callers go past it (set istio.io/waypoint-for=all on Process \
                   shop/front, or remove the label)",
                ],
            ),
            (
                "nobody",
                front("none") + &namespace(),
                &[
                    "9:56: warning RS247 Namespace/shop metadata.labels.istio.io/use-waypoint: the waypoint shop/front is \
                   for nobody, and this is a namespace: its callers go past it (set istio.io/waypoint-for=all on Process \
                   shop/front, or remove the label)",
                ],
            ),
            (
                "it is not there",
                process(),
                &["4:73: error RS240 Process/shop/cart metadata.labels.istio.io/use-waypoint: there is no waypoint \
                   shop/front: calls fail (make it: ripstop waypoint apply --name front -n shop; or remove the label)"],
            ),
        ],
    );
}

#[test]
fn one_that_nobody_is_ready_of() {
    let text = waypoint("front") + &object("Namespace", "", "shop labels: {istio.io/use-waypoint: front}", "");
    let mut world = World::of(&text);
    assert!(told(&mut world, CODES).is_empty(), "it is about to start");
    world.run("shop", "front", 0).ready = false;
    let expected =
        ["2:1: warning RS241 Process/shop/front: no instance of it is ready: calls that would go through it fail \
                     (see `ripstop get workloads` and `ripstop logs`)"];
    assert_eq!(told(&mut world, CODES), expected);
    let none = text.replace("{role: waypoint}", "{role: waypoint, replicas: 0}");
    assert_eq!(told(&mut World::of(&none), CODES), expected);
}

#[test]
fn whom_a_waypoint_serves() {
    let of_shop = "istio.io/use-waypoint: front, istio.io/use-waypoint-namespace: shop";
    let serving = |namespaces: &str| {
        object("Process", "shop", "front", &format!("{{role: waypoint, allowedRoutes: {{namespaces: {namespaces}}}}}"))
    };
    let edge = || object("Namespace", "", &format!("edge labels: {{{of_shop}}}"), "");
    check(
        CODES,
        &[
            ("all of them", serving("{from: All}") + &edge(), &[]),
            (
                "its own",
                serving("{}") + &edge(),
                &[
                    "9:56: error RS244 Namespace/edge metadata.labels.istio.io/use-waypoint: the waypoint shop/front does not \
                   serve namespace edge: calls fail (Process shop/front says whom it serves: \
                   spec.allowedRoutes.namespaces ({from: All}, or {from: Selector, selector: …}); or remove the label)",
                ],
            ),
            (
                "not even that",
                serving("{from: None}") + &service("istio.io/use-waypoint: front", "selector: {app: cart}, "),
                &[
                    "9:73: error RS244 Service/shop/cart metadata.labels.istio.io/use-waypoint: the waypoint shop/front does \
                   not serve namespace shop: calls fail (Process shop/front says whom it serves: \
                   spec.allowedRoutes.namespaces ({from: All}, or {from: Selector, selector: …}); or remove the label)",
                ],
            ),
        ],
    );
}

#[test]
fn an_account_that_others_have() {
    let of = |namespace: &str, name: &str, account: &str| {
        object("Process", namespace, name, &format!("{{command: [serve], serviceAccountName: {account}}}"))
    };
    let waypoint = |account: &str| {
        object("Process", "shop", "front", &format!("{{role: waypoint, serviceAccountName: {account}}}"))
    };
    check(
        CODES,
        &[
            ("its own", waypoint("front") + &of("shop", "web", "web"), &[]),
            ("of another namespace", waypoint("web") + &of("edge", "web", "web"), &[]),
            (
                "another's",
                waypoint("web") + &of("shop", "web", "web"),
                &[
                    "5:44: warning RS245 Process/shop/front spec.serviceAccountName: Process web has its service account web, \
                   too (give it one of its own: serviceAccountName: front)",
                ],
            ),
        ],
    );
}
