//! What the peer may send: windows of streams and of the connection.

use std::collections::BTreeMap;

use super::*;
use wire::{END_STREAM, PADDED, data, get, headers, post, update};

/// A peer that knows its windows and never sends more than they allow.
struct Sender {
    bench: Bench,
    /// What it may send, on the connection and on each stream.
    connection: i64,
    streams: BTreeMap<u32, i64>,
    /// Sent and not yet consumed.
    unread: BTreeMap<u32, usize>,
}

impl Sender {
    fn new(config: Config) -> Self {
        let connection = config.connection_window.into();
        Self { bench: Bench::new(Role::Server, config), connection, streams: BTreeMap::new(), unread: BTreeMap::new() }
    }

    fn open(&mut self, id: u32) {
        assert_eq!(self.bench.feed(&post(id)), format!("headers {id} |"));
        self.streams.insert(id, self.bench.connection.config.window.into());
        self.unread.insert(id, 0);
    }

    /// What both windows allow.
    fn allowed(&self, id: u32) -> usize {
        usize::try_from(self.streams[&id].min(self.connection).max(0)).unwrap()
    }

    /// Sends at most `most` bytes of payload, of which `padding` are none; how many those are.
    fn send(&mut self, id: u32, most: usize, padding: u8) -> usize {
        let n = self.allowed(id).min(most).min(16_384);
        let content = n.saturating_sub(usize::from(padding) + 1);
        let (frame, content) = if padding > 0 && n > usize::from(padding) {
            let payload = [&[padding][..], &vec![1; content], &vec![0; padding.into()]].concat();
            (data(id, PADDED, &payload), content)
        } else {
            (data(id, 0, &vec![1; n]), n)
        };
        self.streams.entry(id).and_modify(|window| *window -= i64::try_from(n).unwrap());
        self.connection -= i64::try_from(n).unwrap();
        let expected = if content == 0 { Vec::new() } else { vec![format!("data {id} {content}")] };
        assert_eq!(self.bench.events(&frame, false), expected);
        *self.unread.get_mut(&id).unwrap() += content;
        self.hear();
        n
    }

    /// Sends all that it may.
    fn fill(&mut self, id: u32) -> usize {
        let mut sent = 0;
        while self.allowed(id) > 0 {
            sent += self.send(id, usize::MAX, 0);
        }
        sent
    }

    /// The owner uses what it has of a stream.
    fn consume(&mut self, id: u32, most: usize) {
        let unread = self.unread.get_mut(&id).unwrap();
        let n = most.min(*unread);
        *unread -= n;
        let stream = self.bench.stream(id);
        self.bench.connection.consume(stream, n, self.bench.now);
        self.hear();
    }

    fn hear(&mut self) {
        for frame in self.bench.frames() {
            assert_eq!(frame.kind, wire::WINDOW_UPDATE, "{frame:?}");
            let increment = i64::from(frame.number());
            assert!(increment > 0);
            if frame.stream == 0 {
                self.connection += increment;
            } else {
                self.streams.entry(frame.stream).and_modify(|window| *window += increment);
            }
        }
        assert!(self.connection <= i64::from(self.bench.connection.config.connection_window));
    }

    /// Sends and consumes `n` bytes.
    fn pass_through(&mut self, id: u32, n: usize) {
        let mut passed = 0;
        while passed < n {
            let sent = self.send(id, n - passed, 0);
            assert!(sent > 0, "stream {id} is stuck");
            passed += sent;
            self.consume(id, usize::MAX);
        }
    }
}

#[test]
fn one_reader_that_stalls_stops_nobody() {
    let mut sender = Sender::new(Config::default());
    (0..100).for_each(|n| sender.open(2 * n + 1));
    for n in 0..99 {
        assert_eq!(sender.fill(2 * n + 1), 256 * 1024);
    }
    // 99 are full and unread, and the last goes on.
    sender.pass_through(199, 64 << 20);
    assert!((0..99).all(|n| sender.allowed(2 * n + 1) == 0));
}

