//! Growing pauses between restarts. Knows no clock: the caller says how long the last life was.

use std::time::Duration;

/// A pause that doubles from `first` to `limit`, and starts anew after a life of `reset` or more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Backoff {
    first: Duration,
    limit: Duration,
    reset: Duration,
    next: Duration,
}

// === impl Backoff ===

impl Backoff {
    /// For workloads (Kubernetes' crash loop, faster): 100 ms to 30 s, reset after 60 s of life.
    pub(crate) fn workload() -> Self {
        Self::new(Duration::from_millis(100), Duration::from_secs(30), Duration::from_mins(1))
    }

    /// For the mesh's own roles: 10 ms to 1 s, reset after 10 s of life.
    pub(crate) fn role() -> Self {
        Self::new(Duration::from_millis(10), Duration::from_secs(1), Duration::from_secs(10))
    }

    fn new(first: Duration, limit: Duration, reset: Duration) -> Self {
        Self { first, limit, reset, next: first }
    }

    /// The pause after a life of `lived`.
    pub(crate) fn after(&mut self, lived: Duration) -> Duration {
        if lived >= self.reset {
            self.next = self.first;
        }
        let pause = self.next;
        self.next = (self.next * 2).min(self.limit);
        pause
    }

    /// Starts anew: someone asked for the process to run.
    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests;
