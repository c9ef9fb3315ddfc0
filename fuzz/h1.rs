//! HTTP/1.1: the bodies of `h1_request`, `h1_response`, `h1_connection` and `h1_meter`.
//!
//! All inputs begin with how the bytes arrive: a count (the low three bits; the others are options), then as many
//! lengths of pieces, used in turns.

mod meter;

use ripstop_h1::{
    Asked, BodyKind, ClientConnection, Edits, Limits, MethodKind, Persistence, Received, Rejected, Reply,
    RequestParser, ResponseParser, ServerConnection, Side, Trailers, Version,
};

pub use self::meter::h1_meter;

/// What a connection of ours was told, whatever the pieces.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    messages: Vec<Message>,
    end: End,
}

#[derive(Debug, PartialEq, Eq)]
struct Message {
    /// Every byte of it, as it would be passed on.
    raw: Vec<u8>,
    head: usize,
    kind: BodyKind,
    data: Vec<u8>,
    trailers: Vec<u8>,
    complete: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum End {
    #[default]
    More,
    Held,
    Switched,
    Closed,
    Refused(Rejected),
}

/// How the bytes arrive.
struct Pieces<'a> {
    options: u8,
    lengths: &'a [u8],
}

/// Whatever a client sends: what comes of it does not depend on the pieces, what is accepted passes untouched and is
/// read so again, and a second parser reads the same in it.
pub fn h1_request(data: &[u8]) {
    let Some((pieces, input)) = Pieces::split(data) else { return };
    for limits in [Limits::default(), pieces.limits()] {
        let whole = requests(input, &Pieces::WHOLE, limits);
        same(&whole, &requests(input, &pieces, limits));
        same(&whole, &requests(input, &Pieces::BYTES, limits));
        for message in &whole.messages {
            let head = &message.raw[..message.head];
            request_head(head, limits);
            body(message, Side::Request, limits);
            let again = requests(&message.raw, &Pieces::WHOLE, limits);
            assert_eq!(again.messages.first(), Some(message), "what is passed on is read in another way");
        }
    }
}

/// Whatever a server sends, as [`h1_request`].
pub fn h1_response(data: &[u8]) {
    let Some((pieces, input)) = Pieces::split(data) else { return };
    let method = [MethodKind::Other, MethodKind::Head, MethodKind::Connect][usize::from(pieces.options % 3)];
    let upgrade = (pieces.options & 4 != 0).then(|| b"websocket, a/1"[..].into());
    let asked = Asked { method, body: BodyKind::None, persistence: Persistence::KeepAlive, upgrade };
    let ask = |_: usize| Some(asked.clone());
    for limits in [Limits::default(), pieces.limits()] {
        let whole = responses(input, &Pieces::WHOLE, limits, &ask);
        same(&whole, &responses(input, &pieces, limits, &ask));
        same(&whole, &responses(input, &Pieces::BYTES, limits, &ask));
        for message in &whole.messages {
            response_head(&message.raw[..message.head], limits);
            body(message, Side::Response, limits);
        }
    }
}

/// A proxy of ours between a client that sends anything and a server that answers anything: the server is sent exactly
/// the messages that were accepted, and so is the client.
///
/// The bytes are the client's length (two bytes, big end first), what it sends, and what the server sends.
pub fn h1_connection(data: &[u8]) {
    let Some((pieces, rest)) = Pieces::split(data) else { return };
    let Some((length, rest)) = rest.split_first_chunk() else { return };
    let Some((from_client, from_server)) = rest.split_at_checked(u16::from_be_bytes(*length).into()) else { return };
    let limits = pieces.limits();
    let accepted = requests(from_client, &pieces, limits);
    let forwarded: Vec<u8> = accepted.messages.iter().flat_map(|message| message.raw.clone()).collect();
    let received = requests(&forwarded, &Pieces::BYTES, limits);
    assert_eq!(received.messages, accepted.messages, "the server got other requests");

    let asked: Vec<Asked> = accepted
        .messages
        .iter()
        .filter(|message| message.complete)
        .map(|message| {
            let mut parser = RequestParser::new(limits);
            parser.parse(&message.raw).expect("read before").expect("whole before");
            Asked::of(&parser.head(&message.raw))
        })
        .collect();
    let ask = |number: usize| asked.get(number).cloned();
    let answered = responses(from_server, &pieces, limits, &ask);
    let backward: Vec<u8> = answered.messages.iter().flat_map(|message| message.raw.clone()).collect();
    let got = responses(&backward, &Pieces::BYTES, limits, &ask);
    same(&Told { end: End::More, ..got }, &Told { end: End::More, ..answered });
}

