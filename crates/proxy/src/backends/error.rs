//! Why there is no connection to send a request on.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use ripstop_balance::{Outcome, Overflow};
use ripstop_telemetry::ResponseFlag;
use thiserror::Error;

use crate::error::Error;

/// Why there is no connection to send a request on. All are answered with 503.
#[derive(Clone, Debug, Error)]
pub enum BackendError {
    /// A limit of the backend is reached.
    #[error(transparent)]
    Overflow(#[from] Overflow),
    /// The endpoint went between being picked and being called.
    #[error("{0} is no endpoint of the backend any more")]
    Gone(SocketAddr),
    /// It took too long.
    #[error(
        "no connection to {address} within {limit:?} (trafficPolicy.connectionPool.tcp.connectTimeout); is it running?"
    )]
    Timeout {
        /// Where to.
        address: SocketAddr,
        /// How long it might take.
        limit: Duration,
    },
    /// It could not be opened.
    #[error("{0}")]
    Open(#[source] Arc<Error>),
    /// TLS failed.
    #[error("TLS to {address}: {reason}")]
    Handshake {
        /// Where to.
        address: SocketAddr,
        /// Why.
        reason: Arc<str>,
    },
    /// The peer does not speak HTTP/2.
    #[error("HTTP/2 to {address}: {reason}")]
    Http2 {
        /// Where to.
        address: SocketAddr,
        /// Why.
        reason: Arc<str>,
    },
    /// The backend's settings can't be followed.
    #[error("{0}")]
    Settings(Arc<str>),
}

// === impl BackendError ===

impl BackendError {
    /// The flag that metrics and access log give this failure.
    pub fn flag(&self) -> ResponseFlag {
        match self {
            Self::Overflow(_) => ResponseFlag::UpstreamOverflow,
            Self::Open(error) if matches!(**error, Error::NoCertificate(_)) => ResponseFlag::IdentityError,
            _ => ResponseFlag::UpstreamConnectionFailure,
        }
    }

    /// What it says of the endpoint; nothing: nothing.
    pub fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::Overflow(_) | Self::Gone(_) | Self::Settings(_) => None,
            Self::Open(error) => {
                matches!(**error, Error::Connect { .. } | Error::Tunnel { .. }).then_some(Outcome::ConnectFailure)
            }
            Self::Timeout { .. } | Self::Handshake { .. } | Self::Http2 { .. } => Some(Outcome::ConnectFailure),
        }
    }
}

impl From<Error> for BackendError {
    fn from(error: Error) -> Self {
        Self::Open(Arc::new(error))
    }
}
