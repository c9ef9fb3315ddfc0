use super::*;
use crate::{Config, Connection, End, Event, Field, Request, hpack::Encoder, wire};

const KEEP: Keep = Keep { request: &["user-agent", "x-request-id"], response: &["server"] };

/// A record without its times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Row {
    method: String,
    path: String,
    authority: String,
    kept: Vec<(&'static str, String)>,
    status: u16,
    grpc: bool,
    grpc_status: Option<u16>,
    bodies: (u64, u64),
    heads: (u64, u64),
    messages: (u64, u64),
    how: Option<Ended>,
}

struct Watch {
    meter: Meter,
    rows: Vec<Row>,
    now: Instant,
}

impl Watch {
    fn new(limits: MeterLimits) -> Self {
        Self { meter: Meter::new(limits, KEEP), rows: Vec::new(), now: Instant::now() }
    }

    /// After the preface and both sides' settings.
    fn greeted(limits: MeterLimits) -> Self {
        let mut watch = Self::new(limits);
        watch.client(&[wire::PREFACE, &wire::settings(&[]), &wire::settings_ack()].concat());
        watch.server(&[wire::settings(&[]), wire::settings_ack()].concat());
        watch
    }

    fn client(&mut self, bytes: &[u8]) -> &mut Self {
        let rows = &mut self.rows;
        self.meter.client(bytes, self.now, |record| rows.push(Row::of(&record)));
        self
    }

    fn server(&mut self, bytes: &[u8]) -> &mut Self {
        let rows = &mut self.rows;
        self.meter.server(bytes, self.now, |record| rows.push(Row::of(&record)));
        self
    }

    fn end(&mut self) -> &mut Self {
        let rows = &mut self.rows;
        self.meter.end(self.now, |record| rows.push(Row::of(&record)));
        self
    }

    fn stopped(&self) -> Option<Stopped> {
        self.meter.stopped()
    }
}

impl Row {
    fn of(record: &Record<'_>) -> Self {
        assert!(record.started <= record.ended);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let kept = record.request.iter().chain(record.response.iter());
        Self {
            method: text(record.method),
            path: text(record.path),
            authority: text(record.authority),
            kept: kept.map(|(name, value)| (name, text(value))).collect(),
            status: record.status,
            grpc: record.grpc,
            grpc_status: record.grpc_status,
            bodies: (record.request_bytes, record.response_bytes),
            heads: (record.request_head_bytes, record.response_head_bytes),
            messages: (record.request_messages, record.response_messages),
            how: Some(record.how),
        }
    }

    /// Of `wire::GET` or `wire::POST`.
    fn plain(method: &str, status: u16, bodies: (u64, u64), heads: (u64, u64)) -> Self {
        let (path, authority) = ("/".into(), "a".into());
        let how = Some(Ended::Complete);
        Self { method: method.into(), path, authority, status, bodies, heads, how, ..Self::default() }
    }
}

/// The size of frames.
fn size(frames: &[Vec<u8>]) -> u64 {
    frames.iter().map(|frame| frame.len() as u64).sum()
}

#[test]
fn exchanges_are_told_when_the_response_is_complete() {
    let mut watch = Watch::greeted(MeterLimits::default());
    let fields = [&wire::POST[..], &[("user-agent", "curl"), ("x-request-id", "7"), ("x-other", "8")]].concat();
    let request = wire::headers(1, 0, &fields);
    let padded = wire::frame(wire::DATA, wire::PADDED | wire::END_STREAM, 1, b"\x02helloPP");
    watch.client(&request).client(&padded).client(&wire::get(3));
    let answer = wire::headers(1, 0, &[(":status", "201"), ("server", "b")]);
    let small = wire::headers(3, wire::END_STREAM, &[(":status", "404")]);
    watch.server(&wire::headers(1, 0, &[(":status", "103")])).server(&small);
    assert_eq!(watch.rows, [Row::plain("GET", 404, (0, 0), (size(&[wire::get(3)]), size(&[small])))]);
    watch.server(&answer).server(&wire::data(1, 0, b"ab")).server(&wire::data(1, 0, b"c"));
    assert_eq!((watch.rows.len(), watch.meter.open()), (1, 1));
    watch.server(&wire::data(1, wire::END_STREAM, b""));
    let early = wire::headers(1, 0, &[(":status", "103")]);
    let kept = [("user-agent", "curl"), ("x-request-id", "7"), ("server", "b")];
    let expected = Row {
        kept: kept.map(|(name, value)| (name, value.to_owned())).to_vec(),
        ..Row::plain("POST", 201, (5, 3), (size(&[request]), size(&[early, answer])))
    };
    assert_eq!(watch.rows[1..], [expected]);
    assert_eq!((watch.stopped(), watch.meter.open()), (None, 0));
}

