//! Mesh-wide settings and the machines of the mesh.

use std::{net::IpAddr, sync::Arc};

use ipnet::IpNet;

use crate::{Labels, MtlsMode, SessionKey, TrustDomain};

/// Settings of the whole mesh (object `Mesh`, `ripstop.dev/v1alpha1`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeshConfig {
    /// Trust domain of all identities.
    pub trust_domain: TrustDomain,
    /// Further trust domains whose identities count as the mesh's own.
    pub trust_domain_aliases: Vec<TrustDomain>,
    /// Foreign trust domains whose identities may be proven here; policies say what they may do.
    pub federated_domains: Vec<TrustDomain>,
    /// Roots beside those of the mesh's own authority.
    pub trust_anchors: Vec<TrustAnchor>,
    /// Suffix of service names: `svc.cluster.local`.
    pub service_domain: Arc<str>,
    /// Namespace whose policies are mesh-wide: `istio-system`.
    pub root_namespace: Arc<str>,
    /// Mode of mutual TLS where no `PeerAuthentication` speaks.
    pub default_mtls: MtlsMode,
    /// Verbosity of all roles.
    pub log_level: LogLevel,
    /// What workloads may reach outside of the mesh.
    pub egress: EgressPolicy,
    /// Cluster id in metrics and workload uids.
    pub cluster: Arc<str>,
    /// Resolvers for foreign names; empty: those of the host.
    pub dns_upstream: Vec<IpAddr>,
    /// How proxies name endpoints in the cookies of sessions; nothing: there are no sessions.
    pub session_key: Option<SessionKey>,
    /// Namespaces whose workloads have proxies of their own unless they say something else, in order. Whoever starts
    /// workloads is told; proxies are not.
    pub injecting: Vec<Arc<str>>,
}

/// Roots of somebody else's authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustAnchor {
    /// Trust domains that they vouch for; empty: the mesh's own and its aliases.
    pub domains: Vec<TrustDomain>,
    /// Their certificates, in PEM; empty: none can be used, and they vouch for nobody.
    pub pem: Arc<str>,
}

/// What the broker grants beyond its rule: any address except the host's
/// loopback, link-local and own addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EgressPolicy {
    /// Refused by default, but allowed here (host loopback, link-local, own addresses).
    pub allow: Vec<IpNet>,
    /// Refused although the rule would allow it.
    pub deny: Vec<IpNet>,
}

/// Verbosity of logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    /// Only errors.
    Error,
    /// And warnings.
    Warn,
    /// And what an operator wants to see: the default.
    #[default]
    Info,
    /// And what a developer wants to see.
    Debug,
    /// Everything.
    Trace,
}

/// A machine of the mesh (object `Node`, `ripstop.dev/v1alpha1`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSpec {
    /// Name.
    pub name: Arc<str>,
    /// Labels.
    pub labels: Labels,
    /// Addresses of its workloads: at most one block a family. Empty families are assigned.
    pub pod_cidrs: Vec<IpNet>,
}

impl Default for MeshConfig {
    fn default() -> Self {
        Self {
            trust_domain: TrustDomain::default(),
            trust_domain_aliases: Vec::new(),
            federated_domains: Vec::new(),
            trust_anchors: Vec::new(),
            service_domain: "svc.cluster.local".into(),
            root_namespace: "istio-system".into(),
            default_mtls: MtlsMode::Permissive,
            log_level: LogLevel::default(),
            egress: EgressPolicy::default(),
            cluster: "Ripstop".into(),
            dns_upstream: Vec::new(),
            session_key: None,
            injecting: Vec::new(),
        }
    }
}

impl MeshConfig {
    /// Whether identities of `domain` may be proven here at all.
    pub fn trusts(&self, domain: &str) -> bool {
        self.counts_as_own(domain) || self.federated_domains.iter().any(|other| other.as_str() == domain)
    }

    /// Whether identities of `domain` are those of the mesh: it is its own, or an alias.
    pub fn counts_as_own(&self, domain: &str) -> bool {
        self.trust_domain.as_str() == domain || self.trust_domain_aliases.iter().any(|alias| alias.as_str() == domain)
    }
}

impl LogLevel {
    /// The level's name as `tracing` filters spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}
