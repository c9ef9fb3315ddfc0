//! One end under test, and a peer that is nothing but bytes.

mod ending;
mod heads;
mod limits;
mod rules;
mod windows;

use super::*;
use crate::{End, Extended, Field, Rate, Request, RequestHead, frame::MAX_STREAM_ID, wire};

/// Content.
static ZEROS: [u8; 100_000] = [0; 100_000];

/// One end, whose peer says what tests want.
struct Bench {
    connection: Connection,
    now: Instant,
}

impl Bench {
    /// After the first SETTINGS both ways.
    fn new(role: Role, config: Config) -> Self {
        let mut bench = Self::fresh(role, config);
        let mut hello = if role == Role::Server { wire::PREFACE.to_vec() } else { Vec::new() };
        hello.extend(wire::settings(&[]));
        hello.extend(wire::settings_ack());
        assert_eq!(bench.feed(&hello), "settings | SETTINGS ack");
        bench
    }

    /// Before anything came; what it says first is taken off.
    fn fresh(role: Role, config: Config) -> Self {
        let now = Instant::now();
        let mut connection = Connection::new(role, config, now);
        let first = connection.output().len();
        connection.sent(first);
        Self { connection, now }
    }

    fn server() -> Self {
        Self::new(Role::Server, Config::default())
    }

    fn client() -> Self {
        Self::new(Role::Client, Config::default())
    }

    /// What comes of these bytes: events, then what is said. All that is found is consumed at once.
    fn feed(&mut self, bytes: &[u8]) -> String {
        let events = self.events(bytes, true);
        let said = self.said();
        format!("{} | {}", events.join(", "), said.join(", ")).trim().to_owned()
    }

    /// The events that come of these bytes.
    fn events(&mut self, mut bytes: &[u8], consume: bool) -> Vec<String> {
        let mut events: Vec<String> = Vec::new();
        loop {
            let event = match self.connection.receive(self.now, &mut bytes) {
                Ok(Some(event)) => event,
                Ok(None) => break,
                Err(error) => {
                    events.push(format!("error {}", error.code));
                    return events;
                }
            };
            events.push(match event {
                Event::Headers { stream, end } => format!("headers {}{}", stream.id, ending(end)),
                Event::Informational { stream } => format!("informational {}", stream.id),
                Event::Data { stream, bytes, end } => {
                    if consume {
                        self.connection.consume(stream, bytes.len(), self.now);
                    }
                    format!("data {} {}{}", stream.id, bytes.len(), ending(end))
                }
                Event::Trailers { stream } => format!("trailers {}", stream.id),
                Event::Reset { stream, code, cause: Cause::Peer } => format!("reset {} {code}", stream.id),
                Event::Reset { stream, code, cause: Cause::NotProcessed } => {
                    format!("unprocessed {} {code}", stream.id)
                }
                Event::Reset { stream, code, cause: Cause::Fault(_) } => format!("fault {} {code}", stream.id),
                Event::Refused { id, code, reason, status } => {
                    assert!(!reason.is_empty());
                    let status = status.map(|status| format!(" {status}")).unwrap_or_default();
                    format!("refused {id} {code}{status}")
                }
                Event::Window { stream: Some(stream) } => format!("window {}", stream.id),
                Event::Window { stream: None } => "windows".to_owned(),
                Event::Settings => "settings".to_owned(),
                Event::Pong { payload } => format!("pong {}", payload.escape_ascii()),
                Event::GoAway { last, code } => format!("goaway {last} {code}"),
            });
        }
        assert!(bytes.is_empty(), "all is taken");
        events
    }

    /// Frames that wait, taken off.
    fn frames(&mut self) -> Vec<wire::Frame> {
        let frames = wire::frames(self.connection.output());
        let n = self.connection.output().len();
        self.connection.sent(n);
        frames
    }

    fn said(&mut self) -> Vec<String> {
        self.frames().iter().map(spoken).collect()
    }

