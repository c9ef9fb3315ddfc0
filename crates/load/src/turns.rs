//! When a place sends its next request.

use std::time::{Duration, Instant};

use crate::Pace;

/// The turns of one place.
#[derive(Clone, Debug)]
pub(crate) struct Turns {
    /// None: whenever the place is free.
    schedule: Option<Schedule>,
}

#[derive(Clone, Debug)]
struct Schedule {
    next: Instant,
    period: Duration,
}

/// A turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// At once.
    Now,
    /// At this time, or at once if that has passed.
    At(Instant),
}

// === impl Turns ===

impl Turns {
    /// Of the place `index` of `places` that begin together.
    pub(crate) fn new(pace: Pace, index: usize, places: usize, begin: Instant) -> Self {
        let schedule = match pace {
            Pace::Closed => None,
            Pace::Open { rate } => {
                // One place's turns are as far apart as all places are together.
                let step = Duration::try_from_secs_f64(1.0 / rate).unwrap_or(Duration::MAX);
                let times = |count: usize| step.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX));
                let next = begin.checked_add(times(index));
                next.map(|next| Schedule { next, period: times(places) })
            }
        };
        Self { schedule }
    }

    /// The next one, whatever became of the last.
    pub(crate) fn next(&mut self) -> Turn {
        let Some(schedule) = &mut self.schedule else { return Turn::Now };
        let due = schedule.next;
        if let Some(next) = due.checked_add(schedule.period) {
            schedule.next = next;
        }
        Turn::At(due)
    }
}

#[cfg(test)]
mod tests;
