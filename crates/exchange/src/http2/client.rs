//! The client's end of a connection, and its requests.

use std::{
    rc::Rc,
    task::{Context, Poll},
};

use ripstop_h1::BodyKind;
use ripstop_h2::{Code, End, Fields, OpenError, Request, Role};

use super::{
    core::Shared,
    driver::{Http2Driver, Http2Options},
    inbox::Head,
    lists::List,
    stream::Stream,
};
use crate::{
    exchange::{Body, Slices},
    failure::Sent,
    fault::Fault,
    http1::Heard,
    io::Io,
};

/// An HTTP/2 connection to a server. Clones are of the same connection; when all are gone, and all calls, it ends in good
/// order.
#[derive(Debug)]
pub struct Http2Client {
    shared: Shared,
    /// Of requests of our own.
    scheme: &'static [u8],
}

/// A request that goes by HTTP/2, and its answer. It takes a stream when it is sent. Dropped before its end, it is reset.
#[derive(Debug)]
pub struct Http2Call {
    client: Http2Client,
    stream: Option<Stream>,
    kind: Request,
    /// It asks for a tunnel, or for another protocol.
    switches: bool,
    head: Option<Head>,
    trailers: Option<List>,
    body_sent: bool,
    heard: bool,
}

// === impl Http2Client ===

impl Http2Client {
    /// A connection that is ours to speak on, and what drives it.
    pub fn new(io: impl Into<Io>, options: Rc<Http2Options>) -> (Self, Http2Driver) {
        let (io, shared) = (io.into(), Shared::new(Role::Client, options.config(Role::Client)));
        let scheme: &[u8] = if io.is_secure() { b"https" } else { b"http" };
        (Self { shared: shared.clone(), scheme }, Http2Driver::new(shared, io, options))
    }

    /// Whether another request can be sent now.
    pub fn may_open(&self) -> Result<(), OpenError> {
        self.shared.may_open()
    }

    /// Requests that are under way.
    pub fn active(&self) -> usize {
        self.shared.active()
    }

    /// Requests that may be under way at once, as far as the server has said.
    pub fn limit(&self) -> usize {
        self.shared.limit()
    }

    /// Whether other protocols can be asked for (RFC 8441), as far as the server has said.
    pub fn has_connect_protocol(&self) -> bool {
        self.shared.has_connect_protocol()
    }

    /// Waits until the server has said what it allows, or is gone.
    pub async fn settled(&self) {
        std::future::poll_fn(|cx| self.shared.poll_settled(cx)).await;
    }

    /// A request that is to be sent.
    pub fn call(&self) -> Http2Call {
        Http2Call {
            client: self.clone(),
            stream: None,
            kind: Request::Ordinary,
            switches: false,
            head: None,
            trailers: None,
            body_sent: false,
            heard: false,
        }
    }
}

impl Clone for Http2Client {
    fn clone(&self) -> Self {
        self.shared.add_handle();
        Self { shared: self.shared.clone(), scheme: self.scheme }
    }
}

impl Drop for Http2Client {
    fn drop(&mut self) {
        self.shared.drop_handle();
    }
}

// === impl Http2Call ===

impl Http2Call {
    /// Whether it may ask for another protocol (RFC 8441), as far as the server has said.
    pub fn has_connect_protocol(&self) -> bool {
        self.client.has_connect_protocol()
    }

