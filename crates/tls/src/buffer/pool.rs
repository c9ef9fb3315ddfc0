//! The thread's storages that nobody uses at the moment.

use std::cell::{Cell, RefCell};

/// Storages kept for reuse. A worker handles one connection at a time, so few are out at once unless peers are slow.
const KEPT: usize = 32;

thread_local! {
    static POOL: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
    static LENT: Cell<usize> = const { Cell::new(0) };
}

/// An initialised storage of `size` bytes; what is in it is of no meaning.
pub(super) fn take(size: usize) -> Box<[u8]> {
    let _ = LENT.try_with(|lent| lent.set(lent.get() + 1));
    POOL.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        // The last one given is the one that is still in the processor's cache.
        let found = pool.iter().rposition(|storage| storage.len() == size)?;
        Some(pool.swap_remove(found))
    })
    .ok()
    .flatten()
    .unwrap_or_else(|| vec![0; size].into_boxed_slice())
}

/// Keeps `storage` for the next who asks for its size, or frees it if enough are kept.
pub(super) fn give(storage: Box<[u8]>) {
    // It may be another thread's.
    let _ = LENT.try_with(|lent| lent.set(lent.get().saturating_sub(1)));
    // A thread that is ending has no pool any more; the storage is freed then.
    let _ = POOL.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        if pool.len() < KEPT {
            pool.push(storage);
        }
    });
}

/// How many storages are out.
pub(super) fn lent() -> usize {
    LENT.get()
}

/// How many storages the thread's pool holds.
#[cfg(test)]
pub(super) fn kept() -> usize {
    POOL.with_borrow(Vec::len)
}
