//! The right to have a connection.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use ripstop_balance::Permit;

use super::{endpoint::EndpointKey, shared::SharedBackend};

/// The right to have a connection to the backend. When it ends, one of those who wait may open another.
#[derive(Debug)]
pub(super) struct ConnectionPermit {
    permit: Option<Permit<EndpointKey>>,
    shared: Arc<SharedBackend>,
}

/// Somebody waits for the end of a connection: workers close those that are idle.
#[derive(Debug)]
pub(super) struct Starving(Arc<SharedBackend>);

// === impl ConnectionPermit ===

impl ConnectionPermit {
    pub(super) fn new(permit: Permit<EndpointKey>, shared: &Arc<SharedBackend>) -> Self {
        Self { permit: Some(permit), shared: Arc::clone(shared) }
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        drop(self.permit.take());
        self.shared.freed.notify_one();
    }
}

// === impl Starving ===

impl Starving {
    pub(super) fn new(shared: &Arc<SharedBackend>) -> Self {
        shared.starving.fetch_add(1, Relaxed);
        shared.shed.notify_waiters();
        Self(Arc::clone(shared))
    }
}

impl Drop for Starving {
    fn drop(&mut self) {
        self.0.starving.fetch_sub(1, Relaxed);
    }
}
