use super::*;

const SET: FieldChange<'_> = FieldChange::Set { name: b"X-A", value: b"1" };
const ADD: FieldChange<'_> = FieldChange::Add { name: b"x-b", value: b"2" };
const REMOVE: FieldChange<'_> = FieldChange::Remove { name: b"x-c" };

#[test]
fn what_is_set_or_removed_does_not_stay_and_what_is_added_does() {
    let changes = HeadChanges { fields: &[SET, ADD, REMOVE], ..HeadChanges::NONE };
    let kept = ["x-a", "X-B", "X-C", "x-d"].map(|name| changes.keeps(name.as_bytes()));
    assert_eq!(kept, [false, true, false, true]);
    let appended: Vec<_> = changes.appended().collect();
    assert_eq!(appended, [(&b"X-A"[..], &b"1"[..]), (b"x-b", b"2")]);
}

#[test]
fn what_belongs_to_the_connection_or_its_framing_cannot_be_set() {
    let outcome = |name: &'static str| {
        HeadChanges { fields: &[FieldChange::Add { name: name.as_bytes(), value: b"x" }], ..HeadChanges::NONE }.check()
    };
    for name in ["Connection", "keep-alive", "Proxy-Connection", "TE", "Upgrade", "HTTP2-Settings"] {
        assert_eq!(outcome(name), Err(Reason::HopByHop), "{name}");
    }
    for name in ["Content-Length", "Transfer-Encoding"] {
        assert_eq!(outcome(name), Err(Reason::Framing), "{name}");
    }
    for name in ["", "x y", "x:", "ü"] {
        assert_eq!(outcome(name), Err(Reason::BadName), "{name}");
    }
    assert_eq!(outcome("Host"), Err(Reason::DuplicateHost));
    assert_eq!(outcome("X-Host"), Ok(()));
    let removed = [FieldChange::Remove { name: b"connection" }];
    assert_eq!(HeadChanges { fields: &removed, ..HeadChanges::NONE }.check(), Ok(()));
}

#[test]
fn values_are_those_of_fields() {
    let outcome = |value: &'static [u8]| {
        HeadChanges { fields: &[FieldChange::Set { name: b"x-a", value }], ..HeadChanges::NONE }.check()
    };
    assert_eq!(outcome(b"a\tb \xff"), Ok(()));
    assert_eq!(outcome(b""), Ok(()));
    for wrong in [&b"a\rb"[..], b"a\n", b"\0", b"\x7f"] {
        assert_eq!(outcome(wrong), Err(Reason::BadValue), "{}", wrong.escape_ascii());
    }
    assert_eq!(outcome(b" a"), Err(Reason::PaddedValue));
}
