use super::*;

#[test]
fn only_the_hosts_namespace_and_the_owner_come_in() {
    let peer = |netns, uid| PeerNs { netns, pid: Some(7), uid };
    assert_eq!(admit(&peer(1, 1000), 1, 1000), Ok(AdminPeer { uid: 1000, pid: 7 }));
    assert_eq!(admit(&peer(1, 0), 1, 1000), Ok(AdminPeer { uid: 0, pid: 7 }));
    assert!(admit(&peer(2, 1000), 1, 1000).unwrap_err().contains("another network namespace"));
    assert!(admit(&peer(2, 0), 1, 1000).is_err());
    assert!(admit(&peer(1, 1001), 1, 1000).unwrap_err().contains("does not own this mesh"));
}

#[test]
fn root_comes_in_unseen_where_no_workload_can_be_root() {
    assert_eq!(admit_unseen(Some(0), 1000), Some(AdminPeer { uid: 0, pid: 0 }));
    for (uid, own) in [(Some(0), 0), (Some(1000), 1000), (Some(1001), 1000), (None, 1000), (Some(1000), 0)] {
        assert_eq!(admit_unseen(uid, own), None);
    }
}

#[tokio::test]
async fn a_connection_from_here_is_handed_over_with_its_peer() {
    let dir = tempfile::tempdir().unwrap();
    // Longer than a socket address, and with a stale socket in its place.
    let long = dir.path().join("x".repeat(120));
    fs::create_dir(&long).unwrap();
    let path = long.join("admin.sock");
    fs::write(&path, "stale").unwrap();
    let door = Doorkeeper::bind(path.clone()).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let (ours, theirs) = FdChannel::pair().unwrap();
    let task = tokio::spawn(door.run(Arc::new(ours)));
    let _client = connect(&path).unwrap();
    let (message, fds) = handover::receive::<ToWorld>(&theirs).await.unwrap().unwrap();
    let own = AdminPeer { uid: rustix::process::geteuid().as_raw(), pid: std::process::id() };
    assert_eq!((message, fds.len()), (ToWorld::Admin(own), 1));
    task.abort();
    let _ = task.await;
    assert!(!path.exists(), "the socket goes with its owner");
}
