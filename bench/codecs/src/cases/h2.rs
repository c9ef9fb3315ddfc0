//! HTTP/2: two ends of a connection, what one says carried to the other.

use std::{hint::black_box, rc::Rc, time::Instant};

use ripstop_h2::{
    Config, Connection, Detail, End, Event, Field, Fields, Keep, Meter, MeterLimits, Request, Role, StreamRef,
};

use super::{Case, hpack, in_turn};

/// Content of a large DATA frame.
const LARGE: usize = 16_384;
/// Exchanges that are watched before a meter begins anew: more than those that are counted.
const TURNS: usize = 2048;
/// Fields that access logs tell.
const KEEP: Keep = Keep { request: &["user-agent", "x-request-id", "x-forwarded-for"], response: &[] };

/// What a client says, and what it is answered.
type Turn = (Rc<[u8]>, Rc<[u8]>);

/// All cases of HTTP/2.
pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("h2/tunnel/open-echo-close", tunnel),
        Case::new("h2/request/get", request),
        Case::new("h2/meter/get", || meter(Detail::Full)),
        Case::new("h2/meter/get/counts", || meter(Detail::Counts)),
        Case::new("h2/data/16-kib", || data(LARGE)),
        Case::new("h2/data/100-b", || data(100)),
    ]
}

/// A CONNECT is answered, a few bytes go each way, both ends finish.
fn tunnel() -> Box<dyn FnMut()> {
    let mut ends = Ends::new();
    in_turn(hpack::messages(hpack::connect), move |message| {
        let stream = ends.open(Request::Tunnel, message, End::Open);
        let served = ends.served();
        ends.server
            .respond(served, [Field::new(b":status", b"200")], End::Open)
            .unwrap_or_else(|error| panic!("no answer: {error}"));
        assert_eq!(ends.client.send_data(stream, b"ping", End::Stream), 4);
        ends.there();
        assert_eq!(ends.server.send_data(served, b"pong", End::Stream), 4);
        ends.back();
        assert_eq!((ends.client.active(), ends.server.active()), (0, 0));
    })
}

/// A GET with the fields of a browser, answered with a little content.
fn request() -> Box<dyn FnMut()> {
    let mut ends = Ends::new();
    in_turn(hpack::messages(hpack::browser), move |message| {
        ends.open(Request::Ordinary, message, End::Stream);
        let served = ends.served();
        let response = [
            Field::new(b":status", b"200"),
            Field::new(b"content-type", b"application/json"),
            Field::new(b"content-length", b"2"),
        ];
        ends.server.respond(served, response, End::Open).unwrap_or_else(|error| panic!("no answer: {error}"));
        assert_eq!(ends.server.send_data(served, b"{}", End::Stream), 2);
        ends.back();
        assert_eq!((ends.client.active(), ends.server.active()), (0, 0));
    })
}

/// The same exchange, only watched.
fn meter(detail: Detail) -> Box<dyn FnMut()> {
    let (turns, now) = conversation();
    let mut turns = turns.into_iter().cycle().enumerate();
    let mut meter = Meter::new(MeterLimits::default(), KEEP);
    meter.tell(detail);
    Box::new(move || {
        let Some((at, (asked, answered))) = turns.next() else { unreachable!("they go on for ever") };
        if at % TURNS == 0 {
            meter = Meter::new(MeterLimits::default(), KEEP);
            meter.tell(detail);
        }
        let mut told = 0;
        meter.client(black_box(&asked), now, |_| {});
        meter.server(black_box(&answered), now, |record| told += u32::from(record.status == 200));
        assert_eq!(told, 1, "{:?}", meter.stopped());
    })
}

/// What both ends of a connection say, an exchange at a time; before the first they greet.
fn conversation() -> (Vec<Turn>, Instant) {
    let now = Instant::now();
    let mut client = Connection::new(Role::Client, Config::default(), now);
    let mut server = Connection::new(Role::Server, Config::default(), now);
    let messages = hpack::messages(hpack::browser);
    let turns = messages.iter().cycle().take(TURNS).map(|message| {
        let opened = client.open(Request::Ordinary, None, message.iter(), End::Stream, now);
        opened.unwrap_or_else(|error| panic!("no stream: {error}"));
        let asked = client.output().into();
        let served = carry(&mut client, &mut server, now).unwrap_or_else(|| panic!("the server has met no stream"));
        let response = [
            Field::new(b":status", b"200"),
            Field::new(b"content-type", b"application/json"),
            Field::new(b"content-length", b"2"),
        ];
        server.respond(served, response, End::Open).unwrap_or_else(|error| panic!("no answer: {error}"));
        assert_eq!(server.send_data(served, b"{}", End::Stream), 2);
        let answered = server.output().into();
        carry(&mut server, &mut client, now);
        (asked, answered)
    });
    (turns.collect(), now)
}

/// Content of this size on an open stream, and the window that comes back for it.
fn data(size: usize) -> Box<dyn FnMut()> {
    let mut ends = Ends::new();
    let stream = ends.open(Request::Tunnel, &hpack::connect(0), End::Open);
    let content = vec![7; size];
    Box::new(move || {
        assert_eq!(ends.client.send_data(stream, &content, End::Open), content.len());
        ends.there();
        ends.back();
    })
}

/// Both ends of a connection on which both are settled. No time passes.
struct Ends {
    client: Connection,
    server: Connection,
    now: Instant,
    /// The stream that the server met last.
    served: Option<StreamRef>,
}

impl Ends {
    fn new() -> Self {
        let now = Instant::now();
        let client = Connection::new(Role::Client, Config::default(), now);
        let server = Connection::new(Role::Server, Config::default(), now);
        let mut ends = Self { client, server, now, served: None };
        ends.there();
        ends.back();
        ends.there();
        ends
    }

    fn open(&mut self, request: Request, message: &Fields, end: End) -> StreamRef {
        let opened = self.client.open(request, None, message.iter(), end, self.now);
        let stream = opened.unwrap_or_else(|error| panic!("no stream: {error}"));
        self.there();
        stream
    }

    fn served(&self) -> StreamRef {
        self.served.unwrap_or_else(|| panic!("the server has met no stream"))
    }

    fn there(&mut self) {
        self.served = carry(&mut self.client, &mut self.server, self.now).or(self.served);
    }

    fn back(&mut self) {
        carry(&mut self.server, &mut self.client, self.now);
    }
}

/// Carries all that waits; the stream of the last head among it.
fn carry(from: &mut Connection, to: &mut Connection, now: Instant) -> Option<StreamRef> {
    let mut head = None;
    let mut input = from.output();
    let sent = input.len();
    loop {
        match to.receive(now, &mut input) {
            Ok(Some(Event::Headers { stream, .. })) => head = Some(stream),
            Ok(Some(Event::Data { stream, bytes, .. })) => to.consume(stream, bytes.len(), now),
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(error) => panic!("the connection failed: {error}"),
        }
    }
    from.sent(sent);
    head
}
