use ripstop_model::{NodeSpec, ProcessKind, ProcessSpec, ResourceLimits, RestartPolicy};
use ripstop_wire::{encode_group, encode_mesh, encode_node, encode_process};

use super::*;

fn process(name: &str) -> ProcessSpec {
    ProcessSpec {
        namespace: "a".into(),
        name: name.into(),
        labels: std::collections::BTreeMap::default(),
        kind: ProcessKind::Command,
        node: "n1".into(),
        replicas: 2,
        service_account: "default".into(),
        command: vec!["true".into()],
        args: Vec::new(),
        env: Vec::new(),
        ports: Vec::new(),
        readiness: None,
        restart: RestartPolicy::Always,
        limits: ResourceLimits::default(),
        run_as_user: 65534,
        directory: "".into(),
        has_sidecar: false,
    }
}

#[test]
fn resources_become_wishes_and_go_again() {
    let mut wishes = Wishes::default();
    let node = NodeSpec { name: "n1".into(), labels: std::collections::BTreeMap::default(), pod_cidrs: Vec::new() };
    let mut mesh = MeshConfig::default();
    mesh.egress.deny = vec!["10.0.0.0/8".parse().unwrap()];
    wishes.take(&encode_node(&node).into()).unwrap();
    wishes.take(&encode_process(&process("p")).into()).unwrap();
    wishes.take(&encode_mesh(&mesh).into()).unwrap();
    let group = ripstop_model::GroupSpec {
        namespace: "a".into(),
        name: "vms".into(),
        service_account: "cart".into(),
        labels: std::collections::BTreeMap::default(),
        annotations: std::collections::BTreeMap::default(),
        ports: Vec::new(),
        readiness: None,
    };
    wishes.take(&encode_group(&group).into()).unwrap();
    assert_eq!(*wishes.groups["a/vms"], group);
    assert_eq!(wishes.nodes["n1"], node);
    assert_eq!(*wishes.processes["a/p"], process("p"));
    assert_eq!(egress_rules(&wishes.mesh).deny, mesh.egress.deny);

    for (kind, name) in [
        (type_url::NODE, "n1"),
        (type_url::PROCESS, "a/p"),
        (type_url::WORKLOAD_GROUP, "a/vms"),
        (type_url::SIDECAR, "uid"),
        (type_url::MESH, "default"),
    ] {
        wishes.take(&ResourceChange::removed(kind, name)).unwrap();
    }
    assert!(wishes.nodes.is_empty() && wishes.processes.is_empty() && wishes.groups.is_empty());
    assert!(wishes.sidecars.is_empty());
    assert_eq!(*wishes.mesh, MeshConfig::default());
}

#[test]
fn what_cannot_be_read_is_refused_by_name() {
    let mut bad: ResourceChange = encode_process(&process("p")).into();
    bad.body = Some(bytes::Bytes::from_static(b"\xff\xff"));
    let reason = Wishes::default().take(&bad).unwrap_err();
    assert!(reason.contains("a/p"), "{reason}");
}
