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
