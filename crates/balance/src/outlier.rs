//! Outlier detection: what the ends of requests say of an endpoint.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use ripstop_model::OutlierDetection;

use crate::Cause;

/// How a request to an endpoint ended. One that was given up by the caller says nothing: drop its
/// [`Picked`](crate::Picked).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The endpoint answered with this HTTP status; of a gRPC answer, the status that gRPC's corresponds to.
    Status(u16),
    /// The endpoint did what it should, by a protocol without status.
    Success,
    /// There was no connection.
    ConnectFailure,
    /// No answer began in time.
    Timeout,
    /// The connection or stream broke before an answer began.
    Reset,
    /// It is well, and has as many requests as it takes. It is not ejected for that, but gets fewer where latency decides.
    Overloaded,
}

/// How often endpoints were ejected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ejections {
    /// Endpoints that are ejected now (Envoy: `ejections_active`).
    pub active: u32,
    /// Ejections for answers in a row (`ejections_enforced_consecutive_5xx`).
    pub consecutive_5xx: u64,
    /// Ejections for gateway errors in a row (`ejections_enforced_consecutive_gateway_failure`).
    pub consecutive_gateway_failure: u64,
    /// Ejections for failures on our side (`ejections_enforced_consecutive_local_origin_failure`).
    pub consecutive_local_origin_failure: u64,
    /// Endpoints that were spared because too many were ejected (`ejections_overflow`).
    pub spared: u64,
}

/// Failures in a row, of each kind, in the order in which all workers saw them.
#[derive(Debug, Default)]
pub(crate) struct Streaks {
    status: AtomicU32,
    gateway: AtomicU32,
    local: AtomicU32,
}

/// What an outcome does to a streak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Longer,
    Ends,
    None,
}

// === impl Outcome ===

impl Outcome {
    /// Whether a quick one says nothing good of an endpoint: it failed, or has too much to do.
    pub(crate) fn is_failure(self) -> bool {
        match self {
            Self::Status(status) => status == 429 || status >= 500,
            Self::Success => false,
            Self::ConnectFailure | Self::Timeout | Self::Reset | Self::Overloaded => true,
        }
    }
}

// === impl Streaks ===

impl Streaks {
    /// Adds an outcome; the cause to eject the endpoint, if that makes one.
    ///
    /// Without `consecutive_local` (Istio: `splitExternalLocalOriginErrors`), failures on our side count as the 503 or
    /// 504 that the caller gets. With it they count apart, and any answer ends their streak. In Envoy, a connection
    /// ends it too, so that timeouts and resets never make one; here they do.
    pub(crate) fn note(&self, outcome: Outcome, settings: &OutlierDetection) -> Option<Cause> {
        use Effect::{Ends, Longer, None as Nothing};
        let (status, gateway, local) = match (outcome, settings.consecutive_local) {
            (Outcome::Status(code), _) if !is_failure(code, &settings.error_codes) => (Ends, Ends, Ends),
            (Outcome::Status(502..=504), _) => (Longer, Longer, Ends),
            (Outcome::Status(_), _) => (Longer, Ends, Ends),
            (Outcome::Success, _) => (Ends, Ends, Ends),
            (Outcome::Overloaded, _) => (Nothing, Nothing, Nothing),
            (Outcome::ConnectFailure | Outcome::Timeout | Outcome::Reset, None) => (Longer, Longer, Nothing),
            (Outcome::ConnectFailure | Outcome::Timeout | Outcome::Reset, Some(_)) => (Nothing, Nothing, Longer),
        };
        // All three, and gateway errors first, as Envoy.
        let gateway = self.apply(Cause::ConsecutiveGatewayFailure, gateway, settings);
        let status = self.apply(Cause::Consecutive5xx, status, settings);
        let local = self.apply(Cause::ConsecutiveLocalOriginFailure, local, settings);
        gateway.or(status).or(local)
    }

    /// Whether a streak is as long as it takes.
    pub(crate) fn is_cause(&self, cause: Cause, settings: &OutlierDetection) -> bool {
        self.of(cause).load(Relaxed) >= enough(cause, settings)
    }

    /// Ends one streak.
    pub(crate) fn end(&self, cause: Cause) {
        self.of(cause).store(0, Relaxed);
    }

    /// Ends all.
    pub(crate) fn end_all(&self) {
        for streak in [&self.status, &self.gateway, &self.local] {
            streak.store(0, Relaxed);
        }
    }

    fn apply(&self, cause: Cause, effect: Effect, settings: &OutlierDetection) -> Option<Cause> {
        let streak = self.of(cause);
        let enough = enough(cause, settings);
        if enough == 0 {
            return None;
        }
        match effect {
            Effect::Longer => (streak.fetch_add(1, Relaxed) + 1 >= enough).then_some(cause),
            Effect::Ends => {
                // Endpoints that are well don't have their cache lines written for it.
                if streak.load(Relaxed) != 0 {
                    streak.store(0, Relaxed);
                }
                None
            }
            Effect::None => None,
        }
    }

    fn of(&self, cause: Cause) -> &AtomicU32 {
        match cause {
            Cause::Consecutive5xx => &self.status,
            Cause::ConsecutiveGatewayFailure => &self.gateway,
            Cause::ConsecutiveLocalOriginFailure => &self.local,
        }
    }
}

/// How long a streak has to be; 0: none is ever long enough.
fn enough(cause: Cause, settings: &OutlierDetection) -> u32 {
    match cause {
        Cause::Consecutive5xx => settings.consecutive_5xx,
        Cause::ConsecutiveGatewayFailure => settings.consecutive_gateway,
        Cause::ConsecutiveLocalOriginFailure => settings.consecutive_local.unwrap_or(0),
    }
}

/// Whether an answer counts as a failure: one of `codes`, or if there are none, 5xx.
fn is_failure(code: u16, codes: &[u16]) -> bool {
    if codes.is_empty() { (500..600).contains(&code) } else { codes.contains(&code) }
}

#[cfg(test)]
mod tests;
