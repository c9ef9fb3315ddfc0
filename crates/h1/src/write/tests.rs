use super::*;
use crate::{BodyDecoder, Limits, RequestParser, ResponseParser, Side};

/// A request made of parts as HTTP/2 has them.
fn downgraded(
    method: &str,
    target: &str,
    authority: Option<&str>,
    fields: &[(&str, &str)],
    body: BodyKind,
) -> Result<String, Reason> {
    let mut out = b"before".to_vec();
    let result = (|| {
        let authority = authority.map(str::as_bytes);
        let mut writer = RequestWriter::new(&mut out, method.as_bytes(), target.as_bytes(), authority)?;
        for (name, value) in fields {
            writer.field(name.as_bytes(), value.as_bytes())?;
        }
        writer.body(body)?;
        writer.finish()
    })();
    if let Err(reason) = result {
        assert_eq!(out, b"before", "something of a refused head is there");
        return Err(reason);
    }
    let head = out.split_off(6);
    assert_eq!(RequestParser::new(Limits::default()).parse(&head), Ok(Some(head.len())));
    Ok(String::from_utf8(head).unwrap())
}

#[test]
fn a_request_from_parts() {
    let fields = [
        ("accept", "*/*"),
        ("cookie", "a=b"),
        ("te", "trailers"),
        ("host", "SHOP:80"),
        ("x-empty", ""),
        ("cookie", "c=d"),
        ("expect", "100-continue"),
    ];
    let expected = "POST /a?b HTTP/1.1\r\nHost: shop:80\r\naccept: */*\r\nx-empty: \r\nexpect: 100-continue\r\n\
        Content-Length: 3\r\nCookie: a=b; c=d\r\n\r\n";
    assert_eq!(downgraded("POST", "/a?b", Some("shop:80"), &fields, BodyKind::Length(3)).as_deref(), Ok(expected));
    let connect = downgraded("CONNECT", "a:443", Some("a:443"), &[], BodyKind::None);
    assert_eq!(connect.as_deref(), Ok("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"));
    assert_eq!(downgraded("CONNECT", "a:443", None, &[("host", "a")], BodyKind::None), connect);
    let star = downgraded("OPTIONS", "*", None, &[("host", "a")], BodyKind::Chunked);
    assert_eq!(star.as_deref(), Ok("OPTIONS * HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"));
}

#[test]
fn cookies_are_one_line() {
    for (fields, expected) in [
        (&[("cookie", "a"), ("Cookie", "b"), ("COOKIE", ""), ("x", "y")][..], "Cookie: a; b; \r\nx: y\r\n"),
        (&[("cookie", ""), ("x", "y")], "Cookie: \r\nx: y\r\n"),
        (&[("cookie", "a"), ("x", "y"), ("cookie", "b")], "x: y\r\nCookie: a; b\r\n"),
        (
            &[
                ("x", "y"),
                ("cookie", "a"),
                ("cookie", "b"),
                ("cookies", "y"),
                ("cookie", ""),
                ("z", "Cookie: "),
                ("cookie", "c"),
            ],
            "x: y\r\ncookies: y\r\nz: Cookie:\r\nCookie: a; b; ; c\r\n",
        ),
    ] {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.trim_end())).collect();
        let expected = format!("GET / HTTP/1.1\r\nHost: a\r\n{expected}\r\n");
        assert_eq!(downgraded("GET", "/", Some("a"), &fields, BodyKind::None), Ok(expected));
    }
}

