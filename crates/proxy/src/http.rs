//! HTTP in the proxy: where routes, policies or metrics ask for more than connections.

pub mod arrive;
pub mod connection;
pub mod detect;
pub mod forward;
pub mod head;
pub mod inbound;
pub mod respond;
pub mod told;
