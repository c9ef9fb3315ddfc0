//! What can go wrong with the kernel, and what to check then.

use std::io;

/// An operation that the kernel refused, or that could not be asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A system call failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, with the object's name.
        what: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A netlink request was refused.
    #[error("the kernel refused to {command}: {source}")]
    Netlink {
        /// The request, readable: `add rule inet ripstop out #3`.
        command: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A process could not be started.
    #[error("cannot start {program}: {stage} failed: {source}{hint}")]
    Spawn {
        /// What was to run.
        program: String,
        /// The step that failed.
        stage: String,
        /// The kernel's answer.
        source: io::Error,
        /// What to check, with a leading separator; empty if the answer says it all.
        hint: &'static str,
    },
    /// User namespaces can't be had here.
    #[error("user namespaces are forbidden here: {reason}; {remedy}")]
    UserNamespaces {
        /// Which switch forbids them, as far as it can be seen.
        reason: String,
        /// What an administrator can do.
        remedy: String,
    },
    /// A request that makes no sense to the kernel.
    #[error("{0}")]
    Invalid(String),
}

impl Error {
    pub(crate) fn io(what: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self::Io { what: what.into(), source: source.into() }
    }

    /// The errno behind this error, if the kernel gave one.
    pub fn raw_os_error(&self) -> Option<i32> {
        match self {
            Self::Io { source, .. } | Self::Netlink { source, .. } | Self::Spawn { source, .. } => {
                source.raw_os_error()
            }
            Self::UserNamespaces { .. } | Self::Invalid(_) => None,
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Io { source, .. } | Error::Netlink { source, .. } | Error::Spawn { source, .. } => source.kind(),
            Error::UserNamespaces { .. } => io::ErrorKind::PermissionDenied,
            Error::Invalid(_) => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}