#[test]
fn the_writers_need_no_memory_of_their_own() {
    let mut out = Vec::with_capacity(1024);
    let fields: [(&[u8], &[u8]); 5] =
        [(b"cookie", b"a=b"), (b"cookie", b"c=d"), (b"accept", b"*/*"), (b"cookie", b"e=f"), (b"host", b"shop:80")];
    let measured = allocation_counter::measure(|| {
        let mut writer = RequestWriter::new(&mut out, b"POST", b"/", Some(b"shop:80")).unwrap();
        for (name, value) in fields {
            writer.field(name, value).unwrap();
        }
        writer.body(BodyKind::Length(u64::MAX)).unwrap();
        writer.finish().unwrap();
        let mut writer = ResponseWriter::new(&mut out, 200, b"OK").unwrap();
        writer.body(BodyKind::Length(1_234_567)).unwrap();
        writer.finish().unwrap();
        write_trailers(&mut out, [(&b"a"[..], &b"b"[..])]).unwrap();
    });
    assert_eq!(measured.count_total, 0);
    let expected = "POST / HTTP/1.1\r\nHost: shop:80\r\naccept: */*\r\nContent-Length: 18446744073709551615\r\n\
        Cookie: a=b; c=d; e=f\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1234567\r\n\r\n0\r\na: b\r\n\r\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn downgrades_that_are_refused() {
    let get = |fields: &[(&str, &str)]| downgraded("GET", "/", Some("a"), fields, BodyKind::None);
    for (name, value, reason) in [
        ("", "x", Reason::EmptyName),
        (":path", "/", Reason::BadName),
        ("a:b", "x", Reason::BadName),
        ("a b", "x", Reason::BadName),
        (" a", "x", Reason::BadName),
        ("a ", "x", Reason::BadName),
        ("a\r\nb", "x", Reason::BadName),
        ("a\n", "x", Reason::BadName),
        ("a\r", "x", Reason::BadName),
        ("a\0", "x", Reason::BadName),
        ("a\u{e9}", "x", Reason::BadName),
        ("host: b\r\nx", "y", Reason::BadName),
        ("a", "x\r\nb: c", Reason::BadValue),
        ("a", "x\ny", Reason::BadValue),
        ("a", "x\ry", Reason::BadValue),
        ("a", "x\0y", Reason::BadValue),
        ("a", "x\u{7f}", Reason::BadValue),
        ("a", " x", Reason::PaddedValue),
        ("a", "x ", Reason::PaddedValue),
        ("a", "\tx\t", Reason::PaddedValue),
        ("a", " ", Reason::PaddedValue),
        ("cookie", "a=b\r\nx: y", Reason::BadValue),
        ("host", "b", Reason::HostMismatch),
        ("content-length", "0", Reason::Framing),
        ("Content-Length", "5", Reason::Framing),
        ("transfer-encoding", "chunked", Reason::Framing),
        ("connection", "close", Reason::HopByHop),
        ("connection", "x-secret", Reason::HopByHop),
        ("keep-alive", "timeout=5", Reason::HopByHop),
        ("proxy-connection", "keep-alive", Reason::HopByHop),
        ("te", "gzip", Reason::HopByHop),
        ("te", "trailers, chunked", Reason::HopByHop),
        ("upgrade", "h2c", Reason::HopByHop),
        ("upgrade", "websocket", Reason::HopByHop),
        ("http2-settings", "AAMAAABkAAQAoAAAAAIAAAAA", Reason::HopByHop),
    ] {
        assert_eq!(get(&[("x-good", "1"), (name, value)]), Err(reason), "{name:?}: {value:?}");
    }
    for (method, target, authority, reason) in [
        ("", "/", Some("a"), Reason::BadMethod),
        ("GET /x HTTP/1.1\r\nx: y\r\n\r\n", "/", Some("a"), Reason::BadMethod),
        ("G ET", "/", Some("a"), Reason::BadMethod),
        ("GET\0", "/", Some("a"), Reason::BadMethod),
        ("GET", "", Some("a"), Reason::BadTargetByte),
        ("GET", "/ HTTP/1.1\r\nHost: b\r\n\r\n", Some("a"), Reason::BadTargetByte),
        ("GET", "/a b", Some("a"), Reason::BadTargetByte),
        ("GET", "/a\u{e9}", Some("a"), Reason::BadTargetByte),
        ("GET", "/a#b", Some("a"), Reason::Fragment),
        ("GET", "a", Some("a"), Reason::TargetForm),
        ("GET", "*", Some("a"), Reason::TargetForm),
        ("GET", "http://a/", Some("a"), Reason::TargetForm),
        ("CONNECT", "a", Some("a"), Reason::TargetForm),
        ("CONNECT", "a:1", Some("b:1"), Reason::HostMismatch),
        ("GET", "/", Some(""), Reason::BadHost),
        ("GET", "/", Some("a b"), Reason::BadHost),
        ("GET", "/", Some("u@a"), Reason::BadHost),
        ("GET", "/", Some("a\r\nx: y"), Reason::BadHost),
        ("GET", "/", None, Reason::MissingHost),
    ] {
        let result = downgraded(method, target, authority, &[], BodyKind::None);
        assert_eq!(result, Err(reason), "{method:?} {target:?} {authority:?}");
    }
    assert_eq!(downgraded("GET", "/", None, &[("host", "a b")], BodyKind::None), Err(Reason::BadHost));
    let two = [("host", "a"), ("host", "b")];
    assert_eq!(downgraded("GET", "/", None, &two, BodyKind::None), Err(Reason::HostMismatch));
    assert_eq!(downgraded("GET", "/", Some("a"), &[], BodyKind::UntilClose), Err(Reason::BodyForbidden));
    assert_eq!(downgraded("CONNECT", "a:1", None, &[], BodyKind::Length(0)), Err(Reason::BodyForbidden));
}

