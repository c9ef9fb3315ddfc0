use ripstop_model::ProcessKind;

use super::*;
use crate::{
    board::{Board, Probed, WorkloadEntry},
    logs::Log,
};

fn board() -> Board {
    let board = Board::new();
    let log = || Log::new("/nowhere".into());
    board.insert(Key::role("control"), Entry::new(None, log(), None));
    for (namespace, process, instance) in [("a", "web", "web-0"), ("a", "web", "web-1"), ("b", "web", "web-0")] {
        let workload = WorkloadEntry {
            kind: ProcessKind::Command,
            process: process.into(),
            service_account: "default".into(),
            addresses: None,
            labels: std::collections::BTreeMap::default(),
            ports: Vec::new(),
            probed: Probed::No,
        };
        board.insert(Key::workload(namespace, instance), Entry::new(None, log(), Some(workload)));
    }
    board
}

fn selected(order: &str) -> Vec<String> {
    let order: Order = serde_json::from_str(order).unwrap();
    select(&order, &board().all()).iter().map(|(key, _)| key.to_string()).collect()
}

#[test]
fn orders_name_roles_instances_and_processes() {
    assert_eq!(selected(r#"{"name":"control"}"#), ["control"]);
    assert_eq!(selected(r#"{"name":"a/web-1"}"#), ["a/web-1"]);
    assert_eq!(selected(r#"{"namespace":"b","name":"web-0"}"#), ["b/web-0"]);
    assert_eq!(selected(r#"{"name":"a/web"}"#), ["a/web-0", "a/web-1"]);
    assert!(selected(r#"{"name":"web"}"#).is_empty(), "a process needs its namespace");
    assert!(selected(r#"{"name":"c/web-0"}"#).is_empty());
}
