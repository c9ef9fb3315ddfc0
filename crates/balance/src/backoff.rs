//! How long a retry waits.

use std::time::Duration;

use ripstop_model::RetryPolicy;

use crate::dice::scale;

/// Exponential back-off with full jitter, as Envoy's: retry N waits for anything below `base * 2^(N-1)`, or below the
/// maximum where that is shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    base: Duration,
    max: Duration,
}

impl Backoff {
    /// With a maximum of ten times the base.
    pub fn new(base: Duration) -> Self {
        Self { base, max: base.saturating_mul(10) }
    }

    /// With another maximum; one below the base is the base.
    #[must_use]
    pub fn with_max(self, max: Duration) -> Self {
        Self { base: self.base, max: max.max(self.base) }
    }

    /// How long the `retry`-th retry waits, counted from 1, given a random number.
    pub fn delay(self, retry: u32, random: u64) -> Duration {
        let doublings = retry.saturating_sub(1).min(31);
        let window = self.base.saturating_mul(1 << doublings).min(self.max);
        let window = u64::try_from(window.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(scale(random, window))
    }
}

impl From<&RetryPolicy> for Backoff {
    fn from(policy: &RetryPolicy) -> Self {
        Self::new(policy.backoff)
    }
}

#[cfg(test)]
mod tests;
