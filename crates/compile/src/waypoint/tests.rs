use ripstop_model::{ProcessKind, TunnelProtocol};

use super::*;
use crate::{
    made,
    tests::{World, now, object},
};

mod canaries;
mod workloads;

const WAYPOINT: &str = "\
---
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {name: front, namespace: shop}
spec: {role: waypoint, serviceAccountName: front}
";

fn namespace(name: &str, labels: &str) -> String {
    object("Namespace", "", name, &format!("  labels: {{{labels}}}\n"))
}

fn service(namespace: &str, name: &str, labels: &str) -> String {
    let spec = "spec:\n  selector: {app: web}\n  ports: [{name: http, port: 80}]\n";
    object("Service", namespace, name, &format!("  labels: {{{labels}}}\n{spec}"))
}

fn entry(labels: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: e, namespace: shop, labels: \
         {{{labels}}}}}\nspec: {{{spec}, ports: [{{number: 80, name: http, protocol: HTTP}}]}}\n"
    )
}

/// The waypoint's service that callers of the service `shop/web` go through.
fn through(world: &mut World) -> Option<String> {
    let output = world.compile();
    let web = output.services.values().find(|service| &*service.name == "web").expect("a service");
    web.waypoint.as_ref().map(|waypoint| waypoint.service.to_string())
}

#[test]
fn the_own_label_counts_before_that_of_the_namespace() {
    for (own, around, expected) in [
        ("", "", None),
        ("", "istio.io/use-waypoint: front", Some("shop/front.shop.svc.cluster.local")),
        ("istio.io/use-waypoint: other", "istio.io/use-waypoint: front", Some("shop/other.shop.svc.cluster.local")),
        ("istio.io/use-waypoint: none", "istio.io/use-waypoint: front", None),
        ("istio.io/use-waypoint: front", "istio.io/use-waypoint: none", Some("shop/front.shop.svc.cluster.local")),
        (
            "istio.io/use-waypoint: front, istio.io/use-waypoint-namespace: edge",
            "",
            Some("edge/front.edge.svc.cluster.local"),
        ),
        // Where it is belongs to what it is called.
        (
            "istio.io/use-waypoint: front",
            "istio.io/use-waypoint: other, istio.io/use-waypoint-namespace: edge",
            Some("shop/front.shop.svc.cluster.local"),
        ),
        ("gateway.istio.io/managed: istio.io-mesh-controller", "istio.io/use-waypoint: front", None),
    ] {
        let text = namespace("shop", around) + &service("shop", "web", own);
        assert_eq!(through(&mut World::of(&text)).as_deref(), expected, "{own} {around}");
    }
}

#[test]
fn labels_act_live_wherever_they_change() {
    let bare = service("shop", "web", "");
    let named = "istio.io/use-waypoint: front";
    let mut world = World::of(&(namespace("shop", "") + &bare));
    assert_eq!(through(&mut world), None);
    for (around, own, expected) in [
        (Some(named), "", true),
        (Some(""), "", false),
        (Some(""), named, true),
        (Some(named), "istio.io/use-waypoint: none", false),
        (None, named, true),
        (None, "", false),
    ] {
        let around = around.map(|labels| namespace("shop", labels)).unwrap_or_default();
        let text = around + &service("shop", "web", own);
        world.declare(&text);
        // Newer than what was there before.
        world.objects = world.objects.iter().map(|(id, one)| (id.clone(), newer(one))).collect();
        assert_eq!(through(&mut world).is_some(), expected, "{text}");
        assert_eq!(through(&mut World::of(&text)).is_some(), expected, "{text}");
    }
}

fn newer(declared: &crate::Declared) -> crate::Declared {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    static GENERATION: AtomicU64 = AtomicU64::new(2);
    crate::Declared { generation: GENERATION.fetch_add(1, Relaxed), ..declared.clone() }
}

#[test]
fn gateways_go_through_it_where_they_are_told_to() {
    let named = "istio.io/use-waypoint: front";
    for (own, around, expected) in [
        (named.to_owned(), "", WaypointCallers::Workloads),
        (format!("{named}, istio.io/ingress-use-waypoint: 'true'"), "", WaypointCallers::WorkloadsAndGateways),
        (named.to_owned(), "istio.io/ingress-use-waypoint: 'true'", WaypointCallers::WorkloadsAndGateways),
        (
            format!("{named}, istio.io/ingress-use-waypoint: 'false'"),
            "istio.io/ingress-use-waypoint: 'true'",
            WaypointCallers::Workloads,
        ),
    ] {
        let mut world = World::of(&(namespace("shop", around) + &service("shop", "web", &own)));
        let web = world.compile().services.values().next().unwrap().clone();
        assert_eq!(web.waypoint.as_ref().map(|waypoint| waypoint.callers), Some(expected), "{own} {around}");
    }
}