// === impl Pieces ===

impl<'a> Pieces<'a> {
    const WHOLE: Pieces<'static> = Pieces { options: 0, lengths: &[] };
    const BYTES: Pieces<'static> = Pieces { options: 0, lengths: &[0] };

    fn split(data: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (first, rest) = data.split_first()?;
        let (lengths, input) = rest.split_at_checked(usize::from(first & 7))?;
        Some((Self { options: first >> 3, lengths }, input))
    }

    /// The places up to which bytes have come.
    fn places(&self, length: usize) -> impl Iterator<Item = usize> {
        let lengths = self.lengths.iter().cycle();
        let places = lengths.scan(0, |place, length| {
            *place += usize::from(*length) + 1;
            Some(*place)
        });
        places.take_while(move |place| *place < length).chain([length])
    }

    /// Small ones if an option says so.
    fn limits(&self) -> Limits {
        if self.options & 8 == 0 {
            return Limits::default();
        }
        Limits {
            head: 200,
            method: 5,
            target: 20,
            reason: 6,
            fields: 4,
            connection_options: 3,
            upgrade_protocols: 2,
            name: 20,
            value: 24,
            trailers: 40,
            trailer_fields: 2,
            chunk_line: 12,
            chunk_extensions: 16,
            body: 60,
            informational: 1,
            pipelined: 2,
        }
    }
}

/// What a server of ours is told. It answers each complete request, and switches nothing.
fn requests(input: &[u8], pieces: &Pieces<'_>, limits: Limits) -> Told {
    let mut server = ServerConnection::new(limits);
    let mut told = Told::default();
    let mut from = 0;
    for place in pieces.places(input.len()) {
        loop {
            let here = &input[from..place];
            match server.receive(here) {
                Ok(Received::Head(length)) => {
                    let head = server.head(here);
                    told.messages.push(Message::new(head.as_bytes(), head.body()));
                    from += length;
                }
                Ok(Received::Body(piece)) => {
                    assert!(piece.consumed > 0 || piece.done, "no progress");
                    told.messages.last_mut().expect("a head").piece(here, &piece);
                    from += piece.consumed;
                }
                Ok(Received::More) => break,
                Ok(Received::Held) => return Told { end: End::Held, ..told },
                Ok(Received::Closed) => return Told { end: End::Closed, ..told },
                Ok(other) => panic!("{other:?}"),
                Err(rejected) => {
                    assert_eq!(server.receive(here), Err(rejected), "a refusal is final");
                    assert!((400..600).contains(&rejected.status()));
                    return told.refused(rejected, from);
                }
            }
            if told.messages.last().is_some_and(|message| message.complete) {
                if server.receive(&[]) == Ok(Received::Held) {
                    continue;
                }
                if server.unanswered() > 0 {
                    server.respond(200, BodyKind::Length(0), Persistence::KeepAlive).expect("a request");
                    server.finish_response().expect("a response");
                }
            }
        }
    }
    told
}

