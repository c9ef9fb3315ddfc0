//! What the labels of TCP and of request metrics have in common (istio.md 3.2 and 3.3).

use std::sync::Arc;

use ripstop_model::{Service, SpiffeId, Workload};

/// Which side of a connection or request reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reporter {
    /// The caller's proxy; gateways, too.
    Source,
    /// The callee's proxy.
    Destination,
    /// A waypoint, standing alone between both.
    Waypoint,
}

/// How the connection was protected, as far as the reporter knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SecurityPolicy {
    /// Not known, or nobody's business (Istio's `unknown`).
    Unknown,
    /// By the mesh.
    MutualTls,
    /// It came as plaintext (`none`): only told of requests, by the callee's proxy.
    Plaintext,
}

/// One side's labels. Absent values are `unknown`, never empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PeerLabels {
    workload: Arc<str>,
    namespace: Arc<str>,
    principal: Arc<str>,
    app: Arc<str>,
    version: Arc<str>,
    canonical_service: Arc<str>,
    canonical_revision: Arc<str>,
    cluster: Arc<str>,
}

/// The labels of the service that was called.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ServiceLabels {
    pub host: Arc<str>,
    pub name: Arc<str>,
    pub namespace: Arc<str>,
}

pub(crate) const SOURCE: [&str; 8] = [
    "source_workload",
    "source_workload_namespace",
    "source_principal",
    "source_app",
    "source_version",
    "source_canonical_service",
    "source_canonical_revision",
    "source_cluster",
];

pub(crate) const DESTINATION: [&str; 8] = [
    "destination_workload",
    "destination_workload_namespace",
    "destination_principal",
    "destination_app",
    "destination_version",
    "destination_canonical_service",
    "destination_canonical_revision",
    "destination_cluster",
];

pub(crate) const SERVICE: [&str; 3] =
    ["destination_service", "destination_service_name", "destination_service_namespace"];

pub(crate) fn unknown() -> Arc<str> {
    "unknown".into()
}

// === impl Reporter ===

impl Reporter {
    /// The value of the label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Destination => "destination",
            Self::Waypoint => "waypoint",
        }
    }
}

// === impl SecurityPolicy ===

impl SecurityPolicy {
    /// The value of the label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::MutualTls => "mutual_tls",
            Self::Plaintext => "none",
        }
    }
}

// === impl PeerLabels ===

impl PeerLabels {
    pub fn new(workload: Option<&Workload>, principal: Option<&SpiffeId>) -> Self {
        // Istio takes the peer's namespace from its SVID where there is one.
        let proven = principal.and_then(SpiffeId::as_service_account).map(|(namespace, _)| Arc::from(namespace));
        let label = |key: &str| workload.and_then(|w| w.labels.get(key).cloned());
        Self {
            workload: workload.map_or_else(unknown, |w| w.workload_name.clone()),
            namespace: proven.or_else(|| workload.map(|w| w.namespace.clone())).unwrap_or_else(unknown),
            principal: principal.map_or_else(unknown, |id| id.as_str().into()),
            // As in Istio's ambient mode (istio.md 3.3).
            app: workload.map_or_else(unknown, |w| w.canonical_name.clone()),
            version: label("version").unwrap_or_else(unknown),
            canonical_service: workload.map_or_else(unknown, |w| w.canonical_name.clone()),
            canonical_revision: workload.map_or_else(|| "latest".into(), |w| w.canonical_revision.clone()),
            cluster: workload.map_or_else(unknown, |w| w.cluster.clone()),
        }
    }

    /// One value for all labels.
    pub fn all(value: &Arc<str>) -> Self {
        Self {
            workload: value.clone(),
            namespace: value.clone(),
            principal: value.clone(),
            app: value.clone(),
            version: value.clone(),
            canonical_service: value.clone(),
            canonical_revision: value.clone(),
            cluster: value.clone(),
        }
    }

    /// The values, in the order of [`SOURCE`] and [`DESTINATION`].
    pub fn values(&self) -> [&str; 8] {
        [
            &self.workload,
            &self.namespace,
            &self.principal,
            &self.app,
            &self.version,
            &self.canonical_service,
            &self.canonical_revision,
            &self.cluster,
        ]
    }
}

// === impl ServiceLabels ===

impl ServiceLabels {
    pub fn new(service: Option<&Service>) -> Self {
        service.map_or_else(
            || Self { host: unknown(), name: unknown(), namespace: unknown() },
            |service| Self {
                host: service.key.hostname.clone(),
                name: service.name.clone(),
                namespace: service.key.namespace.clone(),
            },
        )
    }

    /// The values, in the order of [`SERVICE`].
    pub fn values(&self) -> [&str; 3] {
        [&self.host, &self.name, &self.namespace]
    }
}
