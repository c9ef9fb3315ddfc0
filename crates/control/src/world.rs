//! The compiled mesh, and what leads from one commit to the next.

use std::sync::{Arc, OnceLock};

use imbl::{OrdMap, OrdSet, ordmap::DiffItem};
use ripstop_decide::gives_nodes_credentials;
use ripstop_model::{
    Authorization, Change, Credential, MeshConfig, NodeSpec, ObjectMap, ObjectName, PeerAuthentication, ProcessSpec,
    Service, ServiceKey, Traffic, TrafficChange, TunnelProtocol, Workload, WorkloadUid,
};
use ripstop_wire::{
    ResourceChange, encode_authorization, encode_group, encode_mesh, encode_node, encode_peer_authentication,
    encode_process, encode_service, encode_sidecar, encode_traffic, encode_workload, type_url,
};

use crate::{
    fences::{Before, Fences},
    published::Published,
};

/// The whole mesh as compiled, without versions.
#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    pub(crate) mesh: Arc<MeshConfig>,
    pub(crate) nodes: OrdMap<Arc<str>, Arc<NodeSpec>>,
    pub(crate) processes: ObjectMap<ProcessSpec>,
    pub(crate) services: OrdMap<ServiceKey, Arc<Service>>,
    pub(crate) policies: ObjectMap<PeerAuthentication>,
    pub(crate) authorizations: ObjectMap<Authorization>,
    pub(crate) traffic: Traffic,
    pub(crate) workloads: OrdMap<WorkloadUid, Arc<Workload>>,
    pub(crate) credentials: ObjectMap<Credential>,
    /// Workloads that are not reached by tunnel, or not any more, of which connections still go through their node's
    /// proxy; looked for only where that matters to what the proxy is given.
    pub(crate) leaving: OrdSet<WorkloadUid>,
    /// Workloads that ask for a proxy of their own, and of which nothing is at their node's any more; looked for as those are.
    pub(crate) apart: OrdSet<WorkloadUid>,
}

/// What an agent says of a workload, and what it has in force.
pub(crate) trait Agents {
    /// Whether the agent of the workload's node reports it as captured.
    fn reports_captured(&self, workload: &Workload) -> bool;
    /// Whether by the word of that agent connections of the workload go through the node's proxy: it is captured, or
    /// what was captured has not ended.
    fn reports_open(&self, workload: &Workload) -> bool;
    /// Whether by the word of that agent the workload's own proxy serves it, and its node's has nothing of it.
    fn reports_apart(&self, workload: &Workload) -> bool;
    /// Version that the agent of `node` acknowledged last.
    fn acked(&self, node: &str) -> u64;
}

