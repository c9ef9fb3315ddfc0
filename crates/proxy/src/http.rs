//! HTTP in the proxy: where routes, policies or metrics ask for more than connections.

pub mod detect;
