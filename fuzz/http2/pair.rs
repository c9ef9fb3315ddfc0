//! Two of our ends.

use std::{
    collections::{HashMap, HashSet},
    time::Instant,
};

use ripstop_h2::{
    Code, Config, Connection, End, Ended, Event, Field, Keep, Limits, Meter, MeterLimits, OpenError, Rate, Record,
    Request, Role, StreamRef,
};

use super::head;

/// Nothing that two of ours do is a fault.
const ANY: Rate = Rate::new(u32::MAX, 1);

/// Two ends that do anything, and whose words come in any pieces: all that one sends reaches the other, in order, none
/// finds fault with the other, and all ends. Who watches both counts the same.
///
/// The bytes are the sizes of windows, then deeds: what, and how much or which.
pub fn h2_pair(data: &[u8]) {
    let Some((&[ours, theirs], deeds)) = data.split_first_chunk() else { return };
    let mut client = Side::new(Role::Client, ours);
    let mut server = Side::new(Role::Server, theirs);
    let mut watch = Watch::new();
    for deed in deeds.chunks_exact(2) {
        let (what, n) = (deed[0], usize::from(deed[1]));
        let (side, other) = if what & 1 == 0 { (&mut client, &mut server) } else { (&mut server, &mut client) };
        match what >> 1 & 0xf {
            0 | 1 => side.begin(n),
            2 | 3 => side.send(n, n * 41),
            4 => side.send(n, usize::from(what) * 200),
            5 => side.finish(n),
            6 => side.reset(n),
            7 => side.consume(n),
            8 | 9 => other.hear(side, n + 1, &mut watch),
            10 => other.hear(side, usize::MAX, &mut watch),
            11 => side.connection.ping([deed[1]; 8], Instant::now()),
            12 if n == 7 => side.connection.drain(Instant::now()),
            12 => side.inform(n),
            _ => side.consume_all(),
        }
        assert!(server.connection.active() <= server.connection.limit());
    }
    // Both come to an end.
    for _ in 0..1_000 {
        for side in [&mut client, &mut server] {
            side.consume_all();
            side.finish_all();
        }
        let words = client.connection.output().len() + server.connection.output().len();
        if words == 0 {
            break;
        }
        server.hear(&mut client, usize::MAX, &mut watch);
        client.hear(&mut server, usize::MAX, &mut watch);
    }
    assert_eq!((client.connection.active(), server.connection.active()), (0, 0));
    assert!(client.connection.output().is_empty() && server.connection.output().is_empty());
    for (from, to) in [(&client, &server), (&server, &client)] {
        for (id, sent) in &from.sent {
            let found = to.found.get(id).copied().unwrap_or_default();
            // Who resets loses what is under way.
            let lost = from.reset.contains(id) || to.reset.contains(id);
            assert!(found == *sent || lost && found <= *sent, "stream {id}: {sent} bytes were sent, {found} arrived");
        }
    }
    watch.agrees(&client, &server);
    // Windows are as they were: there is room for one more.
    if client.connection.is_open() && server.connection.is_open() {
        client.begin(1);
        server.hear(&mut client, usize::MAX, &mut watch);
        let stream = *client.open.last().expect("a stream was opened");
        assert!(client.connection.capacity(stream) > 0, "the windows leaked");
    }
}

/// Somebody who only watches.
struct Watch {
    meter: Meter,
    /// Of each stream: content both ways, and whether the response came to its end.
    told: HashMap<u32, (u64, u64, bool)>,
}

impl Watch {
    fn new() -> Self {
        Self { meter: Meter::new(MeterLimits::default(), Keep::default()), told: HashMap::new() }
    }

    fn hear(&mut self, from: Role, bytes: &[u8]) {
        let told = &mut self.told;
        let record = |record: Record<'_>| {
            let row = (record.request_bytes, record.response_bytes, record.how == Ended::Complete);
            assert!(told.insert(record.stream, row).is_none(), "stream {} was told twice", record.stream);
            assert!(record.method == b"POST" && record.path == b"/" && record.authority == b"a");
        };
        match from {
            Role::Client => self.meter.client(bytes, Instant::now(), record),
            Role::Server => self.meter.server(bytes, Instant::now(), record),
        }
        assert_eq!(self.meter.stopped(), None);
    }

    fn agrees(&self, client: &Side, server: &Side) {
        let count = |side: &Side, id| side.found.get(&id).copied().unwrap_or_default() as u64;
        assert_eq!(self.meter.open(), 0);
        for (&id, &(asked, answered, complete)) in &self.told {
            let reset = client.reset.contains(&id) || server.reset.contains(&id);
            assert!(complete || reset, "stream {id}");
            assert!(!complete || reset || answered == count(client, id), "stream {id}");
            // What comes after the response does not count.
            assert!(reset || asked <= count(server, id), "stream {id}");
        }
    }
}

struct Side {
    role: Role,
    connection: Connection,
    /// Streams that are not gone, oldest first.
    open: Vec<StreamRef>,
    /// Those of them that the server has answered.
    answered: HashSet<StreamRef>,
    /// Content found and not yet consumed.
    unread: Vec<(StreamRef, usize)>,
    /// Content of each stream, by its id.
    sent: HashMap<u32, usize>,
    found: HashMap<u32, usize>,
    reset: HashSet<u32>,
}

