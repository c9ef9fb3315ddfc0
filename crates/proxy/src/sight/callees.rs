//! Several callees of one connection.

use std::{rc::Rc, sync::Arc};

use ripstop_model::{Service, Workload};

use super::{Called, RequestSight};

/// Callees that one connection keeps resolved at most.
const KEPT: usize = 32;

/// The sights of one connection whose requests go to several callees, the latest first.
#[derive(Debug, Default)]
pub struct Callees(Vec<Rc<RequestSight>>);

// === impl Callees ===

impl Callees {
    /// The sight of requests to `service` at `endpoint`, counted as `called`, made by `make` unless it was used before and
    /// all are still the very same.
    pub fn get(
        &mut self,
        service: Option<&Arc<Service>>,
        endpoint: Option<&Arc<Workload>>,
        called: &Called,
        make: impl FnOnce() -> RequestSight,
    ) -> Rc<RequestSight> {
        let found = self.0.iter().position(|sight| {
            let parties = sight.parties();
            same(parties.service.as_ref(), service)
                && same(parties.destination.as_ref(), endpoint)
                && sight.called == *called
        });
        if let Some(place) = found {
            self.0[..=place].rotate_right(1);
            return self.0[0].clone();
        }
        self.0.truncate(KEPT - 1);
        let sight = Rc::new(make());
        self.0.insert(0, sight.clone());
        sight
    }
}

fn same<T>(a: Option<&Arc<T>>, b: Option<&Arc<T>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (a, b) => a.is_none() && b.is_none(),
    }
}

#[cfg(test)]
mod tests;
