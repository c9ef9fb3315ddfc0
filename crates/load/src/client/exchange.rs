//! A request, and its answer.

use std::{
    future::poll_fn,
    task::{Context, Poll},
};

use ripstop_exchange::{Body, Fault, Heard, Slices, Upstream};
use ripstop_h1::BodyKind;

use crate::{Message, Plan, Protocol, Target, tally::Ended};

/// A request that is the same each time.
pub(super) struct Outgoing {
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    body: Vec<u8>,
    kind: BodyKind,
}

/// What is left of a request to be sent, while its answer may come already.
struct Sending<'b> {
    left: &'b [u8],
    ended: bool,
    /// Why nothing more is sent. The server may have answered nevertheless.
    broken: Option<Fault>,
}

/// The value of a field that is not there.
const NOT_SAID: &str = "(none)";

/// Sends `message` to `target`, and reads the answer to its end.
pub(super) async fn exchange(
    plan: &Plan,
    message: &Outgoing,
    upstream: &mut Upstream<'_>,
    target: &Target,
) -> Result<Ended, Fault> {
    let fields = message.fields.iter().map(|(name, value)| (&**name, &**value));
    let (method, path) = (plan.message.method.as_bytes(), target.path.as_bytes());
    upstream.send(method, path, target.authority.as_bytes(), fields, message.kind)?;
    let mut sending = Sending {
        left: &message.body,
        // A request of HTTP/2 that has no body has ended with its head.
        ended: message.body.is_empty() && matches!(upstream, Upstream::Http2(_)),
        broken: None,
    };
    loop {
        let heard = poll_fn(|cx| {
            sending.go_on(upstream, cx);
            upstream.poll_head(cx)
        });
        match heard.await {
            Ok(Heard::Informational) => {}
            Ok(Heard::Final(_)) => break,
            Ok(Heard::Switch) => return Err(Fault::Switch),
            Err(fault) => return Err(sending.broken.unwrap_or(fault)),
        }
    }
    let status = upstream.status();
    let field = |wanted: &[u8]| {
        let said = upstream.fields().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        said.map(|(_, value)| String::from_utf8_lossy(value).into())
    };
    let value = plan.by.as_ref().map(|name| field(name.as_bytes()).unwrap_or_else(|| NOT_SAID.into()));
    let is_grpc = plan.protocol == Protocol::Grpc;
    let early: Option<Box<str>> = if is_grpc { field(b"grpc-status") } else { None };
    let mut received = 0;
    loop {
        let body = poll_fn(|cx| {
            sending.go_on(upstream, cx);
            upstream.poll_body(cx)
        });
        if body.await? == Body::End {
            break;
        }
        let length = upstream.data().len();
        upstream.consume(length);
        received += length as u64;
    }
    let grpc = is_grpc.then(|| {
        let late = upstream.trailer(b"grpc-status").and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
        late.or(early.and_then(|value| value.parse().ok())).unwrap_or_else(|| code_of(status))
    });
    Ok(Ended::Answered { status, grpc, received, value })
}

// === impl Sending ===

impl Sending<'_> {
    /// Sends what can be sent now.
    fn go_on(&mut self, upstream: &mut Upstream<'_>, cx: &mut Context<'_>) {
        if self.broken.is_none()
            && let Err(fault) = self.try_to(upstream, cx)
        {
            self.broken = Some(fault);
        }
    }

    fn try_to(&mut self, upstream: &mut Upstream<'_>, cx: &mut Context<'_>) -> Result<(), Fault> {
        while !self.left.is_empty()
            && let Poll::Ready(sent) = upstream.poll_send(cx, &Slices::from(self.left))
        {
            self.left = &self.left[sent?..];
        }
        if self.left.is_empty() && !std::mem::replace(&mut self.ended, true) {
            upstream.end([])?;
        }
        match upstream.poll_flush(cx) {
            Poll::Ready(flushed) => flushed,
            Poll::Pending => Ok(()),
        }
    }
}

// === impl Outgoing ===

impl Outgoing {
    pub(super) fn new(message: &Message, protocol: Protocol) -> Self {
        let bytes = |text: &String| text.as_bytes().to_vec();
        let mut fields: Vec<_> = message.fields.iter().map(|(name, value)| (bytes(name), bytes(value))).collect();
        let mut body = message.body.clone();
        if protocol == Protocol::Grpc {
            for (name, value) in [("content-type", "application/grpc"), ("te", "trailers")] {
                if !message.fields.iter().any(|(said, _)| said == name) {
                    fields.push((name.into(), value.into()));
                }
            }
            // Not compressed, and how long it is.
            let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
            body.splice(0..0, [0].into_iter().chain(length));
        }
        let kind = match body.len() as u64 {
            0 if matches!(message.method.as_str(), "POST" | "PUT" | "PATCH") => BodyKind::Length(0),
            0 => BodyKind::None,
            length => BodyKind::Length(length),
        };
        Self { fields, body, kind }
    }
}

/// What an HTTP status means for a call that was not answered by gRPC (its document "HTTP to gRPC Status Code Mapping").
fn code_of(status: u16) -> u32 {
    match status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => 14,
        _ => 2,
    }
}
