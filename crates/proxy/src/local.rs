//! One enrolled workload of this node.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use arc_swap::ArcSwap;
use ripstop_decide::{Program, connection_settings};
use ripstop_model::{ConnectionSettings, Snapshot, Workload, WorkloadUid};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Connections of one workload at a time, each stream of a tunnel being one beside the tunnel itself: a quarter of what a process with 20,000 descriptors can
/// carry at two each, so that no workload takes the node's proxy from the others.
pub const PLACES: usize = 2500;

/// A workload whose traffic this proxy carries. It lives as long as its listeners, or the
/// last of its connections.
#[derive(Debug)]
pub struct LocalWorkload {
    /// Its uid.
    pub uid: WorkloadUid,
    /// Ends accept loops: the workload is gone, or the proxy ends.
    pub closed: CancellationToken,
    /// Ends tunnels and connections: the workload is gone.
    pub gone: CancellationToken,
    /// Places for connections and streams of tunnels, of all kinds together.
    pub places: Arc<Semaphore>,
    /// How many there are.
    pub limit: usize,
    /// Ends calls of its own that began before it was cut off.
    outlet: ArcSwap<CancellationToken>,
    leaving: Mutex<CancellationToken>,
    open: AtomicU64,
}

/// Counts one captured connection while it lives.
#[derive(Debug)]
pub struct Captured(Arc<LocalWorkload>);

// === impl LocalWorkload ===

impl LocalWorkload {
    /// A workload that was just enrolled.
    pub fn new(uid: WorkloadUid) -> Arc<Self> {
        Self::with_places(uid, PLACES)
    }

    /// The only workload of a proxy: it has what others share.
    pub fn alone(uid: WorkloadUid) -> Arc<Self> {
        Self::with_places(uid, 4 * PLACES)
    }

    fn with_places(uid: WorkloadUid, limit: usize) -> Arc<Self> {
        let gone = CancellationToken::new();
        Arc::new(Self {
            uid,
            closed: gone.child_token(),
            outlet: ArcSwap::from_pointee(gone.child_token()),
            gone,
            places: Arc::new(Semaphore::new(limit)),
            limit,
            leaving: Mutex::default(),
            open: AtomicU64::new(0),
        })
    }

    /// Captured connections that are open now, both directions.
    pub fn open(&self) -> u64 {
        self.open.load(Relaxed)
    }

    /// Asks tunnels from elsewhere, as many as there are now, to finish: the workload leaves the mesh.
    pub fn leaving(&self) -> CancellationToken {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Marks it as leaving; its count is reported from now on.
    pub fn leave(&self) {
        self.leaving().cancel();
    }

    /// Takes that back: tunnels that were asked to finish do so, new ones stay.
    pub fn stay(&self) {
        let mut leaving = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        if leaving.is_cancelled() {
            *leaving = CancellationToken::new();
        }
    }

    /// Whether it leaves the mesh.
    pub fn is_leaving(&self) -> bool {
        self.leaving().is_cancelled()
    }

    /// What ends a call of its own that begins now: the workload is gone, or cut off from then on.
    pub fn outlet(&self) -> CancellationToken {
        CancellationToken::clone(&self.outlet.load())
    }

    /// Ends the calls of its own that have begun; those that begin later are for quarantine to judge.
    pub fn cut_off(&self) {
        self.outlet.swap(Arc::new(self.gone.child_token())).cancel();
    }

    /// Counts one more connection until the returned guard is dropped.
    pub fn capture(self: &Arc<Self>) -> Captured {
        self.open.fetch_add(1, Relaxed);
        Captured(self.clone())
    }

    /// What the configuration says of it.
    pub fn in_snapshot<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a Arc<Workload>> {
        snapshot.workload(&self.uid)
    }

    /// What is put up with of those who connect for it.
    pub fn connection_settings(&self, program: &Program) -> ConnectionSettings {
        self.in_snapshot(program).map_or(ConnectionSettings::NONE, |own| connection_settings(program, own))
    }
}

impl Drop for Captured {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_began_before_a_cut_end_and_later_ones_do_not() {
        let workload = LocalWorkload::new(WorkloadUid::new("a"));
        let before = workload.outlet();
        workload.cut_off();
        let after = workload.outlet();
        assert_eq!((before.is_cancelled(), after.is_cancelled(), workload.gone.is_cancelled()), (true, false, false));
        workload.gone.cancel();
        assert!(after.is_cancelled());
    }
}
