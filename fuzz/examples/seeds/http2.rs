//! Seeds of the HTTP/2 targets.

#[path = "../../../crates/h2/tests/wire/mod.rs"]
mod wire;

use ripstop_h2::{
    Field,
    hpack::{Encoder, PreEncoded},
};
use wire::{END_HEADERS, END_STREAM, PADDED, PRIORITIZED};

use super::write;

/// Writes all of them.
pub fn seeds() {
    servers();
    clients();
    blocks();
    pairs();
    oracles();
    meters();
}

fn servers() {
    // In pieces of several sizes, with both sets of limits.
    let put = |name: &str, frames: &[Vec<u8>]| {
        for (suffix, first) in [("", [0, 0]), ("-small", [1, 7]), ("-unread", [5, 0])] {
            write("h2_server", &format!("{name}{suffix}"), &[&first[..], &frames.concat()].concat());
        }
    };
    let length: [(&str, &str); 5] =
        [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/"), ("content-length", "3")];
    let block = wire::block(wire::GET);
    put("requests", &[wire::get(1), wire::post(3), wire::data(3, END_STREAM, b"content"), wire::get(5)]);
    put("content-length", &[wire::headers(1, 0, &length), wire::data(1, END_STREAM, b"abc")]);
    put("trailers", &[wire::post(1), wire::data(1, 0, b"x"), wire::headers(1, END_STREAM, &[("a", "b")])]);
    put("padding", &[wire::post(1), wire::data(1, PADDED | END_STREAM, &[2, b'x', 0, 0])]);
    put(
        "continuation",
        &[
            wire::frame(wire::HEADERS, END_STREAM, 1, &block[..9]),
            wire::frame(wire::CONTINUATION, END_HEADERS, 1, &block[9..]),
        ],
    );
    put(
        "priority",
        &[
            wire::priority(1, 0),
            wire::frame(
                wire::HEADERS,
                END_STREAM | END_HEADERS | PRIORITIZED,
                1,
                &[&[0, 0, 0, 0, 9][..], &block].concat(),
            ),
        ],
    );
    put("settings", &[wire::settings(&[(wire::INITIAL_WINDOW_SIZE, 5), (wire::HEADER_TABLE_SIZE, 0)]), wire::get(1)]);
    put("windows", &[wire::post(1), wire::update(1, 1_000), wire::update(0, 1), wire::update(1, 0)]);
    put("resets", &[wire::get(1), wire::rst(1, 8), wire::post(3), wire::rst(3, 8), wire::get(3)]);
    put("ping-and-goaway", &[wire::ping([1; 8]), wire::goaway(0, 0), wire::get(1)]);
    put("too-many", &[wire::post(1), wire::post(3), wire::post(5), wire::post(7), wire::data(7, 0, b"x")]);
    put("beyond-the-window", &[wire::post(1), wire::data(1, 0, &[0; 600]), wire::post(3)]);
    put("connect", &[wire::headers(1, 0, &[(":method", "CONNECT"), (":authority", "a:1")]), wire::data(1, 0, b"x")]);
    put("unknown", &[wire::frame(0x42, 0xff, 3, b"unknown"), wire::get(1)]);
}

fn clients() {
    let put = |name: &str, frames: &[Vec<u8>]| {
        for (suffix, first) in [("", [0, 0]), ("-small", [1, 5])] {
            write("h2_client", &format!("{name}{suffix}"), &[&first[..], &frames.concat()].concat());
        }
    };
    let ok = |id| wire::headers(id, 0, &wire::OK);
    put("answers", &[ok(1), wire::data(1, END_STREAM, b"x"), wire::headers(3, END_STREAM, &wire::OK)]);
    put("informational", &[wire::headers(1, 0, &[(":status", "103")]), wire::headers(1, END_STREAM, &wire::OK)]);
    put("trailers", &[ok(1), wire::data(1, 0, b"x"), wire::headers(1, END_STREAM, &[("a", "b")])]);
    put("head", &[wire::headers(5, END_STREAM, &[(":status", "200"), ("content-length", "7")])]);
    put("tunnel", &[ok(7), wire::data(7, 0, b"x"), wire::data(7, END_STREAM, b"")]);
    put("refused-tunnel", &[wire::headers(7, 0, &[(":status", "403")]), wire::data(7, END_STREAM, b"no")]);
    put("goaway", &[wire::goaway(3, 0), ok(1), wire::data(1, END_STREAM, b"x"), wire::goaway(1, 2)]);
    put("resets", &[wire::rst(1, 7), ok(3), wire::rst(3, 8)]);
    put("settings", &[wire::settings(&[(wire::MAX_CONCURRENT_STREAMS, 1), (wire::INITIAL_WINDOW_SIZE, 0)])]);
    put("push", &[wire::frame(wire::PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2])]);
    put("no-content", &[wire::headers(1, 0, &[(":status", "204")]), wire::data(1, END_STREAM, b"")]);
    put("early-data", &[wire::data(1, 0, b"x"), ok(1)]);
}

