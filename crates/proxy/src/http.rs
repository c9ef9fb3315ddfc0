//! HTTP in the proxy: where routes, policies or metrics ask for more than connections.

pub mod arrive;
mod attempts;
pub mod connection;
pub mod detect;
mod field_list;
#[expect(dead_code, reason = "gateways, waypoints and mirrors, which use the rest of it, are not there yet")]
pub mod filters;
pub mod forward;
pub mod head;
pub mod inbound;
pub mod outbound;
pub mod respond;
pub mod standpoint;
pub mod told;
