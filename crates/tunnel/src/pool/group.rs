//! The tunnels of one key, and who waits for them.

use std::{
    mem,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::{Notify, futures::OwnedNotified};

use super::tunnel::{Slot, Tunnel};
use crate::{TunnelError, settings};

/// All decisions about one key are made here, under the pool's lock and without waiting.
#[derive(Debug)]
pub(super) struct Group {
    tunnels: Vec<Arc<Tunnel>>,
    /// Streams that the peer allowed on the last tunnel whose settings are known.
    limit: usize,
    /// Dials under way.
    dials: Arc<AtomicUsize>,
    /// Openers without a place.
    waiters: Arc<AtomicUsize>,
    changed: Arc<Notify>,
    /// Dials that failed, and how the last one did.
    failures: u64,
    failure: Option<TunnelError>,
}

/// An opener that waits; counted while it lives.
#[derive(Debug)]
pub(super) struct Waiting {
    waiters: Arc<AtomicUsize>,
    /// Failures before it came.
    failures: u64,
}

/// A dial under way; counted while it lives.
#[derive(Debug)]
pub(super) struct Dial {
    dials: Arc<AtomicUsize>,
    changed: Arc<Notify>,
}

impl Default for Group {
    fn default() -> Self {
        Self {
            tunnels: Vec::new(),
            limit: settings::MAX_STREAMS as usize,
            dials: Arc::default(),
            waiters: Arc::default(),
            changed: Arc::default(),
            failures: 0,
            failure: None,
        }
    }
}

impl Group {
    /// Counts an opener in.
    pub(super) fn wait(&self) -> Waiting {
        self.waiters.fetch_add(1, Ordering::Relaxed);
        Waiting { waiters: self.waiters.clone(), failures: self.failures }
    }

    /// Completes at the next change after this call.
    pub(super) fn changed(&self) -> OwnedNotified {
        self.changed.clone().notified_owned()
    }

    /// A place in the first tunnel that has one; filling tunnels in order lets the later ones fall idle.
    pub(super) fn take_slot(&mut self, avoid: Option<&Arc<Tunnel>>) -> Option<Slot> {
        for tunnel in avoid.into_iter().chain(&self.tunnels) {
            self.limit = tunnel.known_limit().unwrap_or(self.limit);
        }
        let avoided = |tunnel: &Arc<Tunnel>| avoid.is_some_and(|avoid| Arc::ptr_eq(avoid, tunnel));
        self.tunnels.iter().filter(|tunnel| !avoided(tunnel)).find_map(|tunnel| tunnel.take_slot(self.limit))
    }

    /// How dialling failed for this opener: only if a dial failed since it came and none is left to hope for.
    pub(super) fn failure_since(&self, waiting: &Waiting) -> Option<TunnelError> {
        let failed = self.failures > waiting.failures && self.dials.load(Ordering::Relaxed) == 0;
        self.failure.clone().filter(|_| failed)
    }

    /// One dial for as many openers as a tunnel has places.
    pub(super) fn wants_dial(&self, max_tunnels: usize) -> bool {
        let dials = self.dials.load(Ordering::Relaxed);
        let waiters = self.waiters.load(Ordering::Relaxed);
        waiters > dials * self.limit.max(1) && self.tunnels.len() + dials < max_tunnels
    }

    pub(super) fn start_dial(&self) -> Dial {
        self.dials.fetch_add(1, Ordering::Relaxed);
        Dial { dials: self.dials.clone(), changed: self.changed.clone() }
    }

    pub(super) fn dialled(&mut self, tunnel: Arc<Tunnel>, dial: Dial) {
        self.tunnels.push(tunnel);
        drop(dial);
    }

    pub(super) fn dial_failed(&mut self, error: TunnelError, dial: Dial) {
        self.failures += 1;
        self.failure = Some(error);
        drop(dial);
    }

    pub(super) fn notify(&self) -> Arc<Notify> {
        self.changed.clone()
    }

    /// Tunnels with older credentials take no new streams.
    pub(super) fn retire_before(&mut self, generation: u64) {
        self.tunnels.retain(|tunnel| {
            let current = tunnel.generation() >= generation;
            if !current {
                tunnel.close();
            }
            current
        });
    }

    pub(super) fn retire(&mut self, tunnel: &Arc<Tunnel>) {
        tunnel.close();
        self.tunnels.retain(|other| !Arc::ptr_eq(other, tunnel));
        self.changed.notify_waiters();
    }

    /// Takes all tunnels out of service.
    pub(super) fn close(&mut self) {
        for tunnel in mem::take(&mut self.tunnels) {
            tunnel.close();
        }
        self.changed.notify_waiters();
    }

    pub(super) fn len(&self) -> usize {
        self.tunnels.len()
    }

    pub(super) fn streams(&self) -> usize {
        self.tunnels.iter().map(|tunnel| tunnel.active()).sum()
    }

    pub(super) fn is_unused(&self) -> bool {
        self.tunnels.is_empty() && self.dials.load(Ordering::Relaxed) == 0 && self.waiters.load(Ordering::Relaxed) == 0
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.waiters.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Dial {
    fn drop(&mut self) {
        self.dials.fetch_sub(1, Ordering::Relaxed);
        self.changed.notify_waiters();
    }
}
