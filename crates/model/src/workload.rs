//! Workloads: the processes that speak.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use crate::{
    DataplaneMode, Enrolment, IdentityError, Labels, ProcessKind, Quarantine, ServiceKey, SpiffeId, TrustDomain,
    Waypoint, WorkloadUid,
};

/// One running instance: an address, an identity and labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Unique for its whole life; never reused, unlike its addresses.
    pub uid: WorkloadUid,
    /// Instance name (`reviews-v1-0`).
    pub name: Arc<str>,
    /// Namespace.
    pub namespace: Arc<str>,
    /// Addresses, IPv4 first.
    pub addresses: Vec<IpAddr>,
    /// Node it runs on.
    pub node: Arc<str>,
    /// Service account; with trust domain and namespace this is its identity.
    pub service_account: Arc<str>,
    /// Trust domain.
    pub trust_domain: TrustDomain,
    /// Labels, for subsets and selectors.
    pub labels: Labels,
    /// Name of the owner (`reviews-v1`), Istio's workload name.
    pub workload_name: Arc<str>,
    /// Canonical service (istio.md 6.7).
    pub canonical_name: Arc<str>,
    /// Canonical revision; `latest` if none is given.
    pub canonical_revision: Arc<str>,
    /// How it is reached *now*: [`TunnelProtocol::Hbone`] only once its capture is in place.
    pub tunnel: TunnelProtocol,
    /// Speaks HBONE itself (label `networking.istio.io/tunnel: http`): never captured.
    pub native_tunnel: bool,
    /// Whether it is a proxy of the mesh itself.
    pub kind: ProcessKind,
    /// Whether it is meant to be in the mesh.
    pub enrolment: Enrolment,
    /// Nothing: it is not cut off.
    pub quarantine: Option<Arc<Quarantine>>,
    /// Ready for traffic.
    pub health: Health,
    /// Services it is an endpoint of, and its ports for each.
    pub services: Vec<(ServiceKey, Vec<PortMapping>)>,
    /// Cluster id.
    pub cluster: Arc<str>,
    /// Nothing: it is a member of no group.
    pub group: Option<Arc<Membership>>,
    /// Through whom its own addresses are called; nothing: callers go to it.
    pub waypoint: Option<Waypoint>,
}

/// What a workload has as a member of a group (Istio's `WorkloadGroup`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Name of the group, in the workload's namespace.
    pub group: Arc<str>,
    /// Share of what is sent to it, at least 1.
    pub weight: u32,
    /// Port name → number: its ports behind those of services and hosts that have these names.
    pub ports: BTreeMap<Arc<str>, u16>,
}

/// How a workload is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TunnelProtocol {
    /// Plain TCP.
    #[default]
    None,
    /// HTTP/2 CONNECT over mutual TLS on port 15008.
    Hbone,
}

/// Readiness of a workload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Health {
    /// Takes new connections.
    #[default]
    Healthy,
    /// Gets no new connections, unless the service publishes unready addresses.
    Unhealthy,
}

/// A service port and the port it leads to at one workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortMapping {
    /// Port of the service.
    pub service_port: u16,
    /// Port of the workload.
    pub target_port: u16,
}

// === impl Workload ===

impl Workload {
    /// Whether it is served by a proxy of its own: it asks for one, and has none in itself.
    pub fn has_sidecar(&self) -> bool {
        self.enrolment.mode == DataplaneMode::Sidecar && self.kind == ProcessKind::Command && !self.native_tunnel
    }

    /// The identity it proves by its SVID.
    pub fn identity(&self) -> Result<SpiffeId, IdentityError> {
        SpiffeId::service_account(&self.trust_domain, &self.namespace, &self.service_account)
    }

    /// Its port behind `port` of the service `key`.
    pub fn target_port(&self, key: &ServiceKey, port: u16) -> Option<u16> {
        let (_, ports) = self.services.iter().find(|(service, _)| service == key)?;
        ports.iter().find(|mapping| mapping.service_port == port).map(|mapping| mapping.target_port)
    }
}
