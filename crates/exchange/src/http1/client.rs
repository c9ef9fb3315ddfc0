//! The client's end of a connection.

use std::{
    rc::Rc,
    task::{Context, Poll, ready},
};

use ripstop_h1::{
    Asked, BodyKind, ClientConnection, LAST_CHUNK, Limits, MethodKind, Persistence, Reason, Reply, RequestHead,
    RequestWriter, ResponseHead, Side, Trailers, TunnelFraming, write_trailers,
};
use ripstop_tls::Buffer;

use super::{
    forward::{self, Upgrade},
    input::{Form, Incoming, Input},
    output::Output,
    server::all,
};
use crate::{
    changes::HeadChanges,
    exchange::{Body, Slices},
    failure::Sent,
    fault::Fault,
    io::{Io, Liveness},
    storage::Scratch,
};

/// The client's end of an HTTP/1.1 connection: one request after the other, each when the answer before is complete.
///
/// A request's head is written, then its body is sent while its answer is read. All that is polled can be given up and
/// polled again.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Http1Client {
    io: Io,
    input: Input,
    incoming: Incoming,
    output: Output,
    connection: ClientConnection,
    /// The bytes of the latest head that came.
    head: Scratch,
    options: Rc<ClientOptions>,
    /// Of the request: bytes of its head, how its body is framed, whether all of it is written.
    head_length: u64,
    framing: BodyKind,
    written: bool,
    /// Bytes of the answer were seen.
    heard: bool,
    /// Requests sent before this one.
    served: u64,
    switched: bool,
    /// After a switch: our side has ended.
    shut: bool,
}

/// What a client's end puts up with.
#[derive(Clone, Debug, Default)]
pub struct ClientOptions {
    /// Of the protocol.
    pub limits: Limits,
    /// What becomes of framing fields of a 2xx to CONNECT.
    pub tunnels: TunnelFraming,
}

/// What [`Http1Client::poll_head`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The head of a response before the final one.
    Informational,
    /// The head of the final response, and how its body is framed.
    Final(BodyKind),
    /// The head of a response that switches to another protocol, or to a tunnel.
    Switch,
}

// === impl Http1Client ===

impl Http1Client {
    /// A connection that is ours to speak on.
    pub fn new(io: impl Into<Io>, options: Rc<ClientOptions>) -> Self {
        Self {
            io: io.into(),
            input: Input::default(),
            incoming: Incoming::none(),
            output: Output::default(),
            connection: ClientConnection::new(options.limits).with_tunnels(options.tunnels),
            head: Scratch::default(),
            options,
            head_length: 0,
            framing: BodyKind::None,
            written: true,
            heard: false,
            served: 0,
            switched: false,
            shut: false,
        }
    }

    /// Whether another request can be sent: the answer before was complete and said nothing to the contrary, and the
    /// server has neither ended the connection since nor said anything that nobody asked for.
    ///
    /// Whoever waits by [`Self::poll_lost`] has to do so again.
    pub fn is_reusable(&mut self) -> bool {
        self.connection.is_idle()
            && self.incoming.is_over()
            && self.input.buffer.is_empty()
            && !self.input.ended
            && self.output.is_empty()
            && self.io.liveness() == Liveness::Quiet
            && !self.io.is_leaving()
    }

    /// Ready when a connection that waits to be used again is of no use any more.
    pub fn poll_lost(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.input.ended || !self.input.buffer.is_empty() || self.io.is_leaving() {
            return Poll::Ready(());
        }
        self.input.poll_more(cx, &mut self.io).map(|_| ())
    }

    /// Requests that were begun on this connection.
    pub fn served(&self) -> u64 {
        self.served
    }

