//! What a matched rule does to a request and to its answer, besides choosing endpoints.
//!
//! Pure functions: random numbers and instants come in, changes of heads and answers go out. Where Istio leaves a choice
//! to Envoy, what Envoy 1.40 was seen to do is done here; each module says where it is not.
//!
//! The order for one request: [`weights`] picks a backend, [`fault`] delays or aborts, [`cors`] answers preflights,
//! [`affinity`] says which endpoint it belongs to, [`mirror`] picks copies, [`retry`] and [`timeout`] bound the attempts,
//! [`changes`] makes the heads that are sent on. [`respond`] makes the proxy's own answers.

pub mod affinity;
pub mod changes;
pub mod client_cert;
pub mod cors;
mod dice;
pub mod edits;
pub mod fault;
mod format;
pub mod grpc;
pub mod mirror;
pub mod origin;
pub mod request_id;
pub mod respond;
pub mod retry;
pub mod timeout;
pub mod weights;

use ripstop_telemetry::Headers;

/// The fields of a head, to be looked up and to be gone through.
pub trait Fields: Headers {
    /// Calls `visit` with the name, in any case, and the value of each, in order.
    fn each<'s>(&'s self, visit: &mut dyn FnMut(&'s [u8], &'s [u8]));
}

/// A request as it came, its path normalized.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Method.
    pub method: &'a str,
    /// Scheme.
    pub scheme: &'a str,
    /// Authority.
    pub authority: &'a str,
    /// Normalized path, without query.
    pub path: &'a str,
    /// Whether [`Self::path`] is the one that came.
    pub spelling: Spelling,
    /// Query without `?`; empty: none.
    pub query: &'a str,
    /// Fields.
    pub headers: &'a dyn Fields,
}

/// Whether a path is the one that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// It is.
    AsItCame,
    /// It was normalized: the one that came must not be sent on.
    Normalized,
}

impl Request<'_> {
    /// Whether it is a call of gRPC.
    pub fn is_grpc(&self) -> bool {
        grpc::is_grpc(self.headers.first("content-type"))
    }
}

#[cfg(test)]
mod samples;