fn blocks() {
    let put = |name: &str, blocks: &[Vec<u8>]| {
        let bytes = blocks.iter().flat_map(|block| {
            let length = u8::try_from(block.len()).expect("a short block");
            [vec![length], block.clone()].concat()
        });
        write("h2_hpack", name, &bytes.collect::<Vec<_>>());
    };
    let mut encoder = Encoder::new();
    let mut encoded = |fields: &[(&str, &str)]| {
        let mut block = Vec::new();
        encoder.encode(fields.iter().map(|(name, value)| Field::new(name.as_bytes(), value.as_bytes())), &mut block);
        block
    };
    let first = encoded(&[(":method", "GET"), (":path", "/a"), ("x-a", "a value"), ("cookie", "a=b")]);
    let second = encoded(&[(":method", "GET"), (":path", "/a"), ("x-a", "a value"), ("x-b", "another value")]);
    put("two", &[first.clone(), second]);
    put("again", &[first.clone(), first]);
    put("plain", &[wire::block(wire::GET), wire::block(wire::OK)]);
    let fields = [Field::new(b"server", b"x"), Field::sensitive(b"authorization", b"secret")];
    put("made-before", &[PreEncoded::new(fields).as_bytes().to_vec()]);
    put("static", &[(0x81..=0xbd).collect()]);
    put("size-updates", &[vec![0x20, 0x3f, 0xe1, 0x1f, 0x82], vec![0x3f, 0x20, 0x82]]);
    put("late-size-update", &[vec![0x82, 0x20]]);
    put("remembered", &[vec![0x40, 1, b'k', 1, b'v', 0xbe], vec![0xbe, 0x7e, 1, b'w', 0xbf]]);
    put("never", &[vec![0x10, 1, b'k', 1, b'v', 0x1f, 0x10, 1, b'w']]);
    put("huffman", &[vec![0, 0x81, 0x1f, 0x82, 0x1c, 0x64], vec![0, 0x81, 0x18, 0]]);
    put("no-entry", &[vec![0xbe], vec![0x80]]);
    put("large-integers", &[vec![0xff, 0xff, 0xff, 0xff, 0xff, 0x0f], vec![0x7f, 0x80, 0x80, 0x80, 0x80, 0x01]]);
    put("cut-off", &[vec![0x40, 5, b'x'], vec![0]]);
    put(
        "a-peer-that-changes-its-table",
        &[vec![0xee; 30], b"name\0value".to_vec(), vec![0xee, 0], b"name\0value".to_vec()],
    );
}

