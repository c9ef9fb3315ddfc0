//! A server: states of streams (RFC 9113 5.1), ids, GOAWAY (6.8) and CONTINUATION (6.10).

use super::*;
use wire::{CONTINUATION, END_HEADERS, END_STREAM, HEADERS, data, frame, get, headers, ping, post, rst, update};

const BROKEN: &str = "error PROTOCOL_ERROR | GOAWAY 0 PROTOCOL_ERROR";

fn trailers(id: u32) -> Vec<u8> {
    headers(id, END_STREAM, &[("a", "b")])
}

fn continuation(id: u32) -> Vec<u8> {
    frame(CONTINUATION, END_HEADERS, id, &wire::block([("a", "b")]))
}

#[test]
fn idle() {
    let rows = vec![
        row("DATA", [data(1, END_STREAM, b"x")], BROKEN),
        row("RST_STREAM", [rst(1, 8)], BROKEN),
        row("WINDOW_UPDATE", [update(1, 5_000)], BROKEN),
        row("CONTINUATION", [continuation(1)], BROKEN),
        row("PRIORITY", [wire::priority(1, 0)], "|"),
        row("an unknown type", [frame(0x42, 0, 1, b"")], "|"),
        row("DATA on a stream of ours", [data(2, END_STREAM, b"x")], BROKEN),
        row("RST_STREAM on a stream of ours", [rst(2, 8)], BROKEN),
        row("WINDOW_UPDATE on a stream of ours", [update(2, 5_000)], BROKEN),
        row(
            "DATA above an open one",
            [post(3), data(5, 0, b"x")],
            "headers 3, error PROTOCOL_ERROR | GOAWAY 3 PROTOCOL_ERROR",
        ),
    ];
    check(Bench::server, rows);
}

#[test]
fn open() {
    let rows = vec![
        row("DATA", [post(1), data(1, 0, b"x"), data(1, END_STREAM, b"yz")], "headers 1, data 1 1, data 1 2 end |"),
        row("the end alone", [post(1), data(1, END_STREAM, b"")], "headers 1, data 1 0 end |"),
        row("trailers", [post(1), data(1, 0, b"x"), trailers(1)], "headers 1, data 1 1, trailers 1 |"),
        row("trailers at once", [post(1), trailers(1)], "headers 1, trailers 1 |"),
        row("RST_STREAM", [post(1), rst(1, 2)], "headers 1, reset 1 INTERNAL_ERROR |"),
        row("RST_STREAM with an unknown code", [post(1), rst(1, 0x1234)], "headers 1, reset 1 error code 0x1234 |"),
        row("WINDOW_UPDATE", [post(1), update(1, 5_000)], "headers 1 |"),
        row("PRIORITY", [post(1), wire::priority(1, 0)], "headers 1 |"),
        row("an unknown type", [post(1), frame(0x42, 0, 1, b"")], "headers 1 |"),
        row(
            "content after the answer",
            [Do::Peer(post(1)), Do::Answer(1, End::Stream), Do::Peer(data(1, END_STREAM, b"x"))],
            "headers 1, data 1 1 end | HEADERS 1 end",
        ),
    ];
    check(Bench::server, rows);
}

#[test]
fn half_closed_by_the_client() {
    let closed = "headers 1 end, fault 1 STREAM_CLOSED | RST_STREAM 1 STREAM_CLOSED";
    let rows = vec![
        row("DATA", [get(1), data(1, 0, b"x")], closed),
        row("DATA without content", [get(1), data(1, END_STREAM, b"")], closed),
        row("HEADERS", [get(1), get(1)], closed),
        row("trailers", [get(1), trailers(1)], closed),
        row("CONTINUATION", [get(1), continuation(1)], "headers 1 end, error PROTOCOL_ERROR | GOAWAY 1 PROTOCOL_ERROR"),
        row("WINDOW_UPDATE", [get(1), update(1, 5_000)], "headers 1 end |"),
        row("PRIORITY", [get(1), wire::priority(1, 0)], "headers 1 end |"),
        row("RST_STREAM", [get(1), rst(1, 8)], "headers 1 end, reset 1 CANCEL |"),
        row(
            "DATA after trailers",
            [post(1), trailers(1), data(1, 0, b"x")],
            "headers 1, trailers 1, fault 1 STREAM_CLOSED | RST_STREAM 1 STREAM_CLOSED",
        ),
        row(
            "DATA after DATA that ended",
            [post(1), data(1, END_STREAM, b""), data(1, 0, b"x")],
            "headers 1, data 1 0 end, fault 1 STREAM_CLOSED | RST_STREAM 1 STREAM_CLOSED",
        ),
    ];
    check(Bench::server, rows);
}

