//! The server's end of a connection.

mod answer;
mod options;
mod reason;

pub use self::options::{Closed, HalfClose, Next, Refusal, ServerOptions};

use std::{
    rc::Rc,
    task::{Context, Poll, ready},
};

use ripstop_h1::{BodyKind, Decoded, Limits, Persistence, Received, RequestHead, ServerConnection};
use ripstop_tls::Buffer;
use ripstop_tunnel::Timer;
use tokio::time::Instant;

use super::{
    forward,
    input::{Form, Incoming, Input},
    output::Output,
};
use crate::{
    exchange::{Body, Slices},
    fault::Fault,
    io::Io,
    progress::Progress,
    storage::Scratch,
};

/// The server's end of an HTTP/1.1 connection: one request after the other.
///
/// [`Http1Server::poll_next`] waits for a request; then its body is read and its answer sent, at the same time if need
/// be; [`Http1Server::poll_finish`] ends the answer, and [`Http1Server::poll_close`] the connection. Requests that are
/// sent ahead wait in a bounded buffer. All that is polled can be given up and polled again.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
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
    /// The latest answer comes so early that the connection ends with it.
    closes: bool,
    answer: State,
    /// When the first byte of the head was seen that is not complete.
    first: Option<Instant>,
    /// When the first byte of the latest request was seen.
    begun: Option<Instant>,
    /// Bytes of an unread body that were thrown away.
    thrown: usize,
    /// After a switch: our side has ended.
    shut: bool,
    /// The offer of the latest request to switch protocols was declined.
    declined: bool,
    /// The client must not take this for an end in good order.
    broken: bool,
    /// Of the latest request, if somebody asks for it.
    progress: Option<Rc<Progress>>,
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
            closes: false,
            answer: State::Over(Persistence::KeepAlive),
            first: None,
            begun: None,
            thrown: 0,
            shut: false,
            declined: false,
            broken: false,
            progress: None,
        }
    }

    /// How the latest request and its answer come on.
    pub(crate) fn watch(&mut self) -> Rc<Progress> {
        let progress = Rc::new(Progress::new(self.incoming.is_over()));
        self.progress = Some(progress.clone());
        progress
    }

    /// Waits for the next request; the answer to the one before must be [finished](Self::poll_finish).
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        debug_assert!(matches!(self.answer, State::Over(_)), "the answer before is not finished");
        if self.broken {
            return Poll::Ready(self.closed(Closed::Announced));
        }
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

    /// When the first byte of the latest request was seen, or of what was refused instead.
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
        !self.declined && forward::may_upgrade(self.head())
    }

    /// The offer to switch protocols, if there is one, is of no interest, and what follows the request is the next one.
    pub fn decline_upgrade(&mut self) -> Result<(), Fault> {
        if self.head().wants_upgrade() && !self.declined {
            self.connection.decline_upgrade()?;
            self.declined = true;
        }
        Ok(())
    }

    /// Waits for a piece of the request's body, or for its end.
    pub fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Body, Fault>> {
        loop {
            if self.incoming.is_over() {
                self.progress.iter().for_each(|progress| progress.receives_all());
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
        self.progress.iter().for_each(|progress| progress.moves());
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
        match ready!(self.poll_watch(cx)) {
            Some(fault) => Poll::Ready(fault),
            None => Poll::Pending,
        }
    }

    /// As [`Self::poll_gone`]. Of a client that has ended its sending side and [listens](HalfClose::Listens), or has sent
    /// more than is read ahead, a reset is seen, too.
    pub async fn gone(&mut self) -> Fault {
        if let Some(fault) = std::future::poll_fn(|cx| self.poll_watch(cx)).await {
            return fault;
        }
        self.io.broken().await;
        Fault::Io(std::io::ErrorKind::ConnectionReset.into())
    }

    /// Reads ahead to find out whether the client is gone; nothing: it is there, and reading tells no more.
    fn poll_watch(&mut self, cx: &mut Context<'_>) -> Poll<Option<Fault>> {
        loop {
            if self.input.ended {
                return Poll::Ready(match self.options.half_close {
                    HalfClose::Leaves => Some(Fault::Gone),
                    HalfClose::Listens => None,
                });
            }
            if self.input.buffer.len() >= AHEAD || self.input.buffer.room() == 0 {
                return Poll::Ready(None);
            }
            if let Err(error) = ready!(self.input.poll_more(cx, &mut self.io)) {
                return Poll::Ready(Some(error.into()));
            }
        }
    }

    /// Ends the connection: what was answered is sent, then our end, and what still comes is thrown away until the
    /// client has ended its own, within [`ServerOptions::linger`]. Otherwise the kernel would reset the connection and
    /// drop what the client has not yet received.
    pub fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.broken {
            return Poll::Ready(());
        }
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
        self.broken = true;
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
        self.declined = false;
        self.closes = false;
        self.progress = None;
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
        self.begun = Some(self.first.take().unwrap_or_else(Instant::now));
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

    fn over(&mut self, persistence: Persistence) {
        self.timer.clear();
        self.waiting = Waiting::No;
        self.head.clear();
        self.answer = State::Over(persistence);
    }
}

/// Bytes of a protocol that is not ours, as they are.
pub(super) fn all(bytes: &[u8]) -> Decoded {
    Decoded { consumed: bytes.len(), data: 0..bytes.len(), ..Decoded::default() }
}
