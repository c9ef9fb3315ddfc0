//! What comes in: frame by frame, and DATA piece by piece.

use std::time::Instant;

use super::{Connection, DataFrame, frames::SMALL};
use crate::{
    Code, ConnectionError, Event, StreamRef,
    frame::{DEFAULT_MAX_FRAME, Head, flag, kind},
    reader::{Follow, Step},
    stream::Receiving,
};

impl Connection {
    /// Takes from `input` up to the next event; none when all of it was taken. To be called again until it gives none.
    ///
    /// After an error nothing more is taken; GOAWAY waits in [`Self::output`].
    pub fn receive<'i>(&mut self, now: Instant, input: &mut &'i [u8]) -> Result<Option<Event<'i>>, ConnectionError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let result = self.advance(now, input);
        if let Err(error) = result {
            self.fail(error);
        }
        result
    }

    fn advance<'i>(&mut self, now: Instant, input: &mut &'i [u8]) -> Result<Option<Event<'i>>, ConnectionError> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            let Some(step) = self.reader.next(input)? else { return Ok(None) };
            match step {
                Step::Head(head) => {
                    let follow = self.frame_begins(now, head)?;
                    self.reader.follow(head, follow);
                }
                Step::Frame(head, payload) => {
                    self.frame(now, head, payload.bytes())?;
                    self.reader.give_back(payload);
                }
                Step::Padding(n) => self.padding(now, n)?,
                Step::Data { bytes, last } => {
                    if let Some(event) = self.piece(now, bytes, last)? {
                        return Ok(Some(event));
                    }
                }
            }
        }
    }

    /// What can be told from a frame's head, so that nothing is collected in vain.
    fn frame_begins(&mut self, now: Instant, head: Head) -> Result<Follow, ConnectionError> {
        if head.length > self.config.max_frame {
            return Err(ConnectionError::size("a frame above SETTINGS_MAX_FRAME_SIZE"));
        }
        if let Some(stream) = self.block.stream
            && (head.kind != kind::CONTINUATION || head.stream != stream)
        {
            return Err(ConnectionError::protocol("a frame within a header block"));
        }
        if !self.settled && (head.kind != kind::SETTINGS || head.has(flag::ACK)) {
            return Err(ConnectionError::protocol("the first frame is not SETTINGS"));
        }
        let of_stream = matches!(
            head.kind,
            kind::DATA | kind::HEADERS | kind::PRIORITY | kind::RST_STREAM | kind::CONTINUATION | kind::PUSH_PROMISE
        );
        let of_connection = matches!(head.kind, kind::SETTINGS | kind::PING | kind::GOAWAY);
        if of_stream && head.stream == 0 || of_connection && head.stream != 0 {
            return Err(ConnectionError::protocol("a frame on a stream that it does not belong to"));
        }
        match head.kind {
            kind::DATA => {
                self.data_begins(now, head)?;
                Ok(Follow::Data { padded: head.has(flag::PADDED) })
            }
            kind::PUSH_PROMISE => Err(ConnectionError::protocol("PUSH_PROMISE, which is switched off")),
            kind::RST_STREAM | kind::WINDOW_UPDATE if head.length != 4 => {
                Err(ConnectionError::size("RST_STREAM or WINDOW_UPDATE that is not 4 bytes long"))
            }
            kind::PING if head.length != 8 => Err(ConnectionError::size("a PING that is not 8 bytes long")),
            kind::GOAWAY if head.length < 8 => Err(ConnectionError::size("a GOAWAY of less than 8 bytes")),
            kind::SETTINGS if head.has(flag::ACK) && head.length != 0 => {
                Err(ConnectionError::size("an acknowledgement of SETTINGS with a payload"))
            }
            kind::HEADERS..=kind::CONTINUATION if head.length > DEFAULT_MAX_FRAME && self.is_too_long(head) => {
                Err(ConnectionError::calm("a frame that is too long for what it is"))
            }
            kind::HEADERS..=kind::CONTINUATION => Ok(Follow::Collect),
            _ => {
                self.idle_frame(now)?;
                Ok(Follow::Skip)
            }
        }
    }

    /// Whether a frame that is collected as a whole is longer than any header block may be.
    fn is_too_long(&self, head: Head) -> bool {
        // Beside the block: padding and its length, and a priority.
        head.length as usize > self.config.limits.header_block + 261
    }

    /// Counts a DATA frame into the windows and finds whose it is.
    fn data_begins(&mut self, now: Instant, head: Head) -> Result<(), ConnectionError> {
        if !self.receive.take(head.length) {
            return Err(ConnectionError::flow("more DATA than the connection's window allows"));
        }
        self.check_unread()?;
        self.data = DataFrame { stream: None, end: head.has(flag::END_STREAM), length: head.length };
        if head.length == 0 && !self.data.end {
            self.idle_frame(now)?;
        }
        let Some(stream) = self.known(now, head.stream, head.length)? else { return Ok(()) };
        // `known` found it.
        let Some(entry) = self.get_mut(stream) else { return Ok(()) };
        let fits = entry.receive.take(head.length);
        match entry.receiving {
            Receiving::Ended => {
                self.provoked(now, stream, Code::STREAM_CLOSED, "DATA after END_STREAM")?;
            }
            Receiving::Head => {
                self.provoked(now, stream, Code::PROTOCOL_ERROR, "DATA before the head of a message")?;
            }
            Receiving::Body if !fits => {
                self.provoked(now, stream, Code::FLOW_CONTROL_ERROR, "more DATA than the stream's window allows")?;
            }
            Receiving::Body => self.data.stream = Some(stream),
        }
        Ok(())
    }

    /// The padding of the DATA frame, of `n` bytes, which nobody reads.
    fn padding(&mut self, now: Instant, n: u32) -> Result<(), ConnectionError> {
        let DataFrame { stream, end, length } = self.data;
        match stream {
            Some(stream) => self.consume(stream, n as usize, now),
            None => self.give_connection_window(n, now),
        }
        if n == length && !end { self.idle_frame(now) } else { Ok(()) }
    }

    /// A piece of the DATA frame.
    fn piece<'i>(&mut self, now: Instant, bytes: &'i [u8], last: bool) -> Result<Option<Event<'i>>, ConnectionError> {
        let DataFrame { stream, end, .. } = self.data;
        // It may be gone since the frame began.
        let Some((stream, entry)) = stream.and_then(|stream| Some((stream, self.get_mut(stream)?))) else {
            self.give_connection_window(u32::try_from(bytes.len()).unwrap_or(u32::MAX), now);
            return Ok(None);
        };
        let end = end && last;
        if let Some(promised) = &mut entry.promised {
            let left = promised.checked_sub(bytes.len() as u64);
            *promised = left.unwrap_or(0);
            if left.is_none() || end && left != Some(0) {
                self.give_connection_window(u32::try_from(bytes.len()).unwrap_or(u32::MAX), now);
                self.provoked(now, stream, Code::PROTOCOL_ERROR, "content of another length than content-length says")?;
                return Ok(None);
            }
        }
        if end {
            self.peer_ended(stream);
        } else if bytes.is_empty() {
            return Ok(None);
        }
        if last {
            self.budgets.pings.earn();
        }
        Ok(Some(Event::Data { stream, bytes, end }))
    }

    /// The stream of a frame with `content` bytes that only open streams get; none if the frame may be ignored.
    pub(super) fn known(&mut self, now: Instant, id: u32, content: u32) -> Result<Option<StreamRef>, ConnectionError> {
        if let Some(stream) = self.find(id) {
            return Ok(Some(stream));
        }
        if self.is_idle(id) {
            return Err(ConnectionError::protocol("a frame on an idle stream"));
        }
        // Much may be on its way to streams that we reset; who sends that works as hard as we do.
        if content < SMALL {
            self.idle_frame(now)?;
        }
        // The peer may not yet know that we reset it, or that we went.
        let excused = id <= self.forgotten || self.reset.contains(&id) || self.is_refused(id);
        if excused {
            return Ok(None);
        }
        Err(ConnectionError::new(Code::STREAM_CLOSED, "a frame on a closed stream"))
    }

    /// Whether the stream was never used.
    pub(super) fn is_idle(&self, id: u32) -> bool {
        if self.is_ours(id) { id >= self.next_id } else { id > self.highest }
    }

    /// Whether we open streams with such ids.
    pub(super) fn is_ours(&self, id: u32) -> bool {
        (id % 2 == 1) == (self.role == super::Role::Client)
    }

    /// Whether our GOAWAY said that the stream is not looked at.
    pub(super) fn is_refused(&self, id: u32) -> bool {
        !self.is_ours(id) && self.said_goaway.is_some_and(|last| id > last)
    }

    /// A frame that brings nothing.
    pub(super) fn idle_frame(&mut self, now: Instant) -> Result<(), ConnectionError> {
        if self.budgets.idle_frames.spend(now) {
            return Ok(());
        }
        Err(ConnectionError::calm("too many frames of no use"))
    }

    /// The peer has sent all of its message.
    pub(super) fn peer_ended(&mut self, stream: StreamRef) {
        let Some(entry) = self.get_mut(stream) else { return };
        entry.receiving = Receiving::Ended;
        if !entry.sending {
            self.remove(stream);
        }
    }

    /// Resets a stream for what the peer did.
    pub(super) fn provoked(
        &mut self,
        now: Instant,
        stream: StreamRef,
        code: Code,
        reason: &'static str,
    ) -> Result<(), ConnectionError> {
        self.remove(stream);
        self.reset_for(now, stream.id, code)?;
        self.events.push_back(Event::Reset { stream, code, cause: super::Cause::Fault(reason) });
        Ok(())
    }

    /// Says that a stream is reset for what the peer did.
    pub(super) fn reset_for(&mut self, now: Instant, id: u32, code: Code) -> Result<(), ConnectionError> {
        if !self.budgets.provoked_resets.spend(now) {
            return Err(ConnectionError::calm("too many streams that had to be reset"));
        }
        self.write_reset(id, code);
        self.check_unread()
    }
}
