//! What came of compiling.

use std::{collections::BTreeMap, sync::Arc};

use ripstop_api::Finding;
use ripstop_model::{
    MeshConfig, NodeSpec, PeerAuthentication, ProcessSpec, Service, ServiceKey, Workload, WorkloadUid,
};

use crate::{Assignments, CaptureState, Instance, Objects, declare::Declarations};

/// The mesh, and what is wrong with it.
#[derive(Clone, Debug)]
pub struct Output {
    /// Settings of the whole mesh.
    pub mesh: Arc<MeshConfig>,
    /// Loopback port of the host for metrics; 0: any free one (`Mesh.spec.metricsPort`).
    pub metrics_port: u16,
    /// Services.
    pub services: BTreeMap<ServiceKey, Arc<Service>>,
    /// Workloads: every reported instance that has an address.
    pub workloads: BTreeMap<WorkloadUid, Arc<Workload>>,
    /// Policies by namespace and name.
    pub peer_authentications: BTreeMap<(Arc<str>, Arc<str>), Arc<PeerAuthentication>>,
    /// What is to run, by namespace and name.
    pub processes: BTreeMap<(Arc<str>, Arc<str>), Arc<ProcessSpec>>,
    /// Nodes by name, each with a block of addresses per family.
    pub nodes: BTreeMap<Arc<str>, Arc<NodeSpec>>,
    /// What was assigned: to be kept and given to the next [`crate::compile`].
    pub assigned: Assignments,
    /// What is wrong or noteworthy across objects, in order of file and position.
    pub findings: Vec<Finding>,
    pub(crate) objects: Arc<Objects>,
    pub(crate) declarations: Arc<Declarations>,
    pub(crate) compiled: BTreeMap<WorkloadUid, Compiled>,
}

/// A workload with what it was compiled from.
#[derive(Clone, Debug)]
pub(crate) struct Compiled {
    pub(crate) instance: Arc<Instance>,
    pub(crate) capture: CaptureState,
    pub(crate) workload: Arc<Workload>,
}

// === impl Output ===

impl Output {
    pub(crate) fn new(
        objects: Arc<Objects>,
        declarations: Arc<Declarations>,
        workloads: BTreeMap<WorkloadUid, Arc<Workload>>,
        compiled: BTreeMap<WorkloadUid, Compiled>,
        findings: Vec<Finding>,
    ) -> Self {
        Self {
            mesh: declarations.mesh.clone(),
            metrics_port: declarations.metrics_port,
            services: declarations.services.clone(),
            workloads,
            peer_authentications: declarations.policies.clone(),
            processes: declarations.processes.clone(),
            nodes: declarations.nodes.clone(),
            assigned: declarations.assigned.clone(),
            findings,
            objects,
            declarations,
            compiled,
        }
    }

    /// Whether its declarations come from just these objects and assignments.
    pub(crate) fn is_from(&self, objects: &Arc<Objects>, assigned: &Assignments) -> bool {
        Arc::ptr_eq(&self.objects, objects) && self.assigned == *assigned
    }
}
