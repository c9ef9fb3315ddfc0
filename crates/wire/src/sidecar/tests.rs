use prost::Message as _;
use ripstop_model::{
    DataplaneMode, Enrolment, Health, Labels, ProcessKind, TrustDomain, TunnelProtocol, Workload, WorkloadUid,
};

use super::*;

fn workload() -> Workload {
    Workload {
        uid: WorkloadUid::process("Ripstop", "shop", "cart-0"),
        name: "cart-0".into(),
        namespace: "shop".into(),
        addresses: vec!["10.244.1.7".parse().unwrap()],
        node: "east".into(),
        service_account: "cart".into(),
        trust_domain: TrustDomain::default(),
        labels: Labels::new(),
        workload_name: "cart".into(),
        canonical_name: "cart".into(),
        canonical_revision: "latest".into(),
        tunnel: TunnelProtocol::None,
        native_tunnel: false,
        quarantine: None,
        waypoint: None,
        group: None,
        kind: ProcessKind::Command,
        enrolment: Enrolment { mode: DataplaneMode::Sidecar, decided_by: None },
        health: Health::Healthy,
        services: Vec::new(),
        cluster: "Ripstop".into(),
    }
}

#[test]
fn survives_the_wire_under_the_name_of_its_workload() {
    assert_eq!(type_url::known(type_url::SIDECAR), Some(type_url::SIDECAR));
    let workload = workload();
    let encoded = encode_sidecar(&workload);
    assert_eq!(&*encoded.name, workload.uid.as_str());
    let Workload { namespace, name, node, .. } = workload;
    assert_eq!(decode(&encoded.name, &encoded.body), Ok(Sidecar { namespace, name, node }));
}

#[test]
fn malformed_ones_name_the_field() {
    let good = || ripstop::Sidecar { namespace: "shop".into(), name: "cart-0".into(), node: "east".into() };
    for (field, message) in [
        ("namespace", ripstop::Sidecar { namespace: String::new(), ..good() }),
        ("name", ripstop::Sidecar { name: String::new(), ..good() }),
        ("node", ripstop::Sidecar { node: String::new(), ..good() }),
    ] {
        let error = decode("uid", &message.encode_to_vec().into()).unwrap_err().to_string();
        assert!(error.contains(field), "{field}: {error}");
    }
}