#[test]
fn closed_by_the_end_of_both() {
    let after = |bytes: Vec<u8>| [Do::Peer(get(1)), Do::Answer(1, End::Stream), Do::Peer(bytes)];
    let closed = "headers 1 end, error STREAM_CLOSED | HEADERS 1 end, GOAWAY 1 STREAM_CLOSED";
    let fine = "headers 1 end | HEADERS 1 end";
    let rows = vec![
        row("DATA", after(data(1, END_STREAM, b"x")), closed),
        row("HEADERS", after(get(1)), closed),
        row("trailers", after(trailers(1)), closed),
        row(
            "CONTINUATION",
            after(continuation(1)),
            "headers 1 end, error PROTOCOL_ERROR | HEADERS 1 end, GOAWAY 1 PROTOCOL_ERROR",
        ),
        row("WINDOW_UPDATE", after(update(1, 5_000)), fine),
        row(
            "WINDOW_UPDATE by 0",
            after(update(1, 0)),
            "headers 1 end, error PROTOCOL_ERROR | HEADERS 1 end, GOAWAY 1 PROTOCOL_ERROR",
        ),
        row("RST_STREAM", after(rst(1, 8)), fine),
        row("PRIORITY", after(wire::priority(1, 0)), fine),
    ];
    check(Bench::server, rows);
}

#[test]
fn closed_by_the_clients_reset() {
    let after = |bytes: Vec<u8>| [post(1), rst(1, 8), bytes];
    let closed = "headers 1, reset 1 CANCEL, error STREAM_CLOSED | GOAWAY 1 STREAM_CLOSED";
    let fine = "headers 1, reset 1 CANCEL |";
    let rows = vec![
        row("DATA", after(data(1, END_STREAM, b"x")), closed),
        row("HEADERS", after(get(1)), closed),
        row("RST_STREAM", after(rst(1, 8)), fine),
        row("WINDOW_UPDATE", after(update(1, 5_000)), fine),
        row("PRIORITY", after(wire::priority(1, 0)), fine),
    ];
    check(Bench::server, rows);
}

#[test]
fn closed_by_our_reset() {
    let after = |bytes: Vec<u8>| [Do::Peer(post(1)), Do::Reset(1), Do::Peer(bytes), Do::Peer(ping([0; 8]))];
    // What was on its way is no fault.
    let fine = "headers 1 | RST_STREAM 1 CANCEL, PING ack";
    let rows = vec![
        row("DATA", after(data(1, END_STREAM, b"x")), fine),
        row("DATA with padding", after(data(1, wire::PADDED, &[1, 0, 0])), fine),
        row("trailers", after(trailers(1)), fine),
        row("RST_STREAM", after(rst(1, 8)), fine),
        row("WINDOW_UPDATE", after(update(1, 5_000)), fine),
        row(
            "WINDOW_UPDATE by 0",
            after(update(1, 0)),
            "headers 1, error PROTOCOL_ERROR, error PROTOCOL_ERROR | RST_STREAM 1 CANCEL, GOAWAY 1 PROTOCOL_ERROR",
        ),
        row("PRIORITY", after(wire::priority(1, 0)), fine),
        row(
            "fields for nobody still enter the table",
            [
                Do::Peer(post(1)),
                Do::Reset(1),
                Do::Peer(frame(HEADERS, END_STREAM | END_HEADERS, 1, &[0x40, 1, b'k', 1, b'v'])),
                Do::Peer(frame(HEADERS, END_STREAM | END_HEADERS, 3, &[&wire::block(wire::GET)[..], &[0xbe]].concat())),
            ],
            "headers 1, headers 3 end | RST_STREAM 1 CANCEL",
        ),
        row(
            "after a fault, too",
            [post(1), update(1, 0), data(1, 0, b"x"), data(1, END_STREAM, b"x"), get(3)].map(Do::Peer),
            "headers 1, fault 1 PROTOCOL_ERROR, headers 3 end | RST_STREAM 1 PROTOCOL_ERROR",
        ),
        row(
            "and after a refusal",
            [headers(1, 0, &[("no", "request")]), data(1, END_STREAM, b"x"), get(3)].map(Do::Peer),
            "refused 1 PROTOCOL_ERROR, headers 3 end | RST_STREAM 1 PROTOCOL_ERROR",
        ),
    ];
    check(Bench::server, rows);
}

