//! The right to try a request again.

use ripstop_balance::{BudgetedRetry, Overflow, Permit, Resource};

use crate::{
    backends::{EndpointKey, WorkerBackend},
    retry_budgets::OnRoute,
};

/// The right of one request to be tried again, by its route's budget and by its backend's limits. It is held until the
/// retry has ended: until the next one, or the request's end.
pub(super) struct Retrying<'a> {
    on_route: Option<&'a OnRoute>,
    backend: &'a WorkerBackend,
    held: Option<(Option<BudgetedRetry>, Permit<EndpointKey>)>,
}

impl<'a> Retrying<'a> {
    /// Of a request that was not tried yet.
    pub(super) fn new(on_route: Option<&'a OnRoute>, backend: &'a WorkerBackend) -> Self {
        Self { on_route, backend, held: None }
    }

    /// Ends the retry that there was, and begins another one, unless there are too many.
    pub(super) fn again(&mut self) -> Result<(), Overflow> {
        self.held = None;
        let on_route = self.on_route.map(OnRoute::retry).transpose()?;
        match self.backend.acquire(Resource::Retry) {
            Ok(permit) => {
                self.held = Some((on_route, permit));
                Ok(())
            }
            Err(overflow) => {
                // One that is not made costs the route nothing.
                if let Some(on_route) = on_route {
                    on_route.give_back();
                }
                Err(overflow)
            }
        }
    }

    /// The retry that was to be made is not: there is no time left for it.
    pub(super) fn give_back(&mut self) {
        if let Some((Some(on_route), _)) = self.held.take() {
            on_route.give_back();
        }
    }
}
