//! Algorithms under load, on a simulated clock.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::*;

/// What became of a simulation.
#[derive(Debug)]
struct Report {
    /// Sum of all requests' times.
    total: Duration,
    /// The longest queue of any endpoint.
    longest_queue: u32,
}

/// Sends a request each millisecond to ten endpoints that work on one at a time: nine take 8 ms, one takes 80.
fn simulate(algorithm: Algorithm) -> Report {
    let mut roller = Roller::new(balanced(algorithm), endpoints(10));
    let start = roller.now;
    let mut free_from = [start; 10];
    let mut running: BinaryHeap<Reverse<(Instant, usize)>> = BinaryHeap::new();
    let mut requests: Vec<Option<Picked<u32>>> = Vec::new();
    let mut report = Report { total: Duration::ZERO, longest_queue: 0 };
    for millis in 0..20_000 {
        roller.now = start + Duration::from_millis(millis);
        while running.peek().is_some_and(|Reverse((end, _))| *end <= roller.now) {
            let Some(Reverse((end, request))) = running.pop() else { break };
            requests[request].take().unwrap().finish(Outcome::Status(200), end);
        }
        let picked = roller.pick(&Criteria::default()).unwrap();
        report.longest_queue = report.longest_queue.max(picked.active());
        let endpoint = *picked.key() as usize;
        let takes = Duration::from_millis(if endpoint == 0 { 80 } else { 8 });
        let end = free_from[endpoint].max(roller.now) + takes;
        free_from[endpoint] = end;
        report.total += end - roller.now;
        running.push(Reverse((end, requests.len())));
        requests.push(Some(picked));
    }
    report
}

#[test]
fn two_choices_beat_chance_where_one_endpoint_is_slow() {
    let chance = simulate(Algorithm::Random);
    let turns = simulate(Algorithm::RoundRobin);
    let choices = simulate(Algorithm::LeastRequest);
    // The slow one can take an eightieth; of a tenth, its queue grows without end.
    assert!(chance.longest_queue > 1_000, "{chance:?}");
    assert!(turns.longest_queue > 1_000, "{turns:?}");
    assert!(choices.longest_queue < 10, "{choices:?}");
    assert!(choices.total * 20 < chance.total, "{choices:?}, {chance:?}");
    assert!(choices.total * 20 < turns.total, "{choices:?}, {turns:?}");
}
