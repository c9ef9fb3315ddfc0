//! Waypoints: which service or workload is called through which, and what a waypoint has without being told.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::Arc,
};

use ripstop_api::{Kind, Meta, Object, Source, Spec, parse_file, ripstop::ProcessRole};
use ripstop_model::{
    Admission, Canary, ContainerPort, HostEntry, Labels, ProcessKind, Service, ServiceKey, Waypoint, WaypointCallers,
};

use crate::{
    Instance, Objects,
    declare::{Declarations, id_of, insert, keep, of_kind},
};

/// Label that names a waypoint, or `none`; of a service, a workload, a service account or a namespace.
pub(crate) const USE: &str = "istio.io/use-waypoint";
/// Label with the waypoint's namespace, where it is another.
pub(crate) const USE_NAMESPACE: &str = "istio.io/use-waypoint-namespace";
/// Label by which gateways go through the waypoint, too.
pub(crate) const INGRESS: &str = "istio.io/ingress-use-waypoint";
/// Label of a waypoint: what it serves.
pub(crate) const FOR: &str = "istio.io/waypoint-for";
/// Label that names another waypoint for a share of the calls; of a service or a namespace that names one.
pub(crate) const CANARY: &str = "istio.io/use-waypoint-canary";
/// Label with the namespace of that.
pub(crate) const CANARY_NAMESPACE: &str = "istio.io/use-waypoint-canary-namespace";
/// Annotation with its share, in hundredths.
pub(crate) const CANARY_WEIGHT: &str = "istio.io/use-waypoint-canary-weight";
/// Label with the name of the waypoint that a workload is an instance of.
pub(crate) const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";
/// The class of waypoints.
pub(crate) const CLASS: &str = "istio-waypoint";
/// Value of [`USE`] that names nobody.
pub(crate) const NOBODY: &str = "none";
/// Label of what belongs to a waypoint, as Istio writes it.
const MANAGED: (&str, &str) = ("gateway.istio.io/managed", "istio.io-mesh-controller");
/// The port that takes tunnels.
const PORT: u16 = 15008;

/// Where labels may name another waypoint, or one that admits others than before.
#[derive(Debug)]
pub(crate) enum Rebound {
    /// In these namespaces.
    Of(BTreeSet<Arc<str>>),
    /// Anywhere: a waypoint came, went or changed.
    All,
}

/// What goes through a waypoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Traffic {
    /// Calls of a service, or of a declared host.
    Services,
    /// Calls of a workload's own address.
    Workloads,
}

/// What a waypoint is for, as [`FOR`] says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Scope {
    #[default]
    Services,
    Workloads,
    All,
    Nobody,
}

/// Why a canary takes no calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Idle {
    /// No waypoint is named beside it.
    Alone,
    /// It is that waypoint.
    Same,
    /// Its share is none.
    Share,
    /// There is no such waypoint.
    Missing,
    /// It is not for services.
    OtherTraffic,
    /// It does not serve the namespace.
    Refuses,
}

/// A waypoint, as labels name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Named<'a> {
    /// The waypoint's namespace.
    pub(crate) namespace: &'a str,
    /// Its name.
    pub(crate) name: &'a str,
}

/// What labels say of a waypoint.
#[derive(Clone, Copy, Debug)]
enum Said<'a> {
    /// There is to be none.
    Nobody,
    /// That one.
    Waypoint(Named<'a>),
}

