//! A client: what a server may and may not do.

use super::*;
use wire::{
    CONTINUATION, END_HEADERS, END_STREAM, HEADERS, PING, PUSH_PROMISE, SETTINGS, data, frame, goaway, headers, ping,
    rst, settings, settings_ack, update,
};

const BROKEN: &str = "error PROTOCOL_ERROR | GOAWAY 0 PROTOCOL_ERROR";
const SIZE: &str = "error FRAME_SIZE_ERROR | GOAWAY 0 FRAME_SIZE_ERROR";

/// A client that waits for answers on streams 1 to 5: of a request that has ended, of one that has not, and to HEAD.
fn asking() -> Bench {
    let mut bench = Bench::client();
    bench.open(Request::Ordinary, End::Stream);
    bench.open(Request::Ordinary, End::Open);
    bench.open(Request::Head, End::Stream);
    bench.frames();
    bench
}

fn ok(id: u32) -> Vec<u8> {
    headers(id, 0, &wire::OK)
}

fn with(id: u32, flags: u8, more: &[(&str, &str)]) -> Vec<u8> {
    headers(id, flags, &[&wire::OK[..], more].concat())
}

#[test]
fn first_words() {
    let rows = vec![
        row("SETTINGS", [settings(&[])], "settings | SETTINGS ack"),
        row("SETTINGS and an acknowledgement", [settings(&[]), settings_ack()], "settings | SETTINGS ack"),
        row("an acknowledgement first", [settings_ack()], BROKEN),
        row("PING first", [ping([0; 8])], BROKEN),
        row("GOAWAY first", [goaway(0, 0)], BROKEN),
        row("HTTP/1.1", [b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()], SIZE),
        row("ENABLE_PUSH 0", [settings(&[(wire::ENABLE_PUSH, 0)])], "settings | SETTINGS ack"),
        row("ENABLE_PUSH 1", [settings(&[(wire::ENABLE_PUSH, 1)])], BROKEN),
        row("ENABLE_PUSH 2", [settings(&[(wire::ENABLE_PUSH, 2)])], BROKEN),
        row(
            "ENABLE_PUSH 1 later",
            [settings(&[]), settings(&[(wire::ENABLE_PUSH, 1)])],
            "settings, error PROTOCOL_ERROR | SETTINGS ack, GOAWAY 0 PROTOCOL_ERROR",
        ),
        row(
            "INITIAL_WINDOW_SIZE 2^31",
            [settings(&[(wire::INITIAL_WINDOW_SIZE, 1 << 31)])],
            "error FLOW_CONTROL_ERROR | GOAWAY 0 FLOW_CONTROL_ERROR",
        ),
        row("MAX_FRAME_SIZE 0", [settings(&[(wire::MAX_FRAME_SIZE, 0)])], BROKEN),
        row(
            "CONNECT_PROTOCOL taken back",
            [settings(&[(wire::ENABLE_CONNECT_PROTOCOL, 1)]), settings(&[(wire::ENABLE_CONNECT_PROTOCOL, 0)])],
            "settings, error PROTOCOL_ERROR | SETTINGS ack, GOAWAY 0 PROTOCOL_ERROR",
        ),
        row(
            "acknowledged twice",
            [settings(&[]), settings_ack(), settings_ack()],
            "settings, error PROTOCOL_ERROR | SETTINGS ack, GOAWAY 0 PROTOCOL_ERROR",
        ),
        row("too long a frame", [frame(SETTINGS, 0, 0, &[0; 16_386])], SIZE),
    ];
    check(|| Bench::fresh(Role::Client, Config::default()), rows);
    let first = Connection::new(Role::Client, Config::default(), Instant::now());
    let frames = wire::frames(first.output().strip_prefix(wire::PREFACE).unwrap());
    assert_eq!((frames[0].kind, frames[0].flags, frames[0].stream), (SETTINGS, 0, 0));
    let entries: Vec<_> = frames[0].payload.chunks(6).collect();
    assert!(entries.contains(&&[0, 2, 0, 0, 0, 0][..]), "push is switched off: {entries:?}");
}

