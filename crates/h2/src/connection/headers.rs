//! Header blocks, and the messages in them.

use std::{mem, time::Instant};

use super::{Connection, Head as MessageHead, LARGE, Role, config::Refusals, frames::depends_on};
use crate::{
    Code, ConnectionError, Event, Field, Malformed, RequestHead, ResponseHead,
    frame::{Head, flag, kind},
    hpack::Decoded,
    message::{Extended, RequestIndex, check_trailers},
    stream::{ReceiveWindow, Receiving, Stream},
};

/// Why a request is refused before its owner hears of it.
#[derive(Clone, Copy, Debug)]
struct Refusal {
    code: Code,
    reason: &'static str,
    /// What it may be answered with; none if it should be tried elsewhere.
    answer: Option<Answer>,
}

/// A status that a refusal may have.
#[derive(Clone, Copy, Debug)]
enum Answer {
    BadRequest,
    TooLarge,
}

impl Connection {
    /// The head of the request that the last event was about: what [`RequestHead::of`] would find in [`Self::fields`],
    /// without looking at each byte again.
    pub fn request_head(&self) -> Option<RequestHead<'_>> {
        match self.head {
            MessageHead::Request(index) => Some(index.head(&self.fields)),
            _ => None,
        }
    }

    /// The head of the response, final or not, that the last event was about; as [`Self::request_head`].
    pub fn response_head(&self) -> Option<ResponseHead> {
        match self.head {
            MessageHead::Response(head) => Some(head),
            _ => None,
        }
    }

    pub(super) fn headers_begin(&mut self, now: Instant, head: Head, payload: &[u8]) -> Result<(), ConnectionError> {
        let mut fragment = payload;
        if head.has(flag::PADDED) {
            let (&padding, rest) =
                fragment.split_first().ok_or(ConnectionError::size("HEADERS without the length of its padding"))?;
            let length = rest.len().checked_sub(padding.into());
            let length = length.ok_or(ConnectionError::protocol("a padding longer than its frame"))?;
            fragment = &rest[..length];
        }
        let mut itself = false;
        if head.has(flag::PRIORITY) {
            itself = depends_on(fragment) == Some(head.stream);
            fragment = fragment.get(5..).ok_or(ConnectionError::size("HEADERS too short for its priority"))?;
        }
        self.block.end = head.has(flag::END_STREAM);
        self.block.continuations = 0;
        if itself {
            // Before the block is decoded: the connection's compression state would be lost otherwise.
            return Err(ConnectionError::protocol("a stream that depends on itself"));
        }
        if head.has(flag::END_HEADERS) {
            self.check_block(fragment.len())?;
            return self.block_complete(now, head.stream, fragment);
        }
        self.block.stream = Some(head.stream);
        self.collect(fragment)
    }

    pub(super) fn headers_continue(&mut self, now: Instant, head: Head, payload: &[u8]) -> Result<(), ConnectionError> {
        if self.block.stream.is_none() {
            return Err(ConnectionError::protocol("CONTINUATION without HEADERS"));
        }
        self.block.continuations += 1;
        if self.block.continuations > self.config.limits.continuations {
            return Err(ConnectionError::calm("too many CONTINUATION frames"));
        }
        self.collect(payload)?;
        if !head.has(flag::END_HEADERS) {
            return Ok(());
        }
        self.block.stream = None;
        let mut bytes = mem::take(&mut self.block.bytes);
        let result = self.block_complete(now, head.stream, &bytes);
        if bytes.capacity() <= LARGE {
            bytes.clear();
            self.block.bytes = bytes;
        }
        result
    }

    fn collect(&mut self, fragment: &[u8]) -> Result<(), ConnectionError> {
        self.check_block(self.block.bytes.len() + fragment.len())?;
        self.block.bytes.extend_from_slice(fragment);
        Ok(())
    }

    fn check_block(&self, length: usize) -> Result<(), ConnectionError> {
        if length > self.config.limits.header_block {
            return Err(ConnectionError::calm("a header block that is too large"));
        }
        Ok(())
    }

    fn block_complete(&mut self, now: Instant, id: u32, block: &[u8]) -> Result<(), ConnectionError> {
        let most = self.config.max_header_list as usize;
        let bomb = self.config.limits.header_bomb.max(most);
        self.head = MessageHead::None;
        self.fields.shrink(LARGE);
        // Always decoded, for the state of the compression.
        let decoded = self.decoder.decode(block, &mut self.fields, most, bomb).map_err(|error| {
            let code = if matches!(error, crate::hpack::Error::Bomb { .. }) {
                Code::ENHANCE_YOUR_CALM
            } else {
                Code::COMPRESSION_ERROR
            };
            ConnectionError::new(code, "a header block that can't be decoded")
        })?;
        let too_large = matches!(decoded, Decoded::TooLarge);
        let end = self.block.end;
        if self.is_ours(id) {
            if self.role == Role::Server {
                return Err(ConnectionError::protocol("a client that opens a stream with an even id"));
            }
            return self.response(now, id, end, too_large);
        }
        if self.role == Role::Client {
            return Err(ConnectionError::protocol("a server that opens a stream"));
        }
        if self.is_idle(id) {
            if id > self.highest.saturating_add(2) {
                self.skipped = Some(self.highest + 1..=id - 1);
            }
            self.highest = id;
            return self.request(now, id, end, too_large);
        }
        if self.skipped.as_ref().is_some_and(|ids| ids.contains(&id)) && self.find(id).is_none() {
            return Err(ConnectionError::protocol("a stream id below one that was used before"));
        }
        self.more_headers(now, id, end, too_large)
    }

    fn request(&mut self, now: Instant, id: u32, end: bool, too_large: bool) -> Result<(), ConnectionError> {
        if self.is_refused(id) {
            // Our GOAWAY told the peer so.
            return self.idle_frame(now);
        }
        let full = self.streams.len() >= self.config.max_streams as usize;
        if full && !self.unacknowledged.is_empty() && self.unsettled_refusals > 0 {
            // It can't know our limit yet.
            self.unsettled_refusals -= 1;
            self.write_reset(id, FULL.code);
            self.events.push_back(Event::Refused { id, code: FULL.code, reason: FULL.reason, status: None });
            return self.check_unread();
        }
        if full || self.is_clogged() {
            return self.refuse(now, id, end, if full { FULL } else { CLOGGED });
        }
        if too_large {
            return self.refuse(now, id, end, TOO_LARGE);
        }
        let extended = if self.config.connect_protocol { Extended::On } else { Extended::Off };
        let index = match RequestIndex::of(&self.fields, extended) {
            Ok(index) => index,
            Err(Malformed(reason)) => return self.refuse(now, id, end, malformed(reason)),
        };
        let request = index.head(&self.fields);
        let (tunnel, head, promised) = (request.is_tunnel(), request.method == b"HEAD", request.content_length);
        if end && promised.is_some_and(|length| length > 0) && !tunnel {
            return self.refuse(now, id, end, malformed("content of another length than content-length says"));
        }
        self.head = MessageHead::Request(index);
        let stream = self.insert(Stream {
            id,
            head_end: 0,
            send_window: self.remote.initial_window.into(),
            receive: ReceiveWindow::new(self.config.window.max(self.local.initial_window), now),
            receiving: if end { Receiving::Ended } else { Receiving::Body },
            sending: true,
            answered: false,
            informational: 0,
            promised: promised.filter(|_| !tunnel),
            tunnel,
            head,
            blocked: false,
        });
        self.budgets.pings.earn();
        self.events.push_back(Event::Headers { stream, end });
        Ok(())
    }

    /// Refuses a request; the stream is over before its owner has heard of it.
    fn refuse(&mut self, now: Instant, id: u32, end: bool, refusal: Refusal) -> Result<(), ConnectionError> {
        let Refusal { code, reason, answer } = refusal;
        let answer = answer.filter(|_| self.config.refusals == Refusals::Answer);
        let (status, line): (_, &[u8]) = match answer {
            Some(Answer::BadRequest) => (Some(400), b"400"),
            Some(Answer::TooLarge) => (Some(431), b"431"),
            None => (None, b""),
        };
        if status.is_none() {
            self.reset_for(now, id, code)?;
        } else if self.budgets.provoked_resets.spend(now) {
            let block = self.encode(None, [Field::new(b":status", line)]);
            self.output.answer(kind::HEADERS, flag::END_STREAM | flag::END_HEADERS, id, &block);
            self.keep_block(block);
            if !end {
                // What is still to come is of no use (RFC 9113 8.1).
                self.write_reset(id, Code::NO_ERROR);
            }
            self.check_unread()?;
        } else {
            return Err(ConnectionError::calm("too many requests that had to be refused"));
        }
        self.events.push_back(Event::Refused { id, code, reason, status });
        Ok(())
    }

    /// HEADERS for a stream that the client opened, at the client.
    fn response(&mut self, now: Instant, id: u32, end: bool, too_large: bool) -> Result<(), ConnectionError> {
        let Some(stream) = self.known(now, id, 0)? else { return Ok(()) };
        let Some(entry) = self.get_mut(stream) else { return Ok(()) };
        match entry.receiving {
            Receiving::Head => {}
            _ => return self.more_headers(now, id, end, too_large),
        }
        if too_large {
            return self.provoked(now, stream, Code::ENHANCE_YOUR_CALM, "a header list that is too large");
        }
        let head = match ResponseHead::of(&self.fields) {
            Ok(head) => head,
            Err(Malformed(reason)) => return self.provoked(now, stream, Code::PROTOCOL_ERROR, reason),
        };
        self.head = MessageHead::Response(head);
        if head.is_informational() {
            if end {
                return self.provoked(now, stream, Code::PROTOCOL_ERROR, "a response that ends before the final one");
            }
            let most = self.config.limits.informational;
            let Some(entry) = self.get_mut(stream) else { return Ok(()) };
            entry.informational += 1;
            if entry.informational > most {
                // Each costs little, but there need not be an end of them.
                return self.provoked(now, stream, Code::ENHANCE_YOUR_CALM, "too many responses before the final one");
            }
            self.events.push_back(Event::Informational { stream });
            return Ok(());
        }
        let Some(entry) = self.get_mut(stream) else { return Ok(()) };
        let successful = (200..300).contains(&head.status);
        let has_content = !entry.head && head.status != 204 && head.status != 304 && !(entry.tunnel && successful);
        // A tunnel that was refused is an ordinary response.
        entry.tunnel &= successful;
        entry.answered = true;
        entry.receiving = Receiving::Body;
        entry.promised = if has_content { head.content_length } else { None };
        if entry.head || head.status == 204 || head.status == 304 {
            // Whatever is promised, nothing may come.
            entry.promised = Some(0);
        }
        if end && entry.promised.is_some_and(|length| length > 0) {
            return self.provoked(
                now,
                stream,
                Code::PROTOCOL_ERROR,
                "content of another length than content-length says",
            );
        }
        self.budgets.pings.earn();
        self.events.push_back(Event::Headers { stream, end });
        if end {
            self.peer_ended(stream);
        }
        Ok(())
    }

    /// HEADERS after the head of a message.
    fn more_headers(&mut self, now: Instant, id: u32, end: bool, too_large: bool) -> Result<(), ConnectionError> {
        let Some(stream) = self.known(now, id, 0)? else { return Ok(()) };
        let Some(entry) = self.get_mut(stream) else { return Ok(()) };
        let missing = entry.promised.is_some_and(|missing| missing > 0);
        let wrong = if entry.receiving == Receiving::Ended {
            Some((Code::STREAM_CLOSED, "HEADERS after END_STREAM"))
        } else if entry.tunnel {
            Some((Code::PROTOCOL_ERROR, "HEADERS in a tunnel"))
        } else if !end {
            Some((Code::PROTOCOL_ERROR, "trailers that do not end the stream"))
        } else if too_large {
            Some((Code::ENHANCE_YOUR_CALM, "a header list that is too large"))
        } else if missing {
            Some((Code::PROTOCOL_ERROR, "content of another length than content-length says"))
        } else {
            check_trailers(&self.fields).err().map(|Malformed(reason)| (Code::PROTOCOL_ERROR, reason))
        };
        if let Some((code, reason)) = wrong {
            return self.provoked(now, stream, code, reason);
        }
        self.events.push_back(Event::Trailers { stream });
        self.peer_ended(stream);
        Ok(())
    }
}

const FULL: Refusal = Refusal { code: Code::REFUSED_STREAM, reason: "more streams than allowed at once", answer: None };
const CLOGGED: Refusal = Refusal { code: Code::REFUSED_STREAM, reason: "the peer reads too little", answer: None };
const TOO_LARGE: Refusal = Refusal {
    code: Code::ENHANCE_YOUR_CALM,
    reason: "a header list that is too large",
    answer: Some(Answer::TooLarge),
};

fn malformed(reason: &'static str) -> Refusal {
    Refusal { code: Code::PROTOCOL_ERROR, reason, answer: Some(Answer::BadRequest) }
}