#[test]
fn resets_are_remembered_for_long() {
    let limits =
        Limits { provoked_resets: Rate::new(u32::MAX, 1), idle_frames: Rate::new(u32::MAX, 1), ..Limits::default() };
    let mut bench = Bench::new(Role::Server, Config { limits, ..Config::default() });
    for n in 0..5_000 {
        assert_eq!(
            bench.feed(&headers(2 * n + 1, 0, &[("no", "request")])),
            format!("refused {0} PROTOCOL_ERROR | RST_STREAM {0} PROTOCOL_ERROR", 2 * n + 1)
        );
    }
    // Of the last 1,024 each is known, of those before all are excused.
    for id in [1, 4_001, 8_001, 9_999] {
        assert_eq!(bench.feed(&data(id, 0, b"late")), "|");
    }
    assert_eq!(bench.connection.reset.len(), REMEMBERED);
}

#[test]
fn ids() {
    let rows = vec![
        row("an even id", [get(2)], BROKEN),
        row("in order", [get(1), get(3), get(5)], "headers 1 end, headers 3 end, headers 5 end |"),
        row("ids may be left out", [get(7), get(101)], "headers 7 end, headers 101 end |"),
        row("the largest id", [get(MAX_STREAM_ID)], "headers 2147483647 end |"),
        row("one that was left out", [get(5), get(3)], "headers 5 end, error PROTOCOL_ERROR | GOAWAY 5 PROTOCOL_ERROR"),
        row("one below the first", [get(3), get(1)], "headers 3 end, error PROTOCOL_ERROR | GOAWAY 3 PROTOCOL_ERROR"),
        row(
            "one that was used",
            [Do::Peer(get(1)), Do::Answer(1, End::Stream), Do::Peer([get(3), get(1)].concat())],
            "headers 1 end, headers 3 end, error STREAM_CLOSED | HEADERS 1 end, GOAWAY 3 STREAM_CLOSED",
        ),
        row(
            "DATA on one that was left out",
            [get(5), data(3, 0, b"x")],
            "headers 5 end, error STREAM_CLOSED | GOAWAY 5 STREAM_CLOSED",
        ),
        row("PRIORITY of one that was left out", [get(5), wire::priority(3, 0)], "headers 5 end |"),
    ];
    check(Bench::server, rows);
}

