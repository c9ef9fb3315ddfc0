//! The server's end of a connection.

use std::{
    io,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use ripstop_h1::{
    Answer, AnswerKind, BodyKind, ConnectionOption, Decoded, LAST_CHUNK, Limits, Persistence, Reason, Received,
    Rejected, RequestHead, ResponseHead, ResponseWriter, ServerConnection, Side, Trailers, write_trailers,
};
use ripstop_tls::Buffer;
use ripstop_tunnel::Timer;
use tokio::time::Instant;

use super::{
    forward,
    input::{Form, Incoming, Input},
    output::Output,
};
use crate::{
    changes::HeadChanges,
    exchange::{Body, Slices},
    fault::Fault,
    io::Io,
    storage::Scratch,
};

/// The server's end of an HTTP/1.1 connection: one request after the other.
///
/// [`Http1Server::poll_next`] waits for a request; then its body is read and its answer sent, at the same time if need
/// be; [`Http1Server::poll_finish`] ends the answer, and [`Http1Server::poll_close`] the connection. Requests that are
/// sent ahead wait in a bounded buffer. All that is polled can be given up and polled again.
#[derive(Debug)]
pub struct Http1Server {
    io: Io,
    input: Input,
    incoming: Incoming,
    output: Output,
    connection: ServerConnection,
    /// The bytes of the request's head.
    head: Scratch,
    timer: Timer,
    options: Rc<ServerOptions>,
    waiting: Waiting,
    draining: bool,
    answer: State,
    /// When the first byte of the head was seen that is not complete.
    first: Option<Instant>,
    /// When the first byte of the latest request was seen.
    begun: Option<Instant>,
    /// Bytes of an unread body that were thrown away.
    thrown: usize,
    /// After a switch: our side has ended.
    shut: bool,
}

/// What a server's end puts up with.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Of the protocol.
    pub limits: Limits,
    /// How long a connection may wait for its next request. Default 60 s.
    pub idle: Duration,
    /// How long a head may take from its first byte to its last. Default 15 s.
    pub head: Duration,
    /// How much of a request's body that nobody wants is read so that the connection can be used again, in bytes.
    /// Default 64 KiB.
    pub unwanted: usize,
    /// How long a client gets to take the last answer, or to send the rest of an unwanted body. Default 5 s.
    pub linger: Duration,
    /// What a client means that ends its sending side while it waits for an answer. Default [`HalfClose::Leaves`].
    pub half_close: HalfClose,
}

/// What the end of a client's sending side means while it waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HalfClose {
    /// It has gone, as Envoy, nginx and Go take it; most clients close both sides at once.
    Leaves,
    /// It still listens, as scripts do that pipe a request into a socket.
    Listens,
}

/// What [`Http1Server::poll_next`] found.
#[derive(Debug)]
pub enum Next {
    /// A request: see [`Http1Server::head`].
    Request,
    /// Something that is answered with [`Refusal::status`], and ends the connection.
    Refused(Refusal),
    /// The connection is over, and wants [`Http1Server::poll_close`].
    Closed(Closed),
}

/// Why something was refused that might have become a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is no request, or one beyond the limits.
    Malformed(Rejected),
    /// Its head took too long.
    Slow,
}

/// Why no further request comes.
#[derive(Debug)]
pub enum Closed {
    /// The client has ended the connection between two requests.
    ByClient,
    /// The last answer said that the connection ends.
    Announced,
    /// No request came for long.
    Idle,
    /// [`Http1Server::drain`] was called.
    Drained,
    /// The connection failed, or ended in the middle of a head.
    Failed(Fault),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    /// For nothing.
    No,
    /// For the first byte of a head.
    Idle,
    /// For the rest of it.
    Head,
    /// For the client's end.
    End,
}

/// Where the answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Awaited,
    Begun(BodyKind),
    /// Its last byte is written here, and perhaps not yet sent.
    Ended,
    /// It is sent; the rest of the request's body is thrown away.
    Discarding,
    Switched,
    Over(Persistence),
}

