//! The supervisor's own line to the control plane: it learns nodes, processes and settings, and
//! keeps the last good ones.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use ripstop_model::MeshConfig;
use ripstop_wire::{ResourceChange, type_url};
use ripstop_xds::{Commit, Link, LinkConfig, Role, Updates};
use tokio::{sync::watch, task::JoinSet};

use crate::{
    context::World,
    egress::EgressRules,
    fabric::CONTROL,
    groups::Groups,
    handover::{Event, ToOuter},
    nodes, processes, report,
    roles::CONTROL_PORT,
    sidecars,
    tokens::{Part, TokenKeeper},
};

/// What the control plane wants, as of the last commit.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wishes {
    pub(crate) nodes: nodes::Wanted,
    pub(crate) processes: processes::Wanted,
    pub(crate) groups: Groups,
    pub(crate) sidecars: sidecars::Wanted,
    pub(crate) mesh: Arc<MeshConfig>,
    /// Version of the commit; 0 before the first.
    pub(crate) version: u64,
}

/// Name of the only supervisor of a mesh.
const NAME: &str = "default";
/// Pause between two tries to start the line.
const RETRY: Duration = Duration::from_millis(500);

/// Follows the control plane for as long as it is not dropped; `wishes` changes at each commit.
pub(crate) async fn run(world: World, wishes: watch::Sender<Wishes>) {
    let state = world.paths.supervisor();
    let part = Part {
        role: "supervisor",
        name: NAME.into(),
        token_file: state.join("token"),
        state: state.clone(),
        root_cert: world.paths.root_cert(),
    };
    let config = LinkConfig {
        control: SocketAddr::from((CONTROL, CONTROL_PORT)),
        role: Role::Supervisor,
        name: NAME.to_string(),
        state,
        root_cert: part.root_cert.clone(),
        token_file: part.token_file.clone(),
        types: vec![type_url::NODE, type_url::PROCESS, type_url::WORKLOAD_GROUP, type_url::SIDECAR, type_url::MESH],
    };
    let mut tasks = JoinSet::new();
    let _tokens = TokenKeeper::start(world.clone(), part);
    loop {
        match Link::start(config.clone()).await {
            Ok((link, updates)) => {
                tasks.spawn(report::run(world.clone(), link.clone()));
                tasks.spawn(announce(world.clone(), link));
                follow(&world, updates, &wishes).await;
                tracing::error!("the line to the control plane ended; it is started again");
            }
            Err(error) => tracing::warn!(%error, "no line to the control plane yet"),
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn announce(world: World, link: Link) {
    let mut connected = link.connected();
    if connected.wait_for(|connected| *connected).await.is_ok() {
        world.tell(Event::Control).await;
    }
}

async fn follow(world: &World, mut updates: Updates, wishes: &watch::Sender<Wishes>) {
    while let Some(commit) = updates.next().await {
        let mut next = wishes.borrow().clone();
        match next.apply(&commit) {
            Ok(()) => {
                tracing::info!(
                    version = next.version,
                    from_disk = commit.from_disk,
                    nodes = next.nodes.len(),
                    processes = next.processes.len(),
                    "configuration"
                );
                world.mesh.send_if_modified(|mesh| {
                    let changed = *mesh != next.mesh;
                    *mesh = next.mesh.clone();
                    changed
                });
                world.groups.send_if_modified(|groups| {
                    let changed = *groups != next.groups;
                    groups.clone_from(&next.groups);
                    changed
                });
                world.send(&ToOuter::Egress(egress_rules(&next.mesh))).await;
                wishes.send_replace(next);
                commit.accept();
            }
            Err(reason) => {
                tracing::error!(version = commit.version, reason, "configuration is refused");
                commit.reject(&reason);
            }
        }
    }
}

// === impl Wishes ===

impl Wishes {
    fn apply(&mut self, commit: &Commit) -> Result<(), String> {
        for resource in &commit.resources {
            self.take(resource)?;
        }
        self.version = commit.version;
        Ok(())
    }

    fn take(&mut self, resource: &ResourceChange) -> Result<(), String> {
        let ResourceChange { type_url: kind, name, body, .. } = resource;
        let failed = |error: ripstop_wire::DecodeError| error.to_string();
        match (*kind, body) {
            (type_url::NODE, Some(body)) => {
                self.nodes.insert(name.clone(), ripstop_wire::node::decode(name, body).map_err(failed)?);
            }
            (type_url::NODE, None) => {
                self.nodes.remove(name);
            }
            (type_url::PROCESS, Some(body)) => {
                let process = ripstop_wire::process::decode(name, body).map_err(failed)?;
                self.processes.insert(name.clone(), Arc::new(process));
            }
            (type_url::PROCESS, None) => {
                self.processes.remove(name);
            }
            (type_url::WORKLOAD_GROUP, Some(body)) => {
                let group = ripstop_wire::group::decode(name, body).map_err(failed)?;
                self.groups.insert(name.clone(), Arc::new(group));
            }
            (type_url::WORKLOAD_GROUP, None) => {
                self.groups.remove(name);
            }
            (type_url::SIDECAR, Some(body)) => {
                self.sidecars.insert(name.clone(), ripstop_wire::sidecar::decode(name, body).map_err(failed)?);
            }
            (type_url::SIDECAR, None) => {
                self.sidecars.remove(name);
            }
            (type_url::MESH, Some(body)) => {
                self.mesh = Arc::new(ripstop_wire::mesh::decode(name, body).map_err(failed)?);
            }
            (type_url::MESH, None) => self.mesh = Arc::default(),
            // Not asked for.
            _ => {}
        }
        Ok(())
    }
}

fn egress_rules(mesh: &MeshConfig) -> EgressRules {
    EgressRules {
        allow: mesh.egress.allow.clone(),
        deny: mesh.egress.deny.clone(),
        dns_upstream: mesh.dns_upstream.clone(),
    }
}

#[cfg(test)]
mod tests;
