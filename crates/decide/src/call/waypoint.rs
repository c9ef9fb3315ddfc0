//! Calls that arrive at a waypoint.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use ripstop_model::{Admission, AppProtocol, HostEntry, ProcessKind, ServiceKey, Workload};

use super::{
    Callee, Reading,
    callee::{by_age, joined},
};
use crate::{facts::InboundFacts, limits_at_waypoint, looks_at_requests_at_waypoint, program::Program};

/// What a call to `destination` is for that comes to the waypoint `own` from a caller in the namespace `caller`; nothing:
/// `own` stands in front of no such thing.
pub fn served(program: &Program, own: &Workload, destination: SocketAddr, caller: &str) -> Option<Callee> {
    served_by(program, destination, caller, |callee| stands_before(own, callee))
}

/// The same of whoever `stands` in front of something.
pub fn served_by(
    program: &Program,
    destination: SocketAddr,
    caller: &str,
    stands: impl Fn(&Callee) -> bool,
) -> Option<Callee> {
    let (address, port) = (destination.ip(), destination.port());
    let is_served = |callee: &Callee| callee.protocol(port).is_some() && stands(callee);
    if let Some(service) = program.service_at(address) {
        return Some(Callee::Service(service.clone())).filter(is_served);
    }
    // Of several that have the address, the caller's proxy has chosen by what the caller sees, the nearest and then the
    // oldest first.
    let entries = program.entries().filter(|entry| has(entry, address) && entry.visibility.includes(caller));
    let mut entries: Vec<_> = entries.filter(|entry| stands(&Callee::Entry((*entry).clone()))).collect();
    entries.sort_by_cached_key(|entry| (*entry.object.0 != *caller, by_age(entry)));
    let first = *entries.first()?;
    let alike: Vec<Callee> = entries.iter().map(|entry| Callee::Entry((*entry).clone())).collect();
    Some(Callee::Entry(joined(first, &alike))).filter(is_served)
}

/// What was called as `key` at `destination`, whoever stands in front of it by now; nothing: there is no such thing.
pub fn called_as(program: &Program, key: &ServiceKey, destination: SocketAddr) -> Option<Callee> {
    let (address, port) = (destination.ip(), destination.port());
    let has_port = |callee: &Callee| callee.protocol(port).is_some();
    if let Some(service) = program.service(key).filter(|service| service.addresses.contains(&address)) {
        return Some(Callee::Service(service.clone())).filter(has_port);
    }
    let is_it = |entry: &&Arc<HostEntry>| {
        entry.object.0 == key.namespace && entry.host.exact() == Some(&key.hostname) && has(entry, address)
    };
    let mut entries: Vec<_> = program.entries_of(&key.hostname).filter(is_it).collect();
    entries.sort_by_cached_key(|entry| by_age(entry));
    let first = *entries.first()?;
    let alike: Vec<Callee> = entries.iter().map(|entry| Callee::Entry((*entry).clone())).collect();
    Some(Callee::Entry(joined(first, &alike))).filter(has_port)
}

/// Whether the waypoint `own` stands in front of `callee`.
pub fn stands_before(own: &Workload, callee: &Callee) -> bool {
    own.kind == ProcessKind::Waypoint
        && callee.waypoint().is_some_and(|waypoint| {
            waypoint.admission == Admission::Admitted && own.services.iter().any(|(key, _)| *key == waypoint.service)
        })
}

/// Whether requests for `callee`, for which they came to the waypoint `own`, are counted there: endpoints count by
/// themselves once it stands in front of them no more.
pub fn counts_for(own: &Workload, callee: &Callee) -> bool {
    matches!(callee, Callee::Entry(_)) || stands_before(own, callee)
}

/// Whether a caller of that kind and namespace may be led by `callee` to a workload that was found by its address: a waypoint
/// calls in its own name, which another namespace whose hosts it stands in front of may use for its own workloads, and for
/// nobody else's.
pub fn may_lead(kind: ProcessKind, caller: &str, callee: &Callee, workload: &Workload) -> bool {
    let own = callee.namespace();
    kind != ProcessKind::Waypoint || *caller == **own || workload.namespace == *own
}

/// Whether that address stands for a declared host.
fn has(entry: &HostEntry, address: IpAddr) -> bool {
    entry.address() == Some(address) || entry.addresses.iter().any(|block| block.contains(&address))
}

/// How much of a connection has to be read at a waypoint, of whose callers `facts` are known: it reads requests wherever
/// there are any. Where a policy looks at them or limits their number, being silent is no way around it.
pub fn reading_at_waypoint(program: &Program, callee: &Callee, facts: &InboundFacts<'_>) -> Reading {
    let looks =
        || looks_at_requests_at_waypoint(program, facts) || limits_at_waypoint(program, callee, facts.port).is_some();
    match callee.protocol(facts.port) {
        Some(AppProtocol::Http11 | AppProtocol::Http2 | AppProtocol::Grpc) => Reading::Requests,
        Some(AppProtocol::Tls) => Reading::ServerName,
        Some(AppProtocol::Tcp) => Reading::Connection,
        Some(AppProtocol::Unknown) | None if looks() => Reading::Requests,
        Some(AppProtocol::Unknown) | None => Reading::Detection,
    }
}

#[cfg(test)]
mod tests;
