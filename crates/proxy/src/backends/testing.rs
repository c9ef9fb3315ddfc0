//! Small meshes and servers for tests.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use ripstop_decide::{Callee, Program, Target};
use ripstop_model::{
    AppProtocol, BackendPolicy, BackendRef, BackendSettings, Change, ConnectionPool, EndpointAddress, Enrolment,
    EntryPort, Health, HostEntry, HostPattern, Labels, PortMapping, PortSettings, Resolution, RuleId, Service,
    ServiceKey, ServicePort, Snapshot, StaticEndpoint, TargetPort, TrafficChange, TrustDomain, TunnelProtocol,
    Visibility, Workload, WorkloadUid,
};

use super::{
    Backends,
    resolve::{Resolve, Resolved, Resolving},
};

pub(crate) fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
}

/// Outside of the mesh, at 10.1.0.`last`, labelled `app: <name>`.
pub(crate) fn workload(name: &str, last: u8) -> Workload {
    Workload {
        uid: WorkloadUid::process("c", "ns", name),
        name: name.into(),
        namespace: "ns".into(),
        addresses: vec![IpAddr::from([10, 1, 0, last])],
        node: "n".into(),
        service_account: name.into(),
        trust_domain: TrustDomain::default(),
        labels: labels(&[("app", name)]),
        workload_name: name.into(),
        canonical_name: name.into(),
        canonical_revision: "latest".into(),
        tunnel: TunnelProtocol::None,
        native_tunnel: false,
        quarantine: None,
        group: None,
        waypoint: None,
        kind: ripstop_model::ProcessKind::Command,
        enrolment: Enrolment::default(),
        health: Health::Healthy,
        services: Vec::new(),
        cluster: "c".into(),
    }
}

/// `<name>.ns.svc.cluster.local`, port 80, HTTP/1.1.
pub(crate) fn service(name: &str) -> Service {
    Service {
        key: ServiceKey::new("ns", &format!("{name}.ns.svc.cluster.local")),
        name: name.into(),
        addresses: vec!["240.240.0.1".parse().unwrap()],
        ports: vec![ServicePort {
            port: 80,
            name: "http".into(),
            target: TargetPort::Number(8080),
            protocol: AppProtocol::Http11,
        }],
        selector: None,
        headless: false,
        publish_not_ready: false,
        waypoint: None,
        subject_alt_names: Vec::new(),
        visibility: Visibility::default(),
    }
}

/// `workload` behind port 80 of `service`, at `port`.
pub(crate) fn behind(mut workload: Workload, service: &Service, port: u16) -> Workload {
    workload.services.push((service.key.clone(), vec![PortMapping { service_port: 80, target_port: port }]));
    workload
}

/// A host of that name, port 80 → `target`, HTTP/1.1.
pub(crate) fn entry(host: &str, resolution: Resolution, target: u16, endpoints: Vec<StaticEndpoint>) -> HostEntry {
    HostEntry {
        id: RuleId(format!("ServiceEntry/ns/{host}/1").into()),
        object: ("ns".into(), host.into()),
        host: HostPattern::new(host),
        addresses: Vec::new(),
        ports: vec![EntryPort { port: 80, name: "http".into(), protocol: AppProtocol::Http11, target }],
        internal: false,
        allocates: true,
        waypoint: None,
        resolution,
        endpoints,
        selector: None,
        visibility: Visibility::default(),
        subject_alt_names: Vec::new(),
        created: 0,
    }
}

pub(crate) fn written(address: EndpointAddress) -> StaticEndpoint {
    StaticEndpoint {
        id: RuleId("WorkloadEntry/ns/e/1".into()),
        namespace: "ns".into(),
        address,
        ports: BTreeMap::new(),
        labels: Labels::new(),
        network: "".into(),
        locality: "".into(),
        weight: 1,
        service_account: None,
    }
}

/// Rules for calling `host` from anywhere.
pub(crate) fn rules(host: &str, general: PortSettings) -> BackendPolicy {
    BackendPolicy {
        ids: vec![RuleId(format!("DestinationRule/ns/{host}/1").into())],
        namespace: "ns".into(),
        host: HostPattern::new(host),
        visibility: Visibility::default(),
        client: None,
        policy: BackendSettings { general, ..BackendSettings::default() },
        subsets: Vec::new(),
        created: 0,
    }
}

pub(crate) fn pool(pool: ConnectionPool) -> PortSettings {
    PortSettings { pool: Some(Arc::new(pool)), ..PortSettings::default() }
}

pub(crate) fn rule_change(rules: BackendPolicy) -> Change {
    let name = (rules.namespace.clone(), rules.host.to_string().into());
    Change::TrafficObject(TrafficChange::Backends(name, Some(Arc::new(vec![rules]))))
}

pub(crate) fn program(version: u64, changes: impl IntoIterator<Item = Change>) -> Arc<Program> {
    Arc::new(Program::new(Snapshot::default().with(version, changes)))
}

/// Port 80 of what was found.
pub(crate) fn target(callee: &Callee) -> Target {
    let host = match callee {
        Callee::Service(service) => service.key.hostname.clone(),
        Callee::Entry(entry) => entry.host.to_string().into(),
        Callee::Workload(workload) => workload.addresses[0].to_string().into(),
    };
    Target {
        backend: BackendRef { host, subset: None, port: Some(80) },
        weight: 1,
        written: None,
        callee: Some(callee.clone()),
        missing: None,
    }
}

/// Backends whose names nobody ever tells anything about.
pub(crate) fn unresolved(state: &Path) -> Backends {
    Backends::with_resolver(state, Arc::new(Silent))
}

/// A resolver that does not answer.
#[derive(Debug)]
struct Silent;

impl Resolve for Silent {
    fn resolve<'a>(&'a self, _name: &'a str, _near: Option<IpAddr>) -> Resolving<'a> {
        Box::pin(std::future::pending())
    }
}

/// A resolver that knows what it is told.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) known: Mutex<HashMap<String, Resolved>>,
    pub(super) asked: AtomicUsize,
}

impl Names {
    pub(super) fn set(&self, name: &str, resolved: Resolved) {
        self.known.lock().unwrap().insert(name.to_owned(), resolved);
    }
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, name: &'a str, _near: Option<IpAddr>) -> Resolving<'a> {
        self.asked.fetch_add(1, SeqCst);
        let found = self.known.lock().unwrap().get(name).cloned();
        Box::pin(async move { found.ok_or_else(|| io::Error::other("no answer")) })
    }
}

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}
