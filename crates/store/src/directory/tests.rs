use std::{io::Write as _, os::unix::fs::PermissionsExt as _};

use super::*;

fn namespace(name: &str, label: &str) -> String {
    format!("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n  labels:\n    a: \"{label}\"\n")
}

fn id(name: &str) -> ObjectId {
    ObjectId { kind: Kind::Namespace, namespace: String::new(), name: name.into() }
}

struct Mesh {
    _directory: tempfile::TempDir,
    dir: PathBuf,
    state: PathBuf,
}

impl Mesh {
    fn new(files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (dir, state) = (directory.path().join("mesh"), directory.path().join("state"));
        fs::create_dir(&dir).unwrap();
        for (file, text) in files {
            fs::write(dir.join(file), text).unwrap();
        }
        Self { _directory: directory, dir, state }
    }

    async fn open(&self) -> DirectoryStore {
        DirectoryStore::open(&self.dir, &self.state).await.unwrap()
    }
}

fn label(snapshot: &StoreSnapshot, name: &str) -> Option<String> {
    snapshot.objects.get(&id(name)).and_then(|stored| stored.object.meta.labels.get("a").cloned())
}

/// Waits until the label `a` of a namespace is `expected` (nothing: no such label or namespace).
async fn until(store: &DirectoryStore, name: &str, expected: Option<&str>) {
    let mut snapshots = store.subscribe();
    let wait = snapshots.wait_for(|snapshot| label(snapshot, name).as_deref() == expected);
    timeout(Duration::from_secs(5), wait).await.expect("a change is seen").unwrap();
}

#[tokio::test]
async fn changes_are_followed() {
    let mesh = Mesh::new(&[("a.yaml", &namespace("x", "1"))]);
    let store = mesh.open().await;
    assert_eq!(label(&store.snapshot(), "x").as_deref(), Some("1"));
    fs::write(mesh.dir.join("a.yaml"), namespace("x", "2")).unwrap();
    until(&store, "x", Some("2")).await;
    fs::create_dir(mesh.dir.join("deeper")).unwrap();
    fs::write(mesh.dir.join("deeper/b.yaml"), namespace("other", "1")).unwrap();
    until(&store, "other", Some("1")).await;
    fs::remove_file(mesh.dir.join("a.yaml")).unwrap();
    until(&store, "x", None).await;
    assert_eq!(store.snapshot().objects.len(), 1);
    store.close().await;
}

#[tokio::test]
async fn half_written_files_do_not_act() {
    let mesh = Mesh::new(&[("a.yaml", &namespace("x", "1"))]);
    let store = mesh.open().await;
    let mut seen = store.subscribe();
    let mut file = fs::File::create(mesh.dir.join("a.yaml")).unwrap(); // truncated
    file.write_all(b"apiVersion: v1\nkind: Namespace\n").unwrap();
    file.flush().unwrap();
    // Another file shows that the store has looked meanwhile.
    fs::write(mesh.dir.join("b.yaml"), namespace("other", "1")).unwrap();
    until(&store, "other", Some("1")).await;
    assert_eq!(label(&seen.borrow_and_update(), "x").as_deref(), Some("1"));
    assert!(store.snapshot().findings.is_empty(), "{:?}", store.snapshot().findings);
    file.write_all(
        namespace("x", "2").split_once("metadata").map(|(_, rest)| format!("metadata{rest}")).unwrap().as_bytes(),
    )
    .unwrap();
    drop(file);
    until(&store, "x", Some("2")).await;
    let generation = store.snapshot().objects[&id("x")].generation;
    assert_eq!(generation, 2, "nothing in between acted");
}

