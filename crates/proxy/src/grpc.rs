//! Calls of gRPC that the proxy makes itself: one message there, one back.

use std::{future::poll_fn, time::Duration};

use ripstop_exchange::{Body, Fault, Heard, Slices, Upstream};
use ripstop_h1::BodyKind;

/// Compressed or not, and the length.
const PREFIX: usize = 5;

/// A call.
#[derive(Clone, Copy, Debug)]
pub struct Unary<'a> {
    /// Its path: the service and the method.
    pub path: &'a str,
    /// Whom it is for.
    pub authority: &'a str,
    /// Who asks.
    pub user_agent: &'a str,
    /// How long the answer is waited for, as the callee is told; nothing: it is not.
    pub timeout: Option<Duration>,
    /// The message, [`framed`].
    pub message: &'a [u8],
    /// Bytes of the answer at most, its frame included.
    pub longest: usize,
}

/// How a call ended that was answered.
#[derive(Debug, PartialEq, Eq)]
pub enum Answered {
    /// With status 0, and what came as its message, [still framed](message).
    Ok(Vec<u8>),
    /// With another status of gRPC.
    Failed(u16),
    /// With a status of HTTP alone.
    Http(u16),
    /// With nothing that says how it went.
    Nonsense(String),
}

impl Unary<'_> {
    /// Makes the call by a stream of HTTP/2 of which nothing was used yet.
    pub async fn call(&self, upstream: &mut Upstream<'_>) -> Result<Answered, Fault> {
        // What is told as zero would be over at once.
        let timeout = self.timeout.map(|timeout| format!("{}m", timeout.as_micros().div_ceil(1000).max(1)));
        let fields = [
            (&b"user-agent"[..], self.user_agent.as_bytes()),
            (b"content-type", b"application/grpc"),
            (b"te", b"trailers"),
        ];
        let deadline = timeout.as_ref().map(|timeout| (&b"grpc-timeout"[..], timeout.as_bytes()));
        let fields = fields.into_iter().chain(deadline);
        let length = BodyKind::Length(self.message.len() as u64);
        upstream.send(b"POST", self.path.as_bytes(), self.authority.as_bytes(), fields, length)?;
        let mut left = self.message;
        while !left.is_empty() {
            let sent = poll_fn(|cx| upstream.poll_send(cx, &Slices::from(left))).await?;
            left = &left[sent..];
        }
        upstream.end([])?;
        answered(upstream).await?;
        if upstream.status() != 200 {
            return Ok(Answered::Http(upstream.status()));
        }
        let mut message = Vec::new();
        while poll_fn(|cx| upstream.poll_body(cx)).await? == Body::Data {
            for piece in upstream.data().as_slice() {
                message.extend_from_slice(piece);
            }
            if message.len() > self.longest {
                return Ok(Answered::Nonsense(format!("an answer of more than {} bytes", self.longest)));
            }
            let length = upstream.data().len();
            upstream.consume(length);
        }
        // Whoever has nothing else to say does so at once.
        let at_once = upstream.fields().find(|(name, _)| *name == b"grpc-status").map(|(_, value)| value);
        let status = upstream.trailer(b"grpc-status").or(at_once);
        Ok(match status {
            Some(b"0") => Answered::Ok(message),
            Some(status) => match std::str::from_utf8(status).ok().and_then(|status| status.parse().ok()) {
                Some(status) => Answered::Failed(status),
                None => Answered::Nonsense(format!("gRPC status {}", status.escape_ascii())),
            },
            None => Answered::Nonsense("no gRPC status".to_owned()),
        })
    }
}

/// Waits for the head of the final answer.
pub async fn answered(upstream: &mut Upstream<'_>) -> Result<(), Fault> {
    poll_fn(|cx| upstream.poll_flush(cx)).await?;
    loop {
        match poll_fn(|cx| upstream.poll_head(cx)).await? {
            Heard::Informational => {}
            Heard::Final(_) => return Ok(()),
            Heard::Switch => return Err(Fault::Switch),
        }
    }
}

/// A message as gRPC frames it, not compressed.
pub fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[0], &length.to_be_bytes()[..], message].concat()
}

/// The one message in a frame, not compressed; nothing: it is anything else.
pub fn message(framed: &[u8]) -> Option<&[u8]> {
    match framed.split_first_chunk::<PREFIX>() {
        Some(([0, length @ ..], message)) if u32::from_be_bytes(*length) as usize == message.len() => Some(message),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_whole_message_counts() {
        assert_eq!(message(&framed(b"ab")), Some(&b"ab"[..]));
        assert_eq!(message(&framed(b"")), Some(&b""[..]));
        let good = framed(b"ab");
        for end in 0..good.len() {
            assert_eq!(message(&good[..end]), None, "{end} bytes");
        }
        assert_eq!(message(&[&good[..], &[0]].concat()), None);
        assert_eq!(message(&[&[1], &good[1..]].concat()), None, "compressed");
    }
}
