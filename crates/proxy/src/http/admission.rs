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

/// A request that the proxy's own limits have let pass, and of which services are yet to be asked.
#[derive(Default)]
#[must_use = "services have yet to be asked"]
pub(super) struct Unasked<'p> {
    quota: Option<Quota>,
    /// What those count.
    limiting: Vec<Limiting<'p>>,
    /// Where it is noted, at a waypoint.
    places: Vec<Place>,
    /// Who sends it.
    peer: Option<SpiffeId>,
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
    /// it takes, as far as the proxy itself counts; what services are asked then.
    pub(super) fn admit<'p>(
        &self,
        program: &'p Arc<Program>,
        called: Option<&Callee>,
        asked: &Asked<'_>,
        rule: Option<&HttpRule>,
        counted: &mut Counted,
    ) -> Result<Unasked<'p>, Exceeded> {
        let of_route = rule.and_then(|rule| limits_of_route(program, rule));
        let (limiting, peer) = match &self.standpoint {
            Standpoint::Node if of_route.is_none() => return Ok(Unasked::default()),
            Standpoint::Node => (None, asked.source.identity().ok()),
            Standpoint::Gateway(entrance) => {
                let name = entrance.server_name.as_deref();
                let limiting = limits_at_gateway(program, asked.source, entrance.reached, name, asked.head.authority());
                (limiting, entrance.peer.clone())
            }
            Standpoint::Waypoint(crossing) => {
                let called = called.filter(|called| counts_for(asked.source, called));
                let limiting = called.and_then(|called| limits_at_waypoint(program, called, self.destination.port()));
                (limiting, Some(crossing.peer.clone()))
            }
        };
        let limiting: Vec<_> = limiting.into_iter().chain(of_route).collect();
        self.take(program, limiting, peer, asked.head, counted)
    }

    /// What services say of a request that the proxy's own limits have let pass, and that was called so or goes to `target`.
    pub(super) fn ask(
        &self,
        program: &Arc<Program>,
        unasked: Unasked<'_>,
        (called, target): (Option<&Callee>, Option<&Target>),
        asked: &Asked<'_>,
        counted: &Counted,
    ) -> Pending {
        if unasked.limiting.is_empty() {
            return Pending::new(unasked.quota, Vec::new());
        }
        let host = called.and_then(Callee::key).map(|key| key.hostname);
        let host = host.as_deref().or(target.map(|target| &*target.backend.host));
        self.questions(program, unasked, asked.head, Meant { own: asked.source, workload: None, host }, counted)
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
        let peer = match &self.standpoint {
            Standpoint::Waypoint(crossing) => Some(crossing.peer.clone()),
            Standpoint::Node | Standpoint::Gateway(_) => source.identity().ok(),
        };
        let meant = Meant { own: source, workload: None, host: Some(&backend.host) };
        let unasked = self.take(program, vec![limiting], peer, head, counted)?;
        Ok(self.questions(program, unasked, head, meant, counted))
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
        let unasked = self.take(program, limiting, Some(crossing.peer.clone()), head, counted)?;
        Ok(self.questions(program, unasked, head, meant, counted))
    }

    /// Counts a request by the proxy's own limits.
    fn take<'p>(
        &self,
        program: &'p Arc<Program>,
        limiting: Vec<Limiting<'p>>,
        peer: Option<SpiffeId>,
        head: &Head,
        counted: &mut Counted,
    ) -> Result<Unasked<'p>, Exceeded> {
        if limiting.is_empty() {
            return Ok(Unasked::default());
        }
        let asking = Asking { head, peer: peer.as_ref(), source: counted.client };
        let Context { shared, limits, .. } = &*self.context;
        let admit =
            |limiting: &[Limiting<'_>]| limits.admit(&shared.rate_limits, program.version(), limiting, None, &asking);
        if !matches!(self.standpoint, Standpoint::Waypoint(_)) {
            let quota = admit(&limiting)?;
            return Ok(Unasked { quota, limiting, places: Vec::new(), peer });
        }
        let new: Vec<Limiting<'_>> = limiting.iter().filter(|limiting| !has(&counted.by, limiting)).copied().collect();
        let quota = admit(&new)?;
        counted.by.extend(new.iter().map(place));
        // Who was refused, or left, before a service said anything has to ask it again.
        let is_open =
            |limiting: &&Limiting<'_>| !limiting.policy.global_rate_limits.is_empty() && !has(&counted.asked, limiting);
        let open: Vec<Limiting<'p>> = limiting.iter().filter(is_open).copied().collect();
        let places = open.iter().map(place).collect();
        Ok(Unasked { quota, limiting: open, places, peer })
    }

    /// What services are asked about it.
    fn questions(
        &self,
        program: &Arc<Program>,
        unasked: Unasked<'_>,
        head: &Head,
        meant: Meant<'_>,
        counted: &Counted,
    ) -> Pending {
        let Unasked { quota, limiting, places, peer } = unasked;
        if limiting.is_empty() {
            return Pending::new(quota, Vec::new());
        }
        let asking = Asking { head, peer: peer.as_ref(), source: counted.client };
        let Meant { own, workload, host: service } = meant;
        let subject = Subject { asking, own, workload, service, called: self.destination };
        Pending::new(quota, questions(&self.context, program, &limiting, &subject)).noting(places)
    }
}
