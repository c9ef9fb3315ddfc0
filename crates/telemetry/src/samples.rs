//! Parts of a mesh for tests.

use std::sync::Arc;

use ripstop_model::{
    Enrolment, Health, Service, ServiceKey, TrustDomain, TunnelProtocol, Visibility, Workload, WorkloadUid,
};

/// Workload `NAME-v1-0` of `NAME-v1`, in the namespace `shop`.
pub(crate) fn workload(name: &str) -> Workload {
    Workload {
        uid: WorkloadUid::process("Kubernetes", "shop", name),
        name: format!("{name}-v1-0").into(),
        namespace: "shop".into(),
        addresses: Vec::new(),
        node: "node".into(),
        service_account: name.into(),
        trust_domain: TrustDomain::default(),
        labels: [(Arc::from("version"), Arc::from("v1"))].into(),
        workload_name: format!("{name}-v1").into(),
        canonical_name: name.into(),
        canonical_revision: "v1".into(),
        tunnel: TunnelProtocol::Hbone,
        native_tunnel: false,
        quarantine: None,
        group: None,
        waypoint: None,
        kind: ripstop_model::ProcessKind::Command,
        enrolment: Enrolment::default(),
        health: Health::Healthy,
        services: Vec::new(),
        cluster: "Kubernetes".into(),
    }
}

/// Service `NAME.shop.svc.cluster.local`.
pub(crate) fn service(name: &str) -> Service {
    Service {
        key: ServiceKey::new("shop", &format!("{name}.shop.svc.cluster.local")),
        name: name.into(),
        addresses: Vec::new(),
        ports: Vec::new(),
        selector: None,
        headless: false,
        publish_not_ready: false,
        waypoint: None,
        subject_alt_names: Vec::new(),
        visibility: Visibility::default(),
    }
}