    fn stream(&self, id: u32) -> StreamRef {
        self.connection.find(id).unwrap_or_else(|| panic!("stream {id} is not open"))
    }

    fn answer(&mut self, id: u32, end: End) {
        let stream = self.stream(id);
        self.connection.respond(stream, [Field::new(b":status", b"200")], end).unwrap();
    }

    fn open(&mut self, request: Request, end: End) -> StreamRef {
        self.connection.open(request, None, request_fields(request), end, self.now).unwrap()
    }

    fn pass(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }
}

fn request_fields(request: Request) -> Vec<Field<'static>> {
    let method: &[u8] = match request {
        Request::Ordinary => b"POST",
        Request::Head => b"HEAD",
        Request::Tunnel => return vec![Field::new(b":method", b"CONNECT"), Field::new(b":authority", b"a:1")],
    };
    let others: [(&[u8], &[u8]); 3] = [(b":scheme", b"http"), (b":authority", b"a"), (b":path", b"/")];
    let others = others.map(|(name, value)| Field::new(name, value));
    [Field::new(b":method", method)].into_iter().chain(others).collect()
}

fn ending(end: bool) -> &'static str {
    if end { " end" } else { "" }
}

/// A frame in words.
fn spoken(frame: &wire::Frame) -> String {
    let id = frame.stream;
    let ack = if frame.flags & wire::ACK != 0 { " ack" } else { "" };
    match frame.kind {
        wire::DATA => format!("DATA {id} {}{}", frame.payload.len(), ending(frame.flags & wire::END_STREAM != 0)),
        wire::HEADERS => format!("HEADERS {id}{}", ending(frame.flags & wire::END_STREAM != 0)),
        wire::RST_STREAM => format!("RST_STREAM {id} {}", Code(frame.number())),
        wire::SETTINGS => format!("SETTINGS{ack}"),
        wire::PING => format!("PING{ack}"),
        wire::GOAWAY => format!("GOAWAY {} {}", frame.first(), Code(frame.number())),
        wire::WINDOW_UPDATE => format!("WINDOW_UPDATE {id} {}", frame.number()),
        wire::CONTINUATION => format!("CONTINUATION {id}"),
        other => format!("type {other}"),
    }
}

/// Everything that waits goes over; gives what the receiver found.
fn exchange(from: &mut Connection, to: &mut Connection, now: Instant) -> Vec<String> {
    let bytes = from.output().to_vec();
    from.sent(bytes.len());
    let mut input = &bytes[..];
    let mut events = Vec::new();
    while let Some(event) = to.receive(now, &mut input).unwrap() {
        if let Event::Data { stream, bytes, .. } = event {
            to.consume(stream, bytes.len(), now);
        }
        events.push(format!("{event:?}"));
    }
    assert!(input.is_empty());
    events
}

#[test]
fn a_request_and_its_answer() {
    let now = Instant::now();
    let mut client = Connection::new(Role::Client, Config::default(), now);
    let mut server = Connection::new(Role::Server, Config::default(), now);
    let stream = client.open(Request::Ordinary, None, request_fields(Request::Ordinary), End::Open, now).unwrap();
    assert_eq!(client.send_data(stream, b"hello", End::Stream), 5);
    let events = exchange(&mut client, &mut server, now);
    assert_eq!(events.len(), 3, "{events:?}");
    assert!(events[1].starts_with("Headers") && events[2].contains("end: true"), "{events:?}");
    assert_eq!(server.fields().get(b":path"), Some(&b"/"[..]));
    let stream = StreamRef { index: 0, id: 1 };
    server.respond(stream, [Field::new(b":status", b"200")], End::Open).unwrap();
    assert_eq!(server.send_data(stream, &ZEROS, End::Stream), 100_000);
    let events = exchange(&mut server, &mut client, now);
    assert!(events.last().unwrap().contains("end: true"));
    assert_eq!((client.active(), server.active()), (0, 0));
}
