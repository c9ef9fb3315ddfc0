//! Answers that the proxy gives itself.

use ripstop_exchange::{Downstream, Failure, Fault, Party};
use ripstop_telemetry::{ResponseFlag, ResponseFlags};

use super::head::Head;
use crate::error::Error;

/// An answer of the proxy's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// Status, as HTTP has it. Calls of gRPC are answered by 200 and the status of gRPC that it stands for.
    pub status: u16,
    /// What is told to the client.
    pub body: String,
    /// Further fields.
    pub fields: Vec<(&'static str, String)>,
    /// Why, as access logs tell it.
    pub flags: ResponseFlags,
    /// The same, in a word of Envoy's.
    pub details: &'static str,
}

// === impl Local ===

impl Local {
    /// `status`, told in words.
    pub fn new(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            body: body.into(),
            fields: Vec::new(),
            flags: ResponseFlags::default(),
            details: "direct_response",
        }
    }

    /// With a flag.
    #[must_use]
    pub fn flagged(mut self, flag: ResponseFlag) -> Self {
        self.flags.insert(flag);
        self
    }

    /// With a word of Envoy's for access logs.
    #[must_use]
    pub fn because(mut self, details: &'static str) -> Self {
        self.details = details;
        self
    }

    /// With a field.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// Nothing was found that the request is for.
    pub fn no_route() -> Self {
        Self::new(404, "").flagged(ResponseFlag::NoRouteFound).because("route_not_found")
    }

    /// A policy does not let it in. The body begins as Envoy's; the code is the reason's, and the number stands in the
    /// access log, too.
    pub fn denied(code: &str, decision: u64) -> Self {
        let body = format!("RBAC: access denied ({code}, {decision:016x})");
        Self::new(403, body).flagged(ResponseFlag::Deny).because("rbac_access_denied")
    }

    /// It may not come in, or nobody knows yet whether it may.
    pub fn refused(error: &Error, decision: u64) -> Self {
        match error {
            Error::Denied { code, .. } => Self::denied(code, decision),
            error => Self::unreachable(error),
        }
    }

    /// The upstream could not be connected to.
    pub fn unreachable(error: &Error) -> Self {
        match error {
            Error::NoEndpoint(_) => Self::new(503, "no healthy upstream").flagged(ResponseFlag::NoHealthyUpstream).because("no_healthy_upstream"),
            error => Self::new(
                503,
                format!(
                    "upstream connect error or disconnect/reset before headers. reset reason: connection failure, transport failure reason: {error}"
                ),
            )
            .flagged(ResponseFlag::UpstreamConnectionFailure)
            .because("upstream_reset_before_response_started"),
        }
    }

    /// The exchange failed before its answer began.
    pub fn failed(failure: &Failure) -> Self {
        let status = failure.status();
        match (failure.party, &failure.fault) {
            (Party::Downstream, _) => Self::new(status, "").flagged(ResponseFlag::DownstreamConnectionTermination),
            (Party::Upstream, Fault::Gone | Fault::Io(_)) => Self::new(
                status,
                "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
            )
            .flagged(ResponseFlag::UpstreamConnectionTermination),
            (Party::Upstream, Fault::Reset(_) | Fault::Unprocessed) => Self::new(
                status,
                "upstream connect error or disconnect/reset before headers. reset reason: remote reset",
            )
            .flagged(ResponseFlag::UpstreamRemoteReset),
            (Party::Upstream, _) => Self::new(
                status,
                "upstream connect error or disconnect/reset before headers. reset reason: protocol error",
            )
            .flagged(ResponseFlag::UpstreamProtocolError),
        }
    }
}

/// Gives an answer of the proxy's own, if the client still takes one.
pub async fn answer(downstream: &mut Downstream<'_>, head: Option<&Head>, local: &Local) {
    if let Err(error) = try_answer(downstream, head, local).await {
        tracing::debug!(%error, "a client could not be answered");
        downstream.reset();
    }
}

async fn try_answer(downstream: &mut Downstream<'_>, head: Option<&Head>, local: &Local) -> Result<(), Fault> {
    let further = local.fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    if head.is_some_and(Head::is_grpc) {
        let code = grpc_status(local.status).to_string();
        let message = escaped(&local.body);
        let fields = [
            (&b"content-type"[..], &b"application/grpc"[..]),
            (b"grpc-status", code.as_bytes()),
            (b"grpc-message", message.as_bytes()),
        ];
        downstream.reply(200, fields.into_iter().chain(further), b"")?;
    } else {
        let kind = (!local.body.is_empty()).then_some((&b"content-type"[..], &b"text/plain"[..]));
        downstream.reply(local.status, kind.into_iter().chain(further), local.body.as_bytes())?;
    }
    downstream.finish().await
}

/// The status of gRPC that a status of HTTP stands for (gRPC's http-grpc-status-mapping).
pub fn grpc_status(http: u16) -> u16 {
    match http {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => 14,
        _ => 2,
    }
}

/// Text as `grpc-message` has it: what is no printable ASCII, and `%`, by its number.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if matches!(byte, b' '..=b'~') && byte != b'%' {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
