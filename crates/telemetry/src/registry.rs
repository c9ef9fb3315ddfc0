//! Where the counters of all workers are found, and merged.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicU64, AtomicUsize,
            Ordering::{self, Relaxed},
        },
    },
};

use crate::{
    exposition::single,
    labels::Reporter,
    request_labels::RequestLabels,
    request_series::{self, RequestSeries},
    tcp::{self, TcpLabels, TcpSeries, TcpTotals},
};

/// Series of request metrics that a proxy holds unless told otherwise. At a scrape each makes some
/// 60 kB of text, as it does in Envoy, so that this is the limit that is felt first.
const SERIES: usize = 2_000;

/// All counters of one proxy.
#[derive(Debug)]
pub struct Registry {
    shards: Mutex<Vec<Arc<Shard>>>,
    budget: Arc<Budget>,
}

/// The counters of one worker. Only its worker resolves series in it, so its locks are
/// contended by nothing but a scrape.
#[derive(Debug)]
pub struct Shard {
    tcp: Mutex<HashMap<TcpLabels, Arc<TcpSeries>>>,
    requests: Mutex<HashMap<RequestLabels, Arc<RequestSeries>>>,
    /// Where everything counts that finds no room, by reporter.
    overflow: [Arc<RequestSeries>; 3],
    budget: Arc<Budget>,
}

/// How many series of request metrics there may be, of all workers together.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: usize,
    used: AtomicUsize,
    overflowed: AtomicU64,
}

// === impl Registry ===

impl Registry {
    /// A registry that holds at most `series` series of request metrics: one for each set of labels,
    /// status and flags included, on each worker. More are counted together, in series whose labels
    /// are `overflow`.
    pub fn with_limit(series: usize) -> Self {
        let budget = Budget { limit: series, used: AtomicUsize::new(0), overflowed: AtomicU64::new(0) };
        Self { shards: Mutex::default(), budget: Arc::new(budget) }
    }

    /// Adds the counters of one more worker.
    pub fn shard(&self) -> Arc<Shard> {
        let shard = Arc::new(Shard::new(self.budget.clone()));
        lock(&self.shards).push(shard.clone());
        shard
    }

    /// Writes all series in Prometheus' text format 0.0.4.
    pub fn render(&self, out: &mut String) {
        let shards = lock(&self.shards).clone();
        let mut totals = TcpTotals::new();
        for shard in &shards {
            for (labels, series) in lock(&shard.tcp).iter() {
                series.add_to(totals.entry(labels.clone()).or_default());
            }
        }
        tcp::render(totals, out);
        let requests: Vec<Arc<RequestSeries>> = shards.iter().flat_map(|shard| shard.request_series()).collect();
        request_series::render(&requests, out);
        single(
            out,
            "ripstop_request_series",
            "gauge",
            "Series of request metrics, of all workers together.",
            self.budget.used.load(Relaxed),
        );
        single(
            out,
            "ripstop_request_series_limit",
            "gauge",
            "Series of request metrics there may be.",
            self.budget.limit,
        );
        single(
            out,
            "ripstop_request_series_overflow_total",
            "counter",
            "Requests counted with labels that say overflow, because there were as many series as there may be.",
            self.overflowed(),
        );
    }

    /// Requests that were counted in overflow series.
    pub fn overflowed(&self) -> u64 {
        self.budget.overflowed.load(Relaxed)
    }

    /// Forgets series that nobody holds and that counted nothing since the last call, and gives their
    /// room back. To be called seldom, at least several scrapes apart: what has been counted since the
    /// last scrape of such a series is lost, and it starts at zero when it comes back.
    pub fn evict_idle(&self) {
        for shard in lock(&self.shards).iter() {
            evict(&shard.tcp, TcpSeries::moved, |_| ());
            evict(&shard.requests, RequestSeries::moved, |series| self.budget.give_back(series.size()));
        }
    }
}

impl Default for Registry {
    /// With room for 2,000 series of request metrics.
    fn default() -> Self {
        Self::with_limit(SERIES)
    }
}

// === impl Shard ===

impl Shard {
    fn new(budget: Arc<Budget>) -> Self {
        let overflow = [Reporter::Source, Reporter::Destination, Reporter::Waypoint]
            .map(|reporter| Arc::new(RequestSeries::overflow(reporter, budget.clone())));
        Self { tcp: Mutex::default(), requests: Mutex::default(), overflow, budget }
    }

    /// The counters of the connections of `labels`; the same handle each time.
    pub fn series(&self, labels: &TcpLabels) -> Arc<TcpSeries> {
        let mut series = lock(&self.tcp);
        if let Some(found) = series.get(labels) {
            return found.clone();
        }
        series.entry(labels.clone()).or_default().clone()
    }

    /// The counters of the requests of `labels`; the same handle each time. If there is no room for
    /// one more, an overflow series.
    pub fn requests(&self, labels: &RequestLabels) -> Arc<RequestSeries> {
        let mut series = lock(&self.requests);
        if let Some(found) = series.get(labels) {
            return found.clone();
        }
        let overflow = match labels.reporter() {
            Reporter::Source => &self.overflow[0],
            Reporter::Destination => &self.overflow[1],
            Reporter::Waypoint => &self.overflow[2],
        };
        if !self.budget.take() {
            return overflow.clone();
        }
        let new = Arc::new(RequestSeries::new(labels.clone(), overflow.clone(), self.budget.clone()));
        series.insert(labels.clone(), new.clone());
        new
    }

    /// All series of request metrics; the worker does not wait while they are read.
    fn request_series(&self) -> Vec<Arc<RequestSeries>> {
        lock(&self.requests).values().chain(&self.overflow).cloned().collect()
    }
}

impl Default for Shard {
    /// A shard of no registry.
    fn default() -> Self {
        Self::new(Registry::default().budget)
    }
}

// === impl Budget ===

impl Budget {
    /// Takes room for one series, if there is any.
    pub fn take(&self) -> bool {
        let more = |used: usize| (used < self.limit).then_some(used + 1);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// Counts a request that found no room.
    pub fn overflow(&self) {
        self.overflowed.fetch_add(1, Relaxed);
    }

    fn give_back(&self, series: usize) {
        self.used.fetch_sub(series, Relaxed);
    }
}

/// Drops what nobody else holds and did not move.
fn evict<K: Eq + Hash, V>(map: &Mutex<HashMap<K, Arc<V>>>, moved: fn(&V) -> bool, dropped: impl Fn(&V)) {
    lock(map).retain(|_, series| {
        // Whoever wants to hold it needs the lock first. A holder that just left has counted before.
        let stays = Arc::get_mut(series).is_none() || moved(series);
        if !stays {
            dropped(series);
        }
        stays
    });
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
