//! Limits of requests, as all workers of the proxy count them together.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use ripstop_balance::{Bucket, Buckets, Empty, Rate, Taken};
use ripstop_model::{Allowance, LimitKey, ObjectName, TrafficTarget, WorkloadUid};
use ripstop_telemetry::exposition;
use serde_json::{Value, json};
use tokio::time::Instant;

/// Counters of all limits that act in this proxy. One is kept as long as its limit asks for the same, whatever else
/// changes; one that nobody uses goes once it has nothing left to remember.
#[derive(Debug)]
pub struct RateLimits {
    known: Mutex<Known>,
    /// Nobody outside can foresee what it makes of a key.
    hasher: RandomState,
    origin: Instant,
}

#[derive(Debug, Default)]
struct Known {
    counters: HashMap<CounterKey, Arc<Counter>>,
    /// What those have counted that are gone, for metrics never to fall.
    gone: BTreeMap<Place, [u64; 3]>,
}

/// A policy, and what it is attached to.
type Place = (ObjectName, TrafficTarget);

/// Policies at most of which it is known what counters had counted that are gone.
const MOST_GONE: usize = 4096;

/// Whose requests a counter counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CounterKey {
    /// The policy.
    pub policy: ObjectName,
    /// What it is attached to.
    pub target: TrafficTarget,
    /// The workload whose requests count; nothing: all that come to this proxy.
    pub instance: Option<WorkloadUid>,
    /// How many of which.
    pub allowance: Allowance,
    /// Which of the policy's limits with that allowance: each counts for itself.
    pub nth: usize,
}

/// Counts the requests of one limit.
#[derive(Debug)]
pub struct Counter {
    buckets: Tokens,
    rate: Rate,
    /// Requests that passed.
    passed: AtomicU64,
    /// Requests that were refused.
    refused: AtomicU64,
    /// Requests that would have been refused, were it not a trial.
    spared: AtomicU64,
}

/// What becomes of a request by one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// It passes.
    Passed,
    /// It is refused.
    Refused,
    /// It would be refused, were it not a trial.
    Spared,
}

#[derive(Debug)]
enum Tokens {
    Together(Bucket),
    ByKey(Buckets),
}

// === impl RateLimits ===

impl RateLimits {
    /// The counter with that key.
    pub fn counter(&self, key: CounterKey) -> Arc<Counter> {
        let now = self.now();
        let mut known = self.lock();
        if let Some(counter) = known.counters.get(&key) {
            return counter.clone();
        }
        // New ones are rare, and so are those that are used no more.
        known.tidy(now);
        known.counters.entry(key).or_insert_with_key(|key| Arc::new(Counter::new(&key.allowance))).clone()
    }

    /// The moment, in nanoseconds since the proxy began.
    pub fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// What a value of a key is called.
    pub fn hash(&self, value: Option<&[u8]>) -> u64 {
        self.hasher.hash_one(value)
    }

    /// What is counted at the moment.
    pub fn inspect(&self) -> Vec<Value> {
        let known = self.lock();
        let mut rows: Vec<_> = known
            .counters
            .iter()
            .map(|(CounterKey { policy: (namespace, name), target, instance, allowance, .. }, counter)| {
                let row = json!({
                    "namespace": &**namespace,
                    "name": &**name,
                    "target": target.to_string(),
                    "of": instance.as_ref().map(WorkloadUid::as_str),
                    "allowance": allowance.to_string(),
                    "passed": counter.passed.load(Relaxed),
                    "refused": counter.refused.load(Relaxed),
                    "dry_run": counter.spared.load(Relaxed),
                });
                (row.to_string(), row)
            })
            .collect();
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        rows.into_iter().map(|(_, row)| row).collect()
    }

    /// Writes what was counted, in Prometheus' text format.
    pub fn render(&self, out: &mut String) {
        let sums = {
            let known = self.lock();
            let mut sums = known.gone.clone();
            for (key, counter) in &known.counters {
                counter.add_to(sums.entry((key.policy.clone(), key.target.clone())).or_default());
            }
            sums
        };
        if sums.is_empty() {
            return;
        }
        exposition::header(
            out,
            "ripstop_rate_limit_requests_total",
            "counter",
            "Requests as limits of TrafficPolicies counted them, each by every limit that it met.",
        );
        for (((namespace, name), target), counts) in sums {
            let (policy, kind) = (format!("{namespace}/{name}"), target.kind.as_str());
            let section = target.section.as_deref().unwrap_or_default();
            for (result, count) in ["passed", "refused", "dry_run"].into_iter().zip(counts) {
                let [policy, to, section] = [&*policy, &target.name, section].map(exposition::escape);
                let _ = writeln!(
                    out,
                    "ripstop_rate_limit_requests_total{{policy=\"{policy}\",target_kind=\"{kind}\",target=\"{to}\",section=\"{section}\",result=\"{result}\"}} {count}"
                );
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for RateLimits {
    /// Nothing is counted yet.
    fn default() -> Self {
        Self { known: Mutex::default(), hasher: RandomState::new(), origin: Instant::now() }
    }
}

// === impl Known ===

impl Known {
    /// Takes out counters that nobody uses and that have nothing left to remember.
    fn tidy(&mut self, now: u64) {
        let Self { counters, gone } = self;
        counters.retain(|key, counter| {
            let stays = Arc::strong_count(counter) > 1 || !counter.is_full(now);
            if !stays {
                let place = (key.policy.clone(), key.target.clone());
                if gone.len() < MOST_GONE || gone.contains_key(&place) {
                    counter.add_to(gone.entry(place).or_default());
                }
            }
            stays
        });
    }
}

// === impl Counter ===

impl Counter {
    fn add_to(&self, sums: &mut [u64; 3]) {
        for (sum, count) in sums.iter_mut().zip([&self.passed, &self.refused, &self.spared]) {
            *sum += count.load(Relaxed);
        }
    }

    fn new(allowance: &Allowance) -> Self {
        let rate = Rate::new(allowance.count, allowance.interval, allowance.burst);
        let buckets = match allowance.key {
            LimitKey::All => Tokens::Together(Bucket::default()),
            _ => Tokens::ByKey(Buckets::new(rate)),
        };
        let [passed, refused, spared] = Default::default();
        Self { buckets, rate, passed, refused, spared }
    }

    /// Takes one for a key.
    pub fn take(&self, key: u64, now: u64) -> Result<Taken<'_>, Empty> {
        match &self.buckets {
            Tokens::Together(bucket) => bucket.take(self.rate, now),
            Tokens::ByKey(buckets) => buckets.take(key, now),
        }
    }

    /// Notes what became of a request.
    pub fn note(&self, counted: Counted) {
        let count = match counted {
            Counted::Passed => &self.passed,
            Counted::Refused => &self.refused,
            Counted::Spared => &self.spared,
        };
        count.fetch_add(1, Relaxed);
    }

    fn is_full(&self, now: u64) -> bool {
        match &self.buckets {
            Tokens::Together(bucket) => bucket.is_full(now),
            Tokens::ByKey(buckets) => buckets.are_full(now),
        }
    }
}

#[cfg(test)]
mod tests;
