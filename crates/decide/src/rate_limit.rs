//! Which limits of requests act where, by `TrafficPolicy`.

use std::{net::IpAddr, sync::Arc};

use ripstop_model::{
    Admission, AppProtocol, HostEntry, HttpRule, ObjectName, ProcessKind, Server, Service, SpiffeId, TrafficPolicy,
    TrafficTarget, TrafficTargetKind, Workload,
};

use crate::{
    Content, attached,
    call::{Callee, Reached, Speaks, listening_at, stands_at, without_port},
    concurrency::concurrency_at_workload,
    program::Program,
};

/// Limits that act at one place.
#[derive(Clone, Copy, Debug)]
pub struct Limiting<'p> {
    /// The policy that has them.
    pub policy: &'p Arc<TrafficPolicy>,
    /// What it is attached to there; each counts for itself.
    pub target: &'p TrafficTarget,
}

/// The limits of requests that `peer`, at the address `source`, sends to `port` of a workload: those of each service of
/// that port. Of several policies for one, that for its port acts, else that for all of it; of several of those, the oldest.
///
/// What comes by a waypoint was counted there for the services that it stands in front of. Whoever goes past it, to the
/// workload's own address, is counted here.
pub fn limits_at_workload<'p>(
    program: &'p Program,
    workload: &Workload,
    port: u16,
    peer: Option<&SpiffeId>,
    source: Option<IpAddr>,
) -> Vec<Limiting<'p>> {
    at_workload(program, workload, port, peer, source, limits_requests)
}

/// The same of policies with what they `has`.
pub(crate) fn at_workload<'p>(
    program: &'p Program,
    workload: &Workload,
    port: u16,
    peer: Option<&SpiffeId>,
    source: Option<IpAddr>,
    has: fn(&TrafficPolicy) -> bool,
) -> Vec<Limiting<'p>> {
    of_services(program, workload, port, |service| !is_counted(program, service, peer, source), has)
}

/// The limits of requests to `port` of a workload that this leaves to the waypoint `own`: those of the services of that port
/// that it stands in front of, whatever was called there, a service of the same workloads or a host that leads to them.
pub fn limits_behind<'p>(program: &'p Program, own: &Workload, workload: &Workload, port: u16) -> Vec<Limiting<'p>> {
    behind(program, own, workload, port, limits_requests)
}

/// The same of policies with what they `has`.
pub(crate) fn behind<'p>(
    program: &'p Program,
    own: &Workload,
    workload: &Workload,
    port: u16,
    has: fn(&TrafficPolicy) -> bool,
) -> Vec<Limiting<'p>> {
    if own.kind != ProcessKind::Waypoint {
        return Vec::new();
    }
    of_services(program, workload, port, |service| stands_at(own, service.waypoint.as_ref()), has)
}

/// The policies with what they `has` of those services of a workload's port that it `counts` for.
pub(crate) fn of_services<'p>(
    program: &'p Program,
    workload: &Workload,
    port: u16,
    counts: impl Fn(&Service) -> bool,
    has: fn(&TrafficPolicy) -> bool,
) -> Vec<Limiting<'p>> {
    if program.traffic().policies.is_empty() {
        return Vec::new();
    }
    let mut found: Vec<Limiting<'p>> = Vec::new();
    for (key, mappings) in &workload.services {
        let Some(service) = program.service(key).filter(|service| counts(service)) else { continue };
        let name = (key.namespace.clone(), service.name.clone());
        for mapping in mappings.iter().filter(|mapping| mapping.target_port == port) {
            let Some(port) = service.ports.iter().find(|port| port.port == mapping.service_port) else { continue };
            let Some(limiting) = acting(program, TrafficTargetKind::Service, &name, &port.name, has) else { continue };
            // Two ports of a service may lead to one of the workload.
            if !found.iter().any(|other| std::ptr::eq(other.target, limiting.target)) {
                found.push(limiting);
            }
        }
    }
    found
}