    /// Writes the head of a request whose `fields` are those of the message: framing and fields of the connection follow
    /// from `body` and `upgrade`, the protocol that is offered.
    pub fn send<'f>(
        &mut self,
        method: &[u8],
        target: &[u8],
        authority: &[u8],
        fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>,
        body: BodyKind,
        upgrade: Option<&[u8]>,
    ) -> Result<(), Fault> {
        self.check_idle()?;
        let mut writer = RequestWriter::new(self.output.head(), method, target, Some(authority))?;
        for (name, value) in fields {
            writer.field(name, value)?;
        }
        match upgrade {
            Some(protocol) => writer.upgrade(protocol)?,
            None => writer.body(body)?,
        }
        writer.finish()?;
        self.begin(Asked {
            method: MethodKind::of(method),
            body,
            persistence: Persistence::KeepAlive,
            upgrade: upgrade.map(Into::into),
        })
    }

    /// Writes the head of a request that is passed on; its body goes on in `form`.
    pub(crate) fn pass_on(
        &mut self,
        head: RequestHead<'_>,
        changes: &HeadChanges<'_>,
        upgrade: Upgrade,
        form: Form,
    ) -> Result<(), Fault> {
        self.check_idle()?;
        let asked = forward::request(head, changes, upgrade, self.output.head())?;
        self.begin(asked)?;
        if form == Form::Wire {
            self.output.frame(BodyKind::None);
        }
        Ok(())
    }

    /// Nothing is written for a connection that takes no request.
    fn check_idle(&self) -> Result<(), Fault> {
        if self.connection.is_idle() && self.output.is_empty() { Ok(()) } else { Err(Reason::NoMoreRequests.into()) }
    }

    /// The request whose head is written begins.
    fn begin(&mut self, asked: Asked) -> Result<(), Fault> {
        let body = asked.body;
        self.connection.send(asked)?;
        self.served += 1;
        self.output.begin();
        self.output.frame(body);
        self.framing = body;
        self.written = matches!(body, BodyKind::None | BodyKind::Length(0));
        self.heard = false;
        self.head.clear();
        self.incoming.begin(false);
        self.head_length = self.output.waiting() as u64;
        Ok(())
    }

    /// Sends of `pieces`, a part of the request's body, what can be sent now; gives how much.
    pub fn poll_send(&mut self, cx: &mut Context<'_>, pieces: &Slices<'_>) -> Poll<Result<usize, Fault>> {
        self.output.poll_body(cx, &mut self.io, pieces.as_slice()).map_err(Fault::Io)
    }

    /// Sends what was written, and after a switch the end of it.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        ready!(self.output.poll_flush(cx, &mut self.io))?;
        if self.shut { self.io.poll_shutdown(cx).map_err(Fault::Io) } else { Poll::Ready(Ok(())) }
    }

    /// The request's body is written to its end; with trailers, if it is chunked.
    pub fn end<'f>(&mut self, trailers: impl IntoIterator<Item = (&'f [u8], &'f [u8])>) -> Result<(), Fault> {
        if self.framing == BodyKind::Chunked && !self.switched {
            let mut trailers = trailers.into_iter().peekable();
            if trailers.peek().is_none() {
                self.output.head().extend_from_slice(LAST_CHUNK);
            } else {
                write_trailers(self.output.head(), trailers)?;
            }
        }
        self.end_as_sent();
        Ok(())
    }

    /// As [`Self::end`], with a trailer section as an HTTP/1.1 client sent it.
    pub(crate) fn end_with_section(&mut self, section: &[u8]) -> Result<(), Fault> {
        if section.is_empty() {
            return self.end(std::iter::empty());
        }
        let mut trailers = Trailers::default();
        let fields = trailers.parse(section, Side::Request, &self.options.limits)?;
        self.end(fields.iter().map(|field| (field.name, field.value)))
    }

    /// The request's body, framing included, was passed on to its end.
    pub(crate) fn end_as_sent(&mut self) {
        self.shut |= self.switched;
        self.written = true;
        self.connection.finish_request();
    }

    /// Waits for the next head of an answer.
    pub fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Heard, Fault>> {
        loop {
            self.heard |= !self.input.buffer.is_empty();
            let (length, heard) = match self.connection.receive(self.input.buffer.filled())? {
                Reply::Informational(length) => (length, Heard::Informational),
                Reply::Head(length, body) => (length, Heard::Final(body)),
                Reply::Switch(length) => (length, Heard::Switch),
                Reply::More => {
                    self.input.buffer.shrink();
                    if ready!(self.input.poll_more(cx, &mut self.io))? == 0 {
                        let _ = self.connection.end_of_input();
                        return Poll::Ready(Err(Fault::Gone));
                    }
                    continue;
                }
                Reply::Body(_) | Reply::Switched | Reply::Closed => return Poll::Ready(Err(Fault::Gone)),
            };
            self.head.clear();
            self.head.open().extend_from_slice(&self.input.buffer.filled()[..length]);
            self.input.buffer.consume(length);
            match heard {
                Heard::Informational => {}
                Heard::Final(body) => self.incoming.begin(matches!(body, BodyKind::None | BodyKind::Length(0))),
                Heard::Switch => {
                    // What comes now is the other protocol's.
                    self.incoming.begin(false);
                    self.output.frame(BodyKind::None);
                    self.switched = true;
                }
            }
            return Poll::Ready(Ok(heard));
        }
    }

    /// The head that [`Self::poll_head`] found last.
    pub fn head(&self) -> ResponseHead<'_> {
        self.connection.head(&self.head)
    }

    /// Waits for a piece of the answer's body, or for its end.
    pub fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Body, Fault>> {
        loop {
            if self.incoming.is_over() {
                return Poll::Ready(Ok(Body::End));
            }
            let connection = &mut self.connection;
            let ready = self.incoming.look(&mut self.input, |bytes| match connection.receive(bytes)? {
                Reply::Body(decoded) => Ok(Some(decoded)),
                Reply::Switched => Ok(Some(all(bytes))),
                _ => Ok(None),
            })?;
            if ready {
                return Poll::Ready(Ok(Body::Data));
            }
            if !self.incoming.is_over() && ready!(self.input.poll_more(cx, &mut self.io))? == 0 {
                match self.connection.end_of_input() {
                    Ok(()) => self.incoming.end(),
                    Err(_) => return Poll::Ready(Err(Fault::Gone)),
                }
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

    /// Reads the rest of an answer that nobody wants, up to `most` bytes of it, so that the connection can be used again;
    /// gives whether it can.
    pub fn poll_discard(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<bool> {
        self.incoming.discard(&mut self.input);
        self.incoming.set_form(Form::Data);
        loop {
            if self.incoming.data() > most as u64 {
                return Poll::Ready(false);
            }
            match ready!(self.poll_body(cx)) {
                Ok(Body::Data) => {
                    self.incoming.discard(&mut self.input);
                }
                Ok(Body::End) => return Poll::Ready(self.is_reusable()),
                Err(_) => return Poll::Ready(false),
            }
        }
    }

    /// The answer's trailer section as it came.
    pub(crate) fn trailers(&self) -> &[u8] {
        self.incoming.trailers()
    }

    pub(crate) fn set_form(&mut self, form: Form) {
        self.incoming.set_form(form);
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.options.limits
    }

    /// Bytes of content of the answer that have come.
    pub fn received(&self) -> u64 {
        self.incoming.data()
    }

    /// How much of the request the socket took.
    pub fn progress(&self) -> Sent {
        match self.output.sent() {
            0 => Sent::Nothing,
            _ if self.written && self.output.is_empty() => Sent::All,
            sent if sent < self.head_length => Sent::PartOfHead,
            sent if sent == self.head_length => Sent::Head,
            _ => Sent::PartOfBody,
        }
    }

    /// Bytes of the request that the socket took, framing and all.
    pub fn sent(&self) -> u64 {
        self.output.sent()
    }

    /// Whether any byte of an answer has come.
    pub fn has_heard(&self) -> bool {
        self.heard
    }

    /// Ends the connection at once, whoever still has it.
    pub fn reset(&mut self) {
        self.io.reset();
        self.input.ended = true;
    }

    /// Whether the connection has switched to another protocol, or to a tunnel.
    pub fn is_switched(&self) -> bool {
        self.switched
    }

    /// After a switch: the stream, and what has come of the other protocol.
    pub fn into_parts(self) -> (Io, Buffer) {
        (self.io, self.input.buffer)
    }
}
