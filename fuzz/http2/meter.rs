//! Somebody who only watches.

use std::{collections::HashSet, time::Instant};

use ripstop_h2::{Detail, Ended, Keep, Meter, MeterLimits, PREFACE, Record};

use super::HELLO;

/// Small limits, so that they are met.
const LIMITS: MeterLimits = MeterLimits { streams: 4, block: 600, list: 800, table: 5_000 };
const KEEP: Keep = Keep { request: &["x-request-id", "a"], response: &["server", "a"] };

/// A meter that is shown arbitrary bytes of both sides keeps its limits, tells of each stream once, and the same
/// however the bytes are cut.
///
/// The bytes are flags (1: without preface and settings), the size of pieces (0 for whole ones), then words: who says
/// it (odd: the server) with the length above, and as many bytes.
pub fn h2_meter(data: &[u8]) {
    let Some((&[flags, piece], words)) = data.split_first_chunk() else { return };
    let whole = watch(flags, words, usize::MAX, &[Detail::Full]);
    let cut = watch(flags, words, usize::from(piece).max(1), &[Detail::Full]);
    assert_eq!(
        (&whole.texts, &whole.counts, &whole.stopped),
        (&cut.texts, &cut.counts, &cut.stopped),
        "the cuts matter"
    );
    for in_turn in [&[Detail::Counts][..], &[Detail::Counts, Detail::Full, Detail::Full]] {
        let less = watch(flags, words, usize::MAX, in_turn);
        assert_eq!((&whole.counts, &whole.stopped), (&less.counts, &less.stopped), "detail matters to what is counted");
        for (less, whole) in less.texts.iter().zip(&whole.texts) {
            assert!(less.contains("detail: Counts") || less == whole, "{less} was {whole}");
        }
    }
}

/// What was told.
struct Told {
    texts: Vec<String>,
    counts: Vec<String>,
    stopped: String,
}

/// `details` are told in turn, a piece each.
fn watch(flags: u8, mut words: &[u8], piece: usize, details: &[Detail]) -> Told {
    let mut meter = Meter::new(LIMITS, KEEP);
    let mut details = details.iter().cycle();
    let now = Instant::now();
    let (mut texts, mut counts) = (Vec::new(), Vec::new());
    let mut seen = HashSet::new();
    let mut record = |record: Record<'_>| {
        assert!(seen.insert(record.stream), "stream {} was told twice", record.stream);
        assert!(record.how != Ended::Complete || record.status >= 200, "{record:?}");
        assert!(record.grpc || record.request_messages + record.response_messages == 0);
        assert!(record.method.is_ascii() && record.path.is_ascii() && record.authority.is_ascii());
        assert_eq!((record.started, record.ended), (now, now));
        let fields = record.request.iter().count() + record.response.iter().count();
        let is_empty = (record.method, record.path, record.authority, fields) == (b"", b"", b"", 0);
        assert!(record.detail == Detail::Full || is_empty, "{record:?}");
        texts.push(format!("{record:?}").replace(&format!("{now:?}"), "now"));
        let heads = (record.request_head_bytes, record.response_head_bytes);
        let bytes = (heads, record.request_bytes, record.response_bytes);
        let grpc = (record.grpc, record.grpc_status, record.request_messages, record.response_messages);
        counts.push(format!("{:?}", (record.stream, record.status, bytes, grpc, record.how)));
    };
    if flags & 1 == 0 {
        meter.client(PREFACE, now, &mut record);
        meter.client(&HELLO, now, &mut record);
        meter.server(&HELLO, now, &mut record);
    }
    while let Some((&who, rest)) = words.split_first() {
        let (bytes, rest) = rest.split_at(rest.len().min(usize::from(who >> 1)));
        words = rest;
        for bytes in bytes.chunks(piece) {
            details.next().into_iter().for_each(|detail| meter.tell(*detail));
            match who & 1 {
                0 => meter.client(bytes, now, &mut record),
                _ => meter.server(bytes, now, &mut record),
            }
            assert!(meter.open() <= LIMITS.streams);
        }
    }
    let stopped = format!("{:?}", meter.stopped());
    let open = meter.open();
    meter.end(now, &mut record);
    assert!(meter.stopped().is_some() && meter.open() == 0);
    assert!(texts.len() >= open);
    meter.client(&HELLO, now, |record| panic!("{record:?} after the end"));
    Told { texts, counts, stopped }
}
