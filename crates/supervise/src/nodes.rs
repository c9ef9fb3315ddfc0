//! The machines of the mesh: their networks and their two roles, added and removed while it runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use ripstop_model::NodeSpec;
use tokio::sync::watch;

use crate::{context::World, roles::Role};

/// Nodes by name, as they are wanted.
pub(crate) type Wanted = BTreeMap<Arc<str>, NodeSpec>;

/// The nodes that are up.
#[derive(Debug, Default)]
pub(crate) struct Nodes {
    up: BTreeMap<Arc<str>, NodeRoles>,
}

#[derive(Debug)]
struct NodeRoles {
    agent: Role,
    proxy: Role,
}

/// How long the workloads of a removed node may take to leave.
const LEAVE_DEADLINE: Duration = Duration::from_secs(15);
/// How long the roles of a removed node may take to drain.
const DRAIN: Duration = Duration::from_secs(6);
/// How long proxies, and then agents, may take when everything ends.
const PROXY_END: Duration = Duration::from_millis(1500);
const AGENT_END: Duration = Duration::from_secs(1);
/// Pause before a node that could not be made is tried again.
const RETRY: Duration = Duration::from_secs(1);

// === impl Nodes ===

impl Nodes {
    /// Follows `wanted` until everything is to end, and then gives what is up.
    pub(crate) async fn run(world: World, mut wanted: watch::Receiver<Wanted>) -> Self {
        let mut nodes = Self::default();
        loop {
            let complete = {
                let now = wanted.borrow_and_update().clone();
                nodes.apply(&world, &now).await
            };
            let retry = async {
                if complete {
                    std::future::pending::<()>().await;
                } else {
                    tokio::time::sleep(RETRY).await;
                }
            };
            tokio::select! {
                changed = wanted.changed() => if changed.is_err() { return nodes },
                () = retry => {}
                () = world.closed() => return nodes,
            }
        }
    }

    /// Ends all roles: proxies first, then agents.
    pub(crate) async fn end(self, world: &World) {
        let (mut proxies, mut agents) = (Vec::new(), Vec::new());
        for roles in self.up.into_values() {
            proxies.push(roles.proxy.end(world, PROXY_END));
            agents.push(roles.agent.end(world, AGENT_END));
        }
        futures_util::future::join_all(proxies).await;
        futures_util::future::join_all(agents).await;
    }

    /// Adds and removes; gives whether all that is wanted is up.
    async fn apply(&mut self, world: &World, wanted: &Wanted) -> bool {
        let complete = world.with_fabric(|fabric| fabric.add_nodes(wanted)).await.unwrap_or_else(|error| {
            tracing::error!(%error, "nodes could not be made; they are tried again");
            false
        });
        for view in world.fabric().nodes() {
            if wanted.contains_key(&view.name) && !self.up.contains_key(&view.name) {
                let (agent, proxy) = (Role::agent(world, view.clone()), Role::proxy(world, view.clone()));
                tracing::info!(node = %view.name, index = view.index.get(), v4 = %view.blocks.v4, v6 = %view.blocks.v6, "node is up");
                self.up.insert(view.name, NodeRoles { agent, proxy });
            }
        }
        let gone: Vec<_> = self.up.keys().filter(|name| !wanted.contains_key(*name)).cloned().collect();
        let usable: BTreeSet<_> = self.up.keys().filter(|name| wanted.contains_key(*name)).cloned().collect();
        world.nodes.send_if_modified(|nodes| {
            let changed = *nodes != usable;
            *nodes = usable;
            changed
        });
        for name in gone {
            self.remove(world, &name).await;
        }
        complete
    }

    async fn remove(&mut self, world: &World, name: &Arc<str>) {
        let Some(roles) = self.up.remove(name) else { return };
        tracing::info!(node = %name, "node leaves the mesh");
        let mut board = world.board.subscribe();
        let empty = async { while world.fabric().sandboxes(name) > 0 && board.changed().await.is_ok() {} };
        let left = tokio::select! {
            left = tokio::time::timeout(LEAVE_DEADLINE, empty) => left.is_ok(),
            () = world.closed() => true,
        };
        if !left {
            tracing::warn!(node = %name, "workloads did not leave in time: their network is taken down with the node");
        }
        let drain = |usual| if *world.closing.borrow() { PROXY_END } else { usual };
        roles.proxy.end(world, drain(DRAIN)).await;
        roles.agent.end(world, drain(DRAIN)).await;
        world.with_fabric(|fabric| fabric.remove_node(name)).await;
    }
}
