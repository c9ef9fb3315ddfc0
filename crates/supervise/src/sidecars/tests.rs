use ripstop_model::ProcessKind;

use super::*;
use crate::{
    board::{Entry, Probed, WorkloadEntry},
    ipam::Addresses,
    logs::Log,
    roles::sidecar_name,
    run_protocol::Exit,
};

fn board() -> (Board, Key, Key) {
    let board = Board::new();
    let log = || Log::new("/nowhere".into());
    let addresses = Addresses { v4: "10.244.1.2".parse().unwrap(), v6: "fd00:10:244:1::2".parse().unwrap() };
    let workload = WorkloadEntry {
        kind: ProcessKind::Command,
        process: "web".into(),
        service_account: "web".into(),
        addresses: Some(addresses),
        labels: std::collections::BTreeMap::default(),
        ports: Vec::new(),
        group: None,
        probed: Probed::No,
    };
    let (key, role) = (Key::workload("shop", "web-0"), Key::role(sidecar_name("shop", "web-0")));
    board.insert(key.clone(), Entry::new(Some("east".into()), log(), Some(workload)));
    board.insert(role.clone(), Entry::new(Some("east".into()), log(), None));
    (board, key, role)
}

fn sidecar(node: &str) -> Sidecar {
    Sidecar { namespace: "shop".into(), name: "web-0".into(), node: node.into() }
}

#[test]
fn one_that_is_asked_for_no_more_finishes_first() {
    let (board, key, role) = board();
    let own = sidecar("east");
    let fate = |wanted: Option<&Sidecar>| fate(&board, &key, &own, wanted, &role);
    assert_eq!(role, Key::role("sidecar-shop.web-0"));
    assert_eq!(board.sidecars(), [("shop".into(), "web-0".into())]);
    board.phase(&role, Phase::Running { pid: 7 }, 0);
    assert_eq!(fate(Some(&own)), Fate::Serves);
    assert_eq!(fate(None), Fate::Finishes, "it has connections, perhaps");
    // It ended by itself, was killed, or somebody stopped it.
    for phase in [Phase::Exited { exit: Exit::Code(0) }, Phase::Backoff { exit: None }, Phase::Stopped] {
        board.phase(&role, phase, 0);
        assert_eq!(fate(None), Fate::Ends, "{phase}");
        assert_eq!(fate(Some(&own)), Fate::Serves, "{phase}");
    }
}

#[test]
fn one_whose_workload_is_gone_ends() {
    let (board, key, role) = board();
    board.phase(&role, Phase::Running { pid: 7 }, 0);
    let (here, there) = (sidecar("east"), sidecar("west"));
    assert_eq!(fate(&board, &key, &there, Some(&there), &role), Fate::Ends, "it lives on another node");
    board.update(&key, |entry| entry.workload.as_mut().unwrap().addresses = None);
    assert_eq!(fate(&board, &key, &here, Some(&here), &role), Fate::Ends);
    board.remove(&key);
    assert_eq!(fate(&board, &key, &here, Some(&here), &role), Fate::Ends);
    assert!(board.sidecars().is_empty());
}

#[tokio::test]
async fn a_name_is_free_once_its_last_user_has_ended() {
    let mut sidecars = Sidecars::default();
    let [first, second] = ["web-0", "web-1"].map(|name| Key::workload("shop", name));
    for key in [&first, &second] {
        sidecars.leaving.insert(key.clone());
    }
    sidecars.ended(Ok(first.clone()));
    assert!(!sidecars.leaving.contains(&first) && sidecars.leaving.contains(&second), "nobody waits for another one");
    let failed = tokio::spawn(std::future::pending::<Key>());
    failed.abort();
    sidecars.ended(failed.await);
    assert!(sidecars.leaving.is_empty(), "nothing is ending any more");
}

#[test]
fn a_sidecar_begins_with_nothing_of_another_account() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("shop.web-0");
    keep_for(&state, "web").unwrap();
    let key = state.join("key");
    std::fs::write(&key, "of web").unwrap();
    keep_for(&state, "web").unwrap();
    assert!(key.exists(), "its own keys stay");
    keep_for(&state, "other").unwrap();
    assert!(!key.exists());
    // Nor with what nobody says whose it is.
    std::fs::write(&key, "of other").unwrap();
    std::fs::remove_file(state.join(ACCOUNT)).unwrap();
    keep_for(&state, "other").unwrap();
    assert!(!key.exists());
}
