//! What is kept of a request for those who look on: `tap`, the console, rollouts.

mod json;
mod query;

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use ripstop_model::{RuleId, Service, ServiceKey};

use crate::{
    access_log::{Direction, Party},
    exchange::{Exchange, Protocol},
    response_flags::ResponseFlags,
    trace_context::TraceId,
};

/// Bytes of a method that are kept.
const METHOD_BYTES: usize = 32;
/// Bytes of an authority that are kept.
const AUTHORITY_BYTES: usize = 255;
/// Bytes of a path that are kept.
const PATH_BYTES: usize = 512;

/// One request, as one proxy saw it. No header is kept but the authority, and no query: neither
/// credentials nor bodies can be in it. Texts are cut to a limit; what they hold came from the client,
/// and is escaped by whoever prints it.
#[derive(Clone, Debug)]
pub struct RequestRecord {
    /// When it began.
    pub start: SystemTime,
    /// How long it lasted.
    pub duration: Duration,
    /// Seen from the workload whose proxy tells.
    pub direction: Direction,
    /// Who called.
    pub source: Party,
    /// Who was called.
    pub destination: Party,
    /// The service that was called.
    pub service: Option<ServiceKey>,
    /// Version of HTTP that the client spoke.
    pub protocol: Option<Protocol>,
    /// Method, at most 32 bytes.
    pub method: Box<str>,
    /// Authority, at most 255 bytes.
    pub authority: Box<str>,
    /// Path as it came, without query, at most 512 bytes.
    pub path: Box<str>,
    /// Status code; 0: there was no response.
    pub status: u16,
    /// gRPC status.
    pub grpc_status: Option<u16>,
    /// What happened.
    pub flags: ResponseFlags,
    /// Bytes of the request's body.
    pub received: u64,
    /// Bytes of the response's body.
    pub sent: u64,
    /// The rule that routed it.
    pub route: Option<RuleId>,
    /// The policy that refused it.
    pub policy: Option<RuleId>,
    /// Where it went.
    pub endpoint: Option<SocketAddr>,
    /// Attempts that were made.
    pub attempts: u32,
    /// Number of the decision; 0: nobody numbered it.
    pub decision: u64,
    /// Commit version of the configuration that decided.
    pub version: u64,
    /// The trace that it is part of.
    pub trace: Option<TraceId>,
}

/// Which requests are wanted. Everything that is said must hold; nothing said: all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordFilter {
    /// Caller or callee.
    pub party: PartyFilter,
    /// The caller.
    pub source: PartyFilter,
    /// The callee; its workload may also be the service that was called, by its host name or its short one.
    pub destination: PartyFilter,
    /// The service, by its host name or its short one.
    pub service: Option<Arc<str>>,
    /// Method.
    pub method: Option<Arc<str>>,
    /// How the path begins.
    pub path_prefix: Option<Arc<str>>,
    /// Status.
    pub status: Option<StatusFilter>,
}

/// Which workload is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartyFilter {
    /// Its namespace.
    pub namespace: Option<Arc<str>>,
    /// Its name, or its owner's.
    pub workload: Option<Arc<str>>,
}

/// Which status is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusFilter {
    /// That code; 0: no response.
    Code(u16),
    /// All codes of that hundred: 5 means 500 to 599.
    Class(u16),
}

// === impl RequestRecord ===

impl RequestRecord {
    /// Copies what is kept of `exchange`.
    pub fn new(exchange: &Exchange<'_>) -> Self {
        let Exchange { request, response, upstream, verdict, .. } = exchange;
        Self {
            start: exchange.start,
            duration: exchange.duration,
            direction: exchange.direction,
            // Clients of one connection may differ, where proxies name them.
            source: Party {
                address: exchange.downstream.remote.or(exchange.source.address),
                ..exchange.source.clone()
            },
            destination: exchange.destination.clone(),
            service: exchange.service.map(|service| service.key.clone()),
            protocol: request.protocol,
            method: cut(request.method, METHOD_BYTES),
            authority: cut(request.authority, AUTHORITY_BYTES),
            path: cut(path(exchange), PATH_BYTES),
            status: response.status,
            grpc_status: response.grpc_status,
            flags: response.flags,
            received: request.body_bytes,
            sent: response.body_bytes,
            route: verdict.route.cloned(),
            policy: verdict.policy.cloned(),
            endpoint: upstream.host,
            attempts: upstream.attempts,
            decision: verdict.decision,
            version: verdict.version,
            trace: exchange.trace,
        }
    }
}

/// The path as it came, without query and fragment.
fn path<'a>(exchange: &Exchange<'a>) -> &'a str {
    let whole = exchange.request.original_path.unwrap_or(exchange.request.path);
    whole.split(['?', '#']).next().unwrap_or_default()
}

fn cut(text: &str, bytes: usize) -> Box<str> {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or_default().into()
}

// === impl RecordFilter ===

impl RecordFilter {
    /// Whether the request is wanted.
    pub fn matches(&self, exchange: &Exchange<'_>) -> bool {
        let Exchange { source, destination, request, response, .. } = exchange;
        (self.party.matches(source) || self.party.matches(destination))
            && self.source.matches(source)
            && (self.destination.matches(destination)
                || exchange.service.is_some_and(|service| self.destination.matches_service(service)))
            && self.service.as_deref().is_none_or(|wanted| {
                exchange.service.is_some_and(|service| *service.key.hostname == *wanted || *service.name == *wanted)
            })
            && self.method.as_deref().is_none_or(|wanted| request.method == wanted)
            && self.path_prefix.as_deref().is_none_or(|wanted| path(exchange).starts_with(wanted))
            && self.status.is_none_or(|wanted| wanted.matches(response.status))
    }
}

// === impl PartyFilter ===

impl PartyFilter {
    fn matches(&self, party: &Party) -> bool {
        let is = |found: &Option<Arc<str>>, wanted: &str| found.as_deref() == Some(wanted);
        self.namespace.as_deref().is_none_or(|wanted| is(&party.namespace, wanted))
            && self.workload.as_deref().is_none_or(|wanted| is(&party.workload, wanted) || is(&party.owner, wanted))
    }

    fn matches_service(&self, service: &Service) -> bool {
        self.namespace.as_deref().is_none_or(|wanted| *service.key.namespace == *wanted)
            && self
                .workload
                .as_deref()
                .is_some_and(|wanted| *service.key.hostname == *wanted || *service.name == *wanted)
    }
}

// === impl StatusFilter ===

impl StatusFilter {
    fn matches(self, status: u16) -> bool {
        match self {
            Self::Code(code) => status == code,
            Self::Class(hundred) => status / 100 == hundred,
        }
    }
}

#[cfg(test)]
mod tests;
