//! Connections that begin with the PROXY protocol, which names the client that they are made for.
//!
//! Nobody else's requests go by such a connection, and it ends with the client's own.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    rc::Rc,
    sync::{Arc, Weak},
};

use ripstop_model::ProxyProtocolVersion;
use ripstop_proxy_protocol::{Encoded, Header, Version};

use super::tend::Tending;

/// The ends of a client's connection.
#[derive(Debug)]
pub struct ClientEnds {
    source: SocketAddr,
    destination: SocketAddr,
    /// It has ended.
    over: Cell<bool>,
    /// Who looks after connections that were made for it.
    tending: RefCell<Vec<Weak<Tending>>>,
}

/// A client's connection while it lasts.
#[derive(Debug)]
pub struct ClientConnection(Rc<ClientEnds>);

/// What a connection begins with.
#[derive(Clone, Debug)]
pub(super) struct Announced {
    version: ProxyProtocolVersion,
    /// Nothing: the proxy itself.
    client: Option<Rc<ClientEnds>>,
}

// === impl ClientEnds ===

impl ClientEnds {
    /// Of a connection of `source`, which called `destination`.
    pub fn new(source: SocketAddr, destination: SocketAddr) -> Rc<Self> {
        Rc::new(Self { source, destination, over: Cell::new(false), tending: RefCell::default() })
    }

    /// `tending` is told of its end.
    fn tell(&self, tending: &Arc<Tending>) {
        let mut known = self.tending.borrow_mut();
        let tending = Arc::downgrade(tending);
        if !known.iter().any(|known| known.ptr_eq(&tending)) {
            known.retain(|known| known.strong_count() > 0);
            known.push(tending);
        }
    }
}

// === impl ClientConnection ===

impl ClientConnection {
    /// Of `source`, which called `destination`.
    pub fn new(source: SocketAddr, destination: SocketAddr) -> Self {
        Self(ClientEnds::new(source, destination))
    }

    /// Its ends.
    pub fn ends(&self) -> Rc<ClientEnds> {
        Rc::clone(&self.0)
    }
}

impl Drop for ClientConnection {
    fn drop(&mut self) {
        self.0.over.set(true);
        for tending in self.0.tending.take().iter().filter_map(Weak::upgrade) {
            tending.ring();
        }
    }
}

// === impl Announced ===

impl Announced {
    /// For that client. `tending` is told when it has gone.
    pub(super) fn new(version: ProxyProtocolVersion, client: Rc<ClientEnds>, tending: &Arc<Tending>) -> Self {
        client.tell(tending);
        Self { version, client: Some(client) }
    }

    /// For the proxy itself.
    pub(super) fn of_proxy(version: ProxyProtocolVersion) -> Self {
        Self { version, client: None }
    }

    /// What is sent before everything else.
    pub(super) fn header(&self) -> Encoded {
        let version = match self.version {
            ProxyProtocolVersion::V1 => Version::V1,
            ProxyProtocolVersion::V2 => Version::V2,
        };
        let header = match self.client.as_deref() {
            Some(ClientEnds { source, destination, .. }) => {
                Header::Proxied { source: *source, destination: *destination }
            }
            None => Header::Unnamed,
        };
        header.write(version)
    }

    /// Whether it is for the same client.
    pub(super) fn is_for(&self, other: &Self) -> bool {
        match (&self.client, &other.client) {
            (Some(client), Some(other)) => Rc::ptr_eq(client, other),
            (None, None) => true,
            _ => false,
        }
    }

    /// Whether it is of the same version.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.version == other.version
    }

    /// Whether its client has gone.
    pub(super) fn is_over(&self) -> bool {
        self.client.as_ref().is_some_and(|client| client.over.get())
    }
}
