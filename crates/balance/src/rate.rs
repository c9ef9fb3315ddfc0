//! How many requests may come: token buckets, each of which is one number.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// How fast a bucket fills, and how much it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Nanoseconds in which one request comes to be allowed.
    step: u64,
    /// Nanoseconds in which an empty bucket fills.
    depth: u64,
}

/// A token bucket, by the generic cell rate algorithm (ITU-T I.371): it is the moment at which it will be full again, in
/// nanoseconds of its owner's clock. What takes from it moves that moment on by a step; as long as it is no further away
/// than the whole bucket is deep, there is something left. One that is full has nothing to remember.
#[derive(Debug, Default)]
pub struct Bucket(AtomicU64);

/// What was taken from a bucket.
#[derive(Clone, Copy, Debug)]
pub struct Taken<'b> {
    bucket: &'b Bucket,
    step: u64,
    /// What is left.
    pub left: u64,
    /// When it is full again, if nobody takes more.
    pub full_in: Duration,
}

/// Nothing could be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Empty {
    /// When there is one again, if nobody takes it before.
    pub wait: Duration,
    /// When it is full again, if nobody takes anything.
    pub full_in: Duration,
}

// === impl Rate ===

impl Rate {
    /// `count` in each `interval`, spread evenly, and `burst` at once after a while without any. A rate beyond one in a
    /// nanosecond is that.
    pub fn new(count: u32, interval: Duration, burst: u32) -> Self {
        let interval = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
        let step = interval.div_ceil(u64::from(count.max(1))).max(1);
        Self { step, depth: step.saturating_mul(u64::from(burst.max(1))) }
    }
}

// === impl Bucket ===

impl Bucket {
    /// Takes one at `now`, which may be earlier than what others said.
    pub fn take(&self, rate: Rate, now: u64) -> Result<Taken<'_>, Empty> {
        let mut full_at = self.0.load(Relaxed);
        loop {
            let next = full_at.max(now).saturating_add(rate.step);
            let owed = next - now;
            if owed > rate.depth {
                return Err(Empty {
                    wait: Duration::from_nanos(owed - rate.depth),
                    full_in: Duration::from_nanos(full_at.saturating_sub(now)),
                });
            }
            match self.0.compare_exchange_weak(full_at, next, Relaxed, Relaxed) {
                Ok(_) => {
                    let left = (rate.depth - owed) / rate.step;
                    return Ok(Taken { bucket: self, step: rate.step, left, full_in: Duration::from_nanos(owed) });
                }
                Err(found) => full_at = found,
            }
        }
    }

    /// Puts one back that was taken at that rate.
    pub(crate) fn put_back(&self, rate: Rate) {
        self.put(rate.step);
    }

    fn put(&self, step: u64) {
        // Never fails: it always has a new value.
        let _ = self.0.fetch_update(Relaxed, Relaxed, |full_at| Some(full_at.saturating_sub(step)));
    }

    /// Whether nothing is missing at `now`.
    pub fn is_full(&self, now: u64) -> bool {
        self.0.load(Relaxed) <= now
    }
}

// === impl Taken ===

impl Taken<'_> {
    /// Puts it back.
    pub fn give_back(self) {
        self.bucket.put(self.step);
    }
}

#[cfg(test)]
mod tests;
