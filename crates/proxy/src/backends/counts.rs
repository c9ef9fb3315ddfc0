//! What is counted of backends: checks of their endpoints, and second attempts of their requests.

use std::{
    fmt::Write as _,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use ripstop_balance::{CheckResult, EndpointStatus, Hedges};
use ripstop_model::Health;
use ripstop_telemetry::exposition;
use tokio::time::Instant;

use super::shared::{Backends, SharedBackend};

/// What is counted of a backend, by all workers.
#[derive(Debug, Default)]
pub(super) struct Counts {
    passed: AtomicU64,
    failed: AtomicU64,
    unsaid: AtomicU64,
    /// Of one whose requests are never sent twice, there is none.
    hedges: OnceLock<Box<(Hedges, Instant)>>,
}

// === impl Counts ===

impl Counts {
    /// A check has ended; nothing: it says nothing of the endpoint.
    pub(super) fn checked(&self, result: Option<&CheckResult>) {
        let count = match result {
            Some(CheckResult::Passed) => &self.passed,
            Some(CheckResult::Failed(_)) => &self.failed,
            None => &self.unsaid,
        };
        count.fetch_add(1, Relaxed);
    }

    /// What is known of second attempts, and since when its clock runs.
    pub(super) fn hedges(&self) -> &(Hedges, Instant) {
        self.hedges.get_or_init(|| Box::new((Hedges::default(), Instant::now())))
    }
}

// === impl Backends ===

impl Backends {
    /// Writes what is counted of those that are in use, in Prometheus' text format.
    pub fn render(&self, now: std::time::Instant, out: &mut String) {
        let mut backends = self.in_use();
        backends.sort_by_cached_key(|backend| (backend.cluster().clone(), backend.key().caller.to_string()));
        let is_checked = |backend: &&Arc<SharedBackend>| backend.facts().effective.health_checks.is_some();
        let checked: Vec<_> = backends.iter().filter(is_checked).map(|backend| (labels(backend), backend)).collect();
        if !checked.is_empty() {
            let name = "ripstop_health_checks_total";
            exposition::header(
                out,
                name,
                "counter",
                "Checks of endpoints: success, failure, or none that says anything.",
            );
            for (labels, backend) in &checked {
                let Counts { passed, failed, unsaid, .. } = &backend.counts;
                for (result, count) in [("success", passed), ("failure", failed), ("none", unsaid)] {
                    let count = count.load(Relaxed);
                    let _ = writeln!(out, "{name}{{{labels},result=\"{result}\"}} {count}");
                }
            }
            let name = "ripstop_health_check_endpoints";
            exposition::header(out, name, "gauge", "Endpoints that are checked, by what their checks say.");
            for (labels, backend) in &checked {
                let endpoints = backend.balance.endpoints(now);
                let ready = endpoints.iter().filter(|endpoint| endpoint.health == Health::Healthy);
                let is_failing = |endpoint: &&EndpointStatus<_>| endpoint.failing.is_some();
                let failing = ready.clone().filter(is_failing).count();
                for (state, count) in [("healthy", ready.count() - failing), ("unhealthy", failing)] {
                    let _ = writeln!(out, "{name}{{{labels},state=\"{state}\"}} {count}");
                }
            }
        }
        let hedged = backends.iter().filter_map(|backend| Some((labels(backend), backend.counts.hedges.get()?)));
        let mut hedged = hedged.peekable();
        if hedged.peek().is_some() {
            let name = "ripstop_hedged_requests_total";
            let help = "Second attempts of requests: sent, answered first, or not sent since there were enough.";
            exposition::header(out, name, "counter", help);
            for (labels, known) in hedged {
                let counts = known.0.counts();
                for (result, count) in [("sent", counts.sent), ("won", counts.won), ("refused", counts.refused)] {
                    let _ = writeln!(out, "{name}{{{labels},result=\"{result}\"}} {count}");
                }
            }
        }
    }
}

fn labels(backend: &SharedBackend) -> String {
    let [cluster, caller] = [&**backend.cluster(), backend.key().caller.as_str()].map(exposition::escape);
    format!("cluster=\"{cluster}\",caller=\"{caller}\"")
}

#[cfg(test)]
mod tests;
