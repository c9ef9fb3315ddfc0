use ripstop_model::DataplaneMode;

use crate::tests::{World, object};

const MESH: &str = "spec:\n  meshConfig:\n    discoverySelectors:\n    - matchLabels: {env: prod}\n    - matchExpressions: [{key: team, operator: In, values: [a, b]}]\n";

fn namespace(name: &str, labels: &str) -> String {
    object("Namespace", "", name, &format!("  labels: {{istio.io/dataplane-mode: ambient, {labels}}}\n"))
}

fn inside(namespace: &str) -> String {
    object("Service", namespace, "web", "spec: {selector: {app: web}, ports: [{port: 80}]}\n")
        + &object("Process", namespace, "web", "  labels: {app: web}\nspec: {command: [serve]}\n")
}

/// Namespaces with services, and those whose workloads are in the mesh.
fn known(world: &mut World) -> (Vec<String>, Vec<String>) {
    let output = world.compile();
    let services = output.services.keys().map(|key| key.namespace.to_string()).collect();
    let enrolled = output.workloads.values().filter(|workload| workload.enrolment.mode != DataplaneMode::None);
    (services, enrolled.map(|workload| workload.namespace.to_string()).collect())
}

fn world(mesh: &str, shop: &str) -> String {
    object("Mesh", "", "default", mesh)
        + &namespace("shop", shop)
        + &namespace("blog", "env: test")
        + &namespace("team", "team: b")
        + &inside("shop")
        + &inside("blog")
        + &inside("team")
        + &inside("istio-system")
}

#[test]
fn other_namespaces_are_not_known() {
    let mut world_of = World::of(&world(MESH, "env: prod"));
    for namespace in ["shop", "blog", "team"] {
        world_of.run(namespace, "web", 0);
    }
    let (services, enrolled) = known(&mut world_of);
    // The root namespace always is.
    assert_eq!(services, ["istio-system", "shop", "team"]);
    assert_eq!(enrolled, ["shop", "team"]);
    // What runs, runs.
    assert_eq!(world_of.compile().processes.len(), 4);

    // A namespace loses its label, and gets it again.
    world_of.declare(&world(MESH, "env: test"));
    assert_eq!(known(&mut world_of).1, ["team"]);
    assert_eq!(known(&mut world_of).0, ["istio-system", "team"]);
    world_of.declare(&world(MESH, "env: prod"));
    assert_eq!(known(&mut world_of).1, ["shop", "team"]);

    // Nothing is asked for any more.
    world_of.declare(&world("spec: {}\n", "env: prod"));
    let (services, enrolled) = known(&mut world_of);
    assert_eq!((services.len(), enrolled.len()), (4, 3));
}

/// Nobody gets by a policy because nobody looks at its namespace.
#[test]
fn policies_hold_all_the_same() {
    let policy = object("PeerAuthentication", "blog", "strict", "spec: {mtls: {mode: STRICT}}\n");
    let mut world = World::of(&(world(MESH, "env: prod") + &policy));
    assert_eq!(world.compile().peer_authentications.len(), 1);
}

#[test]
fn what_changes_alone_is_followed() {
    let text = world(MESH, "env: prod");
    let mut changing = World::of(&text);
    changing.compile();
    let more = text.clone() + &object("Service", "blog", "late", "spec: {ports: [{port: 80}]}\n");
    let more = more + &object("Service", "shop", "late", "spec: {ports: [{port: 80}]}\n");
    changing.declare(&more);
    let names: Vec<String> = changing.compile().services.keys().map(ToString::to_string).collect();
    let mut fresh = World::of(&more);
    let expected: Vec<String> = fresh.compile().services.keys().map(ToString::to_string).collect();
    assert_eq!(names, expected);
    assert!(names.iter().any(|name| name.contains("late.shop")) && !names.iter().any(|name| name.contains("blog")));
    changing.declare(&text);
    assert_eq!(changing.compile().services.len(), 3);
}

#[test]
fn everything_is_known_where_nothing_is_selected() {
    let mut world_of = World::of(&world("spec: {}\n", "env: prod"));
    assert_eq!(known(&mut world_of).0.len(), 4);
}
