//! Names of the mesh, and nothing else: a workload asks for
//! `reviews.bookinfo.svc.cluster.local` and gets the service's address.
//!
//! [`answer`] is the whole of it as a pure function from a query and a snapshot
//! to a [`Decision`]; [`DnsServer`] is its shell for UDP and TCP, and hands
//! foreign names to a [`Forwarder`].
//!
//! This crate never resolves, caches or changes anything that is not the mesh's:
//! foreign queries and answers pass byte by byte.

mod answer;
mod name;
mod quota;
mod reply;
mod server;

pub use answer::{Asker, Decision, Transport, answer, server_failure};
pub use server::{DnsServer, ForwardFuture, Forwarder, Limits};
