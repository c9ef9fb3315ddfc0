//! A worker's own reference count.

use std::{ops::Deref, sync::Arc};

/// What all workers share, held through an `Arc` of this worker's.
///
/// Each request holds a reference. If all counted in the one `Arc` that the workers share, its counter would be what
/// they contend for; a lease's counter belongs to one worker.
#[derive(Debug)]
pub(crate) struct Lease<T>(Arc<Held<T>>);

#[derive(Debug)]
struct Held<T>(Arc<T>);

impl<T> Lease<T> {
    pub(crate) fn new(shared: Arc<T>) -> Self {
        Self(Arc::new(Held(shared)))
    }
}

impl<T> Clone for Lease<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for Lease<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.0
    }
}
