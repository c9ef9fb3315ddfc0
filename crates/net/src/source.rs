//! Where sockets inside workloads' namespaces come from.
//!
//! A worker holds no capability and never enters a namespace: it asks a [`SocketSource`]. The agent, which may enter
//! them, and tests use [`NamespaceSockets`].

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use crate::namespace::{NetNs, run_in};
use crate::socket;

/// What a socket is for. Each is non-blocking, close-on-exec, marked as the proxy's, and not bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SocketKind {
    /// TCP from the workload's own address; mark [`crate::MARK_PROXY`].
    Plain,
    /// TCP from the address of somebody else, that it is to be bound to with [`socket::bind_as`]; mark
    /// [`crate::MARK_SPOOFED`].
    Transparent,
    /// UDP that answers from the address that was asked, that it is to be bound to; mark [`crate::MARK_PROXY`].
    DnsReply,
}

/// IP version of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4
    V4,
    /// IPv6 only
    V6,
}

impl From<IpAddr> for Family {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

impl From<SocketAddr> for Family {
    fn from(address: SocketAddr) -> Self {
        address.ip().into()
    }
}

/// Gives sockets that live in one workload's namespace.
pub trait SocketSource: Send + Sync {
    /// A new socket; see [`SocketKind`] for what is prepared. The caller binds and connects it.
    fn socket(&self, kind: SocketKind, family: Family) -> impl Future<Output = io::Result<OwnedFd>> + Send;
}

impl<S: SocketSource> SocketSource for std::sync::Arc<S> {
    async fn socket(&self, kind: SocketKind, family: Family) -> io::Result<OwnedFd> {
        S::socket(self, kind, family).await
    }
}

/// Opens sockets in a namespace by entering it; needs `CAP_SYS_ADMIN` and `CAP_NET_ADMIN` over it.
#[derive(Clone, Debug)]
pub struct NamespaceSockets {
    netns: NetNs,
}

impl NamespaceSockets {
    /// Sockets of this namespace.
    pub fn new(netns: NetNs) -> Self {
        Self { netns }
    }

    /// The namespace.
    pub fn netns(&self) -> &NetNs {
        &self.netns
    }

    /// `count` sockets at once, by one thread that enters the namespace.
    pub fn batch(&self, kind: SocketKind, family: Family, count: usize) -> io::Result<Vec<OwnedFd>> {
        run_in(&self.netns, || (0..count).map(|_| socket::outgoing(kind, family)).collect())?
    }
}

impl SocketSource for NamespaceSockets {
    async fn socket(&self, kind: SocketKind, family: Family) -> io::Result<OwnedFd> {
        // Tens of microseconds without waiting for anything: not worth a blocking pool.
        run_in(&self.netns, || socket::outgoing(kind, family))?
    }
}
