//! A server: the preface, and frames as such (RFC 9113 3, 4 and 6).

use super::*;
use wire::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING, PREFACE, PRIORITIZED, PRIORITY,
    PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, data, frame, get, goaway, ping, post, rst, settings,
    settings_ack, update,
};

const BROKEN: &str = "error PROTOCOL_ERROR | GOAWAY 0 PROTOCOL_ERROR";
const BROKEN_1: &str = "headers 1, error PROTOCOL_ERROR | GOAWAY 1 PROTOCOL_ERROR";
const SIZE: &str = "error FRAME_SIZE_ERROR | GOAWAY 0 FRAME_SIZE_ERROR";
const FLOW: &str = "error FLOW_CONTROL_ERROR | GOAWAY 0 FLOW_CONTROL_ERROR";

fn with(first: Vec<u8>, then: Vec<u8>) -> [Vec<u8>; 1] {
    [[first, then].concat()]
}

#[test]
fn preface() {
    let after = |frame: Vec<u8>| [[PREFACE, &frame].concat()];
    let rows = vec![
        row("preface and SETTINGS", after(settings(&[])), "settings | SETTINGS ack"),
        row(
            "in two parts",
            [PREFACE[..10].to_vec(), [&PREFACE[10..], &settings(&[])].concat()],
            "settings | SETTINGS ack",
        ),
        row("HTTP/1.1", [b"GET / HTTP/1.1\r\n\r\n".to_vec()], BROKEN),
        row("the first byte is enough to know", [b"X".to_vec()], BROKEN),
        row("wrong at its end", [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r".to_vec()], BROKEN),
        row("no preface but SETTINGS", [settings(&[])], BROKEN),
        row("PING first", after(ping([0; 8])), BROKEN),
        row("HEADERS first", after(get(1)), BROKEN),
        row("an unknown type first", after(frame(0x42, 0, 0, b"")), BROKEN),
        row("an acknowledgement first", after(settings_ack()), BROKEN),
        row(
            "the preface again",
            after([&settings(&[]), PREFACE].concat()),
            "settings, error FRAME_SIZE_ERROR | SETTINGS ack, GOAWAY 0 FRAME_SIZE_ERROR",
        ),
    ];
    check(|| Bench::fresh(Role::Server, Config::default()), rows);
}

#[test]
fn heads_of_frames() {
    let rows = vec![
        row("the reserved bit is ignored", [frame(PING, 0, 1 << 31, &[0; 8])], "| PING ack"),
        row(
            "the reserved bit is ignored in HEADERS",
            [frame(HEADERS, 5, 1 << 31 | 1, &wire::block(wire::GET))],
            "headers 1 end |",
        ),
        row("unknown flags are ignored", [frame(PING, 0xfe, 0, &[0; 8])], "| PING ack"),
        row("unknown flags of DATA are ignored", with(post(1), frame(DATA, 0xf6, 1, b"x")), "headers 1, data 1 1 |"),
        row("unknown types are ignored", [frame(0x42, 0xff, 0, b"some"), frame(0xff, 0xff, 7, b"")], "|"),
        row("DATA of 16,384 bytes", with(post(1), data(1, END_STREAM, &[0; 16_384])), "headers 1, data 1 16384 end |"),
        row(
            "DATA above the largest size",
            with(post(1), data(1, 0, &[0; 16_385])),
            "headers 1, error FRAME_SIZE_ERROR | GOAWAY 1 FRAME_SIZE_ERROR",
        ),
        row("HEADERS above the largest size", [frame(HEADERS, 5, 1, &[0; 16_385])], SIZE),
        row("an unknown type above the largest size", [frame(0x42, 0, 0, &[0; 16_385])], SIZE),
        row("SETTINGS above the largest size", [frame(SETTINGS, 0, 0, &[0; 16_386])], SIZE),
        row("the largest length", [[&[0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1][..]].concat()], SIZE),
        row("PING of 7 bytes", [frame(PING, 0, 0, &[0; 7])], SIZE),
        row("PING of 9 bytes", [frame(PING, 0, 0, &[0; 9])], SIZE),
        row(
            "RST_STREAM of 3 bytes",
            with(post(1), frame(RST_STREAM, 0, 1, &[0; 3])),
            "headers 1, error FRAME_SIZE_ERROR | GOAWAY 1 FRAME_SIZE_ERROR",
        ),
        row(
            "RST_STREAM of 5 bytes",
            with(post(1), frame(RST_STREAM, 0, 1, &[0; 5])),
            "headers 1, error FRAME_SIZE_ERROR | GOAWAY 1 FRAME_SIZE_ERROR",
        ),
        row("WINDOW_UPDATE of 3 bytes", [frame(WINDOW_UPDATE, 0, 0, &[0; 3])], SIZE),
        row("WINDOW_UPDATE of 5 bytes", [frame(WINDOW_UPDATE, 0, 0, &[0; 5])], SIZE),
        row("GOAWAY of 7 bytes", [frame(GOAWAY, 0, 0, &[0; 7])], SIZE),
        row("SETTINGS of 5 bytes", [frame(SETTINGS, 0, 0, &[0; 5])], SIZE),
        row("an acknowledgement with a payload", [frame(SETTINGS, wire::ACK, 0, &[0; 6])], SIZE),
        row(
            "PRIORITY of 4 bytes",
            with(post(1), frame(PRIORITY, 0, 1, &[0; 4])),
            "headers 1, fault 1 FRAME_SIZE_ERROR | RST_STREAM 1 FRAME_SIZE_ERROR",
        ),
        row(
            "PRIORITY of 6 bytes",
            with(post(1), frame(PRIORITY, 0, 1, &[0; 6])),
            "headers 1, fault 1 FRAME_SIZE_ERROR | RST_STREAM 1 FRAME_SIZE_ERROR",
        ),
        row("PRIORITY of 4 bytes on an idle stream", [frame(PRIORITY, 0, 1, &[0; 4])], SIZE),
    ];
    check(Bench::server, rows);
    let rows = vec![
        row("as large as we announced", with(post(1), data(1, 0, &[0; 32_768])), "headers 1, data 1 32768 |"),
        row(
            "larger than that",
            with(post(1), data(1, 0, &[0; 32_769])),
            "headers 1, error FRAME_SIZE_ERROR | GOAWAY 1 FRAME_SIZE_ERROR",
        ),
    ];
    check(|| Bench::new(Role::Server, Config { max_frame: 32_768, ..Config::default() }), rows);
}

#[test]
fn frames_are_where_they_belong() {
    let rows = vec![
        row("DATA on the connection", [data(0, 0, b"x")], BROKEN),
        row("HEADERS on the connection", [get(0)], BROKEN),
        row("PRIORITY on the connection", [wire::priority(0, 1)], BROKEN),
        row("RST_STREAM on the connection", [rst(0, 0)], BROKEN),
        row("CONTINUATION on the connection", [frame(CONTINUATION, END_HEADERS, 0, b"")], BROKEN),
        row("PUSH_PROMISE on the connection", [frame(PUSH_PROMISE, END_HEADERS, 0, &[0, 0, 0, 2])], BROKEN),
        row("SETTINGS on a stream", [frame(SETTINGS, 0, 1, b"")], BROKEN),
        row("an acknowledgement on a stream", [frame(SETTINGS, wire::ACK, 1, b"")], BROKEN),
        row("PING on a stream", [frame(PING, 0, 1, &[0; 8])], BROKEN),
        row("GOAWAY on a stream", [frame(GOAWAY, 0, 1, &[0; 8])], BROKEN),
        row("PUSH_PROMISE of a client", with(post(1), frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2])), BROKEN_1),
    ];
    check(Bench::server, rows);
}

