//! The client's end of a connection.

use std::collections::VecDeque;

use crate::{
    body::{BodyDecoder, Decoded},
    error::{Reason, Rejected, Side},
    fields::list,
    framing::{BodyKind, Persistence},
    limits::Limits,
    request::{MethodKind, RequestHead},
    response::{ResponseHead, ResponseParser},
};

/// The client's end of a connection: requests go out, responses come in, in their order.
///
/// [`ClientConnection::send`] and [`ClientConnection::finish_request`] are told what is sent;
/// [`ClientConnection::receive`] is given what has arrived and not been consumed yet. It neither holds nor sends any
/// bytes.
///
/// - After a request that may switch protocols (CONNECT, Upgrade), or that closes, no other is sent before its answer.
/// - A response nobody asked for, too many 1xx, a 101 to a protocol not offered or before the request was complete:
///   the connection is of no use any more.
#[derive(Clone, Debug)]
pub struct ClientConnection {
    limits: Limits,
    parser: ResponseParser,
    reading: Reading,
    asked: VecDeque<Asked>,
    informational: u32,
    /// The latest request is not complete.
    sending: bool,
    /// The connection ended before the first byte of the response to the oldest request.
    unanswered: bool,
    tunnels: TunnelFraming,
}

/// What becomes of framing fields of a 2xx to CONNECT, which has no body whatever they say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TunnelFraming {
    /// The answer is refused: whoever passes it on would pass on what others may understand otherwise.
    #[default]
    Refused,
    /// They say nothing (RFC 9110 9.3.6): for whoever uses the tunnel itself.
    Ignored,
}

/// What must be known about a request to understand its response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The method as it was sent.
    pub method: MethodKind,
    /// How its body is framed.
    pub body: BodyKind,
    /// Whether the request says that the connection ends after it.
    pub persistence: Persistence,
    /// The value of its Upgrade field, if it offers to switch.
    pub upgrade: Option<Box<[u8]>>,
}

/// What [`ClientConnection::receive`] has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nothing whole: call again with the same bytes and more behind them.
    More,
    /// The head of an informational response, of that many bytes, which are consumed; see [`ClientConnection::head`].
    Informational(usize),
    /// The head of the final response, of that many bytes, which are consumed, and how its body is framed. With
    /// [`BodyKind::None`] or length 0 the response is complete.
    Head(usize, BodyKind),
    /// A piece of the response's body.
    Body(Decoded),
    /// The head of the response that switches, of that many bytes, which are consumed. All after it belongs to the
    /// tunnel or the other protocol.
    Switch(usize),
    /// All bytes from here on belong to the tunnel or the other protocol.
    Switched,
    /// Nothing more is read from this connection.
    Closed,
}

#[derive(Clone, Debug)]
enum Reading {
    Head,
    Body(BodyDecoder),
    Switched,
    Closed,
    Failed(Rejected),
}

