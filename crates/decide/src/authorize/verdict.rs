//! Whether something may come in, and why not.

use std::{fmt, sync::Arc};

use ripstop_model::{RuleId, SpiffeId, TrustDomain};

/// Whether it may come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Allow {
        /// The rule that says so; nothing: no policy of action ALLOW applies.
        rule: Option<RuleId>,
    },
    /// It may not: plaintext is reset, a tunnel's stream refused.
    Deny {
        /// Why.
        reason: DenyReason,
        /// The policy or rule that says so; nothing: the mesh's settings or the nature of the thing.
        policy: Option<RuleId>,
    },
}

/// Why something may not come in.
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
    /// A workload is in quarantine, and the other end is nobody that it may speak with.
    Quarantine {
        /// The workload, `namespace/name`.
        workload: Arc<str>,
    },
    /// A rule of action DENY matches.
    Rule,
    /// A rule of action CUSTOM matches, and its provider is not declared, not the only one, or cannot be asked.
    Authorizer {
        /// Name of the provider.
        provider: Arc<str>,
    },
    /// Policies of action ALLOW apply, and no rule of theirs matches.
    NotAllowed {
        /// One of those policies, the oldest.
        policy: RuleId,
        /// How many there are.
        count: usize,
    },
}

// === impl Verdict ===

impl Verdict {
    /// Whether it may come in.
    pub fn is_allow(&self) -> bool {
        matches!(self, Self::Allow { .. })
    }

    /// A short stable word for it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Allow { .. } => "allowed",
            Self::Deny { reason, .. } => reason.as_str(),
        }
    }

    /// The rule or policy that says so; where no rule of several policies matched, the oldest of them.
    pub fn policy(&self) -> Option<&RuleId> {
        match self {
            Self::Allow { rule } => rule.as_ref(),
            Self::Deny { reason: DenyReason::NotAllowed { policy, .. }, .. } => Some(policy),
            Self::Deny { policy, .. } => policy.as_ref(),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow { rule: None } => f.write_str("allowed"),
            Self::Allow { rule: Some(rule) } => write!(f, "allowed by {rule}"),
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
            Self::Quarantine { .. } => "quarantine",
            Self::Rule => "rbac_denied",
            Self::NotAllowed { .. } => "rbac_not_allowed",
            Self::Authorizer { .. } => "authorizer_not_asked",
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
            Self::Quarantine { workload } => write!(
                f,
                "{workload} is in quarantine, and the other end proves no identity that it may speak with; `ripstop quarantine --release` ends it"
            ),
            Self::Rule => f.write_str("a rule of action DENY matches; `ripstop explain` tells which condition"),
            Self::NotAllowed { policy, count: 1 } => {
                write!(f, "{policy} allows what it lists only, and this is not among it; `ripstop explain` tells why")
            }
            Self::NotAllowed { policy, count } => write!(
                f,
                "no rule of {count} policies of action ALLOW matches ({policy} is the oldest); `ripstop explain` tells why"
            ),
            Self::Authorizer { provider } => {
                write!(f, "the external authorizer {provider:?} would have to be asked, and cannot be")
            }
        }
    }
}
