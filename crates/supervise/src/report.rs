//! What the control plane is told about running workloads.

use ripstop_model::WorkloadUid;
use ripstop_wire::ripstop::{ContainerPort, Instance, InstanceSet, ReportRequest, report_request::Kind};
use ripstop_xds::Link;

use crate::{
    board::{Entry, Key},
    context::World,
};

/// Reports at each change, for as long as it is not dropped, until everything ends: what ends with the mesh is there again
/// with it, and whoever keeps what it knew knows of it then, control plane or not.
pub(crate) async fn run(world: World, link: Link) {
    let (mut board, mut mesh) = (world.board.subscribe(), world.mesh.subscribe());
    let mut last = None;
    loop {
        let cluster = mesh.borrow_and_update().cluster.clone();
        board.mark_unchanged();
        let set = instances(&cluster, &world.board.all());
        if last.as_ref() != Some(&set) {
            link.report(ReportRequest { kind: Some(Kind::Instances(set.clone())) });
            last = Some(set);
        }
        let changed = tokio::select! {
            biased;
            () = world.closed() => return,
            changed = board.changed() => changed,
            changed = mesh.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
    }
}

/// All workloads that have an address.
fn instances(cluster: &str, entries: &[(Key, Entry)]) -> InstanceSet {
    InstanceSet { instances: entries.iter().filter_map(|(key, entry)| instance(cluster, key, entry)).collect() }
}

fn instance(cluster: &str, key: &Key, entry: &Entry) -> Option<Instance> {
    let (Key::Workload(namespace, name), Some(workload)) = (key, &entry.workload) else { return None };
    let addresses = workload.addresses?;
    let pid = entry.phase.pid();
    let port = |port: &ripstop_model::ContainerPort| ContainerPort {
        name: port.name.to_string(),
        port: port.port.into(),
        udp: port.udp,
    };
    Some(Instance {
        uid: WorkloadUid::process(cluster, namespace, name).to_string(),
        namespace: namespace.to_string(),
        name: name.to_string(),
        process: workload.process.to_string(),
        node: entry.node.as_deref().unwrap_or_default().to_string(),
        service_account: workload.service_account.to_string(),
        addresses: addresses.all().iter().map(ToString::to_string).collect(),
        labels: workload.labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
        annotations: std::collections::BTreeMap::default(),
        ports: workload.ports.iter().map(port).collect(),
        ready: entry.ready,
        pid: pid.and_then(|pid| u64::try_from(pid).ok()).unwrap_or_default(),
        restarts: entry.restarts,
        running: pid.is_some(),
        group: workload.group.as_deref().unwrap_or_default().to_string(),
    })
}

#[cfg(test)]
mod tests;
