use super::*;

const ONE: &str = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: one\n";
const TWO: &str = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: one\n---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: two\n";
const BROKEN: &str =
    "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: one\n  labels: nonsense\n  more: and more and more\n";

/// Files with inode and text.
fn view(files: &[(&str, u64, &str)]) -> View {
    let files = files.iter().map(|(file, inode, text)| {
        let version = Version::of_text(file, text);
        ((*file).to_owned(), Seen { version, inode: (1, *inode), being_written: false })
    });
    View { files: files.collect(), watched: true, ..View::default() }
}

struct Clock {
    settling: Settling,
    now: Instant,
}

impl Clock {
    fn new(first: &View) -> Self {
        let (mut settling, now) = (Settling::default(), Instant::now());
        settling.observe(now, first, &BTreeSet::new());
        Self { settling, now }
    }

    /// What is accepted after `wait`: file and size, nothing for a file that is gone.
    fn after(&mut self, wait: Duration, view: &View) -> Vec<(String, Option<usize>)> {
        self.now += wait;
        let outcome = self.settling.observe(self.now, view, &BTreeSet::new());
        outcome.accepted.into_iter().map(|(file, version)| (file, version.map(|version| version.size()))).collect()
    }
}

const SHORT: Duration = Duration::from_millis(10);
/// Together with [`SHORT`] it is long enough for a suspicious change.
const ALMOST: Duration = Duration::from_millis(290);

#[test]
fn the_first_view_is_believed() {
    let mut settling = Settling::default();
    let outcome = settling.observe(Instant::now(), &view(&[("a.yaml", 1, BROKEN)]), &BTreeSet::new());
    assert_eq!(outcome.accepted.len(), 1);
    assert_eq!(outcome.again, None);
}

#[test]
fn good_changes_act_at_once() {
    let mut clock = Clock::new(&view(&[("a.yaml", 1, ONE)]));
    assert_eq!(clock.after(SHORT, &view(&[("a.yaml", 1, TWO)])), [("a.yaml".into(), Some(TWO.len()))]);
    let both = view(&[("a.yaml", 1, TWO), ("b.yaml", 2, "")]);
    assert_eq!(clock.after(SHORT, &both), [("b.yaml".into(), Some(0))]);
    assert!(clock.after(SHORT, &both).is_empty(), "nothing changed");
}

#[test]
fn suspicious_changes_have_to_last() {
    for (title, text) in [("errors", Some(BROKEN)), ("an object less", Some(ONE)), ("empty", Some("")), ("gone", None)]
    {
        let mut clock = Clock::new(&view(&[("a.yaml", 1, TWO)]));
        let next = text.map_or_else(|| view(&[]), |text| view(&[("a.yaml", 1, text)]));
        assert!(clock.after(SHORT, &next).is_empty(), "{title}");
        assert!(clock.after(ALMOST, &next).is_empty(), "{title}");
        assert_eq!(clock.after(SHORT, &next), [("a.yaml".into(), text.map(str::len))], "{title}");
    }
}

#[test]
fn a_change_that_goes_away_was_none() {
    let mut clock = Clock::new(&view(&[("a.yaml", 1, TWO)]));
    assert!(clock.after(SHORT, &view(&[])).is_empty());
    assert!(clock.after(SUSPICIOUS, &view(&[("a.yaml", 2, TWO)])).is_empty(), "back with the same text");
    assert!(clock.after(SHORT, &view(&[])).is_empty(), "the wait starts anew");
}

#[test]
fn each_further_change_starts_the_wait_anew() {
    let mut clock = Clock::new(&view(&[("a.yaml", 1, TWO)]));
    assert!(clock.after(SHORT, &view(&[("a.yaml", 1, "")])).is_empty());
    assert!(clock.after(SUSPICIOUS, &view(&[("a.yaml", 1, ONE)])).is_empty());
    assert!(clock.after(ALMOST, &view(&[("a.yaml", 1, ONE)])).is_empty());
    assert_eq!(clock.after(SHORT, &view(&[("a.yaml", 1, TWO)])), [], "as it was");
}

#[test]
fn files_held_open_are_waited_for() {
    let mut clock = Clock::new(&view(&[]));
    let mut open = view(&[("a.yaml", 1, ONE)]);
    open.files.get_mut("a.yaml").unwrap().being_written = true;
    assert!(clock.after(SHORT, &open).is_empty());
    assert!(clock.after(SUSPICIOUS, &open).is_empty());
    assert_eq!(clock.after(SHORT, &view(&[("a.yaml", 1, ONE)])).len(), 1, "closed");
    let mut clock = Clock::new(&view(&[]));
    assert!(clock.after(SHORT, &open).is_empty());
    assert_eq!(clock.after(HELD_OPEN, &open).len(), 1, "held open, but quiet");
}

#[test]
fn renamed_files_change_names_at_once() {
    let mut clock = Clock::new(&view(&[("a.yaml", 1, TWO)]));
    let accepted = clock.after(SHORT, &view(&[("b.yaml", 1, TWO)]));
    assert_eq!(accepted, [("a.yaml".into(), None), ("b.yaml".into(), Some(TWO.len()))]);
}

#[test]
fn without_events_every_change_has_to_last() {
    let mut clock = Clock::new(&view(&[("a.yaml", 1, ONE)]));
    let next = View { watched: false, ..view(&[("a.yaml", 1, TWO)]) };
    assert!(clock.after(SHORT, &next).is_empty());
    assert_eq!(clock.after(SUSPICIOUS, &next).len(), 1);
}

#[test]
fn nothing_is_gone_where_nothing_can_be_seen() {
    let mut clock = Clock::new(&view(&[("a/a.yaml", 1, ONE), ("b.yaml", 2, ONE)]));
    let blind = View { blind: BTreeSet::from(["a/".to_owned()]), watched: true, ..View::default() };
    clock.after(SHORT, &blind);
    assert_eq!(clock.after(SUSPICIOUS, &blind), [("b.yaml".into(), None)]);
    let all_blind = View { blind: BTreeSet::from([String::new()]), watched: true, ..View::default() };
    clock.after(SHORT, &all_blind);
    assert!(clock.after(SUSPICIOUS, &all_blind).is_empty());
}

#[test]
fn it_says_when_to_look_again() {
    let (mut settling, now) = (Settling::default(), Instant::now());
    settling.observe(now, &view(&[("a.yaml", 1, TWO)]), &BTreeSet::new());
    let outcome = settling.observe(now, &view(&[]), &BTreeSet::new());
    assert_eq!(outcome.again, Some(now + SUSPICIOUS));
    let trusted = BTreeSet::from(["a.yaml".to_owned()]);
    assert_eq!(settling.observe(now, &view(&[]), &trusted).accepted.len(), 1, "our own change is believed");
}
