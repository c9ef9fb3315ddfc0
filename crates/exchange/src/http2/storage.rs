//! Storage for what waits to be sent, kept by the thread for whichever connection needs it next.

use std::cell::RefCell;

/// Payload of all streams of a connection that may wait to be sent.
pub(super) const OUTPUT: usize = 128 * 1024;
/// Size of one storage: that, with the heads of its frames, and some control frames.
const SIZE: usize = OUTPUT + 32 * 1024;
/// Storages kept for reuse. A worker handles one connection at a time, so few are out at once unless peers are slow.
const KEPT: usize = 8;

thread_local! {
    static POOL: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An initialised storage; what is in it is of no meaning.
pub(super) fn take() -> Vec<u8> {
    let kept = POOL.try_with(|pool| pool.borrow_mut().pop()).ok().flatten();
    kept.unwrap_or_else(|| vec![0; SIZE])
}

/// Whether a storage of that length is what [`take`] gives.
pub(super) fn is_pooled(length: usize) -> bool {
    length >= SIZE
}

/// Keeps `storage` for the next, or frees it.
pub(super) fn give(storage: Vec<u8>) {
    if !is_pooled(storage.len()) {
        return;
    }
    // A thread that is ending has no pool any more; the storage is freed then.
    let _ = POOL.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        if pool.len() < KEPT {
            pool.push(storage);
        }
    });
}
