//! A workload's first and last moments: it starts once the mesh is ready for its connections, and ends once none goes
//! to it any more. Both waits are short: a mesh that does not answer stops nobody. But whoever asks for a proxy of its own
//! does not start without, however long that takes: nothing of it is captured before, and there is nobody else. That it is
//! captured is known by the control plane and, when there is none, by the agent of its node.

use std::time::Duration;

use ripstop_model::WorkloadUid;
use ripstop_net::NetNs;
use tokio::time::{Instant, sleep};

use crate::{
    Result,
    board::Key,
    context::World,
    control_client::{Placed, placed, withdrawn},
};

/// The control plane is asked again after this, for a workload that does not start without its proxy.
const AGAIN: Duration = Duration::from_millis(500);

/// How long a workload that is captured and served waits for others to know of it.
const WHILE: Duration = Duration::from_secs(3);

/// What is known of a workload that is about to start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Known {
    /// It asks for a proxy of its own, or may.
    asks: bool,
    /// The control plane has said that it has one.
    has_sidecar: bool,
    /// Its agent says that it is captured, and served by the proxy that it asks for.
    is_served: bool,
}

/// What becomes of it.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Starts,
    /// It starts, although this is in the way.
    StartsAllTheSame(String),
    /// It has to wait for this.
    Waits(String),
}

/// Waits until the workload's node knows it and, if it is enrolled, has captured it. So nothing that it sends slips by
/// at the beginning, and services answer it. `asks` says whether it asks for a proxy of its own, as far as is known now: it
/// then waits for as long as nobody stops waiting, and its status says for what.
pub(crate) async fn place(world: &World, key: &Key, netns: &NetNs, asks: impl Fn() -> bool) {
    let Some(uid) = uid(world, key) else { return };
    let (socket, inode) = (world.paths.control_socket(), netns.inode());
    let home = world.board.get(key).and_then(|entry| entry.workload).and_then(|workload| workload.addresses);
    let address = home.map(|addresses| addresses.v4.into());
    let begun = Instant::now();
    loop {
        let answer = tokio::select! {
            answer = placed(&socket, &uid, address) => answer,
            () = served_for_a_while(world, &uid, inode) => Ok(Placed { placed: false, has_sidecar: true }),
        };
        let known = Known {
            asks: asks(),
            has_sidecar: world.sidecars.borrow().contains_key(uid.as_str()),
            is_served: world.relay.captures().serves(uid.as_str(), inode),
        };
        match verdict(answer, known) {
            Verdict::Starts => return,
            Verdict::StartsAllTheSame(why) => {
                return tracing::warn!(workload = %key, why, "starts all the same");
            }
            Verdict::Waits(why) => {
                let why = format!("it starts once its sidecar serves it: {why}");
                if world.board.waits(key, &why, begun.elapsed()) {
                    tracing::warn!(workload = %key, why, "is not started yet");
                }
            }
        }
        tokio::select! {
            () = world.relay.captures().served(uid.as_str(), inode) => {}
            () = sleep(AGAIN) => {}
        }
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

/// Resolves a while after the workload's agent has said that it is served: whoever is late to hear of it then keeps nobody
/// waiting any more.
async fn served_for_a_while(world: &World, uid: &WorkloadUid, inode: u64) {
    world.relay.captures().served(uid.as_str(), inode).await;
    sleep(WHILE).await;
}

/// What follows from what the control plane answered, and from what else is known.
fn verdict(answer: Result<Placed>, known: Known) -> Verdict {
    let Known { asks, is_served, .. } = known;
    let has_sidecar = known.has_sidecar || answer.as_ref().is_ok_and(|answer| answer.has_sidecar);
    let why = match answer {
        Ok(Placed { placed: true, .. }) if !has_sidecar || is_served => return Verdict::Starts,
        Ok(Placed { placed: true, .. }) => "the agent of its node has not said so".to_owned(),
        Ok(Placed { placed: false, .. }) => "its node is not ready for it; see `ripstop get workloads`".to_owned(),
        Err(error) => format!("its node may not be ready for it: {error}"),
    };
    match (is_served, asks || has_sidecar) {
        (true, _) => Verdict::Starts,
        (false, true) => Verdict::Waits(why),
        (false, false) => Verdict::StartsAllTheSame(why),
    }
}

fn uid(world: &World, key: &Key) -> Option<WorkloadUid> {
    let Key::Workload(namespace, instance) = key else { return None };
    Some(WorkloadUid::process(&world.mesh.borrow().cluster, namespace, instance))
}

#[cfg(test)]
mod tests;
