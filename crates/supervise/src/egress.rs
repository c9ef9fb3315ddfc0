//! What the broker grants: a pure rule over destination and policy.

use std::{fmt, net::IpAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// The mesh's wishes, as `Mesh.spec.egress` and `Mesh.spec.dns` say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EgressRules {
    /// Granted although the rule would refuse it.
    pub(crate) allow: Vec<IpNet>,
    /// Refused in any case.
    pub(crate) deny: Vec<IpNet>,
    /// Resolvers for foreign names; empty: those of the host.
    pub(crate) dns_upstream: Vec<IpAddr>,
}

/// How a socket leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Transport {
    #[default]
    Tcp,
    Udp,
}

/// Whether the destination is one of the host's own addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Host,
    Other,
}

/// Why a destination is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Denied,
    Unspecified,
    Loopback,
    LinkLocal,
    Multicast,
    OwnAddress,
    Udp,
}

// === impl EgressRules ===

impl EgressRules {
    /// Decides on `destination`. IPv4-mapped IPv6 addresses count as IPv4.
    pub(crate) fn judge(&self, destination: IpAddr, transport: Transport, owner: Owner) -> Result<(), Refusal> {
        let destination = destination.to_canonical();
        let named = |nets: &[IpNet]| nets.iter().any(|net| net.contains(&destination));
        if named(&self.deny) {
            return Err(Refusal::Denied);
        }
        // The kernel takes it for the loopback address: never.
        if is_unspecified(destination) {
            return Err(Refusal::Unspecified);
        }
        if named(&self.allow) {
            return Ok(());
        }
        let refusal = if is_loopback(destination) {
            Some(Refusal::Loopback)
        } else if is_link_local(destination) {
            Some(Refusal::LinkLocal)
        } else if is_multicast(destination) {
            Some(Refusal::Multicast)
        } else if owner == Owner::Host {
            Some(Refusal::OwnAddress)
        } else if transport == Transport::Udp {
            Some(Refusal::Udp)
        } else {
            None
        };
        refusal.map_or(Ok(()), Err)
    }
}

// === impl Refusal ===

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self {
            Self::Denied => return f.write_str("Mesh spec.egress.deny names it"),
            Self::Unspecified => return f.write_str("it is no address to connect to"),
            Self::Udp => return f.write_str("UDP leaves the mesh only as DNS, unless Mesh spec.egress.allow names it"),
            Self::Loopback => "the host's loopback",
            Self::LinkLocal => "a link-local address",
            Self::Multicast => "a multicast or broadcast address",
            Self::OwnAddress => "an address of the host itself",
        };
        write!(f, "it is {what}; Mesh spec.egress.allow can name it")
    }
}

fn is_unspecified(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.octets()[0] == 0,
        IpAddr::V6(v6) => v6.is_unspecified(),
    }
}

/// `::a.b.c.d` of the deprecated IPv4-compatible form counts by its IPv4 address.
fn is_loopback(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.to_ipv4().is_some_and(|v4| v4.is_loopback()),
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

fn is_multicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_multicast() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_multicast(),
    }
}

#[cfg(test)]
mod tests;
