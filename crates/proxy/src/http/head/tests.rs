use ripstop_model::{PathNormalization, PathRules};

use super::*;

fn line(path: &[u8]) -> Line<'_> {
    Line {
        method: b"GET",
        scheme: Some(b"https"),
        authority: Some(b"reviews:9080"),
        path,
        query: Some(b"a=1"),
        protocol: Protocol::Http11,
    }
}

fn read<'a>(line: &Line<'_>, fields: &[(&'a [u8], &'a [u8])]) -> Result<Head, Refusal> {
    Head::of(line, fields.iter().copied(), PathNormalization::Base)
}

#[test]
fn names_are_lower_case_and_values_as_they_came() {
    let head = read(&line(b"/v1"), &[(b"Accept", b"*/*"), (b"X-User", b"Jason"), (b"x-a", b"A")]).unwrap();
    head.with_facts(|request| {
        assert_eq!(
            (request.method, request.scheme, request.authority, request.path, request.query),
            ("GET", "https", "reviews:9080", "/v1", "a=1")
        );
        let headers: Vec<_> = request.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(headers, [("accept", "*/*"), ("x-user", "Jason"), ("x-a", "A")]);
        assert_eq!(request.header("x-user").as_deref(), Some("Jason"));
    });
    assert_eq!((head.is_normalized(), head.target()), (false, "/v1?a=1"));
}

#[test]
fn paths_are_normalized_or_refused() {
    let head = read(&line(b"/a/../b"), &[]).unwrap();
    assert_eq!((head.path(), head.is_normalized()), ("/b", true));
    assert_eq!(read(&line(b"/a%zz"), &[]).unwrap_err(), Refusal::Path(BadPath::Escape));
    assert_eq!(read(&line(b"/a%00"), &[]).unwrap_err(), Refusal::Path(BadPath::Nul));
    assert_eq!(read(&line(b"/a#b"), &[]).unwrap_err(), Refusal::Path(BadPath::Fragment));
}

#[test]
fn a_target_that_is_no_text_is_refused_and_a_value_is_not() {
    assert_eq!(read(&line(b"/\xff"), &[]).unwrap_err(), Refusal::NoText("path"));
    let other = Line { authority: Some(b"a\xffb"), ..line(b"/") };
    assert_eq!(read(&other, &[]).unwrap_err(), Refusal::NoText("authority"));
    let other = Line { query: Some(b"\xff"), ..line(b"/") };
    assert_eq!(read(&other, &[]).unwrap_err(), Refusal::NoText("query"));
    let head = read(&line(b"/"), &[(b"x-latin", b"caf\xe9")]).unwrap();
    head.with_facts(|request| assert_eq!(request.header("x-latin").as_deref(), Some("caf\u{fffd}")));
}

#[test]
fn what_was_not_said() {
    let bare =
        Line { method: b"CONNECT", scheme: None, authority: None, path: b"", query: None, protocol: Protocol::Http10 };
    let head = read(&bare, &[]).unwrap();
    let request = head.as_request();
    assert_eq!((request.scheme, request.authority, request.path, request.query), ("http", "", "", ""));
}

/// What a client is sent to is at the same host.
#[test]
fn nobody_is_sent_elsewhere() {
    let redirected =
        PathRules { escaped_slashes: EscapedSlashes::Redirected, ..PathRules::from(PathNormalization::Base) };
    let how = ReadingRules { paths: redirected, ..ReadingRules::from(PathNormalization::Base) };
    for (came, location) in [
        ("/%2Fevil.example/a", "/evil.example/a?a=1"),
        ("/%5cevil.example", "/evil.example?a=1"),
        ("/%2F%5Cevil.example", "/evil.example?a=1"),
        ("/a%2Fb", "/a/b?a=1"),
    ] {
        let read = Head::of(&line(came.as_bytes()), std::iter::empty(), how);
        assert_eq!(read.unwrap_err(), Refusal::Elsewhere(location.into()), "{came}");
    }
}
