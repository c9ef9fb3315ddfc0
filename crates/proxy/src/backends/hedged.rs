//! When requests to a backend are sent to one more endpoint.

use std::time::Duration;

use ripstop_balance::Hedges;
use ripstop_model::Hedging;
use tokio::time::Instant;

use super::worker::WorkerBackend;

/// A backend whose requests may be sent to more than one endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Hedged<'b> {
    /// As its settings say.
    pub settings: &'b Hedging,
    hedges: &'b Hedges,
    /// When its clock began.
    since: Instant,
}

impl WorkerBackend {
    /// Whether, and when, a request is sent to one more endpoint.
    pub fn hedged(&self) -> Option<Hedged<'_>> {
        let settings = self.settings().hedging.as_deref()?;
        let (hedges, since) = self.counts().hedges();
        Some(Hedged { settings, hedges, since: *since })
    }
}

// === impl Hedged ===

impl Hedged<'_> {
    /// After how long without an answer one more attempt is due; nothing: too little is known of how long answers take.
    pub fn delay(&self) -> Option<Duration> {
        self.hedges.delay(&self.settings.delay)
    }

    /// An answer began after so long, or whoever was waiting stopped then.
    pub fn note(&self, took: Duration) {
        let now = u64::try_from(self.since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.hedges.note(&self.settings.delay, took, now);
    }

    /// What becomes of them.
    pub fn counts(&self) -> &Hedges {
        self.hedges
    }
}
