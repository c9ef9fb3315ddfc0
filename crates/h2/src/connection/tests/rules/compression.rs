//! Header blocks (RFC 7541): what ends a connection, at a server and at a client.

use super::*;
use wire::{END_HEADERS, END_STREAM, HEADERS, frame, settings, settings_ack};

/// Every header block that can't be decoded, after four fields that can.
const BROKEN: &[(&str, &[u8])] = &[
    ("index 0", &[0x80]),
    ("an index beyond both tables", &[0xc6]),
    ("the first index of an empty table", &[0xbe]),
    ("a name beyond both tables", &[0x7e, 1, b'x']),
    ("a name that is never indexed beyond both tables", &[0x1f, 62 - 15, 1, b'x']),
    ("an index without end", &[0xff, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1]),
    ("an index of more than 32 bits", &[0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
    ("an index that is cut off", &[0xff, 0x80]),
    ("a name that is cut off", &[0, 5, b'x']),
    ("a value that is missing", &[0, 1, b'x']),
    ("a value that is cut off", &[0, 1, b'x', 5, b'y']),
    ("a length of more than 32 bits", &[0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0x7f]),
    ("Huffman padding of eight bits", &[0, 1, b'x', 0x82, 0x1f, 0xff]),
    ("Huffman padding of zeros", &[0, 1, b'x', 0x81, 0x18]),
    ("Huffman's end of string", &[0, 1, b'x', 0x84, 0xff, 0xff, 0xff, 0xff]),
    ("a table size after a field", &[0x20]),
];

fn request(then: &[u8]) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, 1, &[&wire::block(wire::GET)[..], then].concat())
}

#[test]
fn blocks_that_cannot_be_decoded() {
    for (name, bytes) in BROKEN {
        let found = Bench::server().feed(&request(bytes));
        assert_eq!(found, "error COMPRESSION_ERROR | GOAWAY 0 COMPRESSION_ERROR", "{name}");

        let mut bench = Bench::client();
        bench.open(Request::Ordinary, End::Stream);
        bench.frames();
        let response = [&wire::block(wire::OK)[..], bytes].concat();
        let found = bench.feed(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &response));
        assert_eq!(found, "error COMPRESSION_ERROR | GOAWAY 0 COMPRESSION_ERROR", "{name}");

        // Nor in what is not for anybody.
        let mut bench = Bench::server();
        bench.feed(&wire::post(1));
        let stream = bench.stream(1);
        bench.connection.reset(stream, Code::CANCEL);
        bench.frames();
        let trailers = frame(HEADERS, END_STREAM | END_HEADERS, 1, &[&wire::block([("a", "b")])[..], bytes].concat());
        assert_eq!(bench.feed(&trailers), "error COMPRESSION_ERROR | GOAWAY 1 COMPRESSION_ERROR", "{name}");
    }
}

#[test]
fn table_sizes() {
    let first = |sizes: &[u8]| {
        let block = [sizes, &wire::block(wire::GET)].concat();
        frame(HEADERS, END_STREAM | END_HEADERS, 1, &block)
    };
    let broken = "error COMPRESSION_ERROR | GOAWAY 0 COMPRESSION_ERROR";
    let rows = vec![
        row("a smaller one", [first(&[0x20])], "headers 1 end |"),
        row("down and up", [first(&[0x20, 0x3f, 0xe1, 0x1f])], "headers 1 end |"),
        row("as large as allowed", [first(&[0x3f, 0xe1, 0x1f])], "headers 1 end |"),
        row("larger than allowed", [first(&[0x3f, 0xe2, 0x1f])], broken),
        row("three at once", [first(&[0x20, 0x21, 0x20])], broken),
    ];
    check(Bench::server, rows);
    // What we allow counts once it is acknowledged.
    let config = Config { header_table: 100, ..Config::default() };
    let hello = || [wire::PREFACE, &settings(&[])].concat();
    let rows = vec![
        row("before it is acknowledged", [hello(), first(&[])], "settings, headers 1 end | SETTINGS ack"),
        row(
            "reduced after it",
            [hello(), settings_ack(), first(&[0x3f, 69])],
            "settings, headers 1 end | SETTINGS ack",
        ),
        row("reduced further", [hello(), settings_ack(), first(&[0x20])], "settings, headers 1 end | SETTINGS ack"),
        row(
            "not reduced after it",
            [hello(), settings_ack(), first(&[])],
            "settings, error COMPRESSION_ERROR | SETTINGS ack, GOAWAY 0 COMPRESSION_ERROR",
        ),
        row(
            "not reduced enough",
            [hello(), settings_ack(), first(&[0x3f, 70])],
            "settings, error COMPRESSION_ERROR | SETTINGS ack, GOAWAY 0 COMPRESSION_ERROR",
        ),
    ];
    check(|| Bench::fresh(Role::Server, config.clone()), rows);
    let larger = Config { header_table: 8_192, ..Config::default() };
    let rows = vec![
        row(
            "a larger one after it",
            [hello(), settings_ack(), first(&[0x3f, 0xe1, 0x3f])],
            "settings, headers 1 end | SETTINGS ack",
        ),
        row(
            "a larger one before it",
            [hello(), first(&[0x3f, 0xe1, 0x3f])],
            "settings, error COMPRESSION_ERROR | SETTINGS ack, GOAWAY 0 COMPRESSION_ERROR",
        ),
    ];
    check(|| Bench::fresh(Role::Server, larger.clone()), rows);
}

/// The table size updates at the start of the next header block that we send.
fn updates(bench: &mut Bench, id: u32) -> Vec<u8> {
    bench.feed(&wire::get(id));
    bench.answer(id, End::Stream);
    let frames = bench.frames();
    let block = &frames.last().unwrap().payload;
    assert_eq!(block.last(), Some(&0x88), ":status 200 is in the static table");
    block[..block.len() - 1].to_vec()
}

#[test]
fn the_peers_table_size_is_obeyed() {
    let mut bench = Bench::server();
    assert_eq!(updates(&mut bench, 1), []);
    bench.feed(&settings(&[(wire::HEADER_TABLE_SIZE, 0)]));
    assert_eq!(updates(&mut bench, 3), [0x20]);
    assert_eq!(updates(&mut bench, 5), []);
    // The least and the last, whether they came in one frame or in two.
    bench.feed(&settings(&[(wire::HEADER_TABLE_SIZE, 4_096)]));
    assert_eq!(updates(&mut bench, 7), [0x3f, 0xe1, 0x1f]);
    bench.feed(&settings(&[(wire::HEADER_TABLE_SIZE, 0), (wire::HEADER_TABLE_SIZE, 4_096)]));
    assert_eq!(updates(&mut bench, 9), [0x20, 0x3f, 0xe1, 0x1f]);
    bench.feed(&[settings(&[(wire::HEADER_TABLE_SIZE, 0)]), settings(&[(wire::HEADER_TABLE_SIZE, 4_096)])].concat());
    assert_eq!(updates(&mut bench, 11), [0x20, 0x3f, 0xe1, 0x1f]);
    // More than the default is not used.
    bench.feed(&settings(&[(wire::HEADER_TABLE_SIZE, 1 << 20)]));
    assert_eq!(updates(&mut bench, 13), []);
}
