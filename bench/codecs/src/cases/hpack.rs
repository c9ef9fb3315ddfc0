//! HPACK: header blocks as they go over a tunnel and as a browser sends them.

use std::hint::black_box;

use ripstop_h2::hpack::{Decoder, Encoder, PreEncoded, huffman};
use ripstop_h2::{Field, Fields};

use super::{Case, in_turn};

/// Messages of each kind; what varies is another one in each.
const MESSAGES: usize = 64;
const MAX_LIST_SIZE: usize = 65_536;

const USER_AGENT: &[u8] =
    b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";

/// All cases of HPACK.
pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("hpack/encode/connect", || encode(messages(connect))),
        Case::new("hpack/decode/connect", || decode(&messages(connect))),
        Case::new("hpack/encode/browser", || encode(messages(browser))),
        Case::new("hpack/decode/browser", || decode(&messages(browser))),
        Case::new("hpack/encode/unseen", || encode(messages(unseen))),
        Case::new("hpack/decode/unseen", || decode(&messages(unseen))),
        Case::new("hpack/send/pre-encoded", send_pre_encoded),
        Case::new("hpack/decode/pre-encoded", decode_pre_encoded),
        Case::new("huffman/encode/user-agent", huffman_encode),
        Case::new("huffman/decode/user-agent", huffman_decode),
    ]
}

fn encode(messages: Vec<Fields>) -> Box<dyn FnMut()> {
    let mut encoder = Encoder::new();
    let mut block = Vec::new();
    in_turn(messages, move |message| {
        block.clear();
        encoder.encode(message.iter(), &mut block);
        black_box(&block);
    })
}

/// Blocks that come again and again: they are those of an encoder that has seen all messages, so that each leaves
/// the table as it was, or, if what it has is always new, refers to nothing in it.
fn decode(messages: &[Fields]) -> Box<dyn FnMut()> {
    let mut encoder = Encoder::new();
    let mut decoder = Decoder::new(4096);
    let mut fields = Fields::new();
    let mut round = || -> Vec<Vec<u8>> {
        let block = |message: &Fields| {
            let mut block = Vec::new();
            encoder.encode(message.iter(), &mut block);
            check(&mut decoder, &block, &mut fields);
            block
        };
        messages.iter().map(block).collect()
    };
    round();
    let blocks = round();
    assert_eq!(round(), blocks, "blocks must be the same in each round");
    let count = messages.iter().map(Fields::len).max();
    in_turn(blocks, move |block| {
        check(&mut decoder, block, &mut fields);
        assert_eq!(Some(fields.len()), count);
    })
}

fn check(decoder: &mut Decoder, block: &[u8], fields: &mut Fields) {
    let decoded = decoder.decode(black_box(block), fields, MAX_LIST_SIZE, MAX_LIST_SIZE);
    assert!(decoded.is_ok(), "{decoded:?}");
}

fn send_pre_encoded() -> Box<dyn FnMut()> {
    let response = pre_encoded();
    let mut encoder = Encoder::new();
    let mut block = Vec::new();
    Box::new(move || {
        block.clear();
        encoder.begin(&mut block);
        block.extend_from_slice(black_box(&response).as_bytes());
        black_box(&block);
    })
}

fn decode_pre_encoded() -> Box<dyn FnMut()> {
    let response = pre_encoded();
    let mut decoder = Decoder::new(4096);
    let mut fields = Fields::new();
    Box::new(move || check(&mut decoder, response.as_bytes(), &mut fields))
}

fn pre_encoded() -> PreEncoded {
    PreEncoded::new([
        Field::new(b":status", b"503"),
        Field::new(b"server", b"ripstop"),
        Field::new(b"content-type", b"text/plain"),
        Field::new(b"content-length", b"0"),
    ])
}

fn huffman_encode() -> Box<dyn FnMut()> {
    let mut code = Vec::new();
    Box::new(move || {
        code.clear();
        huffman::encode(black_box(USER_AGENT), &mut code);
        black_box(&code);
    })
}

fn huffman_decode() -> Box<dyn FnMut()> {
    let mut code = Vec::new();
    huffman::encode(USER_AGENT, &mut code);
    let mut text = Vec::new();
    Box::new(move || {
        text.clear();
        let decoded = huffman::decode(black_box(&code), &mut text);
        assert!(decoded.is_ok(), "{decoded:?}");
    })
}

pub(super) fn messages(of: fn(usize) -> Fields) -> Vec<Fields> {
    (0..MESSAGES).map(of).collect()
}

fn fields(of: &[(&str, &str)]) -> Fields {
    of.iter().map(|(name, value)| Field::new(name.as_bytes(), value.as_bytes())).collect()
}

/// A CONNECT between two nodes: few destinations, one source, each connection from another port.
pub(super) fn connect(number: usize) -> Fields {
    fields(&[
        (":method", "CONNECT"),
        (":authority", &format!("10.244.3.{}:8080", 17 + number % 8)),
        (
            "baggage",
            "k8s.namespace.name=shop,k8s.deployment.name=frontend,service.name=frontend,service.version=v1,\
             cloud.region=eu-central-1,cloud.availability_zone=eu-central-1a",
        ),
        ("forwarded", &format!("for=\"10.244.1.23:{}\";host=orders.shop.svc.cluster.local", 32_768 + number * 211)),
        ("traceparent", &traceparent(number)),
    ])
}

/// A page's request for one of its resources.
pub(super) fn browser(number: usize) -> Fields {
    fields(&[
        (":method", "GET"),
        (":authority", "shop.example.com"),
        (":scheme", "https"),
        (":path", &format!("/api/v2/products/{}?currency=EUR&lang=en", number * 7919)),
        ("sec-ch-ua", "\"Chromium\";v=\"140\", \"Not=A?Brand\";v=\"24\", \"Google Chrome\";v=\"140\""),
        ("sec-ch-ua-mobile", "?0"),
        ("sec-ch-ua-platform", "\"Linux\""),
        ("user-agent", str::from_utf8(USER_AGENT).unwrap_or_default()),
        ("accept", "application/json, text/plain, */*"),
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-mode", "cors"),
        ("sec-fetch-dest", "empty"),
        ("referer", "https://shop.example.com/products"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("accept-language", "en-GB,en;q=0.9,de;q=0.8"),
        ("cookie", "session=6f1b2c9d0e4a4f7f9d2d8a1c5b3e7f60; theme=dark; consent=all"),
        ("x-request-id", &format!("5b0c8a52-7d1e-4c3f-9a6b-{number:012x}")),
        ("traceparent", &traceparent(number)),
    ])
}

/// Fields that no table has yet: nothing is worth as much as one that goes in and out unused.
fn unseen(number: usize) -> Fields {
    fields(&[
        (":authority", &format!("orders-{number:04}.shop.svc.cluster.local:8080")),
        (&format!("x-name-{number:04}"), &format!("a value that is seen once, {number:04}")),
        (&format!("x-other-name-{number:04}"), &format!("another value that is seen once, {number:04}")),
        ("user-agent", &format!("client/{number:04} (one of many; rarely seen)")),
    ])
}

fn traceparent(number: usize) -> String {
    format!("00-4bf92f3577b34da6a3ce929d0e0e{:04x}-00f067aa0ba9{:04x}-01", number * 257, number * 59)
}
