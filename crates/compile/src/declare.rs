//! What follows from objects alone, whatever runs. A changed copy shares all that did not change.

mod addresses;
mod objects;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::Arc,
};

use imbl::{HashMap, OrdMap, OrdSet, ordmap::DiffItem};
use ripstop_api::{
    Finding, Kind, Meta, Object, ObjectId, Spec, istio,
    ripstop::{Faces, ProcessRole},
};
use ripstop_model::{
    Authorization, HostPattern, MeshConfig, NodeSpec, ObjectMap, ObjectName, PeerAuthentication, ProcessKind,
    ProcessSpec, Quarantine, Service, ServiceKey, Traffic, Visibility,
};

use self::addresses::holders;
pub(crate) use self::objects::{id_of, labels, name_of, of_kind};
use crate::{
    Assignments, Declared, Instance, Objects,
    finding::Findings,
    gateway,
    mesh::{self, Settings},
    node,
    pair::Judged,
    policy, process, quarantine, service,
    traffic::{
        Exported, authorization, backend, edge, jwt, observe, policy as traffic_policy, process_proxy, route, scope,
        visibility,
    },
    waypoint::Rebound,
};

/// Everything that objects say, compiled.
#[derive(Clone, Debug)]
pub(crate) struct Declarations {
    pub(crate) mesh: Arc<MeshConfig>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) nodes: OrdMap<Arc<str>, Arc<NodeSpec>>,
    pub(crate) processes: ObjectMap<ProcessSpec>,
    pub(crate) services: OrdMap<ServiceKey, Arc<Service>>,
    pub(crate) by_namespace: HashMap<Arc<str>, OrdMap<Arc<str>, Arc<Service>>>,
    pub(crate) policies: ObjectMap<PeerAuthentication>,
    pub(crate) authorizations: ObjectMap<Authorization>,
    pub(crate) traffic: Traffic,
    pub(crate) namespaces: HashMap<Arc<str>, Arc<Object>>,
    /// Namespaces whose workloads have proxies of their own unless they say something else.
    pub(crate) injecting: OrdSet<Arc<str>>,
    /// Objects of processes, refused ones too: their labels act live.
    pub(crate) process_objects: HashMap<ObjectName, Arc<Object>>,
    /// Objects of service accounts.
    pub(crate) accounts: HashMap<ObjectName, Arc<Object>>,
    /// Processes that are cut off.
    pub(crate) quarantines: HashMap<ObjectName, Arc<Quarantine>>,
    pub(crate) assigned: Arc<Assignments>,
    /// What was found about Secrets.
    pub(crate) secrets: HashMap<ObjectId, Arc<Judged>>,
    /// Findings of single objects.
    pub(crate) findings: OrdMap<ObjectId, Arc<[Finding]>>,
    /// Findings about nodes and settings, which hang together.
    pub(crate) general: Arc<[Finding]>,
    /// Findings about virtual addresses, which hang together.
    pub(crate) addresses: Arc<[Finding]>,
    /// Who has which virtual address, or had it and would have it again.
    holders: HashMap<Ipv4Addr, Arc<str>>,
    /// Delegates, and who delegates to them.
    delegates: HashMap<ObjectName, OrdSet<ObjectName>>,
    /// Who delegates, and to whom.
    delegating: HashMap<ObjectName, BTreeSet<ObjectName>>,
    /// `DestinationRule`s by namespace and host.
    rules: HashMap<ObjectName, OrdSet<ObjectId>>,
}

/// Workloads that have to be looked at again.
#[derive(Debug, Default)]
pub(crate) struct Dirty {
    pub(crate) all: bool,
    pub(crate) namespaces: BTreeSet<Arc<str>>,
    pub(crate) processes: BTreeSet<ObjectName>,
    /// Those of these service accounts.
    pub(crate) accounts: BTreeSet<ObjectName>,
    /// What gateways listen on may be another.
    pub(crate) listeners: Listeners,
    /// Where waypoints have to be looked at again.
    pub(crate) rebound: Rebound,
}

