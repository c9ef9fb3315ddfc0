//! What is counted while requests are sent.

use std::{collections::BTreeMap, time::Duration};

use hdrhistogram::Histogram;

use crate::{Failure, report::Failures};

/// What one request came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// There was an answer.
    Answered {
        /// Of HTTP.
        status: u16,
        /// Of gRPC.
        grpc: Option<u32>,
        /// Bytes of its content.
        received: u64,
        /// What it says in the field that answers are counted by.
        value: Option<Box<str>>,
    },
    /// There was none.
    Failed(Failure, String),
}

/// Counts of requests.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// In nanoseconds, of all that ended, failures too.
    pub(crate) latency: Histogram<u64>,
    pub(crate) good: u64,
    pub(crate) statuses: BTreeMap<u16, u64>,
    pub(crate) grpc: BTreeMap<u32, u64>,
    pub(crate) failures: BTreeMap<Failure, Failures>,
    pub(crate) received: u64,
    pub(crate) values: BTreeMap<Box<str>, u64>,
    /// Requests that were sent again.
    pub(crate) resent: u64,
}

/// What durations are told apart from, and the longest, in nanoseconds. What lasts longer counts as that.
const LEAST: u64 = 1_000;
const MOST: u64 = 3_600_000_000_000;
/// Values that answers are told apart by; further ones are [`OTHERS`].
const VALUES: usize = 100;
const OTHERS: &str = "(others)";
/// Digits that are kept.
const DIGITS: u8 = 3;

// === impl Ended ===

impl Ended {
    /// Whether it is what the caller wanted: a status below 400 and, of gRPC, OK.
    pub(crate) fn is_good(&self) -> bool {
        matches!(self, Self::Answered { status: ..400, grpc: None | Some(0), .. })
    }
}

// === impl Tally ===

impl Tally {
    pub(crate) fn record(&mut self, took: Duration, ended: Ended) {
        self.latency.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(MOST));
        self.good += u64::from(ended.is_good());
        match ended {
            Ended::Answered { status, grpc, received, value } => {
                if let Some(value) = value {
                    self.count(&value, 1);
                }
                *self.statuses.entry(status).or_default() += 1;
                if let Some(code) = grpc {
                    *self.grpc.entry(code).or_default() += 1;
                }
                self.received += received;
            }
            Ended::Failed(failure, reason) => {
                self.failures.entry(failure).or_insert_with(|| Failures::new(failure, reason)).count += 1;
            }
        }
    }

    fn count(&mut self, value: &str, count: u64) {
        if let Some(known) = self.values.get_mut(value) {
            *known += count;
        } else {
            let value = if self.values.len() < VALUES { value } else { OTHERS };
            *self.values.entry(value.into()).or_default() += count;
        }
    }

    /// One that was due that long before the end, and was not sent.
    pub(crate) fn unsent(&mut self, waited: Duration) {
        self.latency.saturating_record(u64::try_from(waited.as_nanos()).unwrap_or(MOST));
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.latency.reset();
        (self.good, self.received, self.resent) = (0, 0, 0);
        self.statuses.clear();
        self.grpc.clear();
        self.failures.clear();
        self.values.clear();
    }

    /// How many ended, or were not sent.
    pub(crate) fn total(&self) -> u64 {
        self.latency.len()
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        // Both have the same bounds.
        let _ = self.latency.add(&other.latency);
        self.good += other.good;
        self.received += other.received;
        self.resent += other.resent;
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        for (code, count) in &other.grpc {
            *self.grpc.entry(*code).or_default() += count;
        }
        for (value, count) in &other.values {
            self.count(value, *count);
        }
        for (failure, failures) in &other.failures {
            let own = self.failures.entry(*failure).or_insert_with(|| Failures::new(*failure, failures.first.clone()));
            own.count += failures.count;
        }
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            latency: Histogram::new_with_bounds(LEAST, MOST, DIGITS).expect("the bounds are in order"),
            good: 0,
            statuses: BTreeMap::new(),
            grpc: BTreeMap::new(),
            failures: BTreeMap::new(),
            received: 0,
            values: BTreeMap::new(),
            resent: 0,
        }
    }
}

#[cfg(test)]
mod tests;
