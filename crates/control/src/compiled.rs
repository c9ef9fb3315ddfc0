//! What the compiler is given, and kept of its last answer so that the next one
//! costs what changed.

use std::{collections::BTreeMap, path::Path, str::FromStr as _, sync::Arc};

use ripstop_api::{Finding, ObjectId};
use ripstop_compile::{Assignments, CaptureState, Declared, Input, Instance, Objects, Output, compile};
use ripstop_model::{ContainerPort, WorkloadUid};
use ripstop_store::{StoreSnapshot, StoredObject};
use ripstop_wire::ripstop::{Instance as Reported, capture};

use crate::{Error, disk, fixed::Fixed, keeper::Keeper, registry::View, world::World};

type Stored = Arc<BTreeMap<ObjectId, Arc<StoredObject>>>;

/// The compiler with its memory.
pub(crate) struct Compiled {
    fixed: Fixed,
    assigned: Assignments,
    keeper: Keeper,
    previous: Option<Output>,
    objects: Option<(Stored, Arc<Objects>, Vec<Finding>)>,
    /// The reports that were read last, and what was read from them.
    seen: View,
    instances: BTreeMap<Arc<str>, Arc<Instance>>,
    captures: BTreeMap<WorkloadUid, CaptureState>,
}

// === impl Compiled ===

impl Compiled {
    /// Takes up the addresses that a former life assigned, from `path`.
    pub(crate) fn open(fixed: Fixed, path: &Path, keeper: Keeper) -> Result<Self, Error> {
        let assigned = match disk::read(path).map_err(Error::state("read", path))? {
            None => Assignments::default(),
            Some(text) => Assignments::from_str(&String::from_utf8_lossy(&text)).unwrap_or_else(|error| {
                tracing::error!(path = %path.display(), %error, "assigned addresses are lost; services and nodes get those of their name and order, which may be others");
                Assignments::default()
            }),
        };
        Ok(Self {
            fixed,
            assigned,
            keeper,
            previous: None,
            objects: None,
            seen: View::default(),
            instances: BTreeMap::new(),
            captures: BTreeMap::new(),
        })
    }

    /// Compiles, and gives all findings in order of file and position.
    pub(crate) fn compile(&mut self, snapshot: &StoreSnapshot, view: &View) -> (World, Vec<Finding>) {
        let objects = self.objects(&snapshot.objects);
        self.follow(view);
        let instances: Vec<_> = self.instances.values().cloned().collect();
        let output = compile(&Input {
            objects: &objects,
            instances: &instances,
            captures: &self.captures,
            assigned: &self.assigned,
            previous: self.previous.as_ref(),
        });
        if output.assigned != self.assigned {
            self.assigned = output.assigned.clone();
            let text = self.assigned.to_string();
            self.keeper.keep(move || text.clone().into_bytes());
        }
        let mut findings = snapshot.findings.to_vec();
        findings.extend(output.findings.iter().cloned());
        findings.extend(self.objects.iter().flat_map(|(_, _, findings)| findings.iter().cloned()));
        findings.sort_by(|a, b| (&a.position, a.code, &a.path).cmp(&(&b.position, b.code, &b.path)));
        let world = World {
            mesh: output.mesh.clone(),
            nodes: output.nodes.clone(),
            processes: output.processes.clone(),
            services: output.services.clone(),
            policies: output.peer_authentications.clone(),
            workloads: output.workloads.clone(),
        };
        self.previous = Some(output);
        (world, findings)
    }

    /// The objects for the compiler: the same allocation while the store's is the same.
    fn objects(&mut self, stored: &Stored) -> Arc<Objects> {
        if let Some((known, objects, _)) = &self.objects
            && Arc::ptr_eq(known, stored)
        {
            return objects.clone();
        }
        let mut objects: Objects = stored.iter().map(|(id, stored)| (id.clone(), declared(stored))).collect();
        let findings = self.fixed.apply(&mut objects);
        let objects = Arc::new(objects);
        self.objects = Some((stored.clone(), objects.clone(), findings));
        objects
    }

    /// Reads what changed in the reports.
    fn follow(&mut self, view: &View) {
        for uid in view.touched_since(&self.seen) {
            let workload = WorkloadUid::new(uid.clone());
            let Some(reported) = view.instance(&uid) else {
                self.instances.remove(&uid);
                self.captures.remove(&workload);
                continue;
            };
            if self.seen.instance(&uid).is_none_or(|old| !Arc::ptr_eq(old, reported)) {
                self.instances.insert(uid, Arc::new(read(reported)));
            }
            let state = match view.capture(reported).map(|capture| capture.state()) {
                None | Some(capture::State::None) => CaptureState::None,
                Some(capture::State::Pending) => CaptureState::Pending,
                Some(capture::State::Captured) => CaptureState::Captured,
                Some(capture::State::Draining) => CaptureState::Draining,
            };
            self.captures.insert(workload, state);
        }
        self.seen = view.clone();
    }
}

/// An object as the compiler takes it.
pub(crate) fn declared(stored: &StoredObject) -> Declared {
    Declared { object: stored.object.clone(), created: stored.created_ms, generation: stored.generation }
}

/// A report as the compiler reads it; what is no address or port in it is told and left out.
fn read(reported: &Reported) -> Instance {
    let Reported { uid, namespace, name, process, node, service_account, labels, annotations, ready, running, .. } =
        reported;
    let addresses = reported.addresses.iter().filter_map(|text| {
        let address = text.parse();
        if address.is_err() {
            tracing::warn!(uid, address = text, "a reported address is none, and is left out");
        }
        address.ok()
    });
    let ports = reported.ports.iter().filter_map(|port| {
        let number = u16::try_from(port.port).ok()?;
        Some(ContainerPort { name: port.name.as_str().into(), port: number, udp: port.udp })
    });
    Instance {
        uid: WorkloadUid::new(uid.as_str()),
        namespace: namespace.as_str().into(),
        name: name.as_str().into(),
        process: process.as_str().into(),
        node: node.as_str().into(),
        service_account: service_account.as_str().into(),
        addresses: addresses.collect(),
        labels: labels.clone(),
        annotations: annotations.clone(),
        ports: ports.collect(),
        ready: *ready,
        running: *running,
    }
}

#[cfg(test)]
mod tests;
