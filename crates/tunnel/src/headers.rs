//! Names of the headers that HBONE uses.

pub(crate) const BAGGAGE: &[u8] = b"baggage";
pub(crate) const FORWARDED: &[u8] = b"forwarded";
pub(crate) const TRACEPARENT: &[u8] = b"traceparent";
pub(crate) const X_FORWARDED_NETWORK: &[u8] = b"x-forwarded-network";
