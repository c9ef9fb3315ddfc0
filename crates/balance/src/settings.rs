//! How a backend is called.

use std::sync::Arc;

use ripstop_model::{
    Algorithm, ConnectionPool, HealthChecks, LoadBalancer, OutlierDetection, PeakEwma, RetryBudget, Warmup,
};

/// How a backend is called: the blocks of the model that concern balancing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// How endpoints are picked. Its locality policy is the caller's, who computes priorities and weights.
    pub balancer: Arc<LoadBalancer>,
    /// Limits.
    pub pool: Arc<ConnectionPool>,
    /// Ejection; nothing: no endpoint is ever ejected.
    pub outlier: Option<Arc<OutlierDetection>>,
    /// Limit of retries by share, beside `max_retries`.
    pub retry_budget: Option<RetryBudget>,
    /// How endpoints are checked; nothing: they are not, and none is out for it.
    pub checks: Option<Arc<HealthChecks>>,
    /// What `max_ejection_percent` means where it is less than one endpoint.
    pub floor: EjectionFloor,
}

/// What `maxEjectionPercent` means where it is less than one endpoint: with Istio's default of 10, wherever there are
/// fewer than ten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EjectionFloor {
    /// One of several may always be ejected, unless the percentage is 0; the only one may not, unless it is 100.
    ///
    /// Older Envoys ejected one in any case, the only one too, which ends a service of one endpoint.
    #[default]
    One,
    /// Then none is: what Envoy does today, whose `always_eject_one_host` Istio does not set.
    Zero,
}

/// Limits as numbers, for those who keep connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open connections.
    pub connections: u32,
    /// Requests that wait for a connection.
    pub pending_requests: u32,
    /// Requests at once.
    pub requests: u32,
    /// Retries at once, where there is no budget.
    pub retries: u32,
    /// Requests of a connection's life.
    pub requests_per_connection: u32,
    /// Streams of a connection at once.
    pub concurrent_streams: u32,
}

// === impl Settings ===

impl Settings {
    /// The pool's limits.
    pub fn limits(&self) -> Limits {
        Limits::from(&*self.pool)
    }

    /// Warm-up, where the algorithm knows it (Istio: round robin and least request; and ours).
    pub(crate) fn warmup(&self) -> Option<&Warmup> {
        match self.balancer.algorithm {
            Algorithm::LeastRequest | Algorithm::RoundRobin | Algorithm::PeakEwma(_) => {
                self.balancer.warmup.as_ref().filter(|warmup| !warmup.duration.is_zero())
            }
            Algorithm::Random | Algorithm::Passthrough | Algorithm::Hash { .. } => None,
        }
    }

    /// How latencies are averaged, if that is asked for.
    pub(crate) fn peak_ewma(&self) -> Option<&PeakEwma> {
        match &self.balancer.algorithm {
            Algorithm::PeakEwma(settings) => Some(settings),
            _ => None,
        }
    }

    /// Below so many per cent of usable endpoints, ejections are disregarded; 0: never (Istio's `minHealthPercent`).
    pub(crate) fn panic_percent(&self) -> u32 {
        self.outlier.as_ref().map_or(0, |outlier| outlier.min_health_percent.min(100))
    }
}

// === impl Limits ===

impl From<&ConnectionPool> for Limits {
    /// As Istio: what is not said is as good as unlimited, 2^32-1, and 2^31-1 streams.
    fn from(pool: &ConnectionPool) -> Self {
        let number = |limit: Option<u32>| limit.unwrap_or(u32::MAX);
        Self {
            connections: number(pool.max_connections),
            pending_requests: number(pool.max_pending_requests),
            requests: number(pool.max_requests),
            retries: number(pool.max_retries),
            requests_per_connection: number(pool.max_requests_per_connection),
            concurrent_streams: pool.max_concurrent_streams.unwrap_or(i32::MAX.unsigned_abs()),
        }
    }
}

#[cfg(test)]
mod tests;
