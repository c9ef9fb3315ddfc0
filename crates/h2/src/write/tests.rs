use super::*;

type Pairs<'a> = &'a [(&'a str, &'a str)];
/// Status, length, what it answers, how it ends, and what comes of it.
type Answer<'a> = (u16, Option<u64>, Request, End, Option<Pairs<'a>>);

fn head<'a>() -> RequestHead<'a> {
    RequestHead {
        method: b"POST",
        scheme: Some(b"http"),
        authority: b"a:8080",
        path: Some(b"/x?y"),
        protocol: None,
        content_length: None,
    }
}

fn connect<'a>() -> RequestHead<'a> {
    RequestHead { method: b"CONNECT", scheme: None, path: None, ..head() }
}

fn response(status: u16, content_length: Option<u64>) -> ResponseHead {
    ResponseHead { status, content_length }
}

fn bytes(fields: Pairs<'_>) -> impl Iterator<Item = (&[u8], &[u8])> {
    fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()))
}

fn text(fields: &Fields) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    fields.iter().map(|field| (text(field.name), text(field.value))).collect()
}

fn pairs(fields: Pairs<'_>) -> Vec<(String, String)> {
    fields.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

const PSEUDO: [(&str, &str); 4] =
    [(":method", "POST"), (":scheme", "http"), (":authority", "a:8080"), (":path", "/x?y")];

/// What becomes of these fields in a request, behind its head.
fn carried(fields: Pairs<'_>) -> Result<Vec<(String, String)>, Malformed> {
    let mut out = Fields::new();
    let mut writer = RequestWriter::new(&mut out, head())?;
    writer.carry(|| bytes(fields))?;
    writer.finish(End::Open)?;
    let all = text(&out);
    assert_eq!(all[..4], pairs(&PSEUDO));
    assert!(RequestHead::of(&out, Extended::On).is_ok(), "{out:?}");
    Ok(all[4..].to_vec())
}

#[test]
fn heads_of_requests() {
    let mut out = Fields::new();
    out.push(b"old", b"gone");
    RequestWriter::new(&mut out, RequestHead { content_length: Some(18_446_744_073_709_551_615), ..head() })
        .unwrap()
        .finish(End::Open)
        .unwrap();
    assert_eq!(text(&out), pairs(&[&PSEUDO[..], &[("content-length", "18446744073709551615")]].concat()));
    // A tunnel has no length.
    let tunnel = RequestHead { content_length: Some(3), ..connect() };
    RequestWriter::new(&mut out, tunnel).unwrap().finish(End::Open).unwrap();
    assert_eq!(text(&out), pairs(&[(":method", "CONNECT"), (":authority", "a:8080")]));
    let extended = RequestHead { method: b"CONNECT", protocol: Some(b"websocket"), ..head() };
    RequestWriter::new(&mut out, extended).unwrap().finish(End::Open).unwrap();
    assert_eq!(out.len(), 5);
    assert_eq!(RequestHead::of(&out, Extended::On), Ok(extended));
    let bad: &[(&str, RequestHead<'_>)] = &[
        ("a method that is no token", RequestHead { method: b"GET /", ..head() }),
        ("no scheme", RequestHead { scheme: None, ..head() }),
        ("no path", RequestHead { path: None, ..head() }),
        ("a relative path", RequestHead { path: Some(b"x"), ..head() }),
        ("a new line in the path", RequestHead { path: Some(b"/\r\nx: y"), ..head() }),
        ("a space in the path", RequestHead { path: Some(b"/x y"), ..head() }),
        ("an authority that is none", RequestHead { authority: b"user@a", ..head() }),
        ("an empty authority", RequestHead { authority: b"", ..head() }),
        ("CONNECT without a port", RequestHead { authority: b"a", ..connect() }),
        ("CONNECT with a path", RequestHead { path: Some(b"/"), ..connect() }),
        ("a protocol without CONNECT", RequestHead { protocol: Some(b"websocket"), ..head() }),
    ];
    for (name, head) in bad {
        assert!(RequestWriter::new(&mut out, *head).is_err(), "{name}");
    }
}

#[test]
fn what_ends_at_this_hop_is_left_out() {
    let rows: &[(&str, Pairs<'_>, Pairs<'_>)] = &[
        ("names of HTTP/1.1", &[("X-Request-ID", "A"), ("Accept", "*/*")], &[("x-request-id", "A"), ("accept", "*/*")]),
        ("Host", &[("Host", "a:8080"), ("x", "y")], &[("x", "y")]),
        ("a host that was changed", &[("host", "before")], &[]),
        ("Content-Length", &[("Content-Length", "5")], &[]),
        ("Transfer-Encoding", &[("Transfer-Encoding", "chunked"), ("x", "y")], &[("x", "y")]),
        ("Connection", &[("Connection", "close")], &[]),
        (
            "what Connection names, before and after it",
            &[("X-Hop", "1"), ("Connection", "close, x-HOP,"), ("x-hop", "2"), ("x-hop-2", "3")],
            &[("x-hop-2", "3")],
        ),
        ("what several name", &[("connection", "x-a"), ("x-a", "1"), ("x-b", "2"), ("Connection", ", x-b ,,")], &[]),
        (
            "others of the connection",
            &[
                ("Keep-Alive", "timeout=5"),
                ("Proxy-Connection", "keep-alive"),
                ("Upgrade", "h2c"),
                ("HTTP2-Settings", "AAMAAABk"),
                ("x", "y"),
            ],
            &[("x", "y")],
        ),
        ("TE", &[("TE", "gzip;q=0.5")], &[]),
        (
            "TE with trailers",
            &[("TE", "gzip, Trailers"), ("Connection", "TE"), ("x", "y")],
            &[("x", "y"), ("te", "trailers")],
        ),
        ("TE with trailers twice", &[("te", "trailers"), ("te", "trailers")], &[("te", "trailers")]),
        ("trailers of a weight are none", &[("te", "trailersx;q=1")], &[]),
        ("cookies", &[("Cookie", "a=b"), ("cookie", "c=d")], &[("cookie", "a=b"), ("cookie", "c=d")]),
        ("pseudo-header fields", &[(":path", "/before"), (":method", "GET"), ("x", "y")], &[("x", "y")]),
        (
            "Expect, Trailer",
            &[("Expect", "100-continue"), ("Trailer", "x")],
            &[("expect", "100-continue"), ("trailer", "x")],
        ),
        ("an empty value, octets above ASCII", &[("a", ""), ("b", "\u{e4}")], &[("a", ""), ("b", "\u{e4}")]),
    ];
    for (name, fields, expected) in rows {
        assert_eq!(carried(fields), Ok(pairs(expected)), "{name}");
    }
}

#[test]
fn what_is_no_field_is_refused() {
    let many = vec!["x"; 101].join(",");
    let rows: &[(&str, Pairs<'_>)] = &[
        ("no name", &[("", "x")]),
        ("a space in a name", &[("a b", "x")]),
        ("a new line in a name", &[("a\r\nb", "x")]),
        ("a colon in a name", &[("a:b", "x")]),
        ("octets above ASCII in a name", &[("\u{e4}", "x")]),
        ("a new line in a value", &[("a", "b\r\nc: d")]),
        ("NUL in a value", &[("a", "\0")]),
        ("a space before a value", &[("a", " b")]),
        ("a tab after a value", &[("a", "b\t")]),
        ("a new line in a value that is left out", &[("keep-alive", "a\nb")]),
        ("an option that is no token", &[("connection", "a b")]),
        ("Host ends at no hop", &[("connection", "Host")]),
        ("Content-Length ends at no hop", &[("connection", "content-length")]),
        ("Transfer-Encoding is not for options", &[("connection", "Transfer-Encoding")]),
        ("too many options", &[("connection", &many)]),
    ];
    for (name, fields) in rows {
        assert!(carried(fields).is_err(), "{name}");
    }
    assert_eq!(carried(&[("connection", &many[2..])]), Ok(vec![]));
}

#[test]
fn changes() {
    let mut out = Fields::new();
    let mut writer = RequestWriter::new(&mut out, RequestHead { content_length: Some(0), ..head() }).unwrap();
    writer.carry(|| bytes(&[("a", "1"), ("B", "2"), ("a", "3"), ("c", "4")])).unwrap();
    writer.set(Field::new(b"A", b"5")).unwrap();
    writer.remove(b"C").unwrap();
    writer.add(Field::sensitive(b"X-Token", b"6")).unwrap();
    writer.add((&b"b"[..], &b"7"[..])).unwrap();
    writer.add(Field::new(b"te", b"trailers")).unwrap();
    writer.remove(b"none").unwrap();
    writer.finish(End::Stream).unwrap();
    let expected = [("content-length", "0"), ("b", "2"), ("a", "5"), ("x-token", "6"), ("b", "7"), ("te", "trailers")];
    assert_eq!(text(&out)[4..], pairs(&expected));
    assert_eq!(
        out.iter().map(|field| field.sensitive).collect::<Vec<_>>()[4..],
        [false, false, false, true, false, false]
    );

    let bad: &[(&str, &str)] = &[
        ("host", "b"),
        ("Host", "a:8080"),
        ("content-length", "0"),
        ("Transfer-Encoding", "chunked"),
        ("connection", "close"),
        ("keep-alive", "x"),
        ("proxy-connection", "x"),
        ("upgrade", "x"),
        ("http2-settings", "x"),
        ("te", "gzip"),
        (":path", "/"),
        ("a b", "x"),
        ("a", "b\nc"),
        ("a", " b"),
    ];
    for (name, value) in bad {
        let field = Field::new(name.as_bytes(), value.as_bytes());
        let mut writer = RequestWriter::new(&mut out, head()).unwrap();
        assert!(writer.add(field).is_err(), "{name}: {value}");
        assert!(writer.set(field).is_err(), "{name}: {value}");
        // Nothing came of it.
        writer.finish(End::Open).unwrap();
        assert_eq!(text(&out), pairs(&PSEUDO), "{name}: {value}");
    }
    let mut writer = RequestWriter::new(&mut out, head()).unwrap();
    for name in [&b":path"[..], b":method", b"content-length", b"Content-Length"] {
        assert!(writer.remove(name).is_err());
    }
}

#[test]
fn what_is_not_finished_is_no_message() {
    let mut out = Fields::new();
    drop(RequestWriter::new(&mut out, head()).unwrap());
    assert!(out.is_empty());
    let mut writer = RequestWriter::new(&mut out, head()).unwrap();
    assert!(writer.carry(|| bytes(&[("x", "y"), ("x", "\0")])).is_err());
    drop(writer);
    assert!(out.is_empty());
    let promising = RequestHead { content_length: Some(1), ..head() };
    assert!(RequestWriter::new(&mut out, promising).unwrap().finish(End::Stream).is_err());
    assert!(out.is_empty());
}

#[test]
fn responses() {
    let rows: &[Answer<'_>] = &[
        (200, None, Request::Ordinary, End::Stream, Some(&[(":status", "200")])),
        (200, Some(0), Request::Ordinary, End::Stream, Some(&[(":status", "200"), ("content-length", "0")])),
        (599, Some(10), Request::Ordinary, End::Open, Some(&[(":status", "599"), ("content-length", "10")])),
        (200, Some(5), Request::Ordinary, End::Stream, None),
        (200, Some(5), Request::Head, End::Stream, Some(&[(":status", "200"), ("content-length", "5")])),
        (304, Some(5), Request::Ordinary, End::Stream, Some(&[(":status", "304"), ("content-length", "5")])),
        (204, Some(0), Request::Ordinary, End::Stream, Some(&[(":status", "204")])),
        (204, Some(1), Request::Ordinary, End::Open, None),
        (103, Some(0), Request::Ordinary, End::Open, Some(&[(":status", "103")])),
        (103, None, Request::Ordinary, End::Stream, None),
        (103, Some(1), Request::Ordinary, End::Open, None),
        (200, Some(3), Request::Tunnel, End::Open, Some(&[(":status", "200")])),
        (403, Some(3), Request::Tunnel, End::Open, Some(&[(":status", "403"), ("content-length", "3")])),
        (101, None, Request::Ordinary, End::Open, None),
        (99, None, Request::Ordinary, End::Open, None),
        (600, None, Request::Ordinary, End::Open, None),
    ];
    let mut out = Fields::new();
    for &(status, length, to, end, expected) in rows {
        let written = ResponseWriter::new(&mut out, response(status, length), to).and_then(|writer| writer.finish(end));
        assert_eq!(written.is_ok(), expected.is_some(), "{status} {length:?} {to:?} {end:?}");
        assert_eq!(text(&out), pairs(expected.unwrap_or_default()), "{status} {length:?} {to:?} {end:?}");
    }
    let mut writer = ResponseWriter::new(&mut out, response(200, None), Request::Ordinary).unwrap();
    let fields: Pairs<'_> =
        &[("Server", "x"), ("Connection", "X-Hop"), ("X-Hop", "y"), ("Set-Cookie", "a=b"), ("Set-Cookie", "c=d")];
    writer.carry(|| bytes(fields)).unwrap();
    writer.remove(b"server").unwrap();
    writer.set(Field::new(b"via", b"ripstop")).unwrap();
    writer.add(Field::new(b"x", b"y")).unwrap();
    writer.finish(End::Open).unwrap();
    let expected = [(":status", "200"), ("set-cookie", "a=b"), ("set-cookie", "c=d"), ("via", "ripstop"), ("x", "y")];
    assert_eq!(text(&out), pairs(&expected));
    assert_eq!(ResponseHead::of(&out), Ok(response(200, None)));
}

#[test]
fn trailers() {
    let mut out = Fields::new();
    out.push(b"old", b"gone");
    let fields: Pairs<'_> = &[
        ("Grpc-Status", "0"),
        ("Content-Length", "5"),
        ("Authorization", "x"),
        ("Connection", "x"),
        ("TE", "trailers"),
        ("x", ""),
        ("Set-Cookie", "a=b"),
    ];
    assert_eq!(write_trailers(&mut out, bytes(fields)), Ok(()));
    assert_eq!(text(&out), pairs(&[("grpc-status", "0"), ("x", "")]));
    assert!(crate::message::check_trailers(&out).is_ok());
    for bad in [(":status", "200"), ("a b", "x"), ("", "x"), ("a", "b\r\nc: d"), ("a", " b")] {
        assert!(write_trailers(&mut out, bytes(&[("x", "y"), bad])).is_err(), "{bad:?}");
        assert!(out.is_empty());
    }
    assert_eq!(write_trailers(&mut out, bytes(&[])), Ok(()));
    assert!(out.is_empty());
}

/// From one connection to another, with changes, in storage that is used again.
#[test]
fn a_message_in_use_allocates_nothing() {
    let received: Pairs<'_> = &[
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "a:8080"),
        (":path", "/x?y"),
        ("X-Request-Id", "00000000-0000-4000-8000-000000000000"),
        ("Connection", "x-hop"),
        ("x-hop", "y"),
        ("te", "trailers"),
    ];
    let mut out = Fields::new();
    let mut forward = || {
        let mut writer = RequestWriter::new(&mut out, RequestHead { content_length: Some(7), ..head() }).unwrap();
        writer.carry(|| bytes(received)).unwrap();
        writer.set(Field::new(b"via", b"ripstop")).unwrap();
        writer.remove(b"x-request-id").unwrap();
        writer.finish(End::Open).unwrap();
        write_trailers(&mut out, bytes(&received[4..])).unwrap();
    };
    forward();
    assert_eq!(allocation_counter::measure(forward).count_total, 0);
}
