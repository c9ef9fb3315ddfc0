//! Numbers of the control plane, under Istio's names (`pilot_*`, `citadel_*`).

use std::{
    fmt::Write as _,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use ripstop_telemetry::exposition::{escape, header, single};

/// Type URLs are the only labels: there are few, and they are the mesh's own.
#[derive(Debug, Default)]
struct ByType(Mutex<std::collections::BTreeMap<String, u64>>);

/// Upper bounds of Istio's convergence histogram in milliseconds, with two finer ones below.
const CONVERGENCE_BOUNDS_MS: [u64; 10] = [10, 50, 100, 500, 1_000, 3_000, 5_000, 10_000, 20_000, 30_000];
/// Type URLs that are counted by name; a client cannot make more.
const TYPE_LIMIT: usize = 64;

/// All counters. Each is exact; reading them takes no lock that a push waits for long.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// Connected proxies.
    pub(crate) connected: AtomicI64,
    pushes: ByType,
    rejects: ByType,
    /// Pushes that could not be sent.
    pub(crate) push_errors: AtomicU64,
    convergence: [AtomicU64; CONVERGENCE_BOUNDS_MS.len()],
    convergence_count: AtomicU64,
    convergence_sum_us: AtomicU64,
    /// Services at the current version.
    pub(crate) services: AtomicU64,
    /// Current commit version.
    pub(crate) version: AtomicU64,
    /// Objects that do not take effect because of an error.
    pub(crate) findings_errors: AtomicU64,
    /// Certificate requests, of whatever outcome.
    pub(crate) csr_count: AtomicU64,
    /// Certificates issued.
    pub(crate) issued: AtomicU64,
    /// Requests refused because of who asked, or for whom.
    pub(crate) authentication_failures: AtomicU64,
    /// Requests that the authority could not sign.
    pub(crate) sign_errors: AtomicU64,
    /// End of the root certificate, seconds since the epoch.
    pub(crate) root_expiry: AtomicU64,
}

impl Metrics {
    /// A response of `type_url` goes to a proxy.
    pub(crate) fn pushed(&self, type_url: &str) {
        self.pushes.add(type_url);
    }

    /// A proxy refused a response of `type_url`.
    pub(crate) fn rejected(&self, type_url: &str) {
        self.rejects.add(type_url);
    }

    /// A proxy acknowledged a commit `took` after it was made.
    pub(crate) fn converged(&self, took: Duration) {
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        if let Some(bucket) = CONVERGENCE_BOUNDS_MS.iter().position(|&bound| millis <= bound) {
            self.convergence[bucket].fetch_add(1, Relaxed);
        }
        self.convergence_count.fetch_add(1, Relaxed);
        self.convergence_sum_us.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    /// Everything in Prometheus' text format.
    pub(crate) fn exposition(&self) -> String {
        let mut out = String::with_capacity(4096);
        single(&mut out, "pilot_xds", "gauge", "Proxies connected by discovery.", self.connected.load(Relaxed));
        self.pushes.write(&mut out, "pilot_xds_pushes", "Discovery responses sent, by type.");
        self.rejects.write(&mut out, "pilot_total_xds_rejects", "Discovery responses refused by proxies, by type.");
        let number = |counter: &AtomicU64| counter.load(Relaxed);
        single(
            &mut out,
            "pilot_xds_push_errors",
            "counter",
            "Pushes that could not be sent.",
            number(&self.push_errors),
        );
        self.write_convergence(&mut out);
        single(&mut out, "pilot_services", "gauge", "Services of the mesh.", number(&self.services));
        single(&mut out, "ripstop_commit_version", "gauge", "Current commit version.", number(&self.version));
        single(
            &mut out,
            "ripstop_findings_errors",
            "gauge",
            "Errors in the configuration; the last good state of these objects acts.",
            number(&self.findings_errors),
        );
        single(
            &mut out,
            "citadel_server_csr_count",
            "counter",
            "Certificate requests received.",
            number(&self.csr_count),
        );
        single(
            &mut out,
            "citadel_server_success_cert_issuance_count",
            "counter",
            "Certificates issued.",
            number(&self.issued),
        );
        single(
            &mut out,
            "citadel_server_authentication_failure_count",
            "counter",
            "Certificate requests refused because of who asked, or for whom.",
            number(&self.authentication_failures),
        );
        single(
            &mut out,
            "citadel_server_csr_sign_err_count",
            "counter",
            "Certificate requests that could not be signed.",
            number(&self.sign_errors),
        );
        single(
            &mut out,
            "citadel_server_root_cert_expiry_timestamp",
            "gauge",
            "End of the root certificate, seconds since the epoch.",
            self.root_expiry.load(Relaxed),
        );
        out
    }

    fn write_convergence(&self, out: &mut String) {
        const NAME: &str = "pilot_proxy_convergence_time";
        header(out, NAME, "histogram", "Seconds between a commit and a proxy's acknowledgement of it.");
        let mut below = 0;
        for (bound, bucket) in CONVERGENCE_BOUNDS_MS.iter().zip(&self.convergence) {
            below += bucket.load(Relaxed);
            let _ = writeln!(out, "{NAME}_bucket{{le=\"{}\"}} {below}", Duration::from_millis(*bound).as_secs_f64());
        }
        // Observations race with this reading; a histogram must not decrease towards +Inf.
        let count = self.convergence_count.load(Relaxed).max(below);
        let sum = Duration::from_micros(self.convergence_sum_us.load(Relaxed)).as_secs_f64();
        let _ = writeln!(out, "{NAME}_bucket{{le=\"+Inf\"}} {count}\n{NAME}_sum {sum}\n{NAME}_count {count}");
    }
}

impl ByType {
    fn add(&self, type_url: &str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(type_url) {
            *count += 1;
        } else if counts.len() < TYPE_LIMIT {
            counts.insert(type_url.to_owned(), 1);
        }
    }

    fn write(&self, out: &mut String, name: &str, help: &str) {
        header(out, name, "counter", help);
        for (type_url, count) in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let _ = writeln!(out, "{name}{{type=\"{}\"}} {count}", escape(type_url));
        }
    }
}

#[cfg(test)]
mod tests;
