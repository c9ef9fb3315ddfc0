//! When each commit was made, to say how far behind a proxy is.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Instant,
};

/// Commits remembered; a proxy further behind is reported as this far behind.
const LIMIT: usize = 4096;

/// The newest commits, oldest first.
#[derive(Debug, Default)]
pub(crate) struct History(Mutex<VecDeque<(u64, Instant)>>);

/// How far a proxy is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lag {
    /// Commits it did not acknowledge.
    pub(crate) commits: usize,
    /// Milliseconds since the oldest of them; 0 when there is none.
    pub(crate) millis: u64,
}

impl History {
    /// `version` was committed.
    pub(crate) fn committed(&self, version: u64, at: Instant) {
        let mut commits = self.lock();
        if commits.len() == LIMIT {
            commits.pop_front();
        }
        commits.push_back((version, at));
    }

    /// When `version` was committed; nothing if that is long ago.
    pub(crate) fn at(&self, version: u64) -> Option<Instant> {
        let commits = self.lock();
        let index = commits.binary_search_by_key(&version, |&(v, _)| v).ok()?;
        Some(commits[index].1)
    }

    /// How far behind a proxy is that acknowledged `acked` last.
    pub(crate) fn lag(&self, acked: u64, now: Instant) -> Lag {
        let commits = self.lock();
        let first = commits.partition_point(|&(version, _)| version <= acked);
        let millis = commits.get(first).map_or(0, |&(_, at)| now.saturating_duration_since(at).as_millis());
        Lag { commits: commits.len() - first, millis: u64::try_from(millis).unwrap_or(u64::MAX) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<(u64, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