#[test]
fn answers() {
    let rows = vec![
        row("at once", [headers(1, END_STREAM, &wire::OK)], "headers 1 end |"),
        row(
            "with content",
            [ok(1), data(1, 0, b"x"), data(1, END_STREAM, b"yz")],
            "headers 1, data 1 1, data 1 2 end |",
        ),
        row(
            "with trailers",
            [ok(1), data(1, 0, b"x"), headers(1, END_STREAM, &[("a", "b")])],
            "headers 1, data 1 1, trailers 1 |",
        ),
        row("trailers only", [ok(1), headers(1, END_STREAM, &[("a", "b")])], "headers 1, trailers 1 |"),
        row(
            "informational before",
            [
                headers(1, 0, &[(":status", "100")]),
                headers(1, 0, &[(":status", "103"), ("link", "x")]),
                headers(1, END_STREAM, &wire::OK),
            ],
            "informational 1, informational 1, headers 1 end |",
        ),
        row(
            "informational and a length of 0",
            [headers(1, 0, &[(":status", "103"), ("content-length", "0")]), headers(1, END_STREAM, &wire::OK)],
            "informational 1, headers 1 end |",
        ),
        row("before the request has ended", [headers(3, END_STREAM, &wire::OK)], "headers 3 end |"),
        row("NO_ERROR after it", [headers(3, END_STREAM, &wire::OK), rst(3, 0)], "headers 3 end, reset 3 NO_ERROR |"),
        row(
            "in another order",
            [headers(5, END_STREAM, &wire::OK), headers(1, END_STREAM, &wire::OK)],
            "headers 5 end, headers 1 end |",
        ),
        row(
            "in two frames",
            [frame(HEADERS, END_STREAM, 1, b""), frame(CONTINUATION, END_HEADERS, 1, &wire::block(wire::OK))],
            "headers 1 end |",
        ),
        row("RST_STREAM", [rst(1, 7)], "reset 1 REFUSED_STREAM |"),
        row("RST_STREAM within", [ok(1), data(1, 0, b"x"), rst(1, 8)], "headers 1, data 1 1, reset 1 CANCEL |"),
        row("PRIORITY is ignored", [wire::priority(1, 3), headers(1, END_STREAM, &wire::OK)], "headers 1 end |"),
        row("PING", [ping([9; 8])], "| PING ack"),
        row("an unknown type", [frame(0x42, 0, 0, b"x")], "|"),
    ];
    check(asking, rows);
}

#[test]
fn faults_of_an_answer() {
    let before = "fault 1 PROTOCOL_ERROR | RST_STREAM 1 PROTOCOL_ERROR";
    let after = "headers 1, fault 1 PROTOCOL_ERROR | RST_STREAM 1 PROTOCOL_ERROR";
    let rows = vec![
        row("DATA first", [data(1, 0, b"x")], before),
        row(
            "DATA after an informational one",
            [headers(1, 0, &[(":status", "103")]), data(1, 0, b"x")],
            "informational 1, fault 1 PROTOCOL_ERROR | RST_STREAM 1 PROTOCOL_ERROR",
        ),
        row(
            "the end after an informational one",
            [headers(1, 0, &[(":status", "103")]), data(1, END_STREAM, b"")],
            "informational 1, fault 1 PROTOCOL_ERROR | RST_STREAM 1 PROTOCOL_ERROR",
        ),
        row("informational with a length", [headers(1, 0, &[(":status", "103"), ("content-length", "1")])], before),
        row("two final ones", [ok(1), ok(1)], after),
        row("informational after the final one", [ok(1), headers(1, 0, &[(":status", "103")])], after),
        row("trailers without END_STREAM", [ok(1), headers(1, 0, &[("a", "b")])], after),
        row("trailers with :status", [ok(1), headers(1, END_STREAM, &wire::OK)], after),
        row("less than its length", [with(1, 0, &[("content-length", "3")]), data(1, END_STREAM, b"ab")], after),
        row("more than its length", [with(1, 0, &[("content-length", "3")]), data(1, 0, b"abcd")], after),
        row("a length and no content", [with(1, END_STREAM, &[("content-length", "3")])], before),
        row(
            "trailers before the length is reached",
            [with(1, 0, &[("content-length", "3")]), headers(1, END_STREAM, &[("a", "b")])],
            after,
        ),
        row("content of 204", [headers(1, 0, &[(":status", "204")]), data(1, 0, b"x")], after),
        row("content of 304", [headers(1, 0, &[(":status", "304"), ("content-length", "1")]), data(1, 0, b"x")], after),
        row(
            "an empty frame of 204",
            [headers(1, 0, &[(":status", "204")]), data(1, END_STREAM, b"")],
            "headers 1, data 1 0 end |",
        ),
        row(
            "content of an answer to HEAD",
            [with(5, 0, &[("content-length", "1")]), data(5, 0, b"x")],
            "headers 5, fault 5 PROTOCOL_ERROR | RST_STREAM 5 PROTOCOL_ERROR",
        ),
        row("a length of an answer to HEAD", [with(5, END_STREAM, &[("content-length", "7")])], "headers 5 end |"),
        row(
            "a length of an answer to HEAD, and an empty frame",
            [with(5, 0, &[("content-length", "7")]), data(5, END_STREAM, b"")],
            "headers 5, data 5 0 end |",
        ),
        row("WINDOW_UPDATE by 0", [update(1, 0)], before),
        row(
            "a window above 2^31-1",
            [update(3, MAX_WINDOW)],
            "fault 3 FLOW_CONTROL_ERROR | RST_STREAM 3 FLOW_CONTROL_ERROR",
        ),
        row("PRIORITY on itself", [wire::priority(1, 1)], before),
    ];
    check(asking, rows);
}

