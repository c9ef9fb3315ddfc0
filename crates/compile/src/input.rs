//! What is compiled.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use imbl::OrdMap;
use ripstop_api::{Object, ObjectId};
use ripstop_model::{ContainerPort, WorkloadUid};

use crate::{Assignments, Output};

/// Objects by name.
pub type Objects = OrdMap<ObjectId, Declared>;

/// Everything that the mesh is made from.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// What users wrote.
    pub objects: &'a Objects,
    /// What runs, as its supervisor reports.
    pub instances: &'a OrdMap<WorkloadUid, Arc<Instance>>,
    /// How far capture got, as agents report; [`CaptureState::None`] where nothing is said.
    pub captures: &'a OrdMap<WorkloadUid, CaptureState>,
    /// Addresses that were assigned before, from [`Output::assigned`]; to be kept over restarts. With a previous
    /// output its own count.
    pub assigned: &'a Assignments,
    /// The output before this one: what changed since costs what it touches, the rest nothing.
    pub previous: Option<&'a Output>,
}

/// An object and its history.
#[derive(Clone, Debug)]
pub struct Declared {
    /// The object.
    pub object: Arc<Object>,
    /// When it was first seen, in milliseconds since the epoch.
    pub created: u64,
    /// Grows with each change.
    pub generation: u64,
}

impl PartialEq for Declared {
    fn eq(&self, other: &Self) -> bool {
        (self.created, self.generation) == (other.created, other.generation)
            && (Arc::ptr_eq(&self.object, &other.object) || self.object == other.object)
    }
}

/// A running process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Unique for its whole life.
    pub uid: WorkloadUid,
    /// Namespace.
    pub namespace: Arc<str>,
    /// Name of the instance (`reviews-v1-0`).
    pub name: Arc<str>,
    /// Name of the owner: a `Process`, or the name of a `ripstop run`.
    pub process: Arc<str>,
    /// `WorkloadGroup` of its namespace that it is a member of.
    pub group: Option<Arc<str>>,
    /// Node it runs on.
    pub node: Arc<str>,
    /// Service account it runs as.
    pub service_account: Arc<str>,
    /// Its addresses, IPv4 first; without any it is not a workload yet.
    pub addresses: Vec<IpAddr>,
    /// Its labels. Those of a declared `Process` come from the object instead, and act live.
    pub labels: BTreeMap<String, String>,
    /// Its annotations; likewise.
    pub annotations: BTreeMap<String, String>,
    /// Ports it serves.
    pub ports: Vec<ContainerPort>,
    /// Whether its readiness probe succeeds.
    pub ready: bool,
    /// Whether it runs at the moment; between two lives it keeps its addresses.
    pub running: bool,
}

/// How far the capture of a workload's traffic got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CaptureState {
    /// Not captured.
    #[default]
    None,
    /// To be captured, but something is in the way.
    Pending,
    /// Captured: reached by HBONE.
    Captured,
    /// On its way out: new connections are not captured.
    Draining,
}
