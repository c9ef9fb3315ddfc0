use std::{sync::Arc, time::Duration};

use ripstop_model::{NodeSpec, ProcessKind, ProcessSpec, ResourceLimits, RestartPolicy};

use super::*;
use crate::{
    board::{Board, Probed, STUCK, WorkloadEntry},
    logs::Log,
};

fn wishes() -> Wishes {
    let process = ProcessSpec {
        namespace: "a".into(),
        name: "web".into(),
        labels: std::collections::BTreeMap::default(),
        kind: ProcessKind::Command,
        node: "n".into(),
        replicas: 1,
        service_account: "default".into(),
        command: Vec::new(),
        args: Vec::new(),
        env: Vec::new(),
        ports: Vec::new(),
        readiness: None,
        restart: RestartPolicy::Always,
        limits: ResourceLimits::default(),
        run_as_user: 1,
        directory: "".into(),
        has_sidecar: false,
    };
    let node = NodeSpec { name: "n".into(), labels: std::collections::BTreeMap::default(), pod_cidrs: Vec::new() };
    Wishes {
        groups: std::collections::BTreeMap::default(),
        nodes: [("n".into(), node)].into(),
        processes: [("a/web".into(), Arc::new(process))].into(),
        sidecars: std::collections::BTreeMap::default(),
        mesh: Arc::default(),
        version: 1,
    }
}

#[test]
fn a_mesh_has_settled_when_all_that_is_wanted_runs() {
    let (board, directory) = (Board::new(), tempfile::tempdir().unwrap());
    let log = || Log::new(directory.path().join("log"));
    let settled = || settlement(&wishes(), &board.all());
    assert_eq!(settled(), None);
    for role in ["control", "agent-n", "node-n"] {
        board.insert(Key::role(role), Entry::new(None, log(), None));
        board.phase(&Key::role(role), Phase::Running { pid: 1 }, 0);
    }
    assert_eq!(settled(), None, "the workload is missing");
    let workload = WorkloadEntry {
        kind: ProcessKind::Command,
        process: "web".into(),
        service_account: "default".into(),
        addresses: None,
        labels: std::collections::BTreeMap::default(),
        ports: Vec::new(),
        group: None,
        probed: Probed::ByProbe,
    };
    let key = Key::workload("a", "web-0");
    board.insert(key.clone(), Entry::new(None, log(), Some(workload)));
    board.phase(&key, Phase::Running { pid: 2 }, 0);
    assert_eq!(settled(), None, "not ready");
    board.ready(&key, 2, true);
    assert_eq!(settled(), Some(Event::Settled { nodes: 1, workloads: 1, ready: 1 }));
    board.phase(&key, Phase::Pending, 0);
    for (waited, is_news) in [(Duration::ZERO, true), (STUCK / 2, false), (STUCK, false)] {
        assert_eq!(settled(), None, "it may start yet");
        assert_eq!(board.waits(&key, "its sidecar is not there", waited), is_news);
    }
    assert_eq!(settled(), Some(Event::Settled { nodes: 1, workloads: 1, ready: 0 }), "its sidecar does not come");
    board.phase(&key, Phase::Pending, 0);
    assert_eq!(board.get(&key).unwrap().error, None);
    board.failed(&key, 3, "no such file");
    assert_eq!(settled(), Some(Event::Settled { nodes: 1, workloads: 1, ready: 0 }), "it failed for good");
    assert_eq!(settlement(&Wishes { version: 0, ..wishes() }, &board.all()), None, "nothing was said yet");
}
