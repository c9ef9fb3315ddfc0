//! Budgets of retries of what takes a route, as all workers of the proxy count together.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use ripstop_balance::{Budget, Budgeted, BudgetedRetry, Overflow};
use ripstop_decide::Limiting;
use ripstop_model::{ObjectName, RetryBudget, TrafficTarget};
use tokio::time::Instant;

/// What is under way by routes that have a budget. One that nobody uses goes once it has nothing left to remember.
#[derive(Debug)]
pub struct RetryBudgets {
    known: Mutex<HashMap<(ObjectName, TrafficTarget), Arc<Budget>>>,
    origin: Instant,
}

/// A request that takes such a route.
#[derive(Debug)]
pub struct OnRoute {
    request: Budgeted,
    settings: RetryBudget,
    origin: Instant,
}

// === impl RetryBudgets ===

impl RetryBudgets {
    /// A request that takes a route with that policy, if it has a budget.
    pub fn begin(&self, acting: &Limiting<'_>) -> Option<OnRoute> {
        let settings = acting.policy.retry_budget?;
        let key = ((acting.policy.namespace.clone(), acting.policy.name.clone()), acting.target.clone());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains_key(&key) {
            let now = since(self.origin);
            known.retain(|_, budget| !budget.is_idle(now));
        }
        let request = known.entry(key).or_default().begin();
        Some(OnRoute { request, settings, origin: self.origin })
    }
}

impl Default for RetryBudgets {
    /// Nothing is under way yet.
    fn default() -> Self {
        Self { known: Mutex::default(), origin: Instant::now() }
    }
}

// === impl OnRoute ===

impl OnRoute {
    /// The right to try the request again.
    pub fn retry(&self) -> Result<BudgetedRetry, Overflow> {
        self.request.retry(&self.settings, since(self.origin))
    }
}

fn since(origin: Instant) -> u64 {
    u64::try_from(origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
