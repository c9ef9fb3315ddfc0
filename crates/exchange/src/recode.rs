//! Bodies that are written anew on their way.

use std::fmt;

/// Writes the bodies of a request to an upstream of HTTP/2 and of its answer anew. Trailers of the answer go into its body.
pub trait Recode: fmt::Debug {
    /// Appends to `out` what goes upstream for the next `piece` of the request's body.
    fn request(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), Unreadable>;

    /// The request's body has ended.
    fn end_request(&mut self) -> Result<(), Unreadable>;

    /// Appends to `out` what goes downstream for the next `piece` of the answer's body.
    fn answer(&mut self, piece: &[u8], out: &mut Vec<u8>);

    /// Appends to `out` what goes downstream at the end of the answer's body, which has these trailers.
    fn end_answer<'f>(
        &mut self,
        trailers: &mut dyn Iterator<Item = (&'f [u8], &'f [u8])>,
        out: &mut Vec<u8>,
    ) -> Result<(), Unreadable>;
}

/// Why a body can't be written anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable(pub String);

/// Bodies that are written anew, and what of them waits. It outlives attempts, as what it has read is read once.
#[derive(Debug)]
pub struct Recoding {
    pub(crate) by: Box<dyn Recode>,
    pub(crate) up: Waiting,
    pub(crate) down: Waiting,
    /// Whether the answer has ended upstream.
    pub(crate) ended: bool,
}

/// Bytes that were written, and are not sent.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    pub(crate) bytes: Vec<u8>,
    sent: usize,
}

/// Room that is kept for the next piece at most.
const KEPT: usize = 64 * 1024;

// === impl Recoding ===

impl Recoding {
    /// Of a request of which nothing was read.
    pub fn new(by: Box<dyn Recode>) -> Self {
        Self { by, up: Waiting::default(), down: Waiting::default(), ended: false }
    }
}

// === impl Waiting ===

impl Waiting {
    pub(crate) fn rest(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    pub(crate) fn advance(&mut self, n: usize) {
        self.sent += n;
        if self.sent < self.bytes.len() {
            return;
        }
        self.sent = 0;
        self.bytes.clear();
        if self.bytes.capacity() > KEPT {
            self.bytes = Vec::new();
        }
    }
}
