//! The server's end of a connection, and its requests.

use std::{
    rc::Rc,
    task::{Context, Poll, ready},
};

use ripstop_h2::{Code, End, Fields, Request, RequestHead, ResponseHead, ResponseWriter, Role};

use super::{
    core::Shared,
    driver::{Http2Driver, Http2Options},
    inbox::Head,
    lists::List,
    stream::Stream,
};
use crate::{
    exchange::{Body, Slices},
    fault::Fault,
    io::Io,
    progress::Progress,
    storage::Scratch,
};

/// Takes the requests of an HTTP/2 connection. Dropped, the connection ends in good order once its streams have.
#[derive(Debug)]
pub struct Http2Server {
    shared: Shared,
}

/// A request that came by HTTP/2, and its answer. Dropped before its end, it is reset.
#[derive(Debug)]
pub struct Http2Request {
    stream: Stream,
    head: Head,
    trailers: Option<List>,
    answered: bool,
    /// The body of an answer of our own, and how much of it was sent.
    reply: Scratch,
    replied: usize,
    /// If somebody asks for it.
    progress: Option<Rc<Progress>>,
}

/// What came by a connection of HTTP/2.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a box would be an allocation for each request")]
pub enum Came {
    /// A request.
    Request(Http2Request),
    /// Something that is no request, or one beyond the limits; it is answered already, with this status.
    Refused(u16),
}

// === impl Http2Server ===

impl Http2Server {
    /// A connection whose client speaks first, and what drives it.
    pub fn new(io: impl Into<Io>, options: Rc<Http2Options>) -> (Self, Http2Driver) {
        let shared = Shared::new(Role::Server, options.config(Role::Server));
        (Self { shared: shared.clone() }, Http2Driver::new(shared, io.into(), options))
    }

    /// Waits for the next request, or what was meant to be one; none once no more can come.
    pub fn poll_came(&mut self, cx: &mut Context<'_>) -> Poll<Option<Came>> {
        let shared = &self.shared;
        if let Some(status) = shared.take_refused() {
            return Poll::Ready(Some(Came::Refused(status)));
        }
        shared.poll_request(cx).map(|request| {
            let (stream, inbox) = request?;
            let head = inbox.with(|state| state.heads.pop_front())?;
            // Who drops a request unanswered has failed.
            let stream = Stream::new(shared.clone(), stream, inbox, Code::INTERNAL_ERROR);
            let (trailers, reply) = (None, Scratch::default());
            Some(Came::Request(Http2Request {
                stream,
                head,
                trailers,
                answered: false,
                reply,
                replied: 0,
                progress: None,
            }))
        })
    }

    /// As [`Self::poll_came`], for requests alone.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Http2Request>> {
        loop {
            match ready!(self.poll_came(cx)) {
                Some(Came::Request(request)) => return Poll::Ready(Some(request)),
                Some(Came::Refused(_)) => {}
                None => return Poll::Ready(None),
            }
        }
    }

    /// As [`Self::poll_next`].
    pub async fn next(&mut self) -> Option<Http2Request> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Asks the client for no more requests. Those under way are still given out and answered.
    pub fn drain(&mut self) {
        self.shared.drain();
    }
}

impl Drop for Http2Server {
    fn drop(&mut self) {
        self.shared.drop_handle();
    }
}

// === impl Http2Request ===

