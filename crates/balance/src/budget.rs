//! A budget of retries for requests that have something else in common than where they go.

use std::sync::Arc;

use ripstop_model::RetryBudget;

use crate::{
    Bucket, Overflow, Rate, Resource,
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
pub struct BudgetedRetry {
    budget: Arc<Budget>,
    /// The rate of the reserve, if it is from there.
    reserved: Option<Rate>,
}

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
            return Ok(BudgetedRetry { budget: Arc::clone(&self.0), reserved: None });
        }
        let rate = second_of(budget);
        if budget.min_per_second > 0 && self.0.reserve.take(rate, now).is_ok() {
            self.0.retries.add();
            return Ok(BudgetedRetry { budget: Arc::clone(&self.0), reserved: Some(rate) });
        }
        Err(Overflow { resource: Resource::Retry, limit })
    }
}

impl Drop for Budgeted {
    fn drop(&mut self) {
        self.0.requests.subtract();
    }
}

// === impl BudgetedRetry ===

impl BudgetedRetry {
    /// Ends it before it was made: what it took from the reserve is there again.
    pub fn give_back(self) {
        if let Some(rate) = self.reserved {
            self.budget.reserve.put_back(rate);
        }
    }
}

impl Drop for BudgetedRetry {
    fn drop(&mut self) {
        self.budget.retries.subtract();
    }
}

#[cfg(test)]
mod tests;
