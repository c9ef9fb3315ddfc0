#![allow(clippy::redundant_closure_for_method_calls)] // the methods themselves are not general in their lifetimes

use super::*;
use crate::{Asked, Limits, MethodKind, Persistence, RequestParser, ResponseParser};

mod any_changes;

const REQUEST: &str = "GET http://a:1/x?y HTTP/1.1\r\nHost: a:1\r\nX-A:1\r\nX-B: \r\nConnection: close, x-a\r\nContent-Length: 3\r\nX-C: 3 \r\n\r\n";
const RESPONSE: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\nKeep-Alive: 1\r\n\r\n";

fn request(head: &str, change: impl FnOnce(&mut RequestEdits<'_, '_>) -> Result<(), Reason>) -> Result<String, Reason> {
    let mut parser = RequestParser::new(Limits::default());
    parser.parse(head.as_bytes()).unwrap().unwrap();
    let view = parser.head(head.as_bytes());
    let mut edits = Edits::new();
    change(&mut edits.request(view))?;
    let mut out = Vec::new();
    edits.write(view.as_bytes(), &mut out);
    assert!(edits.slices(view.as_bytes()).all(|slice| !slice.is_empty()));
    // What is written can be read.
    RequestParser::new(Limits::default()).parse(&out).unwrap().unwrap();
    Ok(String::from_utf8(out).unwrap())
}

fn response(change: impl FnOnce(&mut ResponseEdits<'_, '_>) -> Result<(), Reason>) -> Result<String, Reason> {
    response_of(RESPONSE, change)
}

