//! Names of the headers that travel with a CONNECT.

/// What a workload says of itself (W3C Baggage; keys of istio.io's HBONE).
pub(crate) const BAGGAGE: &str = "baggage";
/// `for="ip:port"`, with `;host=<service>` when a service was addressed (RFC 7239).
pub(crate) const FORWARDED: &str = "forwarded";
/// W3C Trace Context.
pub(crate) const TRACEPARENT: &str = "traceparent";
/// Network of origin, in the inner request of a tunnel in a tunnel.
pub(crate) const X_FORWARDED_NETWORK: &str = "x-forwarded-network";
