//! Waypoints in front of workloads' own addresses.

use super::*;

/// A waypoint `shop/NAME` that is for what `labels` say.
fn waypoint(name: &str, labels: &str) -> String {
    object("Process", "shop", name, &format!("  labels: {{{labels}}}\nspec: {{role: waypoint}}\n"))
}

fn process(labels: &str) -> String {
    object("Process", "shop", "web", &format!("  labels: {{{labels}}}\nspec: {{command: [serve]}}\n"))
}

fn account(labels: &str) -> String {
    object("ServiceAccount", "shop", "default", &format!("  labels: {{{labels}}}\n"))
}

/// Names of the waypoints that callers of the service `shop/web` and of the workload `shop/web-0` go through.
fn ways(world: &mut World) -> (Option<String>, Option<String>) {
    if world.instances.is_empty() {
        world.run("shop", "web", 0);
    }
    let output = world.compile();
    let name = |waypoint: &Waypoint| waypoint.service.hostname.split('.').next().unwrap_or_default().to_owned();
    let service = output.services.values().find(|service| &*service.name == "web");
    let workload = output.workloads.values().find(|workload| &*workload.name == "web-0").expect("a workload");
    (service.and_then(|service| service.waypoint.as_ref()).map(name), workload.waypoint.as_ref().map(name))
}

#[test]
fn its_own_label_comes_before_that_of_its_account_and_its_namespace() {
    const NAMED: [&str; 3] = ["istio.io/use-waypoint: a", "istio.io/use-waypoint: b", "istio.io/use-waypoint: c"];
    let none = "istio.io/use-waypoint: none";
    let waypoints: String = ["a", "b", "c"].map(|name| waypoint(name, "istio.io/waypoint-for: workload")).concat();
    let mut live = World::of("");
    live.run("shop", "web", 0);
    for (own, of_account, around, expected) in [
        ("", "", "", None),
        ("", "", NAMED[2], Some("c")),
        ("", NAMED[1], NAMED[2], Some("b")),
        (NAMED[0], NAMED[1], NAMED[2], Some("a")),
        ("", none, NAMED[2], None),
        (none, NAMED[1], "", None),
        (NAMED[0], none, none, Some("a")),
        ("gateway.istio.io/managed: istio.io-mesh-controller", NAMED[1], "", None),
    ] {
        let text = format!("{waypoints}{}{}{}", namespace("shop", around), account(of_account), process(own));
        let expected = (None, expected.map(str::to_owned));
        assert_eq!(ways(&mut World::of(&text)), expected, "{text}");
        // The same, whatever was before.
        live.declare(&text);
        live.objects = live.objects.iter().map(|(id, one)| (id.clone(), newer(one))).collect();
        assert_eq!(ways(&mut live), expected, "{text}");
    }
}

#[test]
fn a_waypoint_says_itself_what_goes_through_it() {
    let named = "istio.io/use-waypoint: front";
    let mut live = World::of("");
    live.run("shop", "web", 0);
    for (scope, own, around, (service_goes, workload_goes)) in [
        (Some(""), "", named, (true, false)),
        (Some("istio.io/waypoint-for: service"), "", named, (true, false)),
        (Some("istio.io/waypoint-for: workload"), "", named, (false, true)),
        (Some("istio.io/waypoint-for: all"), "", named, (true, true)),
        (Some("istio.io/waypoint-for: none"), "", named, (false, false)),
        (Some("istio.io/waypoint-for: everybody"), "", named, (true, false)),
        // Labels of their own do not make it one for them.
        (Some(""), named, "", (true, false)),
        (Some("istio.io/waypoint-for: workload"), named, "", (false, true)),
        (Some("istio.io/waypoint-for: none"), named, "", (false, false)),
        // Nobody goes past one that is missing.
        (None, "", named, (true, true)),
        (None, named, "", (true, true)),
    ] {
        let waypoint = scope.map(|labels| waypoint("front", labels)).unwrap_or_default();
        let text = waypoint + &namespace("shop", around) + &service("shop", "web", own) + &process(own);
        let name = |goes: bool| goes.then(|| "front".to_owned());
        let expected = (name(service_goes), name(workload_goes));
        assert_eq!(ways(&mut World::of(&text)), expected, "{text}");
        live.declare(&text);
        live.objects = live.objects.iter().map(|(id, one)| (id.clone(), newer(one))).collect();
        assert_eq!(ways(&mut live), expected, "{text}");
    }
}

#[test]
fn two_accounts_of_a_namespace_have_two_waypoints() {
    let accounts = ["web", "cart"].map(|name| {
        let label = format!("  labels: {{istio.io/use-waypoint: front-{name}}}\n");
        waypoint(&format!("front-{name}"), "istio.io/waypoint-for: workload")
            + &object("ServiceAccount", "shop", name, &label)
    });
    let mut world = World::of(&accounts.concat());
    for name in ["web", "cart"] {
        world.run("shop", name, 0).service_account = name.into();
    }
    let output = world.compile();
    for workload in output.workloads.values() {
        let waypoint = workload.waypoint.as_ref().map(|waypoint| waypoint.service.hostname.to_string());
        assert_eq!(waypoint, Some(format!("front-{}.shop.svc.cluster.local", workload.service_account)));
    }
}

#[test]
fn proxies_of_the_mesh_have_none() {
    let text = waypoint("front", "istio.io/waypoint-for: all") + &namespace("shop", "istio.io/use-waypoint: front");
    let mut world = World::of(&text);
    world.run("shop", "front", 0);
    assert_eq!(world.compile().workloads.values().next().expect("an instance").waypoint, None);
}

/// It serves whom it says, whatever goes through it.
#[test]
fn a_waypoint_of_another_namespace_admits_workloads_as_it_does_services() {
    let of_edge = "istio.io/use-waypoint: front, istio.io/use-waypoint-namespace: edge";
    for (routes, expected) in [("{}", Admission::Refused), ("{from: All}", Admission::Admitted)] {
        let front = front(routes).replace("namespace: edge}", "namespace: edge, labels: {istio.io/waypoint-for: all}}");
        let mut world = World::of(&(front + &process(of_edge)));
        world.run("shop", "web", 0);
        let workload = world.compile().workloads.values().next().expect("a workload").clone();
        assert_eq!(workload.waypoint.as_ref().map(|waypoint| waypoint.admission), Some(expected), "{routes}");
    }
}