fn pairs() {
    // Deeds of the client are even, of the server odd.
    let deed = |what: u8, server: u8| what << 1 | server;
    let (begin, send, finish, reset, consume, hear, all) = (0, 2, 5, 6, 7, 8, 10);
    let put = |name: &str, sizes: [u8; 2], deeds: &[(u8, u8, u8)]| {
        let deeds = deeds.iter().flat_map(|&(what, server, n)| [deed(what, server), n]);
        write("h2_pair", name, &sizes.into_iter().chain(deeds).collect::<Vec<_>>());
    };
    let both = [(all, 0, 0), (all, 1, 0)];
    let exchange = [
        &both[..],
        &[(begin, 0, 1), (send, 0, 90), (finish, 0, 0), (all, 0, 0)],
        &[(begin, 1, 1), (send, 1, 200), (finish, 1, 1), (all, 1, 0)],
    ]
    .concat();
    for (n, sizes) in [[0, 0], [1, 2], [2, 1], [3, 3], [4, 4], [9, 200], [255, 7]].into_iter().enumerate() {
        put(&format!("exchange-{n}"), sizes, &exchange);
    }
    put(
        "in-small-pieces",
        [2, 3],
        &[&exchange[..5], &[(hear, 0, 3); 40], &exchange[6..], &[(hear, 1, 5); 40]].concat(),
    );
    put("resets", [3, 3], &[&exchange[..6], &[(reset, 0, 0), (begin, 0, 1), (all, 0, 0), (reset, 1, 0)]].concat());
    put("consumes-slowly", [1, 1], &[&exchange[..], &[(consume, 0, 1), (consume, 1, 1), (send, 1, 99)]].concat());
    put("goes", [4, 3], &[&exchange[..6], &[(12, 1, 7), (all, 1, 0), (begin, 0, 1), (all, 0, 0)]].concat());
    put(
        "many",
        [6, 6],
        &[&both[..], &[(begin, 0, 1); 9], &[(all, 0, 0), (begin, 1, 1), (begin, 1, 2), (all, 1, 0)]].concat(),
    );
    put("before-settings", [0, 200], &[&[(begin, 0, 1); 9][..], &[(send, 0, 255), (all, 0, 0), (12, 1, 3)]].concat());
    put("the-end-below-no-window", [9, 170], &[(begin, 0, 1), (begin, 0, 1), (4, 0, 1), (all, 1, 0)]);
    put("pings", [3, 4], &[(11, 0, 1), (11, 1, 2), (11, 0, 3), (all, 0, 0), (all, 1, 0)]);
}

fn oracles() {
    let put = |name: &str, frames: &[(u8, u8, u8, Vec<u8>)]| {
        let bytes = frames.iter().flat_map(|(kind, flags, stream, payload)| {
            let length = u8::try_from(payload.len()).expect("a short frame");
            [&[*kind, *flags, *stream, length][..], payload].concat()
        });
        write("h2_oracle", name, &bytes.collect::<Vec<_>>());
    };
    let whole = END_STREAM | END_HEADERS;
    let get = || wire::block(wire::GET);
    let post = || (wire::HEADERS, END_HEADERS, 1, wire::block(wire::POST));
    let data = |flags, payload: &[u8]| (wire::DATA, flags, 1, payload.to_vec());
    put("request", &[(wire::HEADERS, whole, 1, get())]);
    put("content", &[post(), data(0, b"x"), data(END_STREAM, b"yz")]);
    put("padding", &[post(), data(PADDED | END_STREAM, &[2, b'x', 0, 0])]);
    put("trailers", &[post(), data(0, b"x"), (wire::HEADERS, whole, 1, wire::block([("a", "b")]))]);
    put("continuation", &[(wire::HEADERS, 1, 1, get()[..5].to_vec()), (wire::CONTINUATION, 4, 1, get()[5..].to_vec())]);
    put("priority", &[(wire::PRIORITY, 0, 1, vec![0, 0, 0, 3, 9]), post()]);
    put("settings", &[(wire::SETTINGS, 0, 0, vec![0, 4, 0, 0, 0, 9]), post()]);
    put(
        "windows",
        &[post(), (wire::WINDOW_UPDATE, 0, 1, vec![0, 0, 9, 9]), (wire::WINDOW_UPDATE, 0, 0, vec![0, 0, 0, 1])],
    );
    put("ping", &[(wire::PING, 0, 0, vec![5; 8]), (wire::PING, 1, 0, vec![5; 8])]);
    put("unknown", &[(11, 9, 3, b"unknown".to_vec()), post()]);
    put(
        "several",
        &[post(), (wire::HEADERS, whole, 3, get()), (wire::HEADERS, whole, 7, get()), data(END_STREAM, b"x")],
    );
    put(
        "indexed",
        &[
            (wire::HEADERS, whole, 1, [&get()[..], &[0x40, 1, b'k', 1, b'v']].concat()),
            (wire::HEADERS, whole, 3, [&get()[..], &[0xbe]].concat()),
        ],
    );
    let length = [wire::block(wire::POST), wire::block([("content-length", "3")])].concat();
    put("content-length", &[(wire::HEADERS, END_HEADERS, 1, length), data(END_STREAM, b"abc")]);
    put("no-request", &[(wire::HEADERS, whole, 1, wire::block([("a", "b")]))]);
}

