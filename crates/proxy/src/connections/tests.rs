use ripstop_model::{
    Change, DataplaneMode, Enrolment, Health, MtlsMode, PeerAuthentication, Selector, TrustDomain, TunnelProtocol,
    Workload, WorkloadUid,
};

use super::*;

fn uid() -> WorkloadUid {
    WorkloadUid::process("c", "ns", "a-0")
}

fn snapshot() -> Snapshot {
    let workload = Workload {
        uid: uid(),
        name: "a-0".into(),
        namespace: "ns".into(),
        addresses: vec!["10.0.0.1".parse().unwrap()],
        node: "n".into(),
        service_account: "a".into(),
        trust_domain: TrustDomain::default(),
        labels: [].into(),
        workload_name: "a".into(),
        canonical_name: "a".into(),
        canonical_revision: "latest".into(),
        tunnel: TunnelProtocol::Hbone,
        native_tunnel: false,
        enrolment: Enrolment { mode: DataplaneMode::Node, decided_by: None },
        health: Health::Healthy,
        services: Vec::new(),
        cluster: "c".into(),
    };
    Snapshot::default().with(1, [Change::Workload(Arc::new(workload))])
}

fn strict(snapshot: &Snapshot, mode: MtlsMode) -> Snapshot {
    let policy = PeerAuthentication {
        id: RuleId("PeerAuthentication/ns/default/1".into()),
        namespace: "ns".into(),
        name: "default".into(),
        selector: Selector::default(),
        mode: Some(mode),
        ports: [].into(),
        created: 1,
    };
    snapshot.with(2, [Change::PeerAuthentication(Arc::new(policy))])
}

fn facts(peer: Option<&str>) -> Facts {
    Facts {
        workload: LocalWorkload::new(uid()),
        port: 80,
        peer: peer.map(|id| id.parse().unwrap()),
        source: "10.0.0.2:40000".parse().unwrap(),
    }
}

#[test]
fn strict_ends_open_plaintext_and_nothing_else() {
    let connections = Connections::default();
    let (_plain, mut plain) = connections.register(facts(None));
    let (_tunnel, mut tunnel) = connections.register(facts(Some("spiffe://cluster.local/ns/x/sa/y")));
    connections.recheck(&snapshot());
    assert!(plain.try_recv().is_err() && tunnel.try_recv().is_err(), "PERMISSIVE ends nothing");
    connections.recheck(&strict(&snapshot(), MtlsMode::Strict));
    let revocation = plain.try_recv().unwrap();
    assert_eq!(revocation.policy, Some(RuleId("PeerAuthentication/ns/default/1".into())));
    assert!(tunnel.try_recv().is_err(), "a proven identity stays");
    connections.recheck(&strict(&snapshot(), MtlsMode::Disable));
    assert!(tunnel.try_recv().is_ok(), "DISABLE ends tunnels");
}

#[test]
fn a_workload_without_configuration_keeps_its_connections_and_gets_no_new_ones() {
    let connections = Connections::default();
    let (_registered, mut revoked) = connections.register(facts(None));
    connections.recheck(&Snapshot::default());
    assert!(revoked.try_recv().is_err());
    assert!(matches!(facts(None).refusal(&Snapshot::default()), Some(Error::UnknownWorkload(_))));
    assert!(facts(None).refusal(&snapshot()).is_none());
}

#[test]
fn the_table_forgets_what_has_ended() {
    let connections = Connections::default();
    let (registered, _revoked) = connections.register(facts(None));
    assert_eq!(connections.0.borrow().open.len(), 1);
    drop(registered);
    assert!(connections.0.borrow().open.is_empty());
}