#[test]
fn states() {
    let ended = || headers(1, END_STREAM, &wire::OK);
    let closed = "headers 1 end, error STREAM_CLOSED | GOAWAY 0 STREAM_CLOSED";
    let rows = vec![
        row("HEADERS of a stream that was never opened", [ok(7)], BROKEN),
        row("DATA of a stream that was never opened", [data(7, 0, b"x")], BROKEN),
        row("RST_STREAM of a stream that was never opened", [rst(7, 8)], BROKEN),
        row("WINDOW_UPDATE of a stream that was never opened", [update(7, 5_000)], BROKEN),
        row("a stream of the server's", [ok(2)], BROKEN),
        row("DATA on a stream of the server's", [data(2, 0, b"x")], BROKEN),
        row(
            "PUSH_PROMISE",
            [frame(PUSH_PROMISE, END_HEADERS, 1, &[&[0, 0, 0, 2][..], &wire::block(wire::GET)].concat())],
            BROKEN,
        ),
        row("PUSH_PROMISE on the connection", [frame(PUSH_PROMISE, END_HEADERS, 0, &[0, 0, 0, 2])], BROKEN),
        row("CONTINUATION alone", [frame(CONTINUATION, END_HEADERS, 1, b"")], BROKEN),
        row("DATA after the end of both", [ended(), data(1, 0, b"x")], closed),
        row("HEADERS after the end of both", [ended(), ok(1)], closed),
        row("RST_STREAM after the end of both", [ended(), rst(1, 0)], "headers 1 end |"),
        row("WINDOW_UPDATE after the end of both", [ended(), update(1, 5_000)], "headers 1 end |"),
        row(
            "DATA after the end of one",
            [headers(3, END_STREAM, &wire::OK), data(3, 0, b"x")],
            "headers 3 end, fault 3 STREAM_CLOSED | RST_STREAM 3 STREAM_CLOSED",
        ),
        row(
            "HEADERS after the end of one",
            [headers(3, END_STREAM, &wire::OK), ok(3)],
            "headers 3 end, fault 3 STREAM_CLOSED | RST_STREAM 3 STREAM_CLOSED",
        ),
        row(
            "WINDOW_UPDATE after the end of one",
            [headers(3, END_STREAM, &wire::OK), update(3, 5_000)],
            "headers 3 end |",
        ),
        row("PING on a stream", [frame(PING, 0, 1, &[0; 8])], BROKEN),
        row("SETTINGS on a stream", [frame(SETTINGS, 0, 1, b"")], BROKEN),
        row("WINDOW_UPDATE of the connection by 0", [update(0, 0)], BROKEN),
        row(
            "the connection's window above 2^31-1",
            [update(0, MAX_WINDOW)],
            "error FLOW_CONTROL_ERROR | GOAWAY 0 FLOW_CONTROL_ERROR",
        ),
        row("DATA within a block", [frame(HEADERS, 0, 1, b""), data(1, 0, b"x")], BROKEN),
        row("a frame above the largest size", [data(1, 0, &[0; 16_385])], SIZE),
    ];
    check(asking, rows);
    // What was on its way when we reset.
    let late = |bytes: Vec<u8>| [Do::Reset(1), Do::Peer(bytes), Do::Peer(ping([0; 8]))];
    let fine = "| RST_STREAM 1 CANCEL, PING ack";
    let rows = vec![
        row("a late answer", late(ok(1)), fine),
        row("late content", late([ok(1), data(1, 0, b"x"), data(1, END_STREAM, b"x")].concat()), fine),
        row("a late RST_STREAM", late(rst(1, 8)), fine),
        row("a late WINDOW_UPDATE", late(update(1, 5_000)), fine),
    ];
    check(asking, rows);
}