/// Whether what gateways listen on has to be looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Listeners {
    #[default]
    Same,
    Changed,
}

/// Label of workloads that speak HBONE themselves.
pub(crate) const TUNNEL_LABEL: &str = "networking.istio.io/tunnel";

// === impl Declarations ===

impl Declarations {
    /// Everything anew; what equals a part of `previous` is that part.
    pub(crate) fn new(objects: &Objects, assigned: &Assignments, previous: Option<&Self>) -> Self {
        let mut findings = Findings::default();
        let mut assigned = assigned.clone();
        let (mesh, settings) = mesh::compile(objects, previous.map(|p| &*p.mesh), &mut findings);
        let nodes = node::compile(objects, &mut assigned, &mut findings);
        let addresses = service::assign(objects, &mut assigned);
        for place in assigned.places.clone().keys() {
            let (namespace, name) = place.split_once('/').unwrap_or_default();
            let id = ObjectId { kind: Kind::Process, namespace: namespace.into(), name: name.into() };
            if !objects.contains_key(&id) {
                assigned.places.remove(place);
            }
        }
        let defaults = keep(settings.defaults.clone(), previous.map(|p| &p.traffic.defaults));
        let traffic = Traffic { defaults, ..Traffic::default() };
        let mut next = Self {
            mesh: keep(mesh, previous.map(|p| &p.mesh)),
            settings: keep(settings, previous.map(|p| &p.settings)),
            nodes: shared(nodes, previous.map(|p| &p.nodes)),
            processes: OrdMap::new(),
            services: OrdMap::new(),
            by_namespace: HashMap::new(),
            policies: OrdMap::new(),
            authorizations: OrdMap::new(),
            namespaces: HashMap::new(),
            injecting: OrdSet::new(),
            process_objects: HashMap::new(),
            accounts: HashMap::new(),
            quarantines: HashMap::new(),
            holders: holders(&assigned),
            addresses: addresses.into(),
            assigned: keep(assigned, previous.map(|p| &p.assigned)),
            secrets: HashMap::new(),
            findings: OrdMap::new(),
            general: findings.sorted().into(),
            delegates: HashMap::new(),
            delegating: HashMap::new(),
            rules: HashMap::new(),
            traffic,
        };
        let mut dirty = Dirty::default();
        let mut routes = BTreeSet::new();
        let mut rules = BTreeSet::new();
        for declared in objects.values() {
            next.put(declared, previous, &mut dirty, &mut routes, &mut rules);
        }
        next.finish(objects, previous, &routes, &rules);
        next.rebind(objects, previous, &dirty.rebound);
        next.inject(previous, &dirty);
        if dirty.listeners == Listeners::Changed {
            next.listen(previous);
        }
        next
    }

    /// What changes with `objects`; costs what changed.
    pub(crate) fn follow(&self, before: &Objects, objects: &Objects) -> (Self, Dirty) {
        let mut dirty = Dirty::default();
        let mut gone = Vec::new();
        let mut come = Vec::new();
        for change in before.diff(objects) {
            match change {
                DiffItem::Add(_, new) => come.push(new),
                DiffItem::Update { old: (_, old), new: (_, new) } => {
                    gone.push(old);
                    come.push(new);
                }
                DiffItem::Remove(_, old) => gone.push(old),
            }
        }
        // Names, addresses and defaults of everything may hang on these.
        if gone.iter().chain(&come).any(|declared| is_general(&declared.object)) {
            dirty.all = true;
            return (Self::new(objects, &self.assigned, Some(self)), dirty);
        }
        let mut next = self.clone();
        if self.addresses_move(&gone, &come) {
            come.extend(next.assign_addresses(objects));
        }
        let (mut routes, mut rules) = (BTreeSet::new(), BTreeSet::new());
        for declared in &gone {
            next.remove(declared, &mut dirty, &mut routes, &mut rules);
        }
        for declared in come {
            next.put(declared, Some(self), &mut dirty, &mut routes, &mut rules);
        }
        // One that changes stays where it is.
        for declared in gone.iter().filter(|gone| !objects.contains_key(&gone.object.id)) {
            let (namespace, name) = name_of(&declared.object);
            let key = format!("{namespace}/{name}");
            if declared.object.id.kind == Kind::Process && next.assigned.places.contains_key(&key) {
                Arc::make_mut(&mut next.assigned).places.remove(&key);
            }
        }
        next.finish(objects, Some(self), &routes, &rules);
        next.rebind(objects, Some(self), &dirty.rebound);
        next.inject(Some(self), &dirty);
        if dirty.listeners == Listeners::Changed {
            next.listen(Some(self));
        }
        (next, dirty)
    }

