//! Frames of little use.

use super::*;
use wire::{PADDED, data, frame, get, headers, ping, post, rst, update};

#[test]
fn settings_flood() {
    holds(
        limits().settings,
        Bench::server,
        |bench, _| bench.feed(&wire::settings(&[])),
        |_| "settings | SETTINGS ack".to_owned(),
    );
}

#[test]
fn ping_flood() {
    for bench in [Bench::server, Bench::client] {
        holds(limits().pings, bench, |bench, _| bench.feed(&ping([7; 8])), |_| "| PING ack".to_owned());
    }
}

/// grpc-go: one PING for each DATA frame it gets, in a stream and in calls one after the other.
#[test]
fn pings_that_measure_the_path_are_free() {
    let mut bench = Bench::server();
    bench.feed(&post(1));
    bench.answer(1, End::Open);
    bench.frames();
    let stream = bench.stream(1);
    for n in 0..20 * limits().pings.burst {
        assert_eq!(bench.connection.send_data(stream, b"message", End::Open), 7);
        assert_eq!(bench.feed(&ping([7; 8])), "| DATA 1 7, PING ack", "{n}");
    }
    for n in 1..20 * limits().pings.burst {
        assert_eq!(bench.feed(&get(id(n))), format!("headers {} end |", id(n)));
        bench.answer(id(n), End::Open);
        let stream = bench.stream(id(n));
        bench.connection.finish(stream).unwrap();
        bench.frames();
        assert_eq!(bench.feed(&[ping([7; 8]), ping([8; 8])].concat()), "| PING ack, PING ack", "{n}");
    }
    // A client that only receives, and one that only sends.
    let mut bench = Bench::client();
    let stream = bench.open(Request::Ordinary, End::Open);
    bench.frames();
    for n in 0..20 * limits().pings.burst {
        assert_eq!(bench.connection.send_data(stream, b"message", End::Open), 7);
        assert_eq!(bench.feed(&ping([7; 8])), "| DATA 1 7, PING ack", "{n}");
    }
    bench.feed(&headers(1, 0, &wire::OK));
    for n in 0..20 * limits().pings.burst {
        assert_eq!(bench.feed(&[data(1, 0, b"x"), ping([7; 8])].concat()), "data 1 1 | PING ack", "{n}");
    }
}

#[test]
fn floods_of_frames_that_bring_nothing() {
    let open = || {
        let mut bench = Bench::server();
        bench.feed(&post(1));
        assert_eq!(bench.feed(&[get(3), rst(3, 8)].concat()), "headers 3 end, reset 3 CANCEL |");
        bench.feed(&post(5));
        let reset = bench.stream(5);
        bench.connection.reset(reset, Code::CANCEL);
        bench.frames();
        bench
    };
    let floods: [(&str, Vec<u8>); 11] = [
        ("DATA without data", data(1, 0, b"")),
        ("DATA with no more than a padding", data(1, PADDED, &[3, 0, 0, 0])),
        ("DATA with no more than the length of a padding", data(1, PADDED, &[0])),
        ("PRIORITY", wire::priority(1, 0)),
        ("PRIORITY of an idle stream", wire::priority(99, 0)),
        ("an unknown type", frame(0xbe, 0xff, 1, b"what")),
        ("a small WINDOW_UPDATE of a stream", update(1, 1)),
        ("a small WINDOW_UPDATE of the connection", update(0, 1023)),
        ("WINDOW_UPDATE of a stream that is gone", update(3, 1 << 16)),
        ("RST_STREAM of a stream that is gone", rst(3, 8)),
        ("a PING's answer that nobody waits for", frame(wire::PING, wire::ACK, 0, &[0; 8])),
    ];
    for (name, bytes) in floods {
        println!("{name}");
        holds(limits().idle_frames, open, |bench, _| bench.feed(&bytes), |_| "|".to_owned());
    }
    // DATA for a stream that we reset: what nobody reads is given back to the connection at once.
    holds(limits().idle_frames, open, |bench, _| bench.feed(&data(5, 0, b"late")), |_| "|".to_owned());
    let late = [0; 1_024];
    holds(limits().idle_frames, open, |bench, _| feed_unread(bench, &data(5, 0, &late[1..])), |_| "|".to_owned());
    // Much may be on its way then, and that is no flood.
    let mut bench = open();
    for _ in 0..5 * limits().idle_frames.burst {
        assert_eq!(feed_unread(&mut bench, &data(5, 0, &late)), "|");
    }
}

