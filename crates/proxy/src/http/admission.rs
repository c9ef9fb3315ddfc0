//! Whether a request is one too many at a gateway, at a waypoint, for its route, or for where it goes.
//!
//! Endpoints leave it to their waypoint to count what comes by it. So a waypoint counts a request for what was called, for
//! where its route leads, and for whatever else that it stands in front of has the endpoint that is picked: by none of its
//! names does anybody get around a limit.

use std::{mem::take, net::SocketAddr, sync::Arc};

use ripstop_decide::{
    Callee, Limiting, Program, Target, counts_for, limits_at_gateway, limits_at_waypoint, limits_behind,
    limits_of_route, stands_before,
};
use ripstop_model::{HttpRule, RuleId, SpiffeId, TrafficTarget, Workload};

use super::{
    global_limits::{Allowed, Pending, Subject, questions},
    head::Head,
    limits::{Asking, Exceeded},
    outbound::{Asked, Outbound},
    standpoint::Standpoint,
};
use crate::{backends::EndpointKey, worker::Context};

/// The limits that have counted a request at a waypoint. None does so twice. Elsewhere nothing is kept.
#[derive(Debug)]
pub(super) struct Counted {
    /// Where the request comes from.
    client: SocketAddr,
    /// Those of the proxy's own.
    by: Vec<Place>,
    /// Those that services count, as far as they have let it pass.
    asked: Vec<Place>,
    /// What limits of the endpoints tell that it was sent to.
    granted: Allowed,
}

/// A policy, and what it is attached to.
pub(super) type Place = (RuleId, TrafficTarget);

// === impl Counted ===

impl Counted {
    /// A request of that client, which nobody has counted yet.
    pub(super) fn of(client: SocketAddr) -> Self {
        Self { client, by: Vec::new(), asked: Vec::new(), granted: Allowed::default() }
    }

    /// Services have let it pass.
    pub(super) fn passed(&mut self, allowed: &mut Allowed) {
        self.asked.append(&mut allowed.take_places());
    }

    /// The same of those that count for an endpoint. What they tell holds for all that is sent of the request from now on.
    pub(super) fn passed_to_endpoint(&mut self, mut allowed: Allowed) {
        self.passed(&mut allowed);
        self.granted = take(&mut self.granted).and(allowed);
    }

    /// What limits of the endpoints tell that it was sent to.
    pub(super) fn granted(&self) -> &Allowed {
        &self.granted
    }
}

fn has(places: &[Place], limiting: &Limiting<'_>) -> bool {
    places.iter().any(|(policy, target)| *policy == limiting.policy.id && target == limiting.target)
}

fn place(limiting: &Limiting<'_>) -> Place {
    (limiting.policy.id.clone(), limiting.target.clone())
}

/// What is called, and in whose name services of limits are.
#[derive(Clone, Copy)]
struct Meant<'a> {
    own: &'a Arc<Workload>,
    workload: Option<&'a Workload>,
    host: Option<&'a str>,
}

// === impl Outbound ===

