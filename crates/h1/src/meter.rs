//! Requests counted as their bytes pass.

use std::{collections::VecDeque, time::Instant};

use ripstop_kept::Kept;
pub use ripstop_kept::{Detail, Keep, KeptFields};

use crate::{
    body::BodyDecoder,
    client::Asked,
    error::{Reason, Rejected, Side},
    framing::{BodyKind, Persistence, Version},
    limits::Limits,
    request::{MethodKind, RequestHead, RequestParser},
    response::{ResponseHead, ResponseParser},
};

/// Follows both directions of a connection that somebody else carries, and tells what was asked and answered.
///
/// It is shown bytes after they were read; it never holds, changes or delays them. It copies heads that come in pieces
/// (up to [`Limits::head`] a direction), and methods, paths and chosen fields of requests without a complete response
/// (up to [`Limits::pipelined`]). At the first thing that it does not understand, it stops for good and says why.
#[derive(Debug)]
#[expect(clippy::vec_box, reason = "turns are moved for each request, and are large")]
pub struct Meter {
    limits: Limits,
    keep: Keep,
    /// Whether requests that begin now are told in detail.
    detail: Detail,
    client: Half<RequestParser>,
    server: Half<ResponseParser>,
    turns: VecDeque<Box<Turn>>,
    /// Turns that are over, for their storage.
    spare: Vec<Box<Turn>>,
    /// Requests whose heads were complete.
    begun: u64,
    stopped: Option<Stopped>,
}

/// A request and its response, both complete, or as far as they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Whether its texts and fields were kept; else they are empty.
    pub detail: Detail,
    /// The method.
    pub method: &'a [u8],
    /// Path and query as they were sent; empty for CONNECT.
    pub path: &'a [u8],
    /// The host with its port, if the request names one.
    pub authority: Option<&'a [u8]>,
    /// The version of the request.
    pub version: Version,
    /// Fields of the request that were to be kept.
    pub request: KeptFields<'a>,
    /// Fields of the final response that were to be kept.
    pub response: KeptFields<'a>,
    /// The final status; 0: no response came.
    pub status: u16,
    /// The request's head, as it was on the wire.
    pub request_head_bytes: u64,
    /// The final response's head, as it was on the wire.
    pub response_head_bytes: u64,
    /// Data of the request's body, without framing.
    pub request_bytes: u64,
    /// Data of the response's body, without framing.
    pub response_bytes: u64,
    /// When the request's head was complete.
    pub started: Instant,
    /// When the final response's head was complete.
    pub answered: Option<Instant>,
    /// When the response was complete, or the connection over.
    pub ended: Instant,
    /// How it was over.
    pub how: Ended,
}

/// How an exchange was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The response is complete.
    Complete,
    /// The connection ended before it.
    Cut,
}

/// Why a meter has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// A message that this codec refuses.
    Odd(Rejected),
    /// The connection is a tunnel now, or speaks another protocol.
    Switched,
    /// The client sent on before its CONNECT or upgrade was answered.
    Early,
    /// The last message of the connection is over.
    Closed,
}

#[derive(Debug)]
struct Half<P> {
    parser: P,
    /// The beginning of a head whose end has not come.
    partial: Vec<u8>,
    body: Option<BodyDecoder>,
}

#[derive(Debug)]
struct Turn {
    asked: Asked,
    detail: Detail,
    /// Method, path and authority, one after the other.
    text: Vec<u8>,
    method: usize,
    path: usize,
    authority: bool,
    version: Version,
    kept_request: Kept,
    kept_response: Kept,
    /// The request is complete.
    received: bool,
    request_bytes: u64,
    request_head: usize,
    response_head: usize,
    started: Instant,
    informational: u32,
    status: u16,
    answered: Option<Instant>,
}

// === impl Meter ===

impl Meter {
    /// For a new connection; `keep` are the fields to be told of each message.
    pub fn new(limits: Limits, keep: Keep) -> Self {
        Self {
            limits,
            keep,
            detail: Detail::Full,
            client: Half { parser: RequestParser::new(limits), partial: Vec::new(), body: None },
            server: Half { parser: ResponseParser::new(limits), partial: Vec::new(), body: None },
            turns: VecDeque::new(),
            spare: Vec::new(),
            begun: 0,
            stopped: None,
        }
    }

