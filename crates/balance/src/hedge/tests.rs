use std::{collections::VecDeque, sync::Arc};

use ripstop_model::RetryBudget;

use super::*;
use crate::{Budget, BudgetedRetry, dice::Dice};

const MILLI: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MILLI;

fn percentile(percent: f64) -> HedgeDelay {
    HedgeDelay::Percentile { percentile: Share::from_percent(percent), least: Duration::from_millis(1) }
}

/// What requests got of endpoints of which each is slow now and then.
struct Report {
    latencies: Vec<u64>,
    requests: u64,
    second: u64,
    refused: u64,
}

impl Report {
    /// Second attempts, as a part of the requests.
    fn extra(&self) -> f64 {
        let number = |count| f64::from(u32::try_from(count).unwrap());
        number(self.second) / number(self.requests)
    }

    fn latency(&mut self, percent: usize) -> u64 {
        self.latencies.sort_unstable();
        self.latencies[(self.latencies.len() - 1) * percent / 100] / MILLI
    }
}

/// A request takes 10 ms, or by that chance 500 ms, whatever its endpoint does for others.
fn latency(dice: &mut Dice, slow: u64) -> u64 {
    if dice.below(100) < slow { 500 * MILLI } else { 5 * MILLI + dice.below(10 * MILLI) }
}

/// Sends a request each millisecond, on a simulated clock.
fn simulate(delay: Option<&HedgeDelay>, budget: RetryBudget, slow: u64, requests: u64) -> Report {
    let (hedges, budgets) = (Hedges::default(), Arc::new(Budget::default()));
    let mut dice = Dice::new(3);
    // What is under way, with when it ends and what was taken of the budget.
    let mut under_way: VecDeque<(u64, crate::Budgeted, Option<BudgetedRetry>)> = VecDeque::new();
    let mut report = Report { latencies: Vec::new(), requests, second: 0, refused: 0 };
    // Answers are told in the order in which they come.
    let mut told: std::collections::BinaryHeap<std::cmp::Reverse<(u64, u64)>> = std::collections::BinaryHeap::new();
    for number in 0..requests {
        let now = SECOND + number * MILLI;
        under_way.retain(|(end, ..)| *end > now);
        while let Some(std::cmp::Reverse((at, took))) = told.peek().copied().filter(|told| told.0.0 <= now) {
            told.pop();
            if let Some(delay) = delay {
                hedges.note(delay, Duration::from_nanos(took), at);
            }
        }
        let request = budgets.begin();
        let first = latency(&mut dice, slow);
        let due = delay.and_then(|delay| hedges.delay(delay)).map(|delay| u64::try_from(delay.as_nanos()).unwrap());
        let mut took = first;
        let mut retry = None;
        if let Some(due) = due.filter(|due| *due < first) {
            match request.retry(&budget, now + due) {
                Ok(permit) => {
                    report.second += 1;
                    took = first.min(due + latency(&mut dice, slow));
                    retry = Some(permit);
                }
                Err(_) => report.refused += 1,
            }
        }
        told.push(std::cmp::Reverse((now + took, took)));
        report.latencies.push(took);
        under_way.push_back((now + took, request, retry));
    }
    report
}

const AMPLE: RetryBudget =
    RetryBudget { share: Share::ALL, min_concurrency: 3, min_per_second: 0, interval: Duration::ZERO };

#[test]
fn the_slowest_requests_become_faster_at_the_cost_of_a_few_more() {
    let mut alone = simulate(None, AMPLE, 3, 100_000);
    assert_eq!((alone.latency(99), alone.second), (500, 0));
    for delay in [percentile(95.0), HedgeDelay::Fixed(Duration::from_millis(20))] {
        let mut hedged = simulate(Some(&delay), AMPLE, 3, 100_000);
        assert!(hedged.latency(99) < 40, "{delay:?}: p99 of {} ms", hedged.latency(99));
        assert!(hedged.latency(50) <= alone.latency(50) + 1);
        let extra = hedged.extra();
        assert!((0.02..0.08).contains(&extra), "{delay:?}: {extra} more requests");
    }
}

#[test]
fn a_slow_day_is_no_flood() {
    // Half of all are slow: by a fixed delay each of them would be sent twice.
    let budget = RetryBudget { share: Share::from_percent(10.0), min_concurrency: 0, ..AMPLE };
    let delay = HedgeDelay::Fixed(Duration::from_millis(20));
    let hedged = simulate(Some(&delay), budget, 50, 50_000);
    let extra = hedged.extra();
    assert!(extra < 0.12, "{extra} more requests");
    assert!(hedged.refused > 10_000, "{}", hedged.refused);
    // And the percentile follows what is slow.
    let hedged = simulate(Some(&percentile(95.0)), AMPLE, 50, 50_000);
    let extra = hedged.extra();
    assert!(extra < 0.1, "{extra} more requests");
}

#[test]
fn what_is_not_known_delays_for_ever() {
    let hedges = Hedges::default();
    let fixed = HedgeDelay::Fixed(Duration::from_millis(7));
    assert_eq!(hedges.delay(&fixed), Some(Duration::from_millis(7)));
    for number in 0..u64::from(ENOUGH) {
        assert_eq!(hedges.delay(&percentile(50.0)), None);
        hedges.note(&percentile(50.0), Duration::from_millis(10), SECOND + number);
    }
    let near = hedges.delay(&percentile(50.0)).unwrap();
    assert!(near.abs_diff(Duration::from_millis(10)) < Duration::from_millis(1), "{near:?}");
    // Two seconds later what was is forgotten.
    for number in 0..3 * u64::from(ENOUGH) {
        hedges.note(&percentile(50.0), Duration::from_micros(20), (2 + number / 20) * SECOND + number);
    }
    assert_eq!(hedges.delay(&percentile(50.0)), Some(Duration::from_millis(1)), "the least");
    hedges.sent();
    hedges.sent();
    hedges.won();
    hedges.refused();
    assert_eq!(hedges.counts(), HedgeCounts { sent: 2, won: 1, refused: 1 });
}
