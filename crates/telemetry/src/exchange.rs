//! A request and its response, as access logs and records tell about them.

use std::{
    fmt,
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use ripstop_model::{RuleId, Service, SpiffeId};

use crate::{
    access_log::{Direction, Party},
    headers::{Headers, NoHeaders},
    response_flags::ResponseFlags,
    trace_context::TraceId,
};

/// Everything that is known of a request when it ended. It borrows what the proxy holds anyway, so that
/// making one costs nothing; only what a log or a tap asks for is copied.
#[derive(Clone, Copy)]
pub struct Exchange<'a> {
    /// When the request began to arrive.
    pub start: SystemTime,
    /// From then to the end of the response.
    pub duration: Duration,
    /// Seen from the workload whose proxy tells.
    pub direction: Direction,
    /// The request.
    pub request: Request<'a>,
    /// The response.
    pub response: Response<'a>,
    /// The client's connection.
    pub downstream: Downstream<'a>,
    /// The endpoint's connection.
    pub upstream: Upstream<'a>,
    /// When parts of it happened.
    pub timing: Timing,
    /// The caller.
    pub source: &'a Party,
    /// The callee.
    pub destination: &'a Party,
    /// The service that was called.
    pub service: Option<&'a Service>,
    /// What was decided.
    pub verdict: Verdict<'a>,
    /// The trace that it is part of.
    pub trace: Option<TraceId>,
}

/// A request. Texts that came from the client may hold anything; whoever prints them escapes them.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Method.
    pub method: &'a str,
    /// Scheme.
    pub scheme: &'a str,
    /// Authority.
    pub authority: &'a str,
    /// Path and query, as they are sent on.
    pub path: &'a str,
    /// Path and query as they came, if a route rewrote them. A header of that meaning that the client
    /// sent does not count.
    pub original_path: Option<&'a str>,
    /// Version of HTTP.
    pub protocol: Option<Protocol>,
    /// Headers.
    pub headers: &'a dyn Headers,
    /// Bytes of the body.
    pub body_bytes: u64,
    /// Bytes of the headers, as they were on the wire.
    pub header_bytes: u64,
}

/// A response.
#[derive(Clone, Copy)]
pub struct Response<'a> {
    /// Status code; 0: there was none.
    pub status: u16,
    /// gRPC status.
    pub grpc_status: Option<u16>,
    /// Who made the response and why, as Envoy names it: `via_upstream`, `route_not_found`.
    pub details: Option<&'a str>,
    /// What happened.
    pub flags: ResponseFlags,
    /// Headers.
    pub headers: &'a dyn Headers,
    /// Trailers.
    pub trailers: &'a dyn Headers,
    /// Bytes of the body.
    pub body_bytes: u64,
    /// Bytes of the headers, as they were on the wire.
    pub header_bytes: u64,
}

/// The client's connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Downstream<'a> {
    /// The address that the client called.
    pub local: Option<SocketAddr>,
    /// The client's address, as far as a trusted hop told it.
    pub remote: Option<SocketAddr>,
    /// The address that the connection came from; nothing: it is [`Self::remote`].
    pub direct_remote: Option<SocketAddr>,
    /// Number of the connection.
    pub connection: u64,
    /// Server name that the client asked for.
    pub server_name: Option<&'a str>,
    /// Why the connection was ended.
    pub termination: Option<&'a str>,
    /// What went wrong in its TLS.
    pub transport_failure: Option<&'a str>,
    /// The client's identity.
    pub peer: Option<&'a SpiffeId>,
    /// The identity shown to the client.
    pub own: Option<&'a SpiffeId>,
}

/// The endpoint's connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Upstream<'a> {
    /// The endpoint.
    pub host: Option<SocketAddr>,
    /// The backend's name; see [`ClusterName`].
    pub cluster: Option<&'a str>,
    /// This side's address.
    pub local: Option<SocketAddr>,
    /// The address that was connected to; nothing: it is [`Self::host`].
    pub remote: Option<SocketAddr>,
    /// Version of HTTP.
    pub protocol: Option<Protocol>,
    /// Attempts that were made; 0: the request went nowhere.
    pub attempts: u32,
    /// From the request being sent to the response's headers: `x-envoy-upstream-service-time`. Nothing:
    /// what the response's headers say.
    pub service_time: Option<Duration>,
    /// What went wrong in its TLS.
    pub transport_failure: Option<&'a str>,
    /// The endpoint's identity.
    pub peer: Option<&'a SpiffeId>,
    /// The identity shown to the endpoint.
    pub own: Option<&'a SpiffeId>,
}

/// Moments of an exchange, counted from its start; nothing: they never came.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timing {
    /// The request was read to its end.
    pub request_read: Option<Duration>,
    /// The request was sent on to its end.
    pub request_sent: Option<Duration>,
    /// The response began to arrive.
    pub response_began: Option<Duration>,
}

/// What was decided about a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Verdict<'a> {
    /// The route's name.
    pub route_name: Option<&'a str>,
    /// The rule that routed it.
    pub route: Option<&'a RuleId>,
    /// The policy that refused it.
    pub policy: Option<&'a RuleId>,
    /// Number of the decision, by which its trace is found; 0: nobody numbered it.
    pub decision: u64,
    /// Commit version of the configuration that decided.
    pub version: u64,
}

/// A version of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2.
    Http2,
}

/// The name of a backend as Istio writes it: `outbound|8000||httpbin.foo.svc.cluster.local`.
#[derive(Clone, Copy, Debug)]
pub struct ClusterName<'a> {
    /// Direction.
    pub direction: Direction,
    /// Port: outbound the service's, inbound the workload's.
    pub port: u16,
    /// Subset; empty: none.
    pub subset: &'a str,
    /// Host name; inbound: empty.
    pub host: &'a str,
}

// === impl Exchange ===

impl<'a> Exchange<'a> {
    /// An exchange of which nothing else is known. The fields are for the caller to fill.
    pub fn new(start: SystemTime, direction: Direction, source: &'a Party, destination: &'a Party) -> Self {
        Self {
            start,
            duration: Duration::ZERO,
            direction,
            request: Request::default(),
            response: Response::default(),
            downstream: Downstream::default(),
            upstream: Upstream::default(),
            timing: Timing::default(),
            source,
            destination,
            service: None,
            verdict: Verdict::default(),
            trace: None,
        }
    }
}

impl fmt::Debug for Exchange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { request, response, .. } = self;
        write!(f, "Exchange({} {}{} → {})", request.method, request.authority, request.path, response.status)
    }
}

// === impl Request ===

impl Default for Request<'_> {
    fn default() -> Self {
        Self {
            method: "",
            scheme: "",
            authority: "",
            path: "",
            original_path: None,
            protocol: None,
            headers: &NoHeaders,
            body_bytes: 0,
            header_bytes: 0,
        }
    }
}

// === impl Response ===

impl Default for Response<'_> {
    fn default() -> Self {
        Self {
            status: 0,
            grpc_status: None,
            details: None,
            flags: ResponseFlags::NONE,
            headers: &NoHeaders,
            trailers: &NoHeaders,
            body_bytes: 0,
            header_bytes: 0,
        }
    }
}

// === impl Protocol ===

impl Protocol {
    /// The version as Envoy writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
        }
    }
}

impl fmt::Display for ClusterName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = match self.direction {
            Direction::Inbound => "inbound",
            Direction::Outbound => "outbound",
        };
        write!(f, "{direction}|{}|{}|{}", self.port, self.subset, self.host)
    }
}