#[tokio::test]
async fn broken_files_keep_the_last_good_state_over_restarts() {
    let mesh = Mesh::new(&[("a.yaml", &namespace("x", "1"))]);
    let store = mesh.open().await;
    let created = store.snapshot().objects[&id("x")].created_ms;
    fs::write(mesh.dir.join("a.yaml"), "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: x\n  labels: wrong\n")
        .unwrap();
    let mut snapshots = store.subscribe();
    let wait = snapshots.wait_for(|snapshot| !snapshot.findings.is_empty());
    timeout(Duration::from_secs(5), wait).await.unwrap().unwrap();
    assert_eq!(label(&store.snapshot(), "x").as_deref(), Some("1"));
    store.close().await;
    let store = mesh.open().await;
    let snapshot = store.snapshot();
    assert_eq!(label(&snapshot, "x").as_deref(), Some("1"));
    assert_eq!(snapshot.objects[&id("x")].created_ms, created);
    assert!(snapshot.objects[&id("x")].last_good_from.is_some());
    assert!(!snapshot.findings.is_empty());
}

#[tokio::test]
async fn what_a_broken_file_declared_is_edited_by_nobody_and_the_file_is_named() {
    let mesh = Mesh::new(&[("a.yaml", &namespace("x", "1"))]);
    let store = mesh.open().await;
    let garbage = "kind: [\n";
    fs::write(mesh.dir.join("a.yaml"), garbage).unwrap();
    let mut snapshots = store.subscribe();
    let wait = snapshots.wait_for(|snapshot| !snapshot.findings.is_empty());
    timeout(Duration::from_secs(5), wait).await.unwrap().unwrap();
    assert_eq!(label(&store.snapshot(), "x").as_deref(), Some("1"));
    let told = |error: Error| {
        let told = error.to_string();
        assert!(told.contains("a.yaml, which declares Namespace/x, is broken (line 1: "), "{told}");
        assert!(told.ends_with("what it said before acts; mend that file, or delete it"), "{told}");
    };
    for document in [None, Some(namespace("x", "2"))] {
        told(store.change(vec![wish("x", document.clone())]).await.unwrap_err());
        told(store.try_change(vec![wish("x", document)]).await.unwrap_err());
    }
    told(store.edit_metadata(id("x"), vec![("a".into(), Some("2".into()))], vec![]).await.unwrap_err());
    told(store.documents(vec![id("x")]).await.unwrap().remove(0).unwrap_err());
    assert_eq!(fs::read_to_string(mesh.dir.join("a.yaml")).unwrap(), garbage);
    assert_eq!(fs::read_dir(&mesh.dir).unwrap().count(), 1);
    store.close().await;
}

#[tokio::test]
async fn editing_metadata_changes_just_that() {
    let text = format!("# my mesh\n{}", namespace("x", "1"));
    let mesh = Mesh::new(&[("a.yaml", &text)]);
    fs::set_permissions(mesh.dir.join("a.yaml"), fs::Permissions::from_mode(0o640)).unwrap();
    let store = mesh.open().await;
    let set = |value: Option<&str>| vec![("a".to_owned(), value.map(str::to_owned))];
    let edited = store.edit_metadata(id("x"), set(Some("2")), vec![]).await.unwrap();
    assert_eq!(store.snapshot().revision, edited.revision);
    assert_eq!((edited.file, edited.unchanged), (Some(("a.yaml".to_owned(), Done::Changed)), vec![]));
    let again = [set(Some("2")), vec![("b".to_owned(), None), ("c".to_owned(), Some("1".to_owned()))]].concat();
    let edited = store.edit_metadata(id("x"), again, set(None)).await.unwrap();
    assert_eq!(edited.unchanged, ["a", "b", "a"]);
    store.edit_metadata(id("x"), vec![("c".to_owned(), None)], vec![]).await.unwrap();
    let edited = store.edit_metadata(id("x"), set(Some("2")), vec![]).await.unwrap();
    assert_eq!((edited.revision, edited.file), (store.snapshot().revision, Some(("a.yaml".to_owned(), Done::Nothing))));
    assert_eq!(label(&store.snapshot(), "x").as_deref(), Some("2"));
    assert_eq!(fs::read_to_string(mesh.dir.join("a.yaml")).unwrap(), text.replace("a: \"1\"", "a: \"2\""));
    assert_eq!(fs::metadata(mesh.dir.join("a.yaml")).unwrap().permissions().mode() & 0o777, 0o640);
    store.edit_metadata(id("x"), set(None), vec![]).await.unwrap();
    assert_eq!(label(&store.snapshot(), "x"), None, "a shorter file of our own is believed at once");
    assert_eq!(store.snapshot().objects.len(), 1);
}

