//! HTTP/2: one end against arbitrary bytes, two ends against arbitrary deeds, who watches both, HPACK, and the `h2` crate beside ours.

mod meter;
mod oracle;
mod pair;

use std::{collections::HashMap, time::Instant};

use ripstop_h2::{
    Code, Config, Connection, End, Event, Field, Fields, Limits, PREFACE, Refusals, Request, Role, StreamRef,
    hpack::{Decoded, Decoder, Encoder, Indexing, PreEncoded},
};

pub use self::{meter::h2_meter, oracle::h2_oracle, pair::h2_pair};

/// Streams that a client has open when the bytes come.
const OPEN: usize = 4;
/// What a server answers, in bytes.
const ANSWER: [u8; 300] = [b'x'; 300];
/// SETTINGS without any, and an acknowledgement.
const HELLO: [u8; 18] = [0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0];

fn head<'a>() -> [Field<'a>; 4] {
    let head: [(&[u8], &[u8]); 4] =
        [(b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", b"/")];
    head.map(|(name, value)| Field::new(name, value))
}

/// Small limits, so that they are met.
fn config(flags: u8) -> Config {
    let small = Config {
        window: 500,
        max_window: 4_000,
        connection_window: 65_535,
        max_header_list: 400,
        header_table: 200,
        max_streams: 3,
        output: 1_000,
        connect_protocol: true,
        refusals: Refusals::Answer,
        limits: Limits { unread_output: 2_000, ..Limits::default() },
        ..Config::default()
    };
    if flags & 1 == 0 { Config::default() } else { small }
}

/// A server that hears any bytes after the first SETTINGS keeps its limits, and the order of each stream's events.
///
/// The bytes are: flags (1: small limits, 2: answers nothing, 4: what it says is not read), the size of the pieces that
/// the rest comes in (0 for the whole), the rest.
pub fn h2_server(data: &[u8]) {
    let Some((&[flags, piece], bytes)) = data.split_first_chunk() else { return };
    let connection = Connection::new(Role::Server, config(flags), Instant::now());
    let mut end = Endpoint::new(connection, Role::Server, flags);
    end.hear(PREFACE);
    end.hear(&HELLO);
    end.hear_pieces(bytes, piece);
}

/// A client with open streams that hears any bytes after the first SETTINGS keeps its limits, and the order of each
/// stream's events.
///
/// The bytes are as those of [`h2_server`].
pub fn h2_client(data: &[u8]) {
    let Some((&[flags, piece], bytes)) = data.split_first_chunk() else { return };
    let config = Config { max_streams: 100, ..config(flags) };
    let mut connection = Connection::new(Role::Client, config, Instant::now());
    let requests = [Request::Ordinary, Request::Ordinary, Request::Head, Request::Tunnel];
    let mut opened = Vec::new();
    for (request, end) in requests.into_iter().zip([End::Stream, End::Open, End::Stream, End::Open]) {
        opened.push(connection.open(request, None, head(), end, Instant::now()).expect("room for a stream"));
    }
    assert_eq!(opened.len(), OPEN);
    let mut end = Endpoint::new(connection, Role::Client, flags);
    end.streams.extend(opened.into_iter().map(|stream| (stream, Seen::default())));
    end.hear(&HELLO);
    end.hear_pieces(bytes, piece);
}

/// One end, whose events are checked.
struct Endpoint {
    connection: Connection,
    role: Role,
    flags: u8,
    streams: HashMap<StreamRef, Seen>,
    failed: bool,
}

/// What was seen of a stream that is not gone.
#[derive(Default)]
struct Seen {
    head: bool,
    ended: bool,
}

impl Endpoint {
    fn new(connection: Connection, role: Role, flags: u8) -> Self {
        Self { connection, role, flags, streams: HashMap::new(), failed: false }
    }

    fn hear_pieces(&mut self, bytes: &[u8], size: u8) {
        if size == 0 {
            self.hear(bytes);
        } else {
            bytes.chunks(size.into()).for_each(|piece| self.hear(piece));
        }
    }

    fn hear(&mut self, mut bytes: &[u8]) {
        let now = Instant::now();
        loop {
            match self.connection.receive(now, &mut bytes) {
                Ok(None) => break,
                Ok(Some(event)) => {
                    assert!(!self.failed, "{event:?} after an error");
                    self.check(&event);
                    if let Event::Data { stream, bytes, .. } = event {
                        self.connection.consume(stream, bytes.len(), now);
                    }
                }
                Err(error) => {
                    self.failed = true;
                    assert_eq!(self.connection.error(), Some(error));
                    return;
                }
            }
        }
        assert!(bytes.is_empty(), "something was left");
        self.streams.retain(|stream, _| self.connection.contains(*stream));
        let limit = if self.role == Role::Server { self.connection.limit() } else { OPEN };
        assert!(self.connection.active() <= limit, "{} streams", self.connection.active());
        let most = if self.flags & 1 == 0 { 900_000 } else { 9_000 };
        assert!(self.connection.output().len() <= most, "{} bytes wait", self.connection.output().len());
        if self.flags & 4 == 0 {
            let n = self.connection.output().len();
            self.connection.sent(n);
        }
    }

    fn check(&mut self, event: &Event<'_>) {
        match *event {
            Event::Headers { stream, end } => {
                let seen = self.streams.entry(stream).or_default();
                assert!(!seen.head && !seen.ended, "{event:?}");
                *seen = Seen { head: true, ended: end };
                self.ended(stream, end);
            }
            Event::Informational { stream } => assert!(!self.streams[&stream].head, "{event:?}"),
            Event::Data { stream, bytes, end } => {
                assert!(end || !bytes.is_empty(), "nothing of content");
                self.body(stream, end);
            }
            Event::Trailers { stream } => self.body(stream, true),
            Event::Reset { stream, .. } => {
                assert!(self.streams.remove(&stream).is_some(), "{event:?}");
                assert!(!self.connection.contains(stream));
            }
            Event::Refused { id, .. } => {
                let open = self.streams.keys().any(|stream| stream.id() == id && self.connection.contains(*stream));
                assert!(self.role == Role::Server && !open, "{event:?}");
            }
            Event::Window { stream: Some(stream) } => assert!(self.connection.contains(stream)),
            _ => {}
        }
    }

    fn body(&mut self, stream: StreamRef, end: bool) {
        let seen = self.streams.get_mut(&stream).expect("a stream that is known");
        assert!(seen.head && !seen.ended, "content of a stream without a head, or after its end");
        seen.ended = end;
        self.ended(stream, end);
    }

    fn ended(&mut self, stream: StreamRef, end: bool) {
        if !end || self.role == Role::Client || self.flags & 2 != 0 {
            return;
        }
        let answered = self.connection.respond(stream, [Field::new(b":status", b"200")], End::Open);
        if answered.is_err() {
            // The peer takes no header list of even that size.
            self.connection.reset(stream, Code::INTERNAL_ERROR);
            return;
        }
        if self.connection.send_data(stream, &ANSWER, End::Stream) < ANSWER.len() {
            self.connection.reset(stream, Code::INTERNAL_ERROR);
        }
        assert!(!self.connection.contains(stream));
        self.streams.remove(&stream);
    }
}

/// Header blocks of any bytes are decoded within their limits or refused; what was decoded, or is made of the bytes,
/// is encoded in whatever way and comes back as it was.
///
/// The bytes are blocks: length, that many bytes.
pub fn h2_hpack(data: &[u8]) {
    const LIST: usize = 4_000;
    const BOMB: usize = 40_000;
    let mut decoder = Decoder::new(4_096);
    let mut encoder = Encoder::new();
    let mut mirror = Decoder::new(4_096);
    let mut fields = Fields::new();
    let mut rest = data;
    let mut broken = false;
    while let Some((&length, after)) = rest.split_first() {
        let (block, after) = after.split_at(after.len().min(length.into()));
        rest = after;
        if !broken {
            match decoder.decode(block, &mut fields, LIST, BOMB) {
                Ok(decoded) => {
                    assert!(fields.list_size() <= LIST, "{}", fields.list_size());
                    assert!(decoded == Decoded::TooLarge || fields.len() <= block.len());
                    back(&mut encoder, &mut mirror, &fields, length);
                }
                // The table is lost.
                Err(_) => broken = true,
            }
        }
        // The bytes as fields: what is before a zero is a name.
        let made = block.chunks(23).map(|piece| {
            let middle = piece.iter().position(|&byte| byte == 0).unwrap_or(piece.len() / 2);
            let (name, value) = piece.split_at(middle);
            Field { name, value, sensitive: value.len() % 5 == 4 }
        });
        back(&mut encoder, &mut mirror, &made.collect(), length);
        if block.first() == Some(&0xee) {
            let size = u32::from(length) * 16;
            encoder.set_peer_max(size);
            mirror.set_max_table_size(size);
        }
    }
}

fn back(encoder: &mut Encoder, decoder: &mut Decoder, fields: &Fields, how: u8) {
    let mut block = Vec::new();
    match how % 4 {
        0 => encoder.encode(fields.iter(), &mut block),
        1 => {
            encoder.begin(&mut block);
            block.extend_from_slice(PreEncoded::new(fields.iter()).as_bytes());
        }
        how => {
            let how = if how == 2 { Indexing::Incremental } else { Indexing::Without };
            encoder.begin(&mut block);
            fields.iter().for_each(|field| encoder.encode_field(field, how, &mut block));
        }
    }
    let mut found = Fields::new();
    assert_eq!(decoder.decode(&block, &mut found, usize::MAX, usize::MAX), Ok(Decoded::Whole), "{fields:?}");
    let plain =
        |fields: &Fields| fields.iter().map(|field| (field.name.to_vec(), field.value.to_vec())).collect::<Vec<_>>();
    assert_eq!(plain(&found), plain(fields));
    assert!(fields.iter().zip(found.iter()).all(|(field, found)| found.sensitive || !field.sensitive));
}
