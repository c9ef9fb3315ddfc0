//! What a connection of requests counts for at a waypoint.
//!
//! It counts for what was called, and for every service behind the same waypoint whose endpoints its requests get to: those
//! leave it to the waypoint to count what comes by it, whatever name led there. For none it counts twice.

use std::cell::RefCell;

use ripstop_decide::{Callee, Connecting, Program, connections_at_waypoint, connections_behind, counts_for};
use ripstop_model::{ObjectName, RuleId, TrafficTarget, Workload};

use super::{outbound::Outbound, standpoint::Standpoint};
use crate::{
    backends::EndpointKey,
    connection_limits::{Admitted, Caller, ConnectionLimits},
    error::Error,
};

/// What a connection takes of limits, until it ends.
#[derive(Debug, Default)]
pub struct Connected(RefCell<Vec<(Key, Admitted)>>);

/// Limits of one kind of a policy at one of its targets, whatever the policy says by now.
type Key = (ObjectName, TrafficTarget, Counts);

/// What limits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counts {
    /// Connections that begin.
    New,
    /// Those that are open.
    Open,
}

// === impl Connected ===

impl Connected {
    /// Counts the connection by those of the limits that have not counted it yet; why there are too many.
    pub fn count(&self, limits: &ConnectionLimits, found: &[Connecting<'_>], caller: Caller<'_>) -> Result<(), Error> {
        for connecting in found {
            let key = key(connecting);
            if self.0.borrow().iter().any(|(counted, _)| *counted == key) {
                continue;
            }
            let admitted = limits.admit(std::slice::from_ref(connecting), None, caller)?;
            self.0.borrow_mut().push((key, admitted));
        }
        Ok(())
    }
}

fn key(Connecting { policy, target, limits }: &Connecting<'_>) -> Key {
    let counts = if std::ptr::eq(*limits, policy.connection_rates.as_slice()) { Counts::New } else { Counts::Open };
    ((policy.namespace.clone(), policy.name.clone()), (*target).clone(), counts)
}

/// The limits of connections of requests for `called`, as far as the waypoint `own` counts these.
pub fn limits_of<'p>(program: &'p Program, own: &Workload, called: Option<&Callee>, port: u16) -> Vec<Connecting<'p>> {
    match called {
        Some(callee @ Callee::Service(_)) if counts_for(own, callee) => connections_at_waypoint(program, callee, port),
        // Whoever calls a declared host counts, as everywhere.
        _ => Vec::new(),
    }
}

// === impl Outbound ===

impl Outbound {
    /// Counts the connection for the endpoint that a request goes to, as far as that leaves it to this waypoint; the limit that
    /// has no room.
    pub(super) fn connect_at(&self, endpoint: &EndpointKey) -> Result<(), Option<RuleId>> {
        let (Standpoint::Waypoint(crossing), Some(workload)) = (&self.standpoint, endpoint.workload()) else {
            return Ok(());
        };
        let shared = &self.context.shared;
        let program = &*shared.snapshot.load();
        if program.traffic().policies.is_empty() {
            return Ok(());
        }
        let Some(own) = self.workload.in_snapshot(program) else { return Ok(()) };
        let workload = program.workload(&workload.uid).unwrap_or(workload);
        // Who might ask for nothing when it came was not counted then.
        let called = self.standpoint.called(program, self.destination);
        let mut found = limits_of(program, own, called.as_ref(), self.destination.port());
        found.extend(connections_behind(program, own, workload, endpoint.address().port()));
        let caller = Caller { peer: Some(&crossing.peer), source: self.peer };
        self.connected.count(&shared.connection_limits, &found, caller).map_err(|error| {
            tracing::debug!(%error, "a connection may not get to an endpoint");
            error.policy().cloned()
        })
    }
}
