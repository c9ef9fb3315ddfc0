use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{Limits, RequestParser, ResponseParser};

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
    let mut parser = ResponseParser::new(Limits::default());
    parser.parse(RESPONSE.as_bytes()).unwrap().unwrap();
    let view = parser.head(RESPONSE.as_bytes());
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
        edits.strip_hop_by_hop()?;
        edits.target(b"/only")?;
        edits.authority(b"b")?;
        edits.body(BodyKind::Chunked)?;
        edits.insert(b"Connection", b"close")
    });
    let expected =
        "GET /only HTTP/1.1\r\nHost: b\r\nX-B: \r\nX-C: 3 \r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    assert_eq!(changed.as_deref(), Ok(expected));
    let changed = response(|edits| {
        edits.strip_hop_by_hop()?;
        edits.status(503, b"Not now")?;
        edits.body(BodyKind::Length(12))?;
        edits.insert(b"Server", b"us")?;
        edits.set(1, b"2")
    });
    assert_eq!(changed.as_deref(), Ok("HTTP/1.1 503 Not now\r\nX-A: 2\r\nContent-Length: 12\r\nServer: us\r\n\r\n"));
    let hop_only = response(|edits| {
        edits.strip_hop_by_hop()?;
        Ok(())
    });
    assert_eq!(hop_only.as_deref(), Ok("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\n\r\n"));
}

#[test]
fn an_old_request_gets_a_host() {
    let old = "GET / HTTP/1.0\r\n\r\n";
    let twice = |edits: &mut RequestEdits<'_, '_>| edits.insert(b"host", b"a").and(edits.insert(b"Host", b"b"));
    assert_eq!(request(old, |edits| edits.authority(b"a")).as_deref(), Ok("GET / HTTP/1.0\r\nHost: a\r\n\r\n"));
    assert_eq!(request(old, twice), Err(Reason::DuplicateHost));
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
    let rows: [(Change, Reason); 30] = [
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
    ];
    for (place, (change, reason)) in rows.into_iter().enumerate() {
        assert_eq!(request(REQUEST, change), Err(reason), "row {place}");
    }
    assert_eq!(request(REQUEST, |edits| edits.remove(1).and(edits.set(1, b"x"))), Err(Reason::OutOfOrder));
    assert_eq!(response(|edits| edits.status(204, b"")), Err(Reason::BodyForbidden));
    assert_eq!(response(|edits| edits.status(99, b"")), Err(Reason::BadStatus));
    assert_eq!(response(|edits| edits.status(200, b"a\r\n")), Err(Reason::BadReasonPhrase));
    assert_eq!(response(|edits| edits.remove(0)), Err(Reason::Framing));
    assert_eq!(response(|edits| edits.insert(b"Content-Length", b"1")), Err(Reason::Framing));
}

proptest! {
    /// Whatever changes are taken, what is written can be read, and says what was asked for.
    #[test]
    fn changed_heads_are_heads(changes in vec((0_usize..8, "[a-c]{0,3}"), 0..12)) {
        let mut parser = RequestParser::new(Limits::default());
        parser.parse(REQUEST.as_bytes()).unwrap().unwrap();
        let view = parser.head(REQUEST.as_bytes());
        let mut edits = Edits::new();
        let mut fields: Vec<Option<(String, String)>> = view.fields().iter().map(|field| {
            Some((String::from_utf8_lossy(field.name).into(), String::from_utf8_lossy(field.value).into()))
        }).collect();
        let mut open = edits.request(view);
        for (what, text) in &changes {
            match what {
                0 | 1 | 2 | 5 if text.starts_with('a') => if open.remove(*what).is_ok() {
                    fields[*what] = None;
                },
                1 | 2 | 5 => if open.set(*what, text.as_bytes()).is_ok() {
                    fields[*what].as_mut().unwrap().1.clone_from(text);
                },
                3 => if open.target(format!("/{text}").as_bytes()).is_ok() {},
                4 => if open.authority(text.as_bytes()).is_ok() {
                    fields[0].as_mut().unwrap().1.clone_from(text);
                },
                _ => if open.insert(text.as_bytes(), b"v").is_ok() {
                    fields.push(Some((text.clone(), "v".into())));
                },
            }
        }
        let mut out = Vec::new();
        edits.write(view.as_bytes(), &mut out);
        let mut again = RequestParser::new(Limits::default());
        prop_assert_eq!(again.parse(&out).unwrap(), Some(out.len()));
        let written: Vec<_> = again.head(&out).fields().iter().map(|field| {
            (String::from_utf8_lossy(field.name).into_owned(), String::from_utf8_lossy(field.value).into_owned())
        }).collect();
        prop_assert_eq!(written, fields.into_iter().flatten().collect::<Vec<_>>());
    }
}
