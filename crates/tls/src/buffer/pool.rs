//! The thread's storages that nobody uses at the moment.

use std::cell::{Cell, RefCell};

/// Bytes kept for reuse, but for one storage of each size. A worker handles one connection at a time, so few storages are out at once unless peers are
/// slow.
const KEPT: usize = 2 << 20;

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { storages: Vec::new(), bytes: 0 }) };
    static LENT: Cell<usize> = const { Cell::new(0) };
}

struct Pool {
    storages: Vec<Box<[u8]>>,
    bytes: usize,
}

/// An initialised storage of `size` bytes; what is in it is of no meaning.
pub(super) fn take(size: usize) -> Box<[u8]> {
    let _ = LENT.try_with(|lent| lent.set(lent.get() + 1));
    POOL.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        // The last one given is the one that is still in the processor's cache.
        let found = pool.storages.iter().rposition(|storage| storage.len() == size)?;
        pool.bytes -= size;
        Some(pool.storages.swap_remove(found))
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
        // One of each size always: what every read asks for must not be made anew because smaller ones came back first.
        if pool.bytes + storage.len() <= KEPT || pool.storages.iter().all(|kept| kept.len() != storage.len()) {
            pool.bytes += storage.len();
            pool.storages.push(storage);
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
    POOL.with_borrow(|pool| pool.storages.len())
}
