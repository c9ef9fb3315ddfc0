//! What all threads have counted.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    Length, Pace, Plan,
    report::{Latency, Report, Second, TargetReport},
    schedule::Schedule,
    shares::Shares,
    tally::Tally,
};

/// What was counted so far.
pub(crate) struct Counted {
    /// By target.
    targets: Vec<Tally>,
    timeline: Vec<Second>,
    /// What is given to threads in place of what they have counted, and what all of them have together: used again.
    spare: Tally,
    all: Tally,
}

/// What threads count, by target.
type Tallies = Arc<[Mutex<Tally>]>;

// === impl Counted ===

impl Counted {
    pub(crate) fn new(plan: &Plan) -> Self {
        let targets = plan.targets.iter().map(|_| Tally::default()).collect();
        Self { targets, timeline: Vec::new(), spare: Tally::default(), all: Tally::default() }
    }

    /// A second has passed: takes what each thread has counted of each target.
    pub(crate) fn second(&mut self, threads: &[Tallies]) -> Second {
        self.take(threads);
        let second = Second::new(self.timeline.len(), 1.0, &self.all);
        self.timeline.push(second);
        second
    }

    /// All threads have ended; since `over` nothing was due.
    pub(crate) fn report(mut self, threads: &[Tallies], plan: &Plan, schedule: &Schedule, over: Instant) -> Report {
        let passed = schedule.begin().elapsed();
        self.take(threads);
        let whole = Duration::from_secs(self.timeline.len() as u64);
        if self.all.total() > 0 {
            let rest = passed.saturating_sub(whole).as_secs_f64();
            self.timeline.push(Second::new(self.timeline.len(), rest, &self.all));
        }
        let unsent = self.unsent(plan, schedule, over);
        let mut all = Tally::default();
        self.targets.iter().for_each(|tally| all.merge(tally));
        let span = match (plan.length, schedule.end()) {
            (Length::Time(_), Some(end)) => end.min(over).saturating_duration_since(schedule.begin()),
            _ => over.saturating_duration_since(schedule.begin()),
        };
        let (span, sent) = (span.as_secs_f64(), all.total() - unsent);
        #[expect(clippy::cast_precision_loss, reason = "nobody sends 2^52 requests")]
        let per_second = if span > 0.0 { sent as f64 / span } else { 0.0 };
        let targets = plan.targets.iter().zip(&self.targets).map(|(target, tally)| TargetReport {
            url: target.url(),
            requests: tally.total(),
            bad: tally.total() - tally.good,
            latency: Latency::of(&tally.latency),
        });
        Report {
            seconds: span,
            tail_seconds: (passed.as_secs_f64() - span).max(0.0),
            requests: sent,
            good: all.good,
            bad: sent - all.good,
            unsent,
            resent: all.resent,
            per_second,
            wanted_per_second: if let Pace::Open { rate } = plan.pace { Some(rate) } else { None },
            received_bytes: all.received,
            latency: Latency::of(&all.latency),
            targets: targets.collect(),
            timeline: self.timeline,
            statuses: all.statuses,
            grpc_statuses: all.grpc,
            values: all.values,
            failures: all.failures.into_values().collect(),
        }
    }

    /// Counts those that were due and that nobody was free to send, with as long as they waited at least; how many.
    fn unsent(&mut self, plan: &Plan, schedule: &Schedule, over: Instant) -> u64 {
        let end = schedule.end().map_or(over, |end| end.min(over));
        let mut shares = Shares::new(plan.targets.iter().map(|target| target.weight.get()), 0);
        let mut count = 0;
        for due in schedule.unsent(end) {
            self.targets[shares.next()].unsent(end.saturating_duration_since(due));
            count += 1;
        }
        count
    }

    /// Takes what threads have counted since the last time; all of it is in `all`.
    fn take(&mut self, threads: &[Tallies]) {
        self.all.clear();
        for tallies in threads {
            for (own, tally) in self.targets.iter_mut().zip(&**tallies) {
                self.spare.clear();
                std::mem::swap(&mut *tally.lock().unwrap_or_else(PoisonError::into_inner), &mut self.spare);
                own.merge(&self.spare);
                self.all.merge(&self.spare);
            }
        }
    }
}
