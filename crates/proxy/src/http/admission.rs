//! Whether a request is one too many at a gateway, at a waypoint, for its route, or for where it goes.
//!
//! Endpoints leave it to their waypoint to count what comes by it. So a waypoint counts a request for what was called, for
//! where its route leads, and for whatever else that it stands in front of has the endpoint that is picked: by none of its
//! names does anybody get around a limit.

use std::net::SocketAddr;

use ripstop_decide::{
    Callee, Limiting, Program, Target, counts_for, limits_at_gateway, limits_at_waypoint, limits_behind,
    limits_of_route, stands_before,
};
use ripstop_model::{HttpRule, RuleId, SpiffeId, TrafficTarget, Workload};

use super::{
    head::Head,
    limits::{Asking, Exceeded, Quota},
    outbound::{Asked, Outbound},
    standpoint::Standpoint,
};
use crate::{backends::EndpointKey, worker::Context};

/// The limits that have counted a request at a waypoint. None does so twice. Elsewhere nothing is kept.
#[derive(Debug)]
pub(super) struct Counted {
    /// Where the request comes from.
    client: SocketAddr,
    by: Vec<(RuleId, TrafficTarget)>,
}

// === impl Counted ===

impl Counted {
    /// A request of that client, which nobody has counted yet.
    pub(super) fn of(client: SocketAddr) -> Self {
        Self { client, by: Vec::new() }
    }

    fn has(&self, limiting: &Limiting<'_>) -> bool {
        self.by.iter().any(|(policy, target)| *policy == limiting.policy.id && target == limiting.target)
    }

    fn note(&mut self, limiting: &[Limiting<'_>]) {
        self.by.extend(limiting.iter().map(|limiting| (limiting.policy.id.clone(), limiting.target.clone())));
    }
}

// === impl Outbound ===

impl Outbound {
    /// Whether a request is one too many for the gateway, for what the waypoint stands in front of, or for the route that
    /// it takes; what its client is told of the limits that it met.
    pub(super) fn admit(
        &self,
        program: &Program,
        called: Option<&Callee>,
        asked: &Asked<'_>,
        rule: Option<&HttpRule>,
        counted: &mut Counted,
    ) -> Result<Option<Quota>, Exceeded> {
        let of_route = rule.and_then(|rule| limits_of_route(program, rule));
        let own;
        let (limiting, peer) = match &self.standpoint {
            Standpoint::Node if of_route.is_none() => return Ok(None),
            Standpoint::Node => {
                own = asked.source.identity().ok();
                (None, own.as_ref())
            }
            Standpoint::Gateway(entrance) => {
                let name = entrance.server_name.as_deref();
                let limiting = limits_at_gateway(program, asked.source, entrance.reached, name, asked.head.authority());
                (limiting, entrance.peer.as_ref())
            }
            Standpoint::Waypoint(crossing) => {
                let called = called.filter(|called| counts_for(asked.source, called));
                let limiting = called.and_then(|called| limits_at_waypoint(program, called, self.destination.port()));
                (limiting, Some(&crossing.peer))
            }
        };
        let limiting: Vec<_> = limiting.into_iter().chain(of_route).collect();
        self.count(program, &limiting, peer, asked.head, counted)
    }

    /// Whether a request is one too many for where it goes, if nobody counts it there: for a host that no service declares,
    /// and, at a waypoint, for what that stands in front of.
    pub(super) fn admit_to(
        &self,
        program: &Program,
        target: Option<&Target>,
        source: &Workload,
        head: &Head,
        counted: &mut Counted,
    ) -> Result<Option<Quota>, Exceeded> {
        let Some(Target { callee: Some(callee), backend, .. }) = target else { return Ok(None) };
        let counts = match callee {
            Callee::Entry(entry) => !entry.waypoint.as_ref().is_some_and(|waypoint| waypoint.takes(source.kind)),
            Callee::Service(_) => stands_before(source, callee),
        };
        if !counts {
            return Ok(None);
        }
        let Some(limiting) = limits_at_waypoint(program, callee, backend.port.unwrap_or_default()) else {
            return Ok(None);
        };
        let own;
        let peer = match &self.standpoint {
            Standpoint::Waypoint(crossing) => Some(&crossing.peer),
            Standpoint::Node | Standpoint::Gateway(_) => {
                own = source.identity().ok();
                own.as_ref()
            }
        };
        self.count(program, &[limiting], peer, head, counted)
    }

    /// Whether a request is one too many for the endpoint that it goes to, as far as that leaves it to this waypoint.
    pub(super) fn admit_at(
        &self,
        endpoint: &EndpointKey,
        head: &Head,
        counted: &mut Counted,
    ) -> Result<Option<Quota>, Exceeded> {
        let (Standpoint::Waypoint(crossing), Some(workload)) = (&self.standpoint, endpoint.workload()) else {
            return Ok(None);
        };
        let program = &*self.context.shared.snapshot.load();
        let Some(own) = self.workload.in_snapshot(program) else { return Ok(None) };
        let workload = program.workload(&workload.uid).unwrap_or(workload);
        let limiting = limits_behind(program, own, workload, endpoint.address().port());
        self.count(program, &limiting, Some(&crossing.peer), head, counted)
    }

    fn count(
        &self,
        program: &Program,
        limiting: &[Limiting<'_>],
        peer: Option<&SpiffeId>,
        head: &Head,
        counted: &mut Counted,
    ) -> Result<Option<Quota>, Exceeded> {
        if limiting.is_empty() {
            return Ok(None);
        }
        let asking = Asking { head, peer, source: counted.client };
        let Context { shared, limits, .. } = &*self.context;
        let admit =
            |limiting: &[Limiting<'_>]| limits.admit(&shared.rate_limits, program.version(), limiting, None, &asking);
        if !matches!(self.standpoint, Standpoint::Waypoint(_)) {
            return admit(limiting);
        }
        let new: Vec<Limiting<'_>> = limiting.iter().filter(|limiting| !counted.has(limiting)).copied().collect();
        let quota = admit(&new)?;
        counted.note(&new);
        Ok(quota)
    }
}
