//! Why a tunnel could not be had, or ended.

use std::{io, net::SocketAddr, sync::Arc};

use thiserror::Error;

use crate::Authority;

/// An error of opening, serving or using a tunnel.
///
/// Causes that are TLS failures keep their I/O error ([`TunnelError::io`]), in which the verifier's own error can be
/// found.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum TunnelError {
    /// No TCP connection to the peer's tunnel port.
    #[error(
        "can't connect to {destination}: {source}; check that its node proxy runs, and that no firewall or NetworkPolicy blocks the tunnel port"
    )]
    Connect {
        /// The peer's tunnel address.
        destination: SocketAddr,
        /// The cause.
        source: Arc<io::Error>,
    },
    /// TLS or the HTTP/2 preface failed.
    #[error("mutual TLS with {destination} failed: {source}")]
    Handshake {
        /// The peer's tunnel address.
        destination: SocketAddr,
        /// The cause.
        source: Arc<io::Error>,
    },
    /// Connecting, TLS and preface took too long.
    #[error(
        "{destination} did not complete the handshake in time; check that its node proxy is alive and that no firewall swallows packets to the tunnel port"
    )]
    HandshakeTimeout {
        /// The peer's tunnel address.
        destination: SocketAddr,
    },
    /// The tunnel died before the peer answered CONNECT. A peer that refuses our certificate shows up here (a TLS
    /// alert), since in TLS 1.3 it says so only after our handshake is complete.
    #[error("tunnel to {destination} was lost before {authority} answered: {source}{}", alert_hint(source))]
    Lost {
        /// The peer's tunnel address.
        destination: SocketAddr,
        /// Where the CONNECT should have led.
        authority: Authority,
        /// The cause.
        source: Arc<io::Error>,
    },
    /// The peer answered CONNECT with another status than 200.
    #[error("{destination} refused a connection to {authority} with status {status}: {}", hint(*status))]
    Refused {
        /// The peer's tunnel address.
        destination: SocketAddr,
        /// Where the CONNECT should have led.
        authority: Authority,
        /// HTTP status.
        status: u16,
    },
    /// The peer reset the stream instead of answering.
    #[error("{destination} reset the connection to {authority} instead of answering: {reason}")]
    Reset {
        /// The peer's tunnel address.
        destination: SocketAddr,
        /// Where the CONNECT should have led.
        authority: Authority,
        /// The HTTP/2 error code's description.
        reason: String,
    },
    /// CONNECT was not answered in time.
    #[error(
        "{destination} did not answer the connection to {authority} in time; check that the application accepts connections"
    )]
    AnswerTimeout {
        /// The peer's tunnel address.
        destination: SocketAddr,
        /// Where the CONNECT should have led.
        authority: Authority,
    },
    /// Whoever proved the peer is not believed any more.
    #[error("the peer of the tunnel is not trusted any more: {reason}")]
    Distrusted {
        /// Why.
        reason: String,
    },
    /// All tunnels between the two parties are full and none got free in time.
    #[error("all {tunnels} tunnels to {destination} are full; the peer may allow few streams, or connections leak")]
    Exhausted {
        /// The peer's tunnel address.
        destination: SocketAddr,
        /// Tunnels there are.
        tunnels: usize,
    },
    /// A host name that can't be written into a request.
    #[error("{authority} can't be the authority of a CONNECT")]
    Authority {
        /// The destination asked for.
        authority: Authority,
    },
    /// The pool is draining or closed.
    #[error("the proxy is shutting down")]
    Closed,
    /// A server connection ended with an error.
    #[error("tunnel from the peer ended: {source}")]
    Serve {
        /// The cause.
        source: Arc<io::Error>,
    },
    /// The peer sent no sign of life.
    #[error("the peer answered no ping for {} s", crate::settings::PING_DEADLINE.as_secs())]
    Silent,
}

impl TunnelError {
    /// The I/O error at the bottom, if there is one.
    pub fn io(&self) -> Option<&io::Error> {
        match self {
            Self::Connect { source, .. }
            | Self::Handshake { source, .. }
            | Self::Lost { source, .. }
            | Self::Serve { source } => Some(source),
            _ => None,
        }
    }
}

/// What a TLS alert of the peer is about, if it is about our certificate.
fn alert_hint(error: &io::Error) -> &'static str {
    use rustls::AlertDescription as Alert;
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<ripstop_tls::Error>());
    let Some(alert) = tls.and_then(ripstop_tls::Error::alert) else { return "" };
    match alert {
        Alert::CertificateExpired => "; it holds our certificate for expired: check the clocks of both sides",
        Alert::CertificateUnknown | Alert::UnknownCA | Alert::BadCertificate | Alert::AccessDenied => {
            "; it refused our certificate: check that both sides have the same roots and trust domain"
        }
        Alert::CertificateRequired => "; it wants a certificate and got none",
        _ => "",
    }
}

fn hint(status: u16) -> &'static str {
    match status {
        400 => "it does not serve that address; the destination may have moved",
        401 | 403 => "denied by policy",
        429 => "a limit of its connections is reached",
        503 => "the application does not accept connections, or its workload is unknown there",
        _ => "see the peer's log",
    }
}
