//! What is told of a request that ended.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use ripstop_decide::{Callee, Target};
use ripstop_exchange::{Failure, Party, Totals};
use ripstop_model::{RuleId, Service, Workload};
use ripstop_telemetry::{Exchange, Protocol, RequestProtocol, ResponseFlag, ResponseFlags};

use super::{
    connection::{Malformed, Version},
    filters::respond::{Asker, Local, Tried},
    forward::Passed,
    head::Head,
};
use crate::sight::{Recorder, RequestSight};

/// When a request began.
#[derive(Clone, Copy, Debug)]
pub struct Started {
    at: SystemTime,
    clock: Instant,
}

/// How a request ended, beside what it said itself.
#[derive(Debug, Default)]
pub struct Told {
    /// The answer's status; 0: there was none.
    pub status: u16,
    /// The status of gRPC, as far as it is known.
    pub grpc_status: Option<u16>,
    /// What happened.
    pub flags: ResponseFlags,
    /// Who made the answer, as Envoy names it.
    pub details: Option<&'static str>,
    /// What was moved.
    pub totals: Totals,
    /// The endpoint.
    pub upstream: Option<SocketAddr>,
    /// Name of the backend.
    pub cluster: Option<Arc<str>>,
    /// Attempts that were made.
    pub attempts: u32,
    /// The rule that routed it.
    pub route: Option<RuleId>,
    /// Name of the route.
    pub route_name: Option<Arc<str>>,
    /// The service that was called.
    pub service: Option<Arc<Service>>,
    /// The host that was called, if the mesh knows no service of it.
    pub host: Option<Arc<str>>,
    /// The workload that was called.
    pub endpoint: Option<Arc<Workload>>,
    /// How it was called.
    pub way: Way,
    /// Its client, as proxies before the gateway tell it that are trusted; nothing: who connected.
    pub client: Option<IpAddr>,
    /// The policy that refused it.
    pub policy: Option<RuleId>,
    /// Number of the decision; 0: nobody asked for one.
    pub decision: u64,
    /// Commit version of the configuration that decided.
    pub version: u64,
}

/// How an endpoint was called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// As it is.
    #[default]
    Plain,
    /// By a tunnel of the mesh.
    Tunnel,
}

// === impl Started ===

impl Started {
    /// Now.
    pub fn now() -> Self {
        Self { at: SystemTime::now(), clock: Instant::now() }
    }

    /// At `begun`, a moment ago; nothing: now.
    pub fn since(begun: Option<tokio::time::Instant>) -> Self {
        let (clock, now) = (Instant::now(), Self::now());
        let Some(begun) = begun else { return now };
        let ago = clock.saturating_duration_since(begun.into_std());
        Self { at: now.at.checked_sub(ago).unwrap_or(now.at), clock: begun.into_std() }
    }

    /// How long that is ago.
    pub fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }
}

// === impl Told ===

impl Told {
    /// It is for that backend.
    pub fn calls(&mut self, target: &Target) {
        match &target.callee {
            Some(Callee::Service(service)) => self.service = Some(service.clone()),
            _ => self.host = Some(target.backend.host.clone()),
        }
    }

    /// An answer was passed on, or its exchange failed in the middle.
    pub fn passed(&mut self, passed: &Passed) {
        (self.status, self.grpc_status, self.totals) = (passed.status, passed.grpc_status, passed.totals);
        self.details = Some("via_upstream");
        if let Some(failure) = &passed.failure {
            self.failed(failure);
        }
    }

    /// An exchange failed.
    pub fn failed(&mut self, failure: &Failure) {
        match failure.party {
            Party::Downstream => {
                self.flags.insert(ResponseFlag::DownstreamConnectionTermination);
                self.details = Some("downstream_remote_disconnect");
            }
            Party::Upstream => {
                for flag in Local::failed(failure, Tried::Once).flags.iter() {
                    self.flags.insert(flag);
                }
                self.details = Some("upstream_reset_after_response_started");
            }
        }
    }

    /// The client was gone before there was an answer for it, as [`Self::failed`] knows it.
    pub fn left(&mut self, failure: &Failure) {
        (self.status, self.grpc_status) = (0, None);
        self.failed(failure);
    }

