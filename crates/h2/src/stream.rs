//! One stream, and its windows.

use std::time::{Duration, Instant};

use crate::frame::MAX_WINDOW;

/// A stream of a connection, as long as the connection lives: it never stands for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamRef {
    pub(crate) index: u32,
    pub(crate) id: u32,
}

/// What is known of an open stream.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Stream {
    pub(crate) id: u32,
    /// Where in all that we ever said the head of our request ends.
    pub(crate) head_end: u64,
    /// Bytes of DATA that the peer still takes; below 0 after its settings shrank.
    pub(crate) send_window: i64,
    pub(crate) receive: ReceiveWindow,
    /// Whether the peer may still send.
    pub(crate) receiving: Receiving,
    /// Whether we have not sent END_STREAM.
    pub(crate) sending: bool,
    /// Whether the final response was sent (server) or received (client).
    pub(crate) answered: bool,
    /// Responses before the final one that were received.
    pub(crate) informational: u32,
    /// Content that a Content-Length promises and that is still missing.
    pub(crate) promised: Option<u64>,
    /// A CONNECT without :protocol: after the heads there is nothing but DATA.
    pub(crate) tunnel: bool,
    /// The request was HEAD: the response has no content whatever it says.
    pub(crate) head: bool,
    /// Whether the owner found no window and waits.
    pub(crate) blocked: bool,
}

/// What may come from the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Receiving {
    /// A response.
    Head,
    /// DATA, or trailers.
    Body,
    /// Nothing more.
    Ended,
}

/// Flow control of what the peer sends: it gets back what was consumed, in portions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReceiveWindow {
    /// What the peer may still send.
    pub(crate) open: i64,
    /// What it may send when nothing is unread.
    pub(crate) target: u32,
    /// Consumed and not yet given back.
    consumed: u32,
    /// How much of the target was added by [`Self::grow`].
    pub(crate) grown: u32,
    given_at: Instant,
}

impl StreamRef {
    /// The stream's id on the wire.
    pub fn id(self) -> u32 {
        self.id
    }

    /// A small number that no other open stream of the connection has: for tables beside it.
    pub fn index(self) -> usize {
        self.index as usize
    }
}

impl ReceiveWindow {
    pub(crate) fn new(target: u32, now: Instant) -> Self {
        Self { open: target.into(), target, consumed: 0, grown: 0, given_at: now }
    }

    /// Counts `n` bytes in; false if the peer had no right to send them. None at all are always fine, even if what is open
    /// has fallen below 0 (RFC 9113 6.9.1).
    #[must_use]
    pub(crate) fn take(&mut self, n: u32) -> bool {
        self.open -= i64::from(n);
        n == 0 || self.open >= 0
    }

    /// Counts `n` bytes as used. Gives what the peer should get back now, if that is `portion` or more.
    pub(crate) fn consume(&mut self, n: u32, portion: u32) -> Option<u32> {
        self.consumed = self.consumed.saturating_add(n);
        (self.consumed >= portion.max(1)).then_some(self.consumed)
    }

    /// How long the last portion lasted.
    pub(crate) fn lasted(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.given_at)
    }

    /// Raises what the peer may send at once.
    pub(crate) fn grow(&mut self, by: u32) {
        self.target = self.target.saturating_add(by).min(MAX_WINDOW);
        self.grown += by;
    }

    /// The window that streams begin with was `before` and is `after`. What is open may fall below 0
    /// (RFC 9113 6.9.2).
    pub(crate) fn set_initial(&mut self, before: u32, after: u32) {
        self.open += i64::from(after) - i64::from(before);
        self.target = self.target.saturating_sub(before).saturating_add(after);
    }

    /// Gives back what was consumed, and what the window has grown by; gives the increment.
    pub(crate) fn give(&mut self, grown: u32, now: Instant) -> u32 {
        let increment = self.consumed.saturating_add(grown);
        self.consumed = 0;
        self.open += i64::from(increment);
        self.given_at = now;
        increment
    }
}
