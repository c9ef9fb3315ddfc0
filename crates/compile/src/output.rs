//! What came of compiling.

use std::{sync::Arc, time::SystemTime};

use imbl::{HashMap, OrdMap, OrdSet};
use ripstop_api::Finding;
use ripstop_model::{
    Authorization, Change, MeshConfig, NodeSpec, ObjectMap, PeerAuthentication, ProcessSpec, Service, ServiceKey,
    Snapshot, Traffic, Workload, WorkloadUid,
};

use crate::{Assignments, CaptureState, Instance, Objects, analyze, declare::Declarations, pair};

/// The mesh, and what is wrong with it.
#[derive(Clone, Debug)]
pub struct Output {
    /// Settings of the whole mesh.
    pub mesh: Arc<MeshConfig>,
    /// Loopback port of the host for metrics; 0: any free one (`Mesh.spec.metricsPort`).
    pub metrics_port: u16,
    /// Services.
    pub services: OrdMap<ServiceKey, Arc<Service>>,
    /// Workloads: every reported instance that has an address.
    pub workloads: OrdMap<WorkloadUid, Arc<Workload>>,
    /// Policies of mutual TLS by namespace and name.
    pub peer_authentications: ObjectMap<PeerAuthentication>,
    /// Policies of authorization by namespace and name.
    pub authorizations: ObjectMap<Authorization>,
    /// What shapes traffic.
    pub traffic: Traffic,
    /// What is to run, by namespace and name.
    pub processes: ObjectMap<ProcessSpec>,
    /// Namespaces whose workloads have proxies of their own unless they say something else.
    pub injecting: OrdSet<Arc<str>>,
    /// Nodes by name, each with a block of addresses per family.
    pub nodes: OrdMap<Arc<str>, Arc<NodeSpec>>,
    /// What was assigned: to be kept and given to the next [`crate::compile`].
    pub assigned: Arc<Assignments>,
    /// All objects.
    pub(crate) all: Objects,
    /// Those that are looked at.
    pub(crate) objects: Objects,
    pub(crate) instances: OrdMap<WorkloadUid, Arc<Instance>>,
    pub(crate) captures: OrdMap<WorkloadUid, CaptureState>,
    pub(crate) declarations: Declarations,
    /// Instances of each namespace.
    pub(crate) by_namespace: HashMap<Arc<str>, OrdSet<WorkloadUid>>,
}

// === impl Output ===

impl Output {
    /// What is wrong or noteworthy, in order of file and position: of single objects, and of how they
    /// fit together. Looks at the whole mesh each time. `now` decides about the life of certificates.
    pub fn findings(&self, now: SystemTime) -> Vec<Finding> {
        analyze::findings(self, now)
    }

    /// When there will be other findings though nothing changes: since a certificate begins, ends, or soon ends. It
    /// knows of those that [`Self::findings`] looked at.
    pub fn findings_turn(&self, now: SystemTime) -> Option<SystemTime> {
        let known = self.declarations.secrets.values().filter_map(|judged| judged.known());
        known.flat_map(pair::turns).filter(|turn| *turn > now).min()
    }

    /// Whether `other` is known to be made from the same; costs nothing. What is not known to be may be equal all the
    /// same.
    pub fn is_same(&self, other: &Self) -> bool {
        self.all.ptr_eq(&other.all)
            && self.instances.ptr_eq(&other.instances)
            && self.captures.ptr_eq(&other.captures)
            && Arc::ptr_eq(&self.assigned, &other.assigned)
    }

    /// The mesh as a snapshot, at `version`.
    pub fn snapshot(&self, version: u64) -> Snapshot {
        let changes = [Change::Mesh(self.mesh.clone()), Change::Traffic(Box::new(self.traffic.clone()))];
        let services = self.services.values().cloned().map(Change::Service);
        let workloads = self.workloads.values().cloned().map(Change::Workload);
        let policies = self.peer_authentications.values().cloned().map(Change::PeerAuthentication);
        let authorizations = self.authorizations.values().cloned().map(Change::Authorization);
        let changes = changes.into_iter().chain(services).chain(workloads).chain(policies).chain(authorizations);
        Snapshot::default().with(version, changes)
    }
}
