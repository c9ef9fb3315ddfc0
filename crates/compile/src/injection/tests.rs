use std::sync::Arc;

use crate::tests::{World, object};

fn namespace(labels: &str) -> String {
    object("Namespace", "", "shop", &format!("  labels: {{{labels}}}\n"))
}

fn process(name: &str, metadata: &str) -> String {
    object("Process", "shop", name, &format!("{metadata}spec: {{command: [serve]}}\n"))
}

fn mesh(labels: &str, web: &str) -> String {
    let own = process("own", "  annotations: {linkerd.io/inject: enabled}\n");
    let out = process("out", "  labels: {sidecar.istio.io/inject: \"false\"}\n");
    let tunnel = process("tunnel", "  labels: {networking.istio.io/tunnel: http}\n");
    namespace(labels) + &process("web", web) + &own + &out + &tunnel
}

/// Processes with proxies of their own, and namespaces whose workloads have them.
fn asking(world: &mut World) -> (Vec<String>, Vec<String>) {
    let output = world.compile();
    let asking = output.processes.values().filter(|process| process.has_sidecar);
    (asking.map(|process| process.name.to_string()).collect(), output.injecting.iter().map(Arc::to_string).collect())
}

#[test]
fn processes_say_whether_they_start_behind_proxies_of_their_own() {
    let mut world = World::of(&mesh("istio-injection: enabled", ""));
    assert_eq!(asking(&mut world), (vec!["own".into(), "web".into()], vec!["shop".into()]));
    // The same as is known of its workloads once they run.
    for name in ["own", "out", "tunnel", "web"] {
        world.run("shop", name, 0);
    }
    let output = world.compile();
    let workloads = output.workloads.values().filter(|workload| workload.has_sidecar());
    assert_eq!(workloads.map(|workload| &*workload.workload_name).collect::<Vec<_>>(), ["own", "web"]);

    // Labels act live: of the namespace, and of the process.
    world.declare(&mesh("app: shop", ""));
    assert_eq!(asking(&mut world), (vec!["own".into()], vec![]));
    let before = world.compile().processes.clone();
    world.declare(&mesh("app: shop", "  labels: {istio-injection: enabled}\n"));
    assert_eq!(asking(&mut world), (vec!["own".into(), "web".into()], vec![]));
    let now = world.compile().processes.clone();
    let own: ripstop_model::ObjectName = ("shop".into(), "own".into());
    assert!(Arc::ptr_eq(&before[&own], &now[&own]), "what did not change is the same");
    world.declare(&mesh("istio.io/dataplane-mode: ambient", ""));
    assert_eq!(asking(&mut world), (vec!["own".into()], vec![]));
    // A namespace that is gone says nothing any more.
    world.declare(&mesh("linkerd.io/inject: enabled", ""));
    assert_eq!(asking(&mut world).1, ["shop"]);
    world.declare(&process("web", ""));
    assert_eq!(asking(&mut world), (vec![], vec![]));
}
