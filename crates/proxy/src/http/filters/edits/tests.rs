use super::*;
use crate::http::filters::samples::{lines, list};

fn values(headers: &impl Headers, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    headers.visit(name, &mut |value| found.push(String::from_utf8_lossy(value).into_owned()));
    found
}

#[test]
fn what_is_asked_for_later_wins() {
    let mut edits = Edits::new();
    edits.add("x-a", "1");
    edits.set("X-A", "2");
    edits.add("x-a", "3");
    edits.set("x-b", "4");
    edits.remove("x-b");
    edits.remove("x-c");
    edits.add("x-c", "5");
    assert_eq!(lines(&edits.list()), ["=X-A: 2", "+x-a: 3", "-x-b", "-x-c", "+x-c: 5"]);
}

#[test]
fn lookups_see_what_will_be_sent() {
    let original = list(&[("X-A", "one"), ("x-b", "two"), ("x-c", "three"), ("x-a", "four")]);
    let mut edits = Edits::new();
    edits.add("x-a", "five");
    edits.set("x-b", "six");
    edits.remove("x-c");
    let seen = edits.on(&original);
    assert_eq!(values(&seen, "x-a"), ["one", "four", "five"]);
    assert_eq!(values(&seen, "x-b"), ["six"]);
    assert_eq!(values(&seen, "x-c"), Vec::<String>::new());
    assert_eq!(seen.first("x-a"), Some(&b"one"[..]));
}

#[test]
fn texts() {
    assert_eq!(Text::number(0).as_bytes(), b"0");
    assert_eq!(Text::number(1700).as_bytes(), b"1700");
    assert_eq!(Text::number(u64::MAX).as_bytes(), b"18446744073709551615");
    for length in [0, SHORT, SHORT + 1] {
        let bytes = vec![b'x'; length];
        assert_eq!(Text::copied(&bytes).as_bytes(), bytes);
    }
    assert!(matches!(Text::copied(&[0; SHORT]).0, Kept::Short(..)));
}

#[test]
fn fields_of_the_connection_are_not_changed() {
    for name in ["connection", "Content-Length", "transfer-encoding", "TE", "host", ":path"] {
        assert!(!is_changeable(name), "{name}");
    }
    for name in ["x-a", "content-type", "server", "hosts"] {
        assert!(is_changeable(name), "{name}");
    }
}