/// The service of each declared waypoint: it selects the waypoint's instances, and has their port of tunnels. None that
/// users declared is replaced.
pub(crate) fn services(objects: &Objects) -> Vec<Object> {
    let mut text = String::new();
    for declared in of_kind(objects, Kind::Process) {
        let object = &declared.object;
        if !matches!(&object.spec, Spec::Process(process) if process.role == ProcessRole::Waypoint) {
            continue;
        }
        let (namespace, name) = (&object.id.namespace, &object.id.name);
        let (managed, by) = MANAGED;
        // A text can always be written.
        let _ = write!(
            text,
            "---\n\
             apiVersion: v1\n\
             kind: Service\n\
             metadata: {{name: {name:?}, namespace: {namespace:?}, labels: {{{GATEWAY_NAME}: {name:?}, {managed}: {by}}}}}\n\
             spec: {{selector: {{{GATEWAY_NAME}: {name:?}}}, ports: [{{name: mesh, appProtocol: tcp, port: {PORT}}}]}}\n"
        );
    }
    let mut made = parse_file("", &text).objects;
    made.retain(|object| !objects.contains_key(&object.id));
    for object in &mut made {
        object.source = Source::default();
    }
    made
}

/// The waypoint that the labels of something in `namespace` name.
pub(crate) fn named<'a>(own: &'a Meta, namespace: &'a str) -> Option<Named<'a>> {
    said(own, namespace)?.waypoint()
}

/// What labels say of a waypoint, if they do.
fn said<'a>(meta: &'a Meta, namespace: &'a str) -> Option<Said<'a>> {
    said_by(meta, namespace, [USE, USE_NAMESPACE])
}

fn said_by<'a>(meta: &'a Meta, namespace: &'a str, [name, home]: [&str; 2]) -> Option<Said<'a>> {
    let label = |key| meta.labels.get(key).map(String::as_str).filter(|value| !value.is_empty());
    let name = label(name)?;
    let home = label(home).unwrap_or(namespace);
    Some(if name == NOBODY { Said::Nobody } else { Said::Waypoint(Named { namespace: home, name }) })
}

/// The waypoint that the labels of something in `namespace` name for a share of its calls.
pub(crate) fn named_canary<'a>(own: &'a Meta, namespace: &'a str) -> Option<Named<'a>> {
    said_by(own, namespace, [CANARY, CANARY_NAMESPACE])?.waypoint()
}

/// Whether that is a proxy of a waypoint's, or the service of one: it has none itself.
fn is_managed(labels: &BTreeMap<String, String>) -> bool {
    let (managed, by) = MANAGED;
    labels.get(managed).is_some_and(|value| value == by)
}

// === impl Said ===

impl<'a> Said<'a> {
    fn waypoint(self) -> Option<Named<'a>> {
        match self {
            Self::Nobody => None,
            Self::Waypoint(named) => Some(named),
        }
    }
}

// === impl Scope ===

impl Scope {
    /// What labels of a waypoint say. What is not known does not count.
    pub(crate) fn of(meta: &Meta) -> Self {
        match meta.labels.get(FOR).map(String::as_str) {
            Some("workload") => Self::Workloads,
            Some("all") => Self::All,
            Some(NOBODY) => Self::Nobody,
            _ => Self::Services,
        }
    }

    /// Whether that goes through it.
    pub(crate) fn takes(self, traffic: Traffic) -> bool {
        match self {
            Self::Services => traffic == Traffic::Services,
            Self::Workloads => traffic == Traffic::Workloads,
            Self::All => true,
            Self::Nobody => false,
        }
    }
}

// === impl Rebound ===

impl Default for Rebound {
    fn default() -> Self {
        Self::Of(BTreeSet::new())
    }
}

impl Rebound {
    /// In that namespace, too.
    pub(crate) fn add(&mut self, namespace: Arc<str>) {
        if let Self::Of(namespaces) = self {
            namespaces.insert(namespace);
        }
    }
}

// === impl Declarations ===

