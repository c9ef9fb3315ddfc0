//! The immutable whole.

use std::{net::IpAddr, sync::Arc};

use imbl::{HashMap, OrdMap, OrdSet};

use crate::{
    Authorization, MeshConfig, ObjectName, PeerAuthentication, Service, ServiceKey, Traffic, TrafficChange, Workload,
    WorkloadUid,
};

/// Everything a proxy decides by, at one version. Cloning is cheap, and a
/// changed copy shares all that did not change.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    version: u64,
    mesh: Arc<MeshConfig>,
    workloads: HashMap<WorkloadUid, Arc<Workload>>,
    by_address: HashMap<IpAddr, WorkloadUid>,
    services: HashMap<ServiceKey, Arc<Service>>,
    by_vip: HashMap<IpAddr, ServiceKey>,
    by_hostname: HashMap<Arc<str>, OrdSet<ServiceKey>>,
    endpoints: HashMap<ServiceKey, OrdSet<WorkloadUid>>,
    peer_authentications: ByNamespace<PeerAuthentication>,
    authorizations: ByNamespace<Authorization>,
    traffic: Traffic,
}

/// Policies of each namespace, by name.
type ByNamespace<T> = HashMap<Arc<str>, OrdMap<Arc<str>, Arc<T>>>;

/// One change to a snapshot.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A workload appears or changes.
    Workload(Arc<Workload>),
    /// A workload is gone.
    WorkloadGone(WorkloadUid),
    /// A service appears or changes.
    Service(Arc<Service>),
    /// A service is gone.
    ServiceGone(ServiceKey),
    /// A policy appears or changes.
    PeerAuthentication(Arc<PeerAuthentication>),
    /// A policy is gone: namespace, name.
    PeerAuthenticationGone(Arc<str>, Arc<str>),
    /// A policy appears or changes.
    Authorization(Arc<Authorization>),
    /// A policy is gone.
    AuthorizationGone(ObjectName),
    /// All that shapes traffic is that from now on.
    Traffic(Box<Traffic>),
    /// One object of what shapes traffic comes, changes or goes.
    TrafficObject(TrafficChange),
    /// The mesh's settings change.
    Mesh(Arc<MeshConfig>),
}

// === impl Snapshot ===

impl Snapshot {
    /// The commit version this snapshot belongs to; 0 before the first commit.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Mesh-wide settings.
    pub fn mesh(&self) -> &Arc<MeshConfig> {
        &self.mesh
    }

