//! Bytes in flight, in storage that is borrowed from the thread.

mod pool;

use crate::copy::copy;

/// Bytes in flight: a fixed, initialised storage that is taken from the thread's pool when it is first needed and given
/// back when it is drained. An idle connection holds none.
#[derive(Debug)]
pub struct Buffer {
    /// Of `capacity` bytes, or of `SMALL` while few bytes wait.
    storage: Option<Box<[u8]>>,
    capacity: usize,
    /// Where the filled part begins and ends; both 0 without a storage.
    start: usize,
    end: usize,
}

/// Up to this many filled bytes are moved to the front whenever space is asked for: that costs less than a short read.
const CHEAP_MOVE: usize = 4 * 1024;

/// The size of the storage that bytes wait in: a record of TLS or a frame of HTTP/2 that is not complete.
const SMALL: usize = 16 * 1024 + 512;

// === impl Buffer ===

impl Buffer {
    /// The capacity of a default buffer in bytes: 64 KiB of payload as four records of the largest size, with what TLS
    /// adds to them, and a little more.
    pub const SIZE: usize = 64 * 1024 + 512;

    /// An empty buffer for up to `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { storage: None, capacity, start: 0, end: 0 }
    }

    /// How many storages the buffers of this thread hold at the moment, in whatever size. Right as long as they stay on
    /// the thread.
    pub fn storages() -> usize {
        pool::lent()
    }

    /// How many bytes fit.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// The bytes in it, oldest first.
    pub fn filled(&self) -> &[u8] {
        self.storage.as_deref().map_or(&[], |storage| &storage[self.start..self.end])
    }

    /// The bytes in it, to be changed in place.
    pub fn filled_mut(&mut self) -> &mut [u8] {
        self.storage.as_deref_mut().map_or(&mut [], |storage| &mut storage[self.start..self.end])
    }

    /// How many bytes are in it.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// How many more bytes fit. [`space`](Self::space) may give fewer at once, but none only if there is no room.
    pub fn room(&self) -> usize {
        self.capacity - self.len()
    }

    /// The free tail, to be written to and then declared with [`fill`](Self::fill). What is filled moves to the front
    /// first if the tail is short. Its former contents are of no meaning.
    pub fn space(&mut self) -> &mut [u8] {
        self.expand();
        let tail = self.capacity - self.end;
        if self.len() <= CHEAP_MOVE || tail < self.capacity / 4 {
            self.compact();
        }
        self.tail()
    }

    /// How many bytes fit without moving what is there.
    pub(crate) fn tail_len(&self) -> usize {
        self.capacity - self.end
    }

    /// The free tail, of at least `n` bytes if there is room for them.
    pub(crate) fn space_for(&mut self, n: usize) -> &mut [u8] {
        self.expand();
        if self.capacity - self.end < n {
            self.compact();
        }
        self.tail()
    }

    /// `n` bytes of the [`space`](Self::space) are filled now. Declaring 0 gives an unused storage back.
    ///
    /// # Panics
    /// If the space was smaller.
    pub fn fill(&mut self, n: usize) {
        let tail = self.storage.as_ref().map_or(0, |storage| storage.len() - self.end);
        assert!(n <= tail, "{n} bytes can't have been written to a space of {tail}");
        self.end += n;
        self.release_if_empty();
    }

    /// `n` bytes from the front are done with. The storage goes back to the pool with the last one.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn consume(&mut self, n: usize) {
        assert!(n <= self.len(), "{n} bytes can't be consumed of {}", self.len());
        self.start += n;
        self.release_if_empty();
    }

    /// Moves what is in it into a small storage, if it fits. For bytes that have to wait: they need not keep a large
    /// storage from others. The next [`space`](Self::space) moves them back.
    pub fn shrink(&mut self) {
        if self.capacity > SMALL && self.len() <= SMALL {
            self.move_to(SMALL);
        }
    }

    /// How large the storage is that it holds.
    #[cfg(test)]
    pub(crate) fn storage_len(&self) -> usize {
        self.storage.as_ref().map_or(0, |storage| storage.len())
    }

    /// Drops the contents.
    pub(crate) fn clear(&mut self) {
        self.consume(self.len());
    }

    fn tail(&mut self) -> &mut [u8] {
        let capacity = self.capacity;
        let storage = self.storage.get_or_insert_with(|| pool::take(capacity));
        &mut storage[self.end..]
    }

    fn expand(&mut self) {
        self.move_to(self.capacity);
    }

    /// Moves what is in it into a storage of `size` bytes, unless it is in one already, or nowhere.
    fn move_to(&mut self, size: usize) {
        if let Some(old) = self.storage.take_if(|storage| storage.len() != size) {
            let mut new = pool::take(size);
            copy(&old[self.start..self.end], &mut new);
            (self.start, self.end) = (0, self.end - self.start);
            self.storage = Some(new);
            pool::give(old);
        }
    }

    fn compact(&mut self) {
        if self.start > 0
            && let Some(storage) = &mut self.storage
        {
            storage.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
    }

    fn release_if_empty(&mut self) {
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
            if let Some(storage) = self.storage.take() {
                pool::give(storage);
            }
        }
    }
}

impl Default for Buffer {
    fn default() -> Self {
        Self::with_capacity(Self::SIZE)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(storage) = self.storage.take() {
            pool::give(storage);
        }
    }
}

#[cfg(test)]
mod tests;
