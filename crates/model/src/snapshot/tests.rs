use super::*;
use crate::{DataplaneMode, Enrolment, Health, PortMapping, TrustDomain, TunnelProtocol};

fn workload(name: &str, address: &str, services: &[&ServiceKey]) -> Arc<Workload> {
    Arc::new(Workload {
        uid: WorkloadUid::process("c", "ns", name),
        name: name.into(),
        namespace: "ns".into(),
        addresses: vec![address.parse().unwrap()],
        node: "n1".into(),
        service_account: "default".into(),
        trust_domain: TrustDomain::default(),
        labels: [].into(),
        workload_name: name.into(),
        canonical_name: name.into(),
        canonical_revision: "latest".into(),
        tunnel: TunnelProtocol::None,
        native_tunnel: false,
        quarantine: None,
        group: None,
        waypoint: None,
        kind: crate::ProcessKind::Command,
        enrolment: Enrolment { mode: DataplaneMode::None, decided_by: None },
        health: Health::Healthy,
        services: services
            .iter()
            .map(|key| ((*key).clone(), vec![PortMapping { service_port: 80, target_port: 8080 }]))
            .collect(),
        cluster: "c".into(),
    })
}

#[test]
fn endpoints_follow_workloads() {
    let key = ServiceKey::new("ns", "A.ns.svc.cluster.local");
    let (a, b) = (workload("a", "10.0.0.1", &[&key]), workload("b", "10.0.0.2", &[&key]));
    let one = Snapshot::default().with(1, [Change::Workload(a.clone()), Change::Workload(b.clone())]);
    assert_eq!(one.endpoints(&key).count(), 2);
    assert_eq!(a.target_port(&key, 80), Some(8080));
    let two = one.with(2, [Change::WorkloadGone(a.uid.clone()), Change::Workload(workload("b", "10.0.0.2", &[]))]);
    assert_eq!(two.endpoints(&key).count(), 0);
    assert_eq!(one.endpoints(&key).count(), 2, "an old snapshot does not change");
}

#[test]
fn an_address_follows_its_newest_owner() {
    let old = workload("old", "10.0.0.1", &[]);
    let new = workload("new", "10.0.0.1", &[]);
    let address = "10.0.0.1".parse().unwrap();
    let snapshot = Snapshot::default()
        .with(1, [Change::Workload(old.clone()), Change::Workload(new.clone()), Change::WorkloadGone(old.uid.clone())]);
    assert_eq!(snapshot.workload_at(address).unwrap().uid, new.uid);
    assert_eq!(snapshot.workload_at("::ffff:10.0.0.1".parse().unwrap()).unwrap().uid, new.uid);
}
