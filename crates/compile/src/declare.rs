//! What follows from objects alone, whatever runs.

use std::{collections::BTreeMap, sync::Arc};

use ripstop_api::{Kind, Meta, Object, Spec};
use ripstop_model::{MeshConfig, NodeSpec, PeerAuthentication, ProcessSpec, Service, ServiceKey};

use crate::{
    Assignments, Declared, Objects, check, enrolment,
    finding::{Findings, SIDECAR_AS_NODE, UNKNOWN_ENROLMENT, UNKNOWN_TUNNEL},
    mesh, node, policy, process, service,
};

/// Everything that objects say, compiled.
#[derive(Clone, Debug)]
pub(crate) struct Declarations {
    pub(crate) mesh: Arc<MeshConfig>,
    pub(crate) metrics_port: u16,
    pub(crate) nodes: BTreeMap<Arc<str>, Arc<NodeSpec>>,
    pub(crate) processes: BTreeMap<(Arc<str>, Arc<str>), Arc<ProcessSpec>>,
    pub(crate) services: BTreeMap<ServiceKey, Arc<Service>>,
    pub(crate) by_namespace: BTreeMap<Arc<str>, Vec<Arc<Service>>>,
    pub(crate) policies: BTreeMap<(Arc<str>, Arc<str>), Arc<PeerAuthentication>>,
    pub(crate) namespaces: BTreeMap<Arc<str>, Arc<Object>>,
    /// Objects of processes, refused ones too: their labels act live.
    pub(crate) process_objects: BTreeMap<(Arc<str>, Arc<str>), Arc<Object>>,
    pub(crate) suspects: Vec<check::Suspect>,
    pub(crate) assigned: Assignments,
    pub(crate) findings: Findings,
}

/// Label of workloads that speak HBONE themselves.
pub(crate) const TUNNEL_LABEL: &str = "networking.istio.io/tunnel";

// === impl Declarations ===

impl Declarations {
    pub(crate) fn new(objects: &Objects, assigned: &Assignments, previous: Option<&Self>) -> Self {
        let mut findings = Findings::default();
        let mut assigned = assigned.clone();
        let (mesh, metrics_port) = mesh::compile(objects, previous.map(|p| &*p.mesh), &mut findings);
        let nodes = node::compile(objects, &mut assigned, &mut findings);
        let processes = process::compile(objects, &nodes, &mut assigned, &mut findings);
        let services = service::compile(objects, &mesh, &mut assigned, &mut findings);
        let policies = policy::compile(objects, &mesh, &mut findings);
        process::accounts(objects, &mut findings);
        for declared in of_kind(objects, Kind::Namespace).chain(of_kind(objects, Kind::Process)) {
            metadata(&declared.object, &mut findings);
        }

        let nodes = shared(nodes, previous.map(|p| &p.nodes));
        let processes = shared(processes, previous.map(|p| &p.processes));
        let services = shared(services, previous.map(|p| &p.services));
        let policies = shared(policies, previous.map(|p| &p.policies));
        let mut by_namespace: BTreeMap<Arc<str>, Vec<Arc<Service>>> = BTreeMap::new();
        for service in services.values() {
            by_namespace.entry(service.key.namespace.clone()).or_default().push(service.clone());
        }
        let process_objects: BTreeMap<_, _> = of_kind(objects, Kind::Process)
            .map(|declared| (name_of(&declared.object), declared.object.clone()))
            .collect();
        let suspects = check::suspects(objects, &services, &mesh);
        let mesh = match previous {
            Some(previous) if *previous.mesh == mesh => previous.mesh.clone(),
            _ => Arc::new(mesh),
        };
        Self {
            mesh,
            metrics_port,
            nodes,
            processes,
            services,
            by_namespace,
            policies,
            namespaces: of_kind(objects, Kind::Namespace)
                .map(|declared| (declared.object.id.name.as_str().into(), declared.object.clone()))
                .collect(),
            process_objects,
            suspects,
            assigned,
            findings,
        }
    }

    /// Labels and annotations of a namespace, if it is declared.
    pub(crate) fn namespace(&self, name: &str) -> Option<&Meta> {
        self.namespaces.get(name).map(|object| &object.meta)
    }
}

/// Objects of one kind.
pub(crate) fn of_kind(objects: &Objects, kind: Kind) -> impl Iterator<Item = &Declared> {
    let first = ripstop_api::ObjectId { kind, namespace: String::new(), name: String::new() };
    objects.range(first..).take_while(move |(id, _)| id.kind == kind).map(|(_, declared)| declared)
}

/// Namespace and name.
pub(crate) fn name_of(object: &Object) -> (Arc<str>, Arc<str>) {
    (object.id.namespace.as_str().into(), object.id.name.as_str().into())
}

/// Labels as the model has them.
pub(crate) fn labels(labels: &BTreeMap<String, String>) -> ripstop_model::Labels {
    labels.iter().map(|(key, value)| (key.as_str().into(), value.as_str().into())).collect()
}

/// What equals a former value is that value.
fn shared<K: Ord, V: PartialEq>(new: BTreeMap<K, V>, old: Option<&BTreeMap<K, Arc<V>>>) -> BTreeMap<K, Arc<V>> {
    let share = |(key, value): (K, V)| {
        let same = old.and_then(|old| old.get(&key)).filter(|old| ***old == value).cloned();
        (key, same.unwrap_or_else(|| Arc::new(value)))
    };
    new.into_iter().map(share).collect()
}

/// Findings about labels and annotations that decide about workloads.
fn metadata(object: &Object, findings: &mut Findings) {
    for problem in enrolment::problems(&object.meta) {
        let enrolment::Problem { place, key, value, known } = problem;
        let path = format!("metadata.{place}.{key}");
        let message = format!("{key}={value} is not known and does not count");
        findings.add(UNKNOWN_ENROLMENT, object, &path, message, &format!("known values: {known}"));
    }
    if let Some((place, key, value)) = enrolment::asks_for_sidecar(&object.meta) {
        let path = format!("metadata.{place}.{key}");
        let message = format!("{key}={value} asks for a sidecar; the proxy of the node serves the workload instead");
        findings.add(SIDECAR_AS_NODE, object, &path, message, "");
    }
    if let Some(value) = object.meta.labels.get(TUNNEL_LABEL).filter(|value| *value != "http")
        && matches!(object.spec, Spec::Process(_))
    {
        let path = format!("metadata.labels.{TUNNEL_LABEL}");
        let message = format!("{TUNNEL_LABEL}={value} is not known and does not count");
        findings.add(UNKNOWN_TUNNEL, object, &path, message, "known value: http");
    }
}
