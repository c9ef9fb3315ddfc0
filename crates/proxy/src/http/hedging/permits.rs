//! What one more attempt takes.

use ripstop_balance::{BudgetedRetry, Overflow, Permit, Resource};

use crate::{
    backends::{EndpointKey, WorkerBackend},
    retry_budgets::OnRoute,
};

/// What an attempt takes of the limits of its backend and the budget of its route, until it has ended. One that is not made
/// costs the route nothing.
#[derive(Debug)]
pub struct Permits {
    _of_backend: [Permit<EndpointKey>; 2],
    of_route: OfRoute,
}

/// A retry of a route with a budget.
#[derive(Debug)]
struct OfRoute {
    retry: Option<BudgetedRetry>,
    is_made: bool,
}

// === impl Permits ===

impl Permits {
    /// For one more attempt, if there may be one.
    pub fn acquire(backend: &WorkerBackend, on_route: Option<&OnRoute>) -> Result<Self, Overflow> {
        let request = backend.acquire(Resource::Request)?;
        let of_route = OfRoute { retry: on_route.map(OnRoute::retry).transpose()?, is_made: false };
        let retry = backend.acquire(Resource::Retry)?;
        Ok(Self { _of_backend: [request, retry], of_route })
    }

    /// The attempt is made.
    pub fn made(&mut self) {
        self.of_route.is_made = true;
    }
}

// === impl OfRoute ===

impl Drop for OfRoute {
    fn drop(&mut self) {
        if let Some(retry) = self.retry.take().filter(|_| !self.is_made) {
            retry.give_back();
        }
    }
}

#[cfg(test)]
mod tests;
