//! Tables of messages with their verdicts, and the judge who gives verdicts.

#![allow(dead_code)] // each test uses what it needs

pub mod chunks;
pub mod conversation;
pub mod garden;
pub mod hosts;
pub mod lengths;
pub mod lines;
pub mod reasons;
pub mod responses;

use std::fmt;

use ripstop_h1::{
    Asked, BodyKind, ClientConnection, Limits, MethodKind, Persistence, Received, Rejected, Reply, RequestParser,
    ServerConnection,
};

/// What a client sends, and what becomes of it.
#[derive(Debug)]
pub struct Row {
    /// What is special about it; unique in its table.
    pub name: &'static str,
    /// The bytes.
    pub raw: &'static [u8],
    /// As [`Verdict`] is displayed.
    pub verdict: &'static str,
}

/// What a server sends, and what becomes of it.
#[derive(Debug)]
pub struct ResponseRow {
    /// What is special about it; unique.
    pub name: &'static str,
    /// What was asked: a method, or `WEBSOCKET` for an upgrade.
    pub asked: &'static str,
    /// The bytes, after which the connection ends.
    pub raw: &'static [u8],
    /// As [`Verdict`] is displayed.
    pub verdict: &'static str,
}

/// Every table of requests, by its name.
pub const REQUESTS: [(&str, &[Row]); 6] = [
    ("lines", lines::ROWS),
    ("hosts", hosts::ROWS),
    ("lengths", lengths::ROWS),
    ("chunks", chunks::ROWS),
    ("conversation", conversation::ROWS),
    ("garden", garden::ROWS),
];

/// Messages, and how it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub messages: Vec<Message>,
    pub end: End,
}

/// A message that was accepted, at least its head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Method and target, or the status.
    pub line: String,
    pub kind: BodyKind,
    pub data: Vec<u8>,
    pub trailers: Vec<u8>,
    pub complete: bool,
    /// Its bytes from the first to the last, as far as they came.
    pub raw: Vec<u8>,
}

/// What is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// That many bytes are not a whole of anything yet.
    More(usize),
    /// That many bytes must wait for an answer.
    Held(usize),
    /// That many bytes belong to another protocol.
    Switched(usize),
    /// That many bytes are not looked at, since the connection is over.
    Closed(usize),
    /// Refused, with the place in all that was sent.
    Refused(Rejected),
}

/// Limits with few informational responses, so that a flood is a short one.
pub fn limits() -> Limits {
    Limits { informational: 3, ..Limits::default() }
}

/// What a server of ours makes of what a client sends, if it answers each complete request with an empty 200 and leaves
/// switches unanswered. The bytes arrive up to one of `places` after the other.
pub fn requests(raw: &[u8], places: &[usize]) -> Verdict {
    let mut server = ServerConnection::new(limits());
    let mut messages: Vec<Message> = Vec::new();
    let mut from = 0;
    let mut body = 0;
    for place in places.iter().copied().chain([raw.len()]) {
        loop {
            let input = &raw[from..place];
            let before = from;
            match server.receive(input) {
                Ok(Received::Head(length)) => {
                    let head = server.head(input);
                    let [method, target] = [head.method(), head.target()].map(String::from_utf8_lossy);
                    let line = format!("{method} {target}");
                    let complete = matches!(head.body(), BodyKind::None | BodyKind::Length(0));
                    let raw = head.as_bytes().to_vec();
                    let (data, trailers) = (Vec::new(), Vec::new());
                    messages.push(Message { line, kind: head.body(), data, trailers, complete, raw });
                    from += length;
                    body = from;
                }
                Ok(Received::Body(piece)) => {
                    let message = messages.last_mut().expect("a head before its body");
                    message.raw.extend_from_slice(&input[..piece.consumed]);
                    message.data.extend_from_slice(&input[piece.data]);
                    message.trailers.extend_from_slice(&input[piece.trailers]);
                    message.complete = piece.done;
                    from += piece.consumed;
                }
                Ok(Received::More) => break,
                Ok(Received::Held) => return Verdict { messages, end: End::Held(raw.len() - from) },
                Ok(Received::Closed) => return Verdict { messages, end: End::Closed(raw.len() - from) },
                Ok(other @ (Received::Full | Received::Switched)) => panic!("{other:?}"),
                Err(mut rejected) => {
                    let in_body = messages.last().is_some_and(|message| !message.complete);
                    rejected.at += if in_body { body } else { from } as u64;
                    return Verdict { messages, end: End::Refused(rejected) };
                }
            }
            if messages.last().is_some_and(|message| message.complete) && server.unanswered() > 0 && before < from {
                let answered = server.receive(&[]) != Ok(Received::Held);
                if answered {
                    server.respond(200, BodyKind::Length(0), Persistence::KeepAlive).expect("a request is there");
                    server.finish_response().expect("a response has begun");
                }
            }
        }
    }
    Verdict { messages, end: End::More(raw.len() - from) }
}

