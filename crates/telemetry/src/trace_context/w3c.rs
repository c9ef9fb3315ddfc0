//! W3C Trace Context, level 2 (which reads what level 1 writes).

use super::{Incoming, Parent, Randomness, Sampling, Span, SpanId, TraceId, Width, hex, only};
use crate::headers::Headers;

/// Length of `traceparent` in version 00.
const LENGTH: usize = 55;
/// Members of `tracestate` at most (3.3.1.1).
const MEMBERS: usize = 32;
/// Bytes of `tracestate` that are passed on; 512 must be (3.3.1.5).
const STATE_BYTES: usize = 1024;

const SAMPLED: u8 = 1;
const RANDOM: u8 = 2;

pub(super) fn read(headers: &dyn Headers) -> Incoming {
    let Some(mut parent) = only(headers, "traceparent").and_then(parent) else { return Incoming::Nothing };
    parent.state = state(headers);
    Incoming::Parent(parent)
}

/// Reads `VERSION-TRACE-SPAN-FLAGS`; of a later version what is known of it (3.2.3, 4.3).
fn parent(text: &[u8]) -> Option<Parent> {
    let (head, rest) = text.split_at_checked(LENGTH)?;
    let [version] = hex::<1>(&head[..2])?;
    let follows = match version {
        0 => rest.is_empty(),
        0xff => false,
        _ => rest.is_empty() || rest[0] == b'-',
    };
    if !follows || [head[2], head[35], head[52]] != [b'-'; 3] {
        return None;
    }
    let trace = TraceId::new(hex(&head[3..35])?)?;
    let span = SpanId::new(hex(&head[36..52])?)?;
    let [flags] = hex::<1>(&head[53..])?;
    Some(Parent {
        trace,
        span,
        sampling: Some(if flags & SAMPLED == 0 { Sampling::Dropped } else { Sampling::Sampled }),
        width: Width::Full,
        randomness: if flags & RANDOM == 0 { Randomness::Unknown } else { Randomness::Random },
        state: None,
    })
}

/// All `tracestate` headers as one; nothing if they are not valid (3.3.1).
fn state(headers: &dyn Headers) -> Option<Box<str>> {
    let mut state = String::new();
    let mut keys: Vec<&[u8]> = Vec::new();
    let mut valid = true;
    headers.visit("tracestate", &mut |value| {
        for member in value.split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty()) {
            let Some((key, text)) = self::member(member).filter(|(key, _)| keys.len() < MEMBERS && !keys.contains(key))
            else {
                valid = false;
                return;
            };
            keys.push(key);
            // What does not fit is cut off at the end: members on the left are the newest.
            if keys.len() == 1 || state.len() + 1 + text.len() <= STATE_BYTES {
                if !state.is_empty() {
                    state.push(',');
                }
                state.push_str(text);
            }
        }
    });
    (valid && !state.is_empty()).then(|| state.into_boxed_str())
}

/// A member's key, and the whole member.
fn member(member: &[u8]) -> Option<(&[u8], &str)> {
    let equals = member.iter().position(|b| *b == b'=')?;
    let (key, value) = (&member[..equals], &member[equals + 1..]);
    let first = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let key_ok = key.first().copied().is_some_and(first)
        && key.len() <= 256
        && key.iter().all(|b| first(*b) || b"_-*/@".contains(b));
    let value_ok =
        (1..=256).contains(&value.len()) && value.iter().all(|b| matches!(b, b' '..=b'+' | b'-'..=b'<' | b'>'..=b'~'));
    if key_ok && value_ok { Some((key, str::from_utf8(member).ok()?)) } else { None }
}

pub(super) fn write(span: &Span, set: &mut impl FnMut(&'static str, &str)) {
    let sampled = if span.sampling.is_recorded() { SAMPLED } else { 0 };
    let random = if span.randomness == Randomness::Random { RANDOM } else { 0 };
    set("traceparent", &format!("00-{}-{}-{:02x}", span.trace, span.id, sampled | random));
    if let Some(state) = &span.state {
        set("tracestate", state);
    }
}
