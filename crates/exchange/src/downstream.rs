//! The side that a request comes from.

use std::{
    rc::Rc,
    task::{Context, Poll},
};

use ripstop_h1::{BodyKind, Version};
use ripstop_h2::{End, ResponseHead, ResponseWriter, write_trailers};

use crate::{
    Fault, Http1Server, Http2Request,
    exchange::{Body, Slices},
    http2::{List, split},
    progress::Progress,
    pump::websocket,
};

/// A request that came, and its answer, whichever HTTP it came by.
#[derive(Debug)]
pub enum Downstream<'c> {
    /// The latest request of an HTTP/1.1 connection.
    Http1(&'c mut Http1Server),
    /// A stream of HTTP/2.
    Http2(&'c mut Http2Request),
}

/// What a request's head says, whichever HTTP it came by. Valid as long as the head is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestFacts<'h> {
    /// The method.
    pub method: &'h [u8],
    /// The scheme, if it was said.
    pub scheme: Option<&'h [u8]>,
    /// Host and port, if they were said.
    pub authority: Option<&'h [u8]>,
    /// The path that a server sees, without the query; empty for CONNECT.
    pub path: &'h [u8],
    /// The query, without its `?`.
    pub query: Option<&'h [u8]>,
    /// By which HTTP.
    pub protocol: Protocol,
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

impl Downstream<'_> {
    /// What the request's head says.
    pub fn facts(&self) -> RequestFacts<'_> {
        match self {
            Self::Http1(server) => {
                let head = server.head();
                RequestFacts {
                    method: head.method(),
                    scheme: Some(server.scheme()),
                    authority: head.authority(),
                    path: head.path(),
                    query: head.query(),
                    protocol: match head.version() {
                        Version::Http10 => Protocol::Http10,
                        Version::Http11 => Protocol::Http11,
                    },
                }
            }
            Self::Http2(request) => {
                let head = request.head();
                let (path, query) = split(head.path.unwrap_or_default());
                RequestFacts {
                    method: head.method,
                    scheme: head.scheme,
                    authority: Some(head.authority),
                    path,
                    query,
                    protocol: Protocol::Http2,
                }
            }
        }
    }

    /// The request's fields in order, as they came, without pseudo-header fields.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let (http1, http2) = match self {
            Self::Http1(server) => (Some(server.head().fields().iter()), None),
            Self::Http2(request) => (None, Some(request.fields().iter())),
        };
        let http1 = http1.into_iter().flatten().map(|field| (field.name, field.value));
        let http2 = http2.into_iter().flatten().map(|field| (field.name, field.value));
        http1.chain(http2.filter(|(name, _)| name.first() != Some(&b':')))
    }

    /// Waits for a piece of the request's body, or for its end.
    pub fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Body, Fault>> {
        match self {
            Self::Http1(server) => server.poll_body(cx),
            Self::Http2(request) => request.poll_body(cx),
        }
    }

    /// What [`Self::poll_body`] found.
    pub fn data(&self) -> Slices<'_> {
        match self {
            Self::Http1(server) => server.data(),
            Self::Http2(request) => request.data(),
        }
    }

    /// `n` bytes of [`Self::data`] were used.
    pub fn consume(&mut self, n: usize) {
        match self {
            Self::Http1(server) => server.consume(n),
            Self::Http2(request) => request.consume(n),
        }
    }

    /// What [`Self::poll_body`] found will wait: it must not keep more memory busy than it needs.
    pub(crate) fn stall(&mut self) {
        match self {
            Self::Http1(_) => {}
            Self::Http2(request) => request.stall(),
        }
    }

    /// Ready when the client is found to be gone while it waits for an answer.
    pub fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<Fault> {
        match self {
            Self::Http1(server) => server.poll_gone(cx),
            Self::Http2(request) => request.poll_gone(cx),
        }
    }

    /// How the request and its answer come on from now on.
    pub fn watch(&mut self) -> Rc<Progress> {
        match self {
            Self::Http1(server) => server.watch(),
            Self::Http2(request) => request.watch(),
        }
    }

    /// Whether the request asks for a WebSocket, and for nothing else, in the words of its HTTP (RFC 6455 4, RFC 8441 5).
    pub fn asks_for_websocket(&self) -> bool {
        match self {
            Self::Http1(server) => server.may_upgrade() && server.head().upgrade_protocols().all(websocket::is_name),
            Self::Http2(request) => request.head().protocol.is_some_and(websocket::is_name),
        }
    }

    /// Waits until the client is found to be gone, while something else than an upstream is waited for: of HTTP/1.1 more is
    /// seen than by [`Self::poll_gone`]. It can be given up and begun again.
    pub async fn gone(&mut self) -> Fault {
        match self {
            Self::Http1(server) => server.gone().await,
            Self::Http2(request) => std::future::poll_fn(|cx| request.poll_gone(cx)).await,
        }
    }

    /// Says something before the final answer (1xx but 101), such as 100 (Continue).
    pub fn inform<'f>(
        &mut self,
        status: u16,
        fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>,
    ) -> Result<(), Fault> {
        match self {
            Self::Http1(server) => server.inform(status, fields),
            Self::Http2(request) => {
                let mut out = List::new();
                let head = ResponseHead { status, content_length: None };
                let mut writer = ResponseWriter::new(&mut out, head, request.kind())?;
                for (name, value) in fields {
                    writer.add((name, value))?;
                }
                writer.finish(End::Open)?;
                request.inform(&out)
            }
        }
    }

    /// Begins an answer of our own, whose body is framed as `body` at its source.
    pub fn answer<'f>(
        &mut self,
        status: u16,
        fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>,
        body: BodyKind,
    ) -> Result<(), Fault> {
        match self {
            Self::Http1(server) => server.answer(status, fields, body).map(drop),
            Self::Http2(request) => {
                let mut out = List::new();
                let content_length = if let BodyKind::Length(length) = body { Some(length) } else { None };
                let end = match body {
                    BodyKind::None | BodyKind::Length(0) => End::Stream,
                    _ if request.kind() == ripstop_h2::Request::Head => End::Stream,
                    _ => End::Open,
                };
                let mut writer =
                    ResponseWriter::new(&mut out, ResponseHead { status, content_length }, request.kind())?;
                for (name, value) in fields {
                    writer.add((name, value))?;
                }
                writer.finish(end)?;
                request.respond(&out, end)
            }
        }
    }

    /// Gives a whole answer of our own. [`Self::poll_finish`] sends it.
    pub fn reply<'f>(
        &mut self,
        status: u16,
        fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>,
        body: &[u8],
    ) -> Result<(), Fault> {
        match self {
            Self::Http1(server) => server.reply(status, fields, body),
            Self::Http2(request) => request.reply(status, fields, body),
        }
    }

    /// Sends of `pieces`, a part of the answer's body, what can be sent now; gives how much.
    pub fn poll_send(&mut self, cx: &mut Context<'_>, pieces: &Slices<'_>) -> Poll<Result<usize, Fault>> {
        match self {
            Self::Http1(server) => server.poll_send(cx, pieces),
            Self::Http2(request) => request.poll_send(cx, pieces),
        }
    }

    /// The answer's body is complete, with these trailers.
    pub fn end<'f>(&mut self, trailers: impl IntoIterator<Item = (&'f [u8], &'f [u8])>) -> Result<(), Fault> {
        match self {
            Self::Http1(server) => server.end(trailers),
            Self::Http2(request) => {
                let mut out = List::new();
                write_trailers(&mut out, trailers)?;
                request.end(&out)
            }
        }
    }

    /// Sends what was written.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        match self {
            Self::Http1(server) => server.poll_flush(cx),
            Self::Http2(request) => request.poll_flush(),
        }
    }

    /// Ends the exchange for the client: what is left of the answer is sent, what is left of the request is no longer
    /// wanted.
    pub fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        match self {
            Self::Http1(server) => server.poll_finish(cx).map_ok(|_| ()),
            Self::Http2(request) => request.poll_finish(cx),
        }
    }

    /// As [`Self::poll_finish`].
    pub async fn finish(&mut self) -> Result<(), Fault> {
        std::future::poll_fn(|cx| self.poll_finish(cx)).await
    }

    /// Ends the exchange at once, so that the client can't take what it has got for a whole answer.
    pub fn reset(&mut self) {
        match self {
            Self::Http1(server) => server.reset(),
            Self::Http2(request) => request.reset(),
        }
    }
}
