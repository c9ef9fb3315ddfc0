//! Answers that the proxy gives itself, in Envoy's words.

use std::borrow::Cow;

use ripstop_exchange::{Failure, Fault, FieldChange, Party};
use ripstop_model::Abort;
use ripstop_telemetry::{ResponseFlag, ResponseFlags};

use super::{
    edits::{Edits, Text},
    grpc,
};
use crate::http::{
    connection::{Malformed, Version},
    head::Refusal,
    patience::{Late, Received},
};

/// An answer of the proxy's own, before it is known who gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// Status, as HTTP has it.
    pub status: u16,
    /// Further fields, with lower-case names.
    pub fields: Vec<(Cow<'static, str>, Text<'static>)>,
    /// What is told to the client.
    pub body: Vec<u8>,
    /// Why, as access logs tell it by `%RESPONSE_FLAGS%`.
    pub flags: ResponseFlags,
    /// Why, as access logs tell it by `%RESPONSE_CODE_DETAILS%`.
    pub details: &'static str,
    /// Status of gRPC, where it is not the one that [`Self::status`] stands for.
    grpc: Option<u16>,
}

/// Why there was no answer from upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// No connection could be had.
    ConnectFailure,
    /// No connection could be had in time.
    ConnectTimeout,
    /// The connection ended.
    ConnectionTermination,
    /// The upstream reset the stream.
    Remote,
    /// The upstream refused the stream.
    RefusedStream,
    /// The upstream's answer could not be understood.
    ProtocolError,
    /// A limit of the backend was reached.
    Overflow,
    /// The callee has as many connections as its policies let in.
    Limited,
}

/// Whether there were attempts before the one that failed last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tried {
    /// It was the first.
    Once,
    /// There were.
    Again,
}

/// Who is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// A client of HTTP.
    Http,
    /// A client of gRPC: it gets 200 and trailers only.
    Grpc,
}

/// An answer that is ready to be written. Its length is not among its fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Status.
    pub status: u16,
    /// Fields.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
    /// Body.
    pub body: Vec<u8>,
}

// === impl Local ===

impl Local {
    fn new(status: u16, body: impl Into<Vec<u8>>, flag: ResponseFlag, details: &'static str) -> Self {
        Self { status, fields: Vec::new(), body: body.into(), flags: flag.into(), details, grpc: None }
    }

    /// No rule matches, or the gateway knows no such host.
    pub fn no_route() -> Self {
        Self::new(404, "", ResponseFlag::NoRouteFound, "route_not_found")
    }

    /// The backend that was drawn is not there: no such host, port or subset.
    pub fn no_cluster() -> Self {
        Self::new(503, "", ResponseFlag::NoClusterFound, "cluster_not_found")
    }

    /// The rule has no backend with any weight: 500, as the Gateway API asks for. Istio's own rules can't be so.
    pub fn no_backend() -> Self {
        Self::direct(500, b"")
    }

    /// The backend has no endpoint that may be called.
    pub fn no_healthy_upstream() -> Self {
        Self::new(503, "no healthy upstream", ResponseFlag::NoHealthyUpstream, "no_healthy_upstream")
    }

    /// There was no answer. `transport` is what went wrong below HTTP, if that is known.
    pub fn reset(reset: Reset, tried: Tried, transport: Option<&str>) -> Self {
        let status = if reset == Reset::ProtocolError { 502 } else { 503 };
        let latest = match tried {
            Tried::Once => "",
            Tried::Again => "retried and the latest ",
        };
        let mut body = format!(
            "upstream connect error or disconnect/reset before headers. {latest}reset reason: {}",
            reset.as_str()
        );
        if let Some(transport) = transport {
            body.push_str(", transport failure reason: ");
            body.push_str(transport);
        }
        let mut local = Self::new(status, body, reset.flag(), reset.details());
        if reset.is_overload() {
            local.fields.push(("x-envoy-overloaded".into(), Text::from("true")));
        }
        local
    }

