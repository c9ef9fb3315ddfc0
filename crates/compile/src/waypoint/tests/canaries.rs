//! Waypoints that take a share of the calls of others.

use super::*;

fn waypoint(name: &str, spec: &str) -> String {
    object("Process", "shop", name, &format!("spec: {{role: waypoint{spec}}}\n"))
}

fn canaried(name: &str, weight: &str) -> String {
    format!(
        "  labels: {{istio.io/use-waypoint: front, istio.io/use-waypoint-canary: {name}}}\n  \
         annotations: {{istio.io/use-waypoint-canary-weight: '{weight}'}}\n"
    )
}

/// The canary's host and share, and the reason why there is none.
fn canary(world: &mut World) -> (Option<(String, u8)>, Option<Idle>) {
    let declared = world.objects.values().find(|declared| declared.object.id.name == "web").expect("an object").clone();
    let output = world.compile();
    let web = output.services.values().find(|service| &*service.name == "web").expect("a service");
    let waypoint = web.waypoint.as_ref().expect("a waypoint");
    assert_eq!(&*waypoint.service.hostname, "front.shop.svc.cluster.local");
    let told = waypoint.canary.as_ref().map(|canary| (canary.service.hostname.to_string(), canary.percent));
    let idle = output.declarations.canary(&declared.object.meta, "shop").and_then(Result::err);
    (told, idle)
}

#[test]
fn it_takes_its_share_if_it_can() {
    let next = Some(("next.shop.svc.cluster.local".to_owned(), 10));
    let mut live = World::of("");
    for (name, weight, spec, expected) in [
        ("next", "10", "", (next, None)),
        ("next", "0", "", (None, None)),
        ("none", "10", "", (None, None)),
        ("next", "101", "", (None, Some(Idle::Share))),
        ("next", "a few", "", (None, Some(Idle::Share))),
        ("front", "10", "", (None, Some(Idle::Same))),
        ("gone", "10", "", (None, Some(Idle::Missing))),
        ("next", "10", ", allowedRoutes: {namespaces: {from: None}}", (None, Some(Idle::Refuses))),
    ] {
        let spec_of_service = "spec:\n  selector: {app: web}\n  ports: [{name: http, port: 80}]\n";
        let web = object("Service", "shop", "web", &(canaried(name, weight) + spec_of_service));
        let text = waypoint("front", "") + &waypoint("next", spec) + &web;
        assert_eq!(canary(&mut World::of(&text)), expected, "{text}");
        live.declare(&text);
        live.objects = live.objects.iter().map(|(id, one)| (id.clone(), newer(one))).collect();
        assert_eq!(canary(&mut live), expected, "{text}");
    }
}

/// It counts beside the label of the object that names the waypoint.
#[test]
fn that_of_a_namespace_counts_for_what_has_no_waypoint_of_its_own() {
    let around = object("Namespace", "", "shop", &canaried("next", "50"));
    for (own, expected) in [("", Some(50)), ("istio.io/use-waypoint: front", None)] {
        let text = around.clone() + &waypoint("front", "") + &waypoint("next", "") + &service("shop", "web", own);
        let mut world = World::of(&text);
        let output = world.compile();
        let web = output.services.values().find(|service| &*service.name == "web").expect("a service");
        let canary = web.waypoint.as_ref().and_then(|waypoint| waypoint.canary.as_ref());
        assert_eq!(canary.map(|canary| canary.percent), expected, "{own}");
    }
}
