//! The compiled mesh, and what leads from one commit to the next.

use std::{collections::BTreeMap, sync::Arc};

use ripstop_model::{
    Change, MeshConfig, NodeSpec, PeerAuthentication, ProcessSpec, Service, ServiceKey, TunnelProtocol, Workload,
    WorkloadUid,
};
use ripstop_wire::{
    ResourceChange, encode_mesh, encode_node, encode_peer_authentication, encode_process, encode_service,
    encode_workload, type_url,
};

use crate::{
    fences::{Before, Fences},
    published::Published,
};

type Name = (Arc<str>, Arc<str>);

/// The whole mesh as compiled, without versions.
#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    pub(crate) mesh: Arc<MeshConfig>,
    pub(crate) nodes: BTreeMap<Arc<str>, Arc<NodeSpec>>,
    pub(crate) processes: BTreeMap<Name, Arc<ProcessSpec>>,
    pub(crate) services: BTreeMap<ServiceKey, Arc<Service>>,
    pub(crate) policies: BTreeMap<Name, Arc<PeerAuthentication>>,
    pub(crate) workloads: BTreeMap<WorkloadUid, Arc<Workload>>,
}

/// What an agent says of a workload, and what it has in force.
pub(crate) trait Agents {
    /// Whether the agent of the workload's node reports it as captured.
    fn reports_captured(&self, workload: &Workload) -> bool;
    /// Version that the agent of `node` acknowledged last.
    fn acked(&self, node: &str) -> u64;
}

/// What leads from one commit to the next; nothing in it: there is nothing to commit.
#[derive(Debug, Default)]
pub(crate) struct Step {
    snapshot: Vec<Change>,
    for_proxies: Vec<ResourceChange>,
    for_supervisors: Vec<ResourceChange>,
    processes: Vec<(Name, Option<Arc<ProcessSpec>>)>,
}

// === impl World ===

impl World {
    /// Sets how each workload is reached now: by tunnel only while its capture stands, or if it
    /// speaks HBONE itself. In the commit in which a workload leaves the mesh its tunnel ends, too.
    pub(crate) fn set_tunnels(
        &mut self,
        before: Option<&Self>,
        fences: &mut Fences,
        version: u64,
        agents: &impl Agents,
    ) {
        for (uid, workload) in &mut self.workloads {
            let old = match before {
                None => Before::Unknown,
                Some(before) => before.workloads.get(uid).map_or(Before::Absent, |old| Before::Known(old)),
            };
            let reported = workload.enrolment.is_enrolled() && agents.reports_captured(workload);
            let captured = !workload.native_tunnel
                && fences.is_captured(workload, &old, reported, version, |node| agents.acked(node));
            let tunnel = if captured || workload.native_tunnel { TunnelProtocol::Hbone } else { TunnelProtocol::None };
            if workload.tunnel != tunnel {
                Arc::make_mut(workload).tunnel = tunnel;
            }
        }
        if let Some(before) = before {
            before.workloads.keys().filter(|uid| !self.workloads.contains_key(uid)).for_each(|uid| fences.forget(uid));
        }
    }

    /// What leads from `old` to this. Equal objects become the same allocation, so that the next
    /// comparison need not look inside.
    pub(crate) fn step_from(&mut self, old: Option<&Self>) -> Step {
        let nothing = Self::default();
        let before = old.unwrap_or(&nothing);
        let mut step = Step::default();
        if old.is_none_or(|old| old.mesh != self.mesh) {
            step.snapshot.push(Change::Mesh(self.mesh.clone()));
            step.for_proxies.push(encode_mesh(&self.mesh).into());
            step.for_supervisors.push(encode_mesh(&self.mesh).into());
        }
        difference(&before.nodes, &mut self.nodes, |name, node| {
            step.for_supervisors.push(match node {
                Some(node) => encode_node(node).into(),
                None => ResourceChange::removed(type_url::NODE, name.clone()),
            });
        });
        difference(&before.processes, &mut self.processes, |name, process| {
            step.for_supervisors.push(match process {
                Some(process) => encode_process(process).into(),
                None => ResourceChange::removed(type_url::PROCESS, slashed(name)),
            });
            step.processes.push((name.clone(), process.cloned()));
        });
        difference(&before.services, &mut self.services, |key, service| {
            if let Some(service) = service {
                step.for_proxies.push(encode_service(service).into());
                step.snapshot.push(Change::Service(service.clone()));
            } else {
                step.for_proxies.push(ResourceChange::removed(type_url::ADDRESS, key.to_string()));
                step.snapshot.push(Change::ServiceGone(key.clone()));
            }
        });
        difference(&before.policies, &mut self.policies, |name, policy| {
            if let Some(policy) = policy {
                step.for_proxies.push(encode_peer_authentication(policy).into());
                step.snapshot.push(Change::PeerAuthentication(policy.clone()));
            } else {
                step.for_proxies.push(ResourceChange::removed(type_url::PEER_AUTHENTICATION, slashed(name)));
                step.snapshot.push(Change::PeerAuthenticationGone(name.0.clone(), name.1.clone()));
            }
        });
        difference(&before.workloads, &mut self.workloads, |uid, workload| {
            if let Some(workload) = workload {
                step.for_proxies.push(encode_workload(workload).into());
                step.snapshot.push(Change::Workload(workload.clone()));
            } else {
                step.for_proxies.push(ResourceChange::removed(type_url::ADDRESS, uid.as_str()));
                step.snapshot.push(Change::WorkloadGone(uid.clone()));
            }
        });
        step
    }
}

// === impl Step ===

impl Step {
    pub(crate) fn is_empty(&self) -> bool {
        self.for_proxies.is_empty() && self.for_supervisors.is_empty()
    }

    /// Number of resources that change.
    pub(crate) fn len(&self) -> usize {
        self.for_proxies.len() + self.for_supervisors.len()
    }

    /// `published` with this step, as `version`.
    pub(crate) fn apply(self, published: &Published, version: u64) -> Published {
        let mut processes = published.processes.clone();
        for (name, process) in self.processes {
            match process {
                Some(process) => processes.insert(name, process),
                None => processes.remove(&name),
            };
        }
        Published {
            version,
            revision: published.revision,
            snapshot: published.snapshot.with(version, self.snapshot),
            processes,
            for_proxies: published.for_proxies.with(version, self.for_proxies),
            for_supervisors: published.for_supervisors.with(version, self.for_supervisors),
            findings: published.findings.clone(),
        }
    }
}

/// Tells each key whose value is new, changed, or (nothing) gone.
fn difference<K: Ord, V: PartialEq>(
    old: &BTreeMap<K, Arc<V>>,
    new: &mut BTreeMap<K, Arc<V>>,
    mut tell: impl FnMut(&K, Option<&Arc<V>>),
) {
    // What is gone comes first: its names and addresses may be in use again.
    old.keys().filter(|key| !new.contains_key(key)).for_each(|key| tell(key, None));
    for (key, value) in new {
        match old.get(key) {
            Some(same) if Arc::ptr_eq(same, value) => {}
            Some(equal) if equal == value => *value = equal.clone(),
            _ => tell(key, Some(value)),
        }
    }
}

fn slashed((namespace, name): &Name) -> Arc<str> {
    format!("{namespace}/{name}").into()
}