impl Outbound {
    /// Whether a request is one too many for the gateway, for what the waypoint stands in front of, or for the route that
    /// it takes, which leads to `target`; what its client is told of the limits that it met.
    pub(super) fn admit(
        &self,
        program: &Arc<Program>,
        called: Option<&Callee>,
        asked: &Asked<'_>,
        (rule, target): (Option<&HttpRule>, Option<&Target>),
        counted: &mut Counted,
    ) -> Result<Pending, Exceeded> {
        let of_route = rule.and_then(|rule| limits_of_route(program, rule));
        let own;
        let (limiting, peer) = match &self.standpoint {
            Standpoint::Node if of_route.is_none() => return Ok(Pending::default()),
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
        let host = called.and_then(Callee::key).map(|key| key.hostname);
        let meant = Meant {
            own: asked.source,
            workload: None,
            host: host.as_deref().or(target.map(|target| &*target.backend.host)),
        };
        self.count(program, &limiting, peer, asked.head, meant, counted)
    }

    /// Whether a request is one too many for where it goes, if nobody counts it there: for a host that no service declares,
    /// and, at a waypoint, for what that stands in front of.
    pub(super) fn admit_to(
        &self,
        program: &Arc<Program>,
        target: Option<&Target>,
        source: &Arc<Workload>,
        head: &Head,
        counted: &mut Counted,
    ) -> Result<Pending, Exceeded> {
        let Some(Target { callee: Some(callee), backend, .. }) = target else { return Ok(Pending::default()) };
        let counts = match callee {
            Callee::Entry(entry) => !entry.waypoint.as_ref().is_some_and(|waypoint| waypoint.takes(source.kind)),
            Callee::Service(_) => stands_before(source, callee),
            // Its limits are those of services.
            Callee::Workload(_) => false,
        };
        if !counts {
            return Ok(Pending::default());
        }
        let Some(limiting) = limits_at_waypoint(program, callee, backend.port.unwrap_or_default()) else {
            return Ok(Pending::default());
        };
        let own;
        let peer = match &self.standpoint {
            Standpoint::Waypoint(crossing) => Some(&crossing.peer),
            Standpoint::Node | Standpoint::Gateway(_) => {
                own = source.identity().ok();
                own.as_ref()
            }
        };
        let meant = Meant { own: source, workload: None, host: Some(&backend.host) };
        self.count(program, &[limiting], peer, head, meant, counted)
    }

    /// Whether a request is one too many for the endpoint that it goes to, as far as that leaves it to this waypoint.
    pub(super) fn admit_at(
        &self,
        endpoint: &EndpointKey,
        head: &Head,
        counted: &mut Counted,
    ) -> Result<Pending, Exceeded> {
        let (Standpoint::Waypoint(crossing), Some(workload)) = (&self.standpoint, endpoint.workload()) else {
            return Ok(Pending::default());
        };
        let program = &*self.context.shared.snapshot.load();
        let Some(own) = self.workload.in_snapshot(program) else { return Ok(Pending::default()) };
        let workload = program.workload(&workload.uid).unwrap_or(workload);
        let limiting = limits_behind(program, own, workload, endpoint.address().port());
        let meant = Meant { own, workload: Some(workload), host: None };
        self.count(program, &limiting, Some(&crossing.peer), head, meant, counted)
    }

    fn count(
        &self,
        program: &Arc<Program>,
        limiting: &[Limiting<'_>],
        peer: Option<&SpiffeId>,
        head: &Head,
        meant: Meant<'_>,
        counted: &mut Counted,
    ) -> Result<Pending, Exceeded> {
        if limiting.is_empty() {
            return Ok(Pending::default());
        }
        let asking = Asking { head, peer, source: counted.client };
        let Context { shared, limits, .. } = &*self.context;
        let admit =
            |limiting: &[Limiting<'_>]| limits.admit(&shared.rate_limits, program.version(), limiting, None, &asking);
        let Meant { own, workload, host: service } = meant;
        let subject = Subject { asking, own, workload, service, called: self.destination };
        if !matches!(self.standpoint, Standpoint::Waypoint(_)) {
            let quota = admit(limiting)?;
            return Ok(Pending::new(quota, questions(&self.context, program, limiting, &subject)));
        }
        let new: Vec<Limiting<'_>> = limiting.iter().filter(|limiting| !has(&counted.by, limiting)).copied().collect();
        let quota = admit(&new)?;
        counted.by.extend(new.iter().map(place));
        // Who was refused, or left, before a service said anything has to ask it again.
        let is_open =
            |limiting: &&Limiting<'_>| !limiting.policy.global_rate_limits.is_empty() && !has(&counted.asked, limiting);
        let open: Vec<Limiting<'_>> = limiting.iter().filter(is_open).copied().collect();
        let pending = Pending::new(quota, questions(&self.context, program, &open, &subject));
        Ok(pending.noting(open.iter().map(place).collect()))
    }
}
