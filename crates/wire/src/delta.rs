//! Both ends of delta discovery (`DeltaAggregatedResources`), as state machines
//! without sockets and clocks.
//!
//! To our own clients each push ends with a `Commit{version, counts}`. The
//! client ([`DeltaClient`]) stages what arrives, compares its totals with the
//! counts, and hands out the whole as one [`CommittedUpdate`]; the answer to
//! the commit is the acknowledgement of the version. The server
//! ([`DeltaServer`], one per connection) sends the difference between what the
//! client has and the newest [`ResourceSet`]. At most one commit is
//! unacknowledged at a time, and what changes meanwhile goes into the next.
//! Clients that do not subscribe to commits get each type on its own, what is
//! named before what names it.

mod client;
mod server;
mod set;

pub use client::{CommittedUpdate, DeltaClient, Event, ProtocolError, Received};
pub use server::{DeltaServer, Nack, RequestError};
pub use set::{Entry, ResourceSet};

/// Upper bound of a response's size, unless a single resource is larger.
pub const MAX_RESPONSE: usize = 4 * 1024 * 1024;

/// What servers and clients should accept as one message: the first request of a type names every
/// resource that the client has.
pub const MAX_MESSAGE: usize = 64 * 1024 * 1024;

/// Name of the resource that ends a push.
pub const COMMIT_NAME: &str = "commit";

const WILDCARD: &str = "*";

#[cfg(test)]
mod tests;
