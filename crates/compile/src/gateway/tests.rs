use std::collections::BTreeMap;

use ripstop_api::Object;
use ripstop_model::ProcessKind;

use super::*;
use crate::tests::World;

const GATEWAY: &str = "\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: web, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}
  - {port: {number: 443, name: https, protocol: HTTPS}, hosts: ['*'], tls: {mode: SIMPLE, credentialName: web}}
";

const OWN: &str = "\
apiVersion: ripstop.dev/v1alpha1
kind: Process
metadata: {name: edge, namespace: edge, labels: {istio: ingressgateway}}
spec: {role: gateway, serviceAccountName: edge}
";

fn made(text: &str) -> Vec<Object> {
    default_gateway(&World::of(text).objects)
}

fn ids(objects: &[Object]) -> Vec<String> {
    objects.iter().map(|object| object.id.to_string()).collect()
}

/// The ports of the process `namespace/name`, by name.
fn listens(world: &mut World, namespace: &str, name: &str) -> BTreeMap<String, u16> {
    let process = &world.compile().processes[&(namespace.into(), name.into())];
    process.ports.iter().map(|port| (port.name.to_string(), port.port)).collect()
}

fn ports(pairs: &[(&str, u16)]) -> BTreeMap<String, u16> {
    pairs.iter().map(|(name, port)| ((*name).to_owned(), *port)).collect()
}

#[test]
fn there_is_a_default_gateway_where_one_is_selected() {
    let objects = made(GATEWAY);
    let names = ["Process/istio-system/istio-ingressgateway", "Service/istio-system/istio-ingressgateway"];
    assert_eq!(ids(&objects), names);
    let Spec::Process(process) = &objects[0].spec else { panic!("{:?}", objects[0]) };
    assert_eq!(process.role, ProcessRole::Gateway);
    assert_eq!(process.service_account, "istio-ingressgateway-service-account");
    let Spec::Service(service) = &objects[1].spec else { panic!("{:?}", objects[1]) };
    let named: Vec<_> = service.ports.iter().map(|port| (port.name.as_str(), port.port)).collect();
    assert_eq!(named, [("http-80", 80), ("https-443", 443)]);
}

#[test]
fn there_is_none_where_none_is_selected() {
    assert!(made("").is_empty());
    let other = GATEWAY.replace("istio: ingressgateway", "istio: eastwestgateway");
    assert!(made(&other).is_empty());
}

#[test]
fn a_gateway_of_the_users_stands_for_it() {
    assert!(made(&format!("{GATEWAY}---\n{OWN}")).is_empty());
    let other = OWN.replace("istio: ingressgateway", "istio: other");
    assert_eq!(made(&format!("{GATEWAY}---\n{other}")).len(), 2);
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: istio-ingressgateway, namespace: istio-system}\nspec: {ports: [{port: 80}]}\n";
    let objects = made(&format!("{GATEWAY}---\n{service}"));
    assert_eq!(ids(&objects), ["Process/istio-system/istio-ingressgateway"]);
}

#[test]
fn a_gateway_listens_where_gateways_say_and_follows_them() {
    let mut world = World::of(&format!("{GATEWAY}---\n{OWN}"));
    assert_eq!(listens(&mut world, "edge", "edge"), ports(&[("http-80", 80), ("https-443", 443)]));
    let process = world.compile().processes[&("edge".into(), "edge".into())].clone();
    assert_eq!(process.kind, ProcessKind::Gateway);
    assert!(process.command.is_empty());
    assert_eq!(process.readiness, Some(readiness()));

    let before = world.objects.clone();
    let later = GATEWAY.replace("number: 80", "number: 8080");
    world.declare(&format!("{later}---\n{OWN}"));
    // The same process, of which only the Gateway's change tells.
    let process = before.iter().find(|(id, _)| id.kind == Kind::Process).unwrap();
    world.objects.insert(process.0.clone(), process.1.clone());
    assert_eq!(listens(&mut world, "edge", "edge"), ports(&[("http-8080", 8080), ("https-443", 443)]));
    world.declare(OWN);
    world.objects.insert(process.0.clone(), process.1.clone());
    assert_eq!(listens(&mut world, "edge", "edge"), ports(&[]));
}

#[test]
fn the_oldest_gateway_says_what_a_port_speaks() {
    let second = GATEWAY.replace("name: web,", "name: other,").replace("protocol: HTTP}", "protocol: TCP}");
    let mut world = World::of(&format!("{second}---\n{GATEWAY}---\n{OWN}"));
    assert_eq!(listens(&mut world, "edge", "edge"), ports(&[("tcp-80", 80), ("https-443", 443)]));
}

#[test]
fn a_gateway_is_not_enrolled_like_a_workload() {
    let namespace =
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: edge, labels: {istio.io/dataplane-mode: ambient}}\n";
    let mut world = World::of(&format!("{GATEWAY}---\n{OWN}---\n{namespace}"));
    world.run("edge", "edge", 0);
    world.run("edge", "client", 0);
    let enrolled: Vec<_> = world
        .compile()
        .workloads
        .values()
        .map(|workload| (workload.name.to_string(), workload.enrolment.is_enrolled()))
        .collect();
    assert_eq!(enrolled, [("client-0".to_owned(), true), ("edge-0".to_owned(), false)]);
}

/// The machine opens a port for each that the process of a gateway has.
#[test]
fn an_egress_gateway_has_no_ports_at_the_machine() {
    let egress = OWN.replace("role: gateway", "role: egress");
    let mut world = World::of(&format!("{GATEWAY}---\n{egress}"));
    assert_eq!(listens(&mut world, "edge", "edge"), ports(&[]));
    assert_eq!(world.compile().processes[&("edge".into(), "edge".into())].kind, ProcessKind::Gateway);
}
