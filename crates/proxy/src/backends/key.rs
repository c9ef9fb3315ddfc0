//! Which backend.

use std::sync::Arc;

use ripstop_decide::Target;
use ripstop_model::{BackendRef, Workload, WorkloadUid};
use ripstop_telemetry::{ClusterName, Direction};

/// The backend of whatever the mesh does not know, as Istio calls it.
pub const PASSTHROUGH: &str = "PassthroughCluster";

/// A backend as one caller sees it: settings depend on the caller's namespace and labels, priorities on where it is,
/// and connections on who it is. So no two callers share any.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BackendKey {
    /// The workload that calls; for a gateway, its own.
    pub caller: WorkloadUid,
    /// Host.
    pub host: Arc<str>,
    /// Group of its endpoints; nothing: all.
    pub subset: Option<Arc<str>>,
    /// Port of the host.
    pub port: u16,
}

// === impl BackendKey ===

impl BackendKey {
    /// What `caller` calls when it calls `target`.
    pub fn new(caller: &Workload, target: &Target) -> Self {
        let BackendRef { host, subset, port } = &target.backend;
        Self { caller: caller.uid.clone(), host: host.clone(), subset: subset.clone(), port: port.unwrap_or_default() }
    }

    /// Its name in access logs, as Istio writes it.
    pub fn cluster_name(&self) -> String {
        cluster_name(&self.backend())
    }

    /// The backend as rules name it.
    pub fn backend(&self) -> BackendRef {
        BackendRef { host: self.host.clone(), subset: self.subset.clone(), port: Some(self.port) }
    }
}

/// The name of a backend in access logs, as Istio writes it.
pub fn cluster_name(backend: &BackendRef) -> String {
    if *backend.host == *PASSTHROUGH {
        return PASSTHROUGH.to_owned();
    }
    ClusterName {
        direction: Direction::Outbound,
        port: backend.port.unwrap_or_default(),
        subset: backend.subset.as_deref().unwrap_or_default(),
        host: &backend.host,
    }
    .to_string()
}

impl std::fmt::Display for BackendKey {
    /// `host:port`, and the subset.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)?;
        match &self.subset {
            Some(subset) => write!(f, " ({subset})"),
            None => Ok(()),
        }
    }
}
