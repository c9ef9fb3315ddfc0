//! A peer that does not read, or hardly.

use super::*;
use wire::{END_STREAM, data, get, headers, ping, post, update};

const MANY: Rate = Rate::new(u32::MAX, 1);

#[test]
fn answers_that_are_not_read() {
    let most = limits().unread_output;
    let rows: [(&str, Vec<u8>, usize); 2] = [("PING", ping([0; 8]), 17), ("SETTINGS", wire::settings(&[]), 9)];
    for (name, bytes, answer) in rows {
        let mut bench = server_with(Limits { pings: MANY, settings: MANY, ..limits() });
        for n in 0..most / answer {
            assert!(!bench.events(&bytes, true).iter().any(|event| event.contains("error")), "{name} {n}");
        }
        assert_eq!(bench.connection.output().len(), most / answer * answer);
        assert_eq!(bench.events(&bytes, true), ["error ENHANCE_YOUR_CALM"], "{name}");
        assert!(bench.connection.output().len() <= most + answer + 17);
    }
    // One who reads, if late and not all, may go on.
    let mut bench = server_with(Limits { pings: MANY, ..limits() });
    for _ in 0..20 {
        for _ in 0..most / 17 / 2 {
            assert_eq!(bench.events(&ping([0; 8]), true), [""; 0]);
        }
        let n = bench.connection.output().len();
        bench.connection.sent(n - 5);
    }
}

#[test]
fn resets_that_are_not_read() {
    let mut bench = server_with(Limits { provoked_resets: MANY, ..limits() });
    let most = u32::try_from(limits().unread_output / 13).unwrap();
    for n in 0..most {
        let refused = format!("refused {} PROTOCOL_ERROR", id(n));
        assert_eq!(bench.events(&headers(id(n), END_STREAM, &[("a", "b")]), true), [refused]);
    }
    assert_eq!(bench.events(&get(id(most)), true), [format!("headers {} end", id(most))], "what is right goes on");
    assert_eq!(bench.events(&headers(id(most + 1), END_STREAM, &[("a", "b")]), true), ["error ENHANCE_YOUR_CALM"]);
}

#[test]
fn window_updates_that_are_not_read() {
    let config = Config { window: 100, max_window: 100, output: 1_000, ..Config::default() };
    let mut bench = Bench::new(Role::Server, Config { limits: Limits { unread_output: 1_300, ..limits() }, ..config });
    bench.feed(&post(1));
    // Each gives back half a window, in 13 bytes.
    for _ in 0..100 {
        assert_eq!(bench.events(&data(1, 0, &[0; 50]), true), ["data 1 50"]);
    }
    assert_eq!(bench.connection.output().len(), 1_300);
    assert_eq!(bench.events(&data(1, 0, &[0; 50]), true), ["data 1 50"]);
    assert_eq!(bench.events(&data(1, 0, &[0; 50]), true), ["error ENHANCE_YOUR_CALM"]);
}

#[test]
fn heads_of_answers_that_are_not_read() {
    let mut bench = Bench::server();
    let config = Config::default();
    let clogged = config.output + config.limits.unread_output;
    let mut n = 0;
    let refused = loop {
        let events = bench.events(&get(id(n)), true);
        if events == [format!("refused {} REFUSED_STREAM", id(n))] {
            break n;
        }
        assert_eq!(events, [format!("headers {} end", id(n))]);
        let stream = bench.stream(id(n));
        let large = "x".repeat(1_000);
        let fields = [Field::new(b":status", b"404"), Field::sensitive(b"x", large.as_bytes())];
        bench.connection.respond(stream, fields, End::Stream).unwrap();
        n += 1;
        assert!(n < 1_000, "it goes on and on");
    };
    assert!(bench.connection.output().len() > clogged && bench.connection.output().len() < clogged + 2_000);
    // The first refusal was at `refused`.
    for n in refused + 1..refused + limits().provoked_resets.burst {
        assert_eq!(bench.events(&get(id(n)), true), [format!("refused {} REFUSED_STREAM", id(n))]);
    }
    assert_eq!(bench.events(&get(id(9_000)), true), ["error ENHANCE_YOUR_CALM"]);
    assert!(bench.connection.output().len() < clogged + 2_000 + 13 * limits().provoked_resets.burst as usize + 17);
}

#[test]
fn content_that_is_not_read_waits_with_its_sender() {
    let mut bench = Bench::server();
    bench.feed(&[get(1), update(1, 1 << 30), update(0, 1 << 30)].concat());
    bench.answer(1, End::Open);
    let stream = bench.stream(1);
    let mut taken = 0;
    for _ in 0..1_000 {
        taken += bench.connection.send_data(stream, &[0; 10_000], End::Open);
    }
    let most = Config::default().output;
    assert!(taken <= most && taken > most - 200, "{taken}");
    // The frame that reaches the limit may go beyond it by its head.
    assert!((most..=most + 9).contains(&bench.connection.output().len()));
    assert_eq!((bench.connection.capacity(stream), bench.connection.room()), (0, 0));
}

#[test]
fn a_window_that_opens_byte_by_byte() {
    let mut bench = Bench::server();
    bench.feed(&wire::settings(&[(wire::INITIAL_WINDOW_SIZE, 0)]));
    bench.feed(&get(1));
    bench.answer(1, End::Open);
    bench.frames();
    let stream = bench.stream(1);
    assert_eq!(bench.connection.send_data(stream, b"content", End::Stream), 0);
    for _ in 0..limits().idle_frames.burst {
        assert_eq!(bench.feed(&update(1, 1)), "window 1 |");
        assert_eq!(bench.connection.send_data(stream, b"content", End::Stream), 1);
        assert_eq!(bench.said(), ["DATA 1 1"]);
        assert!(bench.connection.storage() < 16 * 1024);
        // Asks again, so that it is told again.
        assert_eq!(bench.connection.capacity(stream), 0);
    }
    ends_calmly(&mut bench, |bench| bench.feed(&update(1, 1)));
}
