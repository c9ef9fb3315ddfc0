//! Why a request may not go.

use thiserror::Error;

use crate::Resource;

/// Why no endpoint was picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refused {
    /// There is no endpoint at all (Envoy: 503, flag UH).
    #[error(
        "no endpoint is known; check that the service has running workloads, and that the subset's labels fit some"
    )]
    NoEndpoint,
    /// No endpoint may be used (Envoy: 503, flag UH).
    #[error(
        "none of {endpoints} endpoints is usable: {unready} not ready, {ejected} ejected, {failing} fail their checks; look at the workloads' readiness and errors"
    )]
    NoneUsable {
        /// How many endpoints there are.
        endpoints: usize,
        /// Those that are not ready.
        unready: usize,
        /// Those that outlier detection has ejected.
        ejected: usize,
        /// Those that fail their checks.
        failing: usize,
    },
    /// The algorithm is PASSTHROUGH: where to is the caller's to say.
    #[error("the load balancer is PASSTHROUGH: the original destination is called")]
    Passthrough,
    /// A limit is reached.
    #[error(transparent)]
    Overflow(#[from] Overflow),
}

/// A limit of the backend is reached (Envoy: 503, flag UO).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{resource} at once are at the limit of {limit}; raise {} of the DestinationRule, or find out why they last so long", resource.field())]
pub struct Overflow {
    /// What there is too much of.
    pub resource: Resource,
    /// How much of it there may be; of retries with a budget: at this moment.
    pub limit: u64,
}