    /// The proxy answered itself, in the words of whoever asks.
    pub fn local(&mut self, local: &Local, asker: Asker) {
        (self.status, self.grpc_status) = local.statuses(asker);
        for flag in local.flags.iter() {
            self.flags.insert(flag);
        }
        self.totals.response_body = if asker == Asker::Grpc { 0 } else { local.body.len() as u64 };
        self.details = Some(local.details);
    }

    /// Of something that is no request: what is told, as of whom, and since when.
    pub fn malformed(what: &Malformed, version: u64) -> (Self, Head, Started) {
        let mut told = Self { version, ..Self::default() };
        told.local(&Local::malformed(what), Asker::Http);
        let protocol = match what.version {
            Version::Http1 => ripstop_exchange::Protocol::Http11,
            Version::Http2 => ripstop_exchange::Protocol::Http2,
        };
        (told, Head::nothing(protocol), Started::since(what.begun))
    }

    /// A request of `sight`, or of the client that proxies before a gateway name, which differs from request to request.
    pub fn exchange<'s>(&self, sight: &'s RequestSight, started: Started) -> Exchange<'s> {
        let mut exchange = sight.exchange(started.at);
        if let Some(client) = self.client {
            // Of whom they name no port is known.
            exchange.downstream.remote = Some(SocketAddr::new(client, 0));
        }
        exchange
    }

    /// Tells it everywhere.
    pub fn tell(&self, recorder: &Recorder, sight: &RequestSight, started: Started, head: &Head) {
        let mut exchange = self.exchange(sight, started);
        exchange.duration = started.elapsed();
        let request = &mut exchange.request;
        request.method = head.method();
        request.scheme = head.scheme();
        request.authority = head.authority();
        request.path = head.target();
        request.protocol = Some(match head.protocol() {
            ripstop_exchange::Protocol::Http10 => Protocol::Http10,
            ripstop_exchange::Protocol::Http11 => Protocol::Http11,
            ripstop_exchange::Protocol::Http2 => Protocol::Http2,
        });
        request.headers = head.fields();
        request.body_bytes = self.totals.request_body;
        let response = &mut exchange.response;
        (response.status, response.grpc_status) = (self.status, self.grpc_status);
        let denied = self.details.filter(|_| self.flags.contains(ResponseFlag::Deny));
        let denied = denied.map(|details| format!("{details}_{}", matched(self.policy.as_ref())));
        (response.flags, response.details) = (self.flags, denied.as_deref().or(self.details));
        response.body_bytes = self.totals.response_body;
        exchange.upstream.host = self.upstream;
        exchange.upstream.attempts = self.attempts;
        exchange.upstream.cluster = self.cluster.as_deref();
        let since = |moment: Option<tokio::time::Instant>| {
            moment.map(|moment| moment.into_std().saturating_duration_since(started.clock))
        };
        exchange.timing.request_sent = since(self.totals.request_sent);
        exchange.timing.response_began = since(self.totals.answered);
        exchange.verdict.route = self.route.as_ref();
        exchange.verdict.route_name = self.route_name.as_deref();
        exchange.verdict.policy = self.policy.as_ref();
        exchange.verdict.decision = self.decision;
        exchange.verdict.version = self.version;
        let protocol = if head.is_grpc() { RequestProtocol::Grpc } else { RequestProtocol::Http };
        recorder.record(sight, protocol, &exchange);
    }
}

/// Which policy forbids something, as Istio's access logs tell it.
fn matched(policy: Option<&RuleId>) -> String {
    let Some(RuleId(id)) = policy else { return "matched_policy[none]".to_owned() };
    let mut parts = id.splitn(5, '/');
    let (_kind, Some(namespace), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
        return format!("matched_policy[{id}]");
    };
    let rule = parts.nth(1).and_then(|path| path.strip_prefix("spec.rules")).unwrap_or_default();
    let rule = if rule.is_empty() { String::new() } else { format!("-rule{rule}") };
    format!("matched_policy[ns[{namespace}]-policy[{name}]{rule}]")
}

#[cfg(test)]
mod tests;
