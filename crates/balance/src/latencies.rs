//! How latencies are spread.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use ripstop_model::Share;

/// Steps of an octave: a latency is known to a sixteenth of it.
const STEPS: u64 = 16;
/// From a microsecond to nine hours.
const BUCKETS: usize = 512;
/// Nanoseconds of the first step, as a power of two.
const UNIT: u32 = 10;

/// Counts latencies in nanoseconds, to about 3 %, without a lock and whoever counts at the same time.
#[derive(Debug)]
pub(crate) struct Latencies {
    counts: Box<[AtomicU32; BUCKETS]>,
    total: AtomicU32,
}

// === impl Latencies ===

impl Latencies {
    /// Adds one.
    pub(crate) fn add(&self, nanos: u64) {
        self.counts[bucket(nanos)].fetch_add(1, Relaxed);
        self.total.fetch_add(1, Relaxed);
    }

    /// How many there are.
    pub(crate) fn len(&self) -> u32 {
        self.total.load(Relaxed)
    }

    /// The latency that such a part of them is not above; nothing: there are none.
    pub(crate) fn quantile(&self, part: Share) -> Option<u64> {
        Self::quantile_of(&[self], part)
    }

    /// The same of several together.
    pub(crate) fn quantile_of(several: &[&Self], part: Share) -> Option<u64> {
        let count = |bucket: usize| several.iter().map(|one| u64::from(one.counts[bucket].load(Relaxed))).sum::<u64>();
        let total: u64 = (0..BUCKETS).map(count).sum();
        if total == 0 {
            return None;
        }
        let rank = (total * u64::from(part.millionths())).div_ceil(1_000_000).max(1);
        let mut below = 0;
        let found = (0..BUCKETS).find(|bucket| {
            below += count(*bucket);
            below >= rank
        });
        found.map(middle)
    }

    /// Begins anew.
    pub(crate) fn clear(&self) {
        self.counts.iter().for_each(|count| count.store(0, Relaxed));
        self.total.store(0, Relaxed);
    }
}

impl Default for Latencies {
    fn default() -> Self {
        Self { counts: Box::new([const { AtomicU32::new(0) }; BUCKETS]), total: AtomicU32::new(0) }
    }
}

fn bucket(nanos: u64) -> usize {
    let units = nanos >> UNIT;
    if units < STEPS {
        return usize::try_from(units).unwrap_or(0);
    }
    let shift = units.ilog2() - STEPS.ilog2();
    let index = u64::from(shift + 1) * STEPS + ((units >> shift) & (STEPS - 1));
    usize::try_from(index).unwrap_or(BUCKETS).min(BUCKETS - 1)
}

/// The middle of a bucket, in nanoseconds.
fn middle(bucket: usize) -> u64 {
    let index = bucket as u64;
    let (octave, step) = (index / STEPS, index % STEPS);
    // Twice the middle, in units.
    let doubled = match octave {
        0 => 2 * step + 1,
        octave => ((STEPS + step) * 2 + 1) << (octave - 1),
    };
    doubled << (UNIT - 1)
}

#[cfg(test)]
mod tests;
