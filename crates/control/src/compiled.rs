//! What the compiler is given, and kept of its last answer so that the next one
//! costs what changed.

use std::{collections::BTreeMap, path::Path, str::FromStr as _, sync::Arc};

use imbl::OrdMap;
use ripstop_api::{Finding, ObjectId};
use ripstop_compile::{
    Assignments, CaptureState, Declared, Input, Instance, Objects, Output, bundle_sources, compile, credentials, made,
};
use ripstop_model::{ContainerPort, Credential, MeshConfig, ObjectMap, SessionKey, WorkloadUid};
use ripstop_store::{StoreSnapshot, StoredObject};
use ripstop_wire::ripstop::{Instance as Reported, capture};

use crate::{
    Error, analysis::Subject, bundles::Bundles, disk, fixed::Fixed, keeper::Keeper, registry::View, world::World,
};

type Stored = Arc<BTreeMap<ObjectId, Arc<StoredObject>>>;

/// The compiler with its memory.
pub(crate) struct Compiled {
    fixed: Fixed,
    /// How proxies name endpoints in cookies.
    session_key: SessionKey,
    assigned: Arc<Assignments>,
    keeper: Keeper,
    previous: Option<Output>,
    /// The store's objects that were read last, and what the compiler was given for them.
    stored: Stored,
    objects: Objects,
    /// Objects that nobody wrote.
    made: Vec<ObjectId>,
    /// What of Secrets gateways may need.
    credentials: ObjectMap<Credential>,
    /// Findings about settings that cannot be changed.
    fixed_findings: Arc<[Finding]>,
    bundles: Arc<Bundles>,
    /// Findings about SPIFFE bundles.
    bundle_findings: Arc<[Finding]>,
    /// The reports that were read last, and what was read from them.
    seen: View,
    instances: OrdMap<WorkloadUid, Arc<Instance>>,
    captures: OrdMap<WorkloadUid, CaptureState>,
}

// === impl Compiled ===

impl Compiled {
    /// Takes up the addresses that a former life assigned, from `path`.
    pub(crate) fn open(
        fixed: Fixed,
        session_key: SessionKey,
        path: &Path,
        keeper: Keeper,
        bundles: Arc<Bundles>,
    ) -> Result<Self, Error> {
        let assigned = match disk::read(path).map_err(Error::state("read", path))? {
            None => Assignments::default(),
            Some(text) => Assignments::from_str(&String::from_utf8_lossy(&text)).unwrap_or_else(|error| {
                tracing::error!(path = %path.display(), %error, "assigned addresses are lost; services and nodes get those of their name and order, which may be others");
                Assignments::default()
            }),
        };
        Ok(Self {
            fixed,
            session_key,
            assigned: Arc::new(assigned),
            keeper,
            previous: None,
            stored: Stored::default(),
            objects: Objects::new(),
            made: Vec::new(),
            credentials: ObjectMap::new(),
            fixed_findings: Arc::default(),
            bundles,
            bundle_findings: Arc::default(),
            seen: View::default(),
            instances: OrdMap::new(),
            captures: OrdMap::new(),
        })
    }

    /// Compiles what changed.
    pub(crate) fn compile(&mut self, snapshot: &StoreSnapshot, view: &View) -> World {
        self.take(&snapshot.objects);
        self.follow(view);
        let output = compile(&Input {
            objects: &self.objects,
            instances: &self.instances,
            captures: &self.captures,
            assigned: &self.assigned,
            previous: self.previous.as_ref(),
        });
        if !Arc::ptr_eq(&output.assigned, &self.assigned) {
            if *output.assigned != *self.assigned {
                let text = output.assigned.to_string();
                self.keeper.keep(move || text.clone().into_bytes());
            }
            self.assigned = output.assigned.clone();
        }
        let world = World {
            mesh: Arc::new(MeshConfig {
                injecting: output.injecting.iter().cloned().collect(),
                ..self.believing(&output.mesh)
            }),
            nodes: output.nodes.clone(),
            processes: output.processes.clone(),
            services: output.services.clone(),
            policies: output.peer_authentications.clone(),
            authorizations: output.authorizations.clone(),
            traffic: output.traffic.clone(),
            workloads: output.workloads.clone(),
            credentials: self.credentials.clone(),
            leaving: imbl::OrdSet::new(),
            apart: imbl::OrdSet::new(),
        };
        self.previous = Some(output);
        world
    }

