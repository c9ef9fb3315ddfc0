//! What can go wrong between a part of the mesh and its control plane.

use std::{error::Error as StdError, io, net::SocketAddr, path::PathBuf};

use ripstop_model::SpiffeId;
use ripstop_wire::delta::ProtocolError;
use thiserror::Error;
use tonic::{Code, Status};

/// An error of a link. Only [`Link::start`](crate::Link::start) and
/// [`Link::sign`](crate::Link::sign) return it; everything else is logged and tried again.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The state directory or a file in it cannot be used.
    #[error("{}: {source}; check that the state directory exists, is owned by this user and is not full", path.display())]
    State {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No root certificate to know the control plane by.
    #[error("no root certificate at {}: {reason}; the control plane writes it when it starts", path.display())]
    RootCert {
        /// Where it should be.
        path: PathBuf,
        /// Why it is of no use.
        reason: String,
    },
    /// Keys, certificates or names.
    #[error(transparent)]
    Identity(#[from] ripstop_identity::Error),
    /// Neither a valid certificate nor a token to get one with.
    #[error("{id} has no valid certificate, and no token to join with is at {}: make one for this role and name", token_file.display())]
    NoCredentials {
        /// Who would join.
        id: SpiffeId,
        /// Where the token should be.
        token_file: PathBuf,
    },
    /// No connection.
    #[error("control plane {control} cannot be reached: {source}")]
    Connect {
        /// Its address.
        control: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The handshake failed: one of the two does not accept the other.
    #[error("control plane {control}: TLS handshake failed: {source}")]
    Handshake {
        /// Its address.
        control: SocketAddr,
        /// Which rule failed, and for whom.
        source: io::Error,
    },
    /// HTTP/2 could not be set up.
    #[error("control plane {control}: {reason}")]
    Transport {
        /// Its address.
        control: SocketAddr,
        /// Why.
        reason: String,
        /// Whether our certificate is what it does not accept.
        refused: bool,
    },
    /// It did not answer in time.
    #[error("{what}: no answer within {seconds} s")]
    Deadline {
        /// What was asked.
        what: &'static str,
        /// How long it was waited for.
        seconds: u64,
    },
    /// It answered with an error.
    #[error("{what}: {} ({:?})", status.message(), status.code())]
    Status {
        /// What was asked.
        what: &'static str,
        /// The answer.
        status: Box<Status>,
    },
    /// It issued something else than was asked for.
    #[error("certificate for {expected} was asked for, but {found} was issued")]
    WrongIdentity {
        /// Asked for.
        expected: SpiffeId,
        /// Issued.
        found: SpiffeId,
    },
    /// The answer holds no certificate chain with roots.
    #[error("certificate for {id}: the answer must hold a leaf and, last, the roots: {reason}")]
    Chain {
        /// Asked for.
        id: SpiffeId,
        /// What is wrong.
        reason: String,
    },
    /// It broke the discovery protocol.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// What it sent does not add up to its commit.
    #[error("commit {version} counts {expected} resources of {type_url}, but {staged} arrived: starting from nothing")]
    Mismatch {
        /// Version of the commit.
        version: u64,
        /// The type that differs.
        type_url: &'static str,
        /// Resources according to the commit.
        expected: u64,
        /// Resources here.
        staged: u64,
    },
    /// The stream ended.
    #[error("the control plane ended the discovery stream")]
    Ended,
    /// The owner of the updates is gone.
    #[error("nobody takes updates any more")]
    Abandoned,
}

impl Error {
    /// Whether a new certificate may help: one side does not accept the other's.
    pub(crate) fn is_about_credentials(&self) -> bool {
        match self {
            Self::Handshake { .. } | Self::NoCredentials { .. } => true,
            Self::Transport { refused, .. } => *refused,
            Self::Status { status, .. } => {
                matches!(status.code(), Code::Unauthenticated | Code::PermissionDenied)
                    || status.source().is_some_and(certificate_refused)
            }
            _ => false,
        }
    }

    /// Whether the connection broke, or the control plane is not ready: the same may work on the next one.
    pub(crate) fn is_about_connection(&self) -> bool {
        match self {
            // An error that the control plane sends has no source here.
            Self::Status { status, .. } => status.code() == Code::Unavailable || status.source().is_some(),
            _ => false,
        }
    }
}

/// In TLS 1.3 the server's verdict on our certificate arrives after the handshake, as an alert.
pub(crate) fn certificate_refused(error: &(dyn StdError + 'static)) -> bool {
    let mut cause = Some(error);
    // Chains of errors are short; the bound guards against a cycle.
    for _ in 0..16 {
        let Some(current) = cause else { break };
        if let Some(rustls::Error::AlertReceived(_)) = current.downcast_ref() {
            return true;
        }
        cause = match current.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => current.source(),
        };
    }
    false
}