#[test]
fn padding_and_priority() {
    let block = wire::block(wire::GET);
    let headers = |flags, parts: &[&[u8]]| [frame(HEADERS, flags | END_HEADERS | END_STREAM, 1, &parts.concat())];
    let padded = |payload: &[u8]| with(post(1), data(1, PADDED, payload));
    let fifty = u8::try_from(block.len()).unwrap();
    let rows = vec![
        row("DATA with padding", padded(&[2, b'x', 0, 0]), "headers 1, data 1 1 |"),
        row("padding of another value than 0", padded(&[2, b'x', 1, 2]), "headers 1, data 1 1 |"),
        row("no padding but its length", padded(&[0, b'x']), "headers 1, data 1 1 |"),
        row("nothing but padding", padded(&[2, 0, 0]), "headers 1 |"),
        row(
            "nothing but padding, and the end",
            with(post(1), data(1, PADDED | END_STREAM, &[2, 0, 0])),
            "headers 1, data 1 0 end |",
        ),
        row("padding as long as the frame", padded(&[3, b'x', 0]), BROKEN_1),
        row("padding of DATA longer than the frame", padded(&[200, b'x', 0]), BROKEN_1),
        row(
            "DATA without the length of its padding",
            padded(&[]),
            "headers 1, error FRAME_SIZE_ERROR | GOAWAY 1 FRAME_SIZE_ERROR",
        ),
        row("HEADERS with padding", headers(PADDED, &[&[3], &block, &[0; 3]]), "headers 1 end |"),
        row("HEADERS with no padding but its length", headers(PADDED, &[&[0], &block]), "headers 1 end |"),
        row("padding of HEADERS longer than the frame", headers(PADDED, &[&[fifty + 1], &block]), BROKEN),
        row(
            "padding instead of a block",
            headers(PADDED, &[&[fifty], &block]),
            "refused 1 PROTOCOL_ERROR | RST_STREAM 1 PROTOCOL_ERROR",
        ),
        row("HEADERS without the length of its padding", headers(PADDED, &[]), SIZE),
        row("HEADERS with a priority", headers(PRIORITIZED, &[&[0, 0, 0, 3, 9], &block]), "headers 1 end |"),
        row(
            "HEADERS with an exclusive priority",
            headers(PRIORITIZED, &[&[0x80, 0, 0, 0, 9], &block]),
            "headers 1 end |",
        ),
        row(
            "HEADERS with both",
            headers(PRIORITIZED | PADDED, &[&[2], &[0, 0, 0, 0, 9], &block, &[0; 2]]),
            "headers 1 end |",
        ),
        row("HEADERS too short for its priority", headers(PRIORITIZED, &[&[0, 0, 0, 0]]), SIZE),
        row(
            "padding that reaches into the priority",
            headers(PRIORITIZED | PADDED, &[&[3], &[0, 0, 0, 0, 9], &[0; 2]]),
            SIZE,
        ),
        row("HEADERS that depends on itself", headers(PRIORITIZED, &[&[0, 0, 0, 1, 9], &block]), BROKEN),
        row("HEADERS that depends on itself exclusively", headers(PRIORITIZED, &[&[0x80, 0, 0, 1, 9], &block]), BROKEN),
        row("PRIORITY of an idle stream", [wire::priority(1, 3)], "|"),
        row(
            "PRIORITY on itself",
            with(post(1), wire::priority(1, 1)),
            "headers 1, fault 1 PROTOCOL_ERROR | RST_STREAM 1 PROTOCOL_ERROR",
        ),
        row("PRIORITY of an idle stream on itself", [wire::priority(1, 1)], BROKEN),
    ];
    check(Bench::server, rows);
}

