use ripstop_exchange::Protocol;

use super::*;

fn head(path: &[u8]) -> Head<'_> {
    Head {
        method: b"GET",
        scheme: Some(b"https"),
        authority: Some(b"reviews:9080"),
        path,
        query: Some(b"a=1"),
        protocol: Protocol::Http11,
    }
}

fn read<'a>(head: &Head<'a>, fields: &[(&'a [u8], &'a [u8])]) -> Result<Facts<'a>, Refusal> {
    Facts::read(head, fields.iter().copied(), PathNormalization::Base, &mut Storage::default())
}

#[test]
fn names_are_lower_case_and_values_as_they_came() {
    let facts = read(&head(b"/v1"), &[(b"Accept", b"*/*"), (b"X-User", b"Jason"), (b"x-a", b"A")]).unwrap();
    let request = facts.request(Token::Absent);
    assert_eq!(
        (request.method, request.scheme, request.authority, request.path, request.query),
        ("GET", "https", "reviews:9080", "/v1", "a=1")
    );
    let headers: Vec<_> = request.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(headers, [("accept", "*/*"), ("x-user", "Jason"), ("x-a", "A")]);
    assert_eq!(request.header("x-user").as_deref(), Some("Jason"));
    assert_eq!(facts.spelling, Spelling::AsItCame);
}

#[test]
fn usual_heads_are_borrowed() {
    let facts = read(&head(b"/v1"), &[(b"User-Agent", b"curl"), (b"x-lower", b"1"), (b"X-Own", b"1")]).unwrap();
    let borrowed: Vec<_> = facts.headers.iter().map(|(name, _)| matches!(name, Cow::Borrowed(_))).collect();
    assert_eq!(borrowed, [true, true, false]);
    assert!(matches!(facts.path, Cow::Borrowed("/v1")));
}

#[test]
fn storage_is_used_again() {
    let mut storage = Storage::default();
    let fields: [(&[u8], &[u8]); 3] = [(b"a", b"1"), (b"b", b"2"), (b"c", b"3")];
    let first = Facts::read(&head(b"/"), fields.into_iter(), PathNormalization::Base, &mut storage).unwrap();
    let (at, room) = (first.headers.as_ptr().addr(), first.headers.capacity());
    first.give_back(&mut storage);
    assert_eq!((storage.0.len(), storage.0.as_ptr().addr(), storage.0.capacity()), (0, at, room));
    let second = Facts::read(&head(b"/"), fields.into_iter(), PathNormalization::Base, &mut storage).unwrap();
    assert_eq!((second.headers.len(), second.headers.as_ptr().addr()), (3, at));
}

#[test]
fn paths_are_normalized_or_refused() {
    let facts = read(&head(b"/a/../b"), &[]).unwrap();
    assert_eq!((&*facts.path, facts.spelling), ("/b", Spelling::Normalized));
    assert_eq!(read(&head(b"/a%zz"), &[]).unwrap_err(), Refusal::Path(BadPath::Escape));
    assert_eq!(read(&head(b"/a%00"), &[]).unwrap_err(), Refusal::Path(BadPath::Nul));
    assert_eq!(read(&head(b"/a#b"), &[]).unwrap_err(), Refusal::Path(BadPath::Fragment));
}

#[test]
fn a_target_that_is_no_text_is_refused_and_a_value_is_not() {
    assert_eq!(read(&head(b"/\xff"), &[]).unwrap_err(), Refusal::NoText("path"));
    let other = Head { authority: Some(b"a\xffb"), ..head(b"/") };
    assert_eq!(read(&other, &[]).unwrap_err(), Refusal::NoText("authority"));
    let other = Head { query: Some(b"\xff"), ..head(b"/") };
    assert_eq!(read(&other, &[]).unwrap_err(), Refusal::NoText("query"));
    let facts = read(&head(b"/"), &[(b"x-latin", b"caf\xe9")]).unwrap();
    assert_eq!(facts.request(Token::Absent).header("x-latin").as_deref(), Some("caf\u{fffd}"));
}

#[test]
fn what_was_not_said() {
    let bare =
        Head { method: b"CONNECT", scheme: None, authority: None, path: b"", query: None, protocol: Protocol::Http10 };
    let facts = read(&bare, &[]).unwrap();
    let request = facts.as_request();
    assert_eq!((request.scheme, request.authority, request.path, request.query), ("http", "", "", ""));
}
