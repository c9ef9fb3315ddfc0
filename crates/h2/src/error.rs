//! What can go wrong with a connection as a whole, and with opening a stream.

use thiserror::Error;

use crate::Code;

/// A connection is over. GOAWAY with `code` waits in [`Connection::output`](crate::Connection::output) for the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{reason} ({code})")]
pub struct ConnectionError {
    /// What the peer is told.
    pub code: Code,
    /// What it did.
    pub reason: &'static str,
}

/// Why no stream can be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OpenError {
    /// As many streams are open as the peer allows at once.
    #[error("the peer allows no more streams at once")]
    Full,
    /// The peer sent GOAWAY, or we did, or the connection has ended.
    #[error("the connection takes no new streams")]
    Closing,
    /// All stream ids of the connection were used.
    #[error("the connection has no stream ids left")]
    Exhausted,
    /// The peer's output is not read fast enough, or our own is not written.
    #[error("too much waits to be sent already")]
    Blocked,
    /// The header list is larger than the peer accepts
    /// ([`Connection::peer_max_header_list`](crate::Connection::peer_max_header_list)).
    #[error("the header list is larger than the peer accepts")]
    TooLarge,
}

/// Why nothing was sent on a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SendError {
    /// The stream is gone, or this end of it has said all that it may: only one final response, nothing after the end.
    #[error("the stream is gone, or has sent this already")]
    Closed,
    /// The header list is larger than the peer accepts
    /// ([`Connection::peer_max_header_list`](crate::Connection::peer_max_header_list)). A smaller one can be sent instead.
    #[error("the header list is larger than the peer accepts")]
    TooLarge,
}

impl ConnectionError {
    pub(crate) fn new(code: Code, reason: &'static str) -> Self {
        Self { code, reason }
    }

    pub(crate) fn protocol(reason: &'static str) -> Self {
        Self::new(Code::PROTOCOL_ERROR, reason)
    }

    pub(crate) fn size(reason: &'static str) -> Self {
        Self::new(Code::FRAME_SIZE_ERROR, reason)
    }

    pub(crate) fn flow(reason: &'static str) -> Self {
        Self::new(Code::FLOW_CONTROL_ERROR, reason)
    }

    pub(crate) fn calm(reason: &'static str) -> Self {
        Self::new(Code::ENHANCE_YOUR_CALM, reason)
    }
}
