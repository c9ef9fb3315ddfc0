//! Streams that cost more than they are worth.

use super::*;
use wire::{END_STREAM, data, frame, get, headers, post, rst, update};

#[test]
fn rapid_reset() {
    holds(
        limits().early_resets,
        Bench::server,
        |bench, n| bench.feed(&[get(id(n)), rst(id(n), 8)].concat()),
        |n| format!("headers {} end, reset {} CANCEL |", id(n), id(n)),
    );
}

#[test]
fn resets_of_answered_streams_are_free() {
    let mut bench = Bench::server();
    for n in 0..5 * limits().early_resets.burst {
        assert_eq!(bench.feed(&get(id(n))), format!("headers {} end |", id(n)));
        bench.answer(id(n), End::Open);
        assert_eq!(bench.feed(&rst(id(n), 8)), format!("reset {} CANCEL | HEADERS {}", id(n), id(n)));
    }
}

/// What a peer can do to have a stream reset by us: its name, what it sends for stream `id`, and what comes of it.
type Provocation = (&'static str, fn(u32) -> Vec<u8>, &'static str);

const PROVOCATIONS: &[Provocation] = &[
    (
        "WINDOW_UPDATE by 0",
        |id| [post(id), update(id, 0)].concat(),
        "headers {}, fault {} PROTOCOL_ERROR | RST_STREAM {} PROTOCOL_ERROR",
    ),
    (
        "window overflow",
        |id| [post(id), update(id, MAX_WINDOW)].concat(),
        "headers {}, fault {} FLOW_CONTROL_ERROR | RST_STREAM {} FLOW_CONTROL_ERROR",
    ),
    (
        "DATA after END_STREAM",
        |id| [get(id), data(id, 0, b"x")].concat(),
        "headers {} end, fault {} STREAM_CLOSED | RST_STREAM {} STREAM_CLOSED",
    ),
    (
        "HEADERS after END_STREAM",
        |id| [get(id), get(id)].concat(),
        "headers {} end, fault {} STREAM_CLOSED | RST_STREAM {} STREAM_CLOSED",
    ),
    (
        "more than content-length",
        |id| [with_length(id, "1", 0), data(id, 0, b"xy")].concat(),
        "headers {}, fault {} PROTOCOL_ERROR | RST_STREAM {} PROTOCOL_ERROR",
    ),
    (
        "less than content-length",
        |id| [with_length(id, "3", 0), data(id, END_STREAM, b"xy")].concat(),
        "headers {}, fault {} PROTOCOL_ERROR | RST_STREAM {} PROTOCOL_ERROR",
    ),
    (
        "content-length without content",
        |id| with_length(id, "3", END_STREAM),
        "refused {} PROTOCOL_ERROR | RST_STREAM {} PROTOCOL_ERROR",
    ),
    (
        "a malformed request",
        |id| headers(id, END_STREAM, &wire::GET[..3]),
        "refused {} PROTOCOL_ERROR | RST_STREAM {} PROTOCOL_ERROR",
    ),
    (
        "trailers without END_STREAM",
        |id| [post(id), headers(id, 0, &[("a", "b")])].concat(),
        "headers {}, fault {} PROTOCOL_ERROR | RST_STREAM {} PROTOCOL_ERROR",
    ),
    (
        "PRIORITY of 4 bytes",
        |id| [post(id), frame(wire::PRIORITY, 0, id, &[0; 4])].concat(),
        "headers {}, fault {} FRAME_SIZE_ERROR | RST_STREAM {} FRAME_SIZE_ERROR",
    ),
    (
        "PRIORITY on itself",
        |id| [post(id), wire::priority(id, id)].concat(),
        "headers {}, fault {} PROTOCOL_ERROR | RST_STREAM {} PROTOCOL_ERROR",
    ),
    (
        "DATA beyond the stream's window",
        |id| [post(id), data(id, 0, &[0; 9_000]), data(id, 0, &[0; 9_000])].concat(),
        "headers {}, data {} 9000, fault {} FLOW_CONTROL_ERROR | RST_STREAM {} FLOW_CONTROL_ERROR",
    ),
    ("a header list that is too large", too_large, "refused {} ENHANCE_YOUR_CALM | RST_STREAM {} ENHANCE_YOUR_CALM"),
];

fn with_length(id: u32, length: &str, flags: u8) -> Vec<u8> {
    headers(id, flags, &[&wire::POST[..], &[("content-length", length)]].concat())
}

fn too_large(id: u32) -> Vec<u8> {
    headers(id, END_STREAM, &[&wire::GET[..], &[("large", &*"x".repeat(8_000))]].concat())
}

fn provoked_bench() -> Bench {
    let config = Config { window: 16_000, max_window: 16_000, max_header_list: 8_000, ..Config::default() };
    Bench::new(Role::Server, config)
}