#[test]
fn streams_with_grown_windows_leave_theirs_to_all_others() {
    let mut sender = Sender::new(Config::default());
    (0..100).for_each(|n| sender.open(2 * n + 1));
    for n in 0..5 {
        sender.pass_through(2 * n + 1, 32 << 20);
    }
    let mut grown = 0;
    for n in 0..5 {
        grown += sender.fill(2 * n + 1) - 256 * 1024;
    }
    assert!(grown > 5 << 20, "{grown}");
    // None of the others has less for it.
    for n in 5..100 {
        assert_eq!(sender.fill(2 * n + 1), 256 * 1024, "stream {}", 2 * n + 1);
    }
}

#[test]
fn windows_grow_to_their_limit_and_the_connections() {
    let config = Config::default();
    let target = |sender: &Sender, id| sender.bench.connection.get(sender.bench.stream(id)).unwrap().receive.target;
    let mut sender = Sender::new(config.clone());
    sender.open(1);
    assert_eq!(target(&sender, 1), config.window);
    sender.pass_through(1, 32 << 20);
    assert_eq!(target(&sender, 1), config.max_window);
    // What is left by all streams' first windows and by the portions that are given back.
    let room = config.connection_window - config.max_streams * config.window - (1 << 20);
    for id in [3, 5, 7] {
        sender.open(id);
        sender.pass_through(id, 32 << 20);
    }
    let grown = |sender: &Sender| -> u32 { sender.streams.keys().map(|&id| target(sender, id) - config.window).sum() };
    assert_eq!((grown(&sender), sender.bench.connection.grown), (room, room));
    // Who goes leaves its part to others.
    let all = sender.bench.connection.grown;
    let gone = target(&sender, 1) - config.window;
    assert_eq!(sender.bench.feed(&wire::rst(1, 8)), "reset 1 CANCEL |");
    sender.streams.remove(&1);
    assert_eq!(sender.bench.connection.grown, all - gone);
    sender.pass_through(7, 32 << 20);
    assert_eq!(sender.bench.connection.grown, room);
    assert_eq!(target(&sender, 7), config.max_window);
}

#[test]
fn windows_grow_only_where_they_are_used_up_quickly() {
    let mut sender = Sender::new(Config::default());
    sender.open(1);
    for _ in 0..100 {
        // Half a window takes longer than two round trips, which were below a millisecond.
        sender.bench.pass(2);
        sender.pass_through(1, 128 * 1024);
    }
    assert_eq!(sender.bench.connection.grown, 0);
    sender.pass_through(1, 1 << 20);
    assert!(sender.bench.connection.grown > 0);
}

#[test]
fn a_long_path_is_told_by_its_round_trip() {
    let mut bench = Bench::fresh(Role::Server, Config::default());
    let hello = [wire::PREFACE, &wire::settings(&[])].concat();
    bench.feed(&hello);
    bench.pass(100);
    bench.feed(&wire::settings_ack());
    assert_eq!(bench.connection.round_trip(), Some(Duration::from_millis(100)));
    bench.feed(&post(1));
    // Half a window, and how much more there is then.
    let half = |bench: &mut Bench| {
        for _ in 0..8 {
            bench.feed(&data(1, 0, &[0; 16_384]));
        }
        bench.connection.grown
    };
    bench.pass(201);
    assert_eq!(half(&mut bench), 0);
    bench.pass(199);
    assert_eq!(half(&mut bench), 256 * 1024);
    bench.connection.ping(*b"12345678", bench.now);
    bench.pass(40);
    bench.frames();
    assert_eq!(bench.feed(&wire::frame(wire::PING, wire::ACK, 0, b"12345678")), "pong 12345678 |");
    assert_eq!(bench.connection.round_trip(), Some(Duration::from_millis(40)));
}

#[test]
fn padding_is_given_back() {
    let config = Config { window: 20_000, max_window: 20_000, connection_window: 65_535, ..Config::default() };
    let mut sender = Sender::new(config);
    sender.open(1);
    for _ in 0..2_000 {
        assert!(sender.send(1, 257, 255) > 0, "the padding used the window up");
        sender.consume(1, usize::MAX);
    }
}