#[test]
fn goaway_of_ours() {
    let drained = |then: Vec<u8>| {
        let pong = frame(wire::PING, wire::ACK, 0, b"draining");
        [Do::Peer(post(1)), Do::Drain, Do::Peer(post(3)), Do::Peer(pong), Do::Peer(then)]
    };
    let said = "| GOAWAY 2147483647 NO_ERROR, PING, GOAWAY 3 NO_ERROR";
    let rows: [(&'static str, Vec<u8>, &str); 6] = [
        ("streams before go on", data(1, END_STREAM, b"x"), ", data 1 1 end "),
        ("so do those that were on their way", data(3, END_STREAM, b"x"), ", data 3 1 end "),
        ("later ones are ignored", post(5), " "),
        ("with their DATA", [post(5), data(5, 0, b"x"), data(5, END_STREAM, b"x")].concat(), " "),
        ("with their trailers and resets", [post(5), trailers(5), post(7), rst(7, 8), update(7, 9)].concat(), " "),
        ("PING still works", ping([1; 8]), " "),
    ];
    for (name, then, more) in rows {
        let found = run(&mut Bench::server(), drained(then).into());
        let found = found.strip_suffix(", PING ack").unwrap_or(&found);
        assert_eq!(found, format!("headers 1, headers 3, pong draining{more}{said}"), "{name}");
    }
    // One's own PING does not get lost meanwhile, nor the other.
    let mut bench = Bench::server();
    bench.connection.drain(bench.now);
    bench.connection.ping([5; 8], bench.now);
    assert!(!bench.connection.is_finishing());
    bench.frames();
    let pongs = [frame(wire::PING, wire::ACK, 0, b"draining"), frame(wire::PING, wire::ACK, 0, &[5; 8])].concat();
    assert_eq!(bench.feed(&pongs), r"pong draining, pong \x05\x05\x05\x05\x05\x05\x05\x05 | GOAWAY 0 NO_ERROR");
    assert!(bench.connection.is_finishing());
    // An error tells the last stream that was looked at.
    let rows = vec![
        row(
            "an error while draining",
            [Do::Peer(post(1)), Do::Drain, Do::Peer(update(0, 0))],
            "headers 1, error PROTOCOL_ERROR | GOAWAY 2147483647 NO_ERROR, PING, GOAWAY 1 PROTOCOL_ERROR",
        ),
        row("drained twice", [Do::Drain, Do::Drain], "| GOAWAY 2147483647 NO_ERROR, PING"),
    ];
    check(Bench::server, rows);
}

#[test]
fn continuations() {
    let block = wire::block(wire::GET);
    let (a, b) = block.split_at(7);
    let begin = |id| frame(HEADERS, END_STREAM, id, a);
    let within = |other: Vec<u8>| [begin(1), other];
    let rows = vec![
        row("a block in two", within(frame(CONTINUATION, END_HEADERS, 1, b)), "headers 1 end |"),
        row(
            "a block in three",
            [begin(1), frame(CONTINUATION, 0, 1, &b[..3]), frame(CONTINUATION, END_HEADERS, 1, &b[3..])],
            "headers 1 end |",
        ),
        row(
            "parts may be empty",
            [
                frame(HEADERS, END_STREAM, 1, b""),
                frame(CONTINUATION, 0, 1, b""),
                frame(CONTINUATION, END_HEADERS, 1, &block),
            ],
            "headers 1 end |",
        ),
        row(
            "the last may be empty",
            [frame(HEADERS, END_STREAM, 1, &block), frame(CONTINUATION, END_HEADERS, 1, b"")],
            "headers 1 end |",
        ),
        row(
            "END_STREAM is that of HEADERS",
            [frame(HEADERS, 0, 1, a), frame(CONTINUATION, END_HEADERS | END_STREAM, 1, b)],
            "headers 1 |",
        ),
        row(
            "trailers in two",
            [post(1), frame(HEADERS, END_STREAM, 1, b""), continuation(1)],
            "headers 1, trailers 1 |",
        ),
        row("another stream's", within(frame(CONTINUATION, END_HEADERS, 3, b)), BROKEN),
        row("HEADERS within", within(get(3)), BROKEN),
        row("HEADERS of the same stream within", within(get(1)), BROKEN),
        row("DATA within", within(data(1, 0, b"x")), BROKEN),
        row("PRIORITY within", within(wire::priority(1, 0)), BROKEN),
        row("SETTINGS within", within(wire::settings(&[])), BROKEN),
        row("PING within", within(ping([0; 8])), BROKEN),
        row("WINDOW_UPDATE within", within(update(0, 1)), BROKEN),
        row("RST_STREAM within", within(rst(1, 8)), BROKEN),
        row("an unknown type within", within(frame(0x42, 0, 0, b"")), BROKEN),
        row(
            "after a block that was whole",
            [get(1), continuation(1)],
            "headers 1 end, error PROTOCOL_ERROR | GOAWAY 1 PROTOCOL_ERROR",
        ),
        row(
            "after DATA",
            [post(1), data(1, 0, b"x"), continuation(1)],
            "headers 1, data 1 1, error PROTOCOL_ERROR | GOAWAY 1 PROTOCOL_ERROR",
        ),
    ];
    check(Bench::server, rows);
}

#[test]
fn nothing_is_taken_after_an_error() {
    let rows = vec![row(
        "a request after an error",
        [update(0, 0), get(1)],
        "error PROTOCOL_ERROR, error PROTOCOL_ERROR | GOAWAY 0 PROTOCOL_ERROR",
    )];
    check(Bench::server, rows);
    let mut bench = Bench::server();
    bench.feed(&post(1));
    bench.connection.close(Code::INTERNAL_ERROR);
    assert_eq!(bench.events(&get(3), true), ["error INTERNAL_ERROR"]);
    assert_eq!(bench.said(), ["GOAWAY 1 INTERNAL_ERROR"]);
    assert!(bench.connection.is_finishing() && !bench.connection.is_open());
}
