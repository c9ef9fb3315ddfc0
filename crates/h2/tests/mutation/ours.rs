//! What we make of bytes. Nobody answers, so that nothing hangs on who is faster.

use std::{collections::BTreeMap, time::Instant};

use ripstop_h2::{Cause, Code, Config, Connection, End, Event, Field, Request, Role};

use super::{Verdict, recorded::STREAMS, wire};

pub fn verdict(role: Role, mut bytes: &[u8]) -> Verdict {
    let now = Instant::now();
    let mut connection = Connection::new(role, Config::default(), now);
    if role == Role::Client {
        for n in 0..STREAMS {
            let path = format!("/{n}");
            let head: [(&[u8], &[u8]); 4] =
                [(b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", path.as_bytes())];
            let head = head.map(|(name, value)| Field::new(name, value));
            connection.open(Request::Ordinary, None, head, End::Stream, now).unwrap();
        }
    }
    let said = connection.output().len();
    connection.sent(said);
    let mut streams: BTreeMap<u32, (usize, bool)> = BTreeMap::new();
    let mut verdict = Verdict::default();
    loop {
        match connection.receive(now, &mut bytes) {
            Ok(None) => break,
            Err(error) => {
                verdict.error = Some((error.code.to_string(), error.reason));
                break;
            }
            Ok(Some(Event::Headers { stream, end })) => drop(streams.insert(stream.id(), (0, end))),
            Ok(Some(Event::Data { stream, bytes, end })) => {
                connection.consume(stream, bytes.len(), now);
                let (length, ended) = streams.entry(stream.id()).or_default();
                *length += bytes.len();
                *ended |= end;
            }
            Ok(Some(Event::Trailers { stream })) => streams.entry(stream.id()).or_default().1 = true,
            Ok(Some(Event::Reset { stream, code, cause: Cause::Peer })) => {
                verdict.streams.insert(stream.id(), gone(code));
            }
            Ok(Some(_)) => {}
        }
    }
    for frame in wire::frames(connection.output()) {
        if frame.kind == wire::RST_STREAM {
            verdict.streams.insert(frame.stream, format!("reset {}", Code(frame.number())));
        }
    }
    for (id, (length, end)) in streams {
        verdict.streams.entry(id).or_insert_with(|| taken(length, end));
    }
    verdict
}

pub fn gone(code: Code) -> String {
    format!("gone by {code}")
}

pub fn taken(length: usize, end: bool) -> String {
    format!("{length} bytes{}", if end { " and the end" } else { "" })
}
