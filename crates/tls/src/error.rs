//! Why a session ended.

use std::io;

use rustls::AlertDescription;
use thiserror::Error;

/// A session failed. It stays failed: every later call gives the same error.
///
/// A fatal alert for the peer may be queued; write it ([`Session::write_to`](crate::Session::write_to)) before the
/// socket is closed, or the peer will not know why.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A rule of TLS was broken, a certificate was refused, or the peer said so with an alert
    /// ([`rustls::Error::AlertReceived`]).
    #[error("TLS failed: {0}")]
    Tls(#[source] rustls::Error),
    /// The peer closed the connection without saying so in TLS; the end of what it sent may be missing.
    #[error(
        "the peer closed the connection without ending its TLS session; check whether it was killed, or whether something on the path cuts connections"
    )]
    Truncated,
    /// Bytes were sealed after [`Session::close`](crate::Session::close).
    #[error("this end has closed the TLS session already and can send nothing more")]
    Closed,
    /// What another process handed over is no session.
    #[error(
        "the session handed over by another process can't be taken on: {0}; check that both processes are of versions that know each other"
    )]
    Handover(&'static str),
}

// === impl Error ===

impl Error {
    /// The fatal alert that the peer sent, if that was the cause.
    pub fn alert(&self) -> Option<AlertDescription> {
        match self {
            Self::Tls(rustls::Error::AlertReceived(alert)) => Some(*alert),
            _ => None,
        }
    }
}

impl From<rustls::Error> for Error {
    fn from(error: rustls::Error) -> Self {
        Self::Tls(error)
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match error {
            Error::Tls(_) | Error::Handover(_) => io::ErrorKind::InvalidData,
            Error::Truncated => io::ErrorKind::UnexpectedEof,
            Error::Closed => io::ErrorKind::BrokenPipe,
        };
        Self::new(kind, error)
    }
}
