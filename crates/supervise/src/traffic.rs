//! A workload's first and last moments: it starts once the mesh is ready for its connections, and ends once none goes
//! to it any more. Both waits are short: a mesh that does not answer stops nobody.

use ripstop_model::WorkloadUid;

use crate::{
    board::Key,
    context::World,
    control_client::{placed, withdrawn},
};

/// Waits until the workload's node knows it and, if it is enrolled, has captured it. So nothing that it sends slips by
/// at the beginning, and services answer it.
pub(crate) async fn place(world: &World, key: &Key) {
    let Some(uid) = uid(world, key) else { return };
    let socket = world.paths.control_socket();
    tokio::select! {
        () = world.closed() => {}
        placed = placed(&socket, &uid) => match placed {
            Ok(true) => {}
            Ok(false) => tracing::warn!(workload = %key, "starts although its node is not ready for it; see `ripstop get workloads`"),
            Err(error) => tracing::warn!(workload = %key, %error, "starts although its node may not be ready for it"),
        },
    }
}

/// Waits until no proxy sends new connections to the workload, which is marked as not ready.
pub(crate) async fn withdraw(world: &World, key: &Key) {
    let Some(uid) = uid(world, key) else { return };
    let socket = world.paths.control_socket();
    tokio::select! {
        // Where everything ends, nobody goes elsewhere.
        () = world.closed() => {}
        withdrawn = withdrawn(&socket, &uid) => match withdrawn {
            Ok(true) => {}
            Ok(false) => tracing::warn!(workload = %key, "ends although not every proxy knows it yet"),
            Err(error) => tracing::debug!(workload = %key, %error, "ends at once"),
        },
    }
}

fn uid(world: &World, key: &Key) -> Option<WorkloadUid> {
    let Key::Workload(namespace, instance) = key else { return None };
    Some(WorkloadUid::process(&world.mesh.borrow().cluster, namespace, instance))
}
