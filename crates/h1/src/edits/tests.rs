use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{Asked, Limits, MethodKind, Persistence, RequestParser, ResponseParser, Version};

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

#[derive(Clone, Debug)]
enum Change {
    Method,
    Target(String),
    Origin,
    Authority(String),
    Set(usize, String),
    Remove(usize),
    Insert(&'static str, &'static str),
    Body(BodyKind),
    Forward,
}

fn any_change() -> impl Strategy<Value = Change> {
    const INSERTS: [(&str, &str); 6] = [
        ("a", "b"),
        ("", "b"),
        ("Connection", "close"),
        ("Connection", "Keep-Alive, upgrade"),
        ("Upgrade", "tcp/1"),
        ("Upgrade", "tcp 1"),
    ];
    const BODIES: [BodyKind; 4] = [BodyKind::None, BodyKind::Length(0), BodyKind::Length(12), BodyKind::Chunked];
    prop_oneof![
        Just(Change::Method),
        "[a-c]{0,3}".prop_map(|path| Change::Target(format!("/{path}"))),
        Just(Change::Origin),
        "[a-c]{0,3}".prop_map(Change::Authority),
        (0_usize..7, "[a-c]{0,3}").prop_map(|(position, text)| Change::Set(position, text)),
        (0_usize..7).prop_map(Change::Remove),
        prop::sample::select(INSERTS.to_vec()).prop_map(|(name, value)| Change::Insert(name, value)),
        prop::sample::select(BODIES.to_vec()).prop_map(Change::Body),
        Just(Change::Forward),
    ]
}

