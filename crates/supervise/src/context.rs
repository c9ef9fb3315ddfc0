//! What all tasks of PID 1 share.

use std::{
    collections::BTreeSet,
    ops::Deref,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ripstop_model::MeshConfig;
use ripstop_net::{
    FdChannel,
    process::{Child, RoleSpawn, Spawner, WorkloadSpawn},
};
use tokio::sync::{Semaphore, watch};

use crate::{
    Result,
    board::Board,
    entrance::Entrance,
    fabric::{Fabric, Sandbox},
    farewell,
    groups::Groups,
    handover::{self, Event, ToOuter},
    ingress::Ingress,
    paths::Paths,
    relay::Relay,
    sidecars,
};

/// Shared by all tasks of PID 1; cheap to clone. Nothing of it is shared with any child.
#[derive(Clone, Debug)]
pub(crate) struct World(Arc<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    /// Directory of the configuration.
    pub(crate) dir: PathBuf,
    /// The binary of all roles.
    pub(crate) binary: PathBuf,
    pub(crate) paths: Paths,
    pub(crate) board: Board,
    pub(crate) relay: Relay,
    /// Lines to gateways.
    pub(crate) ingress: Ingress,
    /// Ports of gateways on the host.
    pub(crate) entrances: watch::Sender<Vec<Entrance>>,
    spawner: Spawner,
    /// What may wait for the spawner at once.
    spawns: Semaphore,
    fabric: Mutex<Fabric>,
    fabric_turn: Semaphore,
    /// Nodes that workloads may be placed on.
    pub(crate) nodes: watch::Sender<BTreeSet<Arc<str>>>,
    /// Workloads that are to have a sidecar, by uid.
    pub(crate) sidecars: watch::Sender<sidecars::Wanted>,
    /// Groups that processes may be members of.
    pub(crate) groups: watch::Sender<Groups>,
    /// The mesh's settings.
    pub(crate) mesh: watch::Sender<Arc<MeshConfig>>,
    /// Whether everything is to end.
    pub(crate) closing: watch::Sender<bool>,
    outer: FdChannel,
}

/// What a world is made of.
pub(crate) struct Parts {
    pub(crate) dir: PathBuf,
    pub(crate) binary: PathBuf,
    pub(crate) paths: Paths,
    pub(crate) spawner: Spawner,
    pub(crate) relay: Relay,
    pub(crate) fabric: Fabric,
    pub(crate) outer: FdChannel,
}

/// Fewer than the spawner's own queue holds: beyond that it refuses.
const MAX_SPAWNS: usize = 32;

// === impl World ===

impl World {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { dir, binary, paths, spawner, relay, fabric, outer } = parts;
        Self(Arc::new(Shared {
            dir,
            binary,
            paths,
            board: Board::new(),
            relay,
            ingress: Ingress::new(),
            entrances: watch::Sender::default(),
            spawner,
            spawns: Semaphore::new(MAX_SPAWNS),
            fabric: Mutex::new(fabric),
            fabric_turn: Semaphore::new(1),
            nodes: watch::Sender::default(),
            sidecars: watch::Sender::default(),
            groups: watch::Sender::default(),
            mesh: watch::Sender::default(),
            closing: watch::Sender::new(false),
            outer,
        }))
    }

    /// The network; never held over an await.
    pub(crate) fn fabric(&self) -> MutexGuard<'_, Fabric> {
        self.fabric.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The channel to the outer process.
    pub(crate) fn outer(&self) -> &FdChannel {
        &self.outer
    }

    /// Tells the user something.
    pub(crate) async fn tell(&self, event: Event) {
        self.send(&ToOuter::Event(event)).await;
    }

    /// Tells the outer process something; without it there is no mesh any more.
    pub(crate) async fn send(&self, message: &ToOuter) {
        if let Err(error) = handover::send(&self.outer, message, &[]).await {
            tracing::warn!(%error, "the outer process does not hear");
        }
    }

    /// Resolves when everything is to end.
    pub(crate) async fn closed(&self) {
        let mut closing = self.closing.subscribe();
        let _sender_lives_as_long_as_self = closing.wait_for(|closing| *closing).await;
    }

    /// Resolves when workloads may be placed on `node`.
    pub(crate) async fn node_up(&self, node: &str) {
        let mut nodes = self.nodes.subscribe();
        let _sender_lives_as_long_as_self = nodes.wait_for(|nodes| nodes.contains(node)).await;
    }

    /// Resolves when nothing may live on `node` any more.
    pub(crate) async fn node_down(&self, node: &str) {
        let mut nodes = self.nodes.subscribe();
        let _sender_lives_as_long_as_self = nodes.wait_for(|nodes| !nodes.contains(node)).await;
    }

    /// The binary to start roles from: its path as long as the same file is there, else the file
    /// that this process runs.
    pub(crate) fn program(&self) -> PathBuf {
        use std::os::unix::fs::MetadataExt as _;
        let own = PathBuf::from("/proc/self/exe");
        let same = |a: &std::fs::Metadata, b: &std::fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
        match (self.binary.metadata(), own.metadata()) {
            (Ok(a), Ok(b)) if same(&a, &b) => self.binary.clone(),
            _ => own,
        }
    }

    /// Changes the network. That takes the kernel milliseconds, in which other tasks go on.
    pub(crate) async fn with_fabric<T>(&self, work: impl FnOnce(&mut Fabric) -> T) -> T {
        // One after the other, so that no thread waits for the lock. Never closed.
        let _turn = self.fabric_turn.acquire().await;
        tokio::task::block_in_place(|| work(&mut self.fabric()))
    }

    fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }

    /// Takes the network of a workload down whose processes have ended: what they said last gets out before, and those whom
    /// proxies have connections with for it hear of its end. When everything ends the kernel does it, faster, with
    /// the world.
    pub(crate) async fn detach(&self, sandbox: Sandbox) {
        if self.is_closing() {
            return;
        }
        let farewell = async {
            farewell::said(&sandbox.netns).await;
            self.with_fabric(|_| Fabric::hide(&sandbox)).await;
            farewell::ended(&sandbox.netns).await;
        };
        tokio::select! {
            () = farewell => {}
            () = self.closed() => return,
        }
        if !self.is_closing() {
            self.with_fabric(|fabric| fabric.detach(sandbox)).await;
        }
    }

    /// Starts a workload, or another process in its place.
    pub(crate) async fn spawn_workload(&self, request: WorkloadSpawn) -> Result<Child, ripstop_net::Error> {
        // Never closed, so there is always a permit in the end.
        let _permit = self.spawns.acquire().await;
        self.spawner.workload(request).await
    }

    /// Starts a role.
    pub(crate) async fn spawn_role(&self, request: RoleSpawn) -> Result<Child, ripstop_net::Error> {
        let _permit = self.spawns.acquire().await;
        self.spawner.role(request).await
    }
}

impl Deref for World {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