/// Whether what `peer` sends to a service was counted by its waypoint: `peer` is that, and calls from the address of an
/// instance of it. An account alone is none: others may have the same.
fn is_counted(program: &Program, service: &Service, peer: Option<&SpiffeId>, source: Option<IpAddr>) -> bool {
    let waypoint = service.waypoint.as_ref().filter(|waypoint| waypoint.admission == Admission::Admitted);
    let (Some(waypoint), Some(peer), Some(source)) = (waypoint, peer, source) else { return false };
    let is_peer = |instance: &Workload| {
        instance.addresses.contains(&source.to_canonical())
            && instance.identity().is_ok_and(|identity| identity == *peer)
    };
    let mut instances = waypoint.services().flat_map(|service| program.endpoints(service));
    instances.any(|instance| instance.kind == ProcessKind::Waypoint && is_peer(instance))
}

/// The limits of requests to `port` of what a waypoint stands in front of: whoever calls it is counted there.
pub fn limits_at_waypoint<'p>(program: &'p Program, callee: &Callee, port: u16) -> Option<Limiting<'p>> {
    at_callee(program, callee, port, limits_requests)
}

/// The same of policies with what they `has`.
pub(crate) fn at_callee<'p>(
    program: &'p Program,
    callee: &Callee,
    port: u16,
    has: fn(&TrafficPolicy) -> bool,
) -> Option<Limiting<'p>> {
    if program.traffic().policies.is_empty() {
        return None;
    }
    match callee {
        Callee::Entry(entry) => {
            let name = entry.ports.iter().find(|declared| declared.port == port).map_or("", |declared| &*declared.name);
            acting(program, TrafficTargetKind::Entry, &entry.object, name, has)
        }
        Callee::Service(service) => {
            let port = service.ports.iter().find(|declared| declared.port == port)?;
            let name = (service.key.namespace.clone(), service.name.clone());
            acting(program, TrafficTargetKind::Service, &name, &port.name, has)
        }
        Callee::Workload(_) => None,
    }
}

/// The limits of requests that callers send to a host that no service declares.
pub fn limits_of_entry<'p>(program: &'p Program, entry: &HostEntry, port: u16) -> Option<Limiting<'p>> {
    if program.traffic().policies.is_empty() {
        return None;
    }
    let name = entry.ports.iter().find(|declared| declared.port == port).map_or("", |declared| &*declared.name);
    acting(program, TrafficTargetKind::Entry, &entry.object, name, limits_requests)
}

/// The limits of requests that take a route, wherever that is: at their caller's node, at a waypoint or a gateway.
pub fn limits_of_route<'p>(program: &'p Program, rule: &HttpRule) -> Option<Limiting<'p>> {
    let (policy, target) = attached::acting_for_route(program, rule, limits_requests)?;
    Some(Limiting { policy, target })
}

/// The policy that says how many of the requests that take a route may be retries.
pub fn retry_budget_of_route<'p>(program: &'p Program, rule: &HttpRule) -> Option<Limiting<'p>> {
    let (policy, target) = attached::acting_for_route(program, rule, |policy| policy.retry_budget.is_some())?;
    Some(Limiting { policy, target })
}

/// The policy whose limits can be kept only if whoever calls `port` of `callee` is read, where callers are counted for it;
/// nothing: there is none, or nobody has said that the port speaks HTTP.
pub fn limits_of_unread_call<'p>(program: &'p Program, callee: &Callee, port: u16) -> Option<&'p TrafficPolicy> {
    let limiting = limits_at_waypoint(program, callee, port)?;
    let is_read = match callee {
        Callee::Service(service) => service.ports.iter().any(|own| own.port == port && is_http(own.protocol)),
        Callee::Entry(entry) => entry.ports.iter().any(|own| own.port == port && is_http(own.protocol)),
        Callee::Workload(_) => false,
    };
    is_read.then(|| &**limiting.policy)
}

