use std::os::unix::fs::PermissionsExt as _;

use super::*;

#[test]
fn it_is_made_once_and_kept_from_others() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("session.key");
    let first = open(&path).unwrap();
    assert_eq!(open(&path).unwrap(), first);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_ne!(open(&dir.path().join("other.key")).unwrap(), first);
    assert_eq!(format!("{first:?}"), "SessionKey");
}

#[test]
fn one_that_is_damaged_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("session.key");
    std::fs::write(&path, "short").unwrap();
    let made = open(&path).unwrap();
    assert_eq!(open(&path).unwrap(), made);
}
