//! Faults injected on purpose (Istio's `fault`).

use std::time::Duration;

use ripstop_model::{Abort, Fault};
use ripstop_telemetry::{ResponseFlag, ResponseFlags};

use super::dice::falls;

/// What is done to a request on purpose: first the delay, then the abort. Neither timeouts nor retries of its rule act
/// on them: the request has not set out yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Injected {
    /// How long it waits.
    pub delay: Option<Duration>,
    /// How it ends; see [`Local::aborted`](super::respond::Local::aborted).
    pub abort: Option<Abort>,
}

/// Draws delay and abort independently of each other, each with a random number of its own.
pub fn injected(fault: &Fault, for_delay: u32, for_abort: u32) -> Injected {
    let delay = fault.delay.filter(|(delay, share)| !delay.is_zero() && falls(*share, for_delay));
    let abort = fault.abort.as_ref().filter(|(_, share)| falls(*share, for_abort));
    Injected { delay: delay.map(|(delay, _)| delay), abort: abort.map(|(abort, _)| abort.clone()) }
}

// === impl Injected ===

impl Injected {
    /// What the access log tells of it.
    pub fn flags(&self) -> ResponseFlags {
        let delay = self.delay.map(|_| ResponseFlag::DelayInjected);
        let abort = self.abort.as_ref().map(|_| ResponseFlag::FaultInjected);
        delay.into_iter().chain(abort).collect()
    }
}

#[cfg(test)]
mod tests;