fn wish(name: &str, document: Option<String>) -> Wish {
    Wish { id: id(name), document }
}

fn placed(files: &[&str], done: Done) -> Placed {
    Placed { files: files.iter().map(|file| (*file).to_owned()).collect(), done }
}

#[tokio::test]
async fn documents_are_put_where_they_are_declared_and_taken_out() {
    let both = format!("# One.\n{}---\n# Two.\n{}", namespace("x", "1"), namespace("two", "1"));
    let mesh = Mesh::new(&[("a.yaml", &both)]);
    let store = mesh.open().await;
    let wishes = vec![
        wish("x", Some(format!("# Changed.\n{}", namespace("x", "2")))),
        wish("two", Some(format!("# Two.\n{}", namespace("two", "1")))),
        wish("z", Some(namespace("z", "3"))),
    ];
    let (revision, done) = store.change(wishes).await.unwrap();
    assert!(store.snapshot().revision >= revision);
    assert_eq!((label(&store.snapshot(), "x"), label(&store.snapshot(), "z")), (Some("2".into()), Some("3".into())));
    let expected = [
        placed(&["a.yaml"], Done::Changed),
        placed(&["a.yaml"], Done::Nothing),
        placed(&["namespace.z.yaml"], Done::Made),
    ];
    assert_eq!(done, expected);
    let text = fs::read_to_string(mesh.dir.join("a.yaml")).unwrap();
    assert_eq!(text, both.replacen("# One.", "# Changed.", 1).replacen("a: \"1\"", "a: \"2\"", 1));
    let ids = vec![id("two"), id("nobody"), id("two")];
    let [found, missing, again] = &store.documents(ids).await.unwrap()[..] else { panic!() };
    assert!(matches!(missing, Err(Error::NotFound(_))));
    assert_eq!(found.as_ref().unwrap(), again.as_ref().unwrap());
    let (file, document) = found.as_ref().unwrap().clone();
    assert_eq!((file.as_str(), document), ("a.yaml", format!("# Two.\n{}", namespace("two", "1"))));

    let (_, done) = store.change(vec![wish("x", None), wish("z", None)]).await.unwrap();
    assert_eq!(done, [placed(&["a.yaml"], Done::Changed), placed(&["namespace.z.yaml"], Done::Removed)]);
    assert!(!mesh.dir.join("namespace.z.yaml").exists());
    let names: Vec<_> = store.snapshot().objects.keys().map(|id| id.name.clone()).collect();
    assert_eq!(names, ["two"]);
}

#[tokio::test]
async fn what_is_declared_in_several_files_goes_from_all() {
    let mesh =
        Mesh::new(&[("a.yaml", &namespace("x", "1")), ("b.yaml", &format!("# B.\n---\n{}", namespace("x", "2")))]);
    let store = mesh.open().await;
    let (_, done) = store.change(vec![wish("x", None)]).await.unwrap();
    assert_eq!(done, [placed(&["a.yaml", "b.yaml"], Done::Removed)]);
    assert!(!mesh.dir.join("a.yaml").exists());
    assert_eq!(fs::read_to_string(mesh.dir.join("b.yaml")).unwrap(), "# B.\n", "comments stay");
    assert!(store.snapshot().objects.is_empty());
}

