//! Lists of fields, kept by the thread for the next message.

use std::{
    cell::RefCell,
    ops::{Deref, DerefMut},
};

use ripstop_h2::Fields;

/// Lists kept for reuse.
const KEPT: usize = 64;
/// What the fields of one may come to in bytes and its storage still be kept.
const LARGEST: usize = 16 * 1024;

thread_local! {
    static POOL: RefCell<Vec<Fields>> = const { RefCell::new(Vec::new()) };
}

/// Fields in a storage that goes back to the thread.
#[derive(Debug, Default)]
pub(crate) struct List(Fields);

impl List {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self(POOL.try_with(|pool| pool.borrow_mut().pop()).ok().flatten().unwrap_or_default())
    }

    /// A copy of `fields`.
    pub(crate) fn of(fields: &Fields) -> Self {
        let mut list = Self::new();
        list.0.extend(fields.iter());
        list
    }
}

impl Deref for List {
    type Target = Fields;

    fn deref(&self) -> &Fields {
        &self.0
    }
}

impl DerefMut for List {
    fn deref_mut(&mut self) -> &mut Fields {
        &mut self.0
    }
}

impl Drop for List {
    fn drop(&mut self) {
        let mut fields = std::mem::take(&mut self.0);
        if fields.list_size() > LARGEST {
            return;
        }
        fields.clear();
        // A thread that is ending has no pool any more; the storage is freed then.
        let _ = POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            if pool.len() < KEPT {
                pool.push(fields);
            }
        });
    }
}
