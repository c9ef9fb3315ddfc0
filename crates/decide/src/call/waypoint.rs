//! Calls that arrive at a waypoint.

use std::{
    cmp::Reverse,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use ripstop_model::{Admission, AppProtocol, HostEntry, ProcessKind, Waypoint, Workload};

use super::{
    CallFacts, CalledKey, Callee, Reading, Role, Trace,
    callee::{View, by_age, joined},
};
use crate::{
    facts::InboundFacts,
    limits_at_waypoint, limits_behind, looks_at_requests_at_waypoint,
    program::Program,
    rate_limit::{declared, is_http},
};

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
    // Of several that have the address, the caller's proxy has chosen by what the caller sees: the host whose block is the
    // smallest and which is the oldest; then, of those that declare it, the caller's own namespace, and again the oldest.
    let takes =
        |entry: &Arc<HostEntry>| entry.ports.is_empty() || entry.ports.iter().any(|declared| declared.port == port);
    let entries =
        program.entries().filter(|entry| has(entry, address) && entry.visibility.includes(caller) && takes(entry));
    let mut entries: Vec<_> = entries.filter(|entry| stands(&Callee::Entry((*entry).clone()))).collect();
    let Some(chosen) = entries.iter().min_by_key(|entry| (Reverse(longest(entry, address)), by_age(entry))) else {
        let workload = program.workload_at(address)?.clone();
        return Some(Callee::Workload(workload)).filter(is_served);
    };
    let host = chosen.host.clone();
    entries.retain(|entry| entry.host == host);
    entries.sort_by_cached_key(|entry| (*entry.object.0 != *caller, by_age(entry)));
    let first = *entries.first()?;
    let alike = entries.iter().filter(|entry| entry.object.0 == first.object.0);
    let alike: Vec<Callee> = alike.map(|entry| Callee::Entry((*entry).clone())).collect();
    Some(Callee::Entry(joined(first, &alike))).filter(is_served)
}

/// What was called as `key` at `destination`, whoever stands in front of it by now; nothing: there is no such thing.
pub fn called_as(program: &Program, key: &CalledKey, destination: SocketAddr) -> Option<Callee> {
    let (address, port) = (destination.ip(), destination.port());
    let key = match key {
        CalledKey::Host(key) => key,
        CalledKey::Workload(uid) => {
            let workload = program.workload_at(address).filter(|workload| workload.uid == *uid)?;
            return Some(Callee::Workload(workload.clone()));
        }
    };
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
    stands_at(own, callee.waypoint())
}

/// Whether `own` is an instance of `waypoint` or of its canary, and serves what names that.
pub(crate) fn stands_at(own: &Workload, waypoint: Option<&Waypoint>) -> bool {
    own.kind == ProcessKind::Waypoint
        && waypoint.is_some_and(|waypoint| {
            waypoint.admission == Admission::Admitted
                && waypoint.services().any(|service| own.services.iter().any(|(key, _)| key == service))
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

/// The workload whose own address `source` calls there, if it goes through a waypoint for that; `source` is nobody of whom
/// more is known if there is none.
pub fn through_waypoint(
    program: &Program,
    source: Option<&Workload>,
    destination: SocketAddr,
) -> Option<Arc<Workload>> {
    let facts = CallFacts {
        role: Role::Node,
        source,
        host: None,
        address: Some(destination.ip()),
        port: destination.port(),
        sni: None,
        request: None,
    };
    match View::of(program, &facts, &mut Trace::none()).addressed(&facts)? {
        Callee::Workload(workload) => Some(workload),
        Callee::Service(_) | Callee::Entry(_) => None,
    }
}

/// Whether that address stands for a declared host.
fn has(entry: &HostEntry, address: IpAddr) -> bool {
    entry.address() == Some(address) || entry.addresses.iter().any(|block| block.contains(&address))
}

/// The length of the smallest block of it that has the address.
fn longest(entry: &HostEntry, address: IpAddr) -> Option<u8> {
    entry.addresses.iter().filter(|block| block.contains(&address)).map(ipnet::IpNet::prefix_len).max()
}

/// How much of a connection has to be read at a waypoint, of whose callers `facts` are known: it reads requests wherever
/// there are any. Where a policy looks at them or limits their number, being silent is no way around it.
pub fn reading_at_waypoint(program: &Program, callee: &Callee, facts: &InboundFacts<'_>) -> Reading {
    let looks = || {
        looks_at_requests_at_waypoint(program, facts)
            || limits_at_waypoint(program, callee, facts.port).is_some()
            || leads_to_limits(program, callee, facts)
    };
    let protocol = match callee {
        Callee::Workload(workload) => Some(spoken(program, workload, facts.port)),
        Callee::Service(_) | Callee::Entry(_) => callee.protocol(facts.port),
    };
    match protocol {
        Some(AppProtocol::Http11 | AppProtocol::Http2 | AppProtocol::Grpc) => Reading::Requests,
        Some(AppProtocol::Tls) => Reading::ServerName,
        Some(AppProtocol::Tcp) => Reading::Connection,
        Some(AppProtocol::Unknown) | None if looks() => Reading::Requests,
        Some(AppProtocol::Unknown) | None => Reading::Detection,
    }
}

/// What services say that a port of a workload speaks, as far as they agree about what has to be read of it.
fn spoken(program: &Program, workload: &Workload, port: u16) -> AppProtocol {
    let all: Vec<AppProtocol> = declared(program, workload, port).collect();
    let first = all.first().copied().unwrap_or_default();
    match all.iter().find(|protocol| is_http(**protocol)) {
        Some(http) => *http,
        None if all.iter().all(|protocol| *protocol == first) => first,
        None => AppProtocol::Unknown,
    }
}

/// Whether an endpoint of what is called has limits by something else that the waypoint stands in front of, too.
fn leads_to_limits(program: &Program, callee: &Callee, facts: &InboundFacts<'_>) -> bool {
    if program.traffic().policies.is_empty() {
        return false;
    }
    let service = match callee {
        Callee::Service(service) => service,
        Callee::Workload(workload) => {
            return !limits_behind(program, facts.destination, workload, facts.port).is_empty();
        }
        Callee::Entry(_) => return false,
    };
    let is_limited = |endpoint: &Arc<Workload>| {
        let target = endpoint.target_port(&service.key, facts.port);
        target.is_some_and(|target| !limits_behind(program, facts.destination, endpoint, target).is_empty())
    };
    program.endpoints(&service.key).any(is_limited)
}

#[cfg(test)]
mod tests;
