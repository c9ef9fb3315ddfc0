use super::*;

#[tokio::test]
async fn the_newest_state_is_on_disk_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let keeper = Keeper::start(path.clone(), &tasks, stop.clone());
    for i in 0..100 {
        keeper.keep(move || format!("{i}").into_bytes());
        tokio::task::yield_now().await;
    }
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    assert_eq!(std::fs::read_to_string(path).unwrap(), "99");
}

#[tokio::test]
async fn nothing_is_written_when_nothing_was_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let keeper = Keeper::start(path.clone(), &tasks, stop.clone());
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    drop(keeper);
    assert!(!path.exists());
}
