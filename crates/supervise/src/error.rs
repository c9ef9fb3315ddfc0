//! Why something could not be supervised.

use std::{io, path::PathBuf};

use thiserror::Error;

/// Errors of the supervisor, its broker and its clients.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or directory of the state could not be used.
    #[error("{what} {}: {source}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A system call failed.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// The directory of the mesh does not exist or is not a directory.
    #[error("{} is not a directory: name the directory that holds the mesh's YAML files", .0.display())]
    NotADirectory(PathBuf),
    /// A second `up` of the same mesh.
    #[error("the mesh of {} already runs (pid {pid}, state {}); end it first, or use another --state", dir.display(), state.display())]
    AlreadyRunning {
        /// Directory of the mesh.
        dir: PathBuf,
        /// Its state directory.
        state: PathBuf,
        /// Process that holds it; 0 if it did not say.
        pid: i32,
    },
    /// Neither `--state` nor a home directory.
    #[error("no place for the state: set HOME or XDG_STATE_HOME, or give --state DIR")]
    NoStateRoot,
    /// No running mesh fits the selector.
    #[error("{0}")]
    NoMesh(String),
    /// Somebody else's mesh.
    #[error("may not ask the mesh of {}: it runs as another user (permission denied on {}); run this as that user or as root", dir.display(), path.display())]
    MayNotAsk {
        /// Its directory of configuration, or its state directory, as it was named.
        dir: PathBuf,
        /// What may not be read.
        path: PathBuf,
    },
    /// Somebody else's mesh, as it seems, who may be asked by whoever trusts them.
    #[error("the mesh of {} seems to run as another user: if you trust that user, name its state directory: --mesh {}", dir.display(), state.display())]
    OfAnother {
        /// Its directory of configuration, as it was named.
        dir: PathBuf,
        /// Its state directory, by its command line.
        state: PathBuf,
    },
    /// A mesh that was found, and is about to be gone.
    #[error("the mesh is ending")]
    Ending,
    /// The kernel or its settings do not allow what the mesh needs.
    #[error("{0}")]
    Forbidden(String),
    /// Part of `net` failed.
    #[error("{what}: {reason}")]
    Net {
        /// What was tried.
        what: String,
        /// What `net` said.
        reason: String,
    },
    /// A peer broke a protocol.
    #[error("{peer} broke the protocol: {reason}")]
    Protocol {
        /// Who.
        peer: &'static str,
        /// How.
        reason: String,
    },
    /// The mesh's admin API refused a request.
    #[error("{message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// What it said.
        message: String,
    },
    /// A wait passed its deadline.
    #[error("{0} did not answer within {1} s")]
    Timeout(&'static str, u64),
    /// What was asked for cannot be had: no address, no such node, no valid name.
    #[error("{0}")]
    Unavailable(String),
}

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

// === impl Error ===

impl Error {
    /// A failed use of `path`.
    pub(crate) fn file(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { what, path, source }
    }

    /// A failed system call.
    pub(crate) fn system<E: Into<io::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> Self {
        let what = what.into();
        move |source| Self::System { what, source: source.into() }
    }

    /// A failure of `net`.
    pub(crate) fn net<E: std::fmt::Display>(what: impl Into<String>) -> impl FnOnce(E) -> Self {
        let what = what.into();
        move |reason| Self::Net { what, reason: reason.to_string() }
    }

    /// A broken protocol.
    #[allow(clippy::needless_pass_by_value)] // errors and texts, straight from closures
    pub(crate) fn protocol(peer: &'static str, reason: impl ToString) -> Self {
        Self::Protocol { peer, reason: reason.to_string() }
    }
}