    /// Labels and annotations of a namespace, if it is declared.
    pub(crate) fn namespace(&self, name: &str) -> Option<&Meta> {
        self.namespaces.get(name).map(|object| &object.meta)
    }

    /// Who sees a `ServiceEntry`.
    pub(crate) fn seen_by(&self, object: &Object, written: &istio::ServiceEntry) -> Visibility {
        let namespace = &object.id.namespace;
        let own = self.settings.naming.visibility(&written.export_to, namespace, Exported::Services);
        let labels = self.namespace(namespace).map(|meta| &meta.labels);
        let mesh = self.settings.entry_visibility.as_ref();
        visibility::granted(mesh, namespace, labels.unwrap_or(&BTreeMap::new()), own)
    }

    /// What an instance is.
    pub(crate) fn kind(&self, instance: &Instance) -> ProcessKind {
        if instance.group.is_some() {
            return ProcessKind::Command;
        }
        let process = self.processes.get(&(instance.namespace.clone(), instance.process.clone()));
        process.map_or(ProcessKind::Command, |process| process.kind)
    }

    fn put(
        &mut self,
        declared: &Declared,
        previous: Option<&Self>,
        dirty: &mut Dirty,
        routes: &mut BTreeSet<ObjectName>,
        rules: &mut BTreeSet<ObjectName>,
    ) {
        let object = &declared.object;
        let name = name_of(object);
        let mut findings = Findings::default();
        match &object.spec {
            Spec::Namespace => {
                quarantine::check_namespace(object, &mut findings);
                self.namespaces.insert(name.1.clone(), object.clone());
                dirty.rebound.add(name.1.clone());
                dirty.namespaces.insert(name.1);
            }
            Spec::Process(written) => {
                match quarantine::declared(declared, &self.mesh, &mut findings) {
                    Some(quarantine) => drop(self.quarantines.insert(name.clone(), Arc::new(quarantine))),
                    None => drop(self.quarantines.remove(&name)),
                }
                self.process_objects.insert(name.clone(), object.clone());
                dirty.processes.insert(name.clone());
                match written.role {
                    ProcessRole::Gateway => dirty.listeners = Listeners::Changed,
                    ProcessRole::Waypoint => dirty.rebound = Rebound::All,
                    ProcessRole::Command => {}
                }
                if let Some(found) = process_proxy::of_process(declared, &self.settings.proxies) {
                    let old = previous.map(|p| &p.traffic.process_proxies);
                    insert(&mut self.traffic.process_proxies, old, name.clone(), found);
                }
                let key = format!("{}/{}", name.0, name.1);
                let place = self.assigned.places.get(&key).cloned();
                match process::one(object, written, &self.nodes, place.as_ref(), &mut findings) {
                    Some(spec) => {
                        if place.as_deref() != Some(&*spec.node) {
                            Arc::make_mut(&mut self.assigned).places.insert(key, spec.node.to_string());
                        }
                        insert(&mut self.processes, previous.map(|p| &p.processes), name, spec);
                    }
                    None => {
                        if place.is_some() {
                            Arc::make_mut(&mut self.assigned).places.remove(&key);
                        }
                    }
                }
            }
            Spec::Service(written) => {
                let vip = self.address(object, written);
                let mut service = service::one(object, written, vip, &self.mesh, &self.settings.naming, &mut findings);
                service.waypoint = self.waypoint(object).filter(|_| !service.headless);
                let key = service.key.clone();
                let service = keep(service, previous.and_then(|p| p.services.get(&key)));
                self.by_namespace.entry(name.0.clone()).or_default().insert(name.1, service.clone());
                self.services.insert(key, service);
                dirty.namespaces.insert(name.0);
            }
            Spec::PeerAuthentication(written) => {
                let policy = policy::one(declared, written);
                insert(&mut self.policies, previous.map(|p| &p.policies), name, policy);
            }
            Spec::AuthorizationPolicy(written) => {
                let policy = authorization::compile(declared, written, &self.mesh, &self.settings.authorizers);
                insert(&mut self.authorizations, previous.map(|p| &p.authorizations), name, policy);
            }
            Spec::VirtualService(_) => {
                routes.insert(name);
            }
            Spec::DestinationRule(_) => {
                if let Some(group) = self.group(declared) {
                    self.rules.entry(group.clone()).or_default().insert(object.id.clone());
                    rules.insert(group);
                }
            }
            Spec::Gateway(written) => {
                let gateway = edge::gateway(declared, written, &self.settings.tls);
                dirty.listeners = Listeners::Changed;
                insert(&mut self.traffic.gateways, previous.map(|p| &p.traffic.gateways), name, gateway);
            }
            Spec::ServiceEntry(written) => {
                let waypoint = self.waypoint(object);
                let visibility = self.seen_by(object, written);
                let mut entries = edge::entries(declared, written, &visibility);
                for entry in entries.iter_mut().filter(|entry| entry.address().is_some()) {
                    entry.waypoint.clone_from(&waypoint);
                }
                insert(&mut self.traffic.entries, previous.map(|p| &p.traffic.entries), name, entries);
            }
            Spec::WorkloadEntry(written) => {
                let endpoint = edge::workload_entry(declared, written);
                insert(&mut self.traffic.endpoints, previous.map(|p| &p.traffic.endpoints), name, endpoint);
            }
            Spec::WorkloadGroup(written) => {
                let group = edge::workload_group(declared, written);
                dirty.namespaces.insert(name.0.clone());
                insert(&mut self.traffic.groups, previous.map(|p| &p.traffic.groups), name, group);
            }
            Spec::Sidecar(written) => {
                let scope = scope::compile(declared, written, &self.settings.naming, &self.settings.tls);
                insert(&mut self.traffic.scopes, previous.map(|p| &p.traffic.scopes), name, scope);
            }
            Spec::RequestAuthentication(written) => {
                let old = previous.map(|p| &p.traffic.request_authentications);
                insert(&mut self.traffic.request_authentications, old, name, jwt::compile(declared, written));
            }
            Spec::Telemetry(written) => {
                let telemetry = observe::telemetry(declared, written);
                insert(&mut self.traffic.telemetries, previous.map(|p| &p.traffic.telemetries), name, telemetry);
            }
            Spec::ProxyConfig(written) => {
                let settings = observe::proxy_settings(declared, written);
                insert(&mut self.traffic.proxy_settings, previous.map(|p| &p.traffic.proxy_settings), name, settings);
            }
            Spec::TrafficPolicy(written) => {
                let policy = traffic_policy::compile(declared, written, &self.settings.naming);
                insert(&mut self.traffic.policies, previous.map(|p| &p.traffic.policies), name, policy);
            }
            Spec::Secret(_) => drop(self.secrets.insert(object.id.clone(), Arc::default())),
            Spec::ServiceAccount => {
                self.accounts.insert(name.clone(), object.clone());
                dirty.accounts.insert(name);
            }
            Spec::ConfigMap(_) | Spec::Node(_) | Spec::Mesh(_) | Spec::IstioOperator(_) => {}
        }
        let findings = findings.sorted();
        if findings.is_empty() {
            self.findings.remove(&object.id);
        } else {
            self.findings.insert(object.id.clone(), findings.into());
        }
    }

