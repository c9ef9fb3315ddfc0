//! Small meshes for tests.

use std::{collections::BTreeMap, sync::Arc};

use ripstop_model::{
    AppProtocol, Change, Enrolment, Gateway, Health, HostPattern, Labels, MtlsMode, ObjectMap, PeerAuthentication,
    PortMapping, RuleId, Selector, Server, ServerHost, ServerProtocol, ServerTls, ServerTlsMode, Service, ServiceKey,
    ServicePort, Snapshot, TargetPort, Traffic, TrafficChange, TrustDomain, TunnelProtocol, Visibility, Workload,
    WorkloadUid,
};

use crate::Program;

pub(crate) fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
}

/// A captured workload with an IPv4 and an IPv6 address.
pub(crate) fn workload(namespace: &str, name: &str, last: u8) -> Workload {
    Workload {
        uid: WorkloadUid::process("Ripstop", namespace, name),
        name: name.into(),
        namespace: namespace.into(),
        addresses: vec![
            format!("10.244.1.{last}").parse().unwrap(),
            format!("fd00:10:244:1::{last:x}").parse().unwrap(),
        ],
        node: "node-1".into(),
        service_account: name.into(),
        trust_domain: TrustDomain::default(),
        labels: labels(&[("app", name)]),
        workload_name: name.into(),
        canonical_name: name.into(),
        canonical_revision: "latest".into(),
        tunnel: TunnelProtocol::Hbone,
        native_tunnel: false,
        quarantine: None,
        group: None,
        waypoint: None,
        kind: ripstop_model::ProcessKind::Command,
        enrolment: Enrolment::default(),
        health: Health::Healthy,
        services: Vec::new(),
        cluster: "Ripstop".into(),
    }
}

/// `<name>.<namespace>.svc.cluster.local` at 240.240.0.1, port 80.
pub(crate) fn service(namespace: &str, name: &str) -> Service {
    Service {
        key: ServiceKey::new(namespace, &format!("{name}.{namespace}.svc.cluster.local")),
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

/// `workload` as an endpoint of `service`, port 80 → 8080.
pub(crate) fn behind(mut workload: Workload, service: &Service) -> Workload {
    workload.services.push((service.key.clone(), vec![PortMapping { service_port: 80, target_port: 8080 }]));
    workload
}

pub(crate) fn policy(namespace: &str, name: &str, mode: Option<MtlsMode>, created: u64) -> PeerAuthentication {
    PeerAuthentication {
        id: RuleId(format!("PeerAuthentication/{namespace}/{name}/1").into()),
        namespace: namespace.into(),
        name: name.into(),
        selector: Selector::default(),
        mode,
        ports: BTreeMap::new(),
        created,
    }
}

pub(crate) fn selecting(mut policy: PeerAuthentication, app: &str) -> PeerAuthentication {
    policy.selector = Selector(labels(&[("app", app)]));
    policy
}

pub(crate) fn snapshot(changes: impl IntoIterator<Item = Change>) -> Snapshot {
    Snapshot::default().with(1, changes)
}

pub(crate) fn policies(policies: impl IntoIterator<Item = PeerAuthentication>) -> Snapshot {
    snapshot(policies.into_iter().map(|policy| Change::PeerAuthentication(Arc::new(policy))))
}

/// A mesh of nothing but what shapes traffic.
pub(crate) fn traffic(traffic: Traffic) -> Program {
    Program::new(snapshot([Change::Traffic(Box::new(traffic))]))
}

/// Objects by namespace and name.
pub(crate) fn objects<T>(
    objects: impl IntoIterator<Item = T>,
    name: impl Fn(&T) -> (Arc<str>, Arc<str>),
) -> ObjectMap<T> {
    objects.into_iter().map(|object| (name(&object), Arc::new(object))).collect()
}

/// A listener for routes of any namespace.
pub(crate) fn server(port: u16, protocol: ServerProtocol, host: &str, tls: Option<ServerTls>) -> Server {
    Server {
        id: RuleId(format!("{port}/{host}").into()),
        name: "".into(),
        port,
        protocol,
        bind: None,
        hosts: vec![ServerHost { namespace: None, host: HostPattern::new(host) }],
        tls: tls.map(Arc::new),
        https_redirect: false,
    }
}

/// TLS with certificates of these names, and nothing else said.
pub(crate) fn tls(mode: ServerTlsMode, credentials: &[&str]) -> ServerTls {
    ServerTls {
        mode,
        credentials: credentials.iter().map(|name| Arc::from(*name)).collect(),
        ca_credential: None,
        files: Vec::new(),
        subject_alt_names: Vec::new(),
        pins: Vec::new(),
        versions: (None, None),
        cipher_suites: Vec::new(),
        curves: Vec::new(),
        insecure: false,
    }
}

/// Listeners of every proxy that calls itself `istio: ingressgateway`.
pub(crate) fn gateway(namespace: &str, name: &str, created: u64, servers: Vec<Server>) -> Gateway {
    Gateway {
        id: RuleId(format!("Gateway/{namespace}/{name}/1").into()),
        namespace: namespace.into(),
        name: name.into(),
        selector: Selector(labels(&[("istio", "ingressgateway")])),
        servers,
        created,
    }
}

/// That the mesh has it.
pub(crate) fn put(gateway: Gateway) -> Change {
    let name = (gateway.namespace.clone(), gateway.name.clone());
    Change::TrafficObject(TrafficChange::Gateway(name, Some(Arc::new(gateway))))
}
