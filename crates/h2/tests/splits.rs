//! However input is cut, what is found in it is the same; and order is kept.
#![allow(missing_docs)]

mod wire;

use std::time::Instant;

use proptest::prelude::*;
use ripstop_h2::{Config, Connection, End, Event, Field, Request, Role, StreamRef};

/// What one end finds, in words, with its fields; pieces of content that follow each other are one.
fn found(role: Role, pieces: &[&[u8]]) -> (Vec<String>, Vec<u8>) {
    let now = Instant::now();
    let mut connection = Connection::new(role, Config::default(), now);
    if role == Role::Client {
        for _ in 0..4 {
            let head: [(&[u8], &[u8]); 4] =
                [(b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", b"/")];
            let head = head.map(|(name, value)| Field::new(name, value));
            connection.open(Request::Ordinary, None, head, End::Stream, now).unwrap();
        }
    }
    let mut events: Vec<String> = Vec::new();
    let mut content: Option<(StreamRef, Vec<u8>)> = None;
    let flush = |content: &mut Option<(StreamRef, Vec<u8>)>, events: &mut Vec<String>| {
        if let Some((stream, bytes)) = content.take() {
            events.push(format!("{stream:?}: {bytes:?}"));
        }
    };
    'pieces: for piece in pieces {
        let mut input = *piece;
        loop {
            match connection.receive(now, &mut input) {
                Ok(None) => break,
                Ok(Some(Event::Data { stream, bytes, end })) => {
                    if content.as_ref().is_some_and(|(other, _)| *other != stream) {
                        flush(&mut content, &mut events);
                    }
                    content.get_or_insert((stream, Vec::new())).1.extend_from_slice(bytes);
                    connection.consume(stream, bytes.len(), now);
                    if end {
                        flush(&mut content, &mut events);
                        events.push(format!("{stream:?} ends"));
                    }
                }
                Ok(Some(event)) => {
                    flush(&mut content, &mut events);
                    let fields =
                        matches!(event, Event::Headers { .. } | Event::Trailers { .. } | Event::Informational { .. });
                    events.push(format!("{event:?}"));
                    if fields {
                        events.push(format!("{:?}", connection.fields()));
                    }
                }
                Err(error) => {
                    flush(&mut content, &mut events);
                    events.push(format!("{error:?}"));
                    break 'pieces;
                }
            }
        }
        assert!(input.is_empty());
    }
    flush(&mut content, &mut events);
    (events, connection.output().to_vec())
}

/// A stream of frames: well-formed, mostly, and of all kinds.
fn stream_of_frames(role: Role) -> impl Strategy<Value = Vec<u8>> {
    let id = prop_oneof![8 => prop::sample::select(vec![1_u32, 3, 5, 7]), 1 => 0..12_u32];
    let head: &[(&str, &str)] = if role == Role::Server { &wire::POST } else { &wire::OK };
    let head = wire::block(head.iter().copied());
    let frame = (0..14_u8, id, prop::collection::vec(any::<u8>(), 0..60), any::<bool>()).prop_map(
        move |(kind, id, bytes, end)| {
            let flags = u8::from(end);
            match kind {
                0..3 => wire::frame(wire::HEADERS, wire::END_HEADERS | flags, id, &head),
                3..6 => wire::data(id, flags, &bytes),
                6 => wire::data(id, flags | wire::PADDED, &[&[3][..], &bytes, &[0; 3]].concat()),
                7 => {
                    let (first, rest) = head.split_at(bytes.len().min(head.len()));
                    let first = wire::frame(wire::HEADERS, flags, id, first);
                    [first, wire::frame(wire::CONTINUATION, wire::END_HEADERS, id, rest)].concat()
                }
                8 => wire::headers(id, wire::END_STREAM, &[("trailer-field", "x")]),
                9 => wire::frame(0x40, flags, id, &bytes),
                10 => wire::settings(&[(wire::INITIAL_WINDOW_SIZE, 1_000 * u32::from(flags))]),
                11 => wire::ping([7; 8]),
                12 => wire::rst(id, 8),
                _ => wire::update(id, 2_000),
            }
        },
    );
    prop::collection::vec(frame, 0..25).prop_map(move |frames| {
        let preface = if role == Role::Server { wire::PREFACE } else { &[] };
        [preface, &wire::settings(&[]), &wire::settings_ack(), &frames.concat()].concat()
    })
}

fn cut(bytes: &[u8], mut at: Vec<usize>) -> Vec<&[u8]> {
    for at in &mut at {
        *at %= bytes.len() + 1;
    }
    at.extend([0, bytes.len()]);
    at.sort_unstable();
    at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn a_server_finds_the_same_in_any_pieces(
        bytes in stream_of_frames(Role::Server),
        at in prop::collection::vec(any::<usize>(), 0..40),
    ) {
        let whole = found(Role::Server, &[&bytes]);
        prop_assert_eq!(&found(Role::Server, &cut(&bytes, at)), &whole);
        let single: Vec<_> = bytes.chunks(1).collect();
        prop_assert_eq!(&found(Role::Server, &single), &whole);
    }

    #[test]
    fn a_client_finds_the_same_in_any_pieces(
        bytes in stream_of_frames(Role::Client),
        at in prop::collection::vec(any::<usize>(), 0..40),
    ) {
        let whole = found(Role::Client, &[&bytes]);
        prop_assert_eq!(&found(Role::Client, &cut(&bytes, at)), &whole);
        let single: Vec<_> = bytes.chunks(1).collect();
        prop_assert_eq!(&found(Role::Client, &single), &whole);
    }
}

#[test]
fn streams_that_wait_for_the_connection_all_get_their_turn() {
    let now = Instant::now();
    let mut connection = Connection::new(Role::Server, Config::default(), now);
    let requests: Vec<u8> = (0..10).flat_map(|n| wire::get(2 * n + 1)).collect();
    let bytes = [wire::PREFACE, &wire::settings(&[(wire::INITIAL_WINDOW_SIZE, 1 << 20)]), &requests].concat();
    let mut input = &bytes[..];
    let mut waiting = Vec::new();
    while let Some(event) = connection.receive(now, &mut input).unwrap() {
        if let Event::Headers { stream, .. } = event {
            connection.respond(stream, [Field::new(b":status", b"200")], End::Open).unwrap();
            waiting.push((stream, 0));
        }
    }
    let content = vec![0; 20_000];
    let said = connection.output().len();
    connection.sent(said);
    // The connection's window is 65,535, and is given back in small steps.
    for _ in 0..100 {
        for (stream, sent) in &mut waiting {
            let most = 2_000.min(content.len() - *sent);
            *sent += connection.send_data(*stream, &content[..most], End::Open);
            let said = connection.output().len();
            connection.sent(said);
        }
        waiting.rotate_left(3);
        let update = wire::update(0, 5_000);
        let mut input = &update[..];
        let events: Vec<_> = std::iter::from_fn(|| connection.receive(now, &mut input).unwrap()).collect();
        assert!(events.is_empty() || events == [Event::Window { stream: None }], "{events:?}");
    }
    assert!(waiting.iter().all(|(_, sent)| *sent == content.len()), "{waiting:?}");
}

#[test]
fn frames_go_out_in_the_order_in_which_they_were_said() {
    let now = Instant::now();
    let mut connection = Connection::new(Role::Server, Config::default(), now);
    let bytes = [wire::PREFACE, &wire::settings(&[]), &wire::get(1), &wire::get(3), &wire::ping([1; 8])].concat();
    let mut input = &bytes[..];
    let mut streams = Vec::new();
    while let Some(event) = connection.receive(now, &mut input).unwrap() {
        if let Event::Headers { stream, .. } = event {
            streams.push(stream);
        }
    }
    let said = connection.output().len();
    connection.sent(said);
    let ok = || [Field::new(b":status", b"200")];
    connection.inform(streams[1], [Field::new(b":status", b"103")]).unwrap();
    connection.respond(streams[1], ok(), End::Open).unwrap();
    connection.respond(streams[0], ok(), End::Open).unwrap();
    connection.send_data(streams[1], b"one", End::Open);
    connection.send_data(streams[0], b"two", End::Open);
    connection.send_data(streams[1], b"three", End::Open);
    connection.ping([2; 8], now);
    connection.send_trailers(streams[1], [Field::new(b"a", b"b")]).unwrap();
    connection.finish(streams[0]).unwrap();
    let frames = wire::frames(connection.output());
    let order: Vec<_> = frames.iter().map(|frame| (frame.kind, frame.stream, frame.flags & wire::END_STREAM)).collect();
    let expected = [
        (wire::HEADERS, 3, 0),
        (wire::HEADERS, 3, 0),
        (wire::HEADERS, 1, 0),
        (wire::DATA, 3, 0),
        (wire::DATA, 1, 0),
        (wire::DATA, 3, 0),
        (wire::PING, 0, 0),
        (wire::HEADERS, 3, 1),
        (wire::DATA, 1, 1),
    ];
    assert_eq!(order, expected);
}
