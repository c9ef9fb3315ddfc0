use super::*;

#[test]
fn versions_grow_by_one_and_over_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("version");
    let mut versions = Versions::open(path.clone()).unwrap();
    let first: Vec<u64> = (0..RESERVE + 2).map(|_| versions.next().unwrap()).collect();
    assert_eq!(first, (1..=RESERVE + 2).collect::<Vec<_>>());

    let mut again = Versions::open(path).unwrap();
    assert!(again.next().unwrap() > RESERVE + 2);
}

#[test]
fn a_version_is_never_handed_out_without_its_reservation() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gone").join("version");
    let mut versions = Versions::open(path.clone()).unwrap();
    assert!(matches!(versions.next(), Err(Error::State { .. })));
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    assert_eq!(versions.next().unwrap(), 1);
}

#[test]
fn versions_grow_although_the_file_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("version");
    std::fs::write(&path, "many").unwrap();
    assert!(Versions::open(path.clone()).unwrap().next().unwrap() > 1_700_000_000);
    assert!(Versions::open(path).unwrap().next().unwrap() > 1_700_000_000);
}
