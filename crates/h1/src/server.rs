//! The server's end of a connection.

use std::collections::VecDeque;

use crate::{
    body::{BodyDecoder, Decoded},
    error::{Reason, Rejected, Side},
    framing::{BodyKind, Persistence, Version},
    limits::Limits,
    request::{MethodKind, RequestHead, RequestParser},
    response::is_bodiless,
};

/// The server's end of a connection: requests come in, responses go out in their order.
///
/// [`ServerConnection::receive`] is given what has arrived and not been consumed yet; [`ServerConnection::respond`] and
/// [`ServerConnection::finish_response`] are told what is sent. It neither holds nor sends any bytes.
///
/// - After a request that ends the connection, or is refused, nothing more is read.
/// - While a CONNECT or an offer to upgrade is unanswered, what the client sends is nobody's: not a request, and not
///   yet the tunnel's. If the answer is no switch, the connection ends with it, so that such bytes can't become a
///   request. Who will not switch says so first ([`ServerConnection::decline_upgrade`]), and loses nothing.
/// - Requests without a complete response are bounded; at the bound reading stops until a response is finished.
#[derive(Clone, Debug)]
pub struct ServerConnection {
    limits: Limits,
    parser: RequestParser,
    reading: Reading,
    turns: VecDeque<Turn>,
}

/// What [`ServerConnection::receive`] has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// Nothing whole: call again with the same bytes and more behind them.
    More,
    /// The head of a request, of that many bytes, which are consumed; see [`ServerConnection::head`]. With a body of
    /// [`BodyKind::None`] or of length 0 the request is complete.
    Head(usize),
    /// A piece of the request's body.
    Body(Decoded),
    /// As many requests as are allowed are unanswered. Nothing is consumed until a response is finished.
    Full,
    /// The bytes must wait for the answer to a CONNECT or an upgrade. Nothing is consumed.
    Held,
    /// All bytes from here on belong to the tunnel or the other protocol.
    Switched,
    /// Nothing more is read from this connection.
    Closed,
}

/// How a response has to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What it is for the connection.
    pub kind: AnswerKind,
    /// How its body is framed on this connection.
    pub body: BodyKind,
    /// What its Connection field must say.
    pub connection: ConnectionOption,
}

/// What a response is for the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerKind {
    /// A 1xx: the final response is still to come.
    Informational,
    /// A 1xx to a client of HTTP/1.0, which must not get it. Do not send it.
    Suppressed,
    /// The final response.
    Final,
    /// After its head the connection is a tunnel or speaks another protocol.
    Switch,
}

/// What a Connection field must say about the time after the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionOption {
    /// Nothing, or the switch.
    None,
    /// `close`.
    Close,
    /// `keep-alive`.
    KeepAlive,
}

/// A request and where its response is.
#[derive(Clone, Debug)]
struct Turn {
    method: MethodKind,
    version: Version,
    persistence: Persistence,
    upgrade: bool,
    /// The client waits for 100 before it sends the body.
    waits: bool,
    /// The request is complete.
    received: bool,
    informational: u32,
    response: Response,
}

/// Where a response is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Response {
    Awaited,
    Begun(Persistence),
    Finished(Persistence),
}

#[derive(Clone, Debug)]
enum Reading {
    Head,
    Body(BodyDecoder),
    Held,
    Switched,
    Closed,
    Failed(Rejected),
}

impl ServerConnection {
    /// A new connection.
    pub fn new(limits: Limits) -> Self {
        Self { limits, parser: RequestParser::new(limits), reading: Reading::Head, turns: VecDeque::new() }
    }

    /// Reads on. `input` begins with the first byte that has not been consumed.
    ///
    /// A refusal is final, and every further call repeats it. It stands in the queue of responses: after those to
    /// earlier requests, send one with [`Rejected::status`], unless the response to that very request has begun.
    pub fn receive(&mut self, input: &[u8]) -> Result<Received, Rejected> {
        match &mut self.reading {
            Reading::Head if self.turns.len() >= self.limits.pipelined.max(1) as usize => Ok(Received::Full),
            Reading::Head => match self.parser.parse(input) {
                Ok(None) => Ok(Received::More),
                Ok(Some(length)) => {
                    self.begin(input);
                    Ok(Received::Head(length))
                }
                Err(rejected) => {
                    self.turns.push_back(Turn::refused());
                    Err(self.fail(rejected))
                }
            },
            Reading::Body(_) if input.is_empty() => Ok(Received::More),
            Reading::Body(decoder) => match decoder.decode(input) {
                Ok(decoded) => {
                    if let Some(turn) = self.turns.back_mut() {
                        turn.waits = false;
                    }
                    if decoded.done {
                        self.complete();
                    }
                    Ok(Received::Body(decoded))
                }
                Err(rejected) => Err(self.fail(rejected)),
            },
            Reading::Held => Ok(Received::Held),
            Reading::Switched => Ok(Received::Switched),
            Reading::Closed => Ok(Received::Closed),
            Reading::Failed(rejected) => Err(*rejected),
        }
    }

