//! Storage for heads and what is written anew, kept by the thread for whoever needs it next.

use std::{
    cell::RefCell,
    ops::{Deref, DerefMut},
};

/// Storages kept for reuse.
const KEPT: usize = 64;
/// What one may have grown to and still be kept, in bytes.
const LARGEST: usize = 16 * 1024;
/// What a new one has room for: a usual head.
const USUAL: usize = 2 * 1024;

thread_local! {
    static POOL: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Bytes in a vector that is taken from the thread when it is first written to, and goes back when they are cleared.
#[derive(Debug, Default)]
pub(crate) struct Scratch(Vec<u8>);

impl Scratch {
    /// The vector, to be added to.
    pub(crate) fn open(&mut self) -> &mut Vec<u8> {
        if self.0.capacity() == 0 {
            let kept = POOL.try_with(|pool| pool.borrow_mut().pop()).ok().flatten();
            self.0 = kept.unwrap_or_else(|| Vec::with_capacity(USUAL));
        }
        &mut self.0
    }

    /// Forgets the bytes, and gives the storage back.
    pub(crate) fn clear(&mut self) {
        let mut storage = std::mem::take(&mut self.0);
        if storage.capacity() == 0 || storage.capacity() > LARGEST {
            return;
        }
        storage.clear();
        // A thread that is ending has no pool any more; the storage is freed then.
        let _ = POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            if pool.len() < KEPT {
                pool.push(storage);
            }
        });
    }
}

impl Deref for Scratch {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.clear();
    }
}