fn response_of(
    head: &str,
    change: impl FnOnce(&mut ResponseEdits<'_, '_>) -> Result<(), Reason>,
) -> Result<String, Reason> {
    let mut parser = ResponseParser::new(Limits::default());
    parser.parse(head.as_bytes()).unwrap().unwrap();
    let view = parser.head(head.as_bytes());
    let mut edits = Edits::new();
    change(&mut edits.response(view))?;
    let mut out = Vec::new();
    edits.write(view.as_bytes(), &mut out);
    ResponseParser::new(Limits::default()).parse(&out).unwrap().unwrap();
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn no_changes_are_one_slice() {
    for head in [REQUEST.to_owned(), format!("\r\n{REQUEST}")] {
        let mut parser = RequestParser::new(Limits::default());
        parser.parse(head.as_bytes()).unwrap().unwrap();
        let view = parser.head(head.as_bytes());
        let mut edits = Edits::new();
        edits.request(view);
        let slices: Vec<_> = edits.slices(view.as_bytes()).collect();
        assert_eq!(slices, [REQUEST.as_bytes()]);
        assert_eq!(slices[0].as_ptr(), view.as_bytes().as_ptr());
    }
}

#[test]
fn each_change_touches_its_place_only() {
    let changed = request(&format!("\r\n{REQUEST}"), |edits| {
        edits.method(b"POST")?;
        edits.set(1, b"new")?;
        edits.set(2, b"full")?;
        edits.set(5, b"")?;
        edits.insert(b"X-D", b"4")?;
        edits.insert(b"X-E", b"")?;
        edits.authority(b"[::1]:8080")
    });
    let expected = "POST http://[::1]:8080/x?y HTTP/1.1\r\nHost: [::1]:8080\r\nX-A:new\r\nX-B: full\r\n\
        Connection: close, x-a\r\nContent-Length: 3\r\nX-C:  \r\nX-D: 4\r\nX-E: \r\n\r\n";
    assert_eq!(changed.as_deref(), Ok(expected));
}

#[test]
fn the_hop_is_stripped_and_the_body_reframed() {
    let changed = request(REQUEST, |edits| {
        edits.forward()?;
        edits.target(b"/only")?;
        edits.authority(b"b")?;
        edits.body(BodyKind::Chunked)?;
        edits.insert(b"Connection", b"close")
    });
    let expected =
        "GET /only HTTP/1.1\r\nHost: b\r\nX-B: \r\nX-C: 3 \r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    assert_eq!(changed.as_deref(), Ok(expected));
    let changed = response(|edits| {
        edits.forward()?;
        edits.status(503, b"Not now")?;
        edits.body(BodyKind::Length(12))?;
        edits.insert(b"Server", b"us")?;
        edits.set(1, b"2")
    });
    assert_eq!(changed.as_deref(), Ok("HTTP/1.1 503 Not now\r\nX-A: 2\r\nContent-Length: 12\r\nServer: us\r\n\r\n"));
    let hop_only = response(|edits| edits.forward());
    assert_eq!(hop_only.as_deref(), Ok("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\n\r\n"));
}

#[test]
fn what_is_forwarded_is_of_our_version() {
    let old = "POST / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive, upgrade\r\nUpgrade: websocket\r\n\
        Expect: 100-continue\r\nContent-Length: 3\r\n\r\n";
    let chunked = |edits: &mut RequestEdits<'_, '_>| edits.body(BodyKind::Chunked);
    assert_eq!(request(old, chunked), Err(Reason::EncodingInHttp10));
    let ours = request(&format!("\r\n{old}"), |edits| edits.forward().and(edits.body(BodyKind::Chunked)));
    assert_eq!(ours.as_deref(), Ok("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"));
    let hostless = "GET / HTTP/1.0\r\n\r\n";
    assert_eq!(request(hostless, |edits| edits.forward()), Err(Reason::MissingHost));
    let named = request(hostless, |edits| edits.authority(b"a").and(edits.forward()));
    assert_eq!(named.as_deref(), Ok("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));

    let old = "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nX: y\r\n\r\n";
    assert_eq!(response_of(old, |edits| edits.body(BodyKind::Chunked)), Err(Reason::EncodingInHttp10));
    let ours = response_of(old, |edits| edits.forward().and(edits.body(BodyKind::Chunked)));
    assert_eq!(ours.as_deref(), Ok("HTTP/1.1 200 OK\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n"));
    for (line, expected) in [("1.1 200", "1.1 200 "), ("1.0 200", "1.1 200 "), ("1.1 200 ", "1.1 200 ")] {
        let forwarded = response_of(&format!("HTTP/{line}\r\nX: y\r\n\r\n"), |edits| edits.forward());
        assert_eq!(forwarded, Ok(format!("HTTP/{expected}\r\nX: y\r\n\r\n")));
    }
    for first in [true, false] {
        let both = response_of("HTTP/1.0 200\r\n\r\n", |edits| {
            if first {
                edits.forward()?;
            }
            edits.status(404, b"Not here")?;
            edits.forward()
        });
        assert_eq!(both.as_deref(), Ok("HTTP/1.1 404 Not here\r\n\r\n"));
    }
}

#[test]
fn the_last_body_counts() {
    let twice = request(REQUEST, |edits| {
        edits.body(BodyKind::Chunked)?;
        edits.insert(b"X-D", b"4")?;
        edits.body(BodyKind::Length(7))?;
        edits.body(BodyKind::Length(9))
    });
    let unchanged = REQUEST.replace("Content-Length: 3\r\n", "").replace("\r\n\r\n", "\r\n");
    assert_eq!(twice, Ok(format!("{unchanged}X-D: 4\r\nContent-Length: 9\r\n\r\n")));
    let none = request(REQUEST, |edits| edits.body(BodyKind::Chunked).and(edits.body(BodyKind::None)));
    assert_eq!(none, Ok(format!("{unchanged}\r\n")));
    let twice = response(|edits| edits.body(BodyKind::Length(7)).and(edits.body(BodyKind::Chunked)));
    assert_eq!(
        twice.as_deref(),
        Ok("HTTP/1.1 200 OK\r\nX-A: 1\r\nKeep-Alive: 1\r\nTransfer-Encoding: chunked\r\n\r\n")
    );
}

/// The body that a server's end of a connection gives for HEAD and 304 is none; the length is that of the GET.
#[test]
fn a_response_without_a_body_keeps_its_length() {
    for status in ["200 OK", "304 "] {
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: 5\r\n\r\n");
        assert_eq!(response_of(&head, |edits| edits.body(BodyKind::None)), Ok(head.clone()));
        let back = |edits: &mut ResponseEdits<'_, '_>| edits.body(BodyKind::Chunked).and(edits.body(BodyKind::None));
        assert_eq!(response_of(&head, back), Ok(head.clone()));
        let chunked = format!("HTTP/1.1 {status}\r\nTransfer-Encoding: chunked\r\n\r\n");
        let bare = format!("HTTP/1.1 {status}\r\n\r\n");
        assert_eq!(response_of(&chunked, |edits| edits.body(BodyKind::None)), Ok(bare));
    }
}

#[test]
fn a_length_of_0_that_says_nothing_is_not_passed_on() {
    for status in ["204 No Content", "103 Early Hints", "101 "] {
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nX: y\r\n\r\n");
        let bare = Ok(format!("HTTP/1.1 {status}\r\nX: y\r\n\r\n"));
        assert_eq!(response_of(&head, |edits| edits.forward()), bare);
        assert_eq!(response_of(&head, |edits| edits.body(BodyKind::None)), bare);
        assert_eq!(response_of(&head, |edits| edits.body(BodyKind::Length(0))), bare);
        for body in [BodyKind::Length(1), BodyKind::Chunked, BodyKind::UntilClose] {
            assert_eq!(response_of(&head, |edits| edits.body(body)), Err(Reason::BodyForbidden), "{body:?}");
        }
    }
}

#[test]
fn a_target_as_an_origin_server_is_asked() {
    for (line, origin) in [
        ("GET http://a", "GET /"),
        ("GET http://a?admin", "GET /?admin"),
        ("GET HTTP://a/x?y", "GET /x?y"),
        ("OPTIONS http://a", "OPTIONS *"),
        ("OPTIONS http://a?x", "OPTIONS /?x"),
        ("OPTIONS http://a/", "OPTIONS /"),
        ("OPTIONS *", "OPTIONS *"),
        ("GET /x", "GET /x"),
    ] {
        let [head, expected] = [line, origin].map(|line| format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(request(&head, |edits| edits.origin_form()), Ok(expected.clone()), "{line}");
        for authority_first in [true, false] {
            let moved = request(&head, |edits| {
                if authority_first {
                    edits.authority(b"b:80")?;
                }
                edits.origin_form()?;
                edits.authority(b"b:80")
            });
            assert_eq!(moved, Ok(expected.replace("Host: a", "Host: b:80")), "{line}");
        }
    }
    let star = "OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(request(star, |edits| edits.origin_form().and(edits.method(b"GET"))), Err(Reason::TargetForm));
    let get = request(star, |edits| edits.method(b"GET").and(edits.origin_form()));
    assert_eq!(get.as_deref(), Ok("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    let connect = "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n";
    assert_eq!(request(connect, |edits| edits.origin_form()).as_deref(), Ok(connect));
}

/// A client that nominates a field must not rid us of what we write there.
#[test]
fn what_is_ours_is_not_stripped() {
    let head = "GET / HTTP/1.1\r\nHost: a\r\nConnection: x-user, x-new, keep-alive\r\nX-User: evil\r\n\r\n";
    let changes = |edits: &mut RequestEdits<'_, '_>| {
        edits.set(2, b"good")?;
        edits.insert(b"X-New", b"1")
    };
    let before = request(head, |edits| edits.forward().and(edits.insert(b"X-User", b"good")));
    assert_eq!(before.as_deref(), Ok("GET / HTTP/1.1\r\nHost: a\r\nX-User: good\r\n\r\n"));
    let after = request(head, |edits| changes(edits).and(edits.forward()));
    assert_eq!(after.as_deref(), Ok("GET / HTTP/1.1\r\nHost: a\r\nX-User: good\r\nX-New: 1\r\n\r\n"));
    let closing = request(head, |edits| edits.set(1, b"close").and(edits.forward()));
    assert_eq!(closing.as_deref(), Ok("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    let reply = "HTTP/1.1 200 OK\r\nConnection: x-user\r\nX-User: evil\r\nContent-Length: 0\r\n\r\n";
    let ours = response_of(reply, |edits| edits.set(1, b"good").and(edits.forward()));
    assert_eq!(ours.as_deref(), Ok("HTTP/1.1 200 OK\r\nX-User: good\r\nContent-Length: 0\r\n\r\n"));
}

#[test]
fn what_a_client_must_know_is_of_the_changed_head() {
    let head = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, upgrade\r\nUpgrade: websocket\r\n\r\n";
    let mut parser = RequestParser::new(Limits::default());
    parser.parse(head.as_bytes()).unwrap().unwrap();
    let view = parser.head(head.as_bytes());
    let mut edits = Edits::new();
    let mut open = edits.request(view);
    assert_eq!(open.asked(), Asked::of(&view));
    open.forward().unwrap();
    let plain =
        Asked { method: MethodKind::Other, body: BodyKind::None, persistence: Persistence::KeepAlive, upgrade: None };
    assert_eq!(open.asked(), plain);
    open.method(b"HEAD").unwrap();
    open.body(BodyKind::Length(3)).unwrap();
    open.insert(b"Connection", b"upgrade").unwrap();
    open.insert(b"Upgrade", b"tcp , b/1").unwrap();
    let upgrade =
        Asked { method: MethodKind::Head, body: BodyKind::Length(3), upgrade: Some(b"tcp,b/1"[..].into()), ..plain };
    assert_eq!(open.asked(), upgrade);
}

#[test]
fn changes_need_no_memory_once_there_is_some() {
    let mut parsers = (RequestParser::new(Limits::default()), ResponseParser::new(Limits::default()));
    let mut edits = Edits::new();
    let mut out = Vec::new();
    let mut both = || {
        out.clear();
        parsers.0.parse(REQUEST.as_bytes()).unwrap().unwrap();
        let head = parsers.0.head(REQUEST.as_bytes());
        let mut open = edits.request(head);
        open.forward().unwrap();
        open.body(BodyKind::Length(1_234_567)).unwrap();
        open.insert(b"X-D", b"4").unwrap();
        assert_eq!(open.asked().body, BodyKind::Length(1_234_567));
        edits.write(head.as_bytes(), &mut out);
        parsers.1.parse(RESPONSE.as_bytes()).unwrap().unwrap();
        let head = parsers.1.head(RESPONSE.as_bytes());
        let mut open = edits.response(head);
        open.forward().unwrap();
        open.status(404, b"").unwrap();
        open.body(BodyKind::Length(7)).unwrap();
        edits.write(head.as_bytes(), &mut out);
    };
    both();
    assert_eq!(allocation_counter::measure(both).count_total, 0);
    assert!(out.ends_with(b"HTTP/1.1 404 \r\nX-A: 1\r\nContent-Length: 7\r\n\r\n"));
}

#[test]
fn an_old_request_gets_a_host() {
    let old = "GET / HTTP/1.0\r\n\r\n";
    let twice = |edits: &mut RequestEdits<'_, '_>| edits.insert(b"host", b"a").and(edits.insert(b"Host", b"b"));
    assert_eq!(request(old, |edits| edits.authority(b"a")).as_deref(), Ok("GET / HTTP/1.0\r\nHost: a\r\n\r\n"));
    assert_eq!(request(old, twice), Err(Reason::DuplicateHost));
    let thrice = |edits: &mut RequestEdits<'_, '_>| {
        edits.authority(b"a")?;
        edits.insert(b"X", b"y")?;
        edits.authority(b"b")?;
        edits.authority(b"c")
    };
    assert_eq!(request(old, thrice).as_deref(), Ok("GET / HTTP/1.0\r\nX: y\r\nHost: c\r\n\r\n"));
    let absolute = "GET http://a:1?x HTTP/1.0\r\n\r\n";
    for (change, expected) in [
        (
            (|edits| edits.forward()) as fn(&mut RequestEdits<'_, '_>) -> Result<(), Reason>,
            "http://a:1?x HTTP/1.1\r\nHost: a:1",
        ),
        (|edits| edits.origin_form(), "/?x HTTP/1.0\r\nHost: a:1"),
        (|edits| edits.target(b"/"), "/ HTTP/1.0\r\nHost: a:1"),
        (|edits| edits.origin_form().and(edits.forward()).and(edits.authority(b"b")), "/?x HTTP/1.1\r\nHost: b"),
        (|edits| edits.authority(b"b").and(edits.forward()).and(edits.origin_form()), "/?x HTTP/1.1\r\nHost: b"),
        (|edits| edits.forward().and(edits.authority(b"b")), "http://b?x HTTP/1.1\r\nHost: b"),
    ] {
        assert_eq!(request(absolute, change), Ok(format!("GET {expected}\r\n\r\n")));
    }
}

#[test]
fn a_tunnel_elsewhere() {
    let connect = "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n";
    let moved = request(connect, |edits| edits.authority(b"b:2"));
    assert_eq!(moved.as_deref(), Ok("CONNECT b:2 HTTP/1.1\r\nHost: b:2\r\n\r\n"));
    assert_eq!(request(connect, |edits| edits.authority(b"b")), Err(Reason::BadHost));
    assert_eq!(request(connect, |edits| edits.method(b"GET")), Err(Reason::BadMethod));
    assert_eq!(request(connect, |edits| edits.target(b"/")), Err(Reason::TargetForm));
    assert_eq!(request(connect, |edits| edits.body(BodyKind::Length(1))), Err(Reason::BodyForbidden));
}

#[test]
fn what_must_not_be_written() {
    type Change = fn(&mut RequestEdits<'_, '_>) -> Result<(), Reason>;
    let rows: [(Change, Reason); 36] = [
        (|edits| edits.method(b""), Reason::BadMethod),
        (|edits| edits.method(b"A B"), Reason::BadMethod),
        (|edits| edits.method(b"CONNECT"), Reason::BadMethod),
        (|edits| edits.target(b""), Reason::BadTargetByte),
        (|edits| edits.target(b"/ HTTP/1.1\r\nX: y"), Reason::BadTargetByte),
        (|edits| edits.target(b"/a#b"), Reason::Fragment),
        (|edits| edits.target(b"a"), Reason::TargetForm),
        (|edits| edits.target(b"*"), Reason::TargetForm),
        (|edits| edits.target(b"http://a:1/"), Reason::TargetForm),
        (|edits| edits.authority(b""), Reason::BadHost),
        (|edits| edits.authority(b"a\r\nX: y"), Reason::BadHost),
        (|edits| edits.set(0, b"a b"), Reason::BadHost),
        (|edits| edits.set(1, b"a\r\nb"), Reason::BadValue),
        (|edits| edits.set(1, b"a\0"), Reason::BadValue),
        (|edits| edits.set(1, b" a"), Reason::PaddedValue),
        (|edits| edits.set(1, b"a\t"), Reason::PaddedValue),
        (|edits| edits.set(3, b"host"), Reason::Nominated("Host")),
        (|edits| edits.set(4, b"4"), Reason::Framing),
        (|edits| edits.set(6, b"4"), Reason::OutOfOrder),
        (|edits| edits.remove(0), Reason::MissingHost),
        (|edits| edits.remove(4), Reason::Framing),
        (|edits| edits.remove(6), Reason::OutOfOrder),
        (|edits| edits.insert(b"", b"a"), Reason::EmptyName),
        (|edits| edits.insert(b"a:b", b"a"), Reason::BadName),
        (|edits| edits.insert(b"a", b"\n"), Reason::BadValue),
        (|edits| edits.insert(b"HOST", b"a:1"), Reason::DuplicateHost),
        (|edits| edits.insert(b"content-length", b"3"), Reason::Framing),
        (|edits| edits.insert(b"Transfer-Encoding", b"chunked"), Reason::Framing),
        (|edits| edits.insert(b"Connection", b"transfer-encoding"), Reason::Nominated("Transfer-Encoding")),
        (|edits| edits.body(BodyKind::UntilClose), Reason::BodyForbidden),
        (|edits| edits.insert(b"Connection", b"a b"), Reason::BadConnection),
        (|edits| edits.insert(b"Upgrade", b"a b"), Reason::BadUpgrade),
        (|edits| edits.insert(b"Upgrade", b"a/1/2"), Reason::BadUpgrade),
        (|edits| edits.insert(b"Expect", b"a"), Reason::UnknownExpectation),
        (|edits| edits.method(b"OPTIONS").and(edits.target(b"*")).and(edits.method(b"GET")), Reason::TargetForm),
        (|edits| edits.method(b"GET").and(edits.target(b"*")), Reason::TargetForm),
    ];
    for (place, (change, reason)) in rows.into_iter().enumerate() {
        assert_eq!(request(REQUEST, change), Err(reason), "row {place}");
    }
    assert_eq!(request(REQUEST, |edits| edits.remove(1).and(edits.set(1, b"x"))), Err(Reason::OutOfOrder));
    let star = "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(request(star, |edits| edits.method(b"GET")), Err(Reason::TargetForm));
    let get = request(star, |edits| edits.target(b"/").and(edits.method(b"GET")));
    assert_eq!(get.as_deref(), Ok("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    let unchanged = "HTTP/1.1 304 \r\nContent-Length: 5\r\n\r\n";
    let gone = response_of(unchanged, |edits| edits.status(204, b"Gone"));
    assert_eq!(gone.as_deref(), Ok("HTTP/1.1 204 Gone\r\n\r\n"));
    let framed = |edits: &mut ResponseEdits<'_, '_>| edits.body(BodyKind::Length(7)).and(edits.status(204, b""));
    assert_eq!(response_of(unchanged, framed).as_deref(), Ok("HTTP/1.1 204 \r\n\r\n"));
    let late = |edits: &mut ResponseEdits<'_, '_>| edits.status(204, b"").and(edits.body(BodyKind::Length(7)));
    assert_eq!(response_of(unchanged, late), Err(Reason::BodyForbidden));
    for (from, to) in [(103, 101), (101, 103), (101, 200), (200, 101)] {
        let head = format!("HTTP/1.1 {from} \r\n\r\n");
        assert_eq!(response_of(&head, |edits| edits.status(to, b"")), Err(Reason::UnexpectedSwitch), "{from} {to}");
    }
    for (from, to) in [(103, 200), (204, 103), (200, 103), (200, 304), (204, 200)] {
        let head = format!("HTTP/1.1 {from} \r\n\r\n");
        assert_eq!(response_of(&head, |edits| edits.status(to, b"")), Err(Reason::BodyForbidden), "{from} {to}");
    }
    assert_eq!(response(|edits| edits.status(204, b"")), Err(Reason::BodyForbidden));
    assert_eq!(response(|edits| edits.status(99, b"")), Err(Reason::BadStatus));
    assert_eq!(response(|edits| edits.status(200, b"a\r\n")), Err(Reason::BadReasonPhrase));
    assert_eq!(response(|edits| edits.remove(0)), Err(Reason::Framing));
    assert_eq!(response(|edits| edits.insert(b"Content-Length", b"1")), Err(Reason::Framing));
}
