use super::*;
use crate::{
    board::{Board, Probed, WorkloadEntry},
    logs::Log,
};

fn board() -> Board {
    let board = Board::new();
    let log = || Log::new("/nowhere".into());
    for role in ["control", "node-east", "agent-east"] {
        board.insert(Key::role(role), Entry::new(None, log(), None));
    }
    for (namespace, process, instance, app) in [
        ("a", "web", "web-0", "web"),
        ("a", "web", "web-1", "web"),
        ("b", "web", "web-0", "web"),
        ("a", "reviews-v1", "reviews-v1-0", "reviews"),
        ("a", "reviews-v2", "reviews-v2-0", "reviews"),
        ("b", "page-v1", "page-v1-0", "page"),
    ] {
        let workload = WorkloadEntry {
            kind: ripstop_model::ProcessKind::Command,
            process: process.into(),
            service_account: "default".into(),
            addresses: None,
            labels: [("app".into(), app.into())].into(),
            ports: Vec::new(),
            group: None,
            probed: Probed::No,
        };
        board.insert(Key::workload(namespace, instance), Entry::new(None, log(), Some(workload)));
    }
    board
}

/// Who is meant, or what is said instead.
fn meant(namespace: Option<&str>, name: &str) -> Vec<String> {
    match find(&board().all(), namespace, name) {
        Ok(Meant::Entries(entries)) => entries.iter().map(|(key, _)| key.to_string()).collect(),
        Ok(Meant::Part(part)) => vec![format!("part {part}")],
        Err(Failure(_, message)) => vec![message],
    }
}

#[test]
fn names_of_roles_workloads_processes_and_applications() {
    let table: &[(Option<&str>, &str, &[&str])] = &[
        (None, "control", &["control"]),
        (None, "broker", &["part broker"]),
        (None, "supervise", &["part supervise"]),
        (None, "a/web-1", &["a/web-1"]),
        (Some("b"), "web-0", &["b/web-0"]),
        (None, "a/web", &["a/web-0", "a/web-1"]),
        (None, "web.b", &["b/web-0"]),
        (None, "reviews-v1", &["a/reviews-v1-0"]),
        (None, "page", &["b/page-v1-0"]),
    ];
    for (namespace, name, expected) in table {
        assert_eq!(meant(*namespace, name), *expected, "{namespace:?} {name}");
    }
}

#[test]
fn who_is_not_meant_is_told_what_may_be() {
    let list = "`ripstop get processes` lists what is";
    let table = [
        (None, "web", "web is not clear: it is in several namespaces: a, b; write NAMESPACE/NAME".to_owned()),
        (
            None,
            "reviews",
            "reviews is an application of several processes: a/reviews-v1, a/reviews-v2; name one".into(),
        ),
        (Some("b"), "reviews", format!("b/reviews is not known: did you mean a/reviews-v1 or a/reviews-v2? {list}")),
        (None, "node-eats", format!("node-eats is not known: did you mean node-east? {list}")),
        (None, "c/web-0", format!("c/web-0 is not known: did you mean a/web or b/web? {list}")),
        (None, "nobody", format!("nobody is not known; {list}")),
        (Some("a"), "control", format!("a/control is not known; {list}")),
    ];
    for (namespace, name, expected) in table {
        assert_eq!(meant(namespace, name), [expected], "{namespace:?} {name}");
    }
}
