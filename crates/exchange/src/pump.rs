//! A request and its answer, between two connections.

mod heads;
mod recoded;
mod second;
mod to_http1;
mod to_http2;
pub(crate) mod websocket;

use std::task::{Context, Poll};

use ripstop_h1::BodyKind;
use tokio::time::Instant;

pub use self::second::Second;
use crate::{
    Downstream, Fault, Framing, HeadChanges, Heard, Recoding, Replay, Upstream,
    exchange::{Body, Slices},
    failure::{Answered, Failure, Party, Sent},
    http1::Form,
};

/// Drives a request and its answer, both ways at the same time.
///
/// [`Pump::new`] writes the request's head. [`Pump::poll_answer`] sends the request until the head of its answer has come:
/// then the caller decides. It goes on with [`Pump::pass_on`] and [`Pump::poll_through`]; or it drops the pump, which
/// resets the upstream, and answers otherwise, or tries again with another upstream and the same [`Replay`].
///
/// A client that goes away has its request reset upstream. An upstream that dies is a [`Failure`] that says what is known;
/// before the answer was begun the client can still be answered.
#[derive(Debug)]
pub struct Pump<'p> {
    downstream: Downstream<'p>,
    upstream: Upstream<'p>,
    replay: &'p mut Replay,
    /// What writes bodies anew; nothing: they go on as they come.
    recoding: Option<&'p mut Recoding>,
    request: Way,
    response: Way,
    /// How the request's body goes on, and the answer's.
    request_form: Form,
    response_form: Form,
    /// Whether the answer's body is written anew.
    answers_anew: bool,
    /// What the answer's head was found to be.
    heard: Option<Heard>,
    /// Why nothing more can be sent upstream. It may still have something to say.
    unwritable: Option<Fault>,
    stage: Stage,
    totals: Totals,
}

/// What an exchange moved, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Bytes of the request's body that went upstream, without framing where that was taken off.
    pub request_body: u64,
    /// Bytes of the answer's body that went downstream, without framing where that was taken off.
    pub response_body: u64,
    /// When all of the request was sent upstream.
    pub request_sent: Option<Instant>,
    /// When the answer's final head was there.
    pub answered: Option<Instant>,
    /// When all of the answer was sent downstream.
    pub finished: Option<Instant>,
}

/// How an exchange came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The answer was passed on to its end.
    Answered,
    /// The connections were switched to another protocol, or a tunnel, which has ended on both sides.
    Tunnelled,
}

/// How far one direction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Its body comes and goes.
    Body,
    /// All is written; some may not be sent.
    Flush,
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The answer has not come.
    Asking,
    /// The answer's head is there, and its client has nothing of it.
    Answered,
    /// The answer is passed on.
    Passing,
    /// So are bytes of another protocol, both ways.
    Tunnel,
    /// It is over, well or not.
    Over,
}

/// Bytes that one direction moves before others get their turn.
const TURN: u64 = 1024 * 1024;

// === impl Pump ===

impl<'p> Pump<'p> {
    /// Writes the request's head, changed, for the upstream. If that can't be done, the upstream is as it was, and the
    /// client can be answered.
    pub fn new(
        downstream: Downstream<'p>,
        upstream: Upstream<'p>,
        changes: &HeadChanges<'_>,
        replay: &'p mut Replay,
    ) -> Result<Self, Failure> {
        replay.rewind();
        let mut pump = Self {
            downstream,
            upstream,
            replay,
            recoding: None,
            request: Way::Body,
            response: Way::Body,
            request_form: Form::Data,
            response_form: Form::Data,
            answers_anew: false,
            heard: None,
            unwritable: None,
            stage: Stage::Asking,
            totals: Totals::default(),
        };
        match heads::request(&mut pump.downstream, &mut pump.upstream, changes, pump.replay) {
            Ok(begun) => {
                pump.request_form = begun.form;
                if begun.switches {
                    // What comes then is not for HTTP, and waits for the answer.
                    pump.request = Way::Flush;
                }
            }
            Err((party, fault)) => {
                let failure = pump.failure(party, fault);
                pump.stage = Stage::Over;
                return Err(failure);
            }
        }
        Ok(pump)
    }

