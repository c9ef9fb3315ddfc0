use ripstop_api::{Kind, Spec};

use super::*;

fn namespace(name: &str, label: &str) -> String {
    format!("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n  labels:\n    a: \"{label}\"\n")
}

fn broken(name: &str) -> String {
    format!("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n  labels: nonsense\n")
}

fn id(name: &str) -> ObjectId {
    ObjectId { kind: Kind::Namespace, namespace: String::new(), name: name.into() }
}

/// A catalog, and what it holds after changes at increasing times.
#[derive(Default)]
struct Store {
    catalog: Catalog,
    now: u64,
    findings: Vec<Finding>,
}

impl Store {
    /// New texts of files; nothing: gone.
    fn change(&mut self, files: &[(&str, Option<&str>)]) {
        for (file, text) in files {
            self.catalog.accept(file, text.map(|text| Version::of_text(file, text)));
        }
        self.now += 1;
        self.findings = self.catalog.resolve(self.now, |_| false);
    }

    fn get(&self, name: &str) -> Option<Arc<StoredObject>> {
        self.catalog.objects().get(&id(name)).cloned()
    }

    fn state(&self, name: &str) -> State {
        let stored = self.get(name)?;
        let label = stored.object.meta.labels["a"].clone();
        Some((label, stored.created_ms, stored.generation, stored.last_good_from.is_some()))
    }

    fn restart(self) -> Self {
        Self { catalog: Catalog::restore(self.catalog.saved()), now: self.now, findings: Vec::new() }
    }
}

/// Label `a`, age, generation, and whether it is only the last good state.
type State = Option<(String, u64, u64, bool)>;

fn is(label: &str, created: u64, generation: u64, last_good: bool) -> (String, u64, u64, bool) {
    (label.into(), created, generation, last_good)
}

#[test]
fn generations_count_changes_and_age_stays() {
    let mut store = Store::default();
    store.change(&[("a.yaml", Some(&namespace("x", "1")))]);
    assert_eq!(store.state("x"), Some(is("1", 1, 1, false)));
    let before = store.get("x");
    store.change(&[("b.yaml", Some(&namespace("other", "1")))]);
    assert!(Arc::ptr_eq(&before.unwrap(), &store.get("x").unwrap()), "what did not change is shared");
    store.change(&[("a.yaml", Some(&format!("# comment\n{}", namespace("x", "1"))))]);
    assert_eq!(store.state("x"), Some(is("1", 1, 1, false)), "only its place changed");
    assert_eq!(store.get("x").unwrap().object.source.position.line, 2);
    store.change(&[("a.yaml", Some(&namespace("x", "2")))]);
    assert_eq!(store.state("x"), Some(is("2", 1, 2, false)));
    store.change(&[("a.yaml", None)]);
    assert_eq!(store.state("x"), None);
    store.change(&[("a.yaml", Some(&namespace("x", "2")))]);
    assert_eq!(store.state("x"), Some(is("2", 6, 1, false)), "what was removed starts anew");
}

#[test]
fn broken_objects_keep_their_last_good_state() {
    let mut store = Store::default();
    store.change(&[("a.yaml", Some(&format!("{}---\n{}", namespace("x", "1"), namespace("other", "1"))))]);
    store.change(&[("a.yaml", Some(&format!("{}---\n{}", broken("x"), namespace("other", "2"))))]);
    assert_eq!(store.state("x"), Some(is("1", 1, 1, true)));
    assert_eq!(store.state("other"), Some(is("2", 1, 2, false)), "its neighbour changes");
    assert!(!store.catalog.findings().is_empty());
    store.change(&[("a.yaml", Some(&namespace("other", "2")))]);
    assert_eq!(store.state("x"), None, "removed is removed");
    store.change(&[("a.yaml", Some(&broken("z")))]);
    assert_eq!(store.state("z"), None, "it was never good");
}

