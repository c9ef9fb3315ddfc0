//! From "this request shall go to that target" to a connection to send it on.
//!
//! [`Backends`] is what all workers of the proxy share: for each `BackendKey` (a caller, a host, a subset, a port) a
//! `SharedBackend`, with limits, ejections and endpoints as the current configuration has them. [`WorkerBackends`]
//! is one worker's end of it: a [`WorkerBackend`] picks among the endpoints and keeps the worker's connections to them.
//!
//! ```text
//! let backend = context.backends.backend(&context, &program, &caller, &target);
//! backend.ready().await;                                              // the first answer of DNS, if it needs any
//! let active = backend.acquire(Resource::Request)?;                   // Overflow: flag UO
//! let picked = backend.pick(&criteria, original, random())?;          // Refused: flag UH
//! tried.note(&picked);
//! let wanted = Wanted::Configured(client);
//! let mut connection = backend.checkout(&context, picked.key(), wanted, authority, client).await?;
//! let mut upstream = connection.upstream();                           // for the pump
//! connection.release();                                               // after the end of the answer
//! backend.tell(&picked, outcome);
//! ```
//!
//! A connection is used again only for what it was made for: the same caller and callee with the same identities, the
//! same address, the same TLS, and, where it begins with the PROXY protocol, the same client. Requests that are under way when that changes go on.

mod announced;
mod checks;
mod counts;
mod endpoint;
mod endpoints;
mod error;
mod facts;
mod hedged;
mod http1;
mod http2;
mod key;
mod open;
mod opening;
mod originate;
mod permit;
mod pool;
mod purpose;
mod resolve;
mod sessions;
mod shared;
mod state;
mod tend;
mod through;
mod worker;

#[cfg(test)]
mod simulation;
#[cfg(test)]
pub(crate) mod testing;

use ripstop_exchange::{Protocol, Upstream};

use self::facts::Facts;
pub use self::{
    announced::{ClientConnection, ClientEnds},
    endpoint::EndpointKey,
    error::BackendError,
    facts::HttpVersion,
    hedged::Hedged,
    http1::PooledHttp1,
    http2::PooledHttp2,
    key::{PASSTHROUGH, cluster_name},
    open::keep_alive,
    purpose::Sent,
    shared::Backends,
    worker::{Session, WorkerBackend, WorkerBackends},
};

/// Which HTTP a request wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// HTTP/1.1, whatever is declared: to switch to another protocol.
    Http1,
    /// HTTP/2, whatever is declared: for calls of gRPC of the proxy's own.
    Http2,
    /// What port and settings say for a client that speaks this.
    Configured(Protocol),
    /// HTTP/2 if port and settings say so, else HTTP/1.1: for a WebSocket, which both have.
    WebSocket,
}

/// A connection, or a place on one, for one request.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a box would be an allocation for each request")]
pub enum Connection {
    /// Of HTTP/1.1.
    Http1(PooledHttp1),
    /// Of HTTP/2.
    Http2(PooledHttp2),
}

/// What a connection, or a place on one, takes of limits, while somebody uses it.
#[derive(Debug)]
pub struct Hold<'c>(Held<'c>);

#[derive(Debug)]
enum Held<'c> {
    Http1(&'c mut Option<permit::ConnectionPermit>),
    Http2(&'c mut Option<http2::Place>),
}

// === impl Hold ===

impl Hold<'_> {
    /// Its request was reset: others may have what it takes, though it is still there.
    pub fn let_go(self) {
        match self.0 {
            Held::Http1(permit) => drop(permit.take()),
            Held::Http2(place) => drop(place.take()),
        }
    }
}

// === impl Wanted ===

impl Wanted {
    fn version(self, facts: &Facts, endpoint: &EndpointKey) -> HttpVersion {
        match self {
            Self::Http1 => HttpVersion::Http1,
            Self::Http2 => HttpVersion::Http2,
            Self::WebSocket => facts.version_for(Protocol::Http11, endpoint),
            Self::Configured(client) => facts.version_for(client, endpoint),
        }
    }
}

// === impl Connection ===

impl Connection {
    /// Where the request goes.
    pub fn upstream(&mut self) -> Upstream<'_> {
        match self {
            Self::Http1(http1) => Upstream::Http1(http1.client()),
            Self::Http2(http2) => Upstream::Http2(http2.call()),
        }
    }

    /// As [`Self::upstream`], and what counts it.
    pub fn parts(&mut self) -> (Upstream<'_>, Hold<'_>) {
        match self {
            Self::Http1(http1) => {
                let (client, permit) = http1.parts();
                (Upstream::Http1(client), Hold(Held::Http1(permit)))
            }
            Self::Http2(http2) => {
                let (call, place) = http2.parts();
                (Upstream::Http2(call), Hold(Held::Http2(place)))
            }
        }
    }

    /// Whether another protocol can be asked for by it: always by HTTP/1.1, and by HTTP/2 if its server has said so.
    pub fn may_switch(&self) -> bool {
        match self {
            Self::Http1(_) => true,
            Self::Http2(http2) => http2.may_switch(),
        }
    }

    /// Whom it leads to.
    pub fn endpoint(&self) -> &EndpointKey {
        match self {
            Self::Http1(http1) => http1.endpoint(),
            Self::Http2(http2) => http2.endpoint(),
        }
    }

    /// Whether other requests went by it before: then the peer may have closed it while the request was on its way.
    pub fn is_reused(&self) -> bool {
        match self {
            Self::Http1(http1) => http1.is_reused(),
            Self::Http2(http2) => http2.is_reused(),
        }
    }

    /// Gives it back after the end of the request and its answer. Just dropped, HTTP/1.1 is closed, and a stream of
    /// HTTP/2 is reset unless it has ended.
    pub fn release(self) {
        match self {
            Self::Http1(http1) => http1.release(),
            Self::Http2(http2) => drop(http2),
        }
    }
}
