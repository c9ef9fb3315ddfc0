//! What can go wrong outside of a handshake.

use std::{io, path::PathBuf, time::Duration};

use ripstop_model::{IdentityError, SpiffeId, TrustDomain};
use thiserror::Error;

use crate::{MAX_TTL, VerifyError};

/// An error of issuing, reading or keeping identities.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or directory could not be read or written.
    #[error("{what} {}: {source}; check that the directory exists, is owned by this user and is not full", path.display())]
    Io {
        /// What was being done (`write`, `read` …).
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A file of the certificate authority is there but can't be used. It is never replaced silently: a new root
    /// would cut off every workload of the mesh.
    #[error("{}: {reason}; restore the file from a backup, or remove the directory to start a new mesh with a new root", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The authority on disk was made for another trust domain.
    #[error("{}: this authority serves trust domain {found:?} but the mesh is configured for {expected}; a trust domain can't be changed in place", path.display())]
    AuthorityDomain {
        /// The file.
        path: PathBuf,
        /// Trust domain of the certificate.
        found: Option<String>,
        /// Trust domain of the mesh.
        expected: TrustDomain,
    },
    /// Text that should hold PEM blocks does not.
    #[error("{what} is not usable PEM: {reason}")]
    Pem {
        /// What was being read (`certificate chain`, `private key`, `roots`).
        what: &'static str,
        /// Why it was refused.
        reason: String,
    },
    /// A certificate could not be parsed.
    #[error("certificate can't be parsed: {0}")]
    Certificate(String),
    /// A certificate breaks a SPIFFE rule.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// A SPIFFE name is not valid.
    #[error(transparent)]
    Name(#[from] IdentityError),
    /// The private key is not one we can use, or belongs to another certificate.
    #[error("private key of {id}: {reason}")]
    Key {
        /// The identity of the certificate.
        id: SpiffeId,
        /// What is wrong.
        reason: String,
    },
    /// A certificate signing request was refused.
    #[error("certificate signing request for {id} refused: {reason}")]
    Csr {
        /// The identity asked for.
        id: SpiffeId,
        /// What is wrong with the request.
        reason: String,
    },
    /// The authority does not sign for this name.
    #[error("{id} can't be signed: this authority signs only names with a path inside trust domain {domain}")]
    Foreign {
        /// The identity asked for.
        id: SpiffeId,
        /// The authority's trust domain.
        domain: TrustDomain,
    },
    /// The lifetime asked for is zero or too long.
    #[error("lifetime of {} s for {id} refused: ask for 1 s to {} s", asked.as_secs(), MAX_TTL.as_secs())]
    Ttl {
        /// The identity asked for.
        id: SpiffeId,
        /// The lifetime asked for.
        asked: Duration,
    },
    /// Key generation or signing failed inside the crypto library.
    #[error("cryptographic operation failed: {0}; if this persists, the system's random source may be unavailable")]
    Crypto(String),
}

impl From<rcgen::Error> for Error {
    fn from(error: rcgen::Error) -> Self {
        Self::Crypto(error.to_string())
    }
}
