//! What a server's end puts up with, and what it finds.

use std::time::Duration;

use ripstop_h1::{Limits, Rejected};

use crate::Fault;

/// What a server's end puts up with.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Of the protocol.
    pub limits: Limits,
    /// How long a connection may wait for its next request. Default 60 s.
    pub idle: Duration,
    /// How long a head may take from its first byte to its last. Default 15 s.
    pub head: Duration,
    /// How much of a request's body that nobody wants is read so that the connection can be used again, in bytes.
    /// Default 64 KiB.
    pub unwanted: usize,
    /// How long a client gets to take the last answer, or to send the rest of an unwanted body. Default 5 s.
    pub linger: Duration,
    /// What a client means that ends its sending side while it waits for an answer. Default [`HalfClose::Leaves`].
    pub half_close: HalfClose,
}

/// What the end of a client's sending side means while it waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HalfClose {
    /// It has gone, as Envoy, nginx and Go take it; most clients close both sides at once.
    Leaves,
    /// It still listens, as scripts do that pipe a request into a socket.
    Listens,
}

/// What [`Http1Server::poll_next`](super::Http1Server::poll_next) found.
#[derive(Debug)]
pub enum Next {
    /// A request: see [`Http1Server::head`](super::Http1Server::head).
    Request,
    /// Something that is answered with [`Refusal::status`], and ends the connection.
    Refused(Refusal),
    /// The connection is over, and wants [`Http1Server::poll_close`](super::Http1Server::poll_close).
    Closed(Closed),
}

/// Why something was refused that might have become a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is no request, or one beyond the limits.
    Malformed(Rejected),
    /// Its head took too long.
    Slow,
}

/// Why no further request comes.
#[derive(Debug)]
pub enum Closed {
    /// The client has ended the connection between two requests.
    ByClient,
    /// The last answer said that the connection ends.
    Announced,
    /// No request came for long.
    Idle,
    /// [`Http1Server::drain`](super::Http1Server::drain) was called.
    Drained,
    /// The connection failed, or ended in the middle of a head.
    Failed(Fault),
}

// === impl ServerOptions ===

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            idle: Duration::from_secs(60),
            head: Duration::from_secs(15),
            unwanted: 64 * 1024,
            linger: Duration::from_secs(5),
            half_close: HalfClose::Leaves,
        }
    }
}

// === impl Refusal ===

impl Refusal {
    /// The status to answer with.
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed(rejected) => rejected.status(),
            Self::Slow => 408,
        }
    }
}
