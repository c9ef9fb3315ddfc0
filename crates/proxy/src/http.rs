//! HTTP in the proxy: where routes, policies or metrics ask for more than connections.

mod admission;
mod application;
pub mod arrive;
mod attempts;
pub mod connection;
pub mod copies;
pub mod detect;
mod field_list;
pub mod filters;
pub mod forward;
mod grpc_web;
pub mod head;
pub mod inbound;
mod learned;
pub mod limits;
mod lost;
pub mod outbound;
mod passthrough;
pub mod respond;
mod spans;
pub mod standpoint;
pub mod told;
mod waiting;
