use ripstop_model::{DataplaneMode, ServiceKey, Workload};

use crate::tests::{World, object};

const NAMESPACE: &str =
    "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {istio.io/dataplane-mode: ambient}}\n";

const SERVICES: &str = "\
---
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec:
  selector: {app: cart}
  ports: [{name: http, port: 80, targetPort: web}, {name: admin, port: 81, targetPort: 9001}, {name: grpc, port: 82, targetPort: 9002}]
";

fn group(metadata: &str, template: &str) -> String {
    format!(
        "---\napiVersion: networking.istio.io/v1\nkind: WorkloadGroup\nmetadata: {{name: vms, namespace: shop}}\nspec: {{metadata: {{{metadata}}}, template: {{{template}}}}}\n"
    )
}

fn world(text: &str) -> World {
    let mut world = World::of(text);
    let instance = world.run("shop", "python3", 0);
    instance.group = Some("vms".into());
    instance.labels = [("app".into(), "own".into()), ("own".into(), "yes".into())].into();
    world
}

fn only(world: &mut World) -> Workload {
    (**world.compile().workloads.values().next().unwrap()).clone()
}

#[test]
fn what_the_group_says_holds_for_each() {
    let text = group(
        "labels: {version: v2}, annotations: {note: a}",
        "labels: {app: cart, version: v1}, ports: {web: 8000, admin: 9000}, network: n1, locality: eu/west/1, weight: 3",
    );
    let mut world = world(&(NAMESPACE.to_owned() + SERVICES + &text));
    let workload = only(&mut world);
    let labels: Vec<String> = workload.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let expected =
        ["app=cart", "own=yes", "topology.istio.io/locality=eu.west.1", "topology.istio.io/network=n1", "version=v2"];
    assert_eq!(labels, expected);
    let member = workload.group.unwrap();
    assert_eq!((&*member.group, member.weight, member.ports["admin"]), ("vms", 3, 9000));
    assert_eq!(workload.enrolment.mode, DataplaneMode::Node);
    // By the name of the service's port, then by that of its target.
    let key = ServiceKey::new("shop", "cart.shop.svc.cluster.local");
    let ports: Vec<_> = workload.services[0].1.iter().map(|port| (port.service_port, port.target_port)).collect();
    assert_eq!(workload.services[0].0, key);
    assert_eq!(ports, [(80, 8000), (81, 9000), (82, 9002)]);
    assert_eq!((&*workload.canonical_name, &*workload.canonical_revision), ("cart", "v2"));
}

#[test]
fn a_group_that_changes_changes_its_members() {
    let text = |label: &str| NAMESPACE.to_owned() + SERVICES + &group("", &format!("labels: {{app: {label}}}"));
    let mut world = world(&text("cart"));
    assert_eq!(only(&mut world).services.len(), 1);
    world.declare(&text("other"));
    assert!(only(&mut world).services.is_empty());
    world.declare(&text("cart"));
    assert_eq!(only(&mut world).services.len(), 1);
    // Without its group it is what it was started as.
    world.declare(&(NAMESPACE.to_owned() + SERVICES));
    let workload = only(&mut world);
    assert_eq!((&*workload.labels["app"], workload.group), ("own", None));
}

#[test]
fn a_process_of_that_name_has_nothing_to_do_with_it() {
    let process = object("Process", "shop", "python3", "  labels: {app: process}\nspec: {command: [serve]}\n");
    let mut world = world(&(process + &group("", "labels: {app: cart}")));
    assert_eq!(&*only(&mut world).labels["app"], "cart");
}
