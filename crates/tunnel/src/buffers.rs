//! Storage for what waits to be encrypted, kept by the thread for whichever tunnel needs it next.

use std::cell::RefCell;

use crate::settings::{MAX_FRAME, OUTPUT};

/// Size of one storage: all payload that may wait, with the heads of its frames, and some control frames.
const SIZE: usize = OUTPUT + MAX_FRAME as usize;
/// Storages kept for reuse. A worker handles one tunnel at a time, so few are out at once unless peers are slow.
const KEPT: usize = 8;

thread_local! {
    static POOL: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An initialised storage; what is in it is of no meaning.
pub(crate) fn take() -> Vec<u8> {
    #[cfg(test)]
    tests::LENT.set(tests::LENT.get() + 1);
    let kept = POOL.try_with(|pool| pool.borrow_mut().pop()).ok().flatten();
    kept.unwrap_or_else(|| vec![0; SIZE])
}

/// Whether a storage is what [`take`] gives.
pub(crate) fn is_pooled(length: usize) -> bool {
    length >= SIZE
}

/// Keeps `storage` for the next, or frees it.
pub(crate) fn give(storage: Vec<u8>) {
    if !is_pooled(storage.len()) {
        return;
    }
    #[cfg(test)]
    tests::LENT.set(tests::LENT.get().saturating_sub(1));
    // A thread that is ending has no pool any more; the storage is freed then.
    let _ = POOL.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        if pool.len() < KEPT {
            pool.push(storage);
        }
    });
}

#[cfg(test)]
mod tests;
