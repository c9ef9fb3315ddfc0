//! How a connection ends.

use std::time::Instant;

use super::{Connection, DRAIN_PING, Role};
use crate::{
    Code, ConnectionError, StreamRef,
    frame::{MAX_STREAM_ID, kind},
    stream::Receiving,
};

impl Connection {
    /// Whether new streams can be expected or opened: neither side has said GOAWAY or ended, and
    /// nothing failed.
    pub fn is_open(&self) -> bool {
        self.failed.is_none() && self.said_goaway.is_none() && self.heard_goaway.is_none() && !self.input_ended
    }

    /// Whether no more streams can come: the connection is of no use once [`Self::active`] is 0.
    pub fn is_finishing(&self) -> bool {
        self.failed.is_some()
            || self.heard_goaway.is_some()
            || self.input_ended
            || self.said_goaway.is_some() && self.draining.is_none()
    }

    /// Why the connection ended, if it did by an error.
    pub fn error(&self) -> Option<ConnectionError> {
        self.failed
    }

    /// Ends in good order: asks the peer for no more streams, and refuses those that come after it has heard that.
    /// Streams that are open go on; when [`Self::active`] is 0, the owner closes.
    pub fn drain(&mut self, now: Instant) {
        if self.said_goaway.is_some() || self.failed.is_some() {
            return;
        }
        match self.role {
            // The peer opens none.
            Role::Client => self.go_away(0, Code::NO_ERROR),
            Role::Server => {
                // Streams that are under way are still served; the answer to the PING says that none is any more.
                self.go_away(MAX_STREAM_ID, Code::NO_ERROR);
                self.draining = Some(now);
                self.output.frame(kind::PING, 0, 0, &DRAIN_PING);
            }
        }
    }

    /// Ends at once: GOAWAY with `code` waits in the output, and nothing is received any more.
    pub fn close(&mut self, code: Code) {
        if self.failed.is_none() {
            self.fail(ConnectionError::new(code, "closed"));
        }
    }

    /// The peer has closed its side, and all that it said was received. An error if something is missing: the rest of a
    /// frame, or of messages on streams that are open. Those streams stay as they are, so that [`Self::head_was_sent`]
    /// tells which of their requests may be made again. Otherwise answers to what was asked can still be sent.
    ///
    /// Nothing may be received after that.
    pub fn end_of_input(&mut self) -> Result<(), ConnectionError> {
        self.input_ended = true;
        if let Some(error) = self.failed {
            return Err(error);
        }
        let error = if self.is_mid_frame() {
            ConnectionError::protocol("the connection was closed within a frame")
        } else if self.streams.iter().any(|(_, stream)| stream.receiving != Receiving::Ended) {
            ConnectionError::new(Code::NO_ERROR, "the connection was closed before its streams had ended")
        } else {
            return Ok(());
        };
        self.fail(error);
        Err(error)
    }

    /// Whether a part of something has come whose rest is missing: of the preface, a frame, or a header block.
    pub fn is_mid_frame(&self) -> bool {
        self.block.stream.is_some() || self.reader.is_within()
    }

    /// Whether the head of a request was taken off the output as a whole ([`Self::sent`]). If not, the server can't have
    /// looked at it, and wherever the connection has failed the request can safely be made again. Also so of streams
    /// that are gone.
    pub fn head_was_sent(&self, stream: StreamRef) -> bool {
        self.get(stream).is_none_or(|entry| entry.head_end <= self.output.gone())
    }

    pub(super) fn fail(&mut self, error: ConnectionError) {
        self.go_away(self.highest, error.code);
        self.failed = Some(error);
        self.events.clear();
    }

    pub(super) fn go_away(&mut self, last: u32, code: Code) {
        let last = self.said_goaway.map_or(last, |said| said.min(last));
        self.said_goaway = Some(last);
        let payload = u64::from(last) << 32 | u64::from(code.0);
        self.output.frame(kind::GOAWAY, 0, 0, &payload.to_be_bytes());
    }
}