/// What [`REQUEST`] is to become, kept in the simplest way.
#[derive(Debug)]
struct Expected {
    method: &'static str,
    version: Version,
    target: String,
    absolute: bool,
    body: BodyKind,
    /// Name, value unless it is gone, and whether it is ours.
    fields: Vec<(&'static str, Option<String>, bool)>,
    lines: Vec<(&'static str, String)>,
}

impl Expected {
    fn new(version: Version) -> Self {
        let fields =
            [("Host", "a:1"), ("X-A", "1"), ("X-B", ""), ("Connection", "close, x-a"), ("Content-Length", "3")];
        Self {
            method: "GET",
            version,
            target: "http://a:1/x?y".to_owned(),
            absolute: true,
            body: BodyKind::Length(3),
            fields: fields
                .into_iter()
                .chain([("X-C", "3")])
                .map(|(name, is)| (name, Some(is.to_owned()), false))
                .collect(),
            lines: Vec::new(),
        }
    }

    fn apply(&mut self, change: &Change) -> Result<(), Reason> {
        match change {
            Change::Method => self.method = "POST",
            Change::Target(target) => (self.target, self.absolute) = (target.clone(), false),
            Change::Origin if self.absolute => (self.target, self.absolute) = ("/x?y".to_owned(), false),
            Change::Origin => {}
            Change::Authority(host) | Change::Set(0, host) => {
                if host.is_empty() {
                    return Err(Reason::BadHost);
                }
                self.fields[0].1 = Some(host.clone());
                if self.absolute {
                    self.target = format!("http://{host}/x?y");
                }
            }
            Change::Remove(0) => return Err(Reason::MissingHost),
            Change::Set(4, _) | Change::Remove(4) => return Err(Reason::Framing),
            Change::Set(6.., _) | Change::Remove(6..) => return Err(Reason::OutOfOrder),
            Change::Set(position, text) => {
                let (_, value, ours) = &mut self.fields[*position];
                *value.as_mut().ok_or(Reason::OutOfOrder)? = text.clone();
                *ours = true;
            }
            Change::Remove(position) => self.fields[*position].1 = None,
            Change::Insert("", _) => return Err(Reason::EmptyName),
            Change::Insert(_, "tcp 1") => return Err(Reason::BadUpgrade),
            Change::Insert(name, value) => self.lines.push((name, (*value).to_owned())),
            Change::Body(BodyKind::Chunked) if self.version == Version::Http10 => return Err(Reason::EncodingInHttp10),
            Change::Body(body) => {
                self.body = *body;
                self.fields[4].1 = None;
                self.lines.retain(|(name, _)| !["Content-Length", "Transfer-Encoding"].contains(name));
                match body {
                    BodyKind::Length(length) => self.lines.push(("Content-Length", length.to_string())),
                    BodyKind::Chunked => self.lines.push(("Transfer-Encoding", "chunked".to_owned())),
                    BodyKind::None | BodyKind::UntilClose => {}
                }
            }
            Change::Forward => {
                self.version = Version::Http11;
                for position in [1, 3] {
                    let (_, value, ours) = &mut self.fields[position];
                    if !*ours {
                        *value = None;
                    }
                }
            }
        }
        Ok(())
    }
}

proptest! {
    /// Whatever changes are taken, and in whatever order, what is written can be read and says what was asked for.
    #[test]
    fn changed_heads_are_heads(old in any::<bool>(), changes in vec(any_change(), 0..14)) {
        let original = if old { REQUEST.replace("HTTP/1.1", "HTTP/1.0") } else { REQUEST.to_owned() };
        let mut expected = Expected::new(if old { Version::Http10 } else { Version::Http11 });
        let mut parser = RequestParser::new(Limits::default());
        parser.parse(original.as_bytes()).unwrap().unwrap();
        let view = parser.head(original.as_bytes());
        let mut edits = Edits::new();
        let mut open = edits.request(view);
        for change in &changes {
            let done = match change {
                Change::Method => open.method(b"POST"),
                Change::Target(target) => open.target(target.as_bytes()),
                Change::Origin => open.origin_form(),
                Change::Authority(authority) => open.authority(authority.as_bytes()),
                Change::Set(position, text) => open.set(*position, text.as_bytes()),
                Change::Remove(position) => open.remove(*position),
                Change::Insert(name, value) => open.insert(name.as_bytes(), value.as_bytes()),
                Change::Body(body) => open.body(*body),
                Change::Forward => open.forward(),
            };
            prop_assert_eq!(done, expected.apply(change), "{:?}", change);
        }
        let asked = open.asked();
        let mut out = Vec::new();
        edits.write(view.as_bytes(), &mut out);
        let mut again = RequestParser::new(Limits::default());
        prop_assert_eq!(again.parse(&out).unwrap(), Some(out.len()));
        let head = again.head(&out);
        prop_assert_eq!((head.method(), head.target()), (expected.method.as_bytes(), expected.target.as_bytes()));
        prop_assert_eq!((head.version(), head.body()), (expected.version, expected.body));
        prop_assert_eq!(asked, Asked::of(&head));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let written: Vec<_> = head.fields().iter().map(|field| (text(field.name), text(field.value))).collect();
        let kept = expected.fields.into_iter().filter_map(|(name, value, _)| Some((name, value?)));
        let fields: Vec<_> = kept.chain(expected.lines).map(|(name, value)| (name.to_owned(), value)).collect();
        prop_assert_eq!(written, fields);
    }

    /// As before for responses: status, framing and the connection's fields are those that were asked for last.
    #[test]
    fn changed_responses_are_responses(
        original in prop::sample::select(vec![
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: x\r\nX: y\r\n\r\n",
            "HTTP/1.0 200\r\nX: y\r\n\r\n",
            "HTTP/1.1 404 \r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n",
            "HTTP/1.1 304 Same\r\nContent-Length: 3\r\n\r\n",
            "HTTP/1.1 204 \r\nX: y\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 103 Early\r\nContent-Length: 0\r\n\r\n",
        ]),
        changes in vec((0_usize..3, prop::sample::select(vec![102, 200, 204, 304, 503]), prop::sample::select(vec![
            BodyKind::None, BodyKind::Length(0), BodyKind::Length(12), BodyKind::Chunked, BodyKind::UntilClose,
        ])), 0..8),
    ) {
        let mut parser = ResponseParser::new(Limits::default());
        parser.parse(original.as_bytes()).unwrap().unwrap();
        let view = parser.head(original.as_bytes());
        let mut edits = Edits::new();
        let mut open = edits.response(view);
        let (mut status, mut version, mut body) = (view.status(), view.version(), view.declared_body());
        for (what, other, framed) in changes {
            match what {
                0 => if open.status(other, b"new").is_ok() {
                    let framed = [status, other].iter().all(|status| ![102, 103, 204].contains(status));
                    body = body.filter(|_| framed);
                    status = other;
                },
                1 => if open.body(framed).is_ok() {
                    body = match framed {
                        _ if [102, 103, 204].contains(&status) => None,
                        // The length as it came stays.
                        BodyKind::None => view.declared_body().filter(|body| *body != BodyKind::Chunked),
                        BodyKind::UntilClose => None,
                        framed => Some(framed),
                    };
                },
                _ => {
                    open.forward().unwrap();
                    version = Version::Http11;
                }
            }
        }
        let mut out = Vec::new();
        edits.write(view.as_bytes(), &mut out);
        let mut again = ResponseParser::new(Limits::default());
        prop_assert_eq!(again.parse(&out).unwrap(), Some(out.len()));
        let head = again.head(&out);
        prop_assert_eq!((head.status(), head.version(), head.declared_body()), (status, version, body));
        let reason: &[u8] = if status == view.status() { head.reason() } else { b"new" };
        prop_assert_eq!(head.reason(), reason);
    }
}
