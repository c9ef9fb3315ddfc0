use ripstop_model::{DataplaneMode, Enrolment, Health, TrustDomain, TunnelProtocol};

use super::*;

fn workload(mode: DataplaneMode, address: &str) -> Workload {
    Workload {
        uid: WorkloadUid::process("c", "ns", "a"),
        name: "a".into(),
        namespace: "ns".into(),
        addresses: vec![address.parse().unwrap()],
        node: "n1".into(),
        service_account: "default".into(),
        trust_domain: TrustDomain::default(),
        labels: [].into(),
        workload_name: "a".into(),
        canonical_name: "a".into(),
        canonical_revision: "latest".into(),
        tunnel: TunnelProtocol::None,
        native_tunnel: false,
        quarantine: None,
        group: None,
        waypoint: None,
        kind: ripstop_model::ProcessKind::Command,
        enrolment: Enrolment { mode, decided_by: None },
        health: Health::Healthy,
        services: vec![],
        cluster: "c".into(),
    }
}

#[test]
fn a_workload_that_left_and_came_back_waits_for_its_agent() {
    let (out, enrolled) = (workload(DataplaneMode::None, "10.0.0.1"), workload(DataplaneMode::Node, "10.0.0.1"));
    let mut fences = Fences::default();
    assert!(fences.is_captured(&enrolled, &Before::Unknown, true, 1, |_| 0), "reports of a former life count");
    assert!(!fences.is_captured(&out, &Before::Known(&enrolled), true, 2, |_| 1), "at once");
    assert!(
        !fences.is_captured(&enrolled, &Before::Known(&out), true, 3, |_| 2),
        "the report is older than the return"
    );
    assert!(!fences.is_captured(&enrolled, &Before::Known(&enrolled), true, 4, |_| 2));
    assert!(fences.any());
    assert!(fences.is_captured(&enrolled, &Before::Known(&enrolled), true, 5, |_| 3));
    assert!(!fences.any());
}

#[test]
fn a_fresh_report_needs_no_fence() {
    let (out, enrolled) = (workload(DataplaneMode::None, "10.0.0.1"), workload(DataplaneMode::Node, "10.0.0.1"));
    let mut fences = Fences::default();
    assert!(!fences.is_captured(&enrolled, &Before::Known(&out), false, 2, |_| 0));
    assert!(fences.is_captured(&enrolled, &Before::Known(&enrolled), true, 3, |_| 0));
}

#[test]
fn a_restarted_workload_with_new_addresses_waits() {
    let (old, new) = (workload(DataplaneMode::Node, "10.0.0.1"), workload(DataplaneMode::Node, "10.0.0.2"));
    let mut fences = Fences::default();
    assert!(!fences.is_captured(&new, &Before::Known(&old), true, 2, |_| 1));
    assert!(fences.is_captured(&new, &Before::Known(&new), true, 3, |_| 2));
    assert!(!fences.is_captured(&new, &Before::Absent, true, 4, |_| 3));
    fences.forget(&new.uid);
    assert!(!fences.any());
}
