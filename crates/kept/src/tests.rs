use super::*;

const NAMES: &[&str] = &["user-agent", "x-request-id", "x-none"];

#[test]
fn the_first_of_each_name_is_kept_until_the_next_message() {
    let message = [("x-request-id", &b"1"[..]), ("user-agent", b"curl"), ("x-request-id", b"2"), ("accept", b"*")];
    let first = |name: &[u8]| message.iter().find(|(own, _)| own.as_bytes() == name).map(|(_, value)| *value);
    let mut kept = Kept::default();
    kept.take(NAMES, first);
    let fields = KeptFields::new(NAMES, &kept);
    assert_eq!(fields.iter().collect::<Vec<_>>(), [("user-agent", &b"curl"[..]), ("x-request-id", b"1")]);
    assert_eq!((fields.get("x-request-id"), fields.get("x-none"), fields.get("accept")), (Some(&b"1"[..]), None, None));
    let storage = kept.storage();
    kept.take(NAMES, |_| None);
    assert_eq!((KeptFields::new(NAMES, &kept).iter().count(), kept.storage()), (0, storage));
}

#[test]
fn values_beyond_the_limit_are_not_kept() {
    let (longest, longer) = ([b'a'; LONGEST], [b'a'; LONGEST + 1]);
    let mut kept = Kept::default();
    kept.take(NAMES, |name| match name {
        b"user-agent" => Some(&longer),
        b"x-none" => Some(&longest),
        _ => None,
    });
    assert_eq!(KeptFields::new(NAMES, &kept).iter().collect::<Vec<_>>(), [("x-none", &longest[..])]);
    kept.clear();
    assert_eq!(kept, Kept::default());
}
