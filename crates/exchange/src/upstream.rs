//! The side that a request goes to.

use std::task::{Context, Poll};

use ripstop_h1::BodyKind;
use ripstop_h2::{End, Request, RequestHead, RequestWriter, write_trailers};

use crate::{
    Fault, Heard, Http1Client, Http2Call,
    exchange::{Body, Slices},
    failure::{Answered, Sent},
    http2::List,
};

/// A request that is sent on, and its answer, whichever HTTP it goes by.
#[derive(Debug)]
pub enum Upstream<'c> {
    /// An HTTP/1.1 connection, for one request.
    Http1(&'c mut Http1Client),
    /// A stream of HTTP/2.
    Http2(&'c mut Http2Call),
}

impl Upstream<'_> {
    /// Waits for the next head of an answer.
    pub fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Heard, Fault>> {
        match self {
            Self::Http1(client) => client.poll_head(cx),
            Self::Http2(call) => call.poll_head(cx),
        }
    }

    /// The status of the head that [`Self::poll_head`] found last.
    pub fn status(&self) -> u16 {
        match self {
            Self::Http1(client) => client.head().status(),
            Self::Http2(call) => call.status(),
        }
    }

    /// The fields of the head that [`Self::poll_head`] found last, without pseudo-header fields.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let (http1, http2) = match self {
            Self::Http1(client) => (Some(client.head().fields().iter()), None),
            Self::Http2(call) => (None, call.fields().map(ripstop_h2::Fields::iter)),
        };
        let http1 = http1.into_iter().flatten().map(|field| (field.name, field.value));
        let http2 = http2.into_iter().flatten().map(|field| (field.name, field.value));
        http1.chain(http2.filter(|(name, _)| name.first() != Some(&b':')))
    }

    /// Waits for a piece of the answer's body, or for its end.
    pub fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Body, Fault>> {
        match self {
            Self::Http1(client) => client.poll_body(cx),
            Self::Http2(call) => call.poll_body(cx),
        }
    }

    /// What [`Self::poll_body`] found.
    pub fn data(&self) -> Slices<'_> {
        match self {
            Self::Http1(client) => client.data(),
            Self::Http2(call) => call.data(),
        }
    }

    /// `n` bytes of [`Self::data`] were used.
    pub fn consume(&mut self, n: usize) {
        match self {
            Self::Http1(client) => client.consume(n),
            Self::Http2(call) => call.consume(n),
        }
    }

    /// What [`Self::poll_body`] found will wait: it must not keep more memory busy than it needs.
    pub(crate) fn stall(&mut self) {
        match self {
            Self::Http1(_) => {}
            Self::Http2(call) => call.stall(),
        }
    }

    /// A trailer of the answer, in lower case, once its body was read to its end. Of HTTP/1.1, where hardly anybody sends
    /// any, none is known.
    pub fn trailer(&self, name: &[u8]) -> Option<&[u8]> {
        match self {
            Self::Http1(_) => None,
            Self::Http2(call) => call.trailers()?.get(name),
        }
    }

    /// Writes the head of a request of our own.
    pub fn send<'f>(
        &mut self,
        method: &[u8],
        path: &[u8],
        authority: &[u8],
        fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>,
        body: BodyKind,
    ) -> Result<(), Fault> {
        match self {
            Self::Http1(client) => client.send(method, path, authority, fields, body, None),
            Self::Http2(call) => {
                let content_length = if let BodyKind::Length(length) = body { Some(length) } else { None };
                let end = if matches!(body, BodyKind::None | BodyKind::Length(0)) { End::Stream } else { End::Open };
                let kind = if method == b"HEAD" { Request::Head } else { Request::Ordinary };
                let head = RequestHead {
                    method,
                    scheme: Some(call.scheme()),
                    authority,
                    path: Some(path),
                    protocol: None,
                    content_length,
                };
                let mut out = List::new();
                let mut writer = RequestWriter::new(&mut out, head)?;
                for (name, value) in fields {
                    writer.add((name, value))?;
                }
                writer.finish(end)?;
                call.open(kind, false, &out, end)
            }
        }
    }

    /// Sends of `pieces`, a part of the request's body, what can be sent now; gives how much.
    pub fn poll_send(&mut self, cx: &mut Context<'_>, pieces: &Slices<'_>) -> Poll<Result<usize, Fault>> {
        match self {
            Self::Http1(client) => client.poll_send(cx, pieces),
            Self::Http2(call) => call.poll_send(cx, pieces),
        }
    }

    /// The request's body is complete, with these trailers.
    pub fn end<'f>(&mut self, trailers: impl IntoIterator<Item = (&'f [u8], &'f [u8])>) -> Result<(), Fault> {
        match self {
            Self::Http1(client) => client.end(trailers),
            Self::Http2(call) => {
                let mut out = List::new();
                write_trailers(&mut out, trailers)?;
                call.end(&out)
            }
        }
    }

    /// Sends what was written.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        match self {
            Self::Http1(client) => client.poll_flush(cx),
            Self::Http2(call) => call.poll_flush(),
        }
    }

    /// How much of the request was sent, as far as is known. While the connection of HTTP/2 lives, what was not may still
    /// leave.
    pub fn sent(&self) -> Sent {
        match self {
            Self::Http1(client) => client.progress(),
            Self::Http2(call) => call.sent(),
        }
    }

    /// Whether any byte of an answer has come.
    pub(crate) fn answered(&self) -> Answered {
        let heard = match self {
            Self::Http1(client) => client.has_heard(),
            Self::Http2(call) => call.has_heard(),
        };
        if heard { Answered::Begun } else { Answered::Nothing }
    }

    /// Ends the exchange at once: nobody wants its answer.
    pub fn reset(&mut self) {
        match self {
            Self::Http1(client) => client.reset(),
            Self::Http2(call) => call.reset(),
        }
    }
}