/// What waits for an earlier answer at most, so that the end behind it can be seen.
const AHEAD: usize = 16 * 1024;

// === impl Http1Server ===

impl Http1Server {
    /// A connection whose client speaks first. It needs a [`LocalSet`](tokio::task::LocalSet) for its deadlines.
    pub fn new(io: impl Into<Io>, options: Rc<ServerOptions>) -> Self {
        Self {
            io: io.into(),
            input: Input::default(),
            incoming: Incoming::none(),
            output: Output::default(),
            connection: ServerConnection::new(options.limits),
            head: Scratch::default(),
            timer: Timer::default(),
            options,
            waiting: Waiting::No,
            draining: false,
            answer: State::Over(Persistence::KeepAlive),
            first: None,
            begun: None,
            thrown: 0,
            shut: false,
        }
    }

    /// Waits for the next request; the answer to the one before must be [finished](Self::poll_finish).
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        debug_assert!(matches!(self.answer, State::Over(_)), "the answer before is not finished");
        loop {
            match self.connection.receive(self.input.buffer.filled()) {
                Ok(Received::Head(length)) => return Poll::Ready(self.begin(length)),
                Ok(Received::More) => {}
                Ok(_) => return Poll::Ready(self.closed(Closed::Announced)),
                Err(rejected) => return Poll::Ready(self.refused(Refusal::Malformed(rejected))),
            }
            if let Some(closed) = self.wait(cx) {
                return Poll::Ready(closed);
            }
            self.input.buffer.shrink();
            match ready!(self.input.poll_more(cx, &mut self.io)) {
                Ok(0) => {
                    let cause = match self.connection.end_of_input() {
                        Ok(()) => Closed::ByClient,
                        Err(_) => Closed::Failed(Fault::Gone),
                    };
                    return Poll::Ready(self.closed(cause));
                }
                Ok(_) => {}
                Err(error) => return Poll::Ready(self.closed(Closed::Failed(error.into()))),
            }
        }
    }

    /// As [`Self::poll_next`].
    pub async fn next(&mut self) -> Next {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// No further request is wanted: the next answer says so, and an idle connection closes. Who waits for a request has
    /// to poll again.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// The latest request's head, until its answer is finished.
    pub fn head(&self) -> RequestHead<'_> {
        self.connection.head(&self.head)
    }

    /// The scheme of its requests, which they do not say.
    pub fn scheme(&self) -> &'static [u8] {
        if self.io.is_secure() { b"https" } else { b"http" }
    }

    /// When the first byte of the latest request was seen.
    pub fn begun(&self) -> Option<Instant> {
        self.begun
    }

    /// Bytes of content of the latest request that have come.
    pub fn received(&self) -> u64 {
        self.incoming.data()
    }

    /// Bytes of the latest answer that were sent, framing and all.
    pub fn sent(&self) -> u64 {
        self.output.sent()
    }

    /// Whether the client waits for 100 (Continue) before it sends the body.
    pub fn wants_continue(&self) -> bool {
        self.connection.wants_continue()
    }

    /// Whether the request offers a switch that may be passed on.
    pub fn may_upgrade(&self) -> bool {
        forward::may_upgrade(self.head())
    }

    /// The offer to switch protocols is of no interest, and what follows the request is the next one.
    pub fn decline_upgrade(&mut self) -> Result<(), Fault> {
        Ok(self.connection.decline_upgrade()?)
    }

    /// Waits for a piece of the request's body, or for its end.
    pub fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Body, Fault>> {
        loop {
            if self.incoming.is_over() {
                return Poll::Ready(Ok(Body::End));
            }
            let connection = &mut self.connection;
            let ready = self.incoming.look(&mut self.input, |bytes| match connection.receive(bytes)? {
                Received::Body(decoded) => Ok(Some(decoded)),
                Received::Switched => Ok(Some(all(bytes))),
                _ => Ok(None),
            })?;
            if ready {
                return Poll::Ready(Ok(Body::Data));
            }
            if !self.incoming.is_over() && ready!(self.input.poll_more(cx, &mut self.io))? == 0 {
                if self.answer != State::Switched {
                    return Poll::Ready(Err(Fault::Gone));
                }
                self.incoming.end();
            }
        }
    }

    /// What [`Self::poll_body`] found.
    pub fn data(&self) -> Slices<'_> {
        Slices::one(self.incoming.ready(&self.input))
    }

    /// `n` bytes of [`Self::data`] were passed on.
    pub fn consume(&mut self, n: usize) {
        self.incoming.consume(n, &mut self.input);
    }

    /// The request's trailer section as it came.
    pub(crate) fn trailers(&self) -> &[u8] {
        self.incoming.trailers()
    }

    pub(crate) fn set_form(&mut self, form: Form) {
        self.incoming.set_form(form);
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.options.limits
    }

    /// Ready when the client is found to be gone while it waits for an answer.
    pub fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<Fault> {
        loop {
            if self.input.ended {
                return match self.options.half_close {
                    HalfClose::Leaves => Poll::Ready(Fault::Gone),
                    HalfClose::Listens => Poll::Pending,
                };
            }
            if self.input.buffer.len() >= AHEAD || self.input.buffer.room() == 0 {
                return Poll::Pending;
            }
            if let Err(error) = ready!(self.input.poll_more(cx, &mut self.io)) {
                return Poll::Ready(error.into());
            }
        }
    }

    /// Writes a response before the final one (1xx but 101).
    pub fn inform<'f>(
        &mut self,
        status: u16,
        fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>,
    ) -> Result<(), Fault> {
        let answer = self.connection.respond(status, BodyKind::None, Persistence::KeepAlive)?;
        if answer.kind == AnswerKind::Suppressed {
            return Ok(());
        }
        let mut writer = ResponseWriter::new(self.output.head(), status, reason(status))?;
        for (name, value) in fields {
            writer.field(name, value)?;
        }
        Ok(writer.finish()?)
    }

    /// Writes the head of the final answer, whose body its source frames as `body`; gives how it is framed here.
    pub fn answer<'f>(
        &mut self,
        status: u16,
        fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>,
        body: BodyKind,
    ) -> Result<BodyKind, Fault> {
        let said = body;
        let answer = self.respond(status, body)?;
        let mut writer = ResponseWriter::new(self.output.head(), status, reason(status))?;
        for (name, value) in fields {
            writer.field(name, value)?;
        }
        match (answer.body, said) {
            // To HEAD, what GET would get; a 304 likewise.
            (BodyKind::None, BodyKind::Length(_)) if status != 204 => writer.body(said)?,
            (body, _) => writer.body(body)?,
        }
        match answer.connection {
            ConnectionOption::None => {}
            ConnectionOption::Close => writer.close()?,
            ConnectionOption::KeepAlive => writer.keep_alive()?,
        }
        writer.finish()?;
        self.begin_answer(answer);
        Ok(answer.body)
    }

    /// Writes the switch to `protocol`, or to a tunnel if the request is CONNECT.
    pub fn switch<'f>(
        &mut self,
        protocol: Option<&[u8]>,
        fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>,
    ) -> Result<(), Fault> {
        let status = if protocol.is_some() { 101 } else { 200 };
        let answer = self.respond(status, BodyKind::None)?;
        if answer.kind != AnswerKind::Switch {
            return Err(Fault::Switch);
        }
        let mut writer = ResponseWriter::new(self.output.head(), status, reason(status))?;
        for (name, value) in fields {
            writer.field(name, value)?;
        }
        match protocol {
            Some(protocol) => writer.upgrade(protocol)?,
            None => writer.body(BodyKind::None)?,
        }
        writer.finish()?;
        self.begin_answer(answer);
        Ok(())
    }

    /// Writes a whole answer of our own. [`Self::poll_finish`] sends it.
    pub fn reply<'f>(
        &mut self,
        status: u16,
        fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>,
        body: &[u8],
    ) -> Result<(), Fault> {
        let kind = self.answer(status, fields, BodyKind::Length(body.len() as u64))?;
        if kind != BodyKind::None {
            self.output.head().extend_from_slice(body);
        }
        self.answer = State::Ended;
        Ok(())
    }

    /// Writes the head of an answer that is passed on. Gives how the body goes on from the source's `body`.
    pub(crate) fn pass_on(
        &mut self,
        head: ResponseHead<'_>,
        body: BodyKind,
        changes: &HeadChanges<'_>,
    ) -> Result<Form, Fault> {
        // What ends with its connection there need not end ours.
        let wanted = if body == BodyKind::UntilClose { BodyKind::Chunked } else { body };
        let status = head.status();
        let answer = if head.is_informational() {
            self.connection.respond(status, body, Persistence::KeepAlive)?
        } else {
            // A response to HEAD, and 304, have none.
            let wanted = if wanted == BodyKind::None { BodyKind::Length(0) } else { wanted };
            let wanted = if matches!(status, 101 | 204) || self.is_tunnel(status) { BodyKind::None } else { wanted };
            self.respond(status, wanted)?
        };
        if answer.kind == AnswerKind::Suppressed {
            return Ok(Form::Data);
        }
        forward::response(head, changes, answer, self.output.head())?;
        if answer.kind != AnswerKind::Informational {
            self.begin_answer(answer);
        }
        let form = if answer.body == body { Form::Wire } else { Form::Data };
        if form == Form::Wire {
            // The source's framing is sent as it comes.
            self.output.frame(BodyKind::None);
        }
        Ok(form)
    }

    /// Sends of `pieces`, a part of the answer's body, what can be sent now; gives how much.
    pub fn poll_send(&mut self, cx: &mut Context<'_>, pieces: &Slices<'_>) -> Poll<Result<usize, Fault>> {
        self.output.poll_body(cx, &mut self.io, pieces.as_slice()).map_err(Fault::Io)
    }

    /// Sends what was written, and after a switch the end of it.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        ready!(self.output.poll_flush(cx, &mut self.io))?;
        if self.shut { self.io.poll_shutdown(cx).map_err(Fault::Io) } else { Poll::Ready(Ok(())) }
    }

    /// The answer's body is written to its end; with trailers, if it is chunked here.
    pub fn end<'f>(&mut self, trailers: impl IntoIterator<Item = (&'f [u8], &'f [u8])>) -> Result<(), Fault> {
        if self.answer == State::Begun(BodyKind::Chunked) {
            let mut trailers = trailers.into_iter().peekable();
            if trailers.peek().is_none() {
                self.output.head().extend_from_slice(LAST_CHUNK);
            } else {
                // Fields that must not be trailers are left out.
                write_trailers(self.output.head(), trailers)?;
            }
        }
        self.end_as_sent();
        Ok(())
    }

    /// As [`Self::end`], with a trailer section as an HTTP/1.1 upstream sent it.
    pub(crate) fn end_with_section(&mut self, section: &[u8]) -> Result<(), Fault> {
        if section.is_empty() {
            return self.end(std::iter::empty());
        }
        let mut trailers = Trailers::default();
        let fields = trailers.parse(section, Side::Response, &self.options.limits)?;
        self.end(fields.iter().map(|field| (field.name, field.value)))
    }

    /// The answer's body, framing included, was passed on to its end.
    pub(crate) fn end_as_sent(&mut self) {
        match self.answer {
            State::Switched => self.shut = true,
            _ => self.answer = State::Ended,
        }
    }

    /// Sends the rest of the answer, and reads what is left of the request's body if that is little. Then another request
    /// may come, or the connection wants to be closed.
    pub fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<Persistence, Fault>> {
        loop {
            match self.answer {
                State::Over(persistence) => return Poll::Ready(Ok(persistence)),
                State::Ended => {
                    ready!(self.poll_flush(cx))?;
                    match self.connection.finish_response()? {
                        Persistence::Close => self.over(Persistence::Close),
                        Persistence::KeepAlive => {
                            self.thrown = 0;
                            if !self.incoming.is_received() {
                                self.timer.set(Instant::now() + self.options.linger);
                            }
                            self.answer = State::Discarding;
                        }
                    }
                }
                State::Discarding => {
                    let persistence = ready!(self.poll_discard(cx));
                    self.over(persistence);
                }
                State::Switched if self.shut => {
                    ready!(self.poll_flush(cx))?;
                    self.over(Persistence::Close);
                }
                State::Awaited | State::Begun(_) | State::Switched => return Poll::Ready(Err(Fault::Gone)),
            }
        }
    }

    /// Ends the connection: what was answered is sent, then our end, and what still comes is thrown away until the
    /// client has ended its own, within [`ServerOptions::linger`]. Otherwise the kernel would reset the connection and
    /// drop what the client has not yet received.
    pub fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.waiting != Waiting::End {
            self.waiting = Waiting::End;
            self.timer.set(Instant::now() + self.options.linger);
        }
        if self.timer.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        if ready!(self.poll_flush(cx)).is_err() || ready!(self.io.poll_shutdown(cx)).is_err() {
            return Poll::Ready(());
        }
        loop {
            let waiting = self.input.buffer.len();
            self.input.buffer.consume(waiting);
            match ready!(self.input.poll_more(cx, &mut self.io)) {
                Ok(0) | Err(_) => return Poll::Ready(()),
                Ok(_) => {}
            }
        }
    }

    /// As [`Self::poll_close`].
    pub async fn close(mut self) {
        std::future::poll_fn(|cx| self.poll_close(cx)).await;
    }

    /// Ends the connection so that the client can't take what it has got for a whole answer.
    pub fn reset(&mut self) {
        self.io.reset_on_drop();
        self.over(Persistence::Close);
    }

    /// After a switch: the stream, and what has come of the other protocol. What was written here must be flushed.
    pub fn into_parts(self) -> (Io, Buffer) {
        (self.io, self.input.buffer)
    }

    /// Whether the connection has switched to another protocol, or to a tunnel.
    pub fn is_switched(&self) -> bool {
        self.answer == State::Switched
    }

    fn begin(&mut self, length: usize) -> Next {
        self.timer.clear();
        self.waiting = Waiting::No;
        self.thrown = 0;
        self.begun = Some(self.first.take().unwrap_or_else(Instant::now));
        self.head.clear();
        self.head.open().extend_from_slice(&self.input.buffer.filled()[..length]);
        self.input.buffer.consume(length);
        let head = self.connection.head(&self.head);
        let done = matches!(head.body(), BodyKind::None | BodyKind::Length(0));
        self.incoming.begin(done);
        self.output.begin();
        self.answer = State::Awaited;
        Next::Request
    }

    fn refused(&mut self, refusal: Refusal) -> Next {
        self.timer.clear();
        self.waiting = Waiting::No;
        self.head.clear();
        self.incoming.begin(true);
        self.output.begin();
        self.answer = State::Awaited;
        Next::Refused(refusal)
    }

    fn closed(&mut self, closed: Closed) -> Next {
        self.waiting = Waiting::No;
        self.answer = State::Over(Persistence::Close);
        Next::Closed(closed)
    }

    /// Minds the deadlines of waiting for a head.
    fn wait(&mut self, cx: &mut Context<'_>) -> Option<Next> {
        let waits = if self.input.buffer.is_empty() { Waiting::Idle } else { Waiting::Head };
        if waits == Waiting::Idle && self.draining {
            return Some(self.closed(Closed::Drained));
        }
        if self.waiting != waits {
            let now = Instant::now();
            self.waiting = waits;
            if waits == Waiting::Head {
                self.first = Some(now);
            }
            self.timer.set(now + if waits == Waiting::Idle { self.options.idle } else { self.options.head });
        }
        if self.timer.poll(cx).is_pending() {
            return None;
        }
        if waits == Waiting::Idle {
            return Some(self.closed(Closed::Idle));
        }
        match self.connection.end_of_input() {
            Ok(()) => Some(self.closed(Closed::Idle)),
            Err(_) => Some(self.refused(Refusal::Slow)),
        }
    }

    fn respond(&mut self, status: u16, body: BodyKind) -> Result<Answer, Fault> {
        let persistence = if self.draining { Persistence::Close } else { Persistence::KeepAlive };
        let body = if status == 204 { BodyKind::None } else { body };
        Ok(self.connection.respond(status, body, persistence)?)
    }

    fn begin_answer(&mut self, answer: Answer) {
        self.output.frame(answer.body);
        self.answer = match answer.kind {
            AnswerKind::Switch => {
                // What comes now is the other protocol's.
                self.incoming.begin(false);
                State::Switched
            }
            _ => State::Begun(answer.body),
        };
    }

    fn is_tunnel(&self, status: u16) -> bool {
        !self.head.is_empty() && self.head().method() == b"CONNECT" && (200..300).contains(&status)
    }

    /// Reads the rest of the request's body and drops it.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<Persistence> {
        self.incoming.set_form(Form::Data);
        while !self.incoming.is_over() {
            match self.poll_body(cx) {
                Poll::Ready(Ok(Body::Data)) => self.thrown += self.incoming.discard(&mut self.input),
                Poll::Ready(Ok(Body::End)) => break,
                Poll::Ready(Err(_)) => return Poll::Ready(Persistence::Close),
                Poll::Pending => return self.timer.poll(cx).map(|()| Persistence::Close),
            }
            if self.thrown > self.options.unwanted {
                return Poll::Ready(Persistence::Close);
            }
        }
        Poll::Ready(Persistence::KeepAlive)
    }

    fn over(&mut self, persistence: Persistence) {
        self.timer.clear();
        self.waiting = Waiting::No;
        self.head.clear();
        self.answer = State::Over(persistence);
    }
}

