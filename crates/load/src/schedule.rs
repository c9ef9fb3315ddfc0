//! When which request is due.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use crate::{Length, Pace, Plan};

/// The turns of a run, which belong to nobody: whoever is free takes the next one.
#[derive(Debug)]
pub(crate) struct Schedule {
    pace: Pace,
    length: Length,
    /// When the first one is due, and from when on requests count.
    first: Instant,
    begin: Instant,
    /// Nothing is due from here on.
    end: Option<Instant>,
    /// Turns that were taken, and those of them that count.
    taken: AtomicU64,
    counted: AtomicU64,
}

/// A turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// At once.
    Now,
    /// At this time, or at once if that has passed.
    At(Instant),
}

// === impl Schedule ===

impl Schedule {
    /// Of a run that begins at `first` with its warm-up.
    pub(crate) fn new(plan: &Plan, first: Instant) -> Self {
        let begin = first.checked_add(plan.warm_up).unwrap_or(first);
        let end = if let Length::Time(time) = plan.length { begin.checked_add(time) } else { None };
        let (taken, counted) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { pace: plan.pace, length: plan.length, first, begin, end, taken, counted }
    }

    /// From when on requests count.
    pub(crate) fn begin(&self) -> Instant {
        self.begin
    }

    /// When nothing is due any more, if time says so.
    pub(crate) fn end(&self) -> Option<Instant> {
        self.end
    }

    /// Takes the next turn at `now`; none: it is over. What was due before the end and could not be sent until then is not
    /// sent behind it ([`Self::unsent`]).
    pub(crate) fn take(&self, now: Instant) -> Option<Turn> {
        if self.end.is_some_and(|end| now >= end) {
            return None;
        }
        let Pace::Open { rate } = self.pace else {
            return self.is_granted(now).then_some(Turn::Now);
        };
        let index = self.taken.load(Ordering::Relaxed);
        let mut index = index;
        loop {
            // What is due in a thousand years is never due.
            let due = due(self.first, index, rate)?;
            if self.end.is_some_and(|end| due >= end) {
                return None;
            }
            let taken = self.taken.compare_exchange(index, index + 1, Ordering::Relaxed, Ordering::Relaxed);
            match taken {
                Ok(_) => return self.is_granted(due).then_some(Turn::At(due)),
                Err(other) => index = other,
            }
        }
    }

    /// When those were due that are due by `end`, and that nobody has taken.
    pub(crate) fn unsent(&self, end: Instant) -> impl Iterator<Item = Instant> {
        let end = self.end.map_or(end, |own| own.min(end));
        let rate = if let Pace::Open { rate } = self.pace { Some(rate) } else { None };
        let taken = self.taken.load(Ordering::Relaxed);
        let most = match self.length {
            Length::Requests(count) => count.saturating_sub(self.counted.load(Ordering::Relaxed)),
            Length::Time(_) => u64::MAX,
        };
        let dues = (taken..).map_while(move |index| due(self.first, index, rate?));
        let dues = dues.take_while(move |due| *due < end).filter(|due| *due >= self.begin);
        dues.take(usize::try_from(most).unwrap_or(usize::MAX))
    }

    /// Whether a request that is due then may be sent: as many as were asked for, once they count.
    fn is_granted(&self, due: Instant) -> bool {
        let Length::Requests(count) = self.length else { return true };
        let counts = || {
            let more = |counted: u64| (counted < count).then_some(counted + 1);
            self.counted.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
        };
        due < self.begin || counts()
    }
}

/// When the turn of that number is due.
fn due(first: Instant, index: u64, rate: f64) -> Option<Instant> {
    #[expect(clippy::cast_precision_loss, reason = "nobody sends 2^52 requests")]
    let after = Duration::try_from_secs_f64(index as f64 / rate).ok()?;
    first.checked_add(after)
}

#[cfg(test)]
mod tests;