/// What a client of ours is told, which asks with `ask` as often as it may.
fn responses(input: &[u8], pieces: &Pieces<'_>, limits: Limits, ask: &dyn Fn(usize) -> Option<Asked>) -> Told {
    let mut client = ClientConnection::new(limits);
    let mut told = Told::default();
    let mut number = 0;
    let mut from = 0;
    for place in pieces.places(input.len()) {
        loop {
            if client.is_idle()
                && let Some(asked) = ask(number)
            {
                client.send(asked).expect("an idle connection");
                client.finish_request();
                number += 1;
            }
            let here = &input[from..place];
            match client.receive(here) {
                Ok(Reply::Informational(length)) => {
                    told.messages.push(Message::new(&here[..length], BodyKind::None));
                    from += length;
                }
                Ok(Reply::Head(length, kind)) => {
                    told.messages.push(Message::new(&here[..length], kind));
                    from += length;
                }
                Ok(Reply::Switch(length)) => {
                    told.messages.push(Message::new(&here[..length], BodyKind::None));
                    return Told { end: End::Switched, ..told };
                }
                Ok(Reply::Body(piece)) => {
                    assert!(piece.consumed > 0 || piece.done, "no progress");
                    told.messages.last_mut().expect("a head").piece(here, &piece);
                    from += piece.consumed;
                }
                Ok(Reply::More) => break,
                Ok(Reply::Closed) => return Told { end: End::Closed, ..told },
                Ok(other @ Reply::Switched) => panic!("{other:?}"),
                Err(rejected) => {
                    assert_eq!(client.receive(here), Err(rejected), "a refusal is final");
                    assert_eq!(rejected.status(), 502);
                    return told.refused(rejected, from);
                }
            }
        }
    }
    told
}

/// The same was told. Of a body that is refused, more or less may have been passed on before.
fn same(one: &Told, other: &Told) {
    assert_eq!(one.end, other.end);
    assert_eq!(one.messages.len(), other.messages.len());
    for (one, other) in one.messages.iter().zip(&other.messages) {
        if one.complete || other.complete {
            assert_eq!(one, other);
        } else {
            let (short, long) = if one.raw.len() < other.raw.len() { (one, other) } else { (other, one) };
            assert!(long.raw.starts_with(&short.raw) && long.data.starts_with(&short.data));
            assert_eq!((one.head, one.kind), (other.head, other.kind));
        }
    }
}

/// A head that was accepted: the second parser reads the same, and without edits it is written as it came.
fn request_head(bytes: &[u8], limits: Limits) {
    let mut parser = RequestParser::new(limits);
    assert_eq!(parser.parse(bytes), Ok(Some(bytes.len())));
    let head = parser.head(bytes);
    let mut storage = [httparse::EMPTY_HEADER; 256];
    let mut second = httparse::Request::new(&mut storage);
    assert_eq!(second.parse(bytes), Ok(httparse::Status::Complete(bytes.len())), "{}", bytes.escape_ascii());
    assert_eq!(second.method.map(str::as_bytes), Some(head.method()));
    assert_eq!(second.path.map(str::as_bytes), Some(head.target()));
    let fields = head.fields().iter().map(|field| (field.name, field.value));
    assert!(fields.eq(second.headers.iter().map(|header| (header.name.as_bytes(), header.value))));
    assert!(head.version() == Version::Http10 || head.authority().is_some());

    let mut edits = Edits::new();
    edits.request(head);
    assert!(edits.slices(bytes).eq([bytes]));
    let mut open = edits.request(head);
    assert_eq!(open.asked(), Asked::of(&head));
    if head.authority().is_none() {
        open.authority(b"a").expect("a host");
    }
    open.forward().expect("a request with a host");
    open.origin_form().expect("a target of any form");
    let inserted = open.insert(b"X-Inserted", b"1");
    let asked = open.asked();
    let mut out = Vec::new();
    edits.write(bytes, &mut out);
    // It has one or two fields more.
    let roomy = Limits { fields: limits.fields + 2, ..Limits::default() };
    let mut again = RequestParser::new(roomy);
    assert_eq!((inserted, again.parse(&out)), (Ok(()), Ok(Some(out.len()))), "{}", out.escape_ascii());
    let (forwarded, before) = (again.head(&out), head);
    assert_eq!((forwarded.method(), forwarded.body()), (before.method(), before.body()));
    assert_eq!((forwarded.path(), forwarded.query()), (before.path(), before.query()));
    assert_eq!(forwarded.version(), Version::Http11);
    let mut origin = Vec::new();
    before.origin_form(&mut origin);
    assert!(before.method() == b"CONNECT" || forwarded.target() == origin);
    // A Host that agrees with the target may differ from it in case, and is kept.
    let agree = |a: &[u8], b: &[u8]| a.eq_ignore_ascii_case(b);
    assert!(before.authority().is_none_or(|host| forwarded.authority().is_some_and(|kept| agree(kept, host))));
    assert_eq!(forwarded.fields().connection_options().count(), 0);
    assert_eq!(asked, Asked::of(&forwarded));
}