#[test]
fn a_window_below_the_default_is_one_only_once_it_is_acknowledged() {
    let config = Config { window: 1_000, max_window: 1_000, ..Config::default() };
    let mut bench = Bench::fresh(Role::Server, config.clone());
    bench.feed(&[wire::PREFACE, &wire::settings(&[])].concat());
    // The client knows of no other window yet.
    bench.feed(&post(1));
    assert_eq!(bench.feed(&data(1, 0, &[0; 16_384])), "data 1 16384 |");
    assert_eq!(bench.feed(&data(1, 0, &[0; 16_000])), "data 1 16000 |", "less than half");
    // 65,535 - 32,384 + 1,000 - 65,535: it waits.
    assert_eq!(bench.feed(&wire::settings_ack()), "| WINDOW_UPDATE 1 32384");
    assert_eq!(bench.feed(&data(1, 0, &[0; 1_000])), "data 1 1000 | WINDOW_UPDATE 1 1000");
    let last = bench.feed(&data(1, 0, &[0; 1_001]));
    assert_eq!(last, "fault 1 FLOW_CONTROL_ERROR | RST_STREAM 1 FLOW_CONTROL_ERROR");

    // The end needs no window, and may come while there is less than none.
    let mut bench = Bench::fresh(Role::Server, config.clone());
    bench.feed(&[wire::PREFACE, &wire::settings(&[]), &post(1)].concat());
    assert_eq!(bench.events(&data(1, 0, &[0; 2_000]), false), ["data 1 2000"]);
    let last = [wire::settings_ack(), data(1, END_STREAM, b"")].concat();
    assert_eq!(bench.events(&last, false), ["data 1 0 end"]);

    let mut bench = Bench::fresh(Role::Client, config);
    bench.open(Request::Ordinary, End::Stream);
    bench.frames();
    bench.feed(&[wire::settings(&[]), wire::settings_ack(), headers(1, 0, &wire::OK)].concat());
    assert_eq!(bench.feed(&data(1, 0, &[0; 1_000])), "data 1 1000 | WINDOW_UPDATE 1 1000");
}

#[test]
fn a_window_above_the_default_may_be_used_at_once() {
    let mut bench = Bench::fresh(Role::Server, Config::default());
    bench.feed(&[wire::PREFACE, &wire::settings(&[]), &post(1)].concat());
    for _ in 0..16 {
        assert_eq!(bench.events(&data(1, 0, &[0; 16_384]), false), ["data 1 16384"]);
    }
    assert_eq!(bench.feed(&wire::settings_ack()), "|");
    assert_eq!(bench.events(&data(1, 0, &[0]), false), ["fault 1 FLOW_CONTROL_ERROR"]);
}

#[test]
fn what_is_left_unread_of_streams_that_are_gone_still_counts() {
    let mut sender = Sender::new(Config { connection_window: 65_535, ..Config::default() });
    sender.open(1);
    assert_eq!(sender.fill(1), 65_535);
    let stream = sender.bench.stream(1);
    assert_eq!(sender.bench.feed(&wire::rst(1, 8)), "reset 1 CANCEL |");
    sender.open(3);
    assert_eq!(sender.allowed(3), 0);
    sender.bench.connection.consume(stream, 65_535, sender.bench.now);
    sender.hear();
    assert_eq!(sender.allowed(3), 65_535);
}

