//! What became of requests by limits that services count (`globalRateLimits`), of all workers of the proxy.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use ripstop_decide::{Limiting, Program};
use ripstop_model::{GlobalRateLimit, ObjectName, TrafficTarget};
use ripstop_telemetry::exposition;
use serde_json::{Value, json};
use tokio::time::Instant;

/// Counts of all limits that services count. Those of policies that are gone go with the next new one.
#[derive(Debug, Default)]
pub struct GlobalLimits(Mutex<HashMap<Key, Arc<Counts>>>);

/// Whose answers are counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    policy: ObjectName,
    target: TrafficTarget,
    /// The service, and its domain.
    asked: (Arc<str>, u16, Arc<str>),
}

/// What a service has said of requests.
#[derive(Debug, Default)]
pub struct Counts {
    passed: AtomicU64,
    refused: AtomicU64,
    spared: AtomicU64,
    failed: AtomicU64,
    failure: Mutex<Failure>,
}

/// Why a service could not be asked the last time that it could not, and when that was written down.
#[derive(Debug, Default)]
struct Failure {
    why: Option<Box<str>>,
    logged: Option<Instant>,
}

/// How often failures of one service are written down at most.
const SELDOM: Duration = Duration::from_secs(10);

/// What a service has said of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// It passes.
    Passed,
    /// It is refused.
    Refused,
    /// It would be refused, were it not a trial.
    Spared,
}

// === impl GlobalLimits ===

impl GlobalLimits {
    /// The counts of a limit of `program`, where it acts.
    pub fn counts(&self, program: &Program, limiting: &Limiting<'_>, limit: &GlobalRateLimit) -> Arc<Counts> {
        let Limiting { policy, target } = *limiting;
        let key = Key {
            policy: (policy.namespace.clone(), policy.name.clone()),
            target: target.clone(),
            asked: (limit.host.clone(), limit.port, limit.domain.clone()),
        };
        let mut known = lock(&self.0);
        if let Some(counts) = known.get(&key) {
            return counts.clone();
        }
        known.retain(|key, _| program.traffic().policies.contains_key(&key.policy));
        known.entry(key).or_default().clone()
    }

    /// What is counted at the moment, and why services could not be asked the last time.
    pub fn inspect(&self) -> Vec<Value> {
        let known = lock(&self.0);
        let mut rows: Vec<_> = known
            .iter()
            .map(|(Key { policy: (namespace, name), target, asked: (host, port, domain) }, counts)| {
                let failed = counts.failed.load(Relaxed);
                let failure = match lock(&counts.failure).why.as_deref() {
                    Some(last) => format!("; {failed} without an answer, the last time: {last}"),
                    None => String::new(),
                };
                let row = json!({
                    "namespace": &**namespace,
                    "name": &**name,
                    "target": target.to_string(),
                    "of": null,
                    "allowance": format!("as {host}:{port} counts in domain {domain}{failure}"),
                    "passed": counts.passed.load(Relaxed),
                    "refused": counts.refused.load(Relaxed),
                    "dry_run": counts.spared.load(Relaxed),
                    "failed": failed,
                });
                (row.to_string(), row)
            })
            .collect();
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        rows.into_iter().map(|(_, row)| row).collect()
    }

    /// Writes what was counted, in Prometheus' text format.
    pub fn render(&self, out: &mut String) {
        let mut sums: BTreeMap<(ObjectName, TrafficTarget), [u64; 4]> = BTreeMap::new();
        for (key, counts) in lock(&self.0).iter() {
            let sum = sums.entry((key.policy.clone(), key.target.clone())).or_default();
            for (sum, count) in sum.iter_mut().zip([&counts.passed, &counts.refused, &counts.spared, &counts.failed]) {
                *sum += count.load(Relaxed);
            }
        }
        if sums.is_empty() {
            return;
        }
        exposition::header(
            out,
            "ripstop_global_rate_limit_requests_total",
            "counter",
            "Requests as services of limits (globalRateLimits of TrafficPolicies) were asked about them; failed: without an answer.",
        );
        for (((namespace, name), target), counts) in sums {
            let (policy, kind) = (format!("{namespace}/{name}"), target.kind.as_str());
            let section = target.section.as_deref().unwrap_or_default();
            for (result, count) in ["passed", "refused", "dry_run", "failed"].into_iter().zip(counts) {
                let [policy, to, section] = [&*policy, &target.name, section].map(exposition::escape);
                let _ = writeln!(
                    out,
                    "ripstop_global_rate_limit_requests_total{{policy=\"{policy}\",target_kind=\"{kind}\",target=\"{to}\",section=\"{section}\",result=\"{result}\"}} {count}"
                );
            }
        }
    }
}

// === impl Counts ===

impl Counts {
    /// Notes what was said of a request.
    pub fn note(&self, said: Said) {
        let count = match said {
            Said::Passed => &self.passed,
            Said::Refused => &self.refused,
            Said::Spared => &self.spared,
        };
        count.fetch_add(1, Relaxed);
    }

    /// Notes why the service could not be asked about a request. Whether it is to be written down: not each of many.
    pub fn failed(&self, why: &str) -> bool {
        self.failed.fetch_add(1, Relaxed);
        let (mut last, now) = (lock(&self.failure), Instant::now());
        if last.why.as_deref() != Some(why) {
            last.why = Some(why.into());
        }
        let is_due = last.logged.is_none_or(|logged| now.duration_since(logged) >= SELDOM);
        if is_due {
            last.logged = Some(now);
        }
        is_due
    }
}

/// Nothing is left half done by what may panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
