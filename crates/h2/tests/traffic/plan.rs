//! What is to be exchanged, by a seed.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// What an end found of each exchange.
pub type Found = HashMap<usize, Seen>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Message(Message),
    Reset(u32),
}

/// A request or a response, without its pseudo-header fields.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Message {
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub trailers: Option<Vec<(String, String)>>,
}

#[derive(Debug)]
pub struct Exchange {
    pub request: Message,
    pub response: Message,
    pub fate: Fate,
}

#[derive(Clone, Copy, Debug)]
pub enum Fate {
    Whole,
    /// The client resets with this code after the head.
    ClientResets(u32),
    /// The server resets with this code instead of answering.
    ServerResets(u32),
}

#[derive(Debug)]
pub struct Plan {
    pub exchanges: Vec<Exchange>,
    dice: Dice,
}

/// Numbers that are the same in each run.
#[derive(Debug)]
pub struct Dice(AtomicU64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self((seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def0).into())
    }

    pub fn below(&self, most: usize) -> usize {
        let next = self.0.load(Relaxed).wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0.store(next, Relaxed);
        usize::try_from(next >> 33).unwrap() % most
    }
}

impl Plan {
    pub fn new(seed: u64) -> Self {
        let dice = Dice::new(seed);
        let count = 1 + dice.below(60);
        let mut exchanges: Vec<_> = (0..count).map(|_| exchange(&dice)).collect();
        // Once it is there, all are.
        exchanges.last_mut().expect("at least one").fate = Fate::Whole;
        Self { exchanges, dice }
    }

    /// One of these.
    pub fn pick(&self, choices: &[u32]) -> u32 {
        choices[self.dice.below(choices.len())]
    }
}

fn exchange(dice: &Dice) -> Exchange {
    const CODES: [u32; 4] = [2, 7, 8, 11];
    let code = CODES[dice.below(CODES.len())];
    let fate = match dice.below(12) {
        0 => Fate::ClientResets(code),
        1 => Fate::ServerResets(code),
        _ => Fate::Whole,
    };
    Exchange { request: message(dice), response: message(dice), fate }
}

fn message(dice: &Dice) -> Message {
    let length = match dice.below(6) {
        0 | 1 => 0,
        2 => 1 + dice.below(10),
        3 => dice.below(3_000),
        4 => 16_380 + dice.below(10),
        _ => dice.below(50_000),
    };
    let body = (0..length).map(|_| u8::try_from(dice.below(256)).unwrap()).collect();
    let trailers = (dice.below(4) == 0).then(|| fields(dice, 1));
    Message { fields: fields(dice, 0), body, trailers }
}

fn fields(dice: &Dice, least: usize) -> Vec<(String, String)> {
    const NAMES: [&str; 9] = [
        "accept",
        "cookie",
        "grpc-status",
        "x-request-id",
        "authorization",
        "x-a",
        "x-b",
        "etag",
        "a-name-that-is-long",
    ];
    let count = least + dice.below(8);
    let field = |_| {
        let name = NAMES[dice.below(NAMES.len())].to_owned();
        let length = [0, 1, 20, 300, 5_000][dice.below(5)];
        let value = match dice.below(3) {
            0 => "the same value each time".to_owned(),
            _ => (0..length).map(|_| char::from(u8::try_from(33 + dice.below(94)).unwrap())).collect(),
        };
        (name, value)
    };
    let mut fields: Vec<_> = (0..count).map(field).collect();
    sort(&mut fields);
    fields
}

/// By names; fields of one name stay in their order, which is all that an `http::HeaderMap` keeps.
pub fn sort(fields: &mut [(String, String)]) {
    fields.sort_by(|a, b| a.0.cmp(&b.0));
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sum: u64 = self.body.iter().fold(7, |sum, &byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        write!(f, "{:?}, {} bytes ({sum:x}), {:?}", self.fields, self.body.len(), self.trailers)
    }
}