#[test]
fn a_call_of_grpc() {
    let mut watch = Watch::greeted(MeterLimits::default());
    let fields = [&wire::POST[..], &[("content-type", "application/grpc+proto")]].concat();
    let request = wire::headers(1, 0, &fields);
    watch.client(&request);
    // Three messages, cut anywhere.
    watch.client(&wire::data(1, 0, b"\0\0\0\0\x02ab\0\0")).client(&wire::data(1, 0, b"\0\0\x01c\0\0\0"));
    watch.client(&wire::data(1, wire::END_STREAM, b"\0\0"));
    let head = wire::headers(1, 0, &[(":status", "200"), ("content-type", "application/grpc")]);
    let trailers = wire::headers(1, wire::END_STREAM, &[("grpc-status", "13"), ("grpc-message", "no")]);
    watch.server(&head).server(&wire::data(1, 0, b"\0\0\0\0\0")).server(&trailers);
    let expected = Row {
        grpc: true,
        grpc_status: Some(13),
        messages: (3, 1),
        ..Row::plain("POST", 200, (18, 5), (size(&[request]), size(&[head, trailers])))
    };
    assert_eq!(watch.rows, [expected]);

    // What is refused has its status in the head; what is no call has none at all.
    watch.rows.clear();
    let refused = [(":status", "200"), ("grpc-status", "12")];
    watch.client(&wire::headers(3, wire::END_STREAM, &fields)).client(&wire::get(5));
    watch.server(&wire::headers(3, wire::END_STREAM, &refused)).server(&wire::headers(5, wire::END_STREAM, &refused));
    let told: Vec<_> = watch.rows.iter().map(|row| (row.grpc, row.grpc_status)).collect();
    assert_eq!(told, [(true, Some(12)), (false, None)]);
    let almost = [&wire::POST[..], &[("content-type", "application/grpc-web")]].concat();
    watch.client(&wire::headers(7, wire::END_STREAM, &almost)).server(&wire::headers(7, wire::END_STREAM, &refused));
    assert!(!watch.rows[2].grpc);
}

#[test]
fn what_is_given_up_is_told_once() {
    let mut watch = Watch::greeted(MeterLimits::default());
    watch.client(&[wire::get(1), wire::post(3), wire::get(5), wire::get(7)].concat());
    watch.client(&wire::rst(1, 8));
    watch.server(&[wire::headers(3, 0, &wire::OK), wire::data(3, 0, b"abc"), wire::rst(3, 2)].concat());
    // An answer that was on its way when its client gave up.
    watch.server(&wire::headers(1, wire::END_STREAM, &wire::OK)).client(&wire::rst(3, 0));
    watch.end();
    let told: Vec<_> = watch.rows.iter().map(|row| (row.status, row.bodies.1, row.how.unwrap())).collect();
    let expected = [
        (0, 0, Ended::ResetByClient(Code::CANCEL)),
        (200, 3, Ended::ResetByServer(Code::INTERNAL_ERROR)),
        (0, 0, Ended::Cut),
        (0, 0, Ended::Cut),
    ];
    assert_eq!(told, expected);
    assert_eq!(watch.stopped(), Some(Stopped::Closed));
    watch.client(&wire::get(9)).end();
    assert_eq!(watch.rows.len(), 4);
}

/// A header block in several frames, with a priority and padding.
#[test]
fn a_block_in_pieces() {
    let mut watch = Watch::greeted(MeterLimits::default());
    let block = wire::block(wire::GET);
    let (first, rest) = block.split_at(7);
    let (second, third) = rest.split_at(1);
    let payload = [&[3][..], &[0, 0, 0, 0, 15], first, b"PPP"].concat();
    let flags = wire::PADDED | wire::PRIORITIZED | wire::END_STREAM;
    let frames = [
        wire::frame(wire::HEADERS, flags, 1, &payload),
        wire::frame(wire::CONTINUATION, 0, 1, second),
        wire::frame(wire::CONTINUATION, wire::END_HEADERS, 1, third),
    ];
    for byte in frames.concat() {
        watch.client(&[byte]);
    }
    let answer = wire::headers(1, wire::END_STREAM, &wire::OK);
    watch.server(&answer);
    assert_eq!(watch.rows, [Row::plain("GET", 200, (0, 0), (size(&frames), size(&[answer])))]);
}

