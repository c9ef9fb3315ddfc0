use super::*;

fn saved(text: &str) -> Saved {
    let age = Age { created_ms: 1, generation: 2, accepted_ms: 3, file: "a.yaml".into(), text: "hash".into() };
    Saved { objects: [("Namespace/x".to_owned(), age)].into(), texts: [(Arc::from("hash"), Arc::from(text))].into() }
}

#[test]
fn what_is_saved_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let (mut state, empty) = StateDir::open(&path).unwrap();
    assert_eq!(empty, Saved::default());
    state.save(saved("text")).unwrap();
    let (mut state, back) = StateDir::open(&path).unwrap();
    assert_eq!(back, saved("text"));
    state.save(Saved::default()).unwrap();
    assert_eq!(fs::read_dir(path.join(TEXTS)).unwrap().count(), 0, "unneeded texts go");
    assert_eq!(fs::metadata(&path).map(|m| std::os::unix::fs::MetadataExt::mode(&m) & 0o777).unwrap(), 0o700);
}

#[test]
fn a_damaged_index_is_a_new_start() {
    let directory = tempfile::tempdir().unwrap();
    let (mut state, _) = StateDir::open(directory.path()).unwrap();
    state.save(saved("text")).unwrap();
    fs::write(directory.path().join(INDEX), "{\"version\": 1, \"obj").unwrap();
    let (mut state, back) = StateDir::open(directory.path()).unwrap();
    assert_eq!(back, Saved::default());
    state.save(saved("text")).unwrap();
    assert_eq!(StateDir::open(directory.path()).unwrap().1, saved("text"));
}

#[test]
fn nothing_is_left_of_a_failed_write() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("target");
    fs::create_dir(&target).unwrap(); // cannot be replaced by a file
    assert!(write_atomically(&target, b"x", 0o600).is_err());
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}
