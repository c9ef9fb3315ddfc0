//! How long to wait before the next attempt.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

/// Doubles from `first` to `last`; each wait is between half and the whole of the step, so that
/// clients of a restarted server do not come all at once.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    last: Duration,
    step: Duration,
}

impl Backoff {
    pub(crate) fn new(first: Duration, last: Duration) -> Self {
        Self { first, last, step: first }
    }

    /// The next wait.
    pub(crate) fn wait(&mut self) -> Duration {
        let step = self.step;
        self.step = (step * 2).min(self.last);
        // The standard library's hasher keys are its only public source of chance; this needs no better one.
        let chance = RandomState::new().build_hasher().finish() >> 32;
        let chance = u32::try_from(chance).unwrap_or(u32::MAX);
        step / 2 + (step / 2).mul_f64(f64::from(chance) / f64::from(u32::MAX))
    }

    /// Something worked: the next wait is short again.
    pub(crate) fn reset(&mut self) {
        self.step = self.first;
    }
}

#[cfg(test)]
mod tests;
