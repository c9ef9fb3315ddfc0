//! What was read of a request's body and may be wanted again.

use crate::{exchange::Slices, storage::Scratch};

/// Keeps what was sent of a request's body, up to a bound, until its answer has begun, so that it can be sent to another
/// server from its start.
#[derive(Debug)]
pub struct Replay {
    kept: Scratch,
    /// How much of it was sent to the present server.
    sent: usize,
    limit: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// All that was taken from the client is there.
    Whole,
    /// Something is not.
    Lost,
}

impl Replay {
    /// The bound that does for most, in bytes.
    pub const USUAL: usize = 64 * 1024;

    /// Keeps nothing: a request can be sent again as long as nothing of its body was sent.
    pub fn none() -> Self {
        Self::up_to(0)
    }

    /// Keeps up to `limit` bytes; of a longer body nothing.
    pub fn up_to(limit: usize) -> Self {
        Self { kept: Scratch::default(), sent: 0, limit, state: State::Whole }
    }

    /// Whether the request's body is still there from its start.
    pub fn is_possible(&self) -> bool {
        self.state == State::Whole
    }

    /// Whether anything is meant to be kept.
    pub(crate) fn keeps(&self) -> bool {
        self.limit > 0 && self.state == State::Whole
    }

    /// Another server gets it all again.
    pub(crate) fn rewind(&mut self) {
        self.sent = 0;
    }

    /// What was kept and has to be sent to the present server before anything new.
    pub(crate) fn pending(&self) -> &[u8] {
        &self.kept[self.sent..]
    }

    /// `n` bytes of it were sent.
    pub(crate) fn advance(&mut self, n: usize) {
        self.sent += n;
    }

    /// The first `n` bytes of `data` were sent, and are taken from the client.
    pub(crate) fn keep(&mut self, data: &Slices<'_>, n: usize) {
        if self.state == State::Lost || n == 0 {
            return;
        }
        if self.kept.len() + n > self.limit {
            self.forget();
            return;
        }
        let mut left = n;
        for slice in data.as_slice() {
            let part = slice.len().min(left);
            self.kept.open().extend_from_slice(&slice[..part]);
            left -= part;
        }
        self.sent += n;
    }

    /// Nobody wants it again.
    pub(crate) fn forget(&mut self) {
        self.state = State::Lost;
        self.sent = 0;
        self.kept.clear();
    }
}

#[cfg(test)]
mod tests;
