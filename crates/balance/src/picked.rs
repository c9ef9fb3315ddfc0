//! An endpoint that has a request.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Instant,
};

use crate::{Backend, Outcome, backend::Answered, endpoint::State, generation::Member, lease::Lease};

/// An endpoint that was picked. While this lives, the endpoint has a request (or a connection) more, whatever becomes
/// of the configuration meanwhile.
#[derive(Debug)]
#[must_use = "dropping what was picked ends the request"]
pub struct Picked<K> {
    backend: Lease<Backend<K>>,
    state: Arc<State<K>>,
    /// When it was picked, on the backend's clock.
    at: u64,
    priority: u32,
    /// Those beyond the last one that [`Tried`](crate::Tried) can tell apart are all 255.
    group: u8,
    selection: Selection,
}

/// Why an endpoint was picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Selection {
    /// It is ready and not ejected.
    Usable,
    /// It may be ejected, but so are too many others (Envoy: `lb_healthy_panic`).
    Panic,
    /// The caller named it.
    Named,
}

impl<K> Picked<K> {
    pub(crate) fn new(backend: Lease<Backend<K>>, member: &Member<K>, selection: Selection, at: u64) -> Self {
        member.state.active.fetch_add(1, Relaxed);
        Self {
            backend,
            state: Arc::clone(&member.state),
            at,
            group: u8::try_from(member.group).unwrap_or(u8::MAX),
            priority: member.endpoint.priority,
            selection,
        }
    }

    /// Which endpoint.
    pub fn key(&self) -> &K {
        &self.state.key
    }

    /// Its priority when it was picked.
    pub fn priority(&self) -> u32 {
        self.priority
    }

    /// Why it was picked.
    pub fn selection(&self) -> Selection {
        self.selection
    }

    /// How many requests the endpoint has, this one included.
    pub fn active(&self) -> u32 {
        self.state.active.load(Relaxed)
    }

    pub(crate) fn endpoint_number(&self) -> u64 {
        self.state.number
    }

    pub(crate) fn group(&self) -> usize {
        self.group.into()
    }
}

impl<K: Clone> Picked<K> {
    /// Ends the request. Outlier detection learns how it went, and may eject the endpoint for it. What is merely
    /// dropped is not held against the endpoint.
    pub fn finish(self, outcome: Outcome, now: Instant) {
        self.tell(outcome, now);
    }

    /// Outlier detection learns how the request went so far; it goes on, and is not told of again. Balancing by latency
    /// learns that its answer took until now.
    pub fn tell(&self, outcome: Outcome, now: Instant) {
        self.backend.record(&self.state, outcome, Some(self.at), now);
    }

    /// The answer has begun; how the request went is not known yet. Balancing by latency learns that it took until now.
    pub fn tell_answered(&self, now: Instant) {
        self.backend.record_latency(&self.state, self.at, Answered::Yes, now);
    }

    /// As [`Self::tell`], after [`Self::tell_answered`].
    pub fn tell_end(&self, outcome: Outcome, now: Instant) {
        self.backend.record(&self.state, outcome, None, now);
    }

    /// The caller has given up before an answer began. That is not held against the endpoint, but balancing by latency
    /// learns that it takes longer than until now.
    pub fn tell_given_up(&self, now: Instant) {
        self.backend.record_latency(&self.state, self.at, Answered::NotYet, now);
    }
}

impl<K> Drop for Picked<K> {
    fn drop(&mut self) {
        self.state.active.fetch_sub(1, Relaxed);
    }
}
