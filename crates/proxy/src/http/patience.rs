//! How long requests may take, by themselves and with their answers.

use std::{future::pending, rc::Rc, time::Duration};

use ripstop_exchange::{Downstream, Progress};
use ripstop_model::ConnectionSettings;
use tokio::time::{Instant, sleep_until};

use super::{
    filters::{edits::Edits, respond::Local},
    head::Head,
    respond::answer,
    told::Told,
};

/// How long one request may take.
#[derive(Debug)]
pub struct Patience {
    begun: Instant,
    request: Option<Duration>,
    idle: Option<Duration>,
    whole: Option<Duration>,
    progress: Rc<Progress>,
}

/// What took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    /// The request to come.
    Request,
    /// Whatever should have moved next.
    Idle,
    /// The request with its answer.
    Whole,
}

/// How much of a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// All of it.
    Whole,
    /// A part, or nothing beside its head.
    InPart,
}

// === impl Patience ===

impl Patience {
    /// With a request that has just begun; nothing: it may take as long as it will.
    pub fn with(downstream: &mut Downstream<'_>, settings: &ConnectionSettings) -> Option<Self> {
        let limit = |limit: Option<Duration>| limit.filter(|limit| !limit.is_zero());
        let (request, idle, whole) = (limit(settings.request), limit(settings.stream_idle), limit(settings.stream));
        if request.is_none() && idle.is_none() && whole.is_none() {
            return None;
        }
        Some(Self { begun: Instant::now(), request, idle, whole, progress: downstream.watch() })
    }

    /// Ready when it took too long.
    pub async fn over(this: Option<&Self>) -> Late {
        let Some(patience) = this else { return pending().await };
        loop {
            let (until, late) = patience.next();
            let Some(until) = until else { return pending().await };
            sleep_until(until).await;
            // Something may have moved meanwhile.
            if patience.next() == (Some(until), late) {
                return late;
            }
        }
    }

    /// What would be late next, and when.
    fn next(&self) -> (Option<Instant>, Late) {
        let after = |begun: Instant, limit: Option<Duration>| limit.and_then(|limit| begun.checked_add(limit));
        // Whoever is answered already may go on talking.
        let request = self.request.filter(|_| !self.progress.is_received() && !self.progress.is_answered());
        let deadlines = [
            (after(self.begun, request), Late::Request),
            (after(self.progress.moved(), self.idle), Late::Idle),
            (after(self.begun, self.whole), Late::Whole),
        ];
        let first = deadlines.into_iter().filter(|(until, _)| until.is_some()).min_by_key(|(until, _)| *until);
        first.unwrap_or((None, Late::Whole))
    }

    /// How much of the request has come.
    pub fn received(&self) -> Received {
        if self.progress.is_received() { Received::Whole } else { Received::InPart }
    }

    /// Whether its answer has begun.
    pub fn is_answered(&self) -> bool {
        self.progress.is_answered()
    }
}

/// Ends a request that took too long: its client is told so if it has been told nothing yet.
pub async fn give_up(
    downstream: &mut Downstream<'_>,
    head: &Head,
    late: Late,
    patience: Option<&Patience>,
    told: &mut Told,
) {
    let received = patience.map_or(Received::Whole, Patience::received);
    let local = Local::late(late, received);
    if patience.is_some_and(Patience::is_answered) {
        local.flags.iter().for_each(|flag| told.flags.insert(flag));
        told.details = Some(local.details);
        return downstream.reset();
    }
    told.local(&local, head.asker());
    answer(downstream, Some(head), &local, &Edits::new()).await;
}

#[cfg(test)]
mod tests;
