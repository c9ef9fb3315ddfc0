//! Istio's request metrics (names: istio.md 3.1).
//!
//! A worker resolves [`RequestLabels`] to a [`RequestSeries`] once, and then only adds. What differs
//! from request to request, [`Outcome`], is found in a short list that only grows: mostly its first
//! entry is the right one. A new entry is the only thing that allocates.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::{
    exposition::header,
    histogram::{Histogram, HistogramTotals, Unit},
    labels::Reporter,
    registry::Budget,
    request_labels::{OwnLabels, RequestLabels, RequestMetric},
    response_flags::ResponseFlags,
};

/// Different outcomes of one handle. More are counted together.
const OUTCOMES: usize = 32;

/// How a request ended, as far as metrics tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Outcome {
    /// Status code; 0: there was no response.
    pub status: u16,
    /// gRPC status; nothing: not gRPC, or none came.
    pub grpc: Option<u16>,
    /// What happened beside.
    pub flags: ResponseFlags,
}

/// What is measured of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// From its start to the end of the response.
    pub duration: Duration,
    /// Bytes received from the client for it, headers included.
    pub request_bytes: u64,
    /// Bytes sent to the client for it, headers included.
    pub response_bytes: u64,
}

/// The counters of requests with one set of labels. Adding needs no lock and allocates nothing,
/// unless an outcome is seen for the first time.
#[derive(Debug)]
pub struct RequestSeries {
    labels: RequestLabels,
    first: OnceLock<Box<Cell>>,
    /// Entries of the list; the first one is paid for with the handle.
    cells: AtomicUsize,
    rest: Rest,
    request_messages: AtomicU64,
    response_messages: AtomicU64,
    budget: Arc<Budget>,
    /// What [`Self::events`] was when idle series were last looked for.
    seen: AtomicU64,
}

/// What happens to outcomes without room.
#[derive(Debug)]
enum Rest {
    /// They go to the overflow series.
    Elsewhere(Arc<RequestSeries>),
    /// This is the overflow series: they count as one.
    Here(Box<Counters>),
}

/// An entry of the list.
#[derive(Debug)]
struct Cell {
    outcome: Outcome,
    counters: Counters,
    next: OnceLock<Box<Cell>>,
}

/// Requests are counted by the histograms: each holds all of them.
#[derive(Debug, Default)]
struct Counters {
    duration: Histogram,
    request_bytes: Histogram,
    response_bytes: Histogram,
}

/// Writes the metrics in Prometheus' text format. Series that end up with the same labels are added:
/// they are of several workers, or have lost the label that told them apart. A metric without series
/// does not appear.
pub(crate) fn render(series: &[Arc<RequestSeries>], out: &mut String) {
    requests(series, out);
    histogram(series, RequestMetric::Duration, "Duration of requests, milliseconds.", out);
    histogram(series, RequestMetric::RequestBytes, "Size of requests, headers included.", out);
    histogram(series, RequestMetric::ResponseBytes, "Size of responses, headers included.", out);
    messages(series, RequestMetric::RequestMessages, "gRPC messages from the client.", out);
    messages(series, RequestMetric::ResponseMessages, "gRPC messages to the client.", out);
}

fn requests(series: &[Arc<RequestSeries>], out: &mut String) {
    let mut totals: BTreeMap<String, u64> = BTreeMap::new();
    for series in series {
        series.each(RequestMetric::Requests, |labels, counters| {
            *totals.entry(labels).or_default() += counters.duration.count();
        });
    }
    counter(RequestMetric::Requests, "Requests.", &totals, out);
}

fn histogram(series: &[Arc<RequestSeries>], metric: RequestMetric, help: &str, out: &mut String) {
    let unit = if metric == RequestMetric::Duration { Unit::Duration } else { Unit::Bytes };
    let mut totals: BTreeMap<String, HistogramTotals> = BTreeMap::new();
    for series in series {
        series.each(metric, |labels, counters| {
            totals.entry(labels).or_default().add(match metric {
                RequestMetric::RequestBytes => &counters.request_bytes,
                RequestMetric::ResponseBytes => &counters.response_bytes,
                _ => &counters.duration,
            });
        });
    }
    if !totals.is_empty() {
        header(out, metric.as_str(), "histogram", help);
    }
    for (labels, totals) in &totals {
        totals.render(metric.as_str(), labels, unit, out);
    }
}

/// Messages are counted while a stream runs, when its outcome is not known: their labels lack it, as in
/// Istio.
fn messages(series: &[Arc<RequestSeries>], metric: RequestMetric, help: &str, out: &mut String) {
    let mut totals: BTreeMap<String, u64> = BTreeMap::new();
    for series in series {
        let counter = match metric {
            RequestMetric::RequestMessages => &series.request_messages,
            _ => &series.response_messages,
        };
        let count = counter.load(Relaxed);
        if count > 0
            && let Some(labels) = series.labels.render(metric, None)
        {
            *totals.entry(labels).or_default() += count;
        }
    }
    counter(metric, help, &totals, out);
}

fn counter(metric: RequestMetric, help: &str, totals: &BTreeMap<String, u64>, out: &mut String) {
    if !totals.is_empty() {
        header(out, metric.as_str(), "counter", help);
    }
    for (labels, count) in totals {
        let _ = writeln!(out, "{}{{{labels}}} {count}", metric.as_str());
    }
}