    /// An exchange failed before its answer's head was passed on.
    pub fn failed(failure: &Failure, tried: Tried) -> Self {
        let reset = match (failure.party, &failure.fault) {
            (_, Fault::HeadTooLarge) => {
                let (flag, details) = match failure.party {
                    Party::Downstream => (ResponseFlag::DownstreamProtocolError, "request_headers_too_large"),
                    Party::Upstream => (ResponseFlag::UpstreamProtocolError, "upstream_refused_headers_too_large"),
                };
                return Self::new(failure.status(), "", flag, details);
            }
            (Party::Downstream, Fault::Malformed(_) | Fault::Head(_) | Fault::HeadHttp2(_) | Fault::Switch) => {
                let flag = ResponseFlag::DownstreamProtocolError;
                return Self::new(failure.status(), "", flag, "downstream_protocol_error");
            }
            (Party::Downstream, _) => {
                let flag = ResponseFlag::DownstreamConnectionTermination;
                return Self::new(failure.status(), "", flag, "downstream_remote_disconnect");
            }
            (Party::Upstream, Fault::Gone | Fault::Io(_)) => Reset::ConnectionTermination,
            (Party::Upstream, Fault::Reset(_)) => Reset::Remote,
            (Party::Upstream, Fault::Unprocessed) => Reset::RefusedStream,
            (Party::Upstream, _) => Reset::ProtocolError,
        };
        Self::reset(reset, tried, None)
    }

    /// The request took longer than it may.
    pub fn timed_out() -> Self {
        let flag = ResponseFlag::UpstreamRequestTimeout;
        // A call of gRPC learns that its time is over, as it would from its own clock.
        Self {
            grpc: Some(grpc::DEADLINE_EXCEEDED),
            ..Self::new(504, "upstream request timeout", flag, "response_timeout")
        }
    }

    /// Its last attempt took longer than one may.
    pub fn attempt_timed_out() -> Self {
        Self { details: "upstream_per_try_timeout", ..Self::timed_out() }
    }

    /// It was aborted on purpose. To a client that does not speak gRPC, a status of gRPC is 200, as with Envoy.
    pub fn aborted(abort: &Abort) -> Self {
        let (status, grpc) = match abort {
            Abort::Http(status) => (*status, None),
            Abort::Grpc(status) => (200, Some(*status)),
        };
        let flag = ResponseFlag::FaultInjected;
        Self { grpc, ..Self::new(status, "fault filter abort", flag, "fault_filter_abort") }
    }

    /// The caller is sent elsewhere.
    pub fn redirect(status: u16, location: String) -> Self {
        let mut local = Self::direct(status, b"");
        local.fields.push(("location".into(), location.into()));
        local
    }

    /// The rule itself is the answer.
    pub fn direct(status: u16, body: &[u8]) -> Self {
        Self::new(status, body, ResponseFlag::None, "direct_response")
    }

    /// The answer to a preflight; see [`cors`](super::cors).
    pub(super) fn preflight() -> Self {
        Self::new(200, "", ResponseFlag::None, "cors_response")
    }

    /// A policy does not let it in. A caller who may know more is told the reason's code and the number of the decision,
    /// which stands in logs and records, too.
    pub fn denied(told: Option<(&str, u64)>) -> Self {
        let body = match told {
            None => "RBAC: access denied".to_owned(),
            Some((code, decision)) => format!("RBAC: access denied ({code}, {decision:016x})"),
        };
        Self::new(403, body, ResponseFlag::Deny, "rbac_access_denied")
    }