    /// Sends the request until its answer's final head is there, or a switch; what comes before it is passed on.
    pub fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        debug_assert_eq!(self.stage, Stage::Asking, "it was answered, or is over");
        if let Poll::Ready(Err(fault)) = self.poll_request(cx) {
            return self.fail(Party::Downstream, fault);
        }
        loop {
            match self.upstream.poll_head(cx) {
                Poll::Ready(Ok(Heard::Informational)) => {
                    let informed = heads::informational(&mut self.downstream, &self.upstream);
                    if let Err((party, fault)) = informed {
                        return self.fail(party, fault);
                    }
                }
                Poll::Ready(Ok(Heard::Final(_))) if self.would_switch() => {
                    return self.fail(Party::Upstream, Fault::Switch);
                }
                Poll::Ready(Ok(heard)) => {
                    self.heard = Some(heard);
                    self.stage = Stage::Answered;
                    self.totals.answered = Some(Instant::now());
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Err(fault)) => {
                    // Why it could not be written to says more than that it is gone.
                    let fault = match (fault, self.unwritable.take()) {
                        (Fault::Gone | Fault::Io(_), Some(earlier)) => earlier,
                        (fault, _) => fault,
                    };
                    return self.fail(Party::Upstream, fault);
                }
                Poll::Pending => break,
            }
        }
        if let Poll::Ready(Err(fault)) = self.downstream.poll_flush(cx) {
            return self.fail(Party::Downstream, fault);
        }
        self.watch(cx)
    }

    /// As [`Self::poll_answer`].
    pub async fn answer(&mut self) -> Result<(), Failure> {
        std::future::poll_fn(|cx| self.poll_answer(cx)).await
    }

    /// The upstream, whose head can be looked at once it has answered.
    pub fn upstream(&self) -> &Upstream<'p> {
        &self.upstream
    }

    /// Whether the request could be sent to another upstream from its start.
    pub fn is_replayable(&self) -> bool {
        self.replay.is_possible()
    }

    /// The downstream.
    pub fn downstream(&self) -> &Downstream<'p> {
        &self.downstream
    }

    /// Writes the answer's head, changed, for the client. From now on the request can't be sent again.
    pub fn pass_on(&mut self, changes: &HeadChanges<'_>) -> Result<(), Failure> {
        self.replay.forget();
        let (Stage::Answered, Some(heard)) = (self.stage, self.heard) else {
            return Err(self.failure(Party::Upstream, Fault::Gone));
        };
        let switches = heard == Heard::Switch;
        let body = if let Heard::Final(body) = heard { body } else { BodyKind::None };
        self.answers_anew = changes.framing == Framing::Anew && !switches && !self.is_answered_by_head();
        match heads::answer(&mut self.downstream, &mut self.upstream, body, switches, changes) {
            Ok(form) => self.response_form = form,
            Err((party, fault)) => {
                let failure = self.failure(party, fault);
                self.end();
                return Err(failure);
            }
        }
        self.stage = if switches { Stage::Tunnel } else { Stage::Passing };
        if switches {
            (self.request, self.request_form, self.response_form) = (Way::Body, Form::Data, Form::Data);
        }
        Ok(())
    }

    /// Passes on the answer to its end, and what is left of the request as long. The upstream is free then; the client's
    /// side wants [`Downstream::poll_finish`].
    pub fn poll_through(&mut self, cx: &mut Context<'_>) -> Poll<Result<Outcome, Failure>> {
        debug_assert!(matches!(self.stage, Stage::Passing | Stage::Tunnel), "nothing is passed on");
        let request = self.poll_request(cx);
        if let Poll::Ready(Err(fault)) = request {
            return self.fail(Party::Downstream, fault);
        }
        match self.poll_response(cx) {
            Poll::Ready(Err((party, fault))) => return self.fail(party, fault),
            Poll::Ready(Ok(())) if self.stage == Stage::Passing => {}
            Poll::Ready(Ok(())) if self.request == Way::Done => {}
            _ if self.stage == Stage::Tunnel => {
                return match self.unwritable.take() {
                    // Nobody answers for a tunnel with one end.
                    Some(fault) => self.fail(Party::Upstream, fault),
                    None => Poll::Pending,
                };
            }
            _ => return self.watch(cx).map_ok(|()| Outcome::Answered),
        }
        // An upstream that is still being told the rest of a request is of no further use.
        if self.request != Way::Done {
            self.upstream.reset();
        }
        let outcome = if self.stage == Stage::Tunnel { Outcome::Tunnelled } else { Outcome::Answered };
        self.stage = Stage::Over;
        Poll::Ready(Ok(outcome))
    }

    /// As [`Self::poll_through`].
    pub async fn through(&mut self) -> Result<Outcome, Failure> {
        std::future::poll_fn(|cx| self.poll_through(cx)).await
    }

    /// What was moved so far.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Whether the answer switches to another protocol or a tunnel. After [`Self::pass_on`] and [`Self::poll_flush`]
    /// connections of HTTP/1.1 can be taken apart and relayed instead of going on here: see [`Self::release`].
    pub fn switches(&self) -> bool {
        self.heard == Some(Heard::Switch)
    }

    /// Sends what was written to both sides.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        match (self.upstream.poll_flush(cx), self.downstream.poll_flush(cx)) {
            (Poll::Ready(Err(fault)), _) => self.fail(Party::Upstream, fault),
            (_, Poll::Ready(Err(fault))) => self.fail(Party::Downstream, fault),
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => Poll::Ready(Ok(())),
            _ => Poll::Pending,
        }
    }

    /// Lets go of both sides as they are.
    pub fn release(mut self) {
        self.stage = Stage::Over;
    }

    /// Moves of the request what can be moved. An error is the client's; one of the upstream is kept for later.
    fn poll_request(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        let mut moved = 0;
        while self.unwritable.is_none() {
            match self.request {
                Way::Done => return Poll::Ready(Ok(())),
                Way::Flush => match self.upstream.poll_flush(cx) {
                    Poll::Ready(Ok(())) => {
                        self.request = Way::Done;
                        self.totals.request_sent = Some(Instant::now());
                    }
                    Poll::Ready(Err(fault)) => self.unwritable = Some(fault),
                    Poll::Pending => return Poll::Pending,
                },
                Way::Body => {
                    if moved >= TURN {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    match self.poll_request_body(cx) {
                        Poll::Ready(Ok(n)) => moved += n as u64,
                        Poll::Ready(Err((Party::Downstream, fault))) => return Poll::Ready(Err(fault)),
                        Poll::Ready(Err((Party::Upstream, fault))) => self.unwritable = Some(fault),
                        Poll::Pending => return Poll::Pending,
                    }
                }
            }
        }
        Poll::Pending
    }

    fn poll_request_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, (Party, Fault)>> {
        let again = self.replay.pending();
        if !again.is_empty() {
            let n = match self.upstream.poll_send(cx, &Slices::one(again)) {
                Poll::Ready(sent) => sent.map_err(|fault| (Party::Upstream, fault))?,
                Poll::Pending => return Poll::Pending,
            };
            self.replay.advance(n);
            self.totals.request_body += n as u64;
            return Poll::Ready(Ok(n));
        }
        if self.recoding.is_some() {
            return self.poll_recoded_request(cx);
        }
        match self.downstream.poll_body(cx) {
            Poll::Ready(Ok(Body::Data)) => {
                if self.request_form == Form::Wire {
                    // With its framing it is of no use to another upstream, which may speak another HTTP.
                    self.replay.forget();
                }
                let data = self.downstream.data();
                let n = match self.upstream.poll_send(cx, &data) {
                    Poll::Ready(sent) => sent.map_err(|fault| (Party::Upstream, fault))?,
                    Poll::Pending => {
                        self.downstream.stall();
                        return Poll::Pending;
                    }
                };
                self.replay.keep(&data, n);
                self.downstream.consume(n);
                self.totals.request_body += n as u64;
                Poll::Ready(Ok(n))
            }
            Poll::Ready(Ok(Body::End)) => {
                heads::end_request(&self.downstream, &mut self.upstream, self.request_form)?;
                self.replay.end();
                self.request = Way::Flush;
                Poll::Ready(Ok(0))
            }
            Poll::Ready(Err(fault)) => Poll::Ready(Err((Party::Downstream, fault))),
            Poll::Pending => match self.upstream.poll_flush(cx) {
                Poll::Ready(Err(fault)) => Poll::Ready(Err((Party::Upstream, fault))),
                _ => Poll::Pending,
            },
        }
    }

    fn poll_response(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), (Party, Fault)>> {
        let mut moved = 0;
        loop {
            match self.response {
                Way::Done => return Poll::Ready(Ok(())),
                Way::Flush => match self.downstream.poll_flush(cx) {
                    Poll::Ready(Ok(())) => {
                        self.response = Way::Done;
                        self.totals.finished = Some(Instant::now());
                    }
                    Poll::Ready(Err(fault)) => return Poll::Ready(Err((Party::Downstream, fault))),
                    Poll::Pending => return Poll::Pending,
                },
                Way::Body if moved >= TURN => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Way::Body => match self.poll_response_body(cx) {
                    Poll::Ready(Ok(n)) => moved += n as u64,
                    Poll::Ready(Err(failed)) => return Poll::Ready(Err(failed)),
                    Poll::Pending => return Poll::Pending,
                },
            }
        }
    }

    fn poll_response_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, (Party, Fault)>> {
        if self.answers_anew {
            return self.poll_recoded_answer(cx);
        }
        match self.upstream.poll_body(cx) {
            Poll::Ready(Ok(Body::Data)) => {
                let n = match self.downstream.poll_send(cx, &self.upstream.data()) {
                    Poll::Ready(sent) => sent.map_err(|fault| (Party::Downstream, fault))?,
                    Poll::Pending => {
                        self.upstream.stall();
                        return Poll::Pending;
                    }
                };
                self.upstream.consume(n);
                self.totals.response_body += n as u64;
                Poll::Ready(Ok(n))
            }
            Poll::Ready(Ok(Body::End)) => {
                heads::end_answer(&mut self.downstream, &self.upstream, self.response_form)?;
                self.response = Way::Flush;
                Poll::Ready(Ok(0))
            }
            Poll::Ready(Err(fault)) => Poll::Ready(Err((Party::Upstream, fault))),
            Poll::Pending => match self.downstream.poll_flush(cx) {
                Poll::Ready(Err(fault)) => Poll::Ready(Err((Party::Downstream, fault))),
                _ => Poll::Pending,
            },
        }
    }

    /// Whether the client would take the answer for a switch that it is none: by HTTP/2, every 2xx to CONNECT is one (RFC
    /// 9113 8.5, RFC 8441 5), while a server of HTTP/1.1 may answer an upgrade with a page.
    fn would_switch(&self) -> bool {
        matches!(&self.downstream, Downstream::Http2(request) if request.may_switch())
            && (200..300).contains(&self.upstream.status())
    }

    /// Looks whether the client is still there. Of HTTP/1.1, its end means something once it has nothing more to say.
    fn watch(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let talks = self.request == Way::Body && self.unwritable.is_none();
        if talks && matches!(self.downstream, Downstream::Http1(_)) {
            return Poll::Pending;
        }
        match self.downstream.poll_gone(cx) {
            Poll::Ready(fault) => self.fail(Party::Downstream, fault),
            Poll::Pending => Poll::Pending,
        }
    }

    fn fail<T>(&mut self, party: Party, fault: Fault) -> Poll<Result<T, Failure>> {
        let failure = self.failure(party, fault);
        self.end();
        Poll::Ready(Err(failure))
    }

    fn failure(&mut self, party: Party, fault: Fault) -> Failure {
        let sent = match self.upstream.sent() {
            Sent::All if self.request == Way::Body => Sent::PartOfBody,
            sent => sent,
        };
        let answered = match (self.stage, self.response) {
            (Stage::Asking | Stage::Over, _) => self.upstream.answered(),
            (_, Way::Done) => Answered::All,
            _ => Answered::Head,
        };
        Failure { party, fault, sent, answered }
    }

    /// Gives up what is not finished.
    fn end(&mut self) {
        match self.stage {
            Stage::Over => return,
            Stage::Asking | Stage::Answered => {}
            Stage::Passing | Stage::Tunnel => self.downstream.reset(),
        }
        self.upstream.reset();
        self.stage = Stage::Over;
    }
}

impl Drop for Pump<'_> {
    fn drop(&mut self) {
        self.end();
    }
}
