//! Why there is no connection to send a request on.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use ripstop_balance::{Outcome, Overflow};
use ripstop_telemetry::ResponseFlag;
use thiserror::Error;

use crate::error::Error;

/// Why there is no connection to send a request on. All are answered with 503, but what a policy denies.
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
    /// A forward proxy does not lead on.
    #[error("through the proxy {address} to {target}: {reason}")]
    Through {
        /// The proxy.
        address: SocketAddr,
        /// Where it is to lead.
        target: Arc<str>,
        /// Why it does not.
        reason: Arc<str>,
        /// What that says of the proxy.
        outcome: Option<Outcome>,
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
            _ if self.is_denied() => ResponseFlag::Deny,
            _ if self.is_limited() => ResponseFlag::RateLimited,
            Self::Open(error) if matches!(**error, Error::NoCertificate(_)) => ResponseFlag::IdentityError,
            _ => ResponseFlag::UpstreamConnectionFailure,
        }
    }

    /// Whether the callee is well, and its policies let nobody like the caller in.
    pub fn is_denied(&self) -> bool {
        self.is_refused_for(ResponseFlag::Deny)
    }

    /// Whether the callee is well, and has as many connections as its policies let in.
    pub fn is_limited(&self) -> bool {
        self.is_refused_for(ResponseFlag::RateLimited)
    }

    fn is_refused_for(&self, why: ResponseFlag) -> bool {
        let refused = |error: &Error| matches!(error, Error::Tunnel { flag, .. } if *flag == why);
        matches!(self, Self::Open(error) if refused(error))
    }

    /// What it says of the endpoint; nothing: nothing.
    pub fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::Overflow(_) | Self::Gone(_) | Self::Settings(_) => None,
            _ if self.is_denied() || self.is_limited() => None,
            Self::Through { outcome, .. } => *outcome,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_of_the_callee_is_no_failure_of_it() {
        let tunnel = |flag| {
            BackendError::from(Error::Tunnel { address: "10.0.0.1:15008".parse().unwrap(), reason: "no".into(), flag })
        };
        let denied = tunnel(ResponseFlag::Deny);
        assert!(denied.is_denied());
        assert_eq!((denied.flag(), denied.outcome()), (ResponseFlag::Deny, None));
        let limited = tunnel(ResponseFlag::RateLimited);
        assert!(limited.is_limited() && !limited.is_denied());
        assert_eq!((limited.flag(), limited.outcome()), (ResponseFlag::RateLimited, None));
        let lost = tunnel(ResponseFlag::Connect);
        assert!(!lost.is_denied() && !lost.is_limited());
        let failed = (ResponseFlag::UpstreamConnectionFailure, Some(Outcome::ConnectFailure));
        assert_eq!((lost.flag(), lost.outcome()), failed);
    }
}