impl Http2Request {
    /// The request's head.
    pub fn head(&self) -> RequestHead<'_> {
        let mut head = RequestHead {
            method: &[],
            scheme: None,
            authority: &[],
            path: None,
            protocol: None,
            content_length: self.head.length,
        };
        let mut host = None;
        let mut authority = None;
        for field in self.head.fields.iter() {
            match field.name {
                b":method" => head.method = field.value,
                b":scheme" => head.scheme = Some(field.value),
                b":authority" => authority = Some(field.value),
                b":path" => head.path = Some(field.value),
                b":protocol" => head.protocol = Some(field.value),
                b"host" => host = Some(field.value),
                _ => {}
            }
        }
        head.authority = authority.or(host).unwrap_or_default();
        head
    }

    /// All its fields, pseudo-header fields first.
    pub fn fields(&self) -> &Fields {
        &self.head.fields
    }

    /// How it and its answer come on.
    pub(crate) fn watch(&mut self) -> Rc<Progress> {
        // What comes by a tunnel, or in another protocol, is no request that had an end to wait for.
        let progress = Rc::new(Progress::new(self.is_bodiless() || self.may_switch()));
        self.progress = Some(progress.clone());
        progress
    }

    /// Whether it has no body.
    pub fn is_bodiless(&self) -> bool {
        self.head.end
    }

    /// What its method does to its answer.
    pub(crate) fn kind(&self) -> Request {
        let head = self.head();
        match head.method {
            b"HEAD" => Request::Head,
            b"CONNECT" if head.protocol.is_none() => Request::Tunnel,
            _ => Request::Ordinary,
        }
    }

    /// Whether it asks for a tunnel, or for another protocol.
    pub(crate) fn may_switch(&self) -> bool {
        self.head().method == b"CONNECT"
    }

    pub(crate) fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Body, Fault>> {
        let found = self.stream.poll_body(cx);
        if let Poll::Ready(Ok(Body::End)) = found {
            self.trailers = self.stream.take_trailers().or_else(|| self.trailers.take());
            self.progress.iter().for_each(|progress| progress.receives_all());
        }
        found
    }

    pub(crate) fn data(&self) -> Slices<'_> {
        self.stream.data()
    }

    pub(crate) fn consume(&mut self, n: usize) {
        self.stream.consume(n);
        self.progress.iter().for_each(|progress| progress.moves());
    }

    pub(crate) fn stall(&mut self) {
        self.stream.stall();
    }

    /// The trailers, once the body was read to its end.
    pub(crate) fn trailers(&self) -> Option<&Fields> {
        self.trailers.as_deref()
    }

    /// Bytes of content that were passed on.
    pub fn received(&self) -> u64 {
        self.stream.passed()
    }

    pub(crate) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<Fault> {
        self.stream.poll_gone(cx)
    }

    pub(crate) fn inform(&mut self, fields: &Fields) -> Result<(), Fault> {
        let said = self.stream.shared.inform(self.stream.at, fields);
        self.stream.said(End::Open, said)
    }

    pub(crate) fn respond(&mut self, fields: &Fields, end: End) -> Result<(), Fault> {
        let said = self.stream.shared.respond(self.stream.at, fields, end);
        self.stream.said(end, said)?;
        self.answered = true;
        self.progress.iter().for_each(|progress| progress.answers());
        Ok(())
    }

    /// Writes a whole answer; its body waits here for [`Self::poll_finish`].
    pub(crate) fn reply<'f>(
        &mut self,
        status: u16,
        fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>,
        body: &[u8],
    ) -> Result<(), Fault> {
        let kind = self.kind();
        let mut out = List::new();
        let head = ResponseHead { status, content_length: Some(body.len() as u64) };
        let mut writer = ResponseWriter::new(&mut out, head, kind)?;
        for (name, value) in fields {
            writer.add((name, value))?;
        }
        let end = if body.is_empty() || kind == Request::Head { End::Stream } else { End::Open };
        writer.finish(end)?;
        self.respond(&out, end)?;
        if end == End::Open {
            self.reply.open().extend_from_slice(body);
        }
        Ok(())
    }

    pub(crate) fn poll_send(&mut self, cx: &mut Context<'_>, pieces: &Slices<'_>) -> Poll<Result<usize, Fault>> {
        let sent = ready!(self.stream.poll_send(cx, pieces));
        self.progress.iter().for_each(|progress| progress.moves());
        Poll::Ready(sent)
    }

    pub(crate) fn poll_flush(&mut self) -> Poll<Result<(), Fault>> {
        self.stream.poll_flush()
    }

    pub(crate) fn end(&mut self, trailers: &Fields) -> Result<(), Fault> {
        self.stream.end(trailers)
    }

    /// Sends what is left of a reply. What is left of the request is of no interest then: the client is told so
    /// (RFC 9113 8.1).
    pub(crate) fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        while self.replied < self.reply.len() {
            let rest = Slices::one(&self.reply[self.replied..]);
            self.replied += ready!(self.stream.poll_send(cx, &rest))?;
            if self.replied == self.reply.len() {
                self.stream.end(&Fields::new())?;
            }
        }
        if !self.answered || !self.stream.has_ended() {
            return Poll::Ready(Err(Fault::Gone));
        }
        self.stream.set_code(Code::NO_ERROR);
        if self.stream.shared.contains(self.stream.at) {
            self.stream.reset(Code::NO_ERROR);
        }
        Poll::Ready(Ok(()))
    }

    pub(crate) fn reset(&mut self) {
        self.stream.reset(Code::INTERNAL_ERROR);
    }
}

/// Path and query of a target.
pub(crate) fn split(path: &[u8]) -> (&[u8], Option<&[u8]>) {
    match path.iter().position(|byte| *byte == b'?') {
        Some(at) => (&path[..at], Some(&path[at + 1..])),
        None => (path, None),
    }
}