    /// For a new connection of which nobody wants to be told more than where its messages end ([`Meter::is_idle`]).
    pub fn of_boundaries(limits: Limits) -> Self {
        Self { detail: Detail::Counts, ..Self::new(limits, Keep::default()) }
    }

    /// How much is told of requests that begin from now on. Those that are under way stay as they are.
    pub fn tell(&mut self, detail: Detail) {
        self.detail = detail;
    }

    /// The next bytes from the client. They must be shown before the response to them is.
    pub fn client(&mut self, bytes: &[u8], now: Instant) {
        if self.stopped.is_none()
            && let Err(stopped) = self.requests(bytes, now)
        {
            self.stop(stopped);
        }
    }

    /// The next bytes from the server; each exchange that they complete goes to `record`.
    pub fn server(&mut self, bytes: &[u8], now: Instant, record: impl FnMut(Record<'_>)) {
        if self.stopped.is_none()
            && let Err(stopped) = self.responses(bytes, now, record)
        {
            self.stop(stopped);
        }
    }

    /// The server has sent its last byte, which ends a body that lasts so long. Requests that it leaves without a
    /// complete response go to `record`, too.
    pub fn end_of_server(&mut self, now: Instant, mut record: impl FnMut(Record<'_>)) {
        if self.stopped.is_some() {
            return;
        }
        let ended = match &mut self.server.body {
            Some(body) => body.end_of_input(),
            None if self.turns.is_empty() && self.server.partial.is_empty() => Ok(()),
            None => Err(Rejected::response(Reason::Truncated, 0)),
        };
        match ended {
            Ok(()) => {
                if self.server.body.is_some() {
                    // What went wrong comes after the last record.
                    let _last = self.complete(now, &mut record);
                }
                self.cut(now, record);
                self.stop(Stopped::Closed);
            }
            Err(rejected) => {
                self.cut(now, record);
                self.stop(Stopped::Odd(rejected));
            }
        }
    }

    /// The connection is over: what has no complete response goes to `record`, in order, and nothing comes after.
    pub fn end(&mut self, now: Instant, record: impl FnMut(Record<'_>)) {
        if self.stopped.is_none() {
            self.cut(now, record);
            self.stop(Stopped::Closed);
        }
    }

    /// Whether nothing is on its way: neither a request without its complete response, nor the beginning of one.
    pub fn is_idle(&self) -> bool {
        self.turns.is_empty() && self.client.partial.is_empty() && self.server.partial.is_empty()
    }

    /// Requests of which a byte has come, those that are over included, until it stops.
    pub fn begun(&self) -> u64 {
        self.begun + u64::from(!self.client.partial.is_empty())
    }

    /// Whether every request that has begun is complete: what the client says next begins another one.
    pub fn is_received(&self) -> bool {
        self.client.body.is_none() && self.client.partial.is_empty()
    }

    /// Why nothing is counted any more, if so.
    pub fn stopped(&self) -> Option<Stopped> {
        self.stopped
    }

    /// Tells of what has no complete response.
    fn cut(&self, now: Instant, mut record: impl FnMut(Record<'_>)) {
        let mut response_bytes = self.server.body.as_ref().map_or(0, BodyDecoder::data_bytes);
        for turn in &self.turns {
            // Only the first one's response has begun.
            record(turn.record(self.keep, response_bytes, Ended::Cut, now));
            response_bytes = 0;
        }
    }

    /// Gives everything back that memory was used for.
    fn stop(&mut self, stopped: Stopped) {
        *self = Self { stopped: Some(stopped), detail: self.detail, ..Self::new(self.limits, self.keep) };
    }

    fn requests(&mut self, mut bytes: &[u8], now: Instant) -> Result<(), Stopped> {
        while !bytes.is_empty() {
            if let Some(body) = &mut self.client.body {
                let decoded = body.decode(bytes)?;
                bytes = &bytes[decoded.consumed..];
                if let Some(turn) = self.turns.back_mut() {
                    turn.request_bytes += decoded.data.len() as u64;
                    turn.received |= decoded.done;
                }
                if decoded.done {
                    self.client.body = None;
                }
                continue;
            }
            match self.turns.back() {
                Some(turn) if turn.asked.upgrade.is_some() || turn.asked.method == MethodKind::Connect => {
                    return Err(Stopped::Early);
                }
                Some(turn) if turn.asked.persistence == Persistence::Close => return Err(Stopped::Closed),
                _ if self.turns.len() >= self.limits.pipelined.max(1) as usize => {
                    return Err(Stopped::Odd(Rejected::request(Reason::NoMoreRequests, 0)));
                }
                _ => {}
            }
            let Half { parser, partial, body } = &mut self.client;
            let Some((head, used)) = gather(partial, bytes, self.limits.head, |buffer| parser.parse(buffer))? else {
                return Ok(());
            };
            let head = parser.head(head.unwrap_or(partial));
            let mut turn = self.spare.pop().unwrap_or_else(|| Box::new(Turn::new(now)));
            turn.begin(&head, self.detail, self.keep, now);
            let decoder = BodyDecoder::new(head.body(), Side::Request, &self.limits);
            turn.received = decoder.is_done();
            *body = (!decoder.is_done()).then_some(decoder);
            self.turns.push_back(turn);
            self.begun += 1;
            partial.clear();
            bytes = &bytes[used..];
        }
        Ok(())
    }

    fn responses(&mut self, mut bytes: &[u8], now: Instant, mut record: impl FnMut(Record<'_>)) -> Result<(), Stopped> {
        while !bytes.is_empty() {
            if let Some(body) = &mut self.server.body {
                let decoded = body.decode(bytes)?;
                bytes = &bytes[decoded.consumed..];
                if decoded.done {
                    self.complete(now, &mut record)?;
                }
                continue;
            }
            let odd = |reason| Stopped::Odd(Rejected::response(reason, 0));
            let turn = self.turns.front_mut().ok_or(odd(Reason::Unsolicited))?;
            let Half { parser, partial, body } = &mut self.server;
            let Some((head, used)) = gather(partial, bytes, self.limits.head, |buffer| parser.parse(buffer))? else {
                return Ok(());
            };
            let head = parser.head(head.unwrap_or(partial));
            bytes = &bytes[used..];
            if head.is_informational() {
                turn.informational += 1;
                if turn.informational > self.limits.informational {
                    return Err(odd(Reason::TooManyInformational));
                }
                partial.clear();
                continue;
            }
            turn.answer(&head, self.keep, now);
            let kind = head.body(turn.asked.method)?;
            let switches = turn.asked.method == MethodKind::Connect && (200..300).contains(&head.status());
            if head.status() == 101 && turn.asked.upgrade.is_none() {
                return Err(odd(Reason::UnexpectedSwitch));
            }
            if head.persistence() == Persistence::Close || kind == BodyKind::UntilClose {
                turn.asked.persistence = Persistence::Close;
            }
            if switches || head.status() == 101 {
                self.complete(now, &mut record)?;
                return Err(Stopped::Switched);
            }
            let decoder = BodyDecoder::new(kind, Side::Response, &self.limits);
            let done = decoder.is_done();
            *body = Some(decoder);
            partial.clear();
            if done {
                self.complete(now, &mut record)?;
            }
        }
        Ok(())
    }

    /// The oldest response is complete.
    fn complete(&mut self, now: Instant, record: &mut impl FnMut(Record<'_>)) -> Result<(), Stopped> {
        let response_bytes = self.server.body.take().map_or(0, |body| body.data_bytes());
        let Some(turn) = self.turns.pop_front() else { return Ok(()) };
        record(turn.record(self.keep, response_bytes, Ended::Complete, now));
        let received = turn.received;
        let closes = turn.asked.persistence == Persistence::Close;
        self.spare.push(turn);
        match (received, closes) {
            (_, true) => Err(Stopped::Closed),
            // Its remaining bytes would be counted for the next one.
            (false, false) => Err(Stopped::Odd(Rejected::request(Reason::OutOfOrder, 0))),
            (true, false) => Ok(()),
        }
    }
}

/// A head that was found: the bytes it is in unless it is the partial one, and how many of the new bytes it took.
type Found<'b> = (Option<&'b [u8]>, usize);

/// Finds a head at the start of `bytes`, or of `partial` and `bytes` together.
fn gather<'b>(
    partial: &mut Vec<u8>,
    bytes: &'b [u8],
    limit: u32,
    mut parse: impl FnMut(&[u8]) -> Result<Option<usize>, Rejected>,
) -> Result<Option<Found<'b>>, Rejected> {
    if partial.is_empty() {
        if let Some(length) = parse(bytes)? {
            return Ok(Some((Some(bytes), length)));
        }
        partial.extend_from_slice(bytes);
        return Ok(None);
    }
    let before = partial.len();
    // A parser asks for no more than the limit.
    partial.extend_from_slice(&bytes[..bytes.len().min(limit as usize - before)]);
    Ok(parse(partial)?.map(|length| (None, length - before)))
}

// === impl Stopped ===

impl From<Rejected> for Stopped {
    fn from(rejected: Rejected) -> Self {
        Self::Odd(rejected)
    }
}

// === impl Turn ===

impl Turn {
    fn new(now: Instant) -> Self {
        Self {
            asked: Asked {
                method: MethodKind::Other,
                body: BodyKind::None,
                persistence: Persistence::Close,
                upgrade: None,
            },
            detail: Detail::Counts,
            text: Vec::new(),
            method: 0,
            path: 0,
            authority: false,
            version: Version::Http11,
            kept_request: Kept::default(),
            kept_response: Kept::default(),
            received: false,
            request_bytes: 0,
            request_head: 0,
            response_head: 0,
            started: now,
            informational: 0,
            status: 0,
            answered: None,
        }
    }

    fn begin(&mut self, head: &RequestHead<'_>, detail: Detail, keep: Keep, now: Instant) {
        self.asked = Asked::of(head);
        self.detail = detail;
        self.text.clear();
        (self.method, self.path, self.authority) = (0, 0, false);
        self.kept_request.clear();
        self.kept_response.clear();
        if detail == Detail::Full {
            self.text.extend_from_slice(head.method());
            self.method = self.text.len();
            let target = head.parts();
            if let Some(target) = &target {
                target.origin_form(&mut self.text);
            }
            self.path = self.text.len() - self.method;
            let authority = head.authority_of(target.as_ref());
            self.text.extend_from_slice(authority.unwrap_or_default());
            self.authority = authority.is_some();
            self.kept_request.take(keep.request, |name| head.fields().get(name));
        }
        (self.request_bytes, self.informational, self.status) = (0, 0, 0);
        (self.started, self.answered) = (now, None);
        self.version = head.version();
        (self.request_head, self.response_head) = (head.as_bytes().len(), 0);
    }

    /// The final response.
    fn answer(&mut self, head: &ResponseHead<'_>, keep: Keep, now: Instant) {
        (self.status, self.answered) = (head.status(), Some(now));
        self.response_head = head.as_bytes().len();
        if self.detail == Detail::Full {
            self.kept_response.take(keep.response, |name| head.fields().get(name));
        }
    }

    fn record(&self, keep: Keep, response_bytes: u64, how: Ended, now: Instant) -> Record<'_> {
        let (method, rest) = self.text.split_at(self.method);
        let (path, authority) = rest.split_at(self.path);
        Record {
            detail: self.detail,
            method,
            path,
            authority: self.authority.then_some(authority),
            version: self.version,
            request: KeptFields::new(keep.request, &self.kept_request),
            response: KeptFields::new(keep.response, &self.kept_response),
            status: self.status,
            request_head_bytes: self.request_head as u64,
            response_head_bytes: self.response_head as u64,
            request_bytes: self.request_bytes,
            response_bytes,
            started: self.started,
            answered: self.answered,
            ended: now,
            how,
        }
    }
}

#[cfg(test)]
mod tests;
