//! What can stop the control plane.

use std::{io, net::SocketAddr, path::PathBuf};

use thiserror::Error;

/// Why the control plane cannot start, or cannot go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of the state directory cannot be read or written.
    #[error(
        "cannot {action} {path}: {source}; check that the state directory is on a writable disk with free space and owned by this user"
    )]
    State {
        /// `read`, `write`, …
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A socket cannot be bound.
    #[error(
        "cannot listen on {address} for {purpose}: {source}; another process may hold it, or the address is not on this machine"
    )]
    Listen {
        /// Address.
        address: SocketAddr,
        /// What would have been served.
        purpose: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// The admin socket cannot be made.
    #[error("cannot make the admin socket {path}: {source}; its path may be longer than 107 bytes")]
    Admin {
        /// The socket.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The line to the broker cannot be used.
    #[error("cannot use the line to the broker: {0}")]
    Broker(io::Error),
    /// The own network namespace cannot be named, so admin peers cannot be checked.
    #[error("cannot tell the own network namespace: {0}; /proc must be mounted")]
    Namespace(io::Error),
    /// The certificate authority, or the own certificate, failed.
    #[error("certificate authority: {0}")]
    Identity(#[from] ripstop_identity::Error),
    /// A name that is no SPIFFE id.
    #[error(transparent)]
    Name(#[from] ripstop_model::IdentityError),
    /// The maker of commits ended unexpectedly.
    #[error("commits cannot be made: {0}; this is a defect, please report it with the log")]
    Pipeline(String),
    /// The store cannot be opened or watched.
    #[error("store: {0}")]
    Store(#[from] ripstop_store::Error),
}

impl Error {
    /// A failed file operation.
    pub(crate) fn state(action: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::State { action, path, source }
    }
}
