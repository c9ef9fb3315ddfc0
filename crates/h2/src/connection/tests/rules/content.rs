//! A server: content and its length, trailers, CONNECT (RFC 9113 8.1, 8.5; RFC 8441).

use super::*;
use wire::{END_STREAM, PADDED, data, frame, headers};

fn with(id: u32, flags: u8, more: &[(&str, &str)]) -> Vec<u8> {
    headers(id, flags, &[&wire::POST[..], more].concat())
}

fn length(length: &str) -> Vec<u8> {
    with(1, 0, &[("content-length", length)])
}

const FAULT: &str = "headers 1, fault 1 PROTOCOL_ERROR | RST_STREAM 1 PROTOCOL_ERROR";
const REFUSED: &str = "refused 1 PROTOCOL_ERROR | RST_STREAM 1 PROTOCOL_ERROR";

#[test]
fn content_length() {
    let rows = vec![
        row("as it says", [length("3"), data(1, END_STREAM, b"abc")], "headers 1, data 1 3 end |"),
        row(
            "in several frames",
            [length("3"), data(1, 0, b"a"), data(1, 0, b"bc"), data(1, END_STREAM, b"")],
            "headers 1, data 1 1, data 1 2, data 1 0 end |",
        ),
        row(
            "padding does not count",
            [length("3"), data(1, PADDED | END_STREAM, b"\x02abc\0\0")],
            "headers 1, data 1 3 end |",
        ),
        row(
            "before trailers",
            [length("3"), data(1, 0, b"abc"), headers(1, END_STREAM, &[("a", "b")])],
            "headers 1, data 1 3, trailers 1 |",
        ),
        row("0 and no content", [with(1, END_STREAM, &[("content-length", "0")])], "headers 1 end |"),
        row("0 and an empty frame", [length("0"), data(1, END_STREAM, b"")], "headers 1, data 1 0 end |"),
        row("2^64-1", [length("18446744073709551615")], "headers 1 |"),
        row("less", [length("4"), data(1, END_STREAM, b"abc")], FAULT),
        row(
            "less in several frames",
            [length("4"), data(1, 0, b"abc"), data(1, END_STREAM, b"")],
            "headers 1, data 1 3, fault 1 PROTOCOL_ERROR | RST_STREAM 1 PROTOCOL_ERROR",
        ),
        row("more", [length("2"), data(1, END_STREAM, b"abc")], FAULT),
        row("more before the end", [length("2"), data(1, 0, b"abc")], FAULT),
        row(
            "more in several frames",
            [length("2"), data(1, 0, b"ab"), data(1, 0, b"c")],
            "headers 1, data 1 2, fault 1 PROTOCOL_ERROR | RST_STREAM 1 PROTOCOL_ERROR",
        ),
        row("0 and content", [length("0"), data(1, 0, b"a")], FAULT),
        row("content that never comes", [with(1, END_STREAM, &[("content-length", "1")])], REFUSED),
        row(
            "trailers too early",
            [length("4"), data(1, 0, b"abc"), headers(1, END_STREAM, &[("a", "b")])],
            "headers 1, data 1 3, fault 1 PROTOCOL_ERROR | RST_STREAM 1 PROTOCOL_ERROR",
        ),
        row("twice the same", [with(1, 0, &[("content-length", "3"), ("content-length", "3")])], REFUSED),
        row("twice", [with(1, 0, &[("content-length", "3"), ("content-length", "4")])], REFUSED),
        row("zeros before the number", [length("003")], REFUSED),
        row("two zeros", [length("00")], REFUSED),
        row("a list", [length("3, 3")], REFUSED),
        row("negative", [length("-1")], REFUSED),
        row("a sign", [length("+3")], REFUSED),
        row("hexadecimal", [length("0x3")], REFUSED),
        row("no number", [length("")], REFUSED),
        row("a fraction", [length("3.0")], REFUSED),
        row("a separator", [length("1_0")], REFUSED),
        row("2^64", [length("18446744073709551616")], REFUSED),
        row("other digits", [length("\u{663}")], REFUSED),
    ];
    check(Bench::server, rows);
}