    fn remove(
        &mut self,
        declared: &Declared,
        dirty: &mut Dirty,
        routes: &mut BTreeSet<ObjectName>,
        rules: &mut BTreeSet<ObjectName>,
    ) {
        let object = &declared.object;
        let name = name_of(object);
        self.findings.remove(&object.id);
        match &object.spec {
            Spec::Namespace => {
                self.namespaces.remove(&name.1);
                dirty.rebound.add(name.1.clone());
                dirty.namespaces.insert(name.1);
            }
            Spec::Process(written) => {
                if written.role == ProcessRole::Waypoint {
                    dirty.rebound = Rebound::All;
                }
                self.process_objects.remove(&name);
                self.quarantines.remove(&name);
                self.processes.remove(&name);
                self.traffic.process_proxies.remove(&name);
                dirty.processes.insert(name);
            }
            Spec::Service(_) => {
                self.services.remove(&service::key(object, &self.mesh));
                if let Some(services) = self.by_namespace.get_mut(&name.0) {
                    services.remove(&name.1);
                }
                dirty.namespaces.insert(name.0);
            }
            Spec::PeerAuthentication(_) => drop(self.policies.remove(&name)),
            Spec::AuthorizationPolicy(_) => drop(self.authorizations.remove(&name)),
            Spec::VirtualService(_) => {
                routes.insert(name);
            }
            Spec::DestinationRule(_) => {
                if let Some(group) = self.group(declared) {
                    if let Some(ids) = self.rules.get_mut(&group) {
                        ids.remove(&object.id);
                    }
                    rules.insert(group);
                }
            }
            Spec::Gateway(_) => {
                dirty.listeners = Listeners::Changed;
                self.traffic.gateways.remove(&name);
            }
            Spec::ServiceEntry(_) => drop(self.traffic.entries.remove(&name)),
            Spec::WorkloadEntry(_) => drop(self.traffic.endpoints.remove(&name)),
            Spec::WorkloadGroup(_) => {
                self.traffic.groups.remove(&name);
                dirty.namespaces.insert(name.0);
            }
            Spec::Sidecar(_) => drop(self.traffic.scopes.remove(&name)),
            Spec::RequestAuthentication(_) => drop(self.traffic.request_authentications.remove(&name)),
            Spec::Telemetry(_) => drop(self.traffic.telemetries.remove(&name)),
            Spec::ProxyConfig(_) => drop(self.traffic.proxy_settings.remove(&name)),
            Spec::TrafficPolicy(_) => drop(self.traffic.policies.remove(&name)),
            Spec::Secret(_) => drop(self.secrets.remove(&object.id)),
            Spec::ServiceAccount => {
                self.accounts.remove(&name);
                dirty.accounts.insert(name);
            }
            Spec::ConfigMap(_) | Spec::Node(_) | Spec::Mesh(_) | Spec::IstioOperator(_) => {}
        }
    }