impl ClientConnection {
    /// A new connection.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            parser: ResponseParser::new(limits),
            reading: Reading::Head,
            asked: VecDeque::new(),
            informational: 0,
            sending: false,
            unanswered: false,
            tunnels: TunnelFraming::Refused,
        }
    }

    /// The same, in which that becomes of framing fields of a 2xx to CONNECT.
    #[must_use]
    pub fn with_tunnels(self, tunnels: TunnelFraming) -> Self {
        Self { tunnels, ..self }
    }

    /// A request is going to be sent, if the connection takes one now.
    pub fn send(&mut self, asked: Asked) -> Result<(), Reason> {
        let open = matches!(self.reading, Reading::Head | Reading::Body(_));
        let full = self.asked.len() >= self.limits.pipelined.max(1) as usize;
        let ending = self.asked.back().is_some_and(|last| last.may_switch() || last.persistence == Persistence::Close);
        if !open || full || ending || self.sending {
            return Err(Reason::NoMoreRequests);
        }
        self.sending = !matches!(asked.body, BodyKind::None | BodyKind::Length(0));
        self.asked.push_back(asked);
        Ok(())
    }

    /// The body of the latest request is sent to its end.
    pub fn finish_request(&mut self) {
        self.sending = false;
    }

    /// Reads on. `input` begins with the first byte that has not been consumed. A refusal is final, and every further
    /// call repeats it.
    pub fn receive(&mut self, input: &[u8]) -> Result<Reply, Rejected> {
        let result = match &mut self.reading {
            Reading::Head | Reading::Body(_) if input.is_empty() => Ok(Reply::More),
            Reading::Head if self.asked.is_empty() => Err(Rejected::response(Reason::Unsolicited, 0)),
            Reading::Head => match self.parser.parse_answer(input, self.ignores_framing()) {
                Ok(None) => Ok(Reply::More),
                Ok(Some(length)) => self.begin(input, length),
                Err(rejected) => Err(rejected),
            },
            Reading::Body(decoder) => decoder.decode(input).map(Reply::Body),
            Reading::Switched => Ok(Reply::Switched),
            Reading::Closed => Ok(Reply::Closed),
            Reading::Failed(rejected) => Err(*rejected),
        };
        match &result {
            Err(rejected) => self.reading = Reading::Failed(*rejected),
            Ok(Reply::Body(decoded)) if decoded.done => self.complete(),
            Ok(_) => {}
        }
        result
    }

    /// The server has sent its last byte, and all of them have been received. That is the proper end of a body that
    /// lasts until then, and of a connection on which nothing is outstanding. After any other end,
    /// [`ClientConnection::awaits_first_byte`] says whether the request may be tried again.
    pub fn end_of_input(&mut self) -> Result<(), Rejected> {
        self.unanswered = self.awaits_first_byte();
        let result = match &mut self.reading {
            Reading::Head if self.asked.is_empty() => Ok(()),
            Reading::Head => Err(Rejected::response(Reason::Truncated, 0)),
            Reading::Body(decoder) => decoder.end_of_input(),
            Reading::Switched => return Ok(()),
            Reading::Closed => Ok(()),
            Reading::Failed(rejected) => Err(*rejected),
        };
        self.reading = match result {
            Ok(()) => Reading::Closed,
            Err(rejected) => Reading::Failed(rejected),
        };
        self.asked.clear();
        result
    }

    /// The head that [`Reply::Informational`], [`Reply::Head`] or [`Reply::Switch`] spoke of, over the same bytes,
    /// until the next one.
    ///
    /// # Panics
    ///
    /// If there was none.
    pub fn head<'a>(&'a self, input: &'a [u8]) -> ResponseHead<'a> {
        self.parser.head(input)
    }

    /// Requests whose response is not complete.
    pub fn outstanding(&self) -> usize {
        self.asked.len()
    }

    /// Whether another request may be sent with nothing outstanding before it: the connection can go back to a pool.
    pub fn is_idle(&self) -> bool {
        self.asked.is_empty() && !self.sending && matches!(self.reading, Reading::Head)
    }

    /// Whether no byte of the response to the oldest request has come. If the connection ends so, the request, and each
    /// one behind it, may be tried again elsewhere if its method allows (RFC 9110 9.2.2). It stays so after
    /// [`ClientConnection::end_of_input`]: ask before or after it.
    pub fn awaits_first_byte(&self) -> bool {
        let untouched = self.parser.is_idle() && self.informational == 0;
        self.unanswered || (!self.asked.is_empty() && matches!(self.reading, Reading::Head) && untouched)
    }

    /// Whether the next answer opens a tunnel if it is a success, and its framing fields say nothing then.
    fn ignores_framing(&self) -> bool {
        self.tunnels == TunnelFraming::Ignored
            && self.asked.front().is_some_and(|asked| asked.method == MethodKind::Connect)
    }

    fn begin(&mut self, input: &[u8], length: usize) -> Result<Reply, Rejected> {
        let Some(asked) = self.asked.front() else { return Err(Rejected::response(Reason::Unsolicited, 0)) };
        let head = self.parser.head(input);
        let at = u64::from(head.status_at());
        if head.is_informational() {
            if self.informational >= self.limits.informational {
                return Err(Rejected::response(Reason::TooManyInformational, at));
            }
            self.informational += 1;
            return Ok(Reply::Informational(length));
        }
        let body = head.body(asked.method)?;
        if head.status() == 101 {
            if !asked.offers(&head) || (self.sending && self.asked.len() == 1) {
                return Err(Rejected::response(Reason::UnexpectedSwitch, at));
            }
            return Ok(self.switch(length));
        }
        if asked.method == MethodKind::Connect && (200..300).contains(&head.status()) {
            return Ok(self.switch(length));
        }
        let ends = [head.persistence(), asked.persistence].contains(&Persistence::Close);
        if ends || body == BodyKind::UntilClose {
            // Whatever else was sent gets no response.
            self.asked.truncate(1);
            if let Some(asked) = self.asked.front_mut() {
                asked.persistence = Persistence::Close;
            }
        }
        let decoder = BodyDecoder::new(body, Side::Response, &self.limits);
        if decoder.is_done() {
            self.complete();
        } else {
            self.reading = Reading::Body(decoder);
        }
        Ok(Reply::Head(length, body))
    }

    /// The oldest response is complete.
    fn complete(&mut self) {
        let closes = self.asked.pop_front().is_some_and(|asked| asked.persistence == Persistence::Close);
        self.informational = 0;
        self.reading = if closes { Reading::Closed } else { Reading::Head };
    }

    fn switch(&mut self, length: usize) -> Reply {
        self.asked.clear();
        self.reading = Reading::Switched;
        Reply::Switch(length)
    }
}

impl Asked {
    /// About a request that is sent as it is.
    pub fn of(head: &RequestHead<'_>) -> Self {
        let offer = || head.upgrade_protocols().collect::<Vec<_>>().join(&b","[..]).into_boxed_slice();
        Self {
            method: head.method_kind(),
            body: head.body(),
            persistence: head.persistence(),
            upgrade: head.wants_upgrade().then(offer),
        }
    }

    fn may_switch(&self) -> bool {
        self.upgrade.is_some() || self.method == MethodKind::Connect
    }

    /// Whether what the response switches to is among what was offered.
    fn offers(&self, head: &ResponseHead<'_>) -> bool {
        let Some(offered) = &self.upgrade else { return false };
        let mut chosen = head.upgrade_protocols().peekable();
        chosen.peek().is_some()
            && chosen.all(|protocol| list(offered).any(|offer| offer.eq_ignore_ascii_case(protocol)))
    }
}

#[cfg(test)]
mod tests;
