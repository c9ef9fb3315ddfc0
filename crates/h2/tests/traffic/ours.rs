//! Our end, on a pipe.

use std::{collections::HashMap, sync::Arc, time::Instant};

use ripstop_h2::{Code, Config, Connection, End, Event, Field, Request, Role, StreamRef};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::plan::{Dice, Fate, Found, Message, Plan, Seen, sort};

/// What is under way.
struct Endpoint {
    role: Role,
    connection: Connection,
    plan: Arc<Plan>,
    dice: Dice,
    /// Which exchange a stream is, and what was found of it.
    incoming: HashMap<StreamRef, (usize, Message)>,
    /// What is still to be sent: exchange, bytes of content that are gone.
    outgoing: Vec<(StreamRef, usize, usize)>,
    /// Content that was found and not yet consumed.
    unread: Vec<(StreamRef, usize)>,
    found: Found,
    opened: usize,
    ponged: bool,
    goaway: bool,
}

pub async fn ask(io: DuplexStream, plan: Arc<Plan>, config: Config) -> Found {
    let mut endpoint = Endpoint::new(Role::Client, plan, config);
    endpoint.run(io).await;
    assert!(endpoint.ponged, "the PING came back");
    assert!(endpoint.goaway, "the server said that it goes");
    endpoint.found
}

pub async fn serve(io: DuplexStream, plan: Arc<Plan>, config: Config) -> Found {
    let mut endpoint = Endpoint::new(Role::Server, plan, config);
    endpoint.run(io).await;
    endpoint.found
}

impl Endpoint {
    fn new(role: Role, plan: Arc<Plan>, config: Config) -> Self {
        let mut connection = Connection::new(role, config, Instant::now());
        if role == Role::Client {
            connection.ping(*b"how long", Instant::now());
        }
        Self {
            role,
            connection,
            dice: Dice::new(plan.exchanges.len() as u64),
            plan,
            incoming: HashMap::new(),
            outgoing: Vec::new(),
            unread: Vec::new(),
            found: Found::new(),
            opened: 0,
            ponged: false,
            goaway: false,
        }
    }

    async fn run(&mut self, mut io: DuplexStream) {
        let (mut reader, mut writer) = tokio::io::split(&mut io);
        let mut buffer = vec![0; 1 << 16];
        let mut deaf = false;
        loop {
            self.go_on();
            let most = 1 + self.dice.below(buffer.len());
            tokio::select! {
                n = reader.read(&mut buffer[..most]) => {
                    let n = n.unwrap();
                    if n == 0 {
                        break;
                    }
                    self.receive(&buffer[..n]);
                }
                n = writer.write(self.connection.output()), if !deaf && !self.connection.output().is_empty() => {
                    // Who has said all, or heard all, may go before it has read everything. What it said is there still.
                    match n {
                        Ok(n) => self.connection.sent(n),
                        Err(_) => deaf = true,
                    }
                }
            }
            // All is done and said: the server closes.
            let server = self.role == Role::Server;
            if server
                && self.connection.is_finishing()
                && self.connection.active() == 0
                && self.connection.output().is_empty()
            {
                break;
            }
        }
        assert_eq!(self.connection.active(), 0, "the peer went too early");
    }

    fn receive(&mut self, mut bytes: &[u8]) {
        while let Some(event) = self.connection.receive(Instant::now(), &mut bytes).unwrap() {
            match event {
                Event::Headers { stream, end } => {
                    let fields = self.fields();
                    let path = self.connection.fields().get(b":path").map(|path| path[1..].to_vec());
                    if let Some(n) = path {
                        let n = str::from_utf8(&n).unwrap().parse().unwrap();
                        self.incoming.insert(stream, (n, Message::default()));
                    }
                    self.incoming.get_mut(&stream).unwrap().1.fields = fields;
                    self.ended(stream, end);
                }
                Event::Data { stream, bytes, end } => {
                    self.incoming.get_mut(&stream).unwrap().1.body.extend_from_slice(bytes);
                    self.unread.push((stream, bytes.len()));
                    self.ended(stream, end);
                }
                Event::Trailers { stream } => {
                    self.incoming.get_mut(&stream).unwrap().1.trailers = Some(self.fields());
                    self.ended(stream, true);
                }
                Event::Reset { stream, code, .. } => {
                    self.outgoing.retain(|(other, ..)| *other != stream);
                    if let Some((n, _)) = self.incoming.remove(&stream) {
                        self.found.insert(n, Seen::Reset(code.0));
                    }
                }
                Event::Refused { .. } => panic!("{event:?}"),
                Event::Pong { payload } => self.ponged |= payload == *b"how long",
                Event::GoAway { code, .. } => {
                    assert_eq!(code, Code::NO_ERROR);
                    self.goaway = true;
                }
                Event::Window { .. } | Event::Settings | Event::Informational { .. } => {}
            }
        }
    }

