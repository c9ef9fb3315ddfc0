//! How much of something useless a peer may do.

use std::time::{Duration, Instant};

/// A token bucket's size: `burst` at once, and `per_second` more for each second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// At once.
    pub burst: u32,
    /// In the long run.
    pub per_second: u32,
}

/// A token bucket. Time comes in with each use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    rate: Rate,
    left: u32,
    at: Option<Instant>,
}

impl Rate {
    /// `burst` at once and `per_second` in the long run.
    pub const fn new(burst: u32, per_second: u32) -> Self {
        Self { burst, per_second }
    }
}

impl Budget {
    pub(crate) fn new(rate: Rate) -> Self {
        Self { rate, left: rate.burst, at: None }
    }

    /// Takes one; false if there is none left.
    #[must_use]
    pub(crate) fn spend(&mut self, now: Instant) -> bool {
        if self.left == self.rate.burst {
            self.at = Some(now);
        } else {
            self.refill(now);
        }
        let spent = self.left.checked_sub(1);
        self.left = spent.unwrap_or(0);
        spent.is_some()
    }

    /// Gives one back, for something of use.
    pub(crate) fn earn(&mut self) {
        if self.left < self.rate.burst {
            self.left += 1;
        }
    }

    fn refill(&mut self, now: Instant) {
        let at = *self.at.get_or_insert(now);
        let passed = now.saturating_duration_since(at);
        let earned = passed.as_micros().saturating_mul(self.rate.per_second.into()) / 1_000_000;
        if earned == 0 {
            return;
        }
        let earned = u32::try_from(earned).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(earned).min(self.rate.burst);
        // What is not yet a whole token goes on counting.
        let paid = Duration::from_micros(u64::from(earned) * 1_000_000 / u64::from(self.rate.per_second.max(1)));
        self.at = Some(at.checked_add(paid).map_or(now, |paid| paid.min(now)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let start = Instant::now();
        let mut budget = Budget::new(Rate::new(3, 2));
        let spent = |budget: &mut Budget, millis| budget.spend(start + Duration::from_millis(millis));
        assert_eq!([0, 0, 0, 0].map(|at| spent(&mut budget, at)), [true, true, true, false]);
        assert_eq!([499, 500, 501, 999, 1000].map(|at| spent(&mut budget, at)), [false, true, false, false, true]);
        // No more than a burst is saved up.
        assert_eq!([90_000; 4].map(|at| spent(&mut budget, at)), [true, true, true, false]);
    }

    #[test]
    fn what_is_earned_is_no_more_than_a_burst() {
        let start = Instant::now();
        let mut budget = Budget::new(Rate::new(2, 1));
        budget.earn();
        assert_eq!([(); 3].map(|()| budget.spend(start)), [true, true, false]);
        (0..5).for_each(|_| budget.earn());
        assert_eq!([(); 3].map(|()| budget.spend(start)), [true, true, false]);
    }

    #[test]
    fn nothing_comes_back_at_rate_zero() {
        let start = Instant::now();
        let mut budget = Budget::new(Rate::new(1, 0));
        assert!(budget.spend(start));
        assert!(!budget.spend(start + Duration::from_secs(1 << 30)));
    }
}