    /// The client has sent its last byte, and all of them have been received.
    pub fn end_of_input(&mut self) -> Result<(), Rejected> {
        match &mut self.reading {
            Reading::Head if self.parser.is_idle() => self.reading = Reading::Closed,
            Reading::Head => {
                self.turns.push_back(Turn::refused());
                return Err(self.fail(Rejected::request(Reason::Truncated, 0)));
            }
            Reading::Body(decoder) => {
                if let Err(rejected) = decoder.end_of_input() {
                    return Err(self.fail(rejected));
                }
            }
            Reading::Failed(rejected) => return Err(*rejected),
            Reading::Held | Reading::Switched | Reading::Closed => {}
        }
        Ok(())
    }

    /// The head that [`Received::Head`] spoke of, over the same bytes, until the next one.
    ///
    /// # Panics
    ///
    /// If there was none.
    pub fn head<'a>(&'a self, input: &'a [u8]) -> RequestHead<'a> {
        self.parser.head(input)
    }

    /// The latest request's offer to upgrade is not taken up, nor passed on: the request is one like others, and what
    /// follows it is read as the next.
    pub fn decline_upgrade(&mut self) -> Result<(), Reason> {
        let turn = self.turns.back_mut().filter(|turn| turn.upgrade && turn.response == Response::Awaited);
        turn.ok_or(Reason::OutOfOrder)?.upgrade = false;
        if matches!(self.reading, Reading::Held) {
            self.read_on();
        }
        Ok(())
    }

    /// Whether the client waits for 100 (Continue), the next response to be sent.
    pub fn wants_continue(&self) -> bool {
        self.turns.front().is_some_and(|turn| turn.waits && turn.response == Response::Awaited)
    }

    /// A response to the oldest unanswered request is going to be sent: how? `body` is how its sender framed it (a length
    /// of 0 with 1xx and 204 is none), `persistence` whether we mean to use the connection again.
    pub fn respond(&mut self, status: u16, body: BodyKind, persistence: Persistence) -> Result<Answer, Rejected> {
        let reject = |reason| Rejected::response(reason, 0);
        let last = self.is_last();
        let turn = self.turns.front_mut().filter(|turn| turn.response == Response::Awaited);
        let turn = turn.ok_or(reject(Reason::OutOfOrder))?;
        let version = turn.version;
        let bodiless = body == BodyKind::None || (is_bodiless(status) && body == BodyKind::Length(0));
        match (status, turn.method) {
            (101, _) => {
                if !turn.upgrade || !turn.received || !bodiless {
                    return Err(reject(Reason::UnexpectedSwitch));
                }
                return Ok(self.switch());
            }
            (100..=199, _) => {
                if !bodiless {
                    return Err(reject(Reason::BodyForbidden));
                }
                if turn.informational >= self.limits.informational {
                    return Err(reject(Reason::TooManyInformational));
                }
                turn.informational += 1;
                // Whatever comes later, the client will send its body now.
                turn.waits &= status != 100;
                let known = turn.version == Version::Http11;
                let kind = if known { AnswerKind::Informational } else { AnswerKind::Suppressed };
                return Ok(Answer { kind, body: BodyKind::None, connection: ConnectionOption::None });
            }
            (200..=299, MethodKind::Connect) => {
                if !bodiless {
                    return Err(reject(Reason::BodyForbidden));
                }
                return Ok(self.switch());
            }
            (200..=599, _) => {}
            _ => return Err(reject(Reason::BadStatus)),
        }
        let body = match (status, turn.method, body) {
            (204, _, BodyKind::Length(1..) | BodyKind::Chunked) => return Err(reject(Reason::BodyForbidden)),
            (204 | 304, ..) | (_, MethodKind::Head, _) => BodyKind::None,
            (.., BodyKind::None) => return Err(reject(Reason::Framing)),
            (.., BodyKind::Chunked) if turn.version == Version::Http10 => BodyKind::UntilClose,
            _ => body,
        };
        let close = last
            || persistence == Persistence::Close
            || turn.persistence == Persistence::Close
            || body == BodyKind::UntilClose
            || turn.may_switch()
            || turn.waits;
        let persistence = if close { Persistence::Close } else { Persistence::KeepAlive };
        turn.response = Response::Begun(persistence);
        if close && matches!(self.reading, Reading::Head | Reading::Held) {
            self.reading = Reading::Closed;
        }
        let connection = match (persistence, version) {
            (Persistence::Close, _) => ConnectionOption::Close,
            (Persistence::KeepAlive, Version::Http10) => ConnectionOption::KeepAlive,
            (Persistence::KeepAlive, Version::Http11) => ConnectionOption::None,
        };
        Ok(Answer { kind: AnswerKind::Final, body, connection })
    }

