//! What is being sent: heads and framing from here, bodies from where they lie.

use std::{
    io::{self, IoSlice},
    task::{Context, Poll, ready},
};

use ripstop_h1::{BodyKind, CHUNK_END, ChunkHead};

use crate::{
    io::{Io, VECTORED},
    storage::Scratch,
};

/// The sending side of an HTTP/1.1 connection.
#[derive(Debug, Default)]
pub(super) struct Output {
    /// What was written here and waits for the socket, from `start` on.
    waiting: Scratch,
    start: usize,
    framing: Framing,
    /// Bytes of this message that the socket took.
    sent: u64,
}

/// What is put around the pieces of a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Framing {
    /// Nothing: its bytes come as they are to be sent.
    #[default]
    Plain,
    /// Chunks; of the current one so much is missing.
    Chunked { left: usize },
}

// === impl Output ===

impl Output {
    /// Begins another message.
    pub(super) fn begin(&mut self) {
        self.sent = 0;
        self.framing = Framing::Plain;
    }

    /// How the body that follows is framed here.
    pub(super) fn frame(&mut self, body: BodyKind) {
        self.framing = if body == BodyKind::Chunked { Framing::Chunked { left: 0 } } else { Framing::Plain };
    }

    /// Where heads are written to.
    pub(super) fn head(&mut self) -> &mut Vec<u8> {
        self.waiting.open()
    }

    /// Whether all was sent.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.len() == self.start
    }

    /// Bytes that wait for the socket.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len() - self.start
    }

    /// Bytes of this message that the socket took.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// Sends what waits.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>, io: &mut Io) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            let n = ready!(io.poll_write_vectored(cx, &[IoSlice::new(&self.waiting[self.start..])]))?;
            self.took(n);
        }
        io.poll_flush(cx)
    }

    /// Sends what waits and then of `pieces`, a part of the body; gives how much of the latter. What was not taken has
    /// to be given again: a chunk may have been begun for it.
    pub(super) fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut Io,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let whole = pieces.iter().map(|piece| piece.len()).sum::<usize>();
        let part = match &mut self.framing {
            Framing::Plain => whole,
            Framing::Chunked { left } => {
                if *left == 0
                    && let Some(head) = ChunkHead::new(whole)
                {
                    self.waiting.open().extend_from_slice(head.as_bytes());
                    *left = whole;
                }
                whole.min(*left)
            }
        };
        if part == 0 {
            return Poll::Ready(Ok(0));
        }
        loop {
            let waiting = self.waiting.len() - self.start;
            let chunk_ends = self.framing == Framing::Chunked { left: part };
            let mut slices = [IoSlice::new(&[]); VECTORED];
            slices[0] = IoSlice::new(&self.waiting[self.start..]);
            let mut used = 1;
            let mut room = part;
            for piece in pieces.iter().take(VECTORED - 2) {
                let n = piece.len().min(room);
                slices[used] = IoSlice::new(&piece[..n]);
                used += 1;
                room -= n;
            }
            if chunk_ends && room == 0 {
                slices[used] = IoSlice::new(CHUNK_END);
                used += 1;
            }
            let n = ready!(io.poll_write_vectored(cx, &slices[..used]))?;
            self.took(n.min(waiting));
            let Some(of_body) = n.checked_sub(waiting).filter(|n| *n > 0) else { continue };
            let taken = of_body.min(part);
            self.sent += of_body as u64;
            if let Framing::Chunked { left } = &mut self.framing {
                *left -= taken;
                if *left == 0 {
                    // Nothing waits: the body was reached.
                    self.waiting.open().extend_from_slice(&CHUNK_END[of_body - taken..]);
                    if self.is_empty() {
                        self.took(0);
                    }
                }
            }
            return Poll::Ready(Ok(taken));
        }
    }

    fn took(&mut self, n: usize) {
        self.start += n;
        self.sent += n as u64;
        if self.is_empty() {
            self.start = 0;
            self.waiting.clear();
        }
    }
}