/// What leads from one commit to the next; nothing in it: there is nothing to commit.
#[derive(Debug, Default)]
pub(crate) struct Step {
    snapshot: Vec<Change>,
    for_proxies: Vec<ResourceChange>,
    for_supervisors: Vec<ResourceChange>,
    processes: Vec<(ObjectName, Option<Arc<ProcessSpec>>)>,
    credentials: Option<ObjectMap<Credential>>,
    leaving: Option<OrdSet<WorkloadUid>>,
    apart: Option<OrdSet<WorkloadUid>>,
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
        let mut changed = Vec::new();
        let (mut leaving, mut apart) = (OrdSet::new(), OrdSet::new());
        let gives = gives_nodes_credentials(self.traffic.backends.values().flat_map(|rules| rules.iter()));
        for (uid, workload) in &self.workloads {
            let old = match before {
                None => Before::Unknown,
                Some(before) => before.workloads.get(uid).map_or(Before::Absent, |old| Before::Known(old)),
            };
            let reported = workload.enrolment.is_enrolled() && agents.reports_captured(workload);
            let captured = !workload.native_tunnel
                && fences.is_captured(workload, &old, reported, version, |node| agents.acked(node));
            let tunnel = if captured || workload.native_tunnel { TunnelProtocol::Hbone } else { TunnelProtocol::None };
            if gives && !captured && !workload.native_tunnel && agents.reports_open(workload) {
                leaving.insert(uid.clone());
            }
            if gives && workload.has_sidecar() && agents.reports_apart(workload) {
                apart.insert(uid.clone());
            }
            if workload.tunnel != tunnel {
                changed.push((uid.clone(), Arc::new(Workload { tunnel, ..Workload::clone(workload) })));
            }
        }
        for (uid, workload) in changed {
            self.workloads.insert(uid, workload);
        }
        (self.leaving, self.apart) = (leaving, apart);
        if let Some(before) = before {
            before.workloads.keys().filter(|uid| !self.workloads.contains_key(*uid)).for_each(|uid| fences.forget(uid));
        }
    }

    /// What leads from `old` to this.
    pub(crate) fn step_from(&self, old: Option<&Self>) -> Step {
        let nothing = Self::default();
        let before = old.unwrap_or(&nothing);
        let mut step = Step::default();
        if old.is_none_or(|old| old.mesh != self.mesh) {
            step.snapshot.push(Change::Mesh(self.mesh.clone()));
            // They start nobody.
            let of = |mesh: &MeshConfig| MeshConfig { injecting: Vec::new(), ..mesh.clone() };
            let mesh = of(&self.mesh);
            if old.is_none_or(|old| of(&old.mesh) != mesh) {
                step.for_proxies.push(encode_mesh(&mesh).into());
            }
            // It names no endpoints.
            let mesh = MeshConfig { session_key: None, ..MeshConfig::clone(&self.mesh) };
            step.for_supervisors.push(encode_mesh(&mesh).into());
        }
        difference(&before.nodes, &self.nodes, |name, node| {
            step.for_supervisors.push(match node {
                Some(node) => encode_node(node).into(),
                None => ResourceChange::removed(type_url::NODE, name.clone()),
            });
        });
        difference(&before.processes, &self.processes, |name, process| {
            step.for_supervisors.push(match process {
                Some(process) => encode_process(process).into(),
                None => ResourceChange::removed(type_url::PROCESS, slashed(name)),
            });
            step.processes.push((name.clone(), process.cloned()));
        });
        difference(&before.traffic.groups, &self.traffic.groups, |name, group| {
            step.for_supervisors.push(match group {
                Some(group) => encode_group(&group.spec()).into(),
                None => ResourceChange::removed(type_url::WORKLOAD_GROUP, slashed(name)),
            });
        });
        if before.leaving != self.leaving {
            step.leaving = Some(self.leaving.clone());
        }
        if before.apart != self.apart {
            step.apart = Some(self.apart.clone());
        }
        if before.credentials != self.credentials {
            step.credentials = Some(self.credentials.clone());
        }
        difference(&before.services, &self.services, |key, service| {
            if let Some(service) = service {
                step.for_proxies.push(encode_service(service).into());
                step.snapshot.push(Change::Service(service.clone()));
            } else {
                step.for_proxies.push(ResourceChange::removed(type_url::ADDRESS, key.to_string()));
                step.snapshot.push(Change::ServiceGone(key.clone()));
            }
        });
        difference(&before.policies, &self.policies, |name, policy| {
            if let Some(policy) = policy {
                step.for_proxies.push(encode_peer_authentication(policy).into());
                step.snapshot.push(Change::PeerAuthentication(policy.clone()));
            } else {
                step.for_proxies.push(ResourceChange::removed(type_url::PEER_AUTHENTICATION, slashed(name)));
                step.snapshot.push(Change::PeerAuthenticationGone(name.0.clone(), name.1.clone()));
            }
        });
        difference(&before.authorizations, &self.authorizations, |name, policy| {
            if let Some(policy) = policy {
                step.for_proxies.push(encode_authorization(policy).into());
                step.snapshot.push(Change::Authorization(policy.clone()));
            } else {
                step.for_proxies.push(ResourceChange::removed(type_url::AUTHORIZATION, slashed(name)));
                step.snapshot.push(Change::AuthorizationGone(name.clone()));
            }
        });
        let mut changes = before.traffic.changes_to(&self.traffic);
        // Told once in any case: the defaults of another release may be others.
        if old.is_none() && !changes.iter().any(|change| matches!(change, TrafficChange::Defaults(_))) {
            changes.push(TrafficChange::Defaults(self.traffic.defaults.clone()));
        }
        for change in changes {
            step.for_proxies.extend(encode_traffic(&change));
            step.snapshot.push(Change::TrafficObject(change));
        }
        difference(&before.workloads, &self.workloads, |uid, workload| {
            let had = before.workloads.get(uid).filter(|before| before.has_sidecar());
            match (workload.filter(|workload| workload.has_sidecar()), had) {
                (Some(workload), Some(had)) if had.node == workload.node => {}
                (Some(workload), _) => step.for_supervisors.push(encode_sidecar(workload).into()),
                (None, Some(_)) => step.for_supervisors.push(ResourceChange::removed(type_url::SIDECAR, uid.as_str())),
                (None, None) => {}
            }
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
        self.for_proxies.is_empty()
            && self.for_supervisors.is_empty()
            && self.snapshot.is_empty()
            && self.credentials.is_none()
            && self.leaving.is_none()
            && self.apart.is_none()
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
            credentials: self.credentials.unwrap_or_else(|| published.credentials.clone()),
            leaving: self.leaving.unwrap_or_else(|| published.leaving.clone()),
            apart: self.apart.unwrap_or_else(|| published.apart.clone()),
            subject: published.subject.clone(),
            objects: published.objects.clone(),
            needed_by_nodes: OnceLock::new(),
        }
    }
}

/// Tells each key whose value is new, changed, or (nothing) gone.
fn difference<K: Ord + Clone, V: PartialEq>(
    old: &OrdMap<K, Arc<V>>,
    new: &OrdMap<K, Arc<V>>,
    mut tell: impl FnMut(&K, Option<&Arc<V>>),
) {
    let mut come = Vec::new();
    // What is gone comes first: its names and addresses may be in use again.
    for change in old.diff(new) {
        match change {
            DiffItem::Remove(key, _) => tell(key, None),
            DiffItem::Add(key, value) | DiffItem::Update { new: (key, value), .. } => come.push((key, value)),
        }
    }
    for (key, value) in come {
        tell(key, Some(value));
    }
}

fn slashed((namespace, name): &ObjectName) -> Arc<str> {
    format!("{namespace}/{name}").into()
}
