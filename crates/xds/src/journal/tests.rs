use std::io::{Seek as _, SeekFrom};

use ripstop_wire::type_url::{ADDRESS, MESH};

use super::*;

fn put(name: &str, content: &str) -> ResourceChange {
    ResourceChange {
        type_url: ADDRESS,
        name: name.into(),
        version: format!("v-{content}").into(),
        body: Some(Bytes::from(content.to_owned())),
    }
}

fn open(dir: &tempfile::TempDir) -> (Journal, Option<Saved>) {
    Journal::open(dir.path().join("committed")).unwrap()
}

fn saved(version: u64, resources: Vec<ResourceChange>) -> Saved {
    Saved { version, resources }
}

#[test]
fn commits_add_up() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, nothing) = open(&dir);
    assert_eq!(nothing, None);
    journal.append(1, vec![put("a", "1"), put("b", "1")]).unwrap();
    assert_eq!(open(&dir).1.unwrap(), saved(1, vec![put("a", "1"), put("b", "1")]));
    journal.append(2, vec![put("a", "2"), ResourceChange::removed(ADDRESS, "b")]).unwrap();
    journal.append(5, vec![]).unwrap();
    let (mut again, found) = open(&dir);
    assert_eq!(found.unwrap(), saved(5, vec![put("a", "2")]));
    // The next run goes on where this one stopped.
    again.append(6, vec![put("c", "6")]).unwrap();
    assert_eq!(open(&dir).1.unwrap(), saved(6, vec![put("a", "2"), put("c", "6")]));
}

#[test]
fn a_torn_end_is_the_commit_before() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(&dir);
    let path = dir.path().join("committed");
    journal.append(1, vec![put("a", "1")]).unwrap();
    let first = std::fs::metadata(&path).unwrap().len();
    journal.append(2, vec![put("a", "2")]).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for length in usize::try_from(first).unwrap()..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        let (mut journal, found) = open(&dir);
        assert_eq!(found.unwrap(), saved(1, vec![put("a", "1")]), "{length} bytes");
        // What is added next overwrites the torn end.
        journal.append(3, vec![put("b", "3")]).unwrap();
        assert_eq!(open(&dir).1.unwrap(), saved(3, vec![put("a", "1"), put("b", "3")]));
    }
}

#[test]
fn damage_is_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("committed");
    let (mut journal, _) = open(&dir);
    journal.append(1, vec![put("a", "1")]).unwrap();
    let good = std::fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x20;
        std::fs::write(&path, &bad).unwrap();
        assert_eq!(open(&dir).1, None, "bit of byte {at}");
    }
    // A new beginning replaces it.
    let (mut journal, _) = open(&dir);
    journal.append(2, vec![put("b", "2")]).unwrap();
    assert_eq!(open(&dir).1.unwrap(), saved(2, vec![put("b", "2")]));
}

#[test]
fn it_does_not_grow_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(&dir);
    journal.append(1, vec![put("kept", "1"), put("gone", "1")]).unwrap();
    journal.append(2, vec![ResourceChange::removed(ADDRESS, "gone")]).unwrap();
    let body = "x".repeat(1000);
    for version in 3..2000 {
        journal.append(version, vec![put("a", &format!("{version}{body}"))]).unwrap();
    }
    let length = std::fs::metadata(dir.path().join("committed")).unwrap().len();
    assert!(length < 2 * COMPACT_ABOVE, "{length}");
    assert_eq!(open(&dir).1.unwrap(), saved(1999, vec![put("a", &format!("1999{body}")), put("kept", "1")]));
}

#[test]
fn what_could_not_be_written_is_written_later() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(&dir);
    journal.append(1, vec![put("a", "1")]).unwrap();
    // A handle that cannot write stands for a full disk.
    journal.file = Some(File::open(dir.path().join("committed")).unwrap());
    assert!(journal.append(2, vec![put("a", "2"), put("b", "2")]).is_err());
    journal.append(3, vec![put("b", "3")]).unwrap();
    assert_eq!(open(&dir).1.unwrap(), saved(3, vec![put("a", "2"), put("b", "3")]));
}

#[test]
fn damage_while_in_use_never_makes_a_partial_state() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(&dir);
    journal.append(1, vec![put("a", "1")]).unwrap();
    let mut file = OpenOptions::new().write(true).open(dir.path().join("committed")).unwrap();
    file.seek(SeekFrom::Start(12)).unwrap();
    file.write_all(b"damage").unwrap();
    let body = "x".repeat(usize::try_from(COMPACT_ABOVE).unwrap());
    assert!(journal.append(2, vec![put("b", &body)]).is_err());
    assert!(journal.append(3, vec![]).is_err());
    assert_eq!(open(&dir).1, None);
    journal.clear().unwrap();
    journal.append(4, vec![put("c", "4")]).unwrap();
    assert_eq!(open(&dir).1.unwrap(), saved(4, vec![put("c", "4")]));
}

#[test]
fn types_of_other_releases_are_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(&dir);
    let unknown = ResourceChange { type_url: "type.googleapis.com/of.tomorrow", ..put("x", "1") };
    journal.append(1, vec![unknown, ResourceChange { type_url: MESH, ..put("default", "m") }]).unwrap();
    assert_eq!(open(&dir).1.unwrap(), saved(1, vec![ResourceChange { type_url: MESH, ..put("default", "m") }]));
}
