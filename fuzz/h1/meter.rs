//! Somebody who only watches.

use std::time::Instant;

use ripstop_h1::{Asked, Detail, Ended, Keep, Limits, Meter, RequestParser};

use super::{Pieces, Told, requests, responses};

const KEEP: Keep = Keep { request: &["host", "a"], response: &["server", "a"] };

/// What was told of an exchange: its text; and whether it was complete, the heads' lengths and those of the data.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    text: String,
    complete: bool,
    request: (u64, u64),
    response: (u64, u64),
}

/// A meter that is shown arbitrary bytes of both sides tells the same however they are cut, and of complete exchanges
/// what a proxy of ours finds in the same bytes.
///
/// The bytes are those of [`super::h1_connection`].
pub fn h1_meter(data: &[u8]) {
    let Some((pieces, rest)) = Pieces::split(data) else { return };
    let Some((length, rest)) = rest.split_first_chunk() else { return };
    let Some((from_client, from_server)) = rest.split_at_checked(u16::from_be_bytes(*length).into()) else { return };
    let limits = pieces.limits();
    let (seen, stopped) = watch([from_client, from_server], &Pieces::WHOLE, limits);
    for pieces in [&pieces, &Pieces::BYTES] {
        let (again, stopped_again) = watch([from_client, from_server], pieces, limits);
        assert_eq!((&again, &stopped_again), (&seen, &stopped), "the cuts matter");
    }
    let accepted = requests(from_client, &Pieces::WHOLE, limits);
    let whole = accepted.messages.iter().filter(|message| message.complete);
    let asked: Vec<Asked> = whole
        .map(|message| {
            let mut parser = RequestParser::new(limits);
            parser.parse(&message.raw).expect("read before").expect("whole before");
            Asked::of(&parser.head(&message.raw))
        })
        .collect();
    let ask = |number: usize| asked.get(number).cloned();
    let answered = responses(from_server, &Pieces::WHOLE, limits, &ask);
    let answers = finals(&answered);
    for ((seen, request), answer) in seen.iter().zip(&accepted.messages).zip(answers) {
        if seen.complete && request.complete {
            assert_eq!(seen.request, lengths(request));
            assert_eq!(seen.response, lengths(answer));
        }
    }
}

/// What was told, and why it stopped before the end, if it did.
fn watch(sides: [&[u8]; 2], pieces: &Pieces<'_>, limits: Limits) -> (Vec<Seen>, String) {
    let mut meter = Meter::new(limits, KEEP);
    // They know as much of where messages end.
    let mut plain = Meter::of_boundaries(limits);
    let mut mixed = Meter::new(limits, KEEP);
    let far = |meter: &Meter| (meter.is_idle(), meter.is_received(), meter.begun(), meter.stopped());
    let now = Instant::now();
    let mut told: Vec<Seen> = Vec::new();
    let mut record = |record: ripstop_h1::Record<'_>| {
        assert!(record.how != Ended::Complete || record.status >= 101, "{record:?}");
        assert_eq!((record.started, record.ended), (now, now));
        told.push(Seen {
            text: format!("{record:?}").replace(&format!("{now:?}"), "now"),
            complete: record.how == Ended::Complete,
            request: (record.request_head_bytes, record.request_bytes),
            response: (record.response_head_bytes, record.response_bytes),
        });
    };
    for (side, bytes) in sides.into_iter().enumerate() {
        let mut from = 0;
        for place in pieces.places(bytes.len()) {
            let piece = &bytes[from..place];
            from = place;
            if side == 0 {
                meter.client(piece, now);
                plain.client(piece, now);
                mixed.tell(if place % 2 == 0 { Detail::Counts } else { Detail::Full });
                mixed.client(piece, now);
            } else {
                let (mut full, mut whole, mut less) = (Vec::new(), Vec::new(), Vec::new());
                meter.server(piece, now, |seen| {
                    full.push(counted(seen));
                    whole.push(format!("{seen:?}"));
                    record(seen);
                });
                plain.server(piece, now, |seen| less.push(counted(seen)));
                assert_eq!(less, full);
                less.clear();
                mixed.server(piece, now, |seen| {
                    let fields = seen.request.iter().count() + seen.response.iter().count();
                    let is_empty = (seen.method.len(), seen.path, seen.authority, fields) == (0, &b""[..], None, 0);
                    match seen.detail {
                        Detail::Counts => assert!(is_empty, "{seen:?}"),
                        Detail::Full => assert_eq!(format!("{seen:?}"), whole[less.len()]),
                    }
                    less.push(counted(seen));
                });
                assert_eq!(less, full);
            }
            assert_eq!(far(&plain), far(&meter));
            assert_eq!(far(&mixed), far(&meter));
        }
    }
    let stopped = format!("{:?}", meter.stopped());
    meter.end_of_server(now, &mut record);
    meter.end(now, &mut record);
    assert!(meter.stopped().is_some() && meter.is_idle());
    meter.server(b"HTTP/1.1 200 OK\r\n\r\n", now, |record| panic!("{record:?} after the end"));
    (told, stopped)
}

/// What is told of a request in any case.
fn counted(seen: ripstop_h1::Record<'_>) -> (u16, [u64; 4], Ended) {
    let bytes = [seen.request_head_bytes, seen.request_bytes, seen.response_head_bytes, seen.response_bytes];
    (seen.status, bytes, seen.how)
}

/// The answers that are none in between.
fn finals(told: &Told) -> impl Iterator<Item = &super::Message> {
    told.messages.iter().filter(|message| !message.raw.get(9..).is_some_and(|rest| rest.starts_with(b"1")))
}

fn lengths(message: &super::Message) -> (u64, u64) {
    (message.head as u64, message.data.len() as u64)
}
