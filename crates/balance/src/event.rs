//! What outlier detection and checks did, for metrics and logs.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

/// How many events are kept until somebody takes them.
pub(crate) const KEPT: usize = 256;

/// Something that outlier detection or a check did to an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<K> {
    /// When.
    pub at: Instant,
    /// To which endpoint.
    pub endpoint: K,
    /// What.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// It was ejected.
    Ejected {
        /// Why.
        cause: Cause,
        /// For how long.
        lasts: Duration,
        /// How often by now, this time included.
        times: u32,
    },
    /// It would have been ejected, but too many are (Envoy: `ejections_overflow`).
    Spared {
        /// Why it would have been.
        cause: Cause,
    },
    /// It came back.
    Returned,
    /// It fails its checks.
    Failing {
        /// Why, the last time.
        why: Arc<str>,
    },
    /// It passes its checks again.
    Passing,
}

/// Why an endpoint is ejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// `consecutive5xxErrors`.
    Consecutive5xx,
    /// `consecutiveGatewayErrors`.
    ConsecutiveGatewayFailure,
    /// `consecutiveLocalOriginFailures`.
    ConsecutiveLocalOriginFailure,
}

/// Events since they were taken last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Events<K> {
    /// In the order in which they happened.
    pub list: Vec<Event<K>>,
    /// How many older ones were dropped because nobody took them.
    pub missed: u64,
}

/// Keeps the latest events.
#[derive(Debug)]
pub(crate) struct Journal<K> {
    events: VecDeque<Event<K>>,
    missed: u64,
}

// === impl Journal ===

impl<K> Default for Journal<K> {
    fn default() -> Self {
        Self { events: VecDeque::new(), missed: 0 }
    }
}

impl<K> Journal<K> {
    pub(crate) fn push(&mut self, event: Event<K>) {
        if self.events.len() == KEPT {
            self.events.pop_front();
            self.missed += 1;
        }
        self.events.push_back(event);
    }

    pub(crate) fn take(&mut self) -> Events<K> {
        Events { list: self.events.drain(..).collect(), missed: std::mem::take(&mut self.missed) }
    }
}