    /// What hangs on several objects: routes with their delegates, merged rules for one host.
    fn finish(
        &mut self,
        objects: &Objects,
        previous: Option<&Self>,
        routes: &BTreeSet<ObjectName>,
        rules: &BTreeSet<ObjectName>,
    ) {
        let mut affected: BTreeSet<ObjectName> = routes.clone();
        affected.extend(routes.iter().filter_map(|name| self.delegates.get(name)).flatten().cloned());
        for name in affected {
            for delegate in self.delegating.remove(&name).unwrap_or_default() {
                if let Some(roots) = self.delegates.get_mut(&delegate) {
                    roots.remove(&name);
                }
            }
            let id = id_of(Kind::VirtualService, &name);
            let compiled = objects.get(&id).and_then(|declared| match &declared.object.spec {
                Spec::VirtualService(written) => {
                    Some(route::compile(declared, written, objects, &self.settings.naming))
                }
                _ => None,
            });
            let (table, delegates) = compiled.unwrap_or_default();
            for delegate in &delegates {
                self.delegates.entry(delegate.clone()).or_default().insert(name.clone());
            }
            if !delegates.is_empty() {
                self.delegating.insert(name.clone(), delegates);
            }
            match table {
                Some(table) => insert(&mut self.traffic.routes, previous.map(|p| &p.traffic.routes), name, table),
                None => drop(self.traffic.routes.remove(&name)),
            }
        }
        for group in rules {
            let ids = self.rules.get(group).into_iter().flatten();
            let found: Vec<&Declared> = ids.filter_map(|id| objects.get(id)).collect();
            if found.is_empty() {
                self.traffic.backends.remove(group);
                self.rules.remove(group);
            } else {
                let merged = backend::merge(&found, &self.settings.naming, &self.settings.tls);
                insert(&mut self.traffic.backends, previous.map(|p| &p.traffic.backends), group.clone(), merged);
            }
        }
    }

