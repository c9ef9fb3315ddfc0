//! Where a request comes from, and what its fields may therefore say.
//!
//! Some fields are for proxies to tell each other, or for a caller to tell its own proxy. Whoever else sets them would
//! speak for the mesh, so they are taken out where a request crosses into it:
//!
//! - From outside, all of `x-envoy-` go: they would shape retries and timeouts, forge the path and the client that logs
//!   and applications read, and switch tracing on.
//! - From a workload to its own proxy, those that shape its call ([`Shaping`]) are obeyed, as far as they are about
//!   retries and timeouts, and end there; those that only proxies may tell end there, too.
//! - From the mesh to a waypoint, both kinds end unheard: a caller must not multiply the calls that others pay for. But
//!   how much time it has left is heard, there as of a workload, since that can only be less ([`timeout`](super::timeout)).
//!
//! Istio's `x-envoy-peer-metadata` names identities. No proxy of this mesh makes or believes it, so nobody behind it must
//! be led to: it never passes. Envoy as Istio configures it keeps it. What becomes of `x-forwarded-client-cert` is
//! [another matter](super::client_cert).
//!
//! Whether to obey a workload is where Envoy's versions differ: it does for requests from addresses that it is told are
//! internal, by default none any more; Istio's documentation promises it for outbound requests, and that is kept here.

use std::net::IpAddr;

use ripstop_telemetry::Headers;

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From outside of the mesh, at a gateway.
    Outside {
        /// The address that it came from; nothing: not known.
        client: Option<IpAddr>,
    },
    /// From outside of the mesh, by proxies before a gateway that are trusted.
    Behind {
        /// The address that it came from.
        proxy: IpAddr,
        /// Whom they name as its client; nothing: nobody.
        client: Option<IpAddr>,
    },
    /// From a workload, at its own proxy.
    Caller,
    /// From the mesh, at a waypoint.
    Mesh,
}

/// Prefix of the fields that Envoy's proxies tell each other.
const INTERNAL: &[u8] = b"x-envoy-";

/// By which callers shape their calls, without the prefix.
const SHAPING: [&[u8]; 11] = [
    b"retry-on",
    b"max-retries",
    b"retry-grpc-on",
    b"upstream-rq-timeout-ms",
    b"upstream-alt-stat-name",
    b"retriable-status-codes",
    b"retriable-header-names",
    b"hedge-on-per-try-timeout",
    b"upstream-stream-duration-ms",
    b"upstream-rq-per-try-timeout-ms",
    b"upstream-rq-timeout-alt-response",
];

/// What only a proxy may tell the next one, without the prefix.
const TOLD_BY_PROXIES: [&[u8]; 8] = [
    b"ip-tags",
    b"internal",
    b"force-trace",
    b"peer-metadata",
    b"peer-metadata-id",
    b"original-dst-host",
    b"expected-rq-timeout-ms",
    b"downstream-service-node",
];

/// What a caller asks of its own proxy for one call.
#[derive(Clone, Copy, Default)]
pub struct Shaping<'a>(Option<&'a dyn Headers>);

// === impl Origin ===

impl Origin {
    /// Whether a field, its name in any case, ends here.
    pub fn ends(self, name: &[u8]) -> bool {
        let Some((prefix, rest)) = name.split_at_checked(INTERNAL.len()) else { return false };
        if !prefix.eq_ignore_ascii_case(INTERNAL) {
            return false;
        }
        let listed = || SHAPING.iter().chain(&TOLD_BY_PROXIES).any(|known| known.eq_ignore_ascii_case(rest));
        self.is_outside() || listed()
    }

    /// Whether it is from outside of the mesh.
    pub fn is_outside(self) -> bool {
        matches!(self, Self::Outside { .. } | Self::Behind { .. })
    }

    /// What of a request shapes its call.
    pub fn shaping(self, headers: &dyn Headers) -> Shaping<'_> {
        Shaping((self == Self::Caller).then_some(headers))
    }
}

// === impl Shaping ===

impl<'a> Shaping<'a> {
    /// Nothing is asked for.
    pub const NONE: Shaping<'static> = Shaping(None);

    /// What is asked for by that name.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.0.and_then(|headers| headers.first(name)).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The same, if it is a number.
    pub fn number<N: std::str::FromStr>(&self, name: &str) -> Option<N> {
        self.text(name).and_then(|text| text.trim().parse().ok())
    }
}

#[cfg(test)]
mod tests;