#[test]
fn trailers() {
    let trailers = |fields: &[(&str, &str)]| [wire::post(1), headers(1, END_STREAM, fields)];
    let fine = "headers 1, trailers 1 |";
    let rows = vec![
        row("one", trailers(&[("grpc-status", "0")]), fine),
        row("none at all", trailers(&[]), fine),
        row("without END_STREAM", [wire::post(1), headers(1, 0, &[("a", "b")])], FAULT),
        row("a whole request", [wire::post(1), wire::get(1)], FAULT),
        row(":method", trailers(&[(":method", "GET")]), FAULT),
        row(":status", trailers(&[(":status", "200")]), FAULT),
        row("a pseudo-header field at the end", trailers(&[("a", "b"), (":path", "/")]), FAULT),
        row("content-length", trailers(&[("content-length", "0")]), FAULT),
        row("transfer-encoding", trailers(&[("transfer-encoding", "chunked")]), FAULT),
        row("te", trailers(&[("te", "trailers")]), FAULT),
        row("host", trailers(&[("host", "b")]), FAULT),
        row("trailer", trailers(&[("trailer", "a")]), FAULT),
        row("connection", trailers(&[("connection", "close")]), FAULT),
        row("upper case", trailers(&[("A", "b")]), FAULT),
        row("a new line", trailers(&[("a", "b\r\nc: d")]), FAULT),
        row(
            "after the end",
            [wire::get(1), headers(1, END_STREAM, &[("a", "b")])],
            "headers 1 end, fault 1 STREAM_CLOSED | RST_STREAM 1 STREAM_CLOSED",
        ),
        row(
            "twice",
            [wire::post(1), headers(1, END_STREAM, &[("a", "b")]), headers(1, END_STREAM, &[("a", "b")])],
            "headers 1, trailers 1, fault 1 STREAM_CLOSED | RST_STREAM 1 STREAM_CLOSED",
        ),
    ];
    check(Bench::server, rows);
    let mut bench = Bench::server();
    bench.feed(&[wire::post(1), headers(1, END_STREAM, &[("x", "1"), ("y", "2")])].concat());
    let fields: Vec<_> = bench.connection.fields().iter().map(|field| (field.name, field.value)).collect();
    assert_eq!(fields, [(&b"x"[..], &b"1"[..]), (b"y", b"2")]);
    let mut bench = Bench::new(Role::Server, Config { max_header_list: 200, ..Config::default() });
    let large = "x".repeat(200);
    let found = bench.feed(&[wire::post(1), headers(1, END_STREAM, &[("x", &large)])].concat());
    assert_eq!(found, "headers 1, fault 1 ENHANCE_YOUR_CALM | RST_STREAM 1 ENHANCE_YOUR_CALM");
}

const CONNECT: [(&str, &str); 2] = [(":method", "CONNECT"), (":authority", "a:443")];
const EXTENDED: [(&str, &str); 5] =
    [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"), (":authority", "a"), (":path", "/")];

/// All fields but that of this name.
fn without<'a>(fields: &[(&'a str, &'a str)], name: &str) -> Vec<u8> {
    let rest: Vec<_> = fields.iter().copied().filter(|field| field.0 != name).collect();
    headers(1, 0, &rest)
}

fn and(fields: &[(&str, &str)], more: &[(&str, &str)]) -> Vec<u8> {
    headers(1, 0, &[fields, more].concat())
}