fn meters() {
    // Words of the client are even, of the server odd; longer ones go on.
    let put = |name: &str, words: &[(u8, Vec<u8>)]| {
        let said: Vec<u8> = words
            .iter()
            .flat_map(|(who, bytes)| bytes.chunks(127).map(move |bytes| (*who, bytes)))
            .flat_map(|(who, bytes)| {
                let length = u8::try_from(bytes.len()).expect("a short word");
                [&[length << 1 | who][..], bytes].concat()
            })
            .collect();
        for (suffix, piece) in [("", 0), ("-pieces", 5)] {
            write("h2_meter", &format!("{name}{suffix}"), &[&[0, piece][..], &said].concat());
        }
    };
    let ok = |stream, flags| (1, wire::headers(stream, flags, &wire::OK));
    let grpc = [&wire::POST[..], &[("content-type", "application/grpc")]].concat();
    let status = [("grpc-status", "0"), ("grpc-message", "")];
    put("get", &[(0, wire::get(1)), ok(1, END_STREAM)]);
    put(
        "content",
        &[
            (0, wire::post(1)),
            (0, wire::data(1, PADDED | END_STREAM, &[2, b'x', 0, 0])),
            ok(1, 0),
            (1, wire::data(1, 0, b"abc")),
            (1, wire::data(1, END_STREAM, b"")),
        ],
    );
    put(
        "call",
        &[
            (0, wire::headers(1, 0, &grpc)),
            (0, wire::data(1, END_STREAM, &[0, 0, 0, 0, 2, 1, 2, 0, 0, 0, 0, 0])),
            ok(1, 0),
            (1, wire::data(1, 0, &[0, 0, 0, 0, 0])),
            (1, wire::headers(1, END_STREAM, &status)),
        ],
    );
    put(
        "resets",
        &[(0, [wire::get(1), wire::get(3), wire::rst(1, 8)].concat()), (1, wire::rst(3, 2)), ok(1, END_STREAM)],
    );
    put("early", &[(0, wire::post(1)), (1, wire::headers(1, 0, &[(":status", "103")])), ok(1, END_STREAM)]);
    let block = wire::block(wire::GET);
    put(
        "continuation",
        &[
            (0, wire::frame(wire::HEADERS, END_STREAM | PRIORITIZED, 1, &[&[0, 0, 0, 0, 9][..], &block[..9]].concat())),
            (0, wire::frame(wire::CONTINUATION, END_HEADERS, 1, &block[9..])),
            ok(1, END_STREAM),
        ],
    );
    let table = wire::settings(&[(wire::HEADER_TABLE_SIZE, 5_000), (wire::ENABLE_CONNECT_PROTOCOL, 1)]);
    let update = [&[0x3f, 0xe9, 0x26][..], &block].concat();
    put(
        "table",
        &[(1, table), (0, wire::frame(wire::HEADERS, END_HEADERS | END_STREAM, 1, &update)), ok(1, END_STREAM)],
    );
    put("streams", &[(0, [1, 3, 5, 7, 9].map(wire::get).concat())]);
    put("pushed", &[(0, wire::get(1)), (1, wire::frame(wire::PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2]))]);
    put(
        "other-frames",
        &[(0, [wire::ping([1; 8]), wire::update(0, 9), wire::goaway(0, 0)].concat()), (0, wire::get(1))],
    );
}
