//! Header blocks that are long, or come in many frames, or expand.

use super::*;
use wire::{END_HEADERS, END_STREAM, PADDED, PRIORITIZED, frame, get};

/// A request in a HEADERS frame and `count` frames of CONTINUATION.
fn continued(id: u32, block: &[u8], count: usize) -> Vec<u8> {
    let mut bytes = frame(wire::HEADERS, END_STREAM, id, &[]);
    let piece = block.len().div_ceil(count);
    for n in 0..count {
        let piece = &block[(n * piece).min(block.len())..((n + 1) * piece).min(block.len())];
        let flags = if n + 1 == count { END_HEADERS } else { 0 };
        bytes.extend(frame(wire::CONTINUATION, flags, id, piece));
    }
    bytes
}

#[test]
fn continuation_flood_by_count() {
    let most = limits().continuations as usize;
    let block = wire::block(wire::GET);
    let mut bench = Bench::server();
    for n in 0..50 {
        assert_eq!(bench.feed(&continued(id(n), &block, most)), format!("headers {} end |", id(n)));
    }
    ends_calmly(&mut bench, |bench| bench.feed(&continued(101, &block, most + 1)));
    // Not even one that never ends goes further.
    let mut bench = Bench::server();
    let mut endless = frame(wire::HEADERS, END_STREAM, 1, &[]);
    (0..=most).for_each(|_| endless.extend(frame(wire::CONTINUATION, 0, 1, &[])));
    ends_calmly(&mut bench, |bench| bench.feed(&endless));
}

#[test]
fn continuation_flood_by_bytes() {
    let most = limits().header_block;
    let block = |length: usize| {
        let fields = |value: &str| wire::block(wire::GET.iter().copied().chain([("x", value)]));
        let block = fields(&"x".repeat(length - fields(&"x".repeat(20_000)).len() + 20_000));
        assert_eq!(block.len(), length);
        block
    };
    let mut bench = Bench::server();
    // The list is too large, but the connection lives.
    assert_eq!(
        bench.feed(&continued(1, &block(most), 7)),
        "refused 1 ENHANCE_YOUR_CALM | RST_STREAM 1 ENHANCE_YOUR_CALM"
    );
    assert_eq!(bench.feed(&get(3)), "headers 3 end |");
    ends_calmly(&mut bench, |bench| bench.feed(&continued(5, &block(most + 1), 7)));
}

#[test]
fn a_header_block_in_one_large_frame() {
    let limits = Limits { header_block: 20_000, ..limits() };
    let config = Config { max_frame: 1 << 20, limits, ..Config::default() };
    let fields = wire::block(wire::GET);
    let block = |length: usize| {
        let value = length - fields.len() - 1 - 2 - 4;
        let all = wire::GET.iter().map(|&(name, value)| (name, value.to_owned()));
        let block = wire::block(all.chain([("x", "x".repeat(value))]));
        assert_eq!(block.len(), length);
        block
    };
    let flags = END_STREAM | END_HEADERS;
    let mut bench = Bench::new(Role::Server, config.clone());
    assert_eq!(bench.feed(&frame(wire::HEADERS, flags, 1, &block(20_000))), "headers 1 end |");
    ends_calmly(&mut bench, |bench| bench.feed(&frame(wire::HEADERS, flags, 3, &block(20_001))));
    // Its head is enough to know, so that nothing is stored.
    for kind in [wire::HEADERS, wire::SETTINGS, wire::GOAWAY, wire::PRIORITY] {
        let mut bench = Bench::new(Role::Server, config.clone());
        let stream = u32::from(kind == wire::HEADERS || kind == wire::PRIORITY);
        let large = frame(kind, 0, stream, &vec![0; 20_262]);
        ends_calmly(&mut bench, |bench| bench.feed(&large[..9]));
    }
    // Padding and priority do not count.
    let mut bench = Bench::new(Role::Server, config);
    let padded = [&[255, 0, 0, 0, 0, 0][..], &block(20_000), &[0; 255]].concat();
    assert_eq!(bench.feed(&frame(wire::HEADERS, flags | PADDED | PRIORITIZED, 1, &padded)), "headers 1 end |");
}