#[test]
fn declared_hosts_have_one_if_callers_come_to_them_by_an_address() {
    let named = "istio.io/use-waypoint: front";
    for (spec, expected) in [
        ("hosts: [a.example], resolution: DNS", true),
        ("hosts: [a.example], addresses: [192.0.2.1], resolution: STATIC, endpoints: [{address: 192.0.2.9}]", true),
        ("hosts: [a.example], addresses: [192.0.2.0/24], resolution: NONE", false),
        ("hosts: ['*.example'], resolution: NONE", false),
    ] {
        let bound = |text: &str| {
            let mut world = World::of(text);
            let entries = world.compile().traffic.entries.values().next().unwrap().clone();
            entries[0].waypoint.is_some()
        };
        assert_eq!(bound(&entry(named, spec)), expected, "{spec}");
        assert_eq!(bound(&(entry("", spec) + &namespace("shop", named))), expected, "{spec}");
    }
}

#[test]
fn a_waypoint_has_a_service_that_selects_its_instances_and_goes_through_none() {
    let mut world = World::of(&(namespace("shop", "istio.io/use-waypoint: front") + WAYPOINT));
    let objects = made(&world.objects);
    assert_eq!(objects.iter().map(|object| object.id.to_string()).collect::<Vec<_>>(), ["Service/shop/front"]);
    for object in objects {
        let declared = crate::Declared { object: Arc::new(object), created: 0, generation: 1 };
        world.objects.insert(declared.object.id.clone(), declared);
    }
    assert!(made(&world.objects).is_empty());
    world.run("shop", "front", 0).ports = ports();
    let output = world.compile();
    let (process, service) = (output.processes.values().next().unwrap(), output.services.values().next().unwrap());
    assert_eq!((process.kind, &process.ports), (ProcessKind::Waypoint, &ports()));
    assert_eq!(service.waypoint, None);
    let own = output.workloads.values().next().unwrap();
    assert_eq!((own.kind, own.tunnel, own.native_tunnel), (ProcessKind::Waypoint, TunnelProtocol::Hbone, true));
    assert!(!own.enrolment.is_enrolled());
    assert_eq!(own.services.iter().map(|(key, _)| key).collect::<Vec<_>>(), [&service.key]);
    assert_eq!(output.findings(now()), []);
}

/// A waypoint `edge/front` that serves these namespaces.
fn front(namespaces: &str) -> String {
    format!(
        "---\napiVersion: ripstop.dev/v1alpha1\nkind: Process\nmetadata: {{name: front, namespace: edge}}\nspec: {{role: \
         waypoint, allowedRoutes: {{namespaces: {namespaces}}}}}\n"
    )
}

/// It is no deputy of whoever names it: it says itself whom it serves.
#[test]
fn a_waypoint_serves_its_own_namespace_unless_it_says_more() {
    let of_edge = "istio.io/use-waypoint: front, istio.io/use-waypoint-namespace: edge";
    let admission = |world: &mut World, name: &str| {
        let output = world.compile();
        let service = output.services.values().find(|service| &*service.name == name).expect("a service");
        service.waypoint.as_ref().map(|waypoint| waypoint.admission)
    };
    let (yes, no) = (Some(Admission::Admitted), Some(Admission::Refused));
    let selector = "{from: Selector, selector: {matchLabels: {team: blue}}}";
    let mut live = World::of("");
    for (process, labels, foreign, own) in [
        (front("{}"), "", no, yes),
        (front("{from: All}"), "", yes, yes),
        (front("{from: None}"), "", no, no),
        (front(selector), "", no, no),
        (front(selector), "team: blue", yes, no),
        // Nobody knows yet whom it would serve besides its own.
        (String::new(), "team: blue", no, yes),
        (front("{from: All}").replace("role: waypoint", "command: [serve]"), "", no, yes),
    ] {
        let text = namespace("shop", labels)
            + &service("shop", "web", of_edge)
            + &service("edge", "cart", "istio.io/use-waypoint: front")
            + &process;
        let mut world = World::of(&text);
        assert_eq!((admission(&mut world, "web"), admission(&mut world, "cart")), (foreign, own), "{text}");
        // The same, whatever was before.
        live.declare(&text);
        live.objects = live.objects.iter().map(|(id, one)| (id.clone(), newer(one))).collect();
        assert_eq!((admission(&mut live, "web"), admission(&mut live, "cart")), (foreign, own), "{text}");
    }
    let declared = |process: &str| {
        let labels = format!("{of_edge}, gateway: none");
        let spec = "hosts: [a.example], addresses: [192.0.2.1], resolution: STATIC, endpoints: [{address: 192.0.2.9}]";
        let mut world = World::of(&(entry(&labels, spec) + process));
        let entries = world.compile().traffic.entries.values().next().unwrap().clone();
        entries[0].waypoint.as_ref().map(|waypoint| waypoint.admission)
    };
    assert_eq!((declared(&front("{}")), declared(&front("{from: All}"))), (no, yes));
}

/// What others may have as well proves nothing.
#[test]
fn a_waypoint_has_an_account_of_its_own_name_unless_it_says_another() {
    let account = |process: &str| {
        let mut world = World::of(process);
        world.compile().processes.values().next().unwrap().service_account.to_string()
    };
    assert_eq!(account(&front("{}")), "front");
    assert_eq!(account(&front("{}").replace("role: waypoint", "role: waypoint, serviceAccountName: other")), "other");
    assert_eq!(account(&front("{}").replace("role: waypoint", "role: gateway")), "default");
}
