//! What keeps a request from its answer.

use std::io;

use ripstop_exchange::Fault;
use serde::Serialize;

/// Why a request has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// The server's name is unknown.
    UnknownName,
    /// There was no connection.
    NoConnection,
    /// TLS could not be made, or the server refused who we are.
    NoTls,
    /// It took too long.
    Timeout,
    /// The connection ended, or failed, before the answer was complete.
    ConnectionEnded,
    /// The stream was reset, or the server said several times that it has not looked at the request.
    StreamReset,
    /// The answer is no HTTP of the version that was asked for.
    NoHttp,
    /// The request can't be written by this protocol, or is larger than the server takes.
    Unwritable,
}

/// Whether anything was answered on a connection before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connection {
    New,
    Used,
}

/// Why there is no answer, and what was told of it.
#[derive(Clone, Debug)]
pub(crate) struct Lost {
    pub(crate) failure: Failure,
    pub(crate) reason: String,
    /// Nothing has ever been answered on that connection: another one would not fare better at once.
    pub(crate) unheard: bool,
}

// === impl Failure ===

impl Failure {
    /// In a word or two.
    pub fn name(self) -> &'static str {
        match self {
            Self::UnknownName => "unknown name",
            Self::NoConnection => "no connection",
            Self::NoTls => "no TLS",
            Self::Timeout => "timeout",
            Self::ConnectionEnded => "connection ended",
            Self::StreamReset => "stream reset",
            Self::NoHttp => "no HTTP",
            Self::Unwritable => "unwritable",
        }
    }
}

// === impl Lost ===

impl Lost {
    /// Before there was a connection.
    pub(crate) fn before(failure: Failure, reason: String) -> Self {
        Self { failure, reason, unheard: true }
    }

    /// On a connection.
    pub(crate) fn on(connection: Connection, secure: bool, fault: &Fault) -> Self {
        let new = connection == Connection::New;
        let failure = match fault {
            // Of TLS 1.3 a client learns after its handshake that it is refused.
            Fault::Io(error) if error.kind() == io::ErrorKind::InvalidData && secure && new => Failure::NoTls,
            Fault::Io(error) if error.kind() == io::ErrorKind::InvalidData => Failure::NoHttp,
            Fault::Malformed(_) | Fault::Switch => Failure::NoHttp,
            Fault::Reset(_) | Fault::Unprocessed => Failure::StreamReset,
            Fault::Head(_) | Fault::HeadHttp2(_) | Fault::HeadTooLarge => Failure::Unwritable,
            _ => Failure::ConnectionEnded,
        };
        Self { failure, reason: fault.to_string(), unheard: new }
    }
}
