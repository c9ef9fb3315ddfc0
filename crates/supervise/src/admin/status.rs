//! What runs, as the admin API shows it.

use serde_json::{Value, json};

use super::names;
use crate::{
    board::{Entry, Key},
    context::World,
    entrance::Entrance,
    roles::sidecar_name,
};

/// All roles and workloads, and the parts that are there for as long as the mesh is.
pub(super) fn processes(world: &World) -> Value {
    let parts = names::PARTS.map(|part| {
        // The supervisor is the world's first process; the broker is none of the world's.
        let pid = (part == names::SUPERVISE).then_some(1);
        let log = world.paths.role_log(part);
        json!({ "name": part, "kind": "role", "pid": pid, "state": "running", "restarts": 0, "ready": true, "log": log })
    });
    let all = world.board.all();
    parts.into_iter().chain(all.iter().map(|(key, entry)| process(key, entry))).collect()
}

/// One role or workload.
pub(super) fn process(key: &Key, entry: &Entry) -> Value {
    let (kind, namespace, name) = match key {
        Key::Role(name) => ("role", None, name),
        Key::Workload(namespace, name) => ("workload", Some(namespace), name),
    };
    let workload = entry.workload.as_ref();
    json!({
        "name": &**name,
        "kind": kind,
        "namespace": namespace.map(|namespace| &**namespace),
        "process": workload.map(|workload| &*workload.process),
        "node": entry.node.as_deref(),
        "addresses": workload.and_then(|workload| workload.addresses).map(|addresses| addresses.all()),
        "pid": entry.phase.pid(),
        "state": entry.phase.to_string(),
        "error": entry.error,
        "exit": entry.last_exit.map(crate::run_protocol::Exit::shell_status),
        "restarts": entry.restarts,
        "ready": entry.ready,
        "since_ms": entry.since_ms,
        "log": entry.log.path(),
    })
}

/// Ports of gateways on the host.
pub(super) fn ingress(world: &World) -> Value {
    let entrances = world.entrances.borrow();
    let show = |entrance: &Entrance| {
        json!({
            "gateway": entrance.gateway,
            "port": entrance.port,
            "protocol": entrance.protocol,
            "url": entrance.url(),
            "error": entrance.error,
        })
    };
    entrances.iter().map(show).collect()
}

/// The mesh as a whole.
pub(super) fn world(world: &World) -> Value {
    let nodes: Vec<_> = world
        .fabric()
        .nodes()
        .iter()
        .map(|node| {
            json!({
                "name": &*node.name,
                "index": node.index.get(),
                "fabric": node.index.fabric().all(),
                "pod_cidrs": [node.blocks.v4.to_string(), node.blocks.v6.to_string()],
                "address": node.blocks.node().v4,
            })
        })
        .collect();
    let gateways = world.board.gateways();
    let gateways: Vec<String> =
        gateways.iter().map(|(namespace, instance)| format!("{namespace}.{instance}")).collect();
    let sidecars = world.board.sidecars();
    let sidecars: Vec<String> =
        sidecars.iter().map(|(namespace, instance)| sidecar_name(namespace, instance)).collect();
    json!({ "dir": world.dir, "state": world.paths.state(), "nodes": nodes, "gateways": gateways, "sidecars": sidecars })
}
