//! A workload's first and last moments: it starts once the mesh is ready for its connections, and ends once none goes
//! to it any more. Both waits are short: a mesh that does not answer stops nobody. But whoever asks for a proxy of its own
//! does not start without: nothing of it is captured before, and there is nobody else.

use ripstop_model::WorkloadUid;

use crate::{
    Error, Result,
    board::Key,
    context::World,
    control_client::{placed, withdrawn},
};

/// Waits until the workload's node knows it and, if it is enrolled, has captured it. So nothing that it sends slips by
/// at the beginning, and services answer it.
pub(crate) async fn place(world: &World, key: &Key) -> Result<()> {
    let Some(uid) = uid(world, key) else { return Ok(()) };
    let socket = world.paths.control_socket();
    let placed = tokio::select! {
        () = world.closed() => return Ok(()),
        placed = placed(&socket, &uid) => placed,
    };
    let why = match placed {
        Ok(true) => return Ok(()),
        Ok(false) => "its node is not ready for it; see `ripstop get workloads`".to_owned(),
        Err(error) => format!("its node may not be ready for it: {error}"),
    };
    if world.sidecars.borrow().contains_key(uid.as_str()) {
        return Err(Error::Unavailable(format!("it starts once its sidecar serves it: {why}")));
    }
    tracing::warn!(workload = %key, why, "starts all the same");
    Ok(())
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
