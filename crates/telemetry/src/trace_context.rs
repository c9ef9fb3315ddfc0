//! Trace contexts that come and go with requests: W3C's `traceparent` and `tracestate`, and B3 with one
//! header or several (istio.md 3.5).
//!
//! [`Incoming::read`] parses what came, strictly. [`Span::begin`] decides: a valid context is continued,
//! anything else is replaced by a new trace. [`Span::write`] gives the headers that are sent on, after
//! [`Propagation::headers`] were removed. Random bits come in as arguments. A proxy that takes no part in tracing
//! leaves the headers alone.

mod b3;
mod w3c;

use std::fmt;

use ripstop_model::Share;

use crate::headers::Headers;

/// Id of a trace; never all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId([u8; 16]);

/// Id of a span; never all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpanId([u8; 8]);

/// Which headers are read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// W3C's (OpenTelemetry).
    W3c,
    /// B3 (Zipkin): several headers are written, both kinds are read.
    B3,
    /// B3 with one header: both kinds are read.
    B3Single,
    /// B3 with several headers, and W3C's beside (Zipkin's `USE_B3_WITH_W3C_PROPAGATION`). B3 is read
    /// first.
    B3AndW3c,
}

/// Whether a trace is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// No.
    Dropped,
    /// Yes.
    Sampled,
    /// Yes, whatever later sampling says (B3).
    Debug,
}

/// What a request brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Incoming {
    /// Nothing, or nothing valid.
    #[default]
    Nothing,
    /// A decision about a trace that is still to begin (B3).
    Decision(Sampling),
    /// A trace.
    Parent(Parent),
}

/// The trace that a request is part of already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent {
    /// Its id.
    pub trace: TraceId,
    /// The span that made the request.
    pub span: SpanId,
    /// Whether it is recorded; nothing: nobody decided yet (B3).
    pub sampling: Option<Sampling>,
    width: Width,
    randomness: Randomness,
    state: Option<Box<str>>,
}

/// The span that a proxy makes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The trace.
    pub trace: TraceId,
    /// Its own id.
    pub id: SpanId,
    /// The span that made the request; nothing: the trace begins here.
    pub parent: Option<SpanId>,
    /// Whether it is recorded.
    pub sampling: Sampling,
    width: Width,
    randomness: Randomness,
    state: Option<Box<str>>,
}

/// Random bits for one request.
#[derive(Clone, Copy, Debug)]
pub struct RandomBits {
    /// For the id of a trace.
    pub trace: [u8; 16],
    /// For the id of a span.
    pub span: [u8; 8],
    /// For the choice.
    pub choice: u32,
}

/// How B3 writes the trace's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Width {
    Short,
    Full,
}

/// Whether the trace's id is known to be random (W3C's second flag).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Randomness {
    Unknown,
    Random,
}

/// All headers that carry trace contexts: W3C's, then B3's.
pub const HEADERS: [&str; 8] = [
    "traceparent",
    "tracestate",
    "b3",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-flags",
];

// === impl Propagation ===

impl Propagation {
    /// Headers that it reads or writes. Those of others are an application's own.
    pub fn headers(self) -> &'static [&'static str] {
        let (w3c, b3) = HEADERS.split_at(2);
        match self {
            Self::W3c => w3c,
            Self::B3 | Self::B3Single => b3,
            Self::B3AndW3c => &HEADERS,
        }
    }
}

// === impl Incoming ===

impl Incoming {
    /// Reads the headers of a request.
    pub fn read(headers: &dyn Headers, propagation: Propagation) -> Self {
        match propagation {
            Propagation::W3c => w3c::read(headers),
            Propagation::B3 | Propagation::B3Single => b3::read(headers),
            Propagation::B3AndW3c => match b3::read(headers) {
                Self::Nothing => w3c::read(headers),
                found => found,
            },
        }
    }
}

// === impl Sampling ===

impl Sampling {
    /// Samples a share of traces: `choice` is random.
    pub fn chosen(share: Share, choice: u32) -> Self {
        // The upper part of the product is evenly spread over the millionths.
        let millionth = (u64::from(choice) * 1_000_000) >> 32;
        if millionth < u64::from(share.millionths()) { Self::Sampled } else { Self::Dropped }
    }

    /// Whether the trace is recorded.
    pub fn is_recorded(self) -> bool {
        self != Self::Dropped
    }
}

// === impl Span ===

impl Span {
    /// The span for a request. A decision that came with it holds; `share` is for requests about which
    /// nobody decided.
    pub fn begin(incoming: Incoming, share: Share, random: RandomBits) -> Self {
        let id = SpanId::from_random(random.span);
        let chosen = || Sampling::chosen(share, random.choice);
        match incoming {
            Incoming::Parent(parent) => Self {
                trace: parent.trace,
                id,
                parent: Some(parent.span),
                sampling: parent.sampling.unwrap_or_else(chosen),
                width: parent.width,
                randomness: parent.randomness,
                state: parent.state,
            },
            Incoming::Nothing | Incoming::Decision(_) => Self {
                trace: TraceId::from_random(random.trace),
                id,
                parent: None,
                sampling: if let Incoming::Decision(decision) = incoming { decision } else { chosen() },
                width: Width::Full,
                randomness: Randomness::Random,
                state: None,
            },
        }
    }

    /// Calls `set` with each header that the request is sent on with. Names are lower case.
    pub fn write(&self, propagation: Propagation, mut set: impl FnMut(&'static str, &str)) {
        match propagation {
            Propagation::W3c => w3c::write(self, &mut set),
            Propagation::B3 => b3::write_several(self, &mut set),
            Propagation::B3Single => b3::write_single(self, &mut set),
            Propagation::B3AndW3c => {
                b3::write_several(self, &mut set);
                w3c::write(self, &mut set);
            }
        }
    }
}

// === impl TraceId ===

impl TraceId {
    /// An id, unless it is all zero.
    pub fn new(bytes: [u8; 16]) -> Option<Self> {
        (bytes != [0; 16]).then_some(Self(bytes))
    }

    /// Random bits that happen to be all zero become another id.
    fn from_random(bytes: [u8; 16]) -> Self {
        Self::new(bytes).unwrap_or(Self([0xff; 16]))
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for TraceId {
    /// 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        digits(&self.0, f)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        digits(&self.0, f)
    }
}

// === impl SpanId ===

impl SpanId {
    /// An id, unless it is all zero.
    pub fn new(bytes: [u8; 8]) -> Option<Self> {
        (bytes != [0; 8]).then_some(Self(bytes))
    }

    /// Random bits that happen to be all zero become another id.
    fn from_random(bytes: [u8; 8]) -> Self {
        Self::new(bytes).unwrap_or(Self([0xff; 8]))
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl fmt::Display for SpanId {
    /// 16 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        digits(&self.0, f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        digits(&self.0, f)
    }
}

fn digits(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// Exactly `N` bytes as lower-case hexadecimal digits; both specifications take no others.
fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_chunks::<2>();
    let mut bytes = [0; N];
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

/// The only value of a header; nothing if there is none or there are several.
fn only<'h>(headers: &'h dyn Headers, name: &str) -> Option<&'h [u8]> {
    let mut values = 0;
    let mut last = None;
    headers.visit(name, &mut |value| {
        values += 1;
        last = Some(value);
    });
    last.filter(|_| values == 1).map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests;
