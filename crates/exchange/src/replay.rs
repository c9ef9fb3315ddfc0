//! What was read of a request's body and may be wanted again.

use tokio::sync::oneshot;

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
    copy: Option<Copying>,
}

/// A copy of the body, for somebody else.
#[derive(Debug)]
struct Copying {
    body: Vec<u8>,
    limit: usize,
    to: oneshot::Sender<Vec<u8>>,
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
        Self { kept: Scratch::default(), sent: 0, limit, state: State::Whole, copy: None }
    }

    /// Sends a copy of the body to `to` as soon as the request is complete, whatever becomes of its answer. Of a body of
    /// more than `limit` bytes, and of a request that never is complete, there is none: `to` is dropped.
    pub fn copy_to(&mut self, to: oneshot::Sender<Vec<u8>>, limit: usize) {
        self.copy = Some(Copying { body: Vec::new(), limit, to });
    }

    /// Whether the request's body is still there from its start.
    pub fn is_possible(&self) -> bool {
        self.state == State::Whole
    }

    /// Whether anything is meant to be kept.
    pub(crate) fn keeps(&self) -> bool {
        self.limit > 0 && self.state == State::Whole || self.copy.is_some()
    }

    /// Another server gets it all again.
    pub(crate) fn rewind(&mut self) {
        self.sent = 0;
    }

    /// What was kept and has to be sent to the present server before anything new.
    pub(crate) fn pending(&self) -> &[u8] {
        &self.kept[self.sent..]
    }

    /// What was kept from that byte on, for one more server.
    pub(crate) fn from(&self, sent: usize) -> &[u8] {
        self.kept.get(sent..).unwrap_or_default()
    }

    /// `n` bytes of it were sent.
    pub(crate) fn advance(&mut self, n: usize) {
        self.sent += n;
    }

    /// The first `n` bytes of `data` were sent, and are taken from the client.
    pub(crate) fn keep(&mut self, data: &Slices<'_>, n: usize) {
        self.copy = self.copy.take().and_then(|copy| copy.with(data, n));
        if self.state == State::Lost || n == 0 {
            return;
        }
        if self.kept.len() + n > self.limit {
            self.forget();
            return;
        }
        beginning(data, n).for_each(|part| self.kept.open().extend_from_slice(part));
        self.sent += n;
    }

    /// The request is complete.
    pub(crate) fn end(&mut self) {
        if let Some(Copying { body, to, .. }) = self.copy.take() {
            // Nobody may want it any more.
            let _ = to.send(body);
        }
    }

    /// Nobody wants it again.
    pub(crate) fn forget(&mut self) {
        self.state = State::Lost;
        self.sent = 0;
        self.kept.clear();
    }
}

// === impl Copying ===

impl Copying {
    /// With the first `n` bytes of `data`; nothing: that is too much.
    fn with(mut self, data: &Slices<'_>, n: usize) -> Option<Self> {
        if self.body.len() + n > self.limit {
            return None;
        }
        beginning(data, n).for_each(|part| self.body.extend_from_slice(part));
        Some(self)
    }
}

/// The first `n` bytes.
fn beginning<'a>(data: &'a Slices<'_>, n: usize) -> impl Iterator<Item = &'a [u8]> {
    let mut left = n;
    data.as_slice().iter().map(move |slice| {
        let part = slice.len().min(left);
        left -= part;
        &slice[..part]
    })
}

#[cfg(test)]
mod tests;
