//! TLS on the wire.
