//! How a request and its answer come on.

use std::cell::Cell;

use tokio::time::Instant;

/// How a request and its answer come on, for whoever minds the time that they take
/// ([`Downstream::watch`](crate::Downstream::watch)). It is kept up only if somebody asks for it.
#[derive(Debug)]
pub struct Progress {
    moved: Cell<Instant>,
    received: Cell<bool>,
    answered: Cell<bool>,
}

// === impl Progress ===

impl Progress {
    pub(crate) fn new(received: bool) -> Self {
        Self { moved: Cell::new(Instant::now()), received: Cell::new(received), answered: Cell::new(false) }
    }

    /// When something of either moved last.
    pub fn moved(&self) -> Instant {
        self.moved.get()
    }

    /// Whether all of the request has come.
    pub fn is_received(&self) -> bool {
        self.received.get()
    }

    /// Whether the answer has begun.
    pub fn is_answered(&self) -> bool {
        self.answered.get()
    }

    pub(crate) fn moves(&self) {
        self.moved.set(Instant::now());
    }

    pub(crate) fn receives_all(&self) {
        if !self.received.replace(true) {
            self.moves();
        }
    }

    pub(crate) fn answers(&self) {
        self.answered.set(true);
        self.moves();
    }
}