#[test]
fn framing_and_connection_are_said_once() {
    let mut out = Vec::new();
    let mut writer = RequestWriter::new(&mut out, b"GET", b"/", Some(b"a")).unwrap();
    writer.upgrade(b"websocket").unwrap();
    assert_eq!(writer.body(BodyKind::Length(1)), Err(Reason::Framing));
    assert_eq!(writer.close(), Err(Reason::OutOfOrder));
    writer.finish().unwrap();
    assert_eq!(out, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    for protocol in [&b"h2c"[..], b"H2C", b"h2", b"HTTP/2.0", b"", b"a b", b"a\r\nb"] {
        let mut writer = RequestWriter::new(&mut out, b"GET", b"/", Some(b"a")).unwrap();
        assert_eq!(writer.upgrade(protocol), Err(Reason::BadUpgrade));
    }
    let mut writer = RequestWriter::new(&mut out, b"GET", b"/", Some(b"a")).unwrap();
    writer.body(BodyKind::Chunked).unwrap();
    assert_eq!(writer.upgrade(b"websocket"), Err(Reason::BodyForbidden));
}

fn response(status: u16, reason: &str, fields: &[(&str, &str)], body: Option<BodyKind>) -> Result<String, Reason> {
    let mut out = Vec::new();
    let result = (|| {
        let mut writer = ResponseWriter::new(&mut out, status, reason.as_bytes())?;
        for (name, value) in fields {
            writer.field(name.as_bytes(), value.as_bytes())?;
        }
        if let Some(body) = body {
            writer.body(body)?;
        }
        writer.finish()
    })();
    if let Err(reason) = result {
        assert!(out.is_empty());
        return Err(reason);
    }
    assert_eq!(ResponseParser::new(Limits::default()).parse(&out), Ok(Some(out.len())));
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn responses_from_parts() {
    let ok = response(200, "OK", &[("a", "b")], Some(BodyKind::Length(2)));
    assert_eq!(ok.as_deref(), Ok("HTTP/1.1 200 OK\r\na: b\r\nContent-Length: 2\r\n\r\n"));
    for body in [None, Some(BodyKind::None), Some(BodyKind::Length(0))] {
        assert_eq!(response(204, "", &[], body).as_deref(), Ok("HTTP/1.1 204 \r\n\r\n"));
        assert_eq!(response(103, "", &[], body).as_deref(), Ok("HTTP/1.1 103 \r\n\r\n"));
    }
    let unchanged = response(304, "", &[], Some(BodyKind::Length(9)));
    assert_eq!(unchanged.as_deref(), Ok("HTTP/1.1 304 \r\nContent-Length: 9\r\n\r\n"));
    assert_eq!(response(103, "", &[("link", "x")], None).as_deref(), Ok("HTTP/1.1 103 \r\nlink: x\r\n\r\n"));
    for (status, phrase, fields, body, reason) in [
        (200, "", &[][..], None, Reason::Framing),
        (99, "", &[], None, Reason::BadStatus),
        (600, "", &[], None, Reason::BadStatus),
        (200, "a\r\nb: c", &[], None, Reason::BadReasonPhrase),
        (204, "", &[], Some(BodyKind::Length(1)), Reason::BodyForbidden),
        (100, "", &[], Some(BodyKind::Chunked), Reason::BodyForbidden),
        (101, "", &[], None, Reason::BadUpgrade),
        (200, "", &[("content-length", "1")], None, Reason::Framing),
        (200, "", &[("connection", "close")], None, Reason::HopByHop),
        (200, "", &[("upgrade", "h2c")], None, Reason::HopByHop),
        (200, "", &[("a", "b\r\nc: d")], None, Reason::BadValue),
        (200, "", &[("a", "b ")], None, Reason::PaddedValue),
        (200, "", &[("", "b")], None, Reason::EmptyName),
    ] {
        assert_eq!(response(status, phrase, fields, body), Err(reason), "{status} {phrase:?} {fields:?}");
    }
    let mut out = Vec::new();
    let mut writer = ResponseWriter::new(&mut out, 101, b"").unwrap();
    writer.upgrade(b"websocket").unwrap();
    writer.finish().unwrap();
    let mut writer = ResponseWriter::new(&mut out, 200, b"OK").unwrap();
    writer.body(BodyKind::UntilClose).unwrap();
    writer.close().unwrap();
    assert_eq!(writer.keep_alive(), Err(Reason::OutOfOrder));
    writer.finish().unwrap();
    let expected = "HTTP/1.1 101 \r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\
        HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn chunked_bodies() {
    assert!(ChunkHead::new(0).is_none());
    let head = |length| ChunkHead::new(length).map(|head| head.as_bytes().escape_ascii().to_string());
    assert_eq!(head(1).as_deref(), Some("1\\r\\n"));
    assert_eq!(head(0x1f).as_deref(), Some("1f\\r\\n"));
    assert_eq!(head(usize::MAX).as_deref(), Some("ffffffffffffffff\\r\\n"));
    let mut out = Vec::new();
    out.extend_from_slice(ChunkHead::new(5).unwrap().as_bytes());
    out.extend_from_slice(b"hello");
    out.extend_from_slice(CHUNK_END);
    let fields = [(&b"grpc-status"[..], &b"0"[..])];
    assert_eq!(write_trailers(&mut out, fields), Ok(0));
    assert_eq!(out, b"5\r\nhello\r\n0\r\ngrpc-status: 0\r\n\r\n");
    let mut decoder = BodyDecoder::new(BodyKind::Chunked, Side::Request, &Limits::default());
    assert_eq!(&out[decoder.decode(&out).unwrap().data], b"hello");
    assert!(decoder.decode(&out[8..]).unwrap().done);
    let mut empty = Vec::new();
    assert_eq!(write_trailers(&mut empty, []), Ok(0));
    assert_eq!(empty, LAST_CHUNK);
}

#[test]
fn trailers_that_are_left_out() {
    let mut out = Vec::new();
    let fields: [(&[u8], &[u8]); 10] = [
        (b"content-type", b"application/grpc"),
        (b"grpc-status", b"0"),
        (b"content-length", b"1"),
        (b"Transfer-Encoding", b"chunked"),
        (b"host", b"b"),
        (b"trailer", b"x"),
        (b"authorization", b"x"),
        (b"x-forwarded-for", b"x"),
        (b"set-cookie", b"x"),
        (b"grpc-message", b""),
    ];
    assert_eq!(write_trailers(&mut out, fields), Ok(8));
    assert_eq!(out, b"0\r\ngrpc-status: 0\r\ngrpc-message: \r\n\r\n");
    let mut decoder = BodyDecoder::new(BodyKind::Chunked, Side::Response, &Limits::default());
    assert!(decoder.decode(&out).unwrap().done, "what is written can be read");
}

#[test]
fn trailers_that_are_refused() {
    for (name, value, reason) in [
        ("Host", "a\r\nb: c", Reason::BadValue),
        (":status", "200", Reason::BadName),
        ("", "x", Reason::EmptyName),
        ("a", "b\r\n\r\nGET / HTTP/1.1", Reason::BadValue),
        ("a", " b", Reason::PaddedValue),
    ] {
        let mut out = b"x".to_vec();
        let fields = [(&b"a"[..], &b"b"[..]), (name.as_bytes(), value.as_bytes())];
        assert_eq!(write_trailers(&mut out, fields), Err(reason), "{name:?}: {value:?}");
        assert_eq!(out, b"x");
    }
}