#[tokio::test]
async fn a_trial_tells_what_would_be_and_swallows_nothing() {
    let text = namespace("x", "1");
    let mesh = Mesh::new(&[("a.yaml", &text), ("b.yaml", &namespace("w", "1"))]);
    let store = mesh.open().await;
    let wishes = vec![wish("x", Some(namespace("x", "2"))), wish("w", None), wish("z", Some(namespace("z", "1")))];
    let (then, placed) = store.try_change(wishes).await.unwrap();
    let done: Vec<_> = placed.iter().map(|placed| placed.done).collect();
    assert_eq!(done, [Done::Changed, Done::Removed, Done::Made]);
    assert_eq!(["x", "w", "z"].map(|name| label(&then, name)), [Some("2".into()), None, Some("1".into())]);
    assert_eq!(fs::read_to_string(mesh.dir.join("a.yaml")).unwrap(), text);
    assert_eq!(["x", "w", "z"].map(|name| label(&store.snapshot(), name).is_some()), [true, true, false]);
    // An edit that a trial is the first to see is published, though a trial changes nothing.
    for round in 0..20 {
        let value = format!("v{round}");
        let fresh = mesh.dir.join(".fresh");
        fs::write(&fresh, namespace("x", &value)).unwrap();
        fs::rename(fresh, mesh.dir.join("a.yaml")).unwrap();
        store.try_change(vec![wish("w", None)]).await.unwrap();
        until(&store, "x", Some(&value)).await;
    }
    store.close().await;
}

#[tokio::test]
async fn all_is_changed_or_nothing() {
    let text = namespace("x", "1");
    let broken = format!("{}---\na: [\n", namespace("b", "1"));
    let mesh = Mesh::new(&[
        ("a.yaml", &text),
        ("broken.yaml", &broken),
        ("j.json", "{}"),
        ("namespace.taken.yaml", "# mine\n"),
    ]);
    let outside = mesh.state.with_file_name("outside.yaml");
    fs::write(&outside, namespace("l", "1")).unwrap();
    std::os::unix::fs::symlink(&outside, mesh.dir.join("link.yaml")).unwrap();
    fs::write(mesh.dir.join("j.json"), r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "j"}}"#)
        .unwrap();
    let store = mesh.open().await;
    let wrong = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: x\n  labels: wrong\n";
    let long = "n".repeat(300);
    for (said, bad) in [
        ("would be wrong", wish("x", Some(wrong.into()))),
        ("more than was asked for", wish("x", Some(namespace("y", "2")))),
        ("declared nowhere", wish("none", None)),
        ("mend it first", wish("b", None)),
        ("symbolic link", wish("l", None)),
        ("symbolic link", wish("l", Some(namespace("l", "2")))),
        ("it is JSON", wish("j", None)),
        ("does not declare", wish("taken", Some(namespace("taken", "1")))),
        ("too long", wish(&long, Some(namespace(&long, "1")))),
    ] {
        let wishes = vec![wish("x", Some(namespace("x", "2"))), wish("new", Some(namespace("new", "1"))), bad];
        let told = store.change(wishes).await.unwrap_err().to_string();
        assert!(told.contains(said), "{said}: {told}");
        assert_eq!(fs::read_to_string(mesh.dir.join("a.yaml")).unwrap(), text);
        assert!(!mesh.dir.join("namespace.new.yaml").exists());
    }
    assert_eq!(fs::read_to_string(outside).unwrap(), namespace("l", "1"));
}

#[tokio::test]
async fn secrets_are_for_their_owner() {
    let mesh = Mesh::new(&[]);
    let store = mesh.open().await;
    let id = ObjectId { kind: Kind::Secret, namespace: "shop".into(), name: "keys.of.shop".into() };
    let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: keys.of.shop, namespace: shop}\nstringData: {a: b}\n";
    store.change(vec![Wish { id, document: Some(text.into()) }]).await.unwrap();
    let file = mesh.dir.join("secret.shop.keys.of.shop.yaml");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_to_string(file).unwrap(), text);
}

#[tokio::test]
async fn labelling_an_undeclared_namespace_declares_it() {
    let mesh = Mesh::new(&[]);
    let store = mesh.open().await;
    let set = |value: Option<&str>| vec![("a".to_owned(), value.map(str::to_owned))];
    let edited = store.edit_metadata(id("new"), set(None), vec![]).await.unwrap();
    assert_eq!((edited.file, edited.unchanged), (None, vec!["a".to_owned()]));
    assert!(store.snapshot().objects.is_empty(), "nothing to remove, nothing to declare");
    let edited = store.edit_metadata(id("new"), set(Some("1")), vec![]).await.unwrap();
    assert_eq!(edited.file, Some(("namespace-new.yaml".to_owned(), Done::Made)));
    assert_eq!(label(&store.snapshot(), "new").as_deref(), Some("1"));
    assert!(mesh.dir.join("namespace-new.yaml").exists());
    let other = ObjectId { kind: Kind::Process, namespace: "n".into(), name: "p".into() };
    assert!(matches!(store.edit_metadata(other, set(Some("1")), vec![]).await, Err(Error::NotFound(_))));
    let bad = store.edit_metadata(id("../../x"), set(Some("1")), vec![]).await;
    assert!(matches!(bad, Err(Error::Invalid { .. })), "{bad:?}");
    let bad = store.edit_metadata(id("new"), vec![("a".into(), Some("not a label!".into()))], vec![]).await;
    assert!(bad.is_err());
    assert_eq!(label(&store.snapshot(), "new").as_deref(), Some("1"));
}

