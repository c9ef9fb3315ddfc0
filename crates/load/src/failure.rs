//! What keeps a request from its answer.

use serde::Serialize;

/// Why a request has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Failure {
    /// The server's name is unknown.
    Name,
    /// There was no connection.
    Connect,
    /// TLS could not be made.
    Tls,
    /// It took too long.
    Timeout,
    /// The connection ended, or failed, before the answer was complete.
    Closed,
    /// The stream was reset, or the server said that it has not looked at the request.
    Reset,
    /// The answer is no HTTP.
    Protocol,
}

// === impl Failure ===

impl Failure {
    /// In a word or two.
    pub fn name(self) -> &'static str {
        match self {
            Self::Name => "unknown name",
            Self::Connect => "no connection",
            Self::Tls => "no TLS",
            Self::Timeout => "timeout",
            Self::Closed => "connection ended",
            Self::Reset => "stream reset",
            Self::Protocol => "no HTTP",
        }
    }
}
