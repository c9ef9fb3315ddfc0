//! An end before its time.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::Notify;

/// Ends a run before its time.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<(AtomicBool, Notify)>);

// === impl Stop ===

impl Stop {
    /// Ends it.
    pub fn set(&self) {
        self.0.0.store(true, Ordering::Relaxed);
        self.0.1.notify_waiters();
    }

    /// Waits until it is set.
    pub(crate) async fn waited(&self) {
        // Made before it looks: nothing is missed in between.
        let set = self.0.1.notified();
        if !self.0.0.load(Ordering::Relaxed) {
            set.await;
        }
    }
}