/// Names the newest entry of the dynamic table: index 62.
const NEWEST: u8 = 0b1011_1110;

/// A block that puts a field of 4,000 octets into the table and names it `count` times.
fn bomb(count: usize) -> Vec<u8> {
    let mut block = wire::block(wire::GET);
    // A literal with incremental indexing.
    block.extend([0x40, 1, b'x', 127, 0xe1, 0x1d]);
    block.extend([b'y'; 3_936]);
    block.extend(vec![NEWEST; count]);
    block
}

#[test]
fn hpack_bomb() {
    let entry = 1 + 3_936 + 32;
    let first = wire::GET.iter().map(|(name, value)| name.len() + value.len() + 32).sum::<usize>();
    let most = (limits().header_bomb - first) / entry - 1;
    let mut bench = Bench::server();
    let request = |id, count| frame(wire::HEADERS, END_STREAM | END_HEADERS, id, &bomb(count));
    assert_eq!(bench.feed(&request(1, 3)), "headers 1 end |");
    // Beyond the list's limit: the stream is refused and the table goes on.
    assert_eq!(bench.feed(&request(3, most)), "refused 3 ENHANCE_YOUR_CALM | RST_STREAM 3 ENHANCE_YOUR_CALM");
    let again = [&wire::block(wire::GET)[..], &[NEWEST]].concat();
    assert_eq!(bench.feed(&frame(wire::HEADERS, END_STREAM | END_HEADERS, 5, &again)), "headers 5 end |");
    assert_eq!(bench.connection.fields().get(b"x").map(<[u8]>::len), Some(3_936));
    ends_calmly(&mut bench, |bench| bench.feed(&request(7, most + 1)));
}

#[test]
fn a_header_list_that_is_too_large_leaves_the_table_in_step() {
    for role in [Role::Server, Role::Client] {
        let mut bench = Bench::new(role, Config { max_header_list: 1_000, ..Config::default() });
        let first: &[(&str, &str)] = if role == Role::Server { &wire::GET } else { &wire::OK };
        if role == Role::Client {
            for _ in 0..3 {
                bench.open(Request::Ordinary, End::Stream);
            }
            bench.frames();
        }
        // The last field is remembered although it is not kept.
        let mut block = wire::block(first.iter().copied().chain([("x", &*"y".repeat(1_000))]));
        block.extend([0x40, 1, b'k', 1, b'v']);
        let expected = match role {
            Role::Server => "refused 1 ENHANCE_YOUR_CALM | RST_STREAM 1 ENHANCE_YOUR_CALM",
            Role::Client => "fault 1 ENHANCE_YOUR_CALM | RST_STREAM 1 ENHANCE_YOUR_CALM",
        };
        assert_eq!(bench.feed(&frame(wire::HEADERS, END_STREAM | END_HEADERS, id(0), &block)), expected);
        let block = [&wire::block(first.iter().copied())[..], &[NEWEST]].concat();
        assert_eq!(bench.feed(&frame(wire::HEADERS, END_STREAM | END_HEADERS, id(1), &block)), "headers 3 end |");
        assert_eq!(bench.connection.fields().get(b"k"), Some(&b"v"[..]));
        // A list of exactly that size is one.
        let left = 1_000 - first.iter().map(|(name, value)| name.len() + value.len() + 32).sum::<usize>() - 33;
        let block = wire::block(first.iter().copied().chain([("x", &*"y".repeat(left))]));
        assert_eq!(bench.feed(&frame(wire::HEADERS, END_STREAM | END_HEADERS, id(2), &block)), "headers 5 end |");
        assert_eq!(bench.connection.fields().list_size(), 1_000);
    }
}
