//! What can go wrong in an agent, and what to check then.

use std::{io, net::SocketAddr, path::PathBuf};

use thiserror::Error;

/// Why the agent could not start, or could not do something that it was asked for.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or socket of the agent could not be used.
    #[error("{what} {}: {source}", path.display())]
    File {
        /// What was done: `watch`, `listen on`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The kernel refused a socket, rule or namespace.
    #[error("{0}")]
    Net(#[from] ripstop_net::Error),
    /// A socket of the node's own services could not be had.
    #[error("cannot serve {service} on {address}: {source}; is another process of the node there?")]
    Service {
        /// DNS, or egress.
        service: &'static str,
        /// Where.
        address: SocketAddr,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The node has no address in its block.
    #[error(
        "node {node} has no address for its DNS on lo or a dummy link; the supervisor should have set the first address of its block"
    )]
    NoNodeAddress {
        /// The node.
        node: String,
    },
    /// The control plane's client could not start.
    #[error("link to the control plane: {0}")]
    Link(#[from] ripstop_xds::Error),
    /// The broker refused, with its own words.
    #[error("the broker refused {target}: {reason}")]
    Refused {
        /// Address or service asked for.
        target: String,
        /// Why.
        reason: String,
    },
    /// The broker answered with something else than was agreed.
    #[error("the broker's answer for {target} makes no sense: {reason}")]
    Broker {
        /// Address or service asked for.
        target: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The broker is gone: the mesh ends, or the agent was started without one.
    #[error("the broker is not there; nothing leaves the mesh without it")]
    NoBroker,
    /// The broker took too long.
    #[error("the broker has not answered for {target} in time")]
    BrokerLate {
        /// Address or service asked for.
        target: String,
    },
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::File { source, .. } | Error::Service { source, .. } => source.kind(),
            Error::Refused { .. } => io::ErrorKind::PermissionDenied,
            Error::BrokerLate { .. } => io::ErrorKind::TimedOut,
            Error::NoBroker => io::ErrorKind::NotConnected,
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}