#[test]
fn it_stops_at_what_is_odd_and_gives_its_memory_back() {
    let get = || wire::get(1);
    let small = MeterLimits { streams: 2, block: 200, list: 300, table: 4096 };
    let large = |name_and_value: usize| {
        let value = "x".repeat(name_and_value - 1);
        wire::headers(1, wire::END_STREAM, &[&wire::GET[..], &[("n", &value)]].concat())
    };
    let cases: [(&str, Vec<u8>, Vec<u8>, Stopped); 18] = [
        ("no stream", wire::headers(0, 0, &wire::GET), vec![], Stopped::Odd("HEADERS of no stream")),
        ("even", wire::get(2), vec![], Stopped::Odd("a client's stream with an even number")),
        ("data of none", wire::data(0, 0, b"a"), vec![], Stopped::Odd("DATA of no stream")),
        ("reset", wire::frame(wire::RST_STREAM, 0, 1, b"abc"), vec![], Stopped::Odd("RST_STREAM of a wrong size")),
        ("settings", wire::frame(wire::SETTINGS, 0, 0, b"abc"), vec![], Stopped::Odd("SETTINGS of a wrong size")),
        (
            "within",
            [wire::frame(wire::HEADERS, 0, 1, &[]), wire::data(1, 0, b"")].concat(),
            vec![],
            Stopped::Odd("a frame within a header block"),
        ),
        (
            "short",
            wire::frame(wire::HEADERS, wire::PADDED | wire::END_HEADERS, 1, b"\x05ab"),
            vec![],
            Stopped::Odd("HEADERS shorter than they say"),
        ),
        ("unasked", get(), wire::headers(3, 0, &wire::OK), Stopped::Odd("a response to nothing")),
        ("no head", get(), wire::data(1, 1, b"abc"), Stopped::Odd("content before its response")),
        (
            "only an early one",
            get(),
            wire::headers(1, wire::END_STREAM, &[(":status", "103")]),
            Stopped::Odd("a stream that ends before its response"),
        ),
        (
            "early trailers",
            [wire::post(1), wire::headers(1, 0, &[("a", "b")])].concat(),
            vec![],
            Stopped::Odd("trailers that do not end their stream"),
        ),
        (
            "two heads",
            get(),
            [wire::headers(1, 0, &wire::OK), wire::headers(1, 0, &[("a", "b")])].concat(),
            Stopped::Odd("trailers that do not end their stream"),
        ),
        ("pushed", get(), wire::frame(wire::PUSH_PROMISE, 4, 1, b"\0\0\0\x02"), Stopped::Pushed),
        ("malformed", wire::headers(1, 0, &wire::GET[1..]), vec![], Stopped::Malformed(Malformed("no :method"))),
        (
            "compression",
            wire::frame(wire::HEADERS, wire::END_HEADERS, 1, &[0x80 | 0x46]),
            vec![],
            Stopped::Compression(hpack::Error::NoSuchEntry(70)),
        ),
        ("block", large(190), vec![], Stopped::Room("a header block, or settings, of that size")),
        ("list", large(120), vec![], Stopped::Room("a list of fields of that size")),
        ("streams", [1, 3, 5].map(wire::get).concat(), vec![], Stopped::Room("more open streams")),
    ];
    for (name, client, server, expected) in cases {
        let mut watch = Watch::greeted(small);
        watch.client(&client).server(&server);
        assert_eq!(watch.stopped(), Some(expected), "{name}");
        assert_eq!((watch.meter.open(), watch.rows.len()), (0, 0), "{name}");
        watch.client(&get()).server(&wire::headers(1, wire::END_STREAM, &wire::OK)).end();
        assert_eq!((watch.stopped(), watch.rows.len()), (Some(expected), 0), "{name}");
    }
    let mut watch = Watch::new(small);
    watch.client(b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(watch.stopped(), Some(Stopped::Odd("no HTTP/2 preface")));
}

/// A table grows no further than the other side's settings, and the meter's limit, allow.
#[test]
fn tables_follow_the_settings() {
    let limits = MeterLimits { table: 8192, ..MeterLimits::default() };
    let block = |size: u8| {
        // The size: 31 and as much as is left, by sevens of bits.
        let update = [0x3f, 0xe1 | 0x80, size];
        [&update[..], &wire::block(wire::GET)].concat()
    };
    let request = |size| wire::frame(wire::HEADERS, wire::END_HEADERS | wire::END_STREAM, 1, &block(size));
    // 31 + 97 + 128 × 63 = 8,192; one step more is 8,320.
    let (fits, too_large) = (request(63), request(64));
    let announced = |size| wire::settings(&[(wire::HEADER_TABLE_SIZE, size)]);
    for (size, bytes, expected) in [
        (4096, &fits, Some(hpack::Error::SizeUpdateTooLarge { size: 8192, limit: 4096 })),
        (8192, &fits, None),
        (1 << 20, &fits, None),
        (1 << 20, &too_large, Some(hpack::Error::SizeUpdateTooLarge { size: 8320, limit: 8192 })),
    ] {
        let mut watch = Watch::greeted(limits);
        watch.server(&announced(size)).client(bytes);
        assert_eq!(watch.stopped(), expected.map(Stopped::Compression), "{size}");
    }
    // A client's settings are for what the server says.
    let mut watch = Watch::greeted(limits);
    watch.client(&announced(8192)).client(&fits);
    assert_eq!(
        watch.stopped(),
        Some(Stopped::Compression(hpack::Error::SizeUpdateTooLarge { size: 8192, limit: 4096 }))
    );
}

/// An extended CONNECT is one only where the server has announced it.
#[test]
fn extended_connect() {
    let fields = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/chat"),
    ];
    let mut watch = Watch::greeted(MeterLimits::default());
    watch.client(&wire::headers(1, 0, &fields));
    assert!(matches!(watch.stopped(), Some(Stopped::Malformed(_))));
    let mut watch = Watch::greeted(MeterLimits::default());
    watch.server(&wire::settings(&[(wire::ENABLE_CONNECT_PROTOCOL, 1)])).client(&wire::headers(1, 0, &fields));
    watch.server(&wire::headers(1, wire::END_STREAM, &wire::OK));
    assert_eq!(watch.rows[0].path, "/chat");
}