#[test]
fn goaway_of_the_server() {
    let rows = vec![
        row("all are looked at", [goaway(5, 0)], "goaway 5 NO_ERROR |"),
        row(
            "some are not",
            [goaway(1, 0), headers(1, END_STREAM, &wire::OK)],
            "goaway 1 NO_ERROR, unprocessed 3 REFUSED_STREAM, unprocessed 5 REFUSED_STREAM, headers 1 end |",
        ),
        row(
            "none is",
            [goaway(0, 2)],
            "goaway 0 INTERNAL_ERROR, unprocessed 1 REFUSED_STREAM, unprocessed 3 REFUSED_STREAM, unprocessed 5 REFUSED_STREAM |",
        ),
        row(
            "in two steps",
            [goaway(MAX_STREAM_ID, 0), goaway(3, 0)],
            "goaway 2147483647 NO_ERROR, goaway 3 NO_ERROR, unprocessed 5 REFUSED_STREAM |",
        ),
        row(
            "rising",
            [goaway(1, 0), goaway(3, 0)],
            "goaway 1 NO_ERROR, unprocessed 3 REFUSED_STREAM, unprocessed 5 REFUSED_STREAM, error PROTOCOL_ERROR | GOAWAY 0 PROTOCOL_ERROR",
        ),
        row("of 7 bytes", [frame(wire::GOAWAY, 0, 0, &[0; 7])], SIZE),
        row("on a stream", [frame(wire::GOAWAY, 0, 1, &[0; 8])], BROKEN),
    ];
    check(asking, rows);
    let mut bench = asking();
    bench.feed(&goaway(5, 0));
    let refused =
        bench.connection.open(Request::Ordinary, None, request_fields(Request::Ordinary), End::Stream, bench.now);
    assert_eq!(refused, Err(crate::OpenError::Closing));
    assert!(bench.connection.is_finishing() && bench.connection.active() == 3);
}

#[test]
fn tunnels() {
    let tunnel = || {
        let mut bench = Bench::client();
        bench.open(Request::Tunnel, End::Open);
        bench.frames();
        bench
    };
    let fault = "headers 1, fault 1 PROTOCOL_ERROR | RST_STREAM 1 PROTOCOL_ERROR";
    let rows = vec![
        row(
            "content both ways",
            [ok(1), data(1, 0, b"x"), data(1, END_STREAM, b"")],
            "headers 1, data 1 1, data 1 0 end |",
        ),
        row(
            "a length means nothing",
            [with(1, 0, &[("content-length", "3")]), data(1, 0, b"abcd")],
            "headers 1, data 1 4 |",
        ),
        row("HEADERS within", [ok(1), headers(1, END_STREAM, &[("a", "b")])], fault),
        row(
            "a refusal is an answer like others",
            [
                headers(1, 0, &[(":status", "403"), ("content-length", "1")]),
                data(1, 0, b"x"),
                headers(1, END_STREAM, &[("a", "b")]),
            ],
            "headers 1, data 1 1, trailers 1 |",
        ),
        row(
            "and has a length",
            [headers(1, 0, &[(":status", "403"), ("content-length", "1")]), data(1, 0, b"xy")],
            fault,
        ),
    ];
    check(tunnel, rows);
}

#[test]
fn streams_are_opened_as_the_server_allows() {
    let mut bench = Bench::new(Role::Client, Config { max_streams: 5, ..Config::default() });
    let open = |bench: &mut Bench| {
        let fields = request_fields(Request::Ordinary);
        bench.connection.open(Request::Ordinary, None, fields, End::Stream, bench.now).map(StreamRef::id)
    };
    assert_eq!((0..5).map(|_| open(&mut bench).unwrap()).collect::<Vec<_>>(), [1, 3, 5, 7, 9]);
    assert_eq!(open(&mut bench), Err(crate::OpenError::Full));
    bench.feed(&settings(&[(wire::MAX_CONCURRENT_STREAMS, 4)]));
    bench.feed(&headers(1, END_STREAM, &wire::OK));
    assert_eq!((bench.connection.limit(), open(&mut bench)), (4, Err(crate::OpenError::Full)));
    bench.feed(&headers(3, END_STREAM, &wire::OK));
    assert_eq!(open(&mut bench), Ok(11));
    bench.feed(&settings(&[(wire::MAX_CONCURRENT_STREAMS, 0)]));
    assert_eq!(open(&mut bench), Err(crate::OpenError::Full));
    bench.feed(&settings(&[(wire::MAX_CONCURRENT_STREAMS, 9)]));
    assert_eq!((bench.connection.limit(), open(&mut bench)), (5, Ok(13)));
    // Ids come to an end.
    bench.feed(&headers(13, END_STREAM, &wire::OK));
    bench.connection.next_id = MAX_STREAM_ID;
    assert_eq!(open(&mut bench), Ok(MAX_STREAM_ID));
    bench.feed(&headers(11, END_STREAM, &wire::OK));
    assert_eq!(open(&mut bench), Err(crate::OpenError::Exhausted));
    // A server opens none.
    assert_eq!(open(&mut Bench::server()), Err(crate::OpenError::Closing));
    // Nor does a client that says GOAWAY.
    let mut bench = Bench::client();
    bench.connection.drain(bench.now);
    assert_eq!(
        (open(&mut bench), bench.said()),
        (Err(crate::OpenError::Closing), vec!["GOAWAY 0 NO_ERROR".to_owned()])
    );
}
