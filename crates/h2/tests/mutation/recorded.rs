//! Streams of frames that are in order, and what a seed makes of them.

use ripstop_h2::{
    Field, Role,
    hpack::{Encoder, Indexing},
};

use super::wire::{self, END_HEADERS, END_STREAM, PADDED, PRIORITIZED};

/// Streams that there are: 1, 3 and so on.
pub const STREAMS: u32 = 4;

struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        let mut dice = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5555);
        (0..4).for_each(|_| drop(dice.below(2).to_string()));
        dice
    }

    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % most
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }
}

/// What a peer of `role` sends, unchanged.
pub fn whole(role: Role, seed: u64) -> Vec<u8> {
    frames(role, &mut Dice::new(seed)).concat()
}

/// The same with one or two changes.
pub fn changed(role: Role, seed: u64) -> Vec<u8> {
    let mut dice = Dice::new(seed);
    let mut frames = frames(role, &mut dice);
    for _ in 0..=dice.below(2) {
        change(&mut frames, &mut dice);
    }
    let mut bytes = frames.concat();
    let whole = whole_frames(role, &bytes);
    bytes.truncate(whole);
    bytes
}

/// How long all whole frames are together. What is cut off is taken by one as it comes and by the other as a whole.
fn whole_frames(role: Role, bytes: &[u8]) -> usize {
    let mut at = if role == Role::Server { wire::PREFACE.len() } else { 0 };
    while let Some(&[a, b, c]) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        if at + 9 + length > bytes.len() {
            // Too long a frame is known by its head.
            return if length > 16_384 && at + 9 <= bytes.len() { bytes.len() } else { at };
        }
        at += 9 + length;
    }
    at.min(bytes.len())
}

fn frames(role: Role, dice: &mut Dice) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new();
    let mut frames = Vec::new();
    if role == Role::Server {
        frames.push(wire::PREFACE.to_vec());
    }
    frames.push(wire::settings(&[(wire::MAX_HEADER_LIST_SIZE, 1 << 16), (wire::INITIAL_WINDOW_SIZE, 1 << 17)]));
    frames.push(wire::settings_ack());
    let mut streams: Vec<_> = (0..STREAMS).map(|n| message(role, 2 * n + 1, dice)).collect();
    // Heads in order, the rest as it comes.
    for (id, head, end, _) in &streams {
        let mut block = Vec::new();
        encoder.begin(&mut block);
        for (name, value) in head {
            encoder.encode_field(Field::new(name.as_bytes(), value.as_bytes()), Indexing::Incremental, &mut block);
        }
        let flags = if *end { END_STREAM } else { 0 };
        match dice.below(5) {
            0 => {
                let (first, rest) = block.split_at(dice.below(block.len()));
                frames.push(wire::frame(wire::HEADERS, flags, *id, first));
                frames.push(wire::frame(wire::CONTINUATION, END_HEADERS, *id, rest));
            }
            1 => {
                let payload = [&[2, 0, 0, 0, 0, 15][..], &block, &[0, 0]].concat();
                frames.push(wire::frame(wire::HEADERS, flags | END_HEADERS | PADDED | PRIORITIZED, *id, &payload));
            }
            _ => frames.push(wire::frame(wire::HEADERS, flags | END_HEADERS, *id, &block)),
        }
    }
    streams.retain(|(.., rest)| !rest.is_empty());
    while !streams.is_empty() {
        match dice.below(12) {
            0 => frames.push(wire::ping([3; 8])),
            1 => frames.push(wire::update(0, 2_000)),
            2 => frames.push(wire::frame(0x42, 7, 0, b"unknown")),
            3 => frames.push(wire::settings(&[(wire::MAX_FRAME_SIZE, 20_000)])),
            _ => {
                let at = dice.below(streams.len());
                frames.push(streams[at].3.remove(0));
                streams.retain(|(.., rest)| !rest.is_empty());
            }
        }
    }
    frames
}

type Message = (u32, Vec<(&'static str, String)>, bool, Vec<Vec<u8>>);

/// A message: its head, whether that is all, and the frames that follow.
fn message(role: Role, id: u32, dice: &mut Dice) -> Message {
    let mut head: Vec<(&str, String)> = match role {
        Role::Server => vec![
            (":method", "POST".into()),
            (":scheme", "http".into()),
            (":authority", "example.com".into()),
            (":path", format!("/{id}")),
        ],
        Role::Client => vec![(":status", "200".into())],
    };
    head.push(("x-value", "v".repeat(dice.below(20))));
    let mut rest = Vec::new();
    let pieces = dice.below(4);
    let length = 10 * pieces;
    if dice.below(3) == 0 {
        head.push(("content-length", length.to_string()));
    }
    let trailers = dice.below(4) == 0;
    for n in 0..pieces {
        let end = if n + 1 == pieces && !trailers { END_STREAM } else { 0 };
        let frame = match dice.below(3) {
            0 => wire::data(id, end | PADDED, &[&[4][..], &[7; 10], &[0; 4]].concat()),
            _ => wire::data(id, end, &[7; 10]),
        };
        rest.push(frame);
        if dice.below(3) == 0 && n + 1 < pieces {
            rest.push(wire::update(id, 3_000));
        }
    }
    if trailers {
        rest.push(wire::headers(id, END_STREAM, &[("a", "b")]));
    }
    let all = rest.is_empty();
    (id, head, all, rest)
}

/// Changes something.
fn change(frames: &mut Vec<Vec<u8>>, dice: &mut Dice) {
    let at = dice.below(frames.len());
    let id = u32::try_from(dice.below(12)).unwrap();
    let frame = &mut frames[at];
    let byte = dice.below(frame.len());
    match dice.below(16) {
        0 => frame[byte] ^= 1 << dice.below(8),
        1 => frame[byte] = dice.byte(),
        2 => drop(frame.remove(byte)),
        3 => frame.insert(byte, dice.byte()),
        4 => drop(frames.remove(at)),
        5 => {
            let twin = frame.clone();
            frames.insert(at, twin);
        }
        6 => {
            let other = dice.below(frames.len());
            frames.swap(at, other);
        }
        // Heads: type, flags, stream, length.
        7 => frame[3] = u8::try_from(dice.below(11)).unwrap(),
        8 => frame[4] ^= [END_STREAM, END_HEADERS, PADDED, PRIORITIZED][dice.below(4)],
        9 => frame[5..9].copy_from_slice(&id.to_be_bytes()),
        10 => frame[2] = dice.byte(),
        11 => frames.insert(at, wire::update(id, [0, 1, 0x7fff_ffff][dice.below(3)])),
        12 => frames.insert(at, wire::rst(id, 8)),
        13 => frames.insert(at, wire::data(id, [0, END_STREAM][dice.below(2)], &vec![0; dice.below(30)])),
        14 => {
            let fields: [(&str, &str); 4] = [("a", "b"), ("Upper", "x"), (":path", "/"), ("connection", "close")];
            let field = fields[dice.below(4)];
            frames.insert(at, wire::headers(id, [0, END_STREAM][dice.below(2)], &[field]));
        }
        _ => {
            let name = u16::try_from(dice.below(10)).unwrap();
            let value = [0, 1, 2, 20_000, 1 << 31][dice.below(5)];
            frames.insert(at, wire::settings(&[(name, value)]));
        }
    }
}
