//! What a peer of the mesh has to get right, against peers that share nothing with our codecs: the libraries of the
//! field (`ripstop-library-tunnel`, `h2`, rustls), Python's `h2` on OpenSSL, and frames written by hand.
//!
//! The list is that of a proxy that has to speak to ztunnels, waypoints and gateways: frames, streams, signs of life,
//! requests, ends, TLS, identities. Of tunnels in tunnels there is the side that serves the inner one; the product does
//! not open them yet. Nor does it write PROXY headers to waypoints with an application tunnel.

mod interop {
    pub(crate) mod ends;
    pub(crate) mod frames;
    pub(crate) mod limits;
    pub(crate) mod peers;
    pub(crate) mod python;
    pub(crate) mod requests;
    pub(crate) mod tls;
}

#[allow(dead_code, reason = "shared with the unit tests, which use the rest")]
#[path = "../src/testing.rs"]
mod testing;

use ripstop_tunnel::{
    Accepted, ConnectRequest, Credentials, IncomingStream, TunnelError, TunnelKey, TunnelPool, TunnelStream, accept,
};
