//! Ciphertext on its way to the socket.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
};

use crate::{Buffer, copy::copy};

/// Ciphertext that was not written yet, in the order it was sealed.
#[derive(Debug, Default)]
pub(crate) struct Outbound {
    buffers: VecDeque<Buffer>,
    len: usize,
}

/// Slices passed to one write; the kernel takes 1,024, but a socket's send buffer is full long before.
const SLICES: usize = 16;

// === impl Outbound ===

impl Outbound {
    /// Bytes queued.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What is queued, in order.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.buffers.iter().map(Buffer::filled)
    }

    /// Space for `n` bytes in one piece at the end of the queue.
    ///
    /// `n` must not exceed [`Buffer::SIZE`].
    pub(crate) fn space_for(&mut self, n: usize) -> &mut [u8] {
        debug_assert!(n <= Buffer::SIZE, "no buffer has {n} bytes");
        // A buffer that the socket has taken a part of is not compacted: it will be empty soon.
        if self.buffers.back().is_none_or(|last| last.tail_len() < n) {
            self.buffers.push_back(Buffer::default());
        }
        let last = self.buffers.back_mut().expect("just pushed if there was none");
        &mut last.space_for(n)[..n]
    }

    /// `n` bytes of the space are queued now.
    pub(crate) fn fill(&mut self, n: usize) {
        if let Some(last) = self.buffers.back_mut() {
            last.fill(n);
            self.len += n;
        }
    }

    /// Appends a copy of `bytes`.
    pub(crate) fn append(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.buffers.back().is_none_or(|last| last.room() == 0) {
                self.buffers.push_back(Buffer::default());
            }
            let last = self.buffers.back_mut().expect("just pushed if there was none");
            let space = last.space();
            let n = space.len().min(bytes.len());
            copy(&bytes[..n], space);
            last.fill(n);
            self.len += n;
            bytes = &bytes[n..];
        }
    }

    /// Calls `write` until all is written or it fails. An interrupted call is repeated.
    pub(crate) fn write_to(&mut self, mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>) -> io::Result<()> {
        while !self.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let mut used = 0;
            for (slice, buffer) in slices.iter_mut().zip(&self.buffers) {
                *slice = IoSlice::new(buffer.filled());
                used += 1;
            }
            match write(&slices[..used]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => self.consume(n),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn consume(&mut self, mut n: usize) {
        self.len -= n;
        while n > 0 {
            let Some(first) = self.buffers.front_mut() else { return };
            let done = n.min(first.len());
            first.consume(done);
            n -= done;
            if first.is_empty() {
                self.buffers.pop_front();
            }
        }
    }
}

/// What rustls writes is queued; it never fails and always takes all.
impl io::Write for Outbound {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.append(bytes);
        Ok(bytes.len())
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        for slice in slices {
            self.append(slice);
        }
        Ok(slices.iter().map(|slice| slice.len()).sum())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