#[test]
fn made_you_reset() {
    for (name, bytes, expected) in PROVOCATIONS {
        println!("{name}");
        holds(
            limits().provoked_resets,
            provoked_bench,
            |bench, n| feed_unread(bench, &bytes(id(n))),
            |n| expected.replace("{}", &id(n).to_string()),
        );
    }
}

#[test]
fn made_you_reset_while_we_drain() {
    for (name, bytes, expected) in PROVOCATIONS {
        println!("{name}");
        let draining = || {
            let mut bench = provoked_bench();
            bench.connection.drain(bench.now);
            assert_eq!(bench.said(), ["GOAWAY 2147483647 NO_ERROR", "PING"]);
            bench
        };
        holds(
            limits().provoked_resets,
            draining,
            |bench, n| feed_unread(bench, &bytes(id(n))),
            |n| expected.replace("{}", &id(n).to_string()),
        );
    }
}

#[test]
fn made_you_reset_at_a_client() {
    holds(
        limits().provoked_resets,
        Bench::client,
        |bench, n| {
            bench.open(Request::Ordinary, End::Stream);
            bench.frames();
            bench.feed(&headers(id(n), END_STREAM, &[("no", "status")]))
        },
        |n| format!("fault {} PROTOCOL_ERROR | RST_STREAM {} PROTOCOL_ERROR", id(n), id(n)),
    );
}

#[test]
fn streams_after_our_goaway_cost_little_and_end() {
    let gone = || {
        let mut bench = Bench::server();
        bench.connection.drain(bench.now);
        bench.frames();
        let pong = frame(wire::PING, wire::ACK, 0, b"draining");
        assert_eq!(bench.feed(&pong), "pong draining | GOAWAY 0 NO_ERROR");
        bench
    };
    holds(limits().idle_frames, gone, |bench, n| bench.feed(&get(id(n))), |_| "|".to_owned());
}

/// A client that begins with all it has, before it can know our limit.
#[test]
fn streams_refused_before_our_settings_are_known_are_free() {
    let fresh = || {
        let mut bench = Bench::fresh(Role::Server, Config { max_streams: 3, ..Config::default() });
        assert_eq!(bench.feed(&[wire::PREFACE.to_vec(), wire::settings(&[])].concat()), "settings | SETTINGS ack");
        for id in [1, 3, 5] {
            assert_eq!(bench.feed(&post(id)), format!("headers {id} |"));
        }
        bench
    };
    let free = limits().unsettled_refusals;
    let refused = |bench: &mut Bench, n: u32| {
        let id = id(n) + 6;
        assert_eq!(
            bench.feed(&get(id)),
            format!("refused {id} REFUSED_STREAM | RST_STREAM {id} REFUSED_STREAM"),
            "{n}"
        );
        assert_eq!(bench.connection.active(), 3);
    };
    // One that never acknowledges them.
    let mut bench = fresh();
    (0..free + limits().provoked_resets.burst).for_each(|n| refused(&mut bench, n));
    ends_calmly(&mut bench, |bench| bench.feed(&get(9_001)));
    // One that does, and goes on.
    let mut bench = fresh();
    (0..300).for_each(|n| refused(&mut bench, n));
    assert_eq!(bench.feed(&wire::settings_ack()), "|");
    (300..300 + limits().provoked_resets.burst).for_each(|n| refused(&mut bench, n));
    ends_calmly(&mut bench, |bench| bench.feed(&get(9_001)));
}

#[test]
fn more_streams_than_allowed_are_refused() {
    let full = || {
        let mut bench = Bench::new(Role::Server, Config { max_streams: 3, ..Config::default() });
        for id in [1, 3, 5] {
            assert_eq!(bench.feed(&post(id)), format!("headers {id} |"));
        }
        bench
    };
    holds(
        limits().provoked_resets,
        full,
        |bench, n| {
            let outcome = bench.feed(&get(id(n) + 6));
            assert_eq!(bench.connection.active(), 3);
            outcome
        },
        |n| format!("refused {0} REFUSED_STREAM | RST_STREAM {0} REFUSED_STREAM", id(n) + 6),
    );
    // One that ends makes room for one.
    let mut bench = full();
    assert_eq!(bench.feed(&get(7)), "refused 7 REFUSED_STREAM | RST_STREAM 7 REFUSED_STREAM");
    bench.answer(3, End::Stream);
    assert_eq!(bench.feed(&data(3, END_STREAM, b"")), "data 3 0 end | HEADERS 3 end");
    assert_eq!(
        bench.feed(&[get(9), get(11)].concat()),
        "headers 9 end, refused 11 REFUSED_STREAM | RST_STREAM 11 REFUSED_STREAM"
    );
    assert_eq!(bench.connection.active(), 3);
}
