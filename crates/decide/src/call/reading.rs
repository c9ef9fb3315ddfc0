//! How much of a connection has to be read before its way is known.

use std::net::SocketAddr;

use ripstop_model::{AppProtocol, OutboundPolicy, Workload};

use super::{
    CallFacts, Callee, Role, Trace,
    callee::{Sayable, View},
};
use crate::{backend, endpoints::service_entries, program::Program};

/// How much of a connection has to be read before its way is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Nothing: the service itself is called, and nobody has asked for more.
    Nothing,
    /// Nothing, but routes or settings for connections hold.
    Connection,
    /// The server name of TLS: the port is declared as that.
    ServerName,
    /// The server name, if it is TLS: the port is not declared.
    PerhapsServerName,
    /// Its requests: the port is declared as HTTP.
    Requests,
    /// Whatever it is: the port is not declared, and what was asked for depends on that.
    Detection,
}

/// How much of a connection from `source` to `destination` has to be read in the proxy of the source's node: what routes
/// and settings for what is called there ask for, and no more. For a workload that asks for a proxy of its own that is what
/// may be a request, since its authority says what is called.
pub fn reading(program: &Program, source: &Workload, destination: SocketAddr) -> Reading {
    let traffic = program.traffic();
    let by_authority = source.has_sidecar();
    if !by_authority
        && traffic.routes.is_empty()
        && traffic.backends.is_empty()
        && traffic.entries.is_empty()
        && traffic.scopes.is_empty()
        && traffic.policies.is_empty()
    {
        let open = traffic.defaults.outbound == OutboundPolicy::AllowAny;
        let plain = traffic.defaults.pool.is_none() && traffic.defaults.outlier.is_none();
        if open && plain {
            return Reading::Nothing;
        }
    }
    let facts = CallFacts {
        role: Role::of_caller(source),
        source: Some(source),
        host: None,
        address: Some(destination.ip()),
        port: destination.port(),
        sni: None,
        request: None,
    };
    let mut trace = Trace::none();
    let view = View::of(program, &facts, &mut trace);
    if let Some(door) = view.door() {
        return match door.protocol {
            AppProtocol::Http11 | AppProtocol::Http2 | AppProtocol::Grpc => Reading::Requests,
            AppProtocol::Tls => Reading::ServerName,
            AppProtocol::Tcp => Reading::Connection,
            AppProtocol::Unknown => Reading::Detection,
        };
    }
    let Some(callee) = view.addressed(&facts) else {
        return match (view.sayable(facts.port), view.outbound()) {
            (Sayable::Request, _) | (_, OutboundPolicy::AllowAnyDynamicDns) => Reading::Detection,
            (Sayable::ServerName, _) => Reading::PerhapsServerName,
            (Sayable::Nothing, OutboundPolicy::RegistryOnly) => Reading::Connection,
            (Sayable::Nothing, OutboundPolicy::AllowAny)
                if view.taking(facts.port).is_some() || view.egress_proxy(facts.address).is_some() =>
            {
                Reading::Connection
            }
            (Sayable::Nothing, OutboundPolicy::AllowAny) => Reading::Nothing,
        };
    };
    let Some(protocol) = callee.protocol(destination.port()) else { return Reading::Connection };
    // The waypoint reads it.
    if callee.waypoint().is_some_and(|waypoint| waypoint.takes(source.kind)) {
        return match callee {
            Callee::Service(_) | Callee::Workload(_) => Reading::Nothing,
            Callee::Entry(_) => Reading::Connection,
        };
    }
    let table = callee.host_for(None).and_then(|name| view.table(&name, &mut trace));
    let settings = callee.host_for(None).is_some_and(|name| {
        backend::policy(program, view.client(), &name, callee.namespace()).is_some()
            || traffic.defaults.pool.is_some()
            || traffic.defaults.outlier.is_some()
            || backend::balancing(program, &callee, destination.port()).is_some()
            || backend::session(program, &callee, destination.port()).is_some()
            || backend::health_checks(program, &callee, destination.port()).is_some()
            || backend::hedging(program, &callee, destination.port()).is_some()
    });
    let written = match &callee {
        Callee::Service(service) => service_entries(program, service).next().is_some(),
        Callee::Entry(_) => true,
        Callee::Workload(_) => false,
    };
    let asked = settings || written;
    let reads = asked || by_authority;
    let (http, tls, tcp) = table.map_or((false, false, false), |table| {
        let table = &table.source;
        (!table.http.is_empty(), !table.tls.is_empty(), !table.tcp.is_empty())
    });
    match protocol {
        AppProtocol::Http11 | AppProtocol::Http2 | AppProtocol::Grpc if http || reads => Reading::Requests,
        AppProtocol::Tls if tls => Reading::ServerName,
        AppProtocol::Tls | AppProtocol::Tcp if tcp || tls || asked => Reading::Connection,
        AppProtocol::Unknown if http || tls || reads => Reading::Detection,
        AppProtocol::Unknown if tcp => Reading::Connection,
        _ => Reading::Nothing,
    }
}

#[cfg(test)]
mod tests;