    /// It is one too many, and `fields` tell the client when to come again. With 429 a call of gRPC learns that it may be
    /// repeated, but not at once: its status for services that are away would have it tried again.
    pub fn limited(status: u16, fields: impl Iterator<Item = (&'static str, u64)>) -> Self {
        let mut local = Self::new(status, "local_rate_limited", ResponseFlag::RateLimited, "local_rate_limited");
        local.fields.push(("x-envoy-ratelimited".into(), Text::from("true")));
        local.fields.extend(fields.map(|(name, number)| (name.into(), Text::number(number))));
        local.grpc = (status == 429).then_some(grpc::RESOURCE_EXHAUSTED);
        local
    }

    /// The instance that is called has as many requests as it takes.
    pub fn crowded() -> Self {
        let flag = ResponseFlag::UpstreamOverflow;
        let mut local = Self::new(503, "reached concurrency limit", flag, "reached_concurrency_limit");
        local.fields.push(("x-envoy-overloaded".into(), Text::from("true")));
        local
    }

    /// It is one too many for a service that counts (Envoy's global limits), which may say more: `fields`, and a body.
    pub fn limited_by_service(status: u16, fields: Vec<(Cow<'static, str>, Text<'static>)>, body: Vec<u8>) -> Self {
        let mut local = Self::new(status, body, ResponseFlag::RateLimited, "request_rate_limited");
        local.fields.push(("x-envoy-ratelimited".into(), Text::from("true")));
        local.fields.extend(fields);
        local.grpc = (status == 429).then_some(grpc::RESOURCE_EXHAUSTED);
        local
    }

    /// Nobody knows whether it is one too many: the service that counts has not said so.
    pub fn unknown_limit() -> Self {
        Self::new(500, "", ResponseFlag::RateLimitServiceError, "rate_limiter_error")
    }

    /// It can't be understood in one way only.
    pub fn refused(refusal: &Refusal) -> Self {
        let details = match refusal {
            Refusal::Underscore => "http1.unexpected_underscore",
            Refusal::NoText(_) | Refusal::Path(_) | Refusal::Elsewhere(_) => "path_normalization_failed",
        };
        let body = format!("Bad request: {refusal}");
        Self::new(400, body, ResponseFlag::DownstreamProtocolError, details)
    }

    /// Its path is another one, where its client shall ask. Who speaks gRPC follows nobody.
    pub fn bad(refusal: Refusal, asker: Asker) -> Self {
        match refusal {
            Refusal::Elsewhere(path) if asker == Asker::Http => {
                Self { details: "path_normalization_failed", ..Self::redirect(307, path) }
            }
            refusal => Self::refused(&refusal),
        }
    }

    /// It took too long; `received`: what is missing is not the client's.
    pub fn late(late: Late, received: Received) -> Self {
        let (body, flag, details) = match late {
            Late::Request => ("request timeout", ResponseFlag::None, "request_overall_timeout"),
            Late::Idle => ("stream timeout", ResponseFlag::StreamIdleTimeout, "stream_idle_timeout"),
            Late::Whole => ("downstream duration timeout", ResponseFlag::DurationTimeout, "max_duration_timeout"),
        };
        let status = match received {
            Received::Whole => 504,
            Received::InPart => 408,
        };
        Self::new(status, body, flag, details)
    }

    /// It is no request, or one beyond the limits: the status says which.
    pub fn malformed(what: &Malformed) -> Self {
        let Malformed { status, version, .. } = *what;
        let details = match (status, version) {
            (408, _) => "request_header_timeout",
            (431, Version::Http1) => "http1.headers_too_large",
            (_, Version::Http1) => "http1.codec_error",
            (431, Version::Http2) => "http2.headers_too_large",
            (_, Version::Http2) => "http2.violation.of.messaging.rule",
        };
        // Who is slow breaks no protocol.
        let flag = if status == 408 { ResponseFlag::None } else { ResponseFlag::DownstreamProtocolError };
        Self::new(status, "", flag, details)
    }

    /// A limit did not let it be tried again.
    #[must_use]
    pub fn overflowed(mut self) -> Self {
        self.flags.insert(ResponseFlag::UpstreamOverflow);
        self
    }

    /// It was tried as often as it may be.
    #[must_use]
    pub fn exhausted(mut self) -> Self {
        self.flags.insert(ResponseFlag::UpstreamRetryLimitExceeded);
        self
    }

    /// Status of HTTP and of gRPC, as `asker` gets them.
    pub fn statuses(&self, asker: Asker) -> (u16, Option<u16>) {
        match asker {
            Asker::Grpc => (200, Some(self.grpc.unwrap_or_else(|| grpc::status_of(self.status)))),
            Asker::Http => (self.status, None),
        }
    }

    /// Makes it ready for who is answered, with the changes that a rule makes of answers
    /// ([`changes::answer`](super::changes::answer), over no fields). A preflight takes none.
    pub fn reply(&self, asker: Asker, edits: &Edits<'_>) -> Reply {
        let mut fields: Vec<(Vec<u8>, Vec<u8>)> =
            self.fields.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect();
        for change in edits.list().iter() {
            match change {
                FieldChange::Set { name, value } => {
                    set(&mut fields, name, value);
                }
                FieldChange::Add { name, value } => fields.push((name.to_vec(), value.to_vec())),
                FieldChange::Remove { name } => fields.retain(|(own, _)| !own.eq_ignore_ascii_case(name)),
            }
        }
        let (status, grpc) = self.statuses(asker);
        match asker {
            Asker::Grpc => {
                set(&mut fields, b"content-type", b"application/grpc");
                if let Some(grpc) = grpc {
                    set(&mut fields, b"grpc-status", Text::number(grpc.into()).as_bytes());
                }
                if !self.body.is_empty() {
                    let message = grpc::message(&String::from_utf8_lossy(&self.body));
                    set(&mut fields, b"grpc-message", message.as_bytes());
                }
                Reply { status, fields, body: Vec::new() }
            }
            Asker::Http => {
                let is_type = |(name, _): &(Vec<u8>, Vec<u8>)| name.eq_ignore_ascii_case(b"content-type");
                // These statuses have no body.
                let body = if matches!(self.status, 204 | 304) { &[][..] } else { &self.body };
                if body.is_empty() {
                    fields.retain(|field| !is_type(field));
                } else if !fields.iter().any(is_type) {
                    fields.push((b"content-type".to_vec(), b"text/plain".to_vec()));
                }
                Reply { status, fields, body: body.to_vec() }
            }
        }
    }
}

fn set(fields: &mut Vec<(Vec<u8>, Vec<u8>)>, name: &[u8], value: &[u8]) {
    fields.retain(|(own, _)| !own.eq_ignore_ascii_case(name));
    fields.push((name.to_vec(), value.to_vec()));
}

// === impl Reset ===

impl Reset {
    /// Whether the backend is well, and has enough to do.
    pub fn is_overload(self) -> bool {
        matches!(self, Self::Overflow | Self::Limited)
    }