/// Two real ends, whose bytes come in pieces of every size: what is told does not depend on them.
#[test]
fn pieces_do_not_matter() {
    let (client, server) = conversation();
    let mut whole = Watch::new(MeterLimits::default());
    for (asked, answered) in client.iter().zip(&server) {
        whole.client(asked).server(answered);
    }
    assert_eq!(whole.stopped(), None);
    let told: Vec<_> = whole.rows.iter().map(|row| (row.path.as_str(), row.status, row.bodies)).collect();
    let expected: Vec<_> = PATHS.iter().zip(0_u64..).map(|(path, n)| (*path, 200, (100 * n, 1000 * n))).collect();
    assert_eq!(told, expected);
    for size in 1..100 {
        let mut pieces = Watch::new(MeterLimits::default());
        for (asked, answered) in client.iter().zip(&server) {
            for piece in asked.chunks(size) {
                pieces.client(piece);
            }
            for piece in answered.chunks(size) {
                pieces.server(piece);
            }
        }
        assert_eq!((pieces.stopped(), &pieces.rows), (None, &whole.rows), "pieces of {size}");
    }
}

const PATHS: [&str; 5] = ["/", "/a", "/b?c=d", "/a", "/"];

/// What a client and a server say in turns, through compression with tables.
fn conversation() -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let now = Instant::now();
    let mut client = Connection::new(Role::Client, Config::default(), now);
    let mut server = Connection::new(Role::Server, Config::default(), now);
    let (mut asked, mut answered) = (Vec::new(), Vec::new());
    for (n, path) in PATHS.iter().enumerate() {
        let head: [(&[u8], &[u8]); 5] = [
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":authority", b"a"),
            (b":path", path.as_bytes()),
            (b"user-agent", b"test"),
        ];
        let stream = client.open(Request::Ordinary, None, head.map(Field::from), End::Open, now).unwrap();
        client.send_data(stream, &vec![b'q'; 100 * n], End::Stream);
        asked.push(take(&mut client));
        let mut input = asked[n].as_slice();
        while let Some(event) = server.receive(now, &mut input).unwrap() {
            let (stream, end) = match event {
                Event::Headers { stream, end } => (stream, end),
                Event::Data { stream, bytes, end } => {
                    server.consume(stream, bytes.len(), now);
                    (stream, end)
                }
                _ => continue,
            };
            if end {
                let head: [(&[u8], &[u8]); 2] = [(b":status", b"200"), (b"server", b"test")];
                server.respond(stream, head.map(Field::from), End::Open).unwrap();
                server.send_data(stream, &vec![b'a'; 1000 * n], End::Stream);
            }
        }
        answered.push(take(&mut server));
        let mut input = answered[n].as_slice();
        while let Some(event) = client.receive(now, &mut input).unwrap() {
            if let Event::Data { stream, bytes, .. } = event {
                client.consume(stream, bytes.len(), now);
            }
        }
    }
    (asked, answered)
}

