//! HTTP/1.1: heads as they come and go, and chunked bodies.

use std::{hint::black_box, time::Instant};

use ripstop_h1::{
    BodyDecoder, BodyKind, CHUNK_END, ChunkHead, Detail, Edits, Keep, LAST_CHUNK, Limits, Meter, Reason, RequestParser,
    RequestWriter, ResponseParser, Side,
};
use ripstop_h2::Fields;

use super::{Case, hpack, in_turn};

const CHUNK: usize = 1024;
const CHUNKS: usize = 16;

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\n\
    Date: Thu, 26 Nov 2026 12:00:00 GMT\r\n\
    Content-Type: application/json; charset=utf-8\r\n\
    Content-Length: 1532\r\n\
    Cache-Control: private, max-age=0, must-revalidate\r\n\
    ETag: W/\"5fc-17c9a2b3d40\"\r\n\
    Vary: Accept-Encoding\r\n\
    Server: nginx\r\n\
    Connection: keep-alive\r\n\r\n";

/// All cases of HTTP/1.1.
pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("h1/parse/request", parse_request),
        Case::new("h1/parse/response", parse_response),
        Case::new("h1/edit/request", edit_request),
        Case::new("h1/write/request", write_request),
        Case::new("h1/decode/chunked-16-kib", decode_chunked),
        Case::new("h1/meter/get", || meter(Detail::Full)),
        Case::new("h1/meter/get/counts", || meter(Detail::Counts)),
    ]
}

/// A request and its response, only watched.
fn meter(detail: Detail) -> Box<dyn FnMut()> {
    const KEEP: Keep = Keep { request: &["user-agent", "x-request-id", "x-forwarded-for"], response: &[] };
    let response = [RESPONSE, &[b'x'; 1532]].concat();
    let mut meter = Meter::new(Limits::default(), KEEP);
    meter.tell(detail);
    let now = Instant::now();
    in_turn(requests(), move |request| {
        let mut told = 0;
        meter.client(black_box(request), now);
        meter.server(black_box(&response), now, |record| told += u32::from(record.status == 200));
        assert_eq!(told, 1, "{:?}", meter.stopped());
    })
}

fn parse_request() -> Box<dyn FnMut()> {
    let mut parser = RequestParser::new(Limits::default());
    in_turn(requests(), move |request| {
        let parsed = parser.parse(black_box(request));
        assert!(matches!(parsed, Ok(Some(end)) if end == request.len()), "{parsed:?}");
    })
}

fn parse_response() -> Box<dyn FnMut()> {
    let mut parser = ResponseParser::new(Limits::default());
    Box::new(move || {
        let parsed = parser.parse(black_box(RESPONSE));
        assert!(matches!(parsed, Ok(Some(end)) if end == RESPONSE.len()), "{parsed:?}");
    })
}

/// What a proxy does to a request: hop-by-hop fields go, two fields are added, the rest is copied.
fn edit_request() -> Box<dyn FnMut()> {
    let mut parser = RequestParser::new(Limits::default());
    let mut edits = Edits::new();
    let mut out = Vec::new();
    in_turn(requests(), move |request| {
        let parsed = parser.parse(request);
        assert!(matches!(parsed, Ok(Some(_))), "{parsed:?}");
        let head = parser.head(request);
        out.clear();
        let mut edit = edits.request(head);
        let edited = edit
            .forward()
            .and_then(|()| edit.insert(b"x-forwarded-proto", b"https"))
            .and_then(|()| edit.insert(b"x-envoy-attempt-count", b"1"));
        assert!(edited.is_ok(), "{edited:?}");
        edits.write(head.as_bytes(), &mut out);
        black_box(&out);
    })
}

/// A request that came over HTTP/2.
fn write_request() -> Box<dyn FnMut()> {
    let mut out = Vec::new();
    in_turn(hpack::messages(hpack::browser), move |message| {
        out.clear();
        let written = write(message, &mut out);
        assert!(written.is_ok(), "{written:?}");
        black_box(&out);
    })
}

fn decode_chunked() -> Box<dyn FnMut()> {
    let mut body = Vec::new();
    for _ in 0..CHUNKS {
        body.extend_from_slice(ChunkHead::new(CHUNK).as_ref().map_or(&[][..], ChunkHead::as_bytes));
        body.extend_from_slice(&[7; CHUNK]);
        body.extend_from_slice(CHUNK_END);
    }
    body.extend_from_slice(LAST_CHUNK);
    let limits = Limits::default();
    Box::new(move || {
        let mut decoder = BodyDecoder::new(BodyKind::Chunked, Side::Request, &limits);
        let mut rest = black_box(&body[..]);
        while !decoder.is_done() {
            match decoder.decode(rest) {
                Ok(decoded) => rest = &rest[decoded.consumed..],
                Err(rejected) => panic!("the body is refused: {rejected}"),
            }
        }
        assert_eq!((decoder.data_bytes(), rest.len()), ((CHUNK * CHUNKS) as u64, 0));
    })
}

/// Requests of a browser as they look in HTTP/1.1.
fn requests() -> Vec<Vec<u8>> {
    let request = |message: &Fields| {
        let mut out = Vec::new();
        let written = write(message, &mut out);
        assert!(written.is_ok(), "{written:?}");
        out
    };
    hpack::messages(hpack::browser).iter().map(request).collect()
}

fn write(message: &Fields, out: &mut Vec<u8>) -> Result<(), Reason> {
    let pseudo = |name: &[u8]| message.get(name).unwrap_or_default();
    let mut writer = RequestWriter::new(out, pseudo(b":method"), pseudo(b":path"), message.get(b":authority"))?;
    for field in message.iter().filter(|field| !field.name.starts_with(b":")) {
        writer.field(field.name, field.value)?;
    }
    writer.finish()
}
