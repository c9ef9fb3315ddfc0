//! Calls that arrive at a waypoint.

use std::net::SocketAddr;

use ripstop_model::{AppProtocol, ProcessKind, Workload};

use super::{CallFacts, Callee, Reading, Role, Trace, callee::View};
use crate::{facts::InboundFacts, limits_at_waypoint, looks_at_requests_at_waypoint, program::Program};

/// What a call to `destination` is for that comes to the waypoint `own`; nothing: `own` stands in front of no such thing.
pub fn served(program: &Program, own: &Workload, destination: SocketAddr) -> Option<Callee> {
    if own.kind != ProcessKind::Waypoint {
        return None;
    }
    let facts = CallFacts {
        role: Role::Waypoint,
        source: Some(own),
        host: None,
        address: Some(destination.ip()),
        port: destination.port(),
        sni: None,
        request: None,
    };
    let callee = View::of(program, &facts, &mut Trace::none()).addressed(&facts)?;
    callee.protocol(destination.port())?;
    let waypoint = callee.waypoint()?;
    own.services.iter().any(|(key, _)| *key == waypoint.service).then_some(callee)
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