#[test]
fn settings_of_a_client() {
    let one = |name, value| [settings(&[(name, value)])];
    let fine = "settings | SETTINGS ack";
    let rows = vec![
        row("none", [settings(&[])], fine),
        row("unknown ones", [settings(&[(0, 1), (0x7f, 9), (0xffff, u32::MAX)])], fine),
        row("ENABLE_PUSH 0", one(wire::ENABLE_PUSH, 0), fine),
        row("ENABLE_PUSH 1", one(wire::ENABLE_PUSH, 1), fine),
        row("ENABLE_PUSH 2", one(wire::ENABLE_PUSH, 2), BROKEN),
        row("INITIAL_WINDOW_SIZE 2^31-1", one(wire::INITIAL_WINDOW_SIZE, MAX_WINDOW), fine),
        row("INITIAL_WINDOW_SIZE 2^31", one(wire::INITIAL_WINDOW_SIZE, 1 << 31), FLOW),
        row("MAX_FRAME_SIZE 16,383", one(wire::MAX_FRAME_SIZE, 16_383), BROKEN),
        row("MAX_FRAME_SIZE 16,384", one(wire::MAX_FRAME_SIZE, 16_384), fine),
        row("MAX_FRAME_SIZE 2^24-1", one(wire::MAX_FRAME_SIZE, (1 << 24) - 1), fine),
        row("MAX_FRAME_SIZE 2^24", one(wire::MAX_FRAME_SIZE, 1 << 24), BROKEN),
        row("HEADER_TABLE_SIZE 2^32-1", one(wire::HEADER_TABLE_SIZE, u32::MAX), fine),
        row("MAX_CONCURRENT_STREAMS 0", one(wire::MAX_CONCURRENT_STREAMS, 0), fine),
        row("MAX_HEADER_LIST_SIZE 0", one(wire::MAX_HEADER_LIST_SIZE, 0), fine),
        row("ENABLE_CONNECT_PROTOCOL 2", one(wire::ENABLE_CONNECT_PROTOCOL, 2), BROKEN),
        row(
            "ENABLE_CONNECT_PROTOCOL taken back",
            [settings(&[(wire::ENABLE_CONNECT_PROTOCOL, 1)]), settings(&[(wire::ENABLE_CONNECT_PROTOCOL, 0)])],
            "settings, error PROTOCOL_ERROR | SETTINGS ack, GOAWAY 0 PROTOCOL_ERROR",
        ),
        row("one twice", [settings(&[(wire::MAX_FRAME_SIZE, 20_000), (wire::MAX_FRAME_SIZE, 1)])], BROKEN),
        row("each is acknowledged", [settings(&[]), settings(&[])], "settings, settings | SETTINGS ack, SETTINGS ack"),
        row("an acknowledgement of nothing", [settings_ack()], BROKEN),
        row(
            "a window raised above 2^31-1",
            [[post(1), update(1, MAX_WINDOW - 65_535), settings(&[(wire::INITIAL_WINDOW_SIZE, 65_536)])].concat()],
            "headers 1, error FLOW_CONTROL_ERROR | GOAWAY 1 FLOW_CONTROL_ERROR",
        ),
        row(
            "a window raised to 2^31-1",
            [[post(1), update(1, MAX_WINDOW - 65_536), settings(&[(wire::INITIAL_WINDOW_SIZE, 65_536)])].concat()],
            "headers 1, settings | SETTINGS ack",
        ),
    ];
    check(Bench::server, rows);
}

