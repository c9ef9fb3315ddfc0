use std::time::Duration;

use prost::Message as _;
use ripstop_model::{ContainerPort, Probe, ProbeAction};

use super::*;

fn full() -> GroupSpec {
    GroupSpec {
        namespace: "shop".into(),
        name: "vms".into(),
        service_account: "cart".into(),
        labels: [("app".into(), "cart".into())].into(),
        annotations: [("linkerd.io/inject".into(), "enabled".into())].into(),
        ports: vec![ContainerPort { name: "http".into(), port: 8080, udp: false }],
        readiness: Some(Probe {
            action: ProbeAction::Grpc { port: 9000, service: "cart".into() },
            initial_delay: Duration::from_secs(1),
            period: Duration::from_secs(2),
            timeout: Duration::from_secs(3),
            success_threshold: 4,
            failure_threshold: 5,
        }),
    }
}

/// What was heard of it outlives the supervisor that heard it: types that nobody knows are not kept.
#[test]
fn is_of_a_known_type() {
    assert_eq!(type_url::known(type_url::WORKLOAD_GROUP), Some(type_url::WORKLOAD_GROUP));
}

#[test]
fn survives_the_wire() {
    for group in [full(), GroupSpec { readiness: None, ports: Vec::new(), ..full() }] {
        let encoded = encode_group(&group);
        assert_eq!(decode(&encoded.name, &encoded.body), Ok(group));
    }
}

#[test]
fn malformed_ones_name_the_field() {
    let good = || ripstop::WorkloadGroup::decode(encode_group(&full()).body).unwrap();
    let port = ripstop::ContainerPort { port: 0, ..Default::default() };
    for (field, message) in [
        ("service_account", ripstop::WorkloadGroup { service_account: String::new(), ..good() }),
        ("ports", ripstop::WorkloadGroup { ports: vec![port], ..good() }),
        ("readiness.action", ripstop::WorkloadGroup { readiness: Some(ripstop::Probe::default()), ..good() }),
    ] {
        let error = decode("shop/vms", &message.encode_to_vec().into()).unwrap_err().to_string();
        assert!(error.contains(field), "{field}: {error}");
    }
    assert!(matches!(decode("shop/others", &good().encode_to_vec().into()), Err(DecodeError::Name { .. })));
}