    /// Whether policies of connections and what they look up are the very same in both: then only a change of
    /// the callee itself can change what is decided about it.
    pub fn has_policies_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.mesh, &other.mesh)
            && self.authorizations.ptr_eq(&other.authorizations)
            && self.peer_authentications.ptr_eq(&other.peer_authentications)
            && self.services.ptr_eq(&other.services)
            && self.traffic.entries.ptr_eq(&other.traffic.entries)
            && self.traffic.policies.ptr_eq(&other.traffic.policies)
    }

    /// Whether services are the very same in both.
    pub fn has_services_of(&self, other: &Self) -> bool {
        self.services.ptr_eq(&other.services)
    }

    /// The workload with that uid.
    pub fn workload(&self, uid: &WorkloadUid) -> Option<&Arc<Workload>> {
        self.workloads.get(uid)
    }

    /// The workload that has `address`. IPv4-mapped IPv6 addresses count as IPv4.
    pub fn workload_at(&self, address: IpAddr) -> Option<&Arc<Workload>> {
        self.workloads.get(self.by_address.get(&address.to_canonical())?)
    }

    /// All workloads, in no order.
    pub fn workloads(&self) -> impl Iterator<Item = &Arc<Workload>> {
        self.workloads.values()
    }

    /// The service with that key.
    pub fn service(&self, key: &ServiceKey) -> Option<&Arc<Service>> {
        self.services.get(key)
    }

    /// The service that has the virtual address `vip`.
    pub fn service_at(&self, vip: IpAddr) -> Option<&Arc<Service>> {
        self.services.get(self.by_vip.get(&vip.to_canonical())?)
    }

    /// Services with that lower-case host name, lowest namespace first.
    pub fn services_named(&self, hostname: &str) -> impl Iterator<Item = &Arc<Service>> {
        self.by_hostname.get(hostname).into_iter().flatten().filter_map(|key| self.services.get(key))
    }

    /// All services, in no order.
    pub fn services(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.services.values()
    }

    /// Workloads behind a service, healthy or not, in order of their uid.
    pub fn endpoints(&self, key: &ServiceKey) -> impl Iterator<Item = &Arc<Workload>> {
        self.endpoints.get(key).into_iter().flatten().filter_map(|uid| self.workloads.get(uid))
    }

    /// All `PeerAuthentication`s, in no order.
    pub fn peer_authentications(&self) -> impl Iterator<Item = &Arc<PeerAuthentication>> {
        self.peer_authentications.values().flat_map(|policies| policies.values())
    }

    /// `PeerAuthentication`s of a namespace, in order of name.
    pub fn peer_authentications_in(&self, namespace: &str) -> impl Iterator<Item = &Arc<PeerAuthentication>> {
        self.peer_authentications.get(namespace).into_iter().flat_map(|policies| policies.values())
    }

    /// Namespaces that have `Authorization`s, in no order.
    pub fn authorized_namespaces(&self) -> impl Iterator<Item = &Arc<str>> {
        self.authorizations.keys()
    }

    /// `Authorization`s of a namespace, in order of name.
    pub fn authorizations_in(&self, namespace: &str) -> impl Iterator<Item = &Arc<Authorization>> {
        self.authorizations.get(namespace).into_iter().flat_map(|policies| policies.values())
    }

    /// What shapes traffic.
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// This snapshot with `changes` applied in order, as `version`.
    #[must_use]
    pub fn with(&self, version: u64, changes: impl IntoIterator<Item = Change>) -> Self {
        let mut next = self.clone();
        next.version = version;
        for change in changes {
            next.apply(change);
        }
        next
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Workload(workload) => {
                self.forget_workload(&workload.uid);
                for address in &workload.addresses {
                    self.by_address.insert(address.to_canonical(), workload.uid.clone());
                }
                for (key, _) in &workload.services {
                    self.endpoints.entry(key.clone()).or_default().insert(workload.uid.clone());
                }
                self.workloads.insert(workload.uid.clone(), workload);
            }
            Change::WorkloadGone(uid) => self.forget_workload(&uid),
            Change::Service(service) => {
                self.forget_service(&service.key);
                for address in &service.addresses {
                    self.by_vip.insert(address.to_canonical(), service.key.clone());
                }
                self.by_hostname.entry(service.key.hostname.clone()).or_default().insert(service.key.clone());
                self.services.insert(service.key.clone(), service);
            }
            Change::ServiceGone(key) => self.forget_service(&key),
            Change::PeerAuthentication(policy) => {
                insert(&mut self.peer_authentications, policy.namespace.clone(), policy.name.clone(), policy);
            }
            Change::PeerAuthenticationGone(namespace, name) => {
                remove(&mut self.peer_authentications, &namespace, &name);
            }
            Change::Authorization(policy) => {
                insert(&mut self.authorizations, policy.namespace.clone(), policy.name.clone(), policy);
            }
            Change::AuthorizationGone((namespace, name)) => remove(&mut self.authorizations, &namespace, &name),
            Change::Traffic(traffic) => self.traffic = *traffic,
            Change::TrafficObject(change) => self.traffic.apply(change),
            Change::Mesh(mesh) => self.mesh = mesh,
        }
    }

    /// Addresses that went to another workload meanwhile stay with it.
    fn forget_workload(&mut self, uid: &WorkloadUid) {
        let Some(old) = self.workloads.remove(uid) else { return };
        for address in &old.addresses {
            if self.by_address.get(&address.to_canonical()) == Some(uid) {
                self.by_address.remove(&address.to_canonical());
            }
        }
        for (key, _) in &old.services {
            if let Some(members) = self.endpoints.get_mut(key) {
                members.remove(uid);
                if members.is_empty() {
                    self.endpoints.remove(key);
                }
            }
        }
    }

    fn forget_service(&mut self, key: &ServiceKey) {
        let Some(old) = self.services.remove(key) else { return };
        for address in &old.addresses {
            if self.by_vip.get(&address.to_canonical()) == Some(key) {
                self.by_vip.remove(&address.to_canonical());
            }
        }
        if let Some(keys) = self.by_hostname.get_mut(&key.hostname) {
            keys.remove(key);
            if keys.is_empty() {
                self.by_hostname.remove(&key.hostname);
            }
        }
    }
}

fn insert<T>(policies: &mut ByNamespace<T>, namespace: Arc<str>, name: Arc<str>, policy: Arc<T>) {
    policies.entry(namespace).or_default().insert(name, policy);
}

fn remove<T>(policies: &mut ByNamespace<T>, namespace: &Arc<str>, name: &Arc<str>) {
    if let Some(own) = policies.get_mut(namespace) {
        own.remove(name);
        if own.is_empty() {
            policies.remove(namespace);
        }
    }
}

#[cfg(test)]
mod tests;