#[test]
fn pings_goaways_and_windows() {
    let rows = vec![
        row("PING", [ping(*b"12345678")], "| PING ack"),
        row("a PING's answer that nobody waits for", [frame(PING, wire::ACK, 0, &[0; 8])], "|"),
        row("GOAWAY", [goaway(0, 0)], "goaway 0 NO_ERROR |"),
        row(
            "GOAWAY with a reason",
            [frame(GOAWAY, 0, 0, b"\0\0\0\0\0\0\0\x0bcalm down")],
            "goaway 0 ENHANCE_YOUR_CALM |",
        ),
        row("GOAWAY with an unknown code", [goaway(0, 0xff)], "goaway 0 error code 0xff |"),
        row("GOAWAY with the reserved bit", [goaway(1 << 31 | 6, 0)], "goaway 6 NO_ERROR |"),
        row(
            "GOAWAY twice, falling",
            [goaway(MAX_STREAM_ID, 0), goaway(4, 0)],
            "goaway 2147483647 NO_ERROR, goaway 4 NO_ERROR |",
        ),
        row(
            "GOAWAY twice, rising",
            [goaway(4, 0), goaway(6, 0)],
            "goaway 4 NO_ERROR, error PROTOCOL_ERROR | GOAWAY 0 PROTOCOL_ERROR",
        ),
        row(
            "streams go on after GOAWAY",
            with([post(1), goaway(0, 0)].concat(), data(1, END_STREAM, b"x")),
            "headers 1, goaway 0 NO_ERROR, data 1 1 end |",
        ),
        row("WINDOW_UPDATE of the connection by 0", [update(0, 0)], BROKEN),
        row("WINDOW_UPDATE of the connection by nothing but the reserved bit", [update(0, 1 << 31)], BROKEN),
        row("WINDOW_UPDATE with the reserved bit", [update(0, 1 << 31 | 0x2000)], "|"),
        row("the connection's window is 2^31-1", [update(0, MAX_WINDOW - 65_535)], "|"),
        row("the connection's window is above 2^31-1", [update(0, MAX_WINDOW - 65_534)], FLOW),
        row(
            "WINDOW_UPDATE of a stream by 0",
            with(post(1), update(1, 0)),
            "headers 1, fault 1 PROTOCOL_ERROR | RST_STREAM 1 PROTOCOL_ERROR",
        ),
        row("a stream's window is 2^31-1", with(post(1), update(1, MAX_WINDOW - 65_535)), "headers 1 |"),
        row(
            "a stream's window is above 2^31-1",
            with(post(1), update(1, MAX_WINDOW - 65_534)),
            "headers 1, fault 1 FLOW_CONTROL_ERROR | RST_STREAM 1 FLOW_CONTROL_ERROR",
        ),
        row(
            "a stream's window in two steps",
            [[post(1), update(1, MAX_WINDOW), update(1, 1)].concat()],
            "headers 1, fault 1 FLOW_CONTROL_ERROR | RST_STREAM 1 FLOW_CONTROL_ERROR",
        ),
    ];
    check(Bench::server, rows);
}

