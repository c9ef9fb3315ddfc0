//! What both meters tell, as exchanges tell it.

use std::time::{Duration, Instant};

use ripstop_h1 as h1;
use ripstop_h2 as h2;
use ripstop_telemetry::{
    Exchange, Headers, Measured, Outcome, Protocol, RequestProtocol, ResponseFlag, ResponseFlags,
    trace_context::{Incoming, Propagation},
};

/// A request and its response, of either version.
pub(super) struct Told<'a> {
    pub(super) kind: RequestProtocol,
    pub(super) started: Instant,
    pub(super) ended: Instant,
    /// Messages of gRPC from and to the client.
    pub(super) messages: Option<(u64, u64)>,
    method: &'a str,
    path: &'a str,
    authority: &'a str,
    protocol: Protocol,
    request: Kept<'a>,
    response: Kept<'a>,
    status: u16,
    grpc_status: Option<u16>,
    request_bytes: (u64, u64),
    response_bytes: (u64, u64),
    answered: Option<Duration>,
    how: How,
}

/// Fields that were kept.
struct Kept<'a>(h1::KeptFields<'a>);

#[derive(Clone, Copy)]
enum How {
    Complete,
    /// Nothing but the end of the connection tells why.
    Cut,
    Flagged(ResponseFlag),
}

// === impl Told ===

impl<'a> Told<'a> {
    pub(super) fn of_http1(record: &h1::Record<'a>) -> Self {
        Self {
            kind: RequestProtocol::Http,
            started: record.started,
            ended: record.ended,
            messages: None,
            method: known(record.detail, record.method),
            path: known(record.detail, record.path),
            authority: text(record.authority.unwrap_or_default()),
            protocol: match record.version {
                h1::Version::Http10 => Protocol::Http10,
                h1::Version::Http11 => Protocol::Http11,
            },
            request: Kept(record.request),
            response: Kept(record.response),
            status: record.status,
            grpc_status: None,
            request_bytes: (record.request_head_bytes, record.request_bytes),
            response_bytes: (record.response_head_bytes, record.response_bytes),
            answered: record.answered.map(|answered| answered.saturating_duration_since(record.started)),
            how: match record.how {
                h1::Ended::Complete => How::Complete,
                h1::Ended::Cut => How::Cut,
            },
        }
    }

    pub(super) fn of_http2(record: &h2::Record<'a>) -> Self {
        Self {
            kind: if record.grpc { RequestProtocol::Grpc } else { RequestProtocol::Http },
            started: record.started,
            ended: record.ended,
            messages: record.grpc.then_some((record.request_messages, record.response_messages)),
            method: known(record.detail, record.method),
            path: known(record.detail, record.path),
            authority: text(record.authority),
            protocol: Protocol::Http2,
            request: Kept(record.request),
            response: Kept(record.response),
            status: record.status,
            grpc_status: record.grpc_status,
            request_bytes: (record.request_head_bytes, record.request_bytes),
            response_bytes: (record.response_head_bytes, record.response_bytes),
            answered: record.answered.map(|answered| answered.saturating_duration_since(record.started)),
            how: match record.how {
                h2::Ended::Complete => How::Complete,
                h2::Ended::Cut => How::Cut,
                h2::Ended::ResetByClient(_) => How::Flagged(ResponseFlag::DownstreamConnectionTermination),
                h2::Ended::ResetByServer(_) => How::Flagged(ResponseFlag::UpstreamRemoteReset),
            },
        }
    }

    /// How it ended; `cut` is why it has no complete response, if the connection ended with it.
    pub(super) fn outcome(&self, cut: ResponseFlag) -> Outcome {
        Outcome { status: self.status, grpc: self.grpc_status, flags: self.flags(cut) }
    }

    pub(super) fn measured(&self) -> Measured {
        Measured {
            duration: self.ended.saturating_duration_since(self.started),
            request_bytes: self.request_bytes.0 + self.request_bytes.1,
            response_bytes: self.response_bytes.0 + self.response_bytes.1,
        }
    }

    fn flags(&self, cut: ResponseFlag) -> ResponseFlags {
        let mut flags = ResponseFlags::NONE;
        match self.how {
            How::Complete => {}
            How::Cut => flags.insert(cut),
            How::Flagged(flag) => flags.insert(flag),
        }
        flags
    }

    /// Writes it into `exchange`; `cut` is why it has no complete response, if the connection ended with it.
    pub(super) fn fill<'e>(&'e self, exchange: &mut Exchange<'e>, cut: ResponseFlag) {
        let request = &mut exchange.request;
        (request.method, request.path, request.authority) = (self.method, self.path, self.authority);
        (request.scheme, request.protocol) = ("http", Some(self.protocol));
        (request.header_bytes, request.body_bytes) = self.request_bytes;
        request.headers = &self.request;
        let response = &mut exchange.response;
        (response.status, response.grpc_status) = (self.status, self.grpc_status);
        (response.header_bytes, response.body_bytes) = self.response_bytes;
        response.headers = &self.response;
        response.details = (self.status > 0).then_some("via_upstream");
        response.flags = self.flags(cut);
        exchange.timing.response_began = self.answered;
        exchange.upstream.service_time = self.answered;
        exchange.upstream.protocol = Some(self.protocol);
        exchange.trace = match Incoming::read(&self.request, Propagation::B3AndW3c) {
            Incoming::Parent(parent) => Some(parent.trace),
            Incoming::Nothing | Incoming::Decision(_) => None,
        };
    }
}

/// A text that is kept since somebody asks for it; before, nobody did.
fn known(detail: h1::Detail, bytes: &[u8]) -> &str {
    match detail {
        h1::Detail::Full => text(bytes),
        h1::Detail::Counts => "-",
    }
}

/// Both meters refuse what is not ASCII here.
fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap_or("?")
}

// === impl Kept ===

impl Headers for Kept<'_> {
    fn visit<'s>(&'s self, name: &str, visit: &mut dyn FnMut(&'s [u8])) {
        if let Some(value) = self.0.get(name) {
            visit(value);
        }
    }
}
