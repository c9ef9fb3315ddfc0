//! Copies of listeners that a proxy was given. Kept open, they collect connections while one proxy ends and the next
//! one starts; but only for so long, as nobody is to wait for a proxy that does not come.

use std::{io, os::fd::OwnedFd, time::Duration};

/// How long listeners wait for the next proxy: a restart takes milliseconds, a drain a second.
const SUCCESSION: Duration = Duration::from_secs(5);
/// How long they wait for a proxy to acknowledge them: it needs configuration and a certificate first.
const ACKNOWLEDGEMENT: Duration = Duration::from_secs(5);

/// See the module's text.
#[derive(Default)]
pub(super) struct Kept {
    listeners: Vec<OwnedFd>,
    /// When they are closed for want of a proxy that serves them, so that callers are refused instead of waiting.
    close_at: Option<Duration>,
    /// A proxy said that it serves them, since they were handed over last.
    acknowledged: bool,
}

// === impl Kept ===

impl Kept {
    /// Keeps copies of these. Without copies a proxy that ends just takes its listeners with it.
    pub(super) fn keep(&mut self, listeners: &[OwnedFd]) {
        let copies: io::Result<Vec<OwnedFd>> = listeners.iter().map(OwnedFd::try_clone).collect();
        self.listeners = copies.unwrap_or_default();
    }

    /// Whether there are listeners for the next proxy.
    pub(super) fn is_empty(&self) -> bool {
        self.listeners.is_empty()
    }

    /// Copies for a proxy. Out of descriptors there are fewer, and the proxy says so.
    pub(super) fn copies(&self) -> Vec<OwnedFd> {
        self.listeners.iter().filter_map(|listener| listener.try_clone().ok()).collect()
    }

    /// A proxy was given them: it has a while to acknowledge them. Proxies that end before they do share that time, so
    /// that callers never wait for a crash loop.
    pub(super) fn handed_over(&mut self, now: Duration) {
        if self.acknowledged || self.close_at.is_none() {
            self.close_at = Some(now + ACKNOWLEDGEMENT);
        }
        self.acknowledged = false;
    }

    /// The proxy serves them.
    pub(super) fn acknowledged(&mut self) {
        self.acknowledged = true;
        self.close_at = None;
    }

    /// The proxy is gone: they stay for a while.
    pub(super) fn await_successor(&mut self, now: Duration) {
        if !self.listeners.is_empty() {
            self.close_at.get_or_insert(now + SUCCESSION);
        }
    }

    /// When they close because no proxy serves them.
    pub(super) fn close_due(&self) -> Option<Duration> {
        self.close_at
    }

    /// Nobody is to listen there any more: connections that wait are reset, unless a proxy has the listeners as well.
    pub(super) fn let_go(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests;
