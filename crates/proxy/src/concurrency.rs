//! How many requests instances get at a time, as all workers of the proxy count together.

use std::{
    collections::HashMap,
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ripstop_balance::{Concurrency, ConcurrencyStatus};
use ripstop_model::{AdaptiveConcurrency, ObjectName, TrafficTarget, WorkloadUid};
use ripstop_telemetry::exposition;
use serde_json::{Value, json};
use tokio::time::Instant;

/// What is known of all instances that this proxy protects. It outlives configurations; what nobody has used for a while is
/// forgotten.
#[derive(Debug)]
pub struct Concurrencies {
    known: Mutex<HashMap<ConcurrencyKey, Arc<Concurrency>>>,
    origin: Instant,
}

/// An instance.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConcurrencyKey {
    /// The policy.
    pub policy: ObjectName,
    /// What it is attached to.
    pub target: TrafficTarget,
    /// The workload; nothing: a host that no service declares.
    pub instance: Option<WorkloadUid>,
    /// Its port.
    pub port: u16,
}

/// How long what is known of an instance is kept that nobody calls.
const KEPT: Duration = Duration::from_secs(600);

type Known = HashMap<ConcurrencyKey, Arc<Concurrency>>;

/// A metric: its name, type, help and value.
type Metric = (&'static str, &'static str, &'static str, fn(&ConcurrencyStatus) -> Option<f64>);

const METRICS: [Metric; 7] = [
    ("limit", "gauge", "Requests that an instance gets at a time.", |of| Some(of.limit.into())),
    ("requests", "gauge", "Requests of an instance whose answers have not begun.", |of| Some(count(of.running))),
    ("refused_total", "counter", "Requests that were refused since an instance had enough.", |of| {
        Some(count(of.refused))
    }),
    ("min_rtt_seconds", "gauge", "Latency of an instance without load.", |of| seconds(of.min_rtt)),
    ("sample_rtt_seconds", "gauge", "Latency of an instance of late.", |of| seconds(of.sample_rtt)),
    ("gradient", "gauge", "By what the limit was multiplied last.", |of| of.gradient),
    ("min_rtt_calculation_active", "gauge", "1 while the latency without load is measured.", |of| {
        Some(if of.is_measuring { 1.0 } else { 0.0 })
    }),
];

// === impl Concurrencies ===

impl Concurrencies {
    /// What is known of an instance.
    pub fn get(&self, key: ConcurrencyKey, settings: &AdaptiveConcurrency) -> Arc<Concurrency> {
        let mut known = self.lock();
        if let Some(concurrency) = known.get(&key) {
            return concurrency.clone();
        }
        self.tidy(&mut known);
        known.entry(key).or_insert_with(|| Concurrency::new(settings)).clone()
    }

    /// The moment, in nanoseconds since the proxy began.
    pub fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// What is known at the moment.
    pub fn inspect(&self) -> Value {
        let row = |(ConcurrencyKey { policy: (namespace, name), target, instance, port }, status): &Row| {
            json!({
                "namespace": &**namespace,
                "name": &**name,
                "target": target.to_string(),
                "of": instance.as_ref().map(WorkloadUid::as_str),
                "port": port,
                "limit": status.limit,
                "requests": status.running,
                "refused": status.refused,
                "min_rtt_ms": status.min_rtt.map(millis),
                "sample_rtt_ms": status.sample_rtt.map(millis),
                "gradient": status.gradient,
                "measuring": status.is_measuring,
            })
        };
        self.rows().iter().map(row).collect()
    }

    /// Writes it in Prometheus' text format.
    pub fn render(&self, out: &mut String) {
        let rows = self.rows();
        if rows.is_empty() {
            return;
        }
        for (metric, kind, help, value) in METRICS {
            let metric = format!("ripstop_adaptive_concurrency_{metric}");
            exposition::header(out, &metric, kind, help);
            for (ConcurrencyKey { policy: (namespace, name), target, instance, port }, status) in &rows {
                let Some(value) = value(status) else { continue };
                let policy = format!("{namespace}/{name}");
                let instance = instance.as_ref().map_or("", |instance| instance.as_str());
                let section = target.section.as_deref().unwrap_or_default();
                let kind = target.kind.as_str();
                let [policy, to, section, instance] =
                    [&*policy, &*target.name, section, instance].map(exposition::escape);
                let _ = writeln!(
                    out,
                    "{metric}{{policy=\"{policy}\",target_kind=\"{kind}\",target=\"{to}\",section=\"{section}\",workload=\"{instance}\",port=\"{port}\"}} {value}"
                );
            }
        }
    }

    fn rows(&self) -> Vec<Row> {
        let mut known = self.lock();
        self.tidy(&mut known);
        let mut rows: Vec<Row> = known.iter().map(|(key, of)| (key.clone(), of.status())).collect();
        drop(known);
        rows.sort_by_cached_key(|(key, _)| format!("{key:?}"));
        rows
    }

    fn tidy(&self, known: &mut Known) {
        let now = self.now();
        // Workers that know it would count for themselves.
        known.retain(|_, concurrency| Arc::strong_count(concurrency) > 1 || !concurrency.is_idle(now, KEPT));
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Row = (ConcurrencyKey, ConcurrencyStatus);

impl Default for Concurrencies {
    /// Nothing is known yet.
    fn default() -> Self {
        Self { known: Mutex::default(), origin: Instant::now() }
    }
}

fn seconds(latency: Option<Duration>) -> Option<f64> {
    latency.map(|latency| latency.as_secs_f64())
}

fn millis(latency: Duration) -> f64 {
    latency.as_secs_f64() * 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "nobody counts that far")]
fn count(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests;