fn take(connection: &mut Connection) -> Vec<u8> {
    let said = connection.output().to_vec();
    connection.sent(said.len());
    said
}

/// Turns are used again: nothing of one shows in the next.
#[test]
fn nothing_is_left_of_the_one_before() {
    let mut watch = Watch::greeted(MeterLimits::default());
    let mut encoder = Encoder::new();
    let mut said = |fields: &[(&str, &str)]| {
        let mut block = Vec::new();
        encoder.encode(fields.iter().map(|(name, value)| Field::new(name.as_bytes(), value.as_bytes())), &mut block);
        block
    };
    let fields = [&wire::POST[..], &[("content-type", "application/grpc"), ("user-agent", "x")]].concat();
    let block = said(&fields);
    watch.client(&wire::frame(wire::HEADERS, wire::END_HEADERS, 1, &block)).client(&wire::data(1, 1, &[0; 5]));
    watch.server(&wire::headers(1, wire::END_STREAM, &[(":status", "500"), ("grpc-status", "3"), ("server", "s")]));
    let block = said(&wire::GET);
    let request = wire::frame(wire::HEADERS, wire::END_HEADERS | wire::END_STREAM, 3, &block);
    watch.client(&request);
    let answer = wire::headers(3, wire::END_STREAM, &wire::OK);
    watch.server(&answer);
    assert_eq!(watch.rows[1..], [Row::plain("GET", 200, (0, 0), (size(&[request]), size(&[answer])))]);
}

#[test]
fn it_is_idle_while_no_stream_is_open() {
    let mut watch = Watch::greeted(MeterLimits::default());
    assert!(watch.meter.is_idle() && watch.meter.last_stream() == 0);
    let get = wire::get(1);
    let idle_after = |watch: &mut Watch, bytes: &[u8]| watch.client(bytes).meter.is_idle();
    // The beginning of a request is one that is on its way.
    assert!(
        !idle_after(&mut watch, &get[..3])
            && !idle_after(&mut watch, &get[3..12])
            && !idle_after(&mut watch, &get[12..])
    );
    assert!(watch.server(&wire::headers(1, wire::END_STREAM, &wire::OK)).meter.is_idle());
    assert!(!idle_after(&mut watch, &wire::get(3)));
    assert!(idle_after(&mut watch, &wire::rst(3, 8)) && watch.meter.last_stream() == 3);
    // Half of a frame of the server's.
    let settings = wire::settings(&[]);
    assert!(!watch.server(&settings[..5]).meter.is_idle() && watch.server(&settings[5..]).meter.is_idle());
}

#[test]
fn a_client_is_never_told_to_go_before_the_settings_of_its_server() {
    let goaway = |last: u8| [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, last, 0, 0, 0, 0];
    let settings = wire::settings(&[]);
    let mut watch = Watch::new(MeterLimits::default());
    watch.client(&[wire::PREFACE, &settings].concat());
    assert!(watch.meter.is_idle());
    assert_eq!(watch.meter.farewell().frames(), [&settings[..], &goaway(0)].concat());
    watch.server(&settings).client(&wire::get(5)).server(&wire::headers(5, wire::END_STREAM, &wire::OK));
    assert!(watch.meter.is_idle());
    assert_eq!(watch.meter.farewell().frames(), goaway(5));
}

#[test]
fn it_knows_whether_requests_are_complete() {
    let mut watch = Watch::greeted(MeterLimits::default());
    let complete_after = |watch: &mut Watch, bytes: &[u8]| watch.client(bytes).meter.is_received();
    let post = wire::headers(1, 0, &wire::POST);
    assert!(!complete_after(&mut watch, &post[..4]) && !complete_after(&mut watch, &post[4..]));
    assert!(complete_after(&mut watch, &wire::data(1, wire::END_STREAM, b"ab")));
    // Another one that ends with its head, and one that is given up.
    assert!(complete_after(&mut watch, &wire::get(3)));
    let post = wire::headers(5, 0, &wire::POST);
    assert!(!complete_after(&mut watch, &post));
    assert!(complete_after(&mut watch, &wire::rst(5, 8)));
}
