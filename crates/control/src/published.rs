//! What proxies are to have, at one version.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use imbl::{OrdMap, OrdSet};
use ripstop_compile::Objects;
use ripstop_decide::{CredentialPart, Program, needed_by_nodes, needed_by_workload, needed_credentials};
use ripstop_model::{Credential, MeshConfig, ObjectMap, ObjectName, ProcessSpec, Workload, WorkloadUid};
use ripstop_wire::{ResourceChange, delta::ResourceSet, encode_credential, encode_mesh};

use crate::{
    analysis::Subject,
    peer::{Component, Role},
};

/// The whole mesh at one commit version. Cheap to keep: it shares with its
/// predecessor all that did not change.
#[derive(Clone, Default)]
pub(crate) struct Published {
    /// 0 before the first commit.
    pub(crate) version: u64,
    /// Revision of the store that it was compiled from.
    pub(crate) revision: u64,
    /// The mesh, with its rules ready for evaluation.
    pub(crate) snapshot: Program,
    /// What it was compiled from, for the places of rules.
    pub(crate) objects: Objects,
    /// Declared processes by namespace and name.
    pub(crate) processes: OrdMap<(Arc<str>, Arc<str>), Arc<ProcessSpec>>,
    /// Addresses, policies, what shapes traffic, the mesh's settings.
    pub(crate) for_proxies: ResourceSet,
    /// Nodes, processes, the mesh's settings.
    pub(crate) for_supervisors: ResourceSet,
    /// What `Gateway` objects may name; nobody gets all of it.
    pub(crate) credentials: ObjectMap<Credential>,
    /// Workloads that are not reached by tunnel of which connections still go through their node's proxy.
    pub(crate) leaving: OrdSet<WorkloadUid>,
    /// Workloads of which nothing is at their node's proxy, since they have one of their own.
    pub(crate) apart: OrdSet<WorkloadUid>,
    /// What is looked at for findings.
    pub(crate) subject: Subject,
    /// Which of the keys and certificates proxies of nodes are to have: looked for once, when the first of them asks.
    pub(crate) needed_by_nodes: OnceLock<NodesNeed>,
}

/// By node.
type NodesNeed = BTreeMap<Arc<str>, BTreeMap<ObjectName, CredentialPart>>;

impl Published {
    /// Whether a gateway's or waypoint's workload is there, or the one that a sidecar is for and asks for it; nothing: it
    /// is none of these.
    pub(crate) fn has_instance(&self, component: &Component) -> Option<bool> {
        let workload = self.instance(component.instance()?);
        Some(workload.is_some_and(|workload| component.role != Role::Sidecar || workload.has_sidecar()))
    }

    fn instance(&self, (namespace, name): (&str, &str)) -> Option<&Arc<Workload>> {
        self.snapshot.workload(&WorkloadUid::process(&self.snapshot.mesh().cluster, namespace, name))
    }

    /// What an agent is to have: what every proxy has, but not the key of sessions, since it names no endpoints.
    pub(crate) fn for_agent(&self) -> ResourceSet {
        let mesh = self.snapshot.mesh();
        let mesh = MeshConfig { session_key: None, injecting: Vec::new(), ..MeshConfig::clone(mesh) };
        let change: ResourceChange = encode_mesh(&mesh).into();
        self.for_proxies.with(self.version, [change])
    }

    /// What a gateway is to have: what every proxy has, and of keys and certificates those that `Gateway` objects name
    /// for it.
    pub(crate) fn for_gateway(&self, gateway: &Component) -> ResourceSet {
        let workload = gateway.instance().and_then(|name| self.instance(name));
        let needed = workload.map(|own| needed_credentials(&self.snapshot, &own.labels, &own.namespace));
        self.with_credentials(needed.iter().flatten())
    }

    /// What a node's proxy is to have: what every proxy has, and of keys and certificates those that rules name for
    /// workloads there.
    pub(crate) fn for_node(&self, node: &Component) -> Cow<'_, ResourceSet> {
        let (leaving, apart) = (&self.leaving, &self.apart);
        let needed = self.needed_by_nodes.get_or_init(|| {
            let has_open = |workload: &Workload| leaving.contains(&workload.uid);
            needed_by_nodes(&self.snapshot, has_open, |workload| apart.contains(&workload.uid))
        });
        match needed.get(&node.name) {
            None => Cow::Borrowed(&self.for_proxies),
            Some(needed) => Cow::Owned(self.with_credentials(needed)),
        }
    }

    /// What a waypoint is to have: what every proxy has, and of keys and certificates those that rules name for it.
    pub(crate) fn for_waypoint(&self, waypoint: &Component) -> ResourceSet {
        let workload = waypoint.instance().and_then(|name| self.instance(name));
        let needed = workload.map(|own| needed_by_workload(&self.snapshot, &own.labels, &own.namespace));
        self.with_credentials(needed.iter().flatten())
    }

    /// What a sidecar is to have: what every proxy has, and of keys and certificates those that rules name for its
    /// workload alone.
    pub(crate) fn for_sidecar(&self, sidecar: &Component) -> ResourceSet {
        let workload = sidecar.instance().and_then(|name| self.instance(name));
        let needed = workload.map(|own| needed_by_workload(&self.snapshot, &own.labels, &own.namespace));
        self.with_credentials(needed.iter().flatten())
    }

    fn with_credentials<'n>(
        &self,
        needed: impl IntoIterator<Item = (&'n ObjectName, &'n CredentialPart)>,
    ) -> ResourceSet {
        let credentials = needed.into_iter().filter_map(|(name, part)| {
            let credential = self.credentials.get(name)?;
            Some(match part {
                CredentialPart::Whole => encode_credential(credential),
                CredentialPart::Authorities => {
                    let (chain, key) = (Arc::default(), Arc::default());
                    encode_credential(&Credential { chain, key, ..Credential::clone(credential) })
                }
            })
        });
        self.for_proxies.with(self.version, credentials.map(Into::into))
    }

    /// Whether a process of that service account is declared.
    pub(crate) fn declares_account(&self, namespace: &str, account: &str) -> bool {
        self.processes.values().any(|process| *process.namespace == *namespace && *process.service_account == *account)
    }
}
