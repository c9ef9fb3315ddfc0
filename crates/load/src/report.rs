//! What a run came to.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::{Failure, tally::Tally};

/// What a run came to. Requests of the warm-up are nowhere in it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// How long requests were begun that count, in seconds.
    pub seconds: f64,
    /// How long the last of them took to end after that, in seconds.
    pub tail_seconds: f64,
    /// Requests that were sent and have ended.
    pub requests: u64,
    /// Those with a status below 400 and, of gRPC, OK.
    pub good: u64,
    /// The others.
    pub bad: u64,
    /// Requests that were due in an open loop before the end, and that nobody was free to send.
    pub unsent: u64,
    /// Requests that were sent again, since the server said that it had not looked at them (HTTP/2).
    pub resent: u64,
    /// Requests a second.
    pub per_second: f64,
    /// Requests a second that were wanted, in an open loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wanted_per_second: Option<f64>,
    /// Bytes of content that came.
    pub received_bytes: u64,
    /// How long requests took; those that were not sent took as long as they were due at the end.
    pub latency: Option<Latency>,
    /// Answers by HTTP status.
    pub statuses: BTreeMap<u16, u64>,
    /// Answers by gRPC status.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub grpc_statuses: BTreeMap<u32, u64>,
    /// Answers by what they say in the field that was asked for; `(none)` where there is none, and `(others)` beyond a
    /// hundred.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<Box<str>, u64>,
    /// Requests without an answer.
    pub failures: Vec<Failures>,
    /// The same by target, in the order that they were given.
    pub targets: Vec<TargetReport>,
    /// Second by second.
    pub timeline: Vec<Second>,
}

/// How long requests took, failed ones too, in microseconds, to three digits. In an open loop from when they were due.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Latency {
    /// The shortest.
    pub min_us: f64,
    /// The mean.
    pub mean_us: f64,
    /// Half of all took no longer.
    pub p50_us: f64,
    /// 75 %.
    pub p75_us: f64,
    /// 90 %.
    pub p90_us: f64,
    /// 99 %.
    pub p99_us: f64,
    /// 99.9 %.
    pub p999_us: f64,
    /// 99.99 %.
    pub p9999_us: f64,
    /// The longest.
    pub max_us: f64,
}

/// Requests without an answer, for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failures {
    /// Why.
    pub kind: Failure,
    /// How many.
    pub count: u64,
    /// What the first of them was told.
    pub first: String,
}

/// Requests to one target.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetReport {
    /// Where to.
    pub url: String,
    /// Requests that ended, or were due and not sent.
    pub requests: u64,
    /// Those without an answer, with a status of 400 or above, of gRPC not OK.
    pub bad: u64,
    /// How long they took; none: there were no requests.
    pub latency: Option<Latency>,
}

/// Requests that ended within a second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Second {
    /// Which second of the run, from 0.
    pub second: usize,
    /// How long it was: the last one of a run may be shorter, or longer if answers came late.
    pub seconds: f64,
    /// How many ended.
    pub requests: u64,
    /// Those with a status of 400 or above, of gRPC not OK, or without an answer.
    pub bad: u64,
    /// How long they took; none: none ended.
    pub latency: Option<Latency>,
}

// === impl Latency ===

impl Latency {
    pub(crate) fn of(nanos: &Histogram<u64>) -> Option<Self> {
        if nanos.is_empty() {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "three digits are kept")]
        let micros = |nanos: u64| nanos as f64 / 1_000.0;
        let at = |quantile| micros(nanos.value_at_quantile(quantile));
        Some(Self {
            min_us: micros(nanos.min()),
            mean_us: nanos.mean() / 1_000.0,
            p50_us: at(0.5),
            p75_us: at(0.75),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            p9999_us: at(0.9999),
            max_us: micros(nanos.max()),
        })
    }
}

// === impl Failures ===

impl Failures {
    pub(crate) fn new(kind: Failure, first: String) -> Self {
        Self { kind, count: 0, first }
    }
}

// === impl Second ===

impl Second {
    pub(crate) fn new(second: usize, seconds: f64, tally: &Tally) -> Self {
        let requests = tally.total();
        Self { second, seconds, requests, bad: requests - tally.good, latency: Latency::of(&tally.latency) }
    }
}
