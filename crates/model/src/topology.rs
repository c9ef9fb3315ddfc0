//! What stands before gateways.

use std::sync::Arc;

use crate::RuleId;

/// What stands before a gateway (Istio's `gatewayTopology`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Topology {
    /// Proxies before it whose word in `x-forwarded-for` counts; nothing: what others say, else none.
    pub trusted_proxies: Option<u32>,
    /// Whether whoever connects says by the PROXY protocol whom it speaks for.
    pub proxy_protocol: bool,
    /// What becomes of `x-forwarded-client-cert`; nothing: what others say, else [`ForwardClientCert::SanitizeSet`].
    pub client_cert: Option<ForwardClientCert>,
}

/// What becomes of `x-forwarded-client-cert`, by which a proxy tells of its client's certificate. Of clients without one
/// it is taken away, but for the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ForwardClientCert {
    /// It is taken away.
    Sanitize,
    /// It passes.
    ForwardOnly,
    /// The client's certificate is added.
    AppendForward,
    /// The client's certificate stands there, and nothing else.
    SanitizeSet,
    /// It passes, whoever sends it.
    AlwaysForwardOnly,
}

/// What an object says of what stands before one gateway, which is the process of its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayTopology {
    /// The object.
    pub id: RuleId,
    /// Namespace.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// What it says.
    pub topology: Topology,
}

// === impl Topology ===

impl Topology {
    /// This, and where it says nothing, `default`.
    #[must_use]
    pub fn or(self, default: Self) -> Self {
        Self {
            trusted_proxies: self.trusted_proxies.or(default.trusted_proxies),
            proxy_protocol: self.proxy_protocol || default.proxy_protocol,
            client_cert: self.client_cert.or(default.client_cert),
        }
    }
}