#[tokio::test]
async fn a_file_that_was_made_for_a_label_goes_with_its_last() {
    let bare = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: own\n";
    let mesh = Mesh::new(&[("own.yaml", bare)]);
    let store = mesh.open().await;
    let set = |key: &str, value: Option<&str>| vec![(key.to_owned(), value.map(str::to_owned))];
    let made = mesh.dir.join("namespace-new.yaml");
    store.edit_metadata(id("new"), set("a", Some("1")), set("b", Some("1"))).await.unwrap();
    let edited = store.edit_metadata(id("new"), set("a", None), vec![]).await.unwrap();
    assert_eq!(edited.file, Some(("namespace-new.yaml".to_owned(), Done::Changed)));
    let edited = store.edit_metadata(id("new"), vec![], set("b", None)).await.unwrap();
    assert_eq!(edited.file, Some(("namespace-new.yaml".to_owned(), Done::Removed)));
    assert_eq!((made.exists(), store.snapshot().revision), (false, edited.revision));
    assert!(!store.snapshot().objects.contains_key(&id("new")), "it is gone at once");
    // What somebody wrote stays.
    store.edit_metadata(id("own"), set("a", Some("1")), vec![]).await.unwrap();
    store.edit_metadata(id("own"), set("a", None), vec![]).await.unwrap();
    assert_eq!(fs::read_to_string(mesh.dir.join("own.yaml")).unwrap(), bare);
    store.edit_metadata(id("new"), set("a", Some("1")), vec![]).await.unwrap();
    let commented = fs::read_to_string(&made).unwrap() + "# mine\n";
    fs::write(&made, commented).unwrap();
    let edited = store.edit_metadata(id("new"), set("a", None), vec![]).await.unwrap();
    assert_eq!(edited.file, Some(("namespace-new.yaml".to_owned(), Done::Changed)));
    assert!(fs::read_to_string(&made).unwrap().ends_with("# mine\n"));
}

#[tokio::test]
async fn a_value_that_is_not_known_is_never_written_and_never_acts() {
    let enrolled = |value: &str| {
        format!(
            "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: x\n  labels:\n    istio.io/dataplane-mode: {value}\n"
        )
    };
    let mesh = Mesh::new(&[("a.yaml", &enrolled("ambient"))]);
    let store = mesh.open().await;
    let typo = || vec![("istio.io/dataplane-mode".to_owned(), Some("ambiant".to_owned()))];
    let error = store.edit_metadata(id("x"), typo(), vec![]).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "nothing was changed, Namespace/x would be wrong: metadata.labels.istio.io/dataplane-mode: `ambiant` is none of \
         `ambient`, `none` (did you mean `ambient`?)"
    );
    assert_eq!(fs::read_to_string(mesh.dir.join("a.yaml")).unwrap(), enrolled("ambient"));
    assert!(store.edit_metadata(id("new"), typo(), vec![]).await.is_err());
    assert!(!mesh.dir.join("namespace-new.yaml").exists());
    // Written by hand: the last good state stays, over restarts too.
    fs::write(mesh.dir.join("a.yaml"), enrolled("ambiant")).unwrap();
    let mut snapshots = store.subscribe();
    let wait = snapshots.wait_for(|snapshot| snapshot.findings.iter().any(|finding| finding.code == "RS110"));
    timeout(Duration::from_secs(5), wait).await.unwrap().unwrap();
    let mode = |store: &DirectoryStore| {
        store.snapshot().objects[&id("x")].object.meta.labels.get("istio.io/dataplane-mode").cloned()
    };
    assert_eq!(mode(&store).as_deref(), Some("ambient"));
    store.close().await;
    assert_eq!(mode(&mesh.open().await).as_deref(), Some("ambient"));
}