    /// Envoy's words for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConnectFailure => "remote connection failure",
            Self::ConnectTimeout => "connection timeout",
            Self::ConnectionTermination => "connection termination",
            Self::Remote => "remote reset",
            Self::RefusedStream => "remote refused stream reset",
            Self::ProtocolError => "protocol error",
            Self::Overflow | Self::Limited => "overflow",
        }
    }

    /// What the access log tells of it.
    pub fn flag(self) -> ResponseFlag {
        match self {
            Self::ConnectFailure | Self::ConnectTimeout => ResponseFlag::UpstreamConnectionFailure,
            Self::ConnectionTermination => ResponseFlag::UpstreamConnectionTermination,
            Self::Remote | Self::RefusedStream => ResponseFlag::UpstreamRemoteReset,
            Self::ProtocolError => ResponseFlag::UpstreamProtocolError,
            Self::Overflow => ResponseFlag::UpstreamOverflow,
            Self::Limited => ResponseFlag::RateLimited,
        }
    }

    fn details(self) -> &'static str {
        match self {
            Self::ConnectFailure => "upstream_reset_before_response_started{remote_connection_failure}",
            Self::ConnectTimeout => "upstream_reset_before_response_started{connection_timeout}",
            Self::ConnectionTermination => "upstream_reset_before_response_started{connection_termination}",
            Self::Remote => "upstream_reset_before_response_started{remote_reset}",
            Self::RefusedStream => "upstream_reset_before_response_started{remote_refused_stream_reset}",
            Self::ProtocolError => "upstream_reset_before_response_started{protocol_error}",
            Self::Overflow | Self::Limited => "upstream_reset_before_response_started{overflow}",
        }
    }
}

#[cfg(test)]
mod tests;
