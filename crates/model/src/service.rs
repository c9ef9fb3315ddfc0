//! Services: names and virtual addresses in front of workloads.

use std::{iter, net::IpAddr, sync::Arc};

use crate::{ProcessKind, Selector, ServiceKey, Visibility};

/// A service and its ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Namespace and host name.
    pub key: ServiceKey,
    /// Short name (`reviews`).
    pub name: Arc<str>,
    /// Virtual addresses; empty when headless.
    pub addresses: Vec<IpAddr>,
    /// Ports, in declared order.
    pub ports: Vec<ServicePort>,
    /// Workloads behind it. The control plane resolves this to endpoints; proxies look up only endpoints that are
    /// written down by it.
    pub selector: Option<Selector>,
    /// Resolves to its endpoints' own addresses (Kubernetes `clusterIP: None`).
    pub headless: bool,
    /// Unready endpoints count too (Kubernetes `publishNotReadyAddresses`).
    pub publish_not_ready: bool,
    /// Further identities accepted from its endpoints, as SPIFFE ids.
    pub subject_alt_names: Vec<Arc<str>>,
    /// Who sees it. It matters to requests only: at L4 a name leads to the same place for everybody.
    pub visibility: Visibility,
    /// Through whom it is called; nothing: callers go to its endpoints.
    pub waypoint: Option<Waypoint>,
}

/// The waypoint that stands in front of a service or of a declared host (Istio's `istio.io/use-waypoint`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waypoint {
    /// The waypoint's own service, whether there is one or not: nobody goes past a waypoint that is missing.
    pub service: ServiceKey,
    /// Who goes through it.
    pub callers: WaypointCallers,
    /// Whether it serves those who name it.
    pub admission: Admission,
    /// Another one that takes a share of the calls; nothing: none does.
    pub canary: Option<Canary>,
}

/// The waypoint that takes a share of the calls in place of another (Istio's `istio.io/use-waypoint-canary`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary {
    /// Its own service.
    pub service: ServiceKey,
    /// Hundredths of the calls, 1 to 100.
    pub percent: u8,
}

/// Whether a waypoint serves the namespace of those who name it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Admission {
    /// It does.
    #[default]
    Admitted,
    /// It does not: nobody is led to it, nor past it.
    Refused,
}

/// Who goes through a waypoint. Waypoints themselves never do: they call endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WaypointCallers {
    /// Workloads.
    #[default]
    Workloads,
    /// Gateways, too (Istio's `istio.io/ingress-use-waypoint`).
    WorkloadsAndGateways,
}

/// One port of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// Port of the service.
    pub port: u16,
    /// Name; empty when the only port has none.
    pub name: Arc<str>,
    /// Port of the workload.
    pub target: TargetPort,
    /// Protocol as declared by `appProtocol` or the port's name.
    pub protocol: AppProtocol,
}

/// Where a service port leads to at the workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetPort {
    /// That number.
    Number(u16),
    /// The workload's container port of that name.
    Name(Arc<str>),
}

/// Application protocol of a port, as in Istio's workload API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AppProtocol {
    /// Not declared.
    #[default]
    Unknown,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2.
    Http2,
    /// gRPC.
    Grpc,
    /// Opaque TCP.
    Tcp,
    /// TLS, opaque to the mesh.
    Tls,
}

// === impl Waypoint ===

impl Waypoint {
    /// The services of whoever takes calls: its own, then its canary's.
    pub fn services(&self) -> impl Iterator<Item = &ServiceKey> {
        iter::once(&self.service).chain(self.canary.as_ref().map(|canary| &canary.service))
    }

    /// Whether `caller` goes through it.
    pub fn takes(&self, caller: ProcessKind) -> bool {
        match caller {
            ProcessKind::Command => true,
            ProcessKind::Gateway => self.callers == WaypointCallers::WorkloadsAndGateways,
            ProcessKind::Waypoint => false,
        }
    }
}
