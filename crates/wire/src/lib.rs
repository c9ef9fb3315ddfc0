//! The protobuf that crosses processes.
//!
//! [`discovery`], [`workload`], [`ripstop`], [`ca`], [`health`] and [`rate_limit`] are generated, with
//! clients and servers. Conversions lead from the model to resources
//! (`encode_*`, giving [`Encoded`] or a [`ResourceChange`]) and back
//! ([`snapshot_changes`], and [`mesh`], [`node`], [`process`] one by one). [`delta`] holds both ends of
//! delta discovery as state machines: [`delta::DeltaClient`] and
//! [`delta::DeltaServer`] over a [`delta::ResourceSet`].
//!
//! Decoding is lossless for what our own parts wrote, tolerant of what a foreign
//! control plane leaves out or adds, and strict on what is malformed. This
//! crate opens no sockets, reads no files and knows no clock.

pub mod address;
pub mod authorization;
mod change;
pub mod credential;
pub mod delta;
mod error;
mod field;
pub mod gate;
pub mod group;
mod health_check;
pub mod mesh;
pub mod node;
pub mod peer_authentication;
mod place;
pub mod process;
pub mod sidecar;
mod snapshot;
mod target;
#[cfg(test)]
mod testing;
mod traffic;
pub mod type_url;

/// Envoy's delta discovery protocol (`envoy.service.discovery.v3`).
#[allow(missing_docs, clippy::all, clippy::pedantic)] // generated
pub mod discovery {
    include!("generated/discovery.rs");
}

/// Istio's workload discovery API (`istio.workload`).
#[allow(missing_docs, clippy::all, clippy::pedantic)] // generated
pub mod workload {
    include!("generated/workload.rs");
}

/// What only Ripstop's own parts say (`ripstop.v1`).
#[allow(missing_docs, clippy::all, clippy::pedantic)] // generated
pub mod ripstop {
    include!("generated/ripstop.rs");
}

/// Istio's certificate service (`istio.v1.auth`).
#[allow(missing_docs, clippy::all, clippy::pedantic)] // generated
pub mod ca {
    include!("generated/ca.rs");
}

/// The field's way to ask whether a server is well (`grpc.health.v1`).
#[allow(missing_docs, clippy::all, clippy::pedantic)] // generated
pub mod health {
    include!("generated/health.rs");
}

/// How services of limits are asked (`envoy.service.ratelimit.v3`).
#[allow(missing_docs, clippy::all, clippy::pedantic)] // generated
pub mod rate_limit {
    include!("generated/rate_limit.rs");
}

pub use address::{encode_service, encode_workload};
pub use authorization::encode_authorization;
pub use change::{Encoded, ResourceChange};
pub use credential::encode_credential;
pub use error::DecodeError;
pub use group::encode_group;
pub use health_check::{HEALTH_CHECK, NotWell, health_answer, health_question};
pub use mesh::encode_mesh;
pub use node::encode_node;
pub use peer_authentication::encode_peer_authentication;
pub use process::encode_process;
pub use sidecar::encode_sidecar;
pub use snapshot::snapshot_changes;
pub use traffic::{decode_traffic, encode_traffic};
