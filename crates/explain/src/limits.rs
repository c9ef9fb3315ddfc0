//! Limits that a request meets, told.

use ripstop_decide::{
    Callee, Connecting, Limiting, Outcome, Reached, RuleList, concurrency_at_workload, connections_at_gateway,
    connections_at_waypoint, connections_at_workload, connections_behind, connections_of_entry, limits_at_gateway,
    limits_at_waypoint, limits_at_workload, limits_behind, limits_of_route, stands_before,
};
use ripstop_model::{ConnectionLimit, HttpRule, RateLimit};

use crate::{
    World,
    attempt::{Attempt, Request},
    course::Course,
    endpoints::Who,
    explain::Asked,
    place::Place,
    route::acting,
};

// === impl Asked ===

impl Asked<'_> {
    /// What may refuse a request at the gateway, and on its way to hosts that no service declares, though policies let
    /// it in.
    pub(crate) fn limits(&self, course: &Course) -> Vec<String> {
        let mut told = self.connections(course);
        let Some(request) = &self.request else { return told };
        let (world, program) = (self.world, &self.world.program);
        let served = self.place.served(&self.destination, program, &self.caller);
        if let (Some(callee), Place::Waypoint(Some(proxy))) = (&served, &self.place) {
            let limiting = limits_at_waypoint(program, callee, self.destination.port);
            told.extend(limiting.iter().flat_map(|limiting| tell(world, limiting, request, &proxy.told)));
        } else if let Some(proxy) = self.place.proxy() {
            let sni = Some(self.question.sni.as_str()).filter(|sni| !sni.is_empty());
            let own = &proxy.workload;
            let reached = Reached { port: self.destination.port, address: self.destination.address };
            let limiting = limits_at_gateway(program, own, reached, sni, &request.authority);
            told.extend(limiting.iter().flat_map(|limiting| tell(world, limiting, request, &proxy.told)));
        }
        if let Some(rule) = course.verdict.as_ref().and_then(|verdict| route_for_requests(&verdict.outcome)) {
            let limiting = limits_of_route(program, rule);
            let at = match self.place.proxy() {
                Some(proxy) => proxy.told.clone(),
                None => "the caller's proxy".into(),
            };
            told.extend(limiting.iter().flat_map(|limiting| tell(world, limiting, request, &at)));
        }
        if let Some(Outcome::Forward { backends, .. }) = course.verdict.as_ref().map(|verdict| &verdict.outcome) {
            for target in backends {
                let Some(callee) = &target.callee else { continue };
                let kind = self.place.kind(&self.caller);
                let port = target.backend.port.unwrap_or_default();
                // They are counted where it is passed on to, or were where it came; endpoints count by themselves what
                // comes by no waypoint of theirs.
                let counts = match (callee, &self.place) {
                    (Callee::Entry(entry), _) => !entry.waypoint.as_ref().is_some_and(|waypoint| waypoint.takes(kind)),
                    (Callee::Service(_), Place::Waypoint(Some(proxy))) => stands_before(&proxy.workload, callee),
                    (Callee::Service(_) | Callee::Workload(_), _) => false,
                };
                let limiting = limits_at_waypoint(program, callee, port).filter(|_| counts);
                let counted =
                    served.as_ref().and_then(|served| limits_at_waypoint(program, served, self.destination.port));
                let is_new = |limiting: &&Limiting<'_>| {
                    !counted.is_some_and(|counted| std::ptr::eq(counted.target, limiting.target))
                };
                let limiting = limiting.as_ref().filter(is_new);
                let at = format!("the proxy that calls {}", target.backend.host);
                told.extend(limiting.iter().flat_map(|limiting| tell(world, limiting, request, &at)));
            }
        }
        told.extend(self.limits_behind(course, request));
        told
    }

    /// Limits of whatever else the waypoint stands in front of that endpoints have, which leave it to it to count.
    fn limits_behind(&self, course: &Course, request: &Request) -> Vec<String> {
        let (Place::Waypoint(Some(proxy)), program) = (&self.place, &self.world.program) else { return Vec::new() };
        let served = self.place.served(&self.destination, program, &self.caller);
        let mut counted: Vec<Limiting<'_>> =
            served.and_then(|served| limits_at_waypoint(program, &served, self.destination.port)).into_iter().collect();
        if let Some(Outcome::Forward { backends, .. }) = course.verdict.as_ref().map(|verdict| &verdict.outcome) {
            let callees = backends.iter().filter_map(|target| Some((target.callee.as_ref()?, target.backend.port?)));
            counted.extend(callees.filter_map(|(callee, port)| limits_at_waypoint(program, callee, port)));
        }
        let mut told = Vec::new();
        for endpoint in &course.found {
            let Who::Workload(workload) = &endpoint.who else { continue };
            for limiting in limits_behind(program, &proxy.workload, workload, endpoint.port) {
                if counted.iter().any(|counted| std::ptr::eq(counted.target, limiting.target)) {
                    continue;
                }
                counted.push(limiting);
                told.extend(tell(self.world, &limiting, request, &proxy.told));
            }
        }
        told
    }

    /// The same of connections.
    fn connections(&self, course: &Course) -> Vec<String> {
        let (world, program) = (self.world, &self.world.program);
        let port = self.destination.port;
        let mut told = Vec::new();
        match &self.place {
            Place::Waypoint(Some(proxy)) => {
                let called = self.place.served(&self.destination, program, &self.caller);
                let called = called.filter(|callee| self.request.is_some() && matches!(callee, Callee::Service(_)));
                let mut found: Vec<Connecting<'_>> =
                    called.iter().flat_map(|callee| connections_at_waypoint(program, callee, port)).collect();
                for endpoint in &course.found {
                    let Who::Workload(workload) = &endpoint.who else { continue };
                    found.extend(connections_behind(program, &proxy.workload, workload, endpoint.port));
                }
                for line in found.iter().flat_map(|found| tell_connections(world, found, &proxy.told)) {
                    if !told.contains(&line) {
                        told.push(line);
                    }
                }
            }
            place => {
                if let Some(proxy) = place.proxy() {
                    let sni = Some(self.question.sni.as_str()).filter(|sni| !sni.is_empty());
                    let reached = Reached { port, address: self.destination.address };
                    let found = connections_at_gateway(program, &proxy.workload, reached, sni);
                    told.extend(found.iter().flat_map(|found| tell_connections(world, found, &proxy.told)));
                }
            }
        }
        // Of what carries requests, those count.
        if self.request.is_some() {
            return told;
        }
        let Some(Outcome::Forward { backends, .. }) = course.verdict.as_ref().map(|verdict| &verdict.outcome) else {
            return told;
        };
        let kind = self.place.kind(&self.caller);
        for target in backends {
            let Some(Callee::Entry(entry)) = &target.callee else { continue };
            if entry.waypoint.as_ref().is_some_and(|waypoint| waypoint.takes(kind)) {
                continue;
            }
            let found = connections_of_entry(program, entry, target.backend.port.unwrap_or_default());
            let at = format!("the proxy that calls {}", target.backend.host);
            told.extend(found.iter().flat_map(|found| tell_connections(world, found, &at)));
        }
        told
    }
}

