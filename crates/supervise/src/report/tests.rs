use std::sync::Arc;

use ripstop_model::ProcessKind;

use super::*;
use crate::{
    board::{Board, Phase, Probed, WorkloadEntry},
    ipam::Addresses,
    logs::Log,
};

#[test]
fn only_workloads_with_an_address_are_reported() {
    let board = Board::new();
    let log = || Log::new("/nowhere".into());
    board.insert(Key::role("control"), Entry::new(None, log(), None));
    let workload = WorkloadEntry {
        kind: ProcessKind::Command,
        process: "reviews-v1".into(),
        service_account: "reviews".into(),
        addresses: None,
        labels: [("app".into(), "reviews".into())].into(),
        ports: vec![ripstop_model::ContainerPort { name: "http".into(), port: 9080, udp: false }],
        group: None,
        probed: Probed::ByProbe,
    };
    let key = Key::workload("bookinfo", "reviews-v1-0");
    board.insert(key.clone(), Entry::new(Some(Arc::from("a")), log(), Some(workload)));
    assert!(instances("Ripstop", &board.all()).instances.is_empty());

    let addresses = Addresses { v4: "10.244.1.2".parse().unwrap(), v6: "fd00:10:244:1::2".parse().unwrap() };
    board.update(&key, |entry| entry.workload.as_mut().unwrap().addresses = Some(addresses));
    board.phase(&key, Phase::Running { pid: 42 }, 3);
    let set = instances("Ripstop", &board.all());
    let seen = &set.instances[0];
    assert_eq!(seen.uid, "Ripstop/ripstop.dev/Process/bookinfo/reviews-v1-0");
    assert_eq!((seen.pid, seen.running, seen.ready, seen.restarts), (42, true, false, 3));
    assert_eq!(seen.addresses, ["10.244.1.2", "fd00:10:244:1::2"]);
    assert_eq!((seen.node.as_str(), seen.process.as_str()), ("a", "reviews-v1"));
    assert_eq!(seen.labels["app"], "reviews");

    board.ready(&key, 41, true);
    assert!(!instances("Ripstop", &board.all()).instances[0].ready, "an earlier life was probed");
    board.ready(&key, 42, true);
    assert!(instances("Ripstop", &board.all()).instances[0].ready);
    board.phase(&key, Phase::Backoff { exit: None }, 4);
    let seen = &instances("Ripstop", &board.all()).instances[0];
    assert_eq!((seen.pid, seen.running, seen.ready), (0, false, false));
}