/// What a client of ours makes of what a server sends until it ends the connection.
pub fn responses(asked: &str, raw: &[u8], places: &[usize]) -> Verdict {
    let mut client = ClientConnection::new(limits());
    client.send(asking(asked)).expect("a new connection");
    let mut messages: Vec<Message> = Vec::new();
    let mut from = 0;
    let mut body = 0;
    for place in places.iter().copied().chain([raw.len()]) {
        loop {
            let input = &raw[from..place];
            let push = |messages: &mut Vec<Message>, client: &ClientConnection, kind, length: usize| {
                let line = client.head(input).status().to_string();
                let complete = matches!(kind, BodyKind::None | BodyKind::Length(0));
                let (data, trailers, raw) = (Vec::new(), Vec::new(), input[..length].to_vec());
                messages.push(Message { line, kind, data, trailers, complete, raw });
            };
            match client.receive(input) {
                Ok(Reply::Informational(length)) => {
                    push(&mut messages, &client, BodyKind::None, length);
                    from += length;
                }
                Ok(Reply::Head(length, kind)) => {
                    push(&mut messages, &client, kind, length);
                    from += length;
                    body = from;
                }
                Ok(Reply::Switch(length)) => {
                    push(&mut messages, &client, BodyKind::None, length);
                    return Verdict { messages, end: End::Switched(raw.len() - from - length) };
                }
                Ok(Reply::Body(piece)) => {
                    let message = messages.last_mut().expect("a head before its body");
                    message.raw.extend_from_slice(&input[..piece.consumed]);
                    message.data.extend_from_slice(&input[piece.data]);
                    message.trailers.extend_from_slice(&input[piece.trailers]);
                    message.complete = piece.done;
                    from += piece.consumed;
                }
                Ok(Reply::More) => break,
                Ok(Reply::Closed) => return Verdict { messages, end: End::Closed(raw.len() - from) },
                Ok(Reply::Switched) => panic!("switched twice"),
                Err(mut rejected) => {
                    let in_body = messages.last().is_some_and(|message| !message.complete);
                    rejected.at += if in_body { body } else { from } as u64;
                    return Verdict { messages, end: End::Refused(rejected) };
                }
            }
        }
    }
    match client.end_of_input() {
        Ok(()) => {
            if let Some(message) = messages.last_mut() {
                message.complete = true;
            }
            Verdict { messages, end: End::Closed(0) }
        }
        Err(mut rejected) => {
            rejected.at = raw.len() as u64;
            Verdict { messages, end: End::Refused(rejected) }
        }
    }
}

/// A request as [`ResponseRow::asked`] names it.
pub fn asking(asked: &str) -> Asked {
    let request = match asked {
        "WEBSOCKET" => "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n".to_owned(),
        "CONNECT" => "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n".to_owned(),
        method => format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"),
    };
    let mut parser = RequestParser::new(Limits::default());
    parser.parse(request.as_bytes()).expect("a good request").expect("a whole request");
    let asked = Asked::of(&parser.head(request.as_bytes()));
    assert_eq!(asked.body, BodyKind::None);
    assert!(matches!(asked.method, MethodKind::Other | MethodKind::Head | MethodKind::Connect));
    asked
}

impl Verdict {
    /// Messages that are complete.
    pub fn accepted(&self) -> usize {
        self.messages.iter().filter(|message| message.complete).count()
    }

    /// Whether something was refused.
    pub fn refused(&self) -> bool {
        matches!(self.end, End::Refused(_))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for message in &self.messages {
            let Message { line, kind, data, trailers, complete, .. } = message;
            match kind {
                BodyKind::None => write!(f, "{line} none")?,
                BodyKind::Length(length) => write!(f, "{line} length {length}")?,
                BodyKind::Chunked => write!(f, "{line} chunked")?,
                BodyKind::UntilClose => write!(f, "{line} until close")?,
            }
            if !data.is_empty() {
                write!(f, " {}", data.escape_ascii())?;
            }
            if !trailers.is_empty() {
                write!(f, " trailers {}", trailers.escape_ascii())?;
            }
            f.write_str(if *complete { "; " } else { " ...; " })?;
        }
        match self.end {
            End::More(left) => write!(f, "more {left}"),
            End::Held(left) => write!(f, "held {left}"),
            End::Switched(left) => write!(f, "switched {left}"),
            End::Closed(left) => write!(f, "closed {left}"),
            End::Refused(rejected) => {
                write!(f, "{} {:?} at {}", rejected.status(), rejected.reason, rejected.at)
            }
        }
    }
}
