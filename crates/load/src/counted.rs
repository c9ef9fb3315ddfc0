//! What all threads have counted.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::{
    Pace, Plan,
    report::{Latency, Report, Second, TargetReport},
    tally::Tally,
};

/// What was counted so far.
pub(crate) struct Counted {
    /// By target.
    targets: Vec<Tally>,
    timeline: Vec<Second>,
}

// === impl Counted ===

impl Counted {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self { targets: plan.targets.iter().map(|_| Tally::default()).collect(), timeline: Vec::new() }
    }

    /// A second has passed: takes what each thread has counted of each target.
    pub(crate) fn second(&mut self, threads: &[Arc<[Mutex<Tally>]>]) -> Second {
        let second = Second::new(self.timeline.len() as u64, &self.take(threads));
        self.timeline.push(second);
        second
    }

    /// All threads have ended. What came after the last whole second is in no second.
    pub(crate) fn report(mut self, threads: &[Arc<[Mutex<Tally>]>], plan: &Plan, seconds: Duration) -> Report {
        self.take(threads);
        let mut all = Tally::default();
        self.targets.iter().for_each(|tally| all.merge(tally));
        let seconds = seconds.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "nobody sends 2^52 requests")]
        let per_second = all.total() as f64 / seconds;
        let targets = plan.targets.iter().zip(&self.targets).map(|(target, tally)| TargetReport {
            url: target.url(),
            requests: tally.total(),
            good: tally.good,
            latency: Latency::of(&tally.latency),
        });
        Report {
            seconds,
            requests: all.total(),
            good: all.good,
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

    /// Takes what threads have counted since the last time; all of it together.
    fn take(&mut self, threads: &[Arc<[Mutex<Tally>]>]) -> Tally {
        let mut all = Tally::default();
        for tallies in threads {
            for (own, tally) in self.targets.iter_mut().zip(&**tallies) {
                let empty = Tally::default();
                let taken = std::mem::replace(&mut *tally.lock().unwrap_or_else(PoisonError::into_inner), empty);
                own.merge(&taken);
                all.merge(&taken);
            }
        }
        all
    }
}