#[tokio::test]
async fn unreadable_directories_are_refused() {
    let mesh = Mesh::new(&[]);
    let error = DirectoryStore::open(mesh.dir.join("none"), &mesh.state).await.unwrap_err();
    assert!(error.to_string().contains("does it exist"), "{error}");
}

#[tokio::test]
async fn a_lost_directory_keeps_everything() {
    let mesh = Mesh::new(&[("a.yaml", &namespace("x", "1"))]);
    let store = mesh.open().await;
    let mut snapshots = store.subscribe();
    fs::rename(&mesh.dir, mesh.dir.with_extension("away")).unwrap();
    let wait = snapshots.wait_for(|snapshot| snapshot.findings.iter().any(|finding| finding.code == "RS302"));
    timeout(Duration::from_secs(5), wait).await.unwrap().unwrap();
    assert_eq!(label(&store.snapshot(), "x").as_deref(), Some("1"));
    fs::create_dir(&mesh.dir).unwrap(); // another directory, another watch
    fs::write(mesh.dir.join("a.yaml"), namespace("x", "1")).unwrap();
    let mut snapshots = store.subscribe();
    let wait = snapshots.wait_for(|snapshot| snapshot.findings.is_empty());
    timeout(Duration::from_secs(5), wait).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_state_that_cannot_be_saved_is_said_and_tried_again() {
    let mesh = Mesh::new(&[("a.yaml", &namespace("x", "1"))]);
    let store = mesh.open().await;
    fs::remove_dir_all(&mesh.state).unwrap();
    fs::write(mesh.dir.join("a.yaml"), namespace("x", "2")).unwrap();
    let mut snapshots = store.subscribe();
    let wait = snapshots.wait_for(|snapshot| snapshot.findings.iter().any(|finding| finding.code == "RS304"));
    timeout(Duration::from_secs(5), wait).await.unwrap().unwrap();
    assert_eq!(label(&store.snapshot(), "x").as_deref(), Some("2"), "it acts all the same");
    fs::create_dir_all(mesh.state.join("texts")).unwrap();
    let mut snapshots = store.subscribe();
    let wait = snapshots.wait_for(|snapshot| snapshot.findings.is_empty());
    timeout(Duration::from_secs(5), wait).await.unwrap().unwrap();
    store.close().await;
    assert_eq!(label(&mesh.open().await.snapshot(), "x").as_deref(), Some("2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_never_vanishes_while_its_file_is_rewritten() {
    let file =
        |round: u32| format!("{}---\n{}", namespace("x", &round.to_string()), namespace("last", &round.to_string()));
    let mesh = Mesh::new(&[("a.yaml", &file(0))]);
    let store = mesh.open().await;
    let path = mesh.dir.join("a.yaml");
    let writer = spawn_blocking(move || {
        for round in 1..=300 {
            let text = file(round);
            if round % 3 == 0 {
                // As an editor does: the old file steps aside, the new one is made.
                fs::rename(&path, path.with_extension("yaml~")).unwrap();
            }
            let mut opened = fs::File::create(&path).unwrap();
            for piece in text.as_bytes().chunks(40) {
                opened.write_all(piece).unwrap();
                std::thread::yield_now();
            }
        }
    });
    let mut snapshots = store.subscribe();
    let end = async {
        loop {
            let snapshot = snapshots.borrow_and_update().clone();
            assert_eq!(snapshot.objects.len(), 2, "{:?}", snapshot.findings);
            if label(&snapshot, "last").as_deref() == Some("300") {
                break;
            }
            snapshots.changed().await.unwrap();
        }
    };
    timeout(Duration::from_secs(20), end).await.unwrap();
    writer.await.unwrap();
}
