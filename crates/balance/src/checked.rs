//! What checks say of an endpoint.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{
        AtomicBool, AtomicU32,
        Ordering::{Acquire, Relaxed, Release},
    },
};

use ripstop_model::HealthChecks;

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckResult {
    /// The endpoint is well.
    Passed,
    /// It is not, and why.
    Failed(Arc<str>),
}

/// What checks say of an endpoint. One that was not checked yet passes; written with the backend's ledger locked.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    failing: AtomicBool,
    /// Results in a row that speak against that.
    streak: AtomicU32,
    /// Why the last one failed.
    why: Mutex<Option<Arc<str>>>,
}

/// What changes for an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It fails its checks, and why.
    Out(Arc<str>),
    /// It passes them again.
    Back,
}

// === impl Checked ===

impl Checked {
    /// Whether it is out.
    pub(crate) fn is_failing(&self) -> bool {
        self.failing.load(Acquire)
    }

    /// Why it is out; nothing: it is not.
    pub(crate) fn why(&self) -> Option<Arc<str>> {
        self.is_failing().then(|| self.last().clone()).flatten()
    }

    /// Adds a result; what changes by it.
    pub(crate) fn note(&self, result: CheckResult, settings: &HealthChecks) -> Option<Turn> {
        let failing = self.is_failing();
        let passed = result == CheckResult::Passed;
        if let CheckResult::Failed(why) = &result {
            *self.last() = Some(why.clone());
        }
        if passed != failing {
            self.streak.store(0, Relaxed);
            return None;
        }
        let streak = self.streak.load(Relaxed).saturating_add(1);
        let enough = if failing { settings.healthy_threshold } else { settings.unhealthy_threshold };
        if streak < enough {
            self.streak.store(streak, Relaxed);
            return None;
        }
        self.streak.store(0, Relaxed);
        self.failing.store(!failing, Release);
        match result {
            CheckResult::Passed => {
                *self.last() = None;
                Some(Turn::Back)
            }
            CheckResult::Failed(why) => Some(Turn::Out(why)),
        }
    }

    /// Nobody checks any more.
    pub(crate) fn forget(&self) {
        self.streak.store(0, Relaxed);
        self.failing.store(false, Release);
        *self.last() = None;
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Option<Arc<str>>> {
        // Nothing is ever left half done.
        self.why.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
