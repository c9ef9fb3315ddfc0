//! Whether an inbound connection may reach a workload.

use std::{fmt, net::SocketAddr};

use ripstop_model::{MtlsMode, RuleId, Snapshot, SpiffeId, TrustDomain, Workload};

use crate::{MtlsVerdict, PROXY_PORTS, peer_authentication};

/// What is known of an inbound connection.
#[derive(Clone, Copy, Debug)]
pub struct InboundFacts<'a> {
    /// The workload that is called.
    pub destination: &'a Workload,
    /// The port that is called: the workload's, not a service's.
    pub port: u16,
    /// The verified identity of the caller; nothing: the connection came as plaintext.
    pub peer: Option<&'a SpiffeId>,
    /// Address of the caller, as far as known. Never decides about mutual TLS.
    pub source: Option<SocketAddr>,
}

/// Whether the connection may come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Allow,
    /// It may not: plaintext is reset, a tunnel's stream refused.
    Deny {
        /// Why.
        reason: DenyReason,
        /// The policy that says so; nothing: the mesh's settings or the nature of the thing.
        policy: Option<RuleId>,
    },
}

/// Why a connection may not come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DenyReason {
    /// The port takes mutual TLS only, and this is plaintext.
    Plaintext {
        /// The port.
        port: u16,
    },
    /// The port takes plaintext only, and this is a tunnel.
    Tunnel {
        /// The port.
        port: u16,
    },
    /// The caller belongs to another trust domain.
    TrustDomain {
        /// The caller.
        peer: SpiffeId,
        /// The mesh's own domain.
        expected: TrustDomain,
    },
    /// The port is the proxy's own.
    ProxyPort {
        /// The port.
        port: u16,
    },
}

/// Whether the connection may come in: STRICT refuses plaintext, DISABLE refuses tunnels, and a
/// caller in a tunnel must be of the mesh's trust domain.
pub fn authorize(snapshot: &Snapshot, facts: &InboundFacts<'_>) -> Verdict {
    let port = facts.port;
    if PROXY_PORTS.contains(&port) {
        return Verdict::Deny { reason: DenyReason::ProxyPort { port }, policy: None };
    }
    if let Some(peer) = facts.peer {
        let expected = &snapshot.mesh().trust_domain;
        if peer.trust_domain() != *expected {
            let reason = DenyReason::TrustDomain { peer: peer.clone(), expected: expected.clone() };
            return Verdict::Deny { reason, policy: None };
        }
    }
    let MtlsVerdict { mode, policy, .. } = peer_authentication(snapshot, facts.destination, port);
    match (mode, facts.peer) {
        (MtlsMode::Strict, None) => Verdict::Deny { reason: DenyReason::Plaintext { port }, policy },
        (MtlsMode::Disable, Some(_)) => Verdict::Deny { reason: DenyReason::Tunnel { port }, policy },
        (MtlsMode::Strict, Some(_)) | (MtlsMode::Disable, None) | (MtlsMode::Permissive, _) => Verdict::Allow,
    }
}

// === impl Verdict ===

impl Verdict {
    /// Whether the connection may come in.
    pub fn is_allow(&self) -> bool {
        matches!(self, Self::Allow)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow => f.write_str("allowed"),
            Self::Deny { reason, policy: Some(policy) } => write!(f, "denied by {policy}: {reason}"),
            Self::Deny { reason, policy: None } => write!(f, "denied: {reason}"),
        }
    }
}

// === impl DenyReason ===

impl DenyReason {
    /// A short stable word for logs and metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Plaintext { .. } => "plaintext_to_strict",
            Self::Tunnel { .. } => "tunnel_to_disabled",
            Self::TrustDomain { .. } => "foreign_trust_domain",
            Self::ProxyPort { .. } => "proxy_port",
        }
    }
}

impl fmt::Display for DenyReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plaintext { port } => write!(
                f,
                "port {port} is STRICT and takes mutual TLS only, but the caller spoke plaintext; is the caller enrolled in the mesh?"
            ),
            Self::Tunnel { port } => write!(
                f,
                "mutual TLS is set to DISABLE on port {port}, which takes plaintext only; the caller may hold an older configuration"
            ),
            Self::TrustDomain { peer, expected } => {
                write!(f, "the caller {peer} is not of the trust domain {expected}")
            }
            Self::ProxyPort { port } => write!(f, "port {port} belongs to the proxy and is no port of the application"),
        }
    }
}

#[cfg(test)]
mod tests;
