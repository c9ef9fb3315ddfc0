//! Objects as users write them, whatever their dialect.

use std::{collections::BTreeMap, fmt};

use crate::{Position, istio, kubernetes, ripstop};

/// An object that could be read completely.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Kind, namespace and name.
    pub id: ObjectId,
    /// Labels and annotations.
    pub meta: Meta,
    /// What it says.
    pub spec: Spec,
    /// Where it stands.
    pub source: Source,
}

/// Names an object: one kind, namespace and name exist once.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId {
    /// Kind.
    pub kind: Kind,
    /// Namespace; empty for kinds that have none.
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// The kinds that are read today.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Kubernetes `Namespace`.
    Namespace,
    /// Kubernetes `ServiceAccount`.
    ServiceAccount,
    /// Kubernetes `Service`.
    Service,
    /// Kubernetes `Secret`.
    Secret,
    /// Kubernetes `ConfigMap`.
    ConfigMap,
    /// Istio `PeerAuthentication`.
    PeerAuthentication,
    /// Istio `RequestAuthentication`.
    RequestAuthentication,
    /// Istio `AuthorizationPolicy`.
    AuthorizationPolicy,
    /// Istio `VirtualService`.
    VirtualService,
    /// Istio `DestinationRule`.
    DestinationRule,
    /// Istio `Gateway`.
    Gateway,
    /// Istio `ServiceEntry`.
    ServiceEntry,
    /// Istio `WorkloadEntry`.
    WorkloadEntry,
    /// Istio `WorkloadGroup`.
    WorkloadGroup,
    /// Istio `Sidecar`.
    Sidecar,
    /// Istio `ProxyConfig`.
    ProxyConfig,
    /// Istio `Telemetry`.
    Telemetry,
    /// Istio `IstioOperator`.
    IstioOperator,
    /// `Node` of `ripstop.dev/v1alpha1`.
    Node,
    /// `Process` of `ripstop.dev/v1alpha1`.
    Process,
    /// `Mesh` of `ripstop.dev/v1alpha1`.
    Mesh,
    /// `TrafficPolicy` of `ripstop.dev/v1alpha1`.
    TrafficPolicy,
}

/// Metadata that the mesh acts on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// `metadata.annotations`.
    pub annotations: BTreeMap<String, String>,
}

/// Where an object stands, and each of its fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// File and the line and column of the document's first key.
    pub position: Position,
    /// Path of a field (`spec.ports[0].targetPort`) → line and column of its value.
    pub fields: BTreeMap<String, (u32, u32)>,
}

/// The part that differs by kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Spec {
    /// Kubernetes `Namespace`.
    Namespace,
    /// Kubernetes `ServiceAccount`.
    ServiceAccount,
    /// Kubernetes `Service`.
    Service(kubernetes::Service),
    /// Kubernetes `Secret`.
    Secret(kubernetes::Secret),
    /// Kubernetes `ConfigMap`.
    ConfigMap(kubernetes::ConfigMap),
    /// Istio `PeerAuthentication`.
    PeerAuthentication(istio::PeerAuthentication),
    /// Istio `RequestAuthentication`.
    RequestAuthentication(Box<istio::RequestAuthentication>),
    /// Istio `AuthorizationPolicy`.
    AuthorizationPolicy(Box<istio::AuthorizationPolicy>),
    /// Istio `VirtualService`.
    VirtualService(Box<istio::VirtualService>),
    /// Istio `DestinationRule`.
    DestinationRule(Box<istio::DestinationRule>),
    /// Istio `Gateway`.
    Gateway(Box<istio::Gateway>),
    /// Istio `ServiceEntry`.
    ServiceEntry(Box<istio::ServiceEntry>),
    /// Istio `WorkloadEntry`.
    WorkloadEntry(Box<istio::WorkloadEntry>),
    /// Istio `WorkloadGroup`.
    WorkloadGroup(Box<istio::WorkloadGroup>),
    /// Istio `Sidecar`.
    Sidecar(Box<istio::Sidecar>),
    /// Istio `ProxyConfig`.
    ProxyConfig(Box<istio::ProxyConfig>),
    /// Istio `Telemetry`.
    Telemetry(Box<istio::Telemetry>),
    /// Istio `IstioOperator`.
    IstioOperator(Box<istio::IstioOperator>),
    /// `Node`.
    Node(ripstop::Node),
    /// `Process`.
    Process(ripstop::Process),
    /// `Mesh`.
    Mesh(ripstop::Mesh),
    /// `TrafficPolicy`.
    TrafficPolicy(Box<ripstop::TrafficPolicy>),
}

impl Kind {
    /// Every kind.
    pub fn all() -> impl Iterator<Item = Self> {
        crate::kinds::SERVED.iter().map(|served| served.kind)
    }

    /// The kind of that name, in any case.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|kind| kind.to_string().eq_ignore_ascii_case(name))
    }

    /// Whether objects of this kind live in a namespace.
    pub fn is_namespaced(self) -> bool {
        !matches!(self, Self::Namespace | Self::Node | Self::Mesh)
    }
}

impl Source {
    /// Position of the field at `path`, else of its nearest parent, else of the object.
    pub fn at(&self, path: &str) -> Position {
        let mut path = path;
        loop {
            if let Some(&(line, column)) = self.fields.get(path) {
                return Position { file: self.position.file.clone(), line, column };
            }
            match path.rfind(['.', '[']) {
                Some(end) => path = &path[..end],
                None => return self.position.clone(),
            }
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl fmt::Display for ObjectId {
    /// `Kind/namespace/name`, or `Kind/name` for kinds without namespace.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{}/{}", self.kind, self.name)
        } else {
            write!(f, "{}/{}/{}", self.kind, self.namespace, self.name)
        }
    }
}
