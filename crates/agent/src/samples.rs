//! Small workloads and services for tests, and a world to try them in.

use std::{process::Command, sync::Arc};

use ripstop_model::{
    AppProtocol, DataplaneMode, Enrolment, EnrolmentLevel, Health, Labels, PortMapping, Service, ServiceKey,
    ServicePort, TargetPort, TrustDomain, TunnelProtocol, Visibility, Workload, WorkloadUid,
};

pub(crate) fn service(name: &str, namespace: &str, vips: &[&str], ports: &[(u16, u16)]) -> Service {
    Service {
        key: ServiceKey::new(namespace, &format!("{name}.{namespace}.svc.cluster.local")),
        name: name.into(),
        addresses: vips.iter().map(|vip| vip.parse().unwrap()).collect(),
        ports: ports
            .iter()
            .map(|(port, target)| ServicePort {
                port: *port,
                name: "".into(),
                target: TargetPort::Number(*target),
                protocol: AppProtocol::Tcp,
            })
            .collect(),
        selector: None,
        headless: vips.is_empty(),
        publish_not_ready: false,
        waypoint: None,
        subject_alt_names: Vec::new(),
        visibility: Visibility::default(),
    }
}

pub(crate) fn workload(name: &str, namespace: &str, addresses: &[&str], services: &[&Service]) -> Workload {
    let ports = |service: &Service| {
        let mapping = |port: &ServicePort| match port.target {
            TargetPort::Number(target) => Some(PortMapping { service_port: port.port, target_port: target }),
            TargetPort::Name(_) => None,
        };
        service.ports.iter().filter_map(mapping).collect()
    };
    Workload {
        uid: WorkloadUid::process("Ripstop", namespace, name),
        name: name.into(),
        namespace: namespace.into(),
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        node: "node-1".into(),
        service_account: "default".into(),
        trust_domain: TrustDomain::default(),
        labels: Labels::new(),
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
        services: services.iter().map(|service| (service.key.clone(), ports(service))).collect(),
        cluster: "Ripstop".into(),
    }
}

/// `workload`, enrolled by its namespace.
pub(crate) fn enrolled(mut workload: Workload) -> Workload {
    workload.enrolment = Enrolment {
        mode: DataplaneMode::Node,
        decided_by: Some((Arc::from("istio.io/dataplane-mode=ambient"), EnrolmentLevel::Namespace)),
    };
    workload
}

/// Runs `test` (its whole path) again in a user, network and mount namespace of its own, where it
/// needs no privileges; says whether this is there.
pub(crate) fn in_a_world(test: &str) -> bool {
    const INSIDE: &str = "RIPSTOP_TEST_INSIDE";
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let status = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "--mount", "--"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", test])
        .env(INSIDE, "1")
        .status()
        .expect("unshare (util-linux) starts the test in a world of its own");
    assert!(status.success(), "{test} failed in its world");
    false
}
