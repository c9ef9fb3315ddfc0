//! HTTP in the proxy: where routes, policies or metrics ask for more than connections.

mod admission;
mod application;
pub mod arrive;
mod attempt;
mod attempts;
pub mod concurrency;
pub mod connected;
pub mod connection;
pub mod copies;
pub mod detect;
mod field_list;
pub mod filters;
pub mod followed;
pub mod forward;
pub mod global_limits;
mod grpc_web;
pub mod head;
mod hedging;
#[cfg(test)]
mod hostile;
pub mod inbound;
mod learned;
pub mod limits;
mod lost;
mod onward;
pub mod outbound;
mod passthrough;
pub mod patience;
pub mod respond;
mod retrying;
mod sessions;
mod spans;
pub mod standpoint;
pub mod told;
mod waiting;