/// The rule for requests that acts.
pub(crate) fn route_for_requests(outcome: &Outcome) -> Option<&HttpRule> {
    let acting = acting(outcome).filter(|acting| acting.list == RuleList::Http)?;
    acting.table.http.get(acting.index)
}

/// The same at a workload, if its proxy reads requests.
pub(crate) fn at_callee(world: &World, attempt: &Attempt) -> Vec<String> {
    let (callee, peer) = (&attempt.destination, attempt.peer.as_ref());
    let at = format!("{}/{}", callee.namespace, callee.workload_name);
    let found = connections_at_workload(&world.program, callee, attempt.port, peer, attempt.source);
    let mut told: Vec<String> = found.iter().flat_map(|found| tell_connections(world, found, &at)).collect();
    let Some(request) = &attempt.request else { return told };
    let limiting = limits_at_workload(&world.program, callee, attempt.port, peer, attempt.source);
    told.extend(limiting.iter().flat_map(|limiting| tell(world, limiting, request, &at)));
    let adapts = concurrency_at_workload(&world.program, callee, attempt.port);
    told.extend(adapts.and_then(|found| tell_concurrency(world, &found, &at)));
    told
}

/// How many requests an instance gets.
fn tell_concurrency(world: &World, found: &Limiting<'_>, at: &str) -> Option<String> {
    let own = found.policy.adaptive_concurrency.as_ref()?;
    Some(format!("at {at} what is more than it takes is refused with 503: {own} ({})", world.place(&own.id)))
}

/// Limits that count the connection.
fn tell_connections(world: &World, found: &Connecting<'_>, at: &str) -> Vec<String> {
    let line = |limit: &std::sync::Arc<ConnectionLimit>| {
        let what = if limit.dry_run { "on trial would refuse" } else { "refuses" };
        format!("at {at} a limit {what} what is more than {limit} ({})", world.place(&limit.id))
    };
    found.limits.iter().map(line).collect()
}

/// Limits that count the request.
fn tell(world: &World, limiting: &Limiting<'_>, request: &Request, at: &str) -> Vec<String> {
    let counts = |limit: &&std::sync::Arc<RateLimit>| {
        request.with_facts(|facts| limit.allowance.requests.is_met(facts.method, facts.path, |name| facts.header(name)))
    };
    let limits = limiting.policy.rate_limits.iter().filter(counts);
    let global = limiting.policy.global_rate_limits.iter().filter(|limit| {
        request.with_facts(|facts| limit.requests.is_met(facts.method, facts.path, |name| facts.header(name)))
    });
    let global = global.map(|limit| {
        let what = match (limit.dry_run, limit.status) {
            (true, status) => format!("on trial would refuse with {status}"),
            (false, status) => format!("refuses with {status}"),
        };
        format!("at {at} a limit {what} what is one too many of {limit} ({})", world.place(&limit.id))
    });
    limits
        .map(|limit| {
            let what = match (limit.dry_run, limit.status) {
                (true, status) => format!("on trial would refuse with {status}"),
                (false, status) => format!("refuses with {status}"),
            };
            format!("at {at} a limit {what} what is more than {} ({})", limit.allowance, world.place(&limit.id))
        })
        .chain(global)
        .collect()
}
