//! The tunnels of one key, and who waits for them.

use std::{cell::Cell, mem, rc::Rc, sync::Arc};

use tokio::sync::{Notify, futures::OwnedNotified};

use super::{ConnectRequest, connect::Opened, dial::Tunnel};
use crate::{TunnelError, settings};

/// All decisions about one key are made here, without waiting.
#[derive(Debug)]
pub(super) struct Group {
    tunnels: Vec<Rc<Tunnel>>,
    /// Streams that the peer allowed on the last tunnel whose settings are known.
    limit: usize,
    /// Dials under way.
    dials: Rc<Cell<usize>>,
    /// Openers without a place.
    waiters: Rc<Cell<usize>>,
    changed: Arc<Notify>,
    /// Dials that failed, and how the last one did.
    failures: u64,
    failure: Option<TunnelError>,
}

/// An opener that waits; counted while it lives.
#[derive(Debug)]
pub(super) struct Waiting {
    waiters: Rc<Cell<usize>>,
    /// Failures before it came.
    failures: u64,
}

/// A dial under way; counted while it lives.
#[derive(Debug)]
pub(super) struct Dial {
    dials: Rc<Cell<usize>>,
    changed: Arc<Notify>,
}

impl Default for Group {
    fn default() -> Self {
        Self {
            tunnels: Vec::new(),
            limit: settings::MAX_STREAMS as usize,
            dials: Rc::default(),
            waiters: Rc::default(),
            changed: Arc::default(),
            failures: 0,
            failure: None,
        }
    }
}

impl Group {
    /// Counts an opener in.
    pub(super) fn wait(&self) -> Waiting {
        self.waiters.set(self.waiters.get() + 1);
        Waiting { waiters: self.waiters.clone(), failures: self.failures }
    }

    /// Completes at the next change after this call.
    pub(super) fn changed(&self) -> OwnedNotified {
        self.changed.clone().notified_owned()
    }

    /// Opens a stream in the tunnel that moves least of those that have a place; filling them in order lets the later
    /// ones fall idle.
    pub(super) fn open(&mut self, request: &ConnectRequest, avoid: Option<&Rc<Tunnel>>) -> Option<Opened> {
        for tunnel in avoid.into_iter().chain(&self.tunnels) {
            self.limit = tunnel.link().known_limit().unwrap_or(self.limit);
        }
        let mut opened = None;
        for busy in [false, true] {
            let usable =
                |tunnel: &&Rc<Tunnel>| tunnel.is_open() && !is(avoid, tunnel) && tunnel.link().is_busy() == busy;
            opened = self.tunnels.iter().filter(usable).find_map(|tunnel| self.open_in(tunnel, request));
            if opened.is_some() {
                break;
            }
        }
        opened
    }

    fn open_in(&self, tunnel: &Rc<Tunnel>, request: &ConnectRequest) -> Option<Opened> {
        let most = tunnel.link().known_limit().unwrap_or(self.limit).min(settings::MAX_STREAMS as usize);
        Opened::new(tunnel, request, most).ok()
    }

    /// Whether all tunnels move so much that another one should share the load.
    pub(super) fn wants_help(&self, max_tunnels: usize) -> bool {
        let most = max_tunnels.min(settings::MAX_TUNNELS_FOR_LOAD);
        self.dials.get() == 0 && self.tunnels.len() < most && self.tunnels.iter().all(|tunnel| tunnel.link().is_busy())
    }

    /// How dialling failed for this opener: only if a dial failed since it came and there is nothing left to hope for,
    /// neither another dial nor a place in a tunnel that is there.
    pub(super) fn failure_since(&self, waiting: &Waiting, avoid: Option<&Rc<Tunnel>>) -> Option<TunnelError> {
        let hope = self.dials.get() > 0 || self.tunnels.iter().any(|tunnel| tunnel.is_open() && !is(avoid, tunnel));
        self.failure.clone().filter(|_| self.has_failed_since(waiting) && !hope)
    }

    fn has_failed_since(&self, waiting: &Waiting) -> bool {
        self.failures > waiting.failures
    }

    /// One dial for as many openers as a tunnel has places; none for one that has seen a dial fail and waits for a place.
    pub(super) fn wants_dial(&self, waiting: &Waiting, max_tunnels: usize, avoid: Option<&Rc<Tunnel>>) -> bool {
        if self.has_failed_since(waiting) {
            return false;
        }
        let dials = self.dials.get();
        let waiters = self.waiters.get();
        // A peer that allows no streams now may allow some later; it would allow none in another tunnel either.
        let useful = self.limit > 0 || self.tunnels.iter().all(|tunnel| is(avoid, tunnel));
        useful && waiters > dials * self.limit.max(1) && self.tunnels.len() + dials < max_tunnels
    }

    pub(super) fn start_dial(&self) -> Dial {
        self.dials.set(self.dials.get() + 1);
        Dial { dials: self.dials.clone(), changed: self.changed.clone() }
    }

    pub(super) fn dialled(&mut self, tunnel: Rc<Tunnel>, dial: Dial) {
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

    pub(super) fn retire(&mut self, tunnel: &Rc<Tunnel>) {
        tunnel.close();
        self.tunnels.retain(|other| !Rc::ptr_eq(other, tunnel));
        self.changed.notify_waiters();
    }

    /// Takes all tunnels out of service.
    pub(super) fn close(&mut self) {
        for tunnel in mem::take(&mut self.tunnels) {
            tunnel.close();
        }
        self.changed.notify_waiters();
    }

    #[cfg(test)]
    pub(super) fn tunnels(&self) -> &[Rc<Tunnel>] {
        &self.tunnels
    }

    pub(super) fn len(&self) -> usize {
        self.tunnels.len()
    }

    pub(super) fn streams(&self) -> usize {
        self.tunnels.iter().map(|tunnel| tunnel.link().active()).sum()
    }

    pub(super) fn is_unused(&self) -> bool {
        self.tunnels.is_empty() && self.dials.get() == 0 && self.waiters.get() == 0
    }
}

fn is(one: Option<&Rc<Tunnel>>, other: &Rc<Tunnel>) -> bool {
    one.is_some_and(|one| Rc::ptr_eq(one, other))
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.waiters.set(self.waiters.get() - 1);
    }
}

impl Drop for Dial {
    fn drop(&mut self) {
        self.dials.set(self.dials.get() - 1);
        self.changed.notify_waiters();
    }
}