    /// Gives gateways the ports that `Gateway` objects name for them.
    fn listen(&mut self, previous: Option<&Self>) {
        let is_gateway = |(_, process): &(_, &Arc<ProcessSpec>)| process.kind == ProcessKind::Gateway;
        let gateways: Vec<_> = self.processes.iter().filter(is_gateway).map(|(n, p)| (n.clone(), p.clone())).collect();
        for (name, process) in gateways {
            let object = self.process_objects.get(&name).map(|object| &object.spec);
            if matches!(object, Some(Spec::Process(written)) if written.faces == Faces::Mesh) {
                // The host opens nothing for it.
                continue;
            }
            let ports = gateway::ports(self.traffic.gateways.values(), &process.labels);
            let process = ProcessSpec { ports, ..ProcessSpec::clone(&process) };
            insert(&mut self.processes, previous.map(|p| &p.processes), name, process);
        }
    }

    /// Namespace and host of a `DestinationRule`.
    fn group(&self, declared: &Declared) -> Option<ObjectName> {
        let host: HostPattern = backend::host(declared, &self.settings.naming)?;
        Some((declared.object.id.namespace.as_str().into(), host.to_string().into()))
    }
}

/// Whether an object may say something about all others: a node, or settings of the mesh. Other ConfigMaps say
/// nothing.
pub(crate) fn is_general(object: &Object) -> bool {
    match &object.spec {
        Spec::Mesh(_) | Spec::Node(_) | Spec::IstioOperator(_) => true,
        Spec::ConfigMap(map) => map.mesh.is_some(),
        _ => false,
    }
}

/// What equals a former value is that value.
pub(crate) fn keep<V: PartialEq>(new: V, old: Option<&Arc<V>>) -> Arc<V> {
    match old {
        Some(old) if **old == new => old.clone(),
        _ => Arc::new(new),
    }
}

pub(crate) fn insert<V: PartialEq>(
    map: &mut OrdMap<ObjectName, Arc<V>>,
    old: Option<&OrdMap<ObjectName, Arc<V>>>,
    name: ObjectName,
    value: V,
) {
    let value = keep(value, old.and_then(|old| old.get(&name)));
    map.insert(name, value);
}

fn shared<K: Ord + Clone, V: PartialEq>(new: BTreeMap<K, V>, old: Option<&OrdMap<K, Arc<V>>>) -> OrdMap<K, Arc<V>> {
    new.into_iter().map(|(key, value)| (key.clone(), keep(value, old.and_then(|old| old.get(&key))))).collect()
}
