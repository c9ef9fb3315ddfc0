//! How many requests an instance gets at a time: as many as it takes without becoming slow.

mod course;

use std::{
    sync::{
        Arc, Mutex, TryLockError,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use ripstop_model::AdaptiveConcurrency;

use self::course::Course;
use crate::{circuit::Gauge, latencies::Latencies};

/// The limit of requests that one instance has at a time, which follows its latency as Envoy's gradient controller has it.
///
/// From time to time the limit is lowered until some requests have shown how fast the instance is without load. After that, at
/// each update, the limit is multiplied by how much of the latency of late that is, between a half and two, and some
/// headroom, its square root, is added to find out whether there is room for more. Where we differ: the limit grows only
/// while at least half of it is used, so that a quiet night allows no flood in the morning; a measurement ends after a
/// tenth of its interval, however few requests there were, and does not wait for those that began before; and whoever gave up, having waited longer than others, is a
/// sign of load too.
///
/// All workers of a proxy share one. A request takes no lock: whoever finds that something is due does it, unless somebody
/// else is at it. Times are nanoseconds of its owner's clock.
#[derive(Debug)]
pub struct Concurrency {
    running: Gauge,
    limit: AtomicU32,
    /// Of those that run, such as began before the measurement that goes on: it is not for them to be waited for.
    before: AtomicU64,
    /// Most that there were at once since the last update.
    peak: AtomicU64,
    /// What began before shows nothing of now.
    since: AtomicU64,
    /// When something is due.
    due: AtomicU64,
    /// With so many latencies something is due.
    wanted: AtomicU32,
    latencies: Latencies,
    refused: AtomicU64,
    /// The latency without load; 0: not yet known.
    min_rtt: AtomicU64,
    /// The latency of late; 0: not yet known.
    sample_rtt: AtomicU64,
    /// In thousandths; 0: not yet known.
    gradient: AtomicU32,
    course: Mutex<Course>,
}

/// A request that an instance has, until this is dropped.
#[derive(Debug)]
#[must_use = "dropping it ends the request"]
pub struct Running {
    concurrency: Arc<Concurrency>,
    began: u64,
}

/// The instance has as many requests as it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crowded {
    /// So many.
    pub limit: u32,
}

/// What is known of an instance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConcurrencyStatus {
    /// So many requests may be under way.
    pub limit: u32,
    /// So many are.
    pub running: u64,
    /// So many were refused.
    pub refused: u64,
    /// The latency without load, if it is known.
    pub min_rtt: Option<Duration>,
    /// The latency of late, if it is known.
    pub sample_rtt: Option<Duration>,
    /// By what the limit was multiplied last.
    pub gradient: Option<f64>,
    /// The latency without load is being measured.
    pub is_measuring: bool,
}

// === impl Concurrency ===

impl Concurrency {
    /// Of an instance of which nothing is known.
    pub fn new(settings: &AdaptiveConcurrency) -> Arc<Self> {
        Arc::new(Self {
            running: Gauge::default(),
            limit: AtomicU32::new(settings.min.max(1)),
            before: AtomicU64::new(0),
            peak: AtomicU64::new(0),
            since: AtomicU64::new(0),
            due: AtomicU64::new(0),
            wanted: AtomicU32::new(u32::MAX),
            latencies: Latencies::default(),
            refused: AtomicU64::new(0),
            min_rtt: AtomicU64::new(0),
            sample_rtt: AtomicU64::new(0),
            gradient: AtomicU32::new(0),
            course: Mutex::default(),
        })
    }

    /// One more request at `now`, by what `settings` say at the moment. `random` decides about jitter.
    pub fn begin(self: &Arc<Self>, settings: &AdaptiveConcurrency, now: u64, random: u64) -> Result<Running, Crowded> {
        if now >= self.due.load(Relaxed) || self.latencies.len() >= self.wanted.load(Relaxed) {
            self.turn(settings, now, random);
        }
        if !self.running.try_add(self.most(settings)) {
            self.refused.fetch_add(1, Relaxed);
            return Err(Crowded { limit: self.limit.load(Relaxed).min(settings.max) });
        }
        self.peak.fetch_max(self.running.get(), Relaxed);
        Ok(Running { concurrency: Arc::clone(self), began: now })
    }

    /// Whether [`Self::begin`] would refuse one more, as far as that is known without it.
    pub fn is_full(&self, settings: &AdaptiveConcurrency, now: u64) -> bool {
        if now >= self.due.load(Relaxed) || self.latencies.len() >= self.wanted.load(Relaxed) {
            return false;
        }
        self.running.get() >= self.most(settings)
    }

    /// How many may be under way.
    fn most(&self, settings: &AdaptiveConcurrency) -> u64 {
        let limit = self.limit.load(Relaxed).min(settings.max);
        u64::from(limit).saturating_add(self.before.load(Relaxed)).min(settings.max.into())
    }

    /// What is known at the moment.
    pub fn status(&self) -> ConcurrencyStatus {
        let known = |nanos: u64| (nanos > 0).then(|| Duration::from_nanos(nanos));
        let gradient = self.gradient.load(Relaxed);
        ConcurrencyStatus {
            limit: self.limit.load(Relaxed),
            running: self.running.get(),
            refused: self.refused.load(Relaxed),
            min_rtt: known(self.min_rtt.load(Relaxed)),
            sample_rtt: known(self.sample_rtt.load(Relaxed)),
            gradient: (gradient > 0).then(|| f64::from(gradient) / 1000.0),
            is_measuring: self.wanted.load(Relaxed) < u32::MAX,
        }
    }

    /// Whether nobody has used it for `quiet` before `now`.
    pub fn is_idle(&self, now: u64, quiet: Duration) -> bool {
        let quiet = u64::try_from(quiet.as_nanos()).unwrap_or(u64::MAX);
        self.running.get() == 0 && now.saturating_sub(self.due.load(Relaxed)) > quiet
    }

    #[cold]
    fn turn(&self, settings: &AdaptiveConcurrency, now: u64, random: u64) {
        let mut course = match self.course.try_lock() {
            Ok(course) => course,
            // What is half done is done anew.
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        course.turn(self, settings, now, random);
    }
}

// === impl Running ===

impl Running {
    /// The instance has begun to answer, as well as it does when all is well.
    pub fn answered(self, now: u64) {
        let concurrency = &self.concurrency;
        if self.began >= concurrency.since.load(Relaxed) {
            concurrency.latencies.add(now.saturating_sub(self.began));
        }
    }

    /// Nobody waits any longer for an answer, which had not begun. That shows how slow the instance is, if others were
    /// answered sooner.
    pub fn given_up(self, now: u64) {
        let concurrency = &self.concurrency;
        let took = now.saturating_sub(self.began);
        let usual = concurrency.sample_rtt.load(Relaxed);
        let is_measuring = concurrency.wanted.load(Relaxed) < u32::MAX;
        if usual > 0 && took > usual && !is_measuring && self.began >= concurrency.since.load(Relaxed) {
            concurrency.latencies.add(took);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let concurrency = &self.concurrency;
        concurrency.running.subtract();
        if self.began < concurrency.since.load(Relaxed) {
            // Where nothing is measured there are none.
            let _ = concurrency.before.fetch_update(Relaxed, Relaxed, |before| before.checked_sub(1));
        }
    }
}

#[cfg(test)]
mod tests;
