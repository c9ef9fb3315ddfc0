use std::time::Duration;

use tokio::time::timeout;

use super::*;

#[test]
fn file_names_come_from_uids() {
    let uid = WorkloadUid::process("Ripstop", "shop", "web-0");
    assert_eq!(file_name(&uid).unwrap(), "shop.web-0");
    for bad in ["web-0", "", "a/b/..", "a/./x/", "../.."] {
        assert_eq!(file_name(&WorkloadUid::new(bad)), None, "{bad}");
    }
}

#[tokio::test]
async fn files_without_a_namespace_are_not_yet_there() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = Directory::new(temporary.path().to_owned());
    let watch = directory.watch().unwrap();
    let uid = WorkloadUid::process("Ripstop", "shop", "web-0");
    assert!(matches!(directory.find(&uid), Found::Nothing));

    let file = temporary.path().join("shop.web-0");
    std::fs::write(&file, "").unwrap();
    timeout(Duration::from_secs(5), watch.changed()).await.unwrap().unwrap();
    assert!(matches!(directory.find(&uid), Found::NotYet));

    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/proc/self/ns/net", &file).unwrap();
    timeout(Duration::from_secs(5), watch.changed()).await.unwrap().unwrap();
    let Found::Namespace(found) = directory.find(&uid) else { panic!("a namespace") };
    assert_eq!(found, NetNs::current().unwrap());

    let quiet = timeout(Duration::from_millis(50), watch.changed()).await;
    assert!(quiet.is_err(), "one change is told once");
}

#[test]
fn only_what_is_seen_counts() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = Directory::new(temporary.path().to_owned());
    let file = temporary.path().join("shop.web-0");
    // An error that says nothing of the namespace, as want of descriptors does not.
    std::os::unix::fs::symlink(&file, &file).unwrap();
    let found = directory.find(&WorkloadUid::process("Ripstop", "shop", "web-0"));
    assert!(matches!(found, Found::Unknown(_)), "{found:?}");
}
