//! A budget of retries for requests that have something else in common than where they go.

use std::sync::Arc;

use ripstop_model::RetryBudget;

use crate::{
    Bucket, Overflow, Resource,
    circuit::{Gauge, second_of, share_of},
};

/// Requests that are under way, and those of them that are retries. All workers of a proxy share it. Times are
/// nanoseconds of its owner's clock.
#[derive(Debug, Default)]
pub struct Budget {
    requests: Gauge,
    retries: Gauge,
    /// Retries beyond the share.
    reserve: Bucket,
}

/// A request that is under way; it has ended when this is dropped.
#[derive(Debug)]
#[must_use = "dropping it ends the request"]
pub struct Budgeted(Arc<Budget>);

/// A retry; it has ended when this is dropped.
#[derive(Debug)]
#[must_use = "dropping it ends the retry"]
pub struct BudgetedRetry(Arc<Budget>);

// === impl Budget ===

impl Budget {
    /// One more request.
    pub fn begin(self: &Arc<Self>) -> Budgeted {
        self.requests.add();
        Budgeted(Arc::clone(self))
    }

    /// Whether it has nothing to remember at `now`.
    pub fn is_idle(&self, now: u64) -> bool {
        self.requests.get() == 0 && self.retries.get() == 0 && self.reserve.is_full(now)
    }
}

// === impl Budgeted ===

impl Budgeted {
    /// The right to try the request again at `now`, by what `budget` says at the moment.
    pub fn retry(&self, budget: &RetryBudget, now: u64) -> Result<BudgetedRetry, Overflow> {
        let limit = share_of(budget, self.0.requests.get());
        if self.0.retries.try_add(limit) {
            return Ok(BudgetedRetry(Arc::clone(&self.0)));
        }
        if budget.min_per_second > 0 && self.0.reserve.take(second_of(budget), now).is_ok() {
            self.0.retries.add();
            return Ok(BudgetedRetry(Arc::clone(&self.0)));
        }
        Err(Overflow { resource: Resource::Retry, limit })
    }
}

impl Drop for Budgeted {
    fn drop(&mut self) {
        self.0.requests.subtract();
    }
}

impl Drop for BudgetedRetry {
    fn drop(&mut self) {
        self.0.retries.subtract();
    }
}

#[cfg(test)]
mod tests;