    /// The mesh's settings with what nobody writes: the key of sessions, and whom SPIFFE bundles have it believe.
    fn believing(&mut self, written: &MeshConfig) -> MeshConfig {
        let mut mesh = MeshConfig { session_key: Some(self.session_key), ..written.clone() };
        let sources = bundle_sources(&self.objects);
        self.bundles.add_to(&mut mesh, &sources);
        let findings = self.bundles.findings(&sources);
        if *findings != *self.bundle_findings {
            self.bundle_findings = findings.into();
        }
        mesh
    }

    /// The objects that were compiled last.
    pub(crate) fn objects(&self) -> &Objects {
        &self.objects
    }

    /// What was compiled last, from `snapshot`, to be looked at for findings.
    pub(crate) fn subject(&self, snapshot: &StoreSnapshot) -> Subject {
        Subject {
            stored: snapshot.findings.clone(),
            fixed: self.fixed_findings.clone(),
            bundles: self.bundle_findings.clone(),
            output: self.previous.clone(),
        }
    }

    /// Takes over what changed in the store.
    fn take(&mut self, stored: &Stored) {
        if Arc::ptr_eq(stored, &self.stored) {
            return;
        }
        let gone: Vec<ObjectId> = self.stored.keys().filter(|id| !stored.contains_key(id)).cloned().collect();
        for id in gone {
            self.objects.remove(&id);
        }
        for (id, object) in stored.iter() {
            if self.stored.get(id).is_none_or(|old| !Arc::ptr_eq(old, object)) {
                self.objects.insert(id.clone(), declared(object));
            }
        }
        self.stored = stored.clone();
        self.fixed_findings = self.fixed.apply(&mut self.objects, stored).into();
        self.make();
        self.credentials = credentials(&self.objects);
    }

    /// Adds what the mesh has without being told.
    fn make(&mut self) {
        let stored = &self.stored;
        let before: Vec<ObjectId> = std::mem::take(&mut self.made);
        let unwritten = |id: &&ObjectId| !stored.contains_key(*id);
        let own = before.iter().filter(unwritten).fold(self.objects.clone(), |objects, id| objects.without(id));
        let made = made(&own);
        self.made = made.iter().map(|object| object.id.clone()).collect();
        for id in before.iter().filter(|id| !self.made.contains(id)).filter(unwritten) {
            self.objects.remove(id);
        }
        for object in made {
            let declared = Declared { object: Arc::new(object), created: 0, generation: 1 };
            let id = declared.object.id.clone();
            // The same again is left alone, so that nothing is compiled anew for it.
            if self.objects.get(&id) != Some(&declared) {
                self.objects.insert(id, declared);
            }
        }
    }

    /// Reads what changed in the reports.
    fn follow(&mut self, view: &View) {
        for uid in view.touched_since(&self.seen) {
            let workload = WorkloadUid::new(uid.clone());
            let Some(reported) = view.instance(&uid) else {
                self.instances.remove(&workload);
                self.captures.remove(&workload);
                continue;
            };
            if self.seen.instance(&uid).is_none_or(|old| !Arc::ptr_eq(old, reported)) {
                self.instances.insert(workload.clone(), Arc::new(read(reported)));
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
    let Reported {
        uid,
        namespace,
        name,
        process,
        group,
        node,
        service_account,
        labels,
        annotations,
        ready,
        running,
        ..
    } = reported;
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
        group: (!group.is_empty()).then(|| group.as_str().into()),
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