// === impl ServerOptions ===

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            idle: Duration::from_secs(60),
            head: Duration::from_secs(15),
            unwanted: 64 * 1024,
            linger: Duration::from_secs(5),
            half_close: HalfClose::Leaves,
        }
    }
}

// === impl Refusal ===

impl Refusal {
    /// The status to answer with.
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed(rejected) => rejected.status(),
            Self::Slow => 408,
        }
    }
}

/// Bytes of a protocol that is not ours, as they are.
pub(super) fn all(bytes: &[u8]) -> Decoded {
    Decoded { consumed: bytes.len(), data: 0..bytes.len(), ..Decoded::default() }
}

/// The usual reason phrase of a status; none for statuses that are seldom ours.
pub(crate) fn reason(status: u16) -> &'static [u8] {
    match status {
        100 => b"Continue",
        101 => b"Switching Protocols",
        103 => b"Early Hints",
        200 => b"OK",
        201 => b"Created",
        202 => b"Accepted",
        204 => b"No Content",
        206 => b"Partial Content",
        301 => b"Moved Permanently",
        302 => b"Found",
        303 => b"See Other",
        304 => b"Not Modified",
        307 => b"Temporary Redirect",
        308 => b"Permanent Redirect",
        400 => b"Bad Request",
        401 => b"Unauthorized",
        403 => b"Forbidden",
        404 => b"Not Found",
        405 => b"Method Not Allowed",
        408 => b"Request Timeout",
        409 => b"Conflict",
        413 => b"Content Too Large",
        414 => b"URI Too Long",
        417 => b"Expectation Failed",
        426 => b"Upgrade Required",
        429 => b"Too Many Requests",
        431 => b"Request Header Fields Too Large",
        500 => b"Internal Server Error",
        501 => b"Not Implemented",
        502 => b"Bad Gateway",
        503 => b"Service Unavailable",
        504 => b"Gateway Timeout",
        505 => b"HTTP Version Not Supported",
        _ => b"",
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self::Malformed(Rejected { reason, side: Side::Request, at: 0 })
    }
}

impl From<io::Error> for Closed {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.into())
    }
}