// === impl RequestSeries ===

impl RequestSeries {
    pub(crate) fn new(labels: RequestLabels, overflow: Arc<Self>, budget: Arc<Budget>) -> Self {
        Self::with_rest(labels, Rest::Elsewhere(overflow), budget)
    }

    pub(crate) fn overflow(reporter: Reporter, budget: Arc<Budget>) -> Self {
        Self::with_rest(RequestLabels::overflow(reporter), Rest::Here(Box::default()), budget)
    }

    fn with_rest(labels: RequestLabels, rest: Rest, budget: Arc<Budget>) -> Self {
        Self {
            labels,
            first: OnceLock::new(),
            cells: AtomicUsize::new(0),
            rest,
            request_messages: AtomicU64::new(0),
            response_messages: AtomicU64::new(0),
            budget,
            seen: AtomicU64::new(0),
        }
    }

    /// Counts a request that ended.
    pub fn record(&self, outcome: Outcome, measured: Measured) {
        let mut slot = &self.first;
        loop {
            match slot.get() {
                Some(cell) if cell.outcome == outcome => {
                    self.count(&cell.counters, measured);
                    return;
                }
                Some(cell) => slot = &cell.next,
                None => break,
            }
        }
        self.record_new(slot, outcome, measured);
    }

    /// Counts gRPC messages that were seen since the last call, from and to the client; to be called
    /// now and then while a stream runs, and at its end.
    pub fn messages(&self, from_client: u64, to_client: u64) {
        self.request_messages.fetch_add(from_client, Relaxed);
        self.response_messages.fetch_add(to_client, Relaxed);
    }

    /// Whether requests counted here had no room of their own.
    pub fn is_overflow(&self) -> bool {
        matches!(self.rest, Rest::Here(_))
    }

    /// Puts the outcome into the list, or counts it with those that found no room.
    #[cold]
    fn record_new(&self, mut slot: &OnceLock<Box<Cell>>, outcome: Outcome, measured: Measured) {
        if self.make_room() {
            let new = || Box::new(Cell { outcome, counters: Counters::default(), next: OnceLock::new() });
            loop {
                // Somebody else may have been quicker, with another outcome.
                let cell = slot.get_or_init(new);
                if cell.outcome == outcome {
                    return self.count(&cell.counters, measured);
                }
                slot = &cell.next;
            }
        }
        match &self.rest {
            Rest::Elsewhere(overflow) => overflow.record(outcome, measured),
            Rest::Here(counters) => self.count(counters, measured),
        }
    }

    fn make_room(&self) -> bool {
        let cells = self.cells.load(Relaxed);
        let paid = cells == 0 || self.is_overflow();
        let room = cells < OUTCOMES && (paid || self.budget.take());
        if room {
            self.cells.fetch_add(1, Relaxed);
        }
        room
    }

    fn count(&self, counters: &Counters, measured: Measured) {
        counters.add(measured);
        if self.is_overflow() {
            self.budget.overflow();
        }
    }

    /// Room that it takes in the budget.
    pub(crate) fn size(&self) -> usize {
        self.cells.load(Relaxed).max(1)
    }

    /// Whether it counted anything since the last call.
    pub(crate) fn moved(&self) -> bool {
        let requests: u64 = self.cells().map(|cell| cell.counters.duration.count()).sum();
        let messages = self.request_messages.load(Relaxed).wrapping_add(self.response_messages.load(Relaxed));
        let events = requests.wrapping_add(messages);
        self.seen.swap(events, Relaxed) != events
    }

    fn cells(&self) -> impl Iterator<Item = &Cell> {
        std::iter::successors(self.first.get(), |cell| cell.next.get()).map(AsRef::as_ref)
    }

    /// Calls `visit` with the labels of `metric` and the counters, for each outcome.
    fn each(&self, metric: RequestMetric, mut visit: impl FnMut(String, &Counters)) {
        for cell in self.cells() {
            let Outcome { status, grpc, flags } = cell.outcome;
            let own = OwnLabels {
                response_code: &status.to_string(),
                grpc_response_status: &grpc.map(|status| status.to_string()).unwrap_or_default(),
                response_flags: &flags.to_string(),
            };
            if let Some(labels) = self.labels.render(metric, Some(own)) {
                visit(labels, &cell.counters);
            }
        }
        if let Rest::Here(counters) = &self.rest
            && counters.duration.count() > 0
        {
            let own = OwnLabels { response_code: "overflow", grpc_response_status: "", response_flags: "overflow" };
            if let Some(labels) = self.labels.render(metric, Some(own)) {
                visit(labels, counters);
            }
        }
    }
}

// === impl Counters ===

impl Counters {
    fn add(&self, measured: Measured) {
        let micros = u64::try_from(measured.duration.as_micros()).unwrap_or(u64::MAX);
        self.duration.observe(micros, Unit::Duration);
        self.request_bytes.observe(measured.request_bytes, Unit::Bytes);
        self.response_bytes.observe(measured.response_bytes, Unit::Bytes);
    }
}

#[cfg(test)]
mod tests;
