//! More than one message: ends of connections, pipelines, expectations, upgrades, tunnels.

use super::Row;

const fn row(name: &'static str, raw: &'static [u8], verdict: &'static str) -> Row {
    Row { name, raw, verdict }
}

/// The table.
pub const ROWS: &[Row] = &[
    row("three requests", b"GET / HTTP/1.1\r\nHost: a\r\n\r\nPOST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nabGET /next HTTP/1.1\r\nHost: a\r\n\r\n", "GET / none; POST / length 2 ab; GET /next none; more 0"),
    row("a request after a last one", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n", "GET / none; closed 31"),
    row("a request after a last one by list", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, close\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n", "GET / none; closed 31"),
    row("a request after HTTP/1.0", b"GET / HTTP/1.0\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n", "GET / none; closed 31"),
    row("a request after HTTP/1.0 that keeps alive", b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n", "GET / none; GET /next none; more 0"),
    row("a request after HTTP/1.0 that keeps alive by Proxy-Connection", b"GET / HTTP/1.0\r\nProxy-Connection: Keep-Alive\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n", "GET / none; closed 31"),
    row("HTTP/1.0 with a body and no length", b"POST / HTTP/1.0\r\n\r\nhello", "POST / none; closed 5"),
    row("a bad request after a good one", b"GET / HTTP/1.1\r\nHost: a\r\n\r\nInvalid\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n", "GET / none; 400 BadMethod at 34"),
    row("a good request after a bad one", b"GET / HTTP/1.1\r\nX\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n", "400 MissingColon at 17"),
    row("a good request after a bad chunk", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n", "POST / chunked ...; 400 BadChunkSize at 56"),
    row("Connection that is no list of tokens", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: a b\r\n\r\n", "400 BadConnection at 37"),
    row("Connection that names Host", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close, host\r\n\r\n", "400 Nominated(\"Host\") at 37"),
    row("Connection that names Content-Length", b"POST / HTTP/1.1\r\nHost: a\r\nConnection: Content-Length\r\nContent-Length: 5\r\n\r\nhello", "400 Nominated(\"Content-Length\") at 38"),
    row("Connection that names Transfer-Encoding", b"POST / HTTP/1.1\r\nHost: a\r\nConnection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400 Nominated(\"Transfer-Encoding\") at 38"),
    row("Connection that names other fields", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: x-internal, cookie\r\nX-Internal: 1\r\n\r\n", "GET / none; more 0"),
    row("Connection with empty elements", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: ,, ,\r\n\r\n", "GET / none; more 0"),
    row("an expectation and the body", b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhelloGET /next HTTP/1.1\r\nHost: a\r\n\r\n", "POST / length 5 hello; GET /next none; more 0"),
    row("an expectation and no body", b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n", "GET / none; GET /next none; more 0"),
    row("an expectation, and a request instead of the body", b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 33\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n", "POST / length 33 GET /next HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n ...; more 0"),
    row("an unknown expectation", b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\nContent-Length: 5\r\n\r\nhello", "417 UnknownExpectation at 34"),
    row("an expectation with more", b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue, x\r\nContent-Length: 5\r\n\r\nhello", "417 UnknownExpectation at 34"),
    row("an expectation in HTTP/1.0", b"POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello", "POST / length 5 hello; closed 0"),
    row("an upgrade", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", "GET / none; held 0"),
    row("an upgrade with early bytes", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n", "GET / none; held 31"),
    row("an upgrade with a length and a request behind", b"POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\nhelloGET /next HTTP/1.1\r\nHost: a\r\n\r\n", "POST / length 5 hello; held 31"),
    row("an upgrade with chunks and a request behind", b"POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n", "POST / chunked hello trailers \\r\\n; held 31"),
    row("an upgrade with no length and a body", b"POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nPOST /admin HTTP/1.1\r\nHost: a\r\n\r\n", "POST / none; held 33"),
    row("an upgrade to h2c with the preface", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / none; held 24"),
    row("an upgrade without its option", b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n", "GET / none; GET /next none; more 0"),
    row("an option without an upgrade", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n", "GET / none; GET /next none; more 0"),
    row("an upgrade in HTTP/1.0", b"GET / HTTP/1.0\r\nHost: a\r\nConnection: upgrade, keep-alive\r\nUpgrade: websocket\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n", "GET / none; GET /next none; more 0"),
    row("an upgrade to something that is no protocol", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: a b\r\n\r\n", "400 BadUpgrade at 55"),
    row("an upgrade to a protocol without a name", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: /1\r\n\r\n", "400 BadUpgrade at 55"),
    row("CONNECT", b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", "CONNECT a:443 none; held 0"),
    row("CONNECT with early data", b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n\x16\x03\x01", "CONNECT a:443 none; held 3"),
    row("CONNECT with a request behind", b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n", "CONNECT a:443 none; held 31"),
    row("CONNECT with a length", b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nContent-Length: 5\r\n\r\nhello", "400 BodyForbidden at 8"),
    row("CONNECT with length 0", b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nContent-Length: 0\r\n\r\n", "400 BodyForbidden at 8"),
    row("CONNECT with chunks", b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400 BodyForbidden at 8"),
    row("CONNECT in HTTP/1.0", b"CONNECT a:443 HTTP/1.0\r\n\r\n\x16\x03\x01", "CONNECT a:443 none; held 3"),
    row("nothing", b"", "more 0"),
    row("half a request", b"GET / HT", "more 8"),
    row("half a head", b"GET / HTTP/1.1\r\nHost", "more 20"),
];
