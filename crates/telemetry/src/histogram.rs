//! Histograms with Istio's buckets, which are Envoy's (istio.md 3.1).

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// Buckets, the last one without a bound.
const BUCKETS: usize = 20;

/// The bounds as Envoy prints them.
const BOUNDS: [&str; BUCKETS - 1] = [
    "0.5", "1", "5", "10", "25", "50", "100", "250", "500", "1000", "2500", "5000", "10000", "30000", "60000",
    "300000", "600000", "1800000", "3600000",
];

/// What a histogram counts: the unit of its values, and with it its bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Values are microseconds, bounds milliseconds.
    Duration,
    /// Values and bounds are bytes.
    Bytes,
}

/// A histogram that one worker adds to and anybody reads.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    sum: AtomicU64,
}

/// What a histogram held at a moment, or the sum of several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HistogramTotals {
    buckets: [u64; BUCKETS],
    sum: u64,
}

// === impl Unit ===

impl Unit {
    /// The bounds in the unit of the values. No whole byte is between 0 and the bound 0.5.
    const fn bounds(self) -> &'static [u64; BUCKETS - 1] {
        match self {
            Self::Duration => &[
                500,
                1_000,
                5_000,
                10_000,
                25_000,
                50_000,
                100_000,
                250_000,
                500_000,
                1_000_000,
                2_500_000,
                5_000_000,
                10_000_000,
                30_000_000,
                60_000_000,
                300_000_000,
                600_000_000,
                1_800_000_000,
                3_600_000_000,
            ],
            Self::Bytes => &[
                0, 1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000, 600_000,
                1_800_000, 3_600_000,
            ],
        }
    }
}

// === impl Histogram ===

impl Histogram {
    /// Counts one value, in the unit's values.
    pub fn observe(&self, value: u64, unit: Unit) {
        let index = unit.bounds().partition_point(|bound| *bound < value);
        if let Some(bucket) = self.buckets.get(index) {
            bucket.fetch_add(1, Relaxed);
        }
        self.sum.fetch_add(value, Relaxed);
    }

    /// Values counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Relaxed)).sum()
    }
}

// === impl HistogramTotals ===

impl HistogramTotals {
    /// Adds what `histogram` holds now.
    pub fn add(&mut self, histogram: &Histogram) {
        for (total, bucket) in self.buckets.iter_mut().zip(&histogram.buckets) {
            *total += bucket.load(Relaxed);
        }
        self.sum = self.sum.wrapping_add(histogram.sum.load(Relaxed));
    }

    /// Writes the lines of one series.
    pub fn render(&self, name: &str, labels: &str, unit: Unit, out: &mut String) {
        let mut so_far = 0;
        for (bucket, bound) in self.buckets.iter().zip(BOUNDS.into_iter().chain(["+Inf"])) {
            so_far += bucket;
            let separator = if labels.is_empty() { "" } else { "," };
            let _ = writeln!(out, "{name}_bucket{{{labels}{separator}le=\"{bound}\"}} {so_far}");
        }
        let _ = match unit {
            // The unit of the metric is milliseconds.
            Unit::Duration => {
                writeln!(out, "{name}_sum{{{labels}}} {}.{:03}", self.sum / 1000, self.sum % 1000)
            }
            Unit::Bytes => writeln!(out, "{name}_sum{{{labels}}} {}", self.sum),
        };
        let _ = writeln!(out, "{name}_count{{{labels}}} {so_far}");
    }
}

#[cfg(test)]
mod tests;