/// The limits of requests that come to the gateway that is `own`, by a connection of that server name, if it
/// is one of TLS, and for that authority.
pub fn limits_at_gateway<'p>(
    program: &'p Program,
    own: &Workload,
    reached: impl Into<Reached>,
    server_name: Option<&str>,
    authority: &str,
) -> Option<Limiting<'p>> {
    at_gateway(program, own, reached.into(), server_name, Some(authority), limits_requests)
}

/// The same of policies with what they `has`; without authority, before there are requests.
pub(crate) fn at_gateway<'p>(
    program: &'p Program,
    own: &Workload,
    reached: Reached,
    server_name: Option<&str>,
    authority: Option<&str>,
    has: fn(&TrafficPolicy) -> bool,
) -> Option<Limiting<'p>> {
    if program.traffic().policies.is_empty() {
        return None;
    }
    let arrival = listening_at(program, &own.labels, reached)?;
    let host = authority.map(|authority| without_port(authority).to_ascii_lowercase());
    let name = if arrival.speaks() == Speaks::Http { host.as_deref() } else { server_name };
    let (gateway, Server { name: section, .. }) = arrival.named(name.filter(|name| !name.is_empty()))?;
    let name = (gateway.namespace.clone(), gateway.name.clone());
    acting(program, TrafficTargetKind::Gateway, &name, section, has)
}

/// The policy whose limits can be kept only if `peer`, which calls `port` of a workload, is read, though its connection was
/// let in before; nothing: there is none, or nobody has said that the port speaks HTTP.
pub fn limits_of_unread<'p>(
    program: &'p Program,
    workload: &Workload,
    port: u16,
    peer: Option<&SpiffeId>,
    source: Option<IpAddr>,
) -> Option<&'p TrafficPolicy> {
    let limits = limits_at_workload(program, workload, port, peer, source).into_iter().next();
    let limiting = limits.or_else(|| concurrency_at_workload(program, workload, port))?;
    declared(program, workload, port).any(is_http).then(|| &**limiting.policy)
}

/// The same of [`limits_behind`] the waypoint `own`, which passes a connection on to that port: `content` is what it knows of
/// that. Where nothing was looked at, whatever is not declared as something else may be a request.
pub fn limits_of_unread_behind<'p>(
    program: &'p Program,
    own: &Workload,
    workload: &Workload,
    port: u16,
    content: Content<'_>,
) -> Option<&'p TrafficPolicy> {
    let limiting = limits_behind(program, own, workload, port).into_iter().next()?;
    let may_be_request = |protocol| match content {
        Content::Unread => !matches!(protocol, AppProtocol::Tcp | AppProtocol::Tls),
        Content::Opaque | Content::Request(_) => is_http(protocol),
    };
    declared(program, workload, port).any(may_be_request).then(|| &**limiting.policy)
}

/// What services say that a port of a workload speaks.
pub(crate) fn declared(program: &Program, workload: &Workload, port: u16) -> impl Iterator<Item = AppProtocol> {
    workload.services.iter().flat_map(move |(key, mappings)| {
        let ports = program.service(key).map(|service| service.ports.as_slice()).unwrap_or_default();
        let here = mappings.iter().filter(move |mapping| mapping.target_port == port);
        here.filter_map(|mapping| ports.iter().find(|port| port.port == mapping.service_port)).map(|port| port.protocol)
    })
}

pub(crate) fn is_http(protocol: AppProtocol) -> bool {
    matches!(protocol, AppProtocol::Http11 | AppProtocol::Http2 | AppProtocol::Grpc)
}

fn limits_requests(policy: &TrafficPolicy) -> bool {
    policy.limits_requests()
}

/// The one that acts at a section of a thing with what it `has`.
fn acting<'p>(
    program: &'p Program,
    kind: TrafficTargetKind,
    name: &ObjectName,
    section: &str,
    has: fn(&TrafficPolicy) -> bool,
) -> Option<Limiting<'p>> {
    let (policy, target) = attached::acting(program, kind, name, section, has)?;
    Some(Limiting { policy, target })
}

#[cfg(test)]
mod tests;
