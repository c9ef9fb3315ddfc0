//! From what users wrote and what runs to the mesh itself.
//!
//! [`compile`] takes an [`Input`] (objects, reported instances, state of capture,
//! what was assigned before) and gives an [`Output`]: the parts of a
//! [`ripstop_model::Snapshot`], and what is to run. It resolves names and defaults,
//! merges objects, decides enrolment, and assigns addresses.
//! [`Output::findings`] tells what is wrong.
//!
//! It is a pure function: no I/O, no clock, no randomness. Given the previous
//! output it costs what changed, and shares everything else.

mod analyze;
mod assign;
mod bundles;
mod check;
mod credential;
mod declare;
mod discovery;
mod enrolment;
mod finding;
mod gateway;
mod injection;
mod input;
mod mesh;
mod metadata;
mod node;
mod output;
mod pair;
mod policy;
mod process;
mod protocol;
mod quarantine;
mod service;
mod traffic;
mod waypoint;
mod workload;

use std::{collections::BTreeSet, sync::Arc};

pub use assign::{AssignmentError, Assignments, VIP_RANGE};
pub use bundles::{BundleSource, bundle_sources};
pub use credential::credentials;
pub use enrolment::enrolment;
pub use finding::CODES;
use imbl::{HashMap, OrdMap, OrdSet, ordmap::DiffItem};
pub use input::{CaptureState, Declared, Input, Instance, Objects};
pub use metadata::{annotation_acts, label_acts};
pub use output::Output;
pub use protocol::app_protocol;
pub use quarantine::{ALLOW as QUARANTINE_ALLOW, LABEL as QUARANTINE, REASON as QUARANTINE_REASON};
use ripstop_api::Object;
use ripstop_model::WorkloadUid;

use crate::{
    declare::{Declarations, Dirty},
    waypoint::Rebound,
};

/// What a mesh of `objects` has without being told: the default ingress gateway where one is selected, and the service of
/// each waypoint. None that users declared is replaced.
pub fn made(objects: &Objects) -> Vec<Object> {
    let mut made = gateway::default_gateway(objects);
    made.extend(waypoint::services(objects));
    made
}

/// Compiles everything that changed since `input.previous`. What equals a part of it is that very
/// part (the same `Arc`).
pub fn compile(input: &Input<'_>) -> Output {
    let objects = discovery::seen(input.previous, input.objects);
    let (declarations, dirty) = match input.previous {
        Some(previous) => previous.declarations.follow(&previous.objects, &objects),
        None => (Declarations::new(&objects, input.assigned, None), Dirty { all: true, ..Dirty::default() }),
    };
    let mut next = match input.previous {
        Some(previous) => previous.clone(),
        None => Output {
            mesh: declarations.mesh.clone(),
            metrics_port: 0,
            services: OrdMap::new(),
            workloads: OrdMap::new(),
            peer_authentications: OrdMap::new(),
            authorizations: OrdMap::new(),
            traffic: declarations.traffic.clone(),
            processes: OrdMap::new(),
            injecting: OrdSet::new(),
            nodes: OrdMap::new(),
            assigned: declarations.assigned.clone(),
            all: OrdMap::new(),
            objects: OrdMap::new(),
            instances: OrdMap::new(),
            captures: OrdMap::new(),
            declarations: declarations.clone(),
            by_namespace: HashMap::new(),
        },
    };
    let touched = next.follow_instances(input, &dirty);
    next.mesh = declarations.mesh.clone();
    next.metrics_port = declarations.settings.metrics_port;
    next.services = declarations.services.clone();
    next.peer_authentications = declarations.policies.clone();
    next.authorizations = declarations.authorizations.clone();
    next.traffic = declarations.traffic.clone();
    next.processes = declarations.processes.clone();
    next.injecting = declarations.injecting.clone();
    next.nodes = declarations.nodes.clone();
    next.assigned = declarations.assigned.clone();
    next.all = input.objects.clone();
    next.objects = objects;
    next.declarations = declarations;
    for uid in &touched {
        next.compile_workload(uid);
    }
    next
}

impl Output {
    /// Takes over what runs; gives the uids that have to be looked at.
    fn follow_instances(&mut self, input: &Input<'_>, dirty: &Dirty) -> BTreeSet<WorkloadUid> {
        let mut touched = BTreeSet::new();
        for change in self.instances.diff(input.instances) {
            let (uid, old, new) = match change {
                DiffItem::Add(uid, new) => (uid, None, Some(new)),
                DiffItem::Update { old: (_, old), new: (uid, new) } => (uid, Some(old), Some(new)),
                DiffItem::Remove(uid, old) => (uid, Some(old), None),
            };
            if let Some(uids) = old.and_then(|old| self.by_namespace.get_mut(&old.namespace)) {
                uids.remove(uid);
            }
            if let Some(new) = new {
                self.by_namespace.entry(new.namespace.clone()).or_default().insert(uid.clone());
            }
            touched.insert(uid.clone());
        }
        for change in self.captures.diff(input.captures) {
            let (DiffItem::Add(uid, _) | DiffItem::Update { new: (uid, _), .. } | DiffItem::Remove(uid, _)) = change;
            touched.insert(uid.clone());
        }
        self.instances = input.instances.clone();
        self.captures = input.captures.clone();
        // A waypoint that came, went or changed may be anybody's.
        if dirty.all || matches!(dirty.rebound, Rebound::All) {
            touched.extend(self.instances.keys().cloned());
            return touched;
        }
        touched.extend(dirty.namespaces.iter().filter_map(|name| self.by_namespace.get(name)).flatten().cloned());
        for (namespace, process) in &dirty.processes {
            let uids = self.by_namespace.get(namespace).into_iter().flatten();
            let of_process =
                |uid: &&WorkloadUid| self.instances.get(*uid).is_some_and(|instance| instance.process == *process);
            touched.extend(uids.filter(of_process).cloned());
        }
        for (namespace, account) in &dirty.accounts {
            let uids = self.by_namespace.get(namespace).into_iter().flatten();
            let has_it =
                |uid: &&WorkloadUid| self.instances.get(*uid).is_some_and(|one| one.service_account == *account);
            touched.extend(uids.filter(has_it).cloned());
        }
        touched
    }

    fn compile_workload(&mut self, uid: &WorkloadUid) {
        // Without an address it does not exist on the network yet.
        let Some(instance) = self.instances.get(uid).filter(|instance| !instance.addresses.is_empty()) else {
            self.workloads.remove(uid);
            return;
        };
        let capture = self.captures.get(uid).copied().unwrap_or_default();
        let workload = workload::compile(&self.declarations, instance, capture);
        if self.workloads.get(uid).is_none_or(|old| **old != workload) {
            self.workloads.insert(uid.clone(), Arc::new(workload));
        }
    }
}

#[cfg(test)]
mod tests;
