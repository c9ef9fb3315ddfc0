//! An endpoint: what the caller says of it, and what all workers know of it.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use ripstop_model::Health;

use crate::{checked::Checked, latency::Latency, outlier::Streaks};

/// One endpoint, as configuration gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint<K> {
    /// Which one it is: a workload and an address. What is known of it is kept as long as its key is.
    pub key: K,
    /// Its weight beside the others of its priority. Shares by locality (`distribute`) are the caller's to multiply in.
    pub weight: NonZeroU32,
    /// Its priority, 0 the first: the next one gets what the ones before it can't take.
    pub priority: u32,
    /// Whether it is ready. One that is not counts as missing from its priority and is never picked, not in panic
    /// either.
    pub health: Health,
    /// Where it stands in a hash table: as Envoy does, its address and port as text. Only hashing needs it.
    pub hash_key: Arc<str>,
}

/// An endpoint at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointStatus<K> {
    /// Which one.
    pub key: K,
    /// Its weight.
    pub weight: NonZeroU32,
    /// Its priority.
    pub priority: u32,
    /// Whether it is ready.
    pub health: Health,
    /// Requests that it has.
    pub active: u32,
    /// For how long it is still ejected; nothing: it is not.
    pub ejected: Option<Duration>,
    /// How often it was ejected.
    pub ejections: u32,
    /// Why it fails its checks; nothing: it passes, or is not checked.
    pub failing: Option<Arc<str>>,
}

/// What all workers know of an endpoint. It outlives changes of configuration, and the endpoint's removal as long as
/// it has requests.
#[derive(Debug)]
pub(crate) struct State<K> {
    pub(crate) key: K,
    /// Different from every other endpoint's in this process, and not 0.
    pub(crate) number: u64,
    pub(crate) active: AtomicU32,
    pub(crate) streaks: Streaks,
    /// What checks say of it; changed with the backend's ledger locked.
    pub(crate) checked: Checked,
    /// Known only where the algorithm asks for it.
    pub(crate) latency: Latency,
    /// When it comes back; 0: it is not ejected. Written with the backend's ledger locked, like all below.
    ejected_until: AtomicU64,
    /// When it became ready for the first time, or again.
    pub(crate) since: AtomicU64,
    /// Its index among the members of the current generation; [`NOWHERE`]: removed.
    pub(crate) place: AtomicU32,
    /// How often it was ejected.
    pub(crate) ejections: AtomicU32,
    /// By what the base ejection time is multiplied: ejections, less intervals passed in health.
    pub(crate) multiplier: AtomicU32,
    /// When it came back last; [`NEVER`]: never.
    pub(crate) returned: AtomicU64,
}

/// No place.
pub(crate) const NOWHERE: u32 = u32::MAX;
/// No time.
pub(crate) const NEVER: u64 = u64::MAX;

// === impl Endpoint ===

impl<K> Endpoint<K> {
    /// A ready one of weight 1 and priority 0.
    pub fn new(key: K) -> Self {
        Self { key, weight: NonZeroU32::MIN, priority: 0, health: Health::Healthy, hash_key: Arc::default() }
    }

    /// With another weight.
    #[must_use]
    pub fn weighing(self, weight: NonZeroU32) -> Self {
        Self { weight, ..self }
    }

    /// With another priority.
    #[must_use]
    pub fn with_priority(self, priority: u32) -> Self {
        Self { priority, ..self }
    }

    /// With another readiness.
    #[must_use]
    pub fn with_health(self, health: Health) -> Self {
        Self { health, ..self }
    }

    /// With another place in a hash table.
    #[must_use]
    pub fn hashed_by(self, hash_key: impl Into<Arc<str>>) -> Self {
        Self { hash_key: hash_key.into(), ..self }
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.health == Health::Healthy
    }
}

// === impl State ===

impl<K> State<K> {
    pub(crate) fn new(key: K, now: u64) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            key,
            number: NEXT.fetch_add(1, Relaxed),
            active: AtomicU32::new(0),
            streaks: Streaks::default(),
            checked: Checked::default(),
            latency: Latency::default(),
            ejected_until: AtomicU64::new(0),
            since: AtomicU64::new(now),
            place: AtomicU32::new(NOWHERE),
            ejections: AtomicU32::new(0),
            multiplier: AtomicU32::new(0),
            returned: AtomicU64::new(NEVER),
        }
    }

    /// When it comes back; nothing: it is not ejected.
    pub(crate) fn ejected_until(&self) -> Option<u64> {
        Some(self.ejected_until.load(Relaxed)).filter(|until| *until != 0)
    }

    /// Whether it may be called: it is neither ejected, nor fails its checks.
    pub(crate) fn is_well(&self) -> bool {
        self.ejected_until().is_none() && !self.checked.is_failing()
    }

    pub(crate) fn set_ejected(&self, until: Option<u64>) {
        self.ejected_until.store(until.map_or(0, |until| until.max(1)), Relaxed);
    }
}
