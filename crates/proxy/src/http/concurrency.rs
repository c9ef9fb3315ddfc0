//! Whether an instance has as many requests as it takes.

use std::{cell::RefCell, sync::Arc};

use ripstop_balance::{Concurrency, Running};
use ripstop_decide::{Callee, Limiting, Program, Target, concurrency_of_entry};
use ripstop_model::{AdaptiveConcurrency, RuleId, TrafficTarget, Workload, WorkloadUid};

use super::{filters::respond::Local, learned::is_failure, outbound::Outbound};
use crate::{
    concurrency::{Concurrencies, ConcurrencyKey},
    outbound::random,
    per_version::PerVersion,
    worker::Shared,
};

/// What one worker knows of instances.
#[derive(Debug, Default)]
pub struct WorkerConcurrency(RefCell<PerVersion<Place, Bound>>);

/// A policy at a place.
type Place = (RuleId, TrafficTarget, Option<WorkloadUid>, u16);

type Bound = (Arc<AdaptiveConcurrency>, Arc<Concurrency>);

/// A request's seat at its instance, until its answer begins. Where nobody counts them, it has none.
#[derive(Debug, Default)]
pub struct Seat(Option<(Running, Arc<Shared>)>);

/// All seats are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The policy that says so.
    pub rule: RuleId,
}

impl WorkerConcurrency {
    /// A seat for one more request to `port` of the workload `instance`, or of a host, by a policy of the configuration of
    /// that version.
    pub fn seat(
        &self,
        shared: &Arc<Shared>,
        version: u64,
        limiting: &Limiting<'_>,
        instance: Option<&WorkloadUid>,
        port: u16,
    ) -> Result<Seat, Taken> {
        let Some(settings) = &limiting.policy.adaptive_concurrency else { return Ok(Seat::default()) };
        let (settings, concurrency) = self.bound(&shared.concurrency, version, limiting, settings, (instance, port));
        match concurrency.begin(&settings, shared.concurrency.now(), random()) {
            Ok(running) => Ok(Seat(Some((running, Arc::clone(shared))))),
            Err(_) => Err(Taken { rule: settings.id.clone() }),
        }
    }

    /// Whether there would be none, as far as that is known without asking for it.
    pub fn is_full(
        &self,
        shared: &Shared,
        version: u64,
        limiting: &Limiting<'_>,
        instance: Option<&WorkloadUid>,
        port: u16,
    ) -> bool {
        let Some(settings) = &limiting.policy.adaptive_concurrency else { return false };
        let (settings, concurrency) = self.bound(&shared.concurrency, version, limiting, settings, (instance, port));
        concurrency.is_full(&settings, shared.concurrency.now())
    }

    fn bound(
        &self,
        shared: &Concurrencies,
        version: u64,
        limiting: &Limiting<'_>,
        settings: &Arc<AdaptiveConcurrency>,
        (instance, port): (Option<&WorkloadUid>, u16),
    ) -> Bound {
        let Limiting { policy, target } = *limiting;
        let place = (policy.id.clone(), target.clone(), instance.cloned(), port);
        let bind = || {
            let key = ConcurrencyKey {
                policy: (policy.namespace.clone(), policy.name.clone()),
                target: target.clone(),
                instance: instance.cloned(),
                port,
            };
            (Arc::clone(settings), shared.get(key, settings))
        };
        self.0.borrow_mut().of(version).entry(place).or_insert_with(bind).clone()
    }
}

// === impl Seat ===

impl Seat {
    /// The answer has begun, with that status of HTTP and, if its head says it, of gRPC. Whoever refuses or fails is not
    /// fast.
    pub fn answered(&mut self, status: u16, grpc_status: Option<u16>) {
        let Some((running, shared)) = self.0.take() else { return };
        if !is_failure(status, grpc_status) {
            running.answered(shared.concurrency.now());
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some((running, shared)) = self.0.take() {
            running.given_up(shared.concurrency.now());
        }
    }
}

// === impl Taken ===

impl Taken {
    /// The answer to whoever finds no seat.
    pub fn local() -> Local {
        Local::crowded()
    }
}

// === impl Outbound ===

impl Outbound {
    /// A seat for a request at where it goes, if nobody gives one there: at a host that no service declares, unless its
    /// waypoint does.
    pub(super) fn seat(&self, program: &Program, target: &Target, source: &Workload) -> Result<Seat, Taken> {
        let Target { callee: Some(callee @ Callee::Entry(entry)), backend, .. } = target else {
            return Ok(Seat::default());
        };
        if entry.waypoint.as_ref().is_some_and(|waypoint| waypoint.takes(source.kind)) {
            return Ok(Seat::default());
        }
        let port = backend.port.unwrap_or_default();
        let Some(limiting) = concurrency_of_entry(program, callee, port) else { return Ok(Seat::default()) };
        self.context.concurrency.seat(&self.context.shared, program.version(), &limiting, None, port)
    }
}