impl Side {
    fn new(role: Role, size: u8) -> Self {
        let window = [1, 100, 5_000, 65_535, 256 * 1024][usize::from(size) % 5];
        let config = Config {
            window,
            max_window: window * 4,
            connection_window: 65_535 + u32::from(size) * 4_000,
            max_streams: u32::from(size % 7) + 1,
            header_table: u32::from(size) * 20,
            output: usize::from(size) * 300 + 50,
            limits: Limits {
                early_resets: ANY,
                provoked_resets: ANY,
                settings: ANY,
                pings: ANY,
                idle_frames: ANY,
                informational: u32::MAX,
                unread_output: 1 << 20,
                ..Limits::default()
            },
            ..Config::default()
        };
        Self {
            role,
            connection: Connection::new(role, config, Instant::now()),
            open: Vec::new(),
            answered: HashSet::new(),
            unread: Vec::new(),
            sent: HashMap::new(),
            found: HashMap::new(),
            reset: HashSet::new(),
        }
    }

    fn pick(&self, n: usize) -> Option<StreamRef> {
        (!self.open.is_empty()).then(|| self.open[n % self.open.len()])
    }

    /// A client opens a stream, a server answers one.
    fn begin(&mut self, n: usize) {
        let end = if n.is_multiple_of(5) { End::Stream } else { End::Open };
        if self.role == Role::Server {
            let Some(stream) = self.pick(n) else { return };
            if self.connection.contains(stream) && self.answered.insert(stream) {
                self.connection.respond(stream, [Field::new(b":status", b"200")], end).expect("no answer yet");
                self.forget();
            }
            return;
        }
        match self.connection.open(Request::Ordinary, None, head(), end, Instant::now()) {
            Ok(stream) => self.open.push(stream),
            Err(error) => {
                assert!(matches!(error, OpenError::Full | OpenError::Closing | OpenError::Blocked), "{error}");
            }
        }
    }

    fn may_send(&self, stream: StreamRef) -> bool {
        self.role == Role::Client || self.answered.contains(&stream)
    }

    fn send(&mut self, n: usize, length: usize) {
        let Some(stream) = self.pick(n).filter(|stream| self.may_send(*stream)) else { return };
        let start = self.sent.get(&stream.id()).copied().unwrap_or_default();
        let content: Vec<u8> = (start..start + length).map(byte).collect();
        let sent = self.connection.send_data(stream, &content, End::Open);
        *self.sent.entry(stream.id()).or_default() += sent;
    }

    fn finish(&mut self, n: usize) {
        let Some(stream) = self.pick(n) else { return };
        self.finish_stream(stream, n);
        self.forget();
    }

    fn finish_stream(&mut self, stream: StreamRef, n: usize) {
        if !self.may_send(stream) {
            self.answered.insert(stream);
            let answered = self.connection.respond(stream, [Field::new(b":status", b"204")], End::Stream);
            answered.expect("no answer yet");
        } else if n.is_multiple_of(2) {
            // It may have ended already.
            let _ = self.connection.send_trailers(stream, [Field::new(b"trailer-field", b"x")]);
        } else {
            let _ = self.connection.finish(stream);
        }
    }

    fn finish_all(&mut self) {
        for stream in self.open.clone() {
            self.finish_stream(stream, stream.index());
        }
        self.forget();
    }

    fn reset(&mut self, n: usize) {
        let Some(stream) = self.pick(n) else { return };
        self.connection.reset(stream, Code::CANCEL);
        self.reset.insert(stream.id());
        self.forget();
    }

    fn inform(&mut self, n: usize) {
        if self.role == Role::Server
            && let Some(stream) = self.pick(n).filter(|stream| !self.answered.contains(stream))
        {
            self.connection.inform(stream, [Field::new(b":status", b"103")]).expect("no answer yet");
        }
    }

    fn consume(&mut self, n: usize) {
        let Some((stream, left)) = self.unread.last_mut() else { return };
        let n = (n * 50).min(*left);
        *left -= n;
        self.connection.consume(*stream, n, Instant::now());
        self.unread.retain(|(_, left)| *left > 0);
    }

    fn consume_all(&mut self) {
        for (stream, n) in std::mem::take(&mut self.unread) {
            self.connection.consume(stream, n, Instant::now());
        }
    }

    fn forget(&mut self) {
        self.open.retain(|stream| self.connection.contains(*stream));
    }

    /// Takes up to `most` bytes of what `from` says.
    fn hear(&mut self, from: &mut Self, most: usize, watch: &mut Watch) {
        let words = from.connection.output();
        let words = words[..words.len().min(most)].to_vec();
        from.connection.sent(words.len());
        watch.hear(from.role, &words);
        let mut bytes = &words[..];
        loop {
            let event = match self.connection.receive(Instant::now(), &mut bytes) {
                Ok(Some(event)) => event,
                Ok(None) => break,
                Err(error) => panic!("{:?} finds fault: {error}", self.role),
            };
            match event {
                Event::Headers { stream, .. } if self.role == Role::Server => self.open.push(stream),
                Event::Data { stream, bytes, .. } => {
                    let found = self.found.entry(stream.id()).or_default();
                    for &content in bytes {
                        assert_eq!(content, byte(*found), "byte {found} of stream {}", stream.id());
                        *found += 1;
                    }
                    self.unread.push((stream, bytes.len()));
                }
                Event::Reset { stream, code, cause } => {
                    let known = matches!(code, Code::CANCEL | Code::REFUSED_STREAM);
                    assert!(known && !matches!(cause, ripstop_h2::Cause::Fault(_)), "{code} {cause:?}");
                    self.reset.insert(stream.id());
                }
                _ => {}
            }
        }
        assert!(bytes.is_empty());
        self.forget();
    }
}

/// The byte at a place of any content.
fn byte(at: usize) -> u8 {
    (at * 7 % 251).to_le_bytes()[0]
}