impl Declarations {
    /// Looks again at which waypoints services and declared hosts have, and at who sees the latter, as far as that may be
    /// another.
    pub(crate) fn rebind(&mut self, objects: &Objects, previous: Option<&Self>, rebound: &Rebound) {
        let all: BTreeSet<Arc<str>>;
        let namespaces = match rebound {
            Rebound::Of(namespaces) => namespaces,
            Rebound::All => {
                let entries = self.traffic.entries.keys().map(|(namespace, _)| namespace);
                all = self.by_namespace.keys().chain(entries).cloned().collect();
                &all
            }
        };
        for namespace in namespaces {
            let services = self.by_namespace.get(namespace).into_iter().flatten();
            let services: Vec<_> = services.map(|(name, service)| (name.clone(), service.clone())).collect();
            for (name, service) in services {
                let id = id_of(Kind::Service, &(namespace.clone(), name.clone()));
                let Some(declared) = objects.get(&id) else { continue };
                let waypoint = self.waypoint(&declared.object).filter(|_| !service.headless);
                if service.waypoint == waypoint {
                    continue;
                }
                let key = service.key.clone();
                let service = Service { waypoint, ..Service::clone(&service) };
                let service = keep(service, previous.and_then(|p| p.services.get(&key)));
                self.by_namespace.entry(namespace.clone()).or_default().insert(name, service.clone());
                self.services.insert(key, service);
            }
            let entries = self.traffic.entries.range((namespace.clone(), Arc::default())..);
            let entries = entries.take_while(|(name, _)| name.0 == *namespace);
            let entries: Vec<_> = entries.map(|(name, hosts)| (name.clone(), hosts.clone())).collect();
            for (name, hosts) in entries {
                let Some(declared) = objects.get(&id_of(Kind::ServiceEntry, &name)) else { continue };
                let Spec::ServiceEntry(written) = &declared.object.spec else { continue };
                let waypoint = self.waypoint(&declared.object);
                let visibility = self.seen_by(&declared.object, written);
                let bound = |entry: &HostEntry| waypoint.clone().filter(|_| entry.address().is_some());
                if hosts.iter().all(|entry| entry.waypoint == bound(entry) && entry.visibility == visibility) {
                    continue;
                }
                let bound = |entry: &HostEntry| HostEntry {
                    waypoint: bound(entry),
                    visibility: visibility.clone(),
                    ..entry.clone()
                };
                let hosts = hosts.iter().map(bound).collect();
                insert(&mut self.traffic.entries, previous.map(|p| &p.traffic.entries), name, hosts);
            }
        }
    }

    /// The waypoint in front of a service or of a declared host, whether it is there or not: by its own label, else by its
    /// namespace's. What belongs to a waypoint itself has none.
    pub(crate) fn waypoint(&self, object: &Object) -> Option<Waypoint> {
        let (own, namespace) = (&object.meta, object.id.namespace.as_str());
        if is_managed(&own.labels) {
            return None;
        }
        let around = self.namespace(namespace);
        let (named, meta) = self.bound(&[Some(own), around], namespace, Traffic::Services)?;
        let says = |meta: &Meta| meta.labels.get(INGRESS).map(|value| value == "true");
        let gateways = says(own).or_else(|| around.and_then(says)).unwrap_or(false);
        let callers = if gateways { WaypointCallers::WorkloadsAndGateways } else { WaypointCallers::Workloads };
        let canary = self.canary(meta, namespace).and_then(Result::ok).flatten();
        Some(Waypoint { canary, ..self.in_front(named, namespace, callers) })
    }

    /// The waypoint in front of the own addresses of a workload with those labels, whether it is there or not: by its own
    /// label, else by that of its service account, else by its namespace's. Proxies of the mesh have none.
    pub(crate) fn workload_waypoint(&self, own: &Meta, instance: &Instance, kind: ProcessKind) -> Option<Waypoint> {
        let namespace = &*instance.namespace;
        if kind != ProcessKind::Command || is_managed(&own.labels) {
            return None;
        }
        let account = self.accounts.get(&(instance.namespace.clone(), instance.service_account.clone()));
        let levels = [Some(own), account.map(|object| &object.meta), self.namespace(namespace)];
        let (named, _) = self.bound(&levels, namespace, Traffic::Workloads)?;
        Some(self.in_front(named, namespace, WaypointCallers::Workloads))
    }

