//! What heads of requests and responses must be (RFC 9113 8.2, 8.3), and what must never reach HTTP/1.1.

use super::*;
use wire::{END_STREAM, headers};

type Fields<'a> = &'a [(&'a str, &'a str)];

const M: (&str, &str) = (":method", "GET");
const S: (&str, &str) = (":scheme", "https");
const A: (&str, &str) = (":authority", "example.com");
const P: (&str, &str) = (":path", "/");

/// Requests that are.
const REQUESTS: &[(&str, Fields<'_>)] = &[
    ("the least", &[M, S, A, P]),
    ("in another order", &[P, A, S, M]),
    ("host instead of :authority", &[M, S, P, ("host", "example.com")]),
    ("host that equals :authority", &[M, S, A, P, ("host", "example.com")]),
    ("host in other case", &[M, S, A, P, ("host", "Example.COM")]),
    ("a port", &[M, S, (":authority", "example.com:8443"), P]),
    ("an IPv6 address", &[M, S, (":authority", "[::1]:8443"), P]),
    ("an IPv6 address without a port", &[M, S, (":authority", "[fd00::10.0.0.1]"), P]),
    ("every mark that a host may have", &[M, S, (":authority", "a~-._"), P]),
    ("an underscore in the name", &[M, S, (":authority", "a_b"), P]),
    ("another method", &[(":method", "PURGE"), S, A, P]),
    ("a method in lower case", &[(":method", "get"), S, A, P]),
    ("another scheme", &[M, ("\u{3a}scheme", "coap+tcp"), A, P]),
    ("a query", &[M, S, A, (":path", "/a?b=c&d=%20")]),
    ("marks in the path", &[M, S, A, (":path", "/;a=b/../..//%2e%2F\\|{}\"<>^`")]),
    ("OPTIONS *", &[(":method", "OPTIONS"), S, A, (":path", "*")]),
    ("te: trailers", &[M, S, A, P, ("te", "trailers")]),
    ("cookie crumbs", &[M, S, A, P, ("cookie", "a=b"), ("cookie", "c=d")]),
    ("an empty value", &[M, S, A, P, ("x", "")]),
    ("spaces within a value", &[M, S, A, P, ("x", "a b\tc")]),
    ("octets above ASCII in a value", &[M, S, A, P, ("x", "\u{e4}\u{20ac}")]),
    ("every mark that a name may have", &[M, S, A, P, ("!#$%&'*+-.^_`|~09az", "x")]),
    ("a field twice", &[M, S, A, P, ("x", "1"), ("x", "2")]),
    ("trailer", &[M, S, A, P, ("trailer", "grpc-status")]),
    ("expect", &[M, S, A, P, ("expect", "100-continue")]),
    ("http2-settings means nothing", &[M, S, A, P, ("http2-settings", "AAMAAABkAAQAAP__")]),
];

/// Requests that are none.
const NO_REQUESTS: &[(&str, Fields<'_>)] = &[
    ("nothing at all", &[]),
    ("no :method", &[S, A, P]),
    ("no :scheme", &[M, A, P]),
    ("no :path", &[M, S, A]),
    ("neither :authority nor host", &[M, S, P]),
    (":method twice", &[M, M, S, A, P]),
    (":scheme twice", &[M, S, S, A, P]),
    (":authority twice", &[M, S, A, A, P]),
    (":path twice", &[M, S, A, P, P]),
    ("an empty :method", &[(":method", ""), S, A, P]),
    ("an empty :scheme", &[M, (":scheme", ""), A, P]),
    ("an empty :authority", &[M, S, (":authority", ""), P]),
    ("an empty :path", &[M, S, A, (":path", "")]),
    ("a pseudo-header field after a field", &[M, S, A, ("x", "y"), P]),
    ("a pseudo-header field of responses", &[M, S, A, P, (":status", "200")]),
    ("an unknown pseudo-header field", &[M, S, A, P, (":test", "x")]),
    ("a pseudo-header field in upper case", &[(":METHOD", "GET"), S, A, P]),
    ("a colon and no name", &[M, S, A, P, (":", "x")]),
    ("upper case", &[M, S, A, P, ("X-Upper", "x")]),
    ("one letter in upper case", &[M, S, A, P, ("x-uppeR", "x")]),
    ("an empty name", &[M, S, A, P, ("", "x")]),
    ("an empty name first", &[("", ""), M, S, A, P]),
    ("a space in a name", &[M, S, A, P, ("a b", "x")]),
    ("a space at the end of a name", &[M, S, A, P, ("transfer-encoding ", "chunked")]),
    ("a space at the start of a name", &[M, S, A, P, (" transfer-encoding", "chunked")]),
    ("a colon in a name", &[M, S, A, P, ("transfer-encoding: chunked\r\nx", "x")]),
    ("a colon at the end of a name", &[M, S, A, P, ("x:", "x")]),
    ("a new line in a name", &[M, S, A, P, ("a\r\nb", "x")]),
    ("NUL in a name", &[M, S, A, P, ("a\0", "x")]),
    ("DEL in a name", &[M, S, A, P, ("a\x7f", "x")]),
    ("octets above ASCII in a name", &[M, S, A, P, ("\u{e4}", "x")]),
    ("a tab in a name", &[M, S, A, P, ("a\tb", "x")]),
    ("a delimiter in a name", &[M, S, A, P, ("a(b", "x")]),
    ("CR LF in a value", &[M, S, A, P, ("x", "a\r\ntransfer-encoding: chunked")]),
    ("LF in a value", &[M, S, A, P, ("x", "a\nb: c")]),
    ("CR in a value", &[M, S, A, P, ("x", "a\rb")]),
    ("NUL in a value", &[M, S, A, P, ("x", "a\0b")]),
    ("another control character in a value", &[M, S, A, P, ("x", "a\x01b")]),
    ("DEL in a value", &[M, S, A, P, ("x", "a\x7fb")]),
    ("a space before a value", &[M, S, A, P, ("x", " a")]),
    ("a space after a value", &[M, S, A, P, ("x", "a ")]),
    ("a tab before a value", &[M, S, A, P, ("x", "\ta")]),
    ("a tab after a value", &[M, S, A, P, ("x", "a\t")]),
    ("nothing but a space", &[M, S, A, P, ("x", " ")]),
    ("connection", &[M, S, A, P, ("connection", "x-internal")]),
    ("proxy-connection", &[M, S, A, P, ("proxy-connection", "keep-alive")]),
    ("keep-alive", &[M, S, A, P, ("keep-alive", "timeout=5")]),
    ("transfer-encoding", &[M, S, A, P, ("transfer-encoding", "chunked")]),
    ("upgrade", &[M, S, A, P, ("upgrade", "h2c")]),
    ("te of another value", &[M, S, A, P, ("te", "gzip")]),
    ("te with more than trailers", &[M, S, A, P, ("te", "trailers, gzip")]),
    ("te of several", &[M, S, A, P, ("te", "trailers"), ("te", "chunked")]),
    ("host differs", &[M, S, A, P, ("host", "other.example")]),
    ("host differs in the port", &[M, S, A, P, ("host", "example.com:8443")]),
    ("host twice", &[M, S, P, ("host", "example.com"), ("host", "example.com")]),
    ("an empty host", &[M, S, P, ("host", "")]),
    ("user information in :authority", &[M, S, (":authority", "user@example.com"), P]),
    ("user information in host", &[M, S, P, ("host", "user:secret@example.com")]),
    ("a path in :authority", &[M, S, (":authority", "example.com/x"), P]),
    ("a query in :authority", &[M, S, (":authority", "example.com?x"), P]),
    ("a fragment in :authority", &[M, S, (":authority", "example.com#x"), P]),
    ("a space in :authority", &[M, S, (":authority", "example.com x"), P]),
    ("a new line in :authority", &[M, S, (":authority", "a\r\nx: y"), P]),
    ("octets above ASCII in :authority", &[M, S, (":authority", "\u{e4}.example"), P]),
    ("a host that is empty", &[M, S, (":authority", ":80"), P]),
    ("a port that is no number", &[M, S, (":authority", "a:b"), P]),
    ("a port above 65,535", &[M, S, (":authority", "a:65536"), P]),
    ("two ports", &[M, S, (":authority", "a:80:81"), P]),
    ("an IPv6 address without brackets", &[M, S, (":authority", "::1"), P]),
    ("an IPv6 address that is not closed", &[M, S, (":authority", "[::1"), P]),
    ("an empty IPv6 address", &[M, S, (":authority", "[]"), P]),
    ("an IPv6 address with a zone", &[M, S, (":authority", "[fe80::1%25eth0]"), P]),
    ("something behind an IPv6 address", &[M, S, (":authority", "[::1]x"), P]),
    ("no IPv6 address within brackets", &[M, S, (":authority", "[:::]"), P]),
    ("a colon and no port", &[M, S, (":authority", "a:"), P]),
    ("port 0", &[M, S, (":authority", "a:0"), P]),
    ("a port of six digits", &[M, S, (":authority", "a:000080"), P]),
    ("two hosts", &[M, S, (":authority", "a,b"), P]),
    ("two hosts in host", &[M, S, P, ("host", "a,b")]),
    ("a delimiter in :authority", &[M, S, (":authority", "a;b"), P]),
    ("a bracket in a name", &[M, S, (":authority", "a]b"), P]),
    ("an encoded name", &[M, S, (":authority", "a%2eb"), P]),
    ("a backslash in :authority", &[M, S, (":authority", "a\\b"), P]),
    ("a space in :method", &[(":method", "GET /x HTTP/1.1"), S, A, P]),
    ("a new line in :method", &[(":method", "GET\r\n"), S, A, P]),
    ("a colon in :method", &[(":method", "GET:"), S, A, P]),
    ("a space in :path", &[M, S, A, (":path", "/ HTTP/1.1")]),
    ("a new line in :path", &[M, S, A, (":path", "/\r\nx: y")]),
    ("a tab in :path", &[M, S, A, (":path", "/\tx")]),
    ("NUL in :path", &[M, S, A, (":path", "/\0")]),
    ("octets above ASCII in :path", &[M, S, A, (":path", "/\u{e4}")]),
    ("a fragment in :path", &[M, S, A, (":path", "/x#y")]),
    ("a :path that is relative", &[M, S, A, (":path", "x")]),
    ("a :path that is absolute in another way", &[M, S, A, (":path", "https://example.com/")]),
    ("* with another method", &[M, S, A, (":path", "*")]),
    ("** with OPTIONS", &[(":method", "OPTIONS"), S, A, (":path", "**")]),
    ("a query without a path", &[M, S, A, (":path", "?x")]),
    ("a space in :scheme", &[M, (":scheme", "https ://x"), A, P]),
    ("a :scheme that begins with a digit", &[M, (":scheme", "1https"), A, P]),
    ("a :scheme with a delimiter", &[M, (":scheme", "https://"), A, P]),
];

#[test]
fn requests() {
    for (name, fields) in REQUESTS {
        let mut bench = Bench::server();
        assert_eq!(bench.feed(&headers(1, END_STREAM, fields)), "headers 1 end |", "{name}");
        // All fields are there, each for itself, in their order and as they came.
        let found: Vec<_> = bench.connection.fields().iter().map(|field| (field.name, field.value)).collect();
        let sent: Vec<_> = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        assert_eq!(found, sent, "{name}");
    }
    for (name, fields) in NO_REQUESTS {
        let mut bench = Bench::server();
        assert_eq!(
            bench.feed(&headers(1, END_STREAM, fields)),
            "refused 1 PROTOCOL_ERROR | RST_STREAM 1 PROTOCOL_ERROR",
            "{name}"
        );
        assert_eq!(bench.feed(&wire::get(3)), "headers 3 end |", "{name}: only the stream suffers");
    }
}

const OK: (&str, &str) = (":status", "200");

const RESPONSES: &[(&str, Fields<'_>)] = &[
    ("the least", &[OK]),
    ("with fields", &[OK, ("server", "x"), ("set-cookie", "a=b"), ("set-cookie", "c=d")]),
    ("a status of another class", &[(":status", "599")]),
    ("204 and a length of 0", &[(":status", "204"), ("content-length", "0")]),
    ("304 and a length", &[(":status", "304"), ("content-length", "5")]),
];

const NO_RESPONSES: &[(&str, Fields<'_>)] = &[
    ("nothing at all", &[]),
    ("no :status", &[("server", "x")]),
    (":status twice", &[OK, OK]),
    (":status after a field", &[("server", "x"), OK]),
    ("a pseudo-header field of requests", &[OK, (":path", "/")]),
    ("an unknown pseudo-header field", &[OK, (":test", "x")]),
    ("an empty :status", &[(":status", "")]),
    ("a :status of two digits", &[(":status", "20")]),
    ("a :status of four digits", &[(":status", "2000")]),
    ("a :status with a reason", &[(":status", "200 OK")]),
    ("a :status that is no number", &[(":status", "2xx")]),
    ("a :status below 100", &[(":status", "099")]),
    ("a :status above 599", &[(":status", "600")]),
    ("a :status of no class", &[(":status", "999")]),
    ("a :status with a sign", &[(":status", "+20")]),
    ("101", &[(":status", "101")]),
    ("upper case", &[OK, ("Server", "x")]),
    ("an empty name", &[OK, ("", "x")]),
    ("a colon in a name", &[OK, ("x: y", "x")]),
    ("CR LF in a value", &[OK, ("x", "a\r\n\r\nHTTP/1.1 200 OK")]),
    ("NUL in a value", &[OK, ("x", "\0")]),
    ("a space before a value", &[OK, ("x", " a")]),
    ("connection", &[OK, ("connection", "close")]),
    ("proxy-connection", &[OK, ("proxy-connection", "close")]),
    ("keep-alive", &[OK, ("keep-alive", "timeout=5")]),
    ("transfer-encoding", &[OK, ("transfer-encoding", "chunked")]),
    ("upgrade", &[OK, ("upgrade", "websocket")]),
    ("content-length twice", &[OK, ("content-length", "0"), ("content-length", "0")]),
    ("content-length that is no number", &[OK, ("content-length", "x")]),
    ("content-length that is not kept", &[OK, ("content-length", "5")]),
    ("204 and a length", &[(":status", "204"), ("content-length", "5")]),
    ("an informational response that ends", &[(":status", "103")]),
];

#[test]
fn responses() {
    let bench = || {
        let mut bench = Bench::client();
        for _ in 0..2 {
            bench.open(Request::Ordinary, End::Stream);
        }
        bench.frames();
        bench
    };
    for (name, fields) in RESPONSES {
        let mut bench = bench();
        assert_eq!(bench.feed(&headers(1, END_STREAM, fields)), "headers 1 end |", "{name}");
        let found: Vec<_> = bench.connection.fields().iter().map(|field| (field.name, field.value)).collect();
        let sent: Vec<_> = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        assert_eq!(found, sent, "{name}");
    }
    for (name, fields) in NO_RESPONSES {
        let mut bench = bench();
        let expected = "fault 1 PROTOCOL_ERROR | RST_STREAM 1 PROTOCOL_ERROR";
        assert_eq!(bench.feed(&headers(1, END_STREAM, fields)), expected, "{name}");
        assert_eq!(bench.feed(&headers(3, END_STREAM, &[OK])), "headers 3 end |", "{name}: only the stream suffers");
    }
}
