use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::*;

fn component(role: &str, name: &str) -> Component {
    Component::from_id(&format!("spiffe://cluster.local/ripstop/{role}/{name}").parse().unwrap()).unwrap()
}

#[tokio::test]
async fn proxies_are_remembered_as_disconnected() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("proxies.json");
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let proxies = Proxies::open(&path, Keeper::start(path.clone(), &tasks, stop.clone())).unwrap();
    let connection = proxies.connected(&component("node", "n1"));
    connection.sent(5);
    connection.acked(5);
    connection.nacked("no");
    assert_eq!(proxies.list()[0].nack.as_deref(), Some("no"));
    drop(connection);
    assert_eq!(proxies.list()[0].connection, None);
    stop.cancel();
    tasks.close();
    tasks.wait().await;

    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let again = Proxies::open(&path, Keeper::start(path.clone(), &tasks, stop)).unwrap();
    let list = again.list();
    assert_eq!((list.len(), list[0].acked, list[0].connection), (1, 5, None));
    again.forget(|component| &*component.name != "n1");
    assert!(again.list().is_empty());
}

#[tokio::test]
async fn an_older_connection_does_not_speak_for_a_newer_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("proxies.json");
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let proxies = Proxies::open(&path, Keeper::start(path.clone(), &tasks, stop)).unwrap();
    let old = proxies.connected(&component("agent", "n1"));
    let new = proxies.connected(&component("agent", "n1"));
    old.acked(3);
    drop(old);
    assert_eq!(proxies.agent_acked("n1"), 0);
    assert!(proxies.list()[0].connection.is_some());
    new.acked(4);
    assert_eq!(proxies.agent_acked("n1"), 4);
}

#[tokio::test]
async fn a_sidecar_that_does_not_answer_keeps_nobody_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("proxies.json");
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let proxies = Proxies::open(&path, Keeper::start(path.clone(), &tasks, stop)).unwrap();
    let (node, sidecar) = (component("node", "n1"), component("sidecar", "shop.web-0"));
    let (node, sidecar) = (proxies.connected(&node), proxies.connected(&sidecar));
    for connection in [&node, &sidecar] {
        connection.sent(1);
        connection.acked(1);
    }
    // What was sent last is said again at each turn: it has that, and is not behind.
    sidecar.sent(1);
    assert!(proxies.list().iter().all(|proxy| proxy.behind.is_none()));
    let begun = Instant::now();
    sidecar.sent(2);
    assert!(!proxies.have_at(2, begun), "it has its time");
    let late = Instant::now() + LATE;
    // That more is sent to it is no answer.
    sidecar.sent(3);
    node.sent(3);
    node.acked(3);
    assert!(!proxies.have_at(3, begun) && proxies.have_at(3, late));
    // It answers, and is waited for again.
    sidecar.acked(2);
    assert!(!proxies.have_at(3, Instant::now()));
    sidecar.acked(3);
    assert!(proxies.have_at(3, begun));
    // A node's proxy serves others: it is waited for as long as anybody waits.
    node.sent(4);
    sidecar.sent(4);
    sidecar.acked(4);
    assert!(!proxies.have_at(4, Instant::now() + 100 * LATE));
}

#[tokio::test]
async fn a_sidecar_that_asks_for_nothing_keeps_nobody_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("proxies.json");
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let proxies = Proxies::open(&path, Keeper::start(path.clone(), &tasks, stop)).unwrap();
    let sidecar = proxies.connected(&component("sidecar", "shop.web-0"));
    sidecar.sent(0);
    assert!(!proxies.have_at(1, Instant::now()), "it has its time");
    assert!(proxies.have_at(1, Instant::now() + LATE));
}