#[test]
fn unreadable_files_keep_all_their_objects() {
    let mut store = Store::default();
    store.change(&[("a.yaml", Some(&namespace("x", "1")))]);
    for garbage in ["{[}: not yaml", "kind: Namespace\nmetadata:\n  name: z\n"] {
        store.change(&[("a.yaml", Some(garbage))]);
        assert_eq!(store.state("x"), Some(is("1", 1, 1, true)), "{garbage}");
        store.change(&[("b.yaml", Some(&namespace("x", "2")))]);
        assert_eq!(store.state("x"), Some(is("1", 1, 1, true)), "the first stays, though it cannot be seen: {garbage}");
        assert_eq!(store.findings.len(), 1);
        store.change(&[("b.yaml", None)]);
    }
    store.change(&[("a.yaml", Some(&namespace("x", "1")))]);
    assert_eq!(store.state("x"), Some(is("1", 1, 1, false)));
}

#[test]
fn of_two_files_the_first_stays() {
    let mut store = Store::default();
    store.change(&[("b.yaml", Some(&namespace("x", "b")))]);
    store.change(&[("a.yaml", Some(&namespace("x", "a")))]);
    assert_eq!(store.state("x"), Some(is("b", 1, 1, false)));
    let finding = &store.findings[0];
    assert_eq!((finding.code, finding.position.file.as_str()), ("RS301", "a.yaml"));
    assert_eq!(finding.message, "Namespace/x is already declared at b.yaml:1:1, which stays in effect");
    let mut store = store.restart();
    let texts = (namespace("x", "a"), namespace("x", "b"));
    store.change(&[("a.yaml", Some(&texts.0)), ("b.yaml", Some(&texts.1))]);
    assert_eq!(store.state("x"), Some(is("b", 1, 1, false)), "also after a restart");
    store.change(&[("b.yaml", Some(&broken("x")))]);
    assert_eq!(store.state("x"), Some(is("b", 1, 1, true)), "also while it is broken");
    store.change(&[("b.yaml", None)]);
    assert_eq!(store.state("x"), Some(is("a", 1, 2, false)), "until it is gone");
    assert!(store.findings.is_empty());
}

#[test]
fn what_was_saved_acts_only_where_files_still_say_so() {
    let mut store = Store::default();
    store.change(&[
        ("a.yaml", Some(&namespace("same", "1"))),
        ("b.yaml", Some(&namespace("broken", "1"))),
        ("c.yaml", Some(&namespace("gone", "1"))),
        ("d.yaml", Some(&namespace("changed", "1"))),
    ]);
    let mut store = store.restart();
    store.change(&[
        ("a.yaml", Some(&namespace("same", "1"))),
        ("b.yaml", Some(&broken("broken"))),
        ("d.yaml", Some(&namespace("changed", "2"))),
    ]);
    assert_eq!(store.state("same"), Some(is("1", 1, 1, false)));
    assert_eq!(store.state("broken"), Some(is("1", 1, 1, true)));
    assert_eq!(store.state("gone"), None);
    assert_eq!(store.state("changed"), Some(is("2", 1, 2, false)));
    let mut store = store.restart();
    store.change(&[("b.yaml", Some(&broken("broken")))]);
    assert_eq!(store.state("broken"), Some(is("1", 1, 1, true)), "over several restarts");
}

#[test]
fn ages_outlive_lost_texts() {
    let mut store = Store::default();
    store.change(&[("a.yaml", Some(&namespace("x", "1")))]);
    let mut saved = store.catalog.saved();
    saved.texts.clear();
    let mut store = Store { catalog: Catalog::restore(saved), now: 10, findings: Vec::new() };
    store.change(&[("a.yaml", Some(&broken("x")))]);
    assert_eq!(store.state("x"), None);
    store.change(&[("a.yaml", Some(&namespace("x", "1")))]);
    assert_eq!(store.state("x"), Some(is("1", 1, 2, false)));
    assert!(store.catalog.ages.is_empty());
}

#[test]
fn files_in_blind_places_keep_their_objects() {
    let mut store = Store::default();
    store.change(&[("a/a.yaml", Some(&namespace("x", "1")))]);
    let mut store = store.restart();
    store.catalog.resolve(9, |file| file.starts_with("a/"));
    assert_eq!(store.state("x"), Some(is("1", 1, 1, true)));
    assert!(matches!(store.get("x").unwrap().object.spec, Spec::Namespace));
}
