//! What has come and was not used yet, and the body in it.

use std::{
    io,
    task::{Context, Poll, ready},
};

use ripstop_h1::{Decoded, Rejected};
use ripstop_tls::Buffer;

use crate::{io::Io, storage::Scratch};

/// Bytes of an HTTP/1.1 connection that wait for their reader.
#[derive(Debug, Default)]
pub(super) struct Input {
    pub(super) buffer: Buffer,
    /// The peer has said its last byte.
    pub(super) ended: bool,
}

/// How the bytes of a body are handed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// What the body says, without its framing.
    #[default]
    Data,
    /// As they came, framing and trailers included.
    Wire,
}

/// The body that is being read.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    form: Form,
    /// Bytes at the front of the input that can be handed on, and those behind them that are done with.
    ready: usize,
    spent: usize,
    done: bool,
    trailers: Scratch,
    data: u64,
}

// === impl Input ===

impl Input {
    /// Reads once; gives how much, 0 at the end. There must be room.
    pub(super) fn poll_more(&mut self, cx: &mut Context<'_>, io: &mut Io) -> Poll<io::Result<usize>> {
        if self.ended {
            return Poll::Ready(Ok(0));
        }
        let n = ready!(io.poll_read(cx, &mut self.buffer))?;
        self.ended |= n == 0;
        Poll::Ready(Ok(n))
    }
}

// === impl Incoming ===

impl Incoming {
    /// Before the first message.
    pub(super) fn none() -> Self {
        Self { done: true, ..Self::default() }
    }

    /// Forgets the last body, and begins with one that is complete if `done` says so.
    pub(super) fn begin(&mut self, done: bool) {
        debug_assert_eq!((self.ready, self.spent), (0, 0), "the body before was not taken");
        self.trailers.clear();
        *self = Self { done, trailers: std::mem::take(&mut self.trailers), ..Self::default() };
    }

    /// How its bytes are handed on; to be said before the first, or when what could be was discarded.
    pub(super) fn set_form(&mut self, form: Form) {
        debug_assert!(self.ready == 0 || self.form == form, "some could be handed on in another form");
        self.form = form;
    }

    /// Whether all of it came. Some may still have to be handed on.
    pub(super) fn is_received(&self) -> bool {
        self.done
    }

    /// Whether all of it came and was handed on.
    pub(super) fn is_over(&self) -> bool {
        self.done && self.ready == 0
    }

    /// Bytes of content that have come so far.
    pub(super) fn data(&self) -> u64 {
        self.data
    }

    /// The trailer section as it came, with the empty line at its end; empty if there was none.
    pub(super) fn trailers(&self) -> &[u8] {
        &self.trailers
    }

    /// What can be handed on.
    pub(super) fn ready<'i>(&self, input: &'i Input) -> &'i [u8] {
        &input.buffer.filled()[..self.ready]
    }

    /// `n` bytes of it were handed on.
    pub(super) fn consume(&mut self, n: usize, input: &mut Input) {
        self.ready -= n;
        let spent = if self.ready == 0 { std::mem::take(&mut self.spent) } else { 0 };
        input.buffer.consume(n + spent);
    }

    /// Drops what could be handed on; gives how much that was.
    pub(super) fn discard(&mut self, input: &mut Input) -> usize {
        let n = self.ready;
        self.consume(n, input);
        n
    }

    /// Looks at what has come, as far as needed; gives whether there is something to hand on now.
    pub(super) fn look(
        &mut self,
        input: &mut Input,
        mut decode: impl FnMut(&[u8]) -> Result<Option<Decoded>, Rejected>,
    ) -> Result<bool, Rejected> {
        while !self.done && (self.ready == 0 || self.form == Form::Wire) {
            let from = self.ready;
            let bytes = &input.buffer.filled()[from..];
            if bytes.is_empty() {
                break;
            }
            let Some(decoded) = decode(bytes)? else { break };
            if !decoded.trailers.is_empty() {
                self.trailers.open().extend_from_slice(&bytes[decoded.trailers.clone()]);
            }
            self.data += decoded.data.len() as u64;
            self.done = decoded.done;
            match self.form {
                Form::Wire => self.ready += decoded.consumed,
                Form::Data if decoded.data.is_empty() => input.buffer.consume(decoded.consumed),
                Form::Data => {
                    input.buffer.consume(decoded.data.start);
                    self.ready = decoded.data.len();
                    self.spent = decoded.consumed - decoded.data.end;
                }
            }
        }
        Ok(self.ready > 0)
    }

    /// The peer's end is the end of the body.
    pub(super) fn end(&mut self) {
        self.done = true;
    }
}
