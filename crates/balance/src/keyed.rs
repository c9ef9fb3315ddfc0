//! Token buckets of many keys, in a table that neither grows nor forgets.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::{
    Rate,
    rate::{Bucket, Empty, Taken},
};

/// Keys that have a bucket of their own at a time: some 256 kB.
const KEYS: usize = 16_384;
/// Places where a key may be.
const WAYS: usize = 8;
/// Nobody's place.
const FREE: u64 = 0;

/// Buckets by hashed keys; all have the same rate.
///
/// A key has its own bucket from when it first takes from it until that is full again, when there is nothing left to
/// remember, so that its place may become another's. A bucket that is in use is never taken away. Keys that find no place
/// share one bucket: whoever makes up keys without end gets, beside what each key is worth while there is room, no more
/// than a single one, and takes nothing from those who are there. But who comes new meanwhile may be held back with them.
///
/// Keys are hashes of 64 bits, which nobody outside must be able to foresee.
#[derive(Debug)]
pub struct Buckets {
    rate: Rate,
    slots: Box<[Slot]>,
    /// Of all that found no place.
    rest: Bucket,
}

#[derive(Debug, Default)]
struct Slot {
    key: AtomicU64,
    bucket: Bucket,
}

// === impl Buckets ===

impl Buckets {
    /// All of them full.
    pub fn new(rate: Rate) -> Self {
        Self { rate, slots: (0..KEYS).map(|_| Slot::default()).collect(), rest: Bucket::default() }
    }

    /// Takes one for `key` at `now`.
    pub fn take(&self, key: u64, now: u64) -> Result<Taken<'_>, Empty> {
        self.bucket(key.max(FREE + 1), now).take(self.rate, now)
    }

    /// Whether there is nothing to remember at `now`.
    pub fn are_full(&self, now: u64) -> bool {
        self.rest.is_full(now) && self.slots.iter().all(|slot| slot.bucket.is_full(now))
    }

    fn bucket(&self, key: u64, now: u64) -> &Bucket {
        let set = usize::try_from(key % (KEYS / WAYS) as u64).unwrap_or(0) * WAYS;
        let slots = &self.slots[set..set + WAYS];
        if let Some(slot) = slots.iter().find(|slot| slot.key.load(Relaxed) == key) {
            return &slot.bucket;
        }
        for slot in slots {
            let held = slot.key.load(Relaxed);
            // A worker that takes from it at this moment for the key that it was is charged to the new one: one request,
            // no more.
            if (held == FREE || slot.bucket.is_full(now))
                && slot.key.compare_exchange(held, key, Relaxed, Relaxed).is_ok()
            {
                return &slot.bucket;
            }
            // Another worker may have brought the same key.
            if slot.key.load(Relaxed) == key {
                return &slot.bucket;
            }
        }
        &self.rest
    }
}

#[cfg(test)]
mod tests;