    /// The response is sent to its end. With [`Persistence::Close`] the connection is to be closed now: later requests
    /// get no response. It is so too if nothing more can be read and no other response is due, whatever the head said.
    pub fn finish_response(&mut self) -> Result<Persistence, Reason> {
        let last = self.is_last();
        let turn = self.turns.front_mut().ok_or(Reason::OutOfOrder)?;
        let Response::Begun(said) = turn.response else { return Err(Reason::OutOfOrder) };
        let persistence = if last { Persistence::Close } else { said };
        turn.response = Response::Finished(persistence);
        if persistence == Persistence::Close {
            self.turns.clear();
            if !matches!(self.reading, Reading::Failed(_)) {
                self.reading = Reading::Closed;
            }
        } else if turn.received {
            self.turns.pop_front();
        }
        Ok(persistence)
    }

    /// Requests that have no complete response yet, and a refused one.
    pub fn unanswered(&self) -> usize {
        self.turns.iter().filter(|turn| !turn.is_answered()).count()
    }

    /// Whether nothing is going on: every request is answered and no byte of another has come.
    pub fn is_idle(&self) -> bool {
        self.turns.is_empty() && matches!(self.reading, Reading::Head) && self.parser.is_idle()
    }

    /// Whether the oldest request is the last one of the connection, from which nothing more is read.
    fn is_last(&self) -> bool {
        self.turns.len() == 1 && matches!(self.reading, Reading::Closed | Reading::Failed(_))
    }

    fn begin(&mut self, input: &[u8]) {
        let head = self.parser.head(input);
        let body = head.body();
        self.turns.push_back(Turn {
            method: head.method_kind(),
            version: head.version(),
            persistence: head.persistence(),
            upgrade: head.wants_upgrade(),
            waits: head.expects_continue(),
            received: false,
            informational: 0,
            response: Response::Awaited,
        });
        let decoder = BodyDecoder::new(body, Side::Request, &self.limits);
        if decoder.is_done() {
            self.complete();
        } else {
            self.reading = Reading::Body(decoder);
        }
    }

    /// The latest request is complete.
    fn complete(&mut self) {
        if let Some(turn) = self.turns.back_mut() {
            turn.received = true;
            if turn.may_switch() && turn.response == Response::Awaited {
                self.reading = Reading::Held;
                return;
            }
        }
        self.read_on();
    }

    fn read_on(&mut self) {
        let closes = |turn: &Turn| {
            turn.persistence == Persistence::Close
                || matches!(turn.response, Response::Begun(Persistence::Close) | Response::Finished(Persistence::Close))
        };
        self.reading = if self.turns.iter().any(closes) { Reading::Closed } else { Reading::Head };
        if self.turns.front().is_some_and(|turn| turn.is_answered() && turn.received) {
            self.turns.pop_front();
        }
    }

    fn switch(&mut self) -> Answer {
        self.turns.clear();
        self.reading = Reading::Switched;
        Answer { kind: AnswerKind::Switch, body: BodyKind::None, connection: ConnectionOption::None }
    }

    fn fail(&mut self, rejected: Rejected) -> Rejected {
        self.reading = Reading::Failed(rejected);
        rejected
    }
}

impl Turn {
    /// Of a request that could not be read. It is answered like others, and ends the connection.
    fn refused() -> Self {
        Self {
            method: MethodKind::Other,
            version: Version::Http11,
            persistence: Persistence::Close,
            upgrade: false,
            waits: false,
            received: true,
            informational: 0,
            response: Response::Awaited,
        }
    }

    fn is_answered(&self) -> bool {
        matches!(self.response, Response::Finished(_))
    }

    fn may_switch(&self) -> bool {
        self.upgrade || self.method == MethodKind::Connect
    }
}

#[cfg(test)]
mod tests;
