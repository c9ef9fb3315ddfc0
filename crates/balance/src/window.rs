//! How many requests there were of late.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The interval is kept in so many slots (Envoy too has ten).
const SLOTS: u64 = 10;

/// Counts what happened within the last interval, to a tenth of it.
///
/// Each slot is the number of its tenth, counted from the beginning of the clock, in the upper half, and a count in
/// the lower; a slot of an older round is void.
#[derive(Debug, Default)]
pub(crate) struct Window {
    /// Nanoseconds of a slot; 0: nothing is kept.
    slot: AtomicU64,
    slots: [AtomicU64; 10],
}

impl Window {
    /// Sets the interval in nanoseconds; 0: nothing is kept. Another one than before starts from nothing.
    pub(crate) fn set_interval(&self, interval: u64) {
        let slot = if interval == 0 { 0 } else { (interval / SLOTS).max(1) };
        if self.slot.swap(slot, Relaxed) != slot {
            self.slots.iter().for_each(|slot| slot.store(0, Relaxed));
        }
    }

    /// Adds one at `now`.
    pub(crate) fn record(&self, now: u64) {
        let Some(tenth) = self.tenth(now) else { return };
        let place = usize::try_from(tenth % SLOTS).unwrap_or(0);
        let tag = tag(tenth);
        // Never fails: it always has a new value.
        let _ = self.slots[place].fetch_update(Relaxed, Relaxed, |slot| {
            let count = if slot >> 32 == tag { (slot & MASK).saturating_add(1).min(MASK) } else { 1 };
            Some(tag << 32 | count)
        });
    }

    /// How many there were within the interval before `now`.
    pub(crate) fn count(&self, now: u64) -> u64 {
        let Some(tenth) = self.tenth(now) else { return 0 };
        let slots = self.slots.iter().map(|slot| slot.load(Relaxed));
        slots.filter(|slot| tag(tenth).wrapping_sub(slot >> 32) & MASK < SLOTS).map(|slot| slot & MASK).sum()
    }

    fn tenth(&self, now: u64) -> Option<u64> {
        now.checked_div(self.slot.load(Relaxed))
    }
}

const MASK: u64 = u32::MAX as u64;

fn tag(tenth: u64) -> u64 {
    tenth & MASK
}

#[cfg(test)]
mod tests;