    fn fields(&self) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let all = self.connection.fields().iter().filter(|field| field.name[0] != b':');
        let mut fields: Vec<_> = all.map(|field| (text(field.name), text(field.value))).collect();
        sort(&mut fields);
        fields
    }

    fn ended(&mut self, stream: StreamRef, end: bool) {
        if !end {
            return;
        }
        let (n, message) = self.incoming.remove(&stream).unwrap();
        self.found.insert(n, Seen::Message(message));
        if self.role == Role::Client {
            return;
        }
        if let Fate::ServerResets(code) = self.plan.exchanges[n].fate {
            self.connection.reset(stream, Code(code));
            return;
        }
        if self.dice.below(3) == 0 {
            self.connection.inform(stream, [Field::new(b":status", b"103")]).unwrap();
        }
        let plan = self.plan.clone();
        let end = self.head_ends(&plan.exchanges[n].response);
        let fields = plan.exchanges[n].response.fields.iter().map(as_field);
        self.connection.respond(stream, [Field::new(b":status", b"200")].into_iter().chain(fields), end).unwrap();
        if end == End::Open {
            self.outgoing.push((stream, n, 0));
        }
    }

    /// Whether the head of a message has END_STREAM; where there is neither content nor trailers it may or not.
    fn head_ends(&self, message: &Message) -> End {
        let nothing = message.body.is_empty() && message.trailers.is_none();
        if nothing && self.dice.below(2) == 0 { End::Stream } else { End::Open }
    }

    /// Consumes, opens and sends what can be.
    fn go_on(&mut self) {
        for (stream, n) in std::mem::take(&mut self.unread) {
            let now = self.dice.below(n + 1);
            self.connection.consume(stream, now, Instant::now());
            self.connection.consume(stream, n - now, Instant::now());
        }
        let plan = self.plan.clone();
        // Before that it is not known how many streams the server takes.
        let settled = self.connection.is_settled();
        while settled && self.opened < plan.exchanges.len() && self.connection.may_open().is_ok() {
            let n = self.opened;
            self.opened += 1;
            let path = format!("/{n}");
            let exchange = &plan.exchanges[n];
            let reset = matches!(exchange.fate, Fate::ClientResets(_));
            let end = if reset { End::Open } else { self.head_ends(&exchange.request) };
            let head: [(&[u8], &[u8]); 4] =
                [(b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", path.as_bytes())];
            let head = head.map(|(name, value)| Field::new(name, value)).into_iter();
            let fields = head.chain(exchange.request.fields.iter().map(as_field));
            let stream = self.connection.open(Request::Ordinary, None, fields, end, Instant::now()).unwrap();
            if let Fate::ClientResets(code) = exchange.fate {
                self.connection.reset(stream, Code(code));
                continue;
            }
            self.incoming.insert(stream, (n, Message::default()));
            if end == End::Open {
                self.outgoing.push((stream, n, 0));
            }
        }
        let server = self.role == Role::Server;
        let mut outgoing = std::mem::take(&mut self.outgoing);
        outgoing.retain_mut(|(stream, n, gone)| {
            let exchange = &plan.exchanges[*n];
            let message = if server { &exchange.response } else { &exchange.request };
            let end = if message.trailers.is_some() { End::Open } else { End::Stream };
            let rest = &message.body[*gone..];
            *gone += self.connection.send_data(*stream, rest, end);
            if *gone < message.body.len() {
                return true;
            }
            if let Some(trailers) = &message.trailers {
                self.connection.send_trailers(*stream, trailers.iter().map(as_field)).unwrap();
            }
            false
        });
        self.outgoing = outgoing;
        let whole = plan.exchanges.iter().filter(|exchange| !matches!(exchange.fate, Fate::ClientResets(_))).count();
        let done = self.found.values().filter(|seen| matches!(seen, Seen::Message(_))).count();
        if server && done == whole {
            self.connection.drain(Instant::now());
        }
    }
}

fn as_field((name, value): &(String, String)) -> Field<'_> {
    Field::new(name.as_bytes(), value.as_bytes())
}