#[test]
fn content_that_nobody_gets_is_given_back_to_the_connection() {
    type Fault = (&'static str, fn(u32) -> Vec<u8>);
    let faults: [Fault; 7] = [
        ("more than content-length", |id| [with_length(id, "9"), data(id, 0, &[0; 16_000])].concat()),
        ("less than content-length", |id| [with_length(id, "99000"), data(id, END_STREAM, &[0; 16_000])].concat()),
        ("in a padded frame", |id| {
            [with_length(id, "9"), data(id, PADDED, &[&[99][..], &[0; 15_999]].concat())].concat()
        }),
        ("after END_STREAM", |id| [get(id), data(id, 0, &[0; 16_000])].concat()),
        ("of a stream that was refused", |id| [headers(id, 0, &[("a", "b")]), data(id, 0, &[0; 16_000])].concat()),
        ("padding for nobody", |id| [get(id), data(id, PADDED, &[&[255][..], &[0; 15_999]].concat())].concat()),
        ("beyond the stream's window", |id| {
            // Its first frame is read, the second is not.
            [post(id), data(id, 0, &[0; 16_000]), data(id, 0, &[0; 16_000])].concat()
        }),
    ];
    for (name, bytes) in faults {
        let limits = Limits { provoked_resets: Rate::new(u32::MAX, 1), ..Limits::default() };
        let config =
            Config { window: 17_000, max_window: 17_000, connection_window: 65_535, limits, ..Config::default() };
        let mut bench = Bench::new(Role::Server, config);
        let (mut sent, mut given) = (0, 0);
        for n in 0..100 {
            let bytes = bytes(2 * n + 1);
            sent += wire::frames(&bytes)
                .iter()
                .filter(|frame| frame.kind == wire::DATA)
                .map(|it| it.payload.len())
                .sum::<usize>();
            let consumes = name != "beyond the stream's window";
            let events = bench.events(&bytes, consumes);
            assert!(!events.iter().any(|event| event.contains("error")), "{name}: {events:?}");
            if !consumes {
                bench.connection.consume(StreamRef { index: 0, id: 2 * n + 1 }, 16_000, bench.now);
            }
            let updates =
                bench.frames().into_iter().filter(|frame| frame.kind == wire::WINDOW_UPDATE && frame.stream == 0);
            given += updates.map(|frame| frame.number() as usize).sum::<usize>();
            // What is left is less than the portions in which it is given back.
            assert!(sent - given < 32_767, "{name}: of {sent} bytes {given} were given back");
        }
    }
}

fn with_length(id: u32, length: &str) -> Vec<u8> {
    headers(id, 0, &[&wire::POST[..], &[("content-length", length)]].concat())
}

#[test]
fn nothing_is_given_back_to_streams_that_ended() {
    let mut bench = Bench::server();
    assert_eq!(bench.events(&[post(1), data(1, END_STREAM, &[0; 16_000])].concat(), false)[1], "data 1 16000 end");
    let stream = bench.stream(1);
    bench.connection.consume(stream, 16_000, bench.now);
    assert_eq!(bench.said(), [""; 0]);
}

#[test]
fn what_we_send_obeys_both_windows() {
    let mut bench = Bench::new(Role::Server, Config { output: 1 << 20, ..Config::default() });
    bench.feed(&[get(1), get(3)].concat());
    for id in [1, 3] {
        bench.answer(id, End::Open);
    }
    bench.frames();
    let [one, three] = [1, 3].map(|id| bench.stream(id));
    assert_eq!(bench.connection.send_data(one, &ZEROS, End::Open), 65_535);
    assert_eq!(bench.said(), ["DATA 1 16384", "DATA 1 16384", "DATA 1 16384", "DATA 1 16383"]);
    // Not its own window, but the connection's.
    assert_eq!(bench.connection.send_data(three, &ZEROS, End::Open), 0);
    assert_eq!(bench.feed(&update(1, 5_000)), "window 1 |");
    assert_eq!(bench.connection.send_data(one, &ZEROS, End::Open), 0);
    assert_eq!(bench.feed(&update(0, 2_000)), "windows |");
    assert_eq!(bench.connection.send_data(one, &ZEROS, End::Open), 2_000);
    // SETTINGS may lead below 0.
    bench.feed(&wire::settings(&[(wire::INITIAL_WINDOW_SIZE, 10)]));
    bench.feed(&update(0, 1 << 20));
    assert_eq!(bench.connection.capacity(one), 0);
    assert_eq!(bench.connection.capacity(three), 10);
    assert_eq!(bench.connection.send_data(three, &ZEROS, End::Open), 10);
    bench.frames();
    assert_eq!(bench.feed(&update(1, 62_525)), "|", "it is 0");
    assert_eq!(bench.connection.capacity(one), 0);
    assert_eq!(bench.feed(&update(1, 1_024)), "window 1 |");
    assert_eq!(bench.connection.send_data(one, &ZEROS, End::Stream), 1_024);
    assert_eq!(
        bench.feed(&wire::settings(&[(wire::INITIAL_WINDOW_SIZE, 17)])),
        "settings, windows | DATA 1 1024, SETTINGS ack"
    );
    assert_eq!(bench.connection.send_data(three, &[0; 7], End::Stream), 7);
    assert_eq!(bench.said(), ["DATA 3 7 end"]);
}

#[test]
fn frames_are_no_larger_than_the_peer_allows() {
    let mut bench = Bench::new(Role::Server, Config { output: 1 << 20, ..Config::default() });
    bench.feed(&wire::settings(&[(wire::INITIAL_WINDOW_SIZE, MAX_WINDOW), (wire::MAX_FRAME_SIZE, 20_000)]));
    bench.feed(&[get(1), update(0, 1 << 20)].concat());
    let stream = bench.stream(1);
    let large = "x".repeat(45_000);
    let fields = [Field::new(b":status", b"200"), Field::sensitive(b"x", large.as_bytes())];
    bench.connection.respond(stream, fields, End::Open).unwrap();
    bench.connection.send_data(stream, &ZEROS[..45_000], End::Stream);
    let frames = bench.frames();
    let lengths: Vec<_> = frames.iter().map(|frame| (frame.kind, frame.flags, frame.payload.len())).collect();
    let coded = lengths[0].2 + lengths[1].2;
    assert!(lengths[..2].iter().all(|&(_, _, length)| length <= 20_000) && coded > 20_000, "{lengths:?}");
    assert_eq!((lengths[0].0, lengths[0].1), (wire::HEADERS, 0));
    assert_eq!((lengths[1].0, lengths[1].1), (wire::CONTINUATION, wire::END_HEADERS));
    assert_eq!(lengths[2..], [(wire::DATA, 0, 20_000), (wire::DATA, 0, 20_000), (wire::DATA, END_STREAM, 5_000)]);
}

/// A small generator, so that each run does the same.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % most
    }
}

