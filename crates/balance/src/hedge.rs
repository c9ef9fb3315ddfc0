//! When a request is sent to a second endpoint, because the first is slow to answer.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use ripstop_model::{HedgeDelay, Share};

use crate::latencies::Latencies;

/// So many latencies say something of the next one.
const ENOUGH: u32 = 20;
/// How often it is looked at what they say, in nanoseconds.
const LOOKS: u64 = 1_000_000_000;
/// What is not told yet.
const UNKNOWN: u64 = u64::MAX;

/// How long the answers of a backend take to begin, as all workers of a proxy know it. Times are nanoseconds of its owner's
/// clock. What counts is the last second in which there were enough of them, and the one before it.
#[derive(Debug)]
pub struct Hedges {
    /// Of this window and of the one before, in turn.
    latencies: [Latencies; 2],
    window: AtomicUsize,
    /// The latency that as many answers keep to as somebody wants to know.
    quantile: AtomicU64,
    /// When it is looked at again.
    next: AtomicU64,
    sent: AtomicU64,
    won: AtomicU64,
    refused: AtomicU64,
}

/// What became of second attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HedgeCounts {
    /// They were sent.
    pub sent: u64,
    /// They were answered first.
    pub won: u64,
    /// There would have been too many.
    pub refused: u64,
}

// === impl Hedges ===

impl Hedges {
    /// An answer has begun after `took`, or whoever was waiting stopped then; `now` is the moment.
    pub fn note(&self, delay: &HedgeDelay, took: Duration, now: u64) {
        let HedgeDelay::Percentile { percentile, .. } = delay else { return };
        let latencies = &self.latencies[self.window.load(Relaxed) % 2];
        latencies.add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        let next = self.next.load(Relaxed);
        if now >= next
            && latencies.len() >= ENOUGH
            && self.next.compare_exchange(next, now.saturating_add(LOOKS), Relaxed, Relaxed).is_ok()
        {
            self.look(*percentile);
        }
    }

    /// After how long a second attempt is due; nothing: too little is known.
    pub fn delay(&self, delay: &HedgeDelay) -> Option<Duration> {
        match delay {
            HedgeDelay::Fixed(delay) => Some(*delay),
            HedgeDelay::Percentile { least, .. } => {
                let quantile = self.quantile.load(Relaxed);
                (quantile != UNKNOWN).then(|| Duration::from_nanos(quantile).max(*least))
            }
        }
    }

    /// A second attempt was sent.
    pub fn sent(&self) {
        self.sent.fetch_add(1, Relaxed);
    }

    /// One was answered first.
    pub fn won(&self) {
        self.won.fetch_add(1, Relaxed);
    }

    /// One was not sent, since there are enough.
    pub fn refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// What became of them.
    pub fn counts(&self) -> HedgeCounts {
        HedgeCounts { sent: self.sent.load(Relaxed), won: self.won.load(Relaxed), refused: self.refused.load(Relaxed) }
    }

    #[cold]
    fn look(&self, percentile: Share) {
        let [one, other] = &self.latencies;
        if let Some(latency) = Latencies::quantile_of(&[one, other], percentile) {
            // Rounded up to what it may be, or else all that take as long would be sent twice.
            self.quantile.store(latency + latency / 32, Relaxed);
        }
        let next = self.window.load(Relaxed).wrapping_add(1);
        self.latencies[next % 2].clear();
        self.window.store(next, Relaxed);
    }
}

impl Default for Hedges {
    fn default() -> Self {
        let [sent, won, refused] = Default::default();
        Self {
            latencies: Default::default(),
            window: AtomicUsize::new(0),
            quantile: AtomicU64::new(UNKNOWN),
            next: AtomicU64::new(0),
            sent,
            won,
            refused,
        }
    }
}

#[cfg(test)]
mod tests;