    /// The waypoint that the first of those labels name that say anything of one, if it is for that traffic.
    ///
    /// Of one that is not there nobody knows what it is for, or was: nobody goes past it, until its labels say so.
    fn bound<'a>(
        &self,
        levels: &[Option<&'a Meta>],
        namespace: &'a str,
        traffic: Traffic,
    ) -> Option<(Named<'a>, &'a Meta)> {
        let mut says = levels.iter().flatten().copied().filter_map(|meta| Some((said(meta, namespace)?, meta)));
        let (said, meta) = says.next()?;
        let named = said.waypoint()?;
        self.scope(named).is_none_or(|scope| scope.takes(traffic)).then_some((named, meta))
    }

    fn in_front(&self, named: Named<'_>, namespace: &str, callers: WaypointCallers) -> Waypoint {
        Waypoint { service: self.service_of(named), callers, admission: self.admission(named, namespace), canary: None }
    }

    fn service_of(&self, Named { namespace, name }: Named<'_>) -> ServiceKey {
        ServiceKey::new(namespace, &format!("{name}.{namespace}.{}", self.mesh.service_domain))
    }

    /// The canary that labels of something in `namespace` name, or why it takes nothing; without it, and without a share,
    /// which is what an object says until it says more, there is none.
    pub(crate) fn canary(&self, meta: &Meta, namespace: &str) -> Option<Result<Option<Canary>, Idle>> {
        let canary = named_canary(meta, namespace)?;
        let percent = match meta.annotations.get(CANARY_WEIGHT).map(|text| text.trim().parse::<u8>()) {
            None | Some(Ok(0)) => return Some(Ok(None)),
            Some(Ok(percent)) if percent <= 100 => percent,
            Some(_) => return Some(Err(Idle::Share)),
        };
        let idle = match (named(meta, namespace), self.scope(canary)) {
            (None, _) => Some(Idle::Alone),
            (Some(primary), _) if primary == canary => Some(Idle::Same),
            (Some(_), None) => Some(Idle::Missing),
            (Some(_), Some(scope)) if !scope.takes(Traffic::Services) => Some(Idle::OtherTraffic),
            _ => (self.admission(canary, namespace) == Admission::Refused).then_some(Idle::Refuses),
        };
        Some(match idle {
            Some(idle) => Err(idle),
            None => Ok(Some(Canary { service: self.service_of(canary), percent })),
        })
    }

    /// What the waypoint that is named is for; nothing: there is none.
    pub(crate) fn scope(&self, named: Named<'_>) -> Option<Scope> {
        let declared = self.process_objects.get(&(named.namespace.into(), named.name.into()))?;
        let is_waypoint = matches!(&declared.spec, Spec::Process(process) if process.role == ProcessRole::Waypoint);
        is_waypoint.then(|| Scope::of(&declared.meta))
    }

    /// Whether the waypoint that is named serves `namespace`: its `allowedRoutes` say so. One that is not there serves its
    /// own, once it comes; whether it serves others, nobody knows.
    pub(crate) fn admission(&self, named: Named<'_>, namespace: &str) -> Admission {
        let Named { namespace: home, name } = named;
        let declared = self.process_objects.get(&(home.into(), name.into())).map(|object| &object.spec);
        let serves = match declared {
            Some(Spec::Process(process)) if process.role == ProcessRole::Waypoint => {
                let around = self.namespace(namespace);
                process.served.includes(home, namespace, around.map_or(&BTreeMap::new(), |meta| &meta.labels))
            }
            _ => home == namespace,
        };
        if serves { Admission::Admitted } else { Admission::Refused }
    }
}

/// Labels of the instances of the waypoint `name` beside those of its object.
pub(crate) fn labelled(mut labels: Labels, name: &Arc<str>) -> Labels {
    let (managed, by) = MANAGED;
    labels.insert(GATEWAY_NAME.into(), name.clone());
    labels.insert(managed.into(), by.into());
    labels
}

/// What a waypoint serves.
pub(crate) fn ports() -> Vec<ContainerPort> {
    vec![ContainerPort { name: "mesh".into(), port: PORT, udp: false }]
}

#[cfg(test)]
mod tests;
