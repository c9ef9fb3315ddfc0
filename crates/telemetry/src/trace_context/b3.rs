//! Zipkin's B3, in one header or several.

use super::{Incoming, Parent, Randomness, Sampling, Span, SpanId, TraceId, Width, hex, only};
use crate::headers::Headers;

/// The single header first: who writes both means the same.
pub(super) fn read(headers: &dyn Headers) -> Incoming {
    match only(headers, "b3").map(single) {
        Some(Some(found)) => found,
        _ => several(headers).unwrap_or_default(),
    }
}

/// Reads `TRACE-SPAN`, `TRACE-SPAN-SAMPLED`, `TRACE-SPAN-SAMPLED-PARENT`, or `SAMPLED` alone.
fn single(text: &[u8]) -> Option<Incoming> {
    if text.len() == 1 {
        return decision(text).map(Incoming::Decision);
    }
    let mut parts = text.split(|b| *b == b'-');
    let (trace, span) = (parts.next()?, parts.next()?);
    let sampling = parts.next().map(decision);
    let parent = parts.next().map(|parent| hex(parent).and_then(SpanId::new));
    if parts.next().is_some() || sampling == Some(None) || parent == Some(None) {
        return None;
    }
    context(trace, span, sampling.flatten())
}

fn several(headers: &dyn Headers) -> Option<Incoming> {
    let sampled = match only(headers, "x-b3-sampled") {
        None => None,
        Some(b"0" | b"false") => Some(Sampling::Dropped),
        Some(b"1" | b"true") => Some(Sampling::Sampled),
        Some(_) => return None,
    };
    let sampling = if only(headers, "x-b3-flags") == Some(b"1") { Some(Sampling::Debug) } else { sampled };
    match (only(headers, "x-b3-traceid"), only(headers, "x-b3-spanid")) {
        (Some(trace), Some(span)) => context(trace, span, sampling),
        (None, None) => sampling.map(Incoming::Decision),
        _ => None,
    }
}

fn context(trace: &[u8], span: &[u8], sampling: Option<Sampling>) -> Option<Incoming> {
    let (bytes, width) = if trace.len() == 16 {
        let mut bytes = [0; 16];
        bytes[8..].copy_from_slice(&hex::<8>(trace)?);
        (bytes, Width::Short)
    } else {
        (hex(trace)?, Width::Full)
    };
    Some(Incoming::Parent(Parent {
        trace: TraceId::new(bytes)?,
        span: SpanId::new(hex(span)?)?,
        sampling,
        width,
        randomness: Randomness::Unknown,
        state: None,
    }))
}

fn decision(text: &[u8]) -> Option<Sampling> {
    match text {
        b"0" => Some(Sampling::Dropped),
        b"1" => Some(Sampling::Sampled),
        b"d" => Some(Sampling::Debug),
        _ => None,
    }
}

pub(super) fn write_several(span: &Span, set: &mut impl FnMut(&'static str, &str)) {
    set("x-b3-traceid", &trace(span));
    set("x-b3-spanid", &span.id.to_string());
    if let Some(parent) = span.parent {
        set("x-b3-parentspanid", &parent.to_string());
    }
    match span.sampling {
        Sampling::Dropped => set("x-b3-sampled", "0"),
        Sampling::Sampled => set("x-b3-sampled", "1"),
        // It implies that the trace is sampled.
        Sampling::Debug => set("x-b3-flags", "1"),
    }
}

pub(super) fn write_single(span: &Span, set: &mut impl FnMut(&'static str, &str)) {
    let sampling = match span.sampling {
        Sampling::Dropped => '0',
        Sampling::Sampled => '1',
        Sampling::Debug => 'd',
    };
    let parent = span.parent.map(|parent| format!("-{parent}")).unwrap_or_default();
    set("b3", &format!("{}-{}-{sampling}{parent}", trace(span), span.id));
}

/// The trace's id as wide as it came: some understand short ones only.
fn trace(span: &Span) -> String {
    let mut digits = span.trace.to_string();
    if span.width == Width::Short {
        digits.drain(..16);
    }
    digits
}
