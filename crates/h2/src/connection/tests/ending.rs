//! The end of what the peer says, and what was sent until then.

use super::*;
use wire::{END_HEADERS, END_STREAM, HEADERS, data, frame, get, headers, ping, post};

#[test]
fn nothing_is_missing() {
    let mut bench = Bench::fresh(Role::Server, Config::default());
    assert_eq!((bench.connection.is_mid_frame(), bench.connection.end_of_input()), (false, Ok(())), "not a byte");
    // Whoever has asked is still answered.
    let mut bench = Bench::server();
    bench.feed(&[post(1), data(1, END_STREAM, b"x"), get(3)].concat());
    assert_eq!((bench.connection.is_mid_frame(), bench.connection.end_of_input()), (false, Ok(())));
    assert!(!bench.connection.is_open() && bench.connection.is_finishing());
    bench.answer(1, End::Stream);
    bench.answer(3, End::Stream);
    assert_eq!((bench.said(), bench.connection.active()), (vec!["HEADERS 1 end".into(), "HEADERS 3 end".into()], 0));
    // A client with all its answers.
    let mut bench = Bench::client();
    bench.open(Request::Ordinary, End::Stream);
    bench.feed(&headers(1, END_STREAM, &wire::OK));
    assert_eq!(bench.connection.end_of_input(), Ok(()));
    let fields = request_fields(Request::Ordinary);
    let opened = bench.connection.open(Request::Ordinary, None, fields, End::Stream, bench.now);
    assert_eq!((opened, bench.said()), (Err(crate::OpenError::Closing), vec![]));
}

#[test]
fn every_place_within_a_frame_is_one() {
    let mut whole = wire::PREFACE.to_vec();
    let mut ends = vec![0, whole.len()];
    let frames = [
        wire::settings(&[(wire::MAX_FRAME_SIZE, 20_000)]),
        wire::settings_ack(),
        post(1),
        data(1, 0, b"content"),
        data(1, wire::PADDED, b"\x03content\0\0\0"),
        data(1, END_STREAM, b""),
        ping([0; 8]),
        frame(0xee, 0, 0, b"unknown"),
        get(3),
    ];
    for frame in frames {
        whole.extend(frame);
        ends.push(whole.len());
    }
    for at in 0..=whole.len() {
        let mut bench = Bench::fresh(Role::Server, Config::default());
        bench.events(&whole[..at], true);
        assert_eq!(bench.connection.is_mid_frame(), !ends.contains(&at), "{at} of {}", whole.len());
    }
    // Between the frames of a header block.
    let mut bench = Bench::server();
    bench.feed(&frame(HEADERS, END_STREAM, 1, &wire::block(wire::GET)));
    assert!(bench.connection.is_mid_frame());
    bench.feed(&frame(wire::CONTINUATION, END_HEADERS, 1, b""));
    assert!(!bench.connection.is_mid_frame());
}

#[test]
fn something_is_missing() {
    let within = ("PROTOCOL_ERROR", "the connection was closed within a frame");
    let open = ("NO_ERROR", "the connection was closed before its streams had ended");
    let cases: [(&str, Vec<u8>, (&str, &str)); 4] = [
        ("half a frame", ping([0; 8])[..12].to_vec(), within),
        ("half a header block", frame(HEADERS, END_STREAM, 1, b""), within),
        ("a request without its end", post(1), open),
        ("a request without its end, and half a frame", [post(1), data(1, 0, b"x")[..9].to_vec()].concat(), within),
    ];
    for (name, bytes, (code, reason)) in cases {
        let mut bench = Bench::server();
        bench.feed(&bytes);
        let error = bench.connection.end_of_input().unwrap_err();
        assert_eq!((error.code.to_string().as_str(), error.reason), (code, reason), "{name}");
        assert_eq!((bench.connection.error(), bench.connection.end_of_input()), (Some(error), Err(error)), "{name}");
        assert!(bench.said().last().unwrap().starts_with("GOAWAY"), "{name}");
    }
    let mut bench = Bench::client();
    bench.open(Request::Ordinary, End::Stream);
    let error = bench.connection.end_of_input().unwrap_err();
    assert_eq!((error.code, bench.connection.active()), (Code::NO_ERROR, 1));
}

#[test]
fn whether_a_request_can_have_been_looked_at() {
    let mut bench = Bench::client();
    let before = bench.open(Request::Ordinary, End::Stream);
    assert!(!bench.connection.head_was_sent(before));
    let first = bench.connection.output().len();
    bench.connection.sent(first - 1);
    assert!(!bench.connection.head_was_sent(before), "a byte is missing");
    let after = bench.open(Request::Ordinary, End::Open);
    let unsent = bench.open(Request::Ordinary, End::Stream);
    bench.connection.sent(1);
    assert_eq!([before, after, unsent].map(|stream| bench.connection.head_was_sent(stream)), [true, false, false]);
    let second = wire::frames(bench.connection.output())[0].payload.len() + 9;
    bench.connection.sent(second);
    // What is sent of content makes no difference.
    assert_eq!(bench.connection.send_data(after, b"content", End::Stream), 7);
    assert_eq!([before, after, unsent].map(|stream| bench.connection.head_was_sent(stream)), [true, true, false]);
    // It is known even when the connection has failed, and said of what is gone.
    assert!(bench.connection.end_of_input().is_err());
    assert_eq!([before, after, unsent].map(|stream| bench.connection.head_was_sent(stream)), [true, true, false]);
    bench.connection.reset(unsent, Code::CANCEL);
    assert!(bench.connection.head_was_sent(unsent));
}

#[test]
fn room_is_asked_for() {
    let mut bench = Bench::new(Role::Server, Config { output: 1_000, ..Config::default() });
    bench.feed(&[get(1), get(3)].concat());
    bench.answer(1, End::Open);
    bench.frames();
    let stream = bench.stream(1);
    assert!(!bench.connection.take_room(1), "nobody was turned away");
    assert_eq!(bench.connection.send_data(stream, &ZEROS[..2_000], End::Open), 1_000);
    assert!(!bench.connection.take_room(1), "there is none");
    bench.connection.sent(509);
    assert!(!bench.connection.take_room(501), "not as much");
    assert!(bench.connection.take_room(500));
    assert!(!bench.connection.take_room(1), "once");
    // Whoever finds no window waits for that.
    bench.connection.sent(500);
    bench.connection.send_window = 0;
    assert_eq!((bench.connection.capacity(stream), bench.connection.take_room(1)), (0, false));
}