fn response_head(bytes: &[u8], limits: Limits) {
    let mut parser = ResponseParser::new(limits);
    assert_eq!(parser.parse(bytes), Ok(Some(bytes.len())));
    let head = parser.head(bytes);
    let mut storage = [httparse::EMPTY_HEADER; 256];
    let mut second = httparse::Response::new(&mut storage);
    assert_eq!(second.parse(bytes), Ok(httparse::Status::Complete(bytes.len())), "{}", bytes.escape_ascii());
    assert_eq!(second.code, Some(head.status()));
    let fields = head.fields().iter().map(|field| (field.name, field.value));
    assert!(fields.eq(second.headers.iter().map(|header| (header.name.as_bytes(), header.value))));
    let mut edits = Edits::new();
    edits.response(head);
    assert!(edits.slices(bytes).eq([bytes]));
    edits.response(head).forward().expect("a response");
    let mut out = Vec::new();
    edits.write(bytes, &mut out);
    let mut again = ResponseParser::new(Limits::default());
    assert_eq!(again.parse(&out), Ok(Some(out.len())), "{}", out.escape_ascii());
    let forwarded = again.head(&out);
    assert_eq!((forwarded.status(), forwarded.reason()), (head.status(), head.reason()));
    assert_eq!((forwarded.version(), forwarded.declared_body()), (Version::Http11, head.declared_body()));
    assert_eq!(forwarded.fields().connection_options().count(), 0);
}

/// A whole body: a second, simpler reader finds the same data, and trailers are fields.
fn body(message: &Message, side: Side, limits: Limits) {
    if !message.complete {
        return;
    }
    let raw = &message.raw[message.head..];
    match message.kind {
        BodyKind::None => assert!(raw.is_empty()),
        BodyKind::Length(length) => assert_eq!((raw.len() as u64, raw), (length, &message.data[..])),
        BodyKind::UntilClose => panic!("it has no end here"),
        BodyKind::Chunked => {
            assert_eq!(simple_chunks(raw), Some((message.data.clone(), &message.trailers[..])));
            Trailers::default().parse(&message.trailers, side, &limits).expect("fields");
        }
    }
}

/// Data and trailers of a whole chunked body.
fn simple_chunks(mut raw: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut data = Vec::new();
    loop {
        let end = raw.windows(2).position(|pair| pair == b"\r\n")?;
        let line = std::str::from_utf8(raw[..end].split(|byte| *byte == b';').next()?).ok()?;
        let size = usize::from_str_radix(line, 16).ok()?;
        raw = &raw[end + 2..];
        if size == 0 {
            return Some((data, raw));
        }
        data.extend_from_slice(raw.get(..size)?);
        raw = raw.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

// === impl Told ===

impl Told {
    /// With the place counted from the first byte of all.
    fn refused(self, mut rejected: Rejected, from: usize) -> Self {
        // In a body it is counted from the body's first byte, whatever the pieces.
        if self.messages.last().is_none_or(|message| message.complete) {
            rejected.at += from as u64;
        }
        Self { end: End::Refused(rejected), ..self }
    }
}

// === impl Message ===

impl Message {
    fn new(head: &[u8], kind: BodyKind) -> Self {
        let complete = matches!(kind, BodyKind::None | BodyKind::Length(0));
        Self { raw: head.to_vec(), head: head.len(), kind, data: Vec::new(), trailers: Vec::new(), complete }
    }

    fn piece(&mut self, input: &[u8], piece: &ripstop_h1::Decoded) {
        self.raw.extend_from_slice(&input[..piece.consumed]);
        self.data.extend_from_slice(&input[piece.data.clone()]);
        self.trailers.extend_from_slice(&input[piece.trailers.clone()]);
        self.complete = piece.done;
    }
}