#[test]
fn data_beyond_windows() {
    let small = || {
        let config = Config { window: 10, max_window: 10, connection_window: 65_535, ..Config::default() };
        Bench::new(Role::Server, config)
    };
    let fault = "headers 1, fault 1 FLOW_CONTROL_ERROR | RST_STREAM 1 FLOW_CONTROL_ERROR";
    let rows = vec![
        row(
            "as much as the stream's window",
            with(post(1), data(1, 0, &[0; 10])),
            "headers 1, data 1 10 | WINDOW_UPDATE 1 10",
        ),
        row("more than the stream's window", with(post(1), data(1, 0, &[0; 11])), fault),
        row("padding counts", with(post(1), data(1, PADDED, &[5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])), fault),
        row(
            "only the stream suffers",
            [[post(1), data(1, 0, &[0; 11]), get(3)].concat()],
            "headers 1, fault 1 FLOW_CONTROL_ERROR, headers 3 end | RST_STREAM 1 FLOW_CONTROL_ERROR",
        ),
    ];
    check(small, rows);
    let mut bench = Bench::new(Role::Server, Config { connection_window: 65_535, ..Config::default() });
    bench.feed(&post(1));
    for _ in 0..3 {
        bench.events(&data(1, 0, &[0; 16_384]), false);
    }
    assert_eq!(bench.events(&data(1, 0, &[0; 16_384]), false), ["error FLOW_CONTROL_ERROR"]);
    assert_eq!(bench.said(), ["GOAWAY 1 FLOW_CONTROL_ERROR"]);
}
