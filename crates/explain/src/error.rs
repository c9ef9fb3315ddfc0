//! What cannot be asked.

use ripstop_decide::BadPath;
use thiserror::Error;

/// Why there is no answer.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Error {
    /// The caller is not known.
    #[error(
        "there is no workload {name:?}{near}; name one of `ripstop get workloads`, an identity (spiffe://…) or an IP address"
    )]
    UnknownWorkload {
        /// As asked.
        name: String,
        /// A hint on what was probably meant, or nothing.
        near: String,
    },
    /// Several workloads have the name.
    #[error("{name:?} names workloads of several namespaces: {found}; write namespace/name")]
    Ambiguous {
        /// As asked.
        name: String,
        /// What was found.
        found: String,
    },
    /// `to` is no host and port.
    #[error("{0:?} is not host:port; for example reviews.bookinfo:9080, or 240.240.0.7:80")]
    Destination(String),
    /// A host that no resolver takes.
    #[error("{0:?} is no host name and no IP address; for example reviews.bookinfo:9080, or [fd00::7]:80")]
    Host(String),
    /// `via` is no place.
    #[error(
        "{0:?} is no place of decision: write node, sidecar, waypoint, gateway, gateway:NAMESPACE/NAME or gateway:KEY=VALUE,…"
    )]
    Place(String),
    /// `protocol` is none.
    #[error("{0:?} is no protocol: write http, tcp or tls")]
    Protocol(String),
    /// An identity is none.
    #[error("{0}")]
    Identity(String),
    /// An address is none.
    #[error("{0:?} is not an IP address")]
    Address(String),
    /// A path does not begin with `/`.
    #[error("the path {0:?} does not begin with /")]
    Path(String),
    /// No proxy takes such a path.
    #[error("a proxy answers 400 to the path {path:?}: {why}")]
    BadPath {
        /// As asked.
        path: String,
        /// What is wrong with it.
        why: BadPath,
    },
}
