use bytes::Bytes;
use ripstop_model::{ServiceKey, WorkloadUid};

use super::*;
use crate::encode_mesh;

#[test]
fn each_type_becomes_its_change() {
    let mesh = MeshConfig { cluster: "east".into(), ..MeshConfig::default() };
    let changes = snapshot_changes(&[
        encode_mesh(&mesh).into(),
        ResourceChange::removed(type_url::ADDRESS, "c/g/k/ns/name"),
        ResourceChange::removed(type_url::ADDRESS, "ns/host"),
        ResourceChange::removed(type_url::PEER_AUTHENTICATION, "ns/name"),
        ResourceChange::removed(type_url::MESH, "default"),
        ResourceChange::removed(type_url::PROCESS, "ns/name"),
    ]);
    assert_eq!(
        changes,
        Ok(vec![
            Change::Mesh(Arc::new(mesh)),
            Change::WorkloadGone(WorkloadUid::new("c/g/k/ns/name")),
            Change::ServiceGone(ServiceKey::new("ns", "host")),
            Change::PeerAuthenticationGone("ns".into(), "name".into()),
            Change::Mesh(Arc::new(MeshConfig::default())),
        ])
    );
}

#[test]
fn one_bad_resource_refuses_all() {
    let bad = ResourceChange {
        type_url: type_url::ADDRESS,
        name: "ns/host".into(),
        version: "1".into(),
        body: Some(Bytes::from_static(b"\xff")),
    };
    let error = snapshot_changes(&[encode_mesh(&MeshConfig::default()).into(), bad]).unwrap_err();
    assert!(error.to_string().contains("ns/host"), "{error}");
}