#[test]
fn connect() {
    let connect = || headers(1, 0, &CONNECT);
    let tunnel_fault = "headers 1, data 1 1, fault 1 PROTOCOL_ERROR | RST_STREAM 1 PROTOCOL_ERROR";
    let rows = vec![
        row("a tunnel", [connect(), data(1, 0, b"x"), data(1, END_STREAM, b"")], "headers 1, data 1 1, data 1 0 end |"),
        row("that ends at once", [headers(1, END_STREAM, &CONNECT)], "headers 1 end |"),
        row(
            "a length means nothing",
            [and(&CONNECT, &[("content-length", "3")]), data(1, END_STREAM, b"x")],
            "headers 1, data 1 1 end |",
        ),
        row(
            "a length and the end",
            [headers(1, END_STREAM, &[&CONNECT[..], &[("content-length", "3")]].concat())],
            "headers 1 end |",
        ),
        row(
            "stream management within",
            [connect(), wire::update(1, 5_000), wire::priority(1, 0), data(1, 0, b"x")],
            "headers 1, data 1 1 |",
        ),
        row("trailers within", [connect(), data(1, 0, b"x"), headers(1, END_STREAM, &[("a", "b")])], tunnel_fault),
        row("HEADERS within", [connect(), data(1, 0, b"x"), connect()], tunnel_fault),
        row("RST_STREAM", [connect(), wire::rst(1, 0xa)], "headers 1, reset 1 CONNECT_ERROR |"),
        row("without :authority", [without(&CONNECT, ":authority")], REFUSED),
        row("host is no :authority", [and(&CONNECT[..1], &[("host", "a:443")])], REFUSED),
        row("without a port", [and(&CONNECT[..1], &[(":authority", "a")])], REFUSED),
        row("without a port behind an IPv6 address", [and(&CONNECT[..1], &[(":authority", "[::1]")])], REFUSED),
        row("with :scheme", [and(&[(":scheme", "https")], &CONNECT)], REFUSED),
        row("with :path", [and(&[(":path", "/")], &CONNECT)], REFUSED),
        row("an unknown type within", [connect(), frame(0x42, 0, 1, b"x"), data(1, 0, b"x")], "headers 1, data 1 1 |"),
    ];
    check(Bench::server, rows);
}

#[test]
fn extended_connect() {
    let rows = vec![
        row("a WebSocket", [headers(1, 0, &EXTENDED), data(1, 0, b"x")], "headers 1, data 1 1 |"),
        row(
            "it may have trailers",
            [headers(1, 0, &EXTENDED), headers(1, END_STREAM, &[("a", "b")])],
            "headers 1, trailers 1 |",
        ),
        row("without :scheme", [without(&EXTENDED, ":scheme")], REFUSED),
        row("without :path", [without(&EXTENDED, ":path")], REFUSED),
        row("without :authority", [without(&EXTENDED, ":authority")], REFUSED),
        row("an empty :protocol", [and(&[(":protocol", "")], &without_protocol())], REFUSED),
        row("a :protocol that is no token", [and(&[(":protocol", "web socket")], &without_protocol())], REFUSED),
        row(":protocol twice", [and(&[(":protocol", "websocket")], &EXTENDED)], REFUSED),
        row(":protocol without CONNECT", [and(&[(":protocol", "websocket")], &wire::GET)], REFUSED),
        row("upgrade does not exist", [and(&EXTENDED, &[("upgrade", "websocket")])], REFUSED),
        row("a plain one still works", [headers(1, 0, &CONNECT)], "headers 1 |"),
    ];
    check(|| Bench::new(Role::Server, Config { connect_protocol: true, ..Config::default() }), rows);
    let rows = vec![row("it was not announced", [headers(1, 0, &EXTENDED)], REFUSED)];
    check(Bench::server, rows);
    let announces = |connect_protocol| {
        let connection =
            Connection::new(Role::Server, Config { connect_protocol, ..Config::default() }, Instant::now());
        let first = &wire::frames(connection.output())[0];
        first.payload.chunks(6).any(|entry| entry == [0, 8, 0, 0, 0, 1])
    };
    assert_eq!([true, false].map(announces), [true, false]);
}

fn without_protocol() -> Vec<(&'static str, &'static str)> {
    EXTENDED.into_iter().filter(|field| field.0 != ":protocol").collect()
}
