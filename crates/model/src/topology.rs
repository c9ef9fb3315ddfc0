//! What stands before gateways.

use std::sync::Arc;

use crate::RuleId;

/// What stands before a gateway (Istio's `gatewayTopology`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Topology {
    /// Proxies before it whose word in `x-forwarded-for` and `x-forwarded-proto` counts; nothing: none.
    pub trusted_proxies: Option<u32>,
    /// Whether whoever connects says by the PROXY protocol whom it speaks for.
    pub proxy_protocol: bool,
    /// What becomes of `x-forwarded-client-cert`; nothing: [`ForwardClientCert::SanitizeSet`].
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