#[test]
fn whatever_is_sent_and_used_the_windows_hold() {
    for seed in 0..60 {
        let mut dice = Dice(seed);
        let window = [500, 20_000, 256 * 1024][dice.below(3)];
        let config = Config {
            window,
            max_window: window * 8,
            connection_window: window * 12 + 128 * 1024,
            max_streams: 10,
            ..Config::default()
        };
        let most = usize::try_from(config.connection_window).unwrap();
        let mut sender = Sender::new(config);
        let mut next = 1;
        for step in 0..2_000 {
            if sender.streams.len() < 10 && dice.below(4) == 0 {
                sender.open(next);
                next += 2;
            }
            let Some(id) = sender.streams.keys().copied().nth(dice.below(10)) else { continue };
            match dice.below(12) {
                0..4 => drop(sender.send(id, 1 + dice.below(16_384), 0)),
                4 => drop(sender.send(id, 1 + dice.below(2_000), u8::try_from(dice.below(256)).unwrap())),
                5..10 => sender.consume(id, dice.below(40_000)),
                10 => sender.bench.pass(dice.below(3) as u64),
                _ if step % 3 == 0 => {
                    // Its owner throws away what it has of it.
                    sender.consume(id, usize::MAX);
                    let stream = sender.bench.stream(id);
                    sender.bench.connection.reset(stream, Code::CANCEL);
                    assert_eq!(sender.bench.said(), [format!("RST_STREAM {id} CANCEL")]);
                    sender.streams.remove(&id);
                    sender.unread.remove(&id);
                }
                _ => {}
            }
            assert!(sender.unread.values().sum::<usize>() <= most);
            // Who has read all may get more, whatever others do.
            for (&id, &unread) in &sender.unread {
                assert!(unread > 0 || sender.allowed(id) > 0, "seed {seed}, step {step}: stream {id} is stuck");
            }
        }
    }
}
