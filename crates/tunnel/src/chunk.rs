//! Bytes on their way, and the buffers they are read into.

use std::{cell::RefCell, mem, ops::Range};

use bytes::{Buf as _, Bytes};

/// Size of a read.
pub(crate) const BUFFER: usize = 16 * 1024;
/// Buffers a worker thread keeps for reuse (1 MiB).
const KEEP: usize = 64;
/// Up to this size copying is cheaper than keeping a whole buffer busy until the bytes have left.
const COPY: usize = 2 * 1024;

thread_local! {
    static POOL: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// A 16 KiB buffer from the thread's pool; goes back there when dropped.
#[derive(Debug)]
pub struct Buffer {
    bytes: Box<[u8]>,
    filled: Range<usize>,
}

/// Bytes that were received and not yet passed on.
#[derive(Debug, Default)]
pub enum Chunk {
    /// Nothing.
    #[default]
    Empty,
    /// Read from a socket.
    Pooled(Buffer),
    /// Received by HTTP/2.
    Shared(Bytes),
}

// === impl Buffer ===

impl Buffer {
    pub(crate) fn take() -> Self {
        let pooled = POOL.try_with(|pool| pool.borrow_mut().pop()).ok().flatten();
        Self { bytes: pooled.unwrap_or_else(|| vec![0; BUFFER].into_boxed_slice()), filled: 0..0 }
    }

    pub(crate) fn space(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    pub(crate) fn set_filled(&mut self, length: usize) {
        debug_assert!(length <= self.bytes.len());
        self.filled = 0..length;
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[self.filled.clone()]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = mem::take(&mut self.bytes);
        // On a thread that is ending the pool is gone; then the buffer is freed.
        let _ = POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            if pool.len() < KEEP && bytes.len() == BUFFER {
                pool.push(bytes);
            }
        });
    }
}

// === impl Chunk ===

impl Chunk {
    pub(crate) fn len(&self) -> usize {
        self.as_slice().len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Empty => &[],
            Self::Pooled(buffer) => buffer.as_ref(),
            Self::Shared(bytes) => bytes,
        }
    }

    /// Drops the first `n` bytes; an emptied buffer is given back at once.
    pub(crate) fn advance(&mut self, n: usize) {
        match self {
            Self::Empty => debug_assert_eq!(n, 0),
            Self::Pooled(buffer) => buffer.filled.start += n,
            Self::Shared(bytes) => bytes.advance(n),
        }
        if self.is_empty() {
            *self = Self::Empty;
        }
    }

    /// The first `n` bytes as an owned value: copied if few, else without copying where possible.
    pub(crate) fn take_front(&mut self, n: usize) -> Bytes {
        match mem::replace(self, Self::Empty) {
            Self::Shared(mut bytes) => {
                let front = bytes.split_to(n);
                *self = Self::Shared(bytes);
                front
            }
            Self::Pooled(buffer) if n == buffer.filled.len() && n > COPY => Bytes::from_owner(buffer),
            mut other => {
                let front = Bytes::copy_from_slice(&other.as_slice()[..n]);
                other.advance(n);
                *self = other;
                front
            }
        }
    }
}

/// Buffers now in this thread's pool.
#[cfg(test)]
pub(crate) fn pooled() -> usize {
    POOL.with(|pool| pool.borrow().len())
}
