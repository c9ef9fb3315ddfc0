//! Answers: our own, and those that are passed on.

use std::task::{Context, Poll, ready};

use ripstop_h1::{
    Answer, AnswerKind, BodyKind, ConnectionOption, LAST_CHUNK, Persistence, ResponseHead, ResponseWriter, Side,
    Trailers, write_trailers,
};
use tokio::time::Instant;

use super::{Http1Server, State, forward, reason::reason};
use crate::{
    changes::HeadChanges,
    exchange::{Body, Slices},
    fault::Fault,
    http1::input::Form,
};

impl Http1Server {
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

    /// Writes a whole answer of our own. [`Self::poll_finish`] sends it. If more of the request's body is still to come than
    /// is read in vain, it says that the connection ends with it.
    pub fn reply<'f>(
        &mut self,
        status: u16,
        fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>,
        body: &[u8],
    ) -> Result<(), Fault> {
        self.closes = self.is_early();
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
        changes.check()?;
        // What ends with its connection there need not end ours.
        let wanted = if body == BodyKind::UntilClose { BodyKind::Chunked } else { body };
        let status = head.status();
        let answer = if head.is_informational() {
            self.connection.respond(status, body, Persistence::KeepAlive)?
        } else {
            // A response to HEAD, and 304, have none.
            let wanted = if wanted == BodyKind::None { BodyKind::Length(0) } else { wanted };
            let wanted = if matches!(status, 101 | 204) || self.is_tunnel(status) { BodyKind::None } else { wanted };
            // Whoever ends its connection with an answer takes no more of the request.
            self.closes = head.persistence() == Persistence::Close && self.is_early();
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
        let sent = ready!(self.output.poll_body(cx, &mut self.io, pieces.as_slice()));
        self.progress.iter().for_each(|progress| progress.moves());
        Poll::Ready(sent.map_err(Fault::Io))
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

    fn respond(&mut self, status: u16, body: BodyKind) -> Result<Answer, Fault> {
        let persistence = if self.draining || self.closes { Persistence::Close } else { Persistence::KeepAlive };
        let body = if status == 204 { BodyKind::None } else { body };
        Ok(self.connection.respond(status, body, persistence)?)
    }

    fn begin_answer(&mut self, answer: Answer) {
        self.output.frame(answer.body);
        self.progress.iter().for_each(|progress| progress.answers());
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

    /// Whether more of the request's body is still to come than is read in vain.
    fn is_early(&self) -> bool {
        // Who waits for 100 (Continue) has not begun to send it.
        if self.head.is_empty() || self.incoming.is_received() || self.connection.wants_continue() {
            return false;
        }
        let BodyKind::Length(length) = self.head().body() else { return false };
        length.saturating_sub(self.incoming.data()) > self.options.unwanted as u64
    }

    /// Reads the rest of the request's body and drops it.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<Persistence> {
        self.thrown += self.incoming.discard(&mut self.input);
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
}