    /// The scheme of a request of our own.
    pub(crate) fn scheme(&self) -> &'static [u8] {
        self.client.scheme
    }

    /// Sends the head.
    pub(crate) fn open(&mut self, kind: Request, switches: bool, fields: &Fields, end: End) -> Result<(), Fault> {
        let (stream, inbox) = self.client.shared.open(kind, fields, end).map_err(|error| match error {
            OpenError::TooLarge => Fault::HeadTooLarge,
            OpenError::Full | OpenError::Closing | OpenError::Exhausted | OpenError::Blocked => Fault::Unprocessed,
        })?;
        let mut stream = Stream::new(self.client.shared.clone(), stream, inbox, Code::CANCEL);
        stream.said(end, Ok(()))?;
        self.stream = Some(stream);
        (self.kind, self.switches) = (kind, switches);
        Ok(())
    }

    pub(crate) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Heard, Fault>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(Err(Fault::Gone)) };
        stream.poll_head(cx).map_ok(|head| {
            self.heard = true;
            let heard = match head.status {
                100..=199 => Heard::Informational,
                200..=299 if self.switches => Heard::Switch,
                204 | 304 => Heard::Final(BodyKind::None),
                _ if self.kind == Request::Head => Heard::Final(BodyKind::None),
                _ => Heard::Final(match head.length {
                    _ if head.end => BodyKind::Length(0),
                    Some(length) => BodyKind::Length(length),
                    None => BodyKind::Chunked,
                }),
            };
            self.head = Some(head);
            heard
        })
    }

    /// The status of the latest head; 0 before there is one.
    pub(crate) fn status(&self) -> u16 {
        self.head.as_ref().map_or(0, |head| head.status)
    }

    /// The content-length of the latest head.
    pub(crate) fn length(&self) -> Option<u64> {
        self.head.as_ref()?.length
    }

    /// What the request's method does to its answer.
    pub(crate) fn kind(&self) -> Request {
        self.kind
    }

    /// Whether nothing follows the latest head.
    pub(crate) fn is_bodiless(&self) -> bool {
        self.head.as_ref().is_some_and(|head| head.end)
    }

    /// The fields of the latest head, pseudo-header fields first.
    pub fn fields(&self) -> Option<&Fields> {
        self.head.as_ref().map(|head| &*head.fields)
    }

    pub(crate) fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Body, Fault>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(Err(Fault::Gone)) };
        let found = stream.poll_body(cx);
        if let Poll::Ready(Ok(Body::End)) = found {
            self.trailers = stream.take_trailers().or_else(|| self.trailers.take());
        }
        found
    }

    pub(crate) fn data(&self) -> Slices<'_> {
        self.stream.as_ref().map_or_else(Slices::none, Stream::data)
    }

    pub(crate) fn consume(&mut self, n: usize) {
        if let Some(stream) = &mut self.stream {
            stream.consume(n);
        }
    }

    pub(crate) fn stall(&mut self) {
        if let Some(stream) = &mut self.stream {
            stream.stall();
        }
    }

    /// The trailers, once the body was read to its end.
    pub(crate) fn trailers(&self) -> Option<&Fields> {
        self.trailers.as_deref()
    }

    /// Bytes of content that were passed on.
    pub fn received(&self) -> u64 {
        self.stream.as_ref().map_or(0, Stream::passed)
    }

    pub(crate) fn poll_send(&mut self, cx: &mut Context<'_>, pieces: &Slices<'_>) -> Poll<Result<usize, Fault>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(Err(Fault::Gone)) };
        let sent = stream.poll_send(cx, pieces);
        self.body_sent |= matches!(sent, Poll::Ready(Ok(1..)));
        sent
    }

    pub(crate) fn poll_flush(&mut self) -> Poll<Result<(), Fault>> {
        self.stream.as_mut().map_or(Poll::Ready(Ok(())), Stream::poll_flush)
    }

    pub(crate) fn end(&mut self, trailers: &Fields) -> Result<(), Fault> {
        self.stream.as_mut().map_or(Ok(()), |stream| stream.end(trailers))
    }

    pub(crate) fn sent(&self) -> Sent {
        match &self.stream {
            None => Sent::Nothing,
            Some(stream) if stream.inbox.is_unsent() || !stream.shared.head_was_sent(stream.at) => Sent::Nothing,
            Some(stream) if stream.has_ended() => Sent::All,
            Some(_) if self.body_sent => Sent::PartOfBody,
            Some(_) => Sent::Head,
        }
    }

    pub(crate) fn has_heard(&self) -> bool {
        self.heard
    }

    pub(crate) fn reset(&mut self) {
        if let Some(stream) = &mut self.stream {
            stream.reset(Code::CANCEL);
        }
    }
}