/// Upstreams that send 103 with each response are no flood, however many responses there are.
#[test]
fn informational_responses_are_counted_by_stream() {
    let mut bench = Bench::client();
    let early = |id| headers(id, 0, &[(":status", "103")]);
    for n in 0..2 * limits().idle_frames.burst {
        bench.open(Request::Ordinary, End::Stream);
        bench.frames();
        let id = id(n);
        let expected = format!("informational {id}, informational {id}, headers {id} end |");
        assert_eq!(bench.feed(&[early(id), early(id), headers(id, wire::END_STREAM, &wire::OK)].concat()), expected);
    }
    let id = bench.open(Request::Ordinary, End::Stream).id;
    bench.open(Request::Ordinary, End::Stream);
    bench.frames();
    for _ in 0..limits().informational {
        assert_eq!(bench.feed(&early(id)), format!("informational {id} |"));
    }
    assert_eq!(bench.feed(&early(id)), format!("fault {id} ENHANCE_YOUR_CALM | RST_STREAM {id} ENHANCE_YOUR_CALM"));
    assert_eq!(bench.feed(&early(id + 2)), format!("informational {} |", id + 2));
}

#[test]
fn floods_of_trifles_at_a_client() {
    let open = || {
        let mut bench = Bench::client();
        bench.open(Request::Ordinary, End::Stream);
        bench.frames();
        bench
    };
    // The first GOAWAY is free.
    let going = || {
        let mut bench = open();
        assert_eq!(bench.feed(&wire::goaway(1, 0)), "goaway 1 NO_ERROR |");
        bench
    };
    holds(
        limits().idle_frames,
        going,
        |bench, _| bench.feed(&wire::goaway(1, 0)),
        |_| "goaway 1 NO_ERROR |".to_owned(),
    );
}

/// HAProxy: for each DATA frame an update of the stream and one of the connection, however small. The stream may be
/// gone by then.
#[test]
fn window_updates_for_what_we_send_are_free() {
    let mut bench = Bench::server();
    bench.feed(&post(1));
    bench.answer(1, End::Open);
    bench.frames();
    let stream = bench.stream(1);
    for n in 0..3 * limits().idle_frames.burst {
        assert_eq!(bench.connection.send_data(stream, b"message", End::Open), 7);
        assert_eq!(bench.feed(&[update(1, 7), update(0, 7)].concat()), "| DATA 1 7", "{n}");
    }
    for n in 1..3 * limits().idle_frames.burst {
        bench.feed(&get(id(n)));
        bench.answer(id(n), End::Open);
        let stream = bench.stream(id(n));
        assert_eq!(bench.connection.send_data(stream, b"message", End::Stream), 7);
        bench.frames();
        assert_eq!(bench.feed(&[update(id(n), 1 << 20), update(0, 7)].concat()), "|", "{n}");
    }
    // What was earned comes to an end.
    let left = crate::connection::frames::MOST_UPDATES - 2;
    for _ in 0..left + limits().idle_frames.burst {
        assert_eq!(bench.feed(&update(0, 7)), "|");
    }
    ends_calmly(&mut bench, |bench| bench.feed(&update(0, 7)));
}

#[test]
fn window_updates_of_use_are_free() {
    let mut bench = Bench::server();
    bench.feed(&post(1));
    for _ in 0..10_000 {
        assert_eq!(bench.feed(&[update(1, 1024), update(0, 1024)].concat()), "|");
    }
}
