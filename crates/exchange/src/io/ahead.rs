//! A byte stream of which something was read to find out what it is.

use std::{
    io,
    task::{Context, Poll},
};

use ripstop_tls::Buffer;

use super::Io;

/// A byte stream and what was read of it already, which is read again.
#[derive(Debug)]
pub struct Ahead {
    pub(super) io: Io,
    read: Buffer,
}

// === impl Ahead ===

impl Ahead {
    pub(super) fn new(io: Io, read: Buffer) -> Self {
        Self { io, read }
    }

    /// Whether something that was read waits for its reader.
    pub(super) fn waits(&self) -> bool {
        !self.read.is_empty()
    }

    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut Buffer) -> Poll<io::Result<usize>> {
        if self.read.is_empty() {
            return self.io.poll_read(cx, buffer);
        }
        let n = self.read.len().min(buffer.room());
        buffer.space()[..n].copy_from_slice(&self.read.filled()[..n]);
        buffer.fill(n);
        self.read.consume(n);
        self.read.shrink();
        Poll::Ready(Ok(n))
    }
}
