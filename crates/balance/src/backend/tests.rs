use std::sync::Barrier;

use ripstop_model::{Algorithm, Health, OutlierDetection};

use super::*;
use crate::{
    Criteria, EventKind, Refused, Resource,
    testing::{SECOND, assert_about, balanced, ejecting, endpoints, weighing},
};

fn bad(backend: &Arc<Backend<u32>>, endpoint: u32, times: u32, now: Instant) {
    let mut worker = backend.worker();
    for _ in 0..times {
        worker.pick_named(&endpoint, now).unwrap().finish(Outcome::Status(500), now);
    }
}

/// Whether each endpoint is ejected.
fn away(backend: &Backend<u32>, now: Instant) -> Vec<(u32, bool)> {
    backend.endpoints(now).iter().map(|endpoint| (endpoint.key, endpoint.ejected.is_some())).collect()
}

fn eager() -> Settings {
    ejecting(OutlierDetection { max_ejection_percent: 100, ..OutlierDetection::default() })
}

#[test]
fn state_outlives_replacement() {
    let now = Instant::now();
    let backend = Backend::new(eager(), endpoints(3), now);
    let mut worker = backend.worker();
    let held: Vec<_> = (0..2).map(|_| worker.pick_named(&2, now).unwrap()).collect();
    bad(&backend, 0, 5, now);
    bad(&backend, 1, 4, now);

    // Other order, weights and priorities, and one more.
    let members = [(3, 0, 1), (2, 1, 5), (1, 1, 5), (0, 0, 1)]
        .map(|(key, priority, weight)| Endpoint::new(key).with_priority(priority).weighing(weight.try_into().unwrap()));
    backend.replace(eager(), members, now + SECOND);
    let status = |key, weight: u32, priority, active, ejected: Option<u64>| EndpointStatus {
        key,
        weight: weight.try_into().unwrap(),
        priority,
        health: Health::Healthy,
        active,
        ejected: ejected.map(Duration::from_secs),
        ejections: u32::from(ejected.is_some()),
        failing: None,
    };
    let expected =
        [status(3, 1, 0, 0, None), status(0, 1, 0, 0, Some(29)), status(2, 5, 1, 2, None), status(1, 5, 1, 0, None)];
    assert_eq!(backend.endpoints(now + SECOND), expected);
    assert_eq!(backend.ejections().active, 1);

    // The streak goes on where it was.
    bad(&backend, 1, 1, now + SECOND);
    assert_eq!(away(&backend, now + SECOND), [(3, false), (0, true), (2, false), (1, true)]);
    assert_eq!(away(&backend, now + 30 * SECOND), [(3, false), (0, false), (2, false), (1, true)]);
    assert_eq!(away(&backend, now + 31 * SECOND), [(3, false), (0, false), (2, false), (1, false)]);
    drop(held);
    assert_eq!(backend.endpoints(now)[2].active, 0);
}

#[test]
fn removal_does_not_disturb_requests() {
    let now = Instant::now();
    let backend = Backend::new(eager(), endpoints(2), now);
    let mut worker = backend.worker();
    let requests: Vec<_> = (0..6).map(|_| worker.pick_named(&1, now).unwrap()).collect();
    backend.replace(eager(), endpoints(1), now);
    assert!(worker.pick_named(&1, now).is_none());
    for (before, request) in requests.into_iter().enumerate() {
        assert_eq!((*request.key(), request.active() as usize), (1, 6 - before));
        // Errors of who is gone eject nobody.
        request.finish(Outcome::Status(500), now);
    }
    assert_eq!(backend.ejections(), Ejections::default());
    assert!(backend.take_events().list.is_empty());

    // Who comes back is another one.
    backend.replace(eager(), endpoints(2), now);
    assert_eq!(away(&backend, now), [(0, false), (1, false)]);
}

#[test]
fn an_ejected_endpoint_that_is_removed_is_no_longer_ejected() {
    let now = Instant::now();
    let backend = Backend::new(eager(), endpoints(4), now);
    bad(&backend, 3, 5, now);
    bad(&backend, 0, 5, now + SECOND);
    assert_eq!(backend.next_return(), Some(now + 30 * SECOND));
    backend.replace(eager(), endpoints(3), now + SECOND);
    assert_eq!(backend.ejections().active, 1);
    assert_eq!(backend.next_return(), Some(now + 31 * SECOND));
    backend.replace(eager(), [], now + SECOND);
    assert_eq!(backend.ejections().active, 0);
    assert_eq!(backend.next_return(), None);
    assert_eq!(backend.worker().pick(&Criteria::default(), 1, now).unwrap_err(), Refused::NoEndpoint);
}

#[test]
fn all_return_when_ejection_is_switched_off() {
    let now = Instant::now();
    let backend = Backend::new(eager(), endpoints(3), now);
    bad(&backend, 1, 5, now);
    backend.take_events();
    backend.replace(Settings::default(), endpoints(3), now + SECOND);
    assert_eq!(away(&backend, now + SECOND), [(0, false), (1, false), (2, false)]);
    let events = backend.take_events().list;
    assert_eq!(events, [crate::Event { at: now + SECOND, endpoint: 1, kind: EventKind::Returned }]);
    assert_eq!(backend.ejections().active, 0);
}

#[test]
fn other_thresholds_hold_from_the_next_result_on() {
    let now = Instant::now();
    let backend = Backend::new(eager(), endpoints(3), now);
    bad(&backend, 0, 3, now);
    let strict = OutlierDetection { consecutive_5xx: 2, max_ejection_percent: 100, ..OutlierDetection::default() };
    backend.replace(ejecting(strict), endpoints(3), now);
    assert_eq!(away(&backend, now), [(0, false), (1, false), (2, false)]);
    bad(&backend, 0, 1, now);
    assert_eq!(away(&backend, now), [(0, true), (1, false), (2, false)]);
}

#[test]
fn of_one_key_the_first_endpoint_counts() {
    let now = Instant::now();
    let twice = weighing(&[5, 6]).into_iter().chain(weighing(&[7]));
    let backend = Backend::new(Settings::default(), twice, now);
    let weights: Vec<_> = backend.endpoints(now).iter().map(|one| (one.key, one.weight.get())).collect();
    assert_eq!(weights, [(0, 5), (1, 6)]);
}

#[test]
fn workers_follow_a_replacement_with_their_next_pick() {
    let now = Instant::now();
    let backend = Backend::new(balanced(Algorithm::RoundRobin), endpoints(3), now);
    let mut workers = [backend.worker(), backend.worker()];
    for worker in &mut workers {
        assert!(*worker.pick(&Criteria::default(), 1, now).unwrap().key() < 3);
    }
    let others: Vec<_> = (10..14).map(Endpoint::new).collect();
    backend.replace(balanced(Algorithm::RoundRobin), others, now);
    for worker in &mut workers {
        let mut keys: Vec<_> = (0..4).map(|_| *worker.pick(&Criteria::default(), 1, now).unwrap().key()).collect();
        keys.sort_unstable();
        assert_eq!(keys, [10, 11, 12, 13]);
    }
    assert_eq!(backend.settings(), balanced(Algorithm::RoundRobin));
    assert_eq!(workers[0].backend().usage(), Usage::default());
}

#[test]
fn what_one_worker_ejects_no_worker_uses() {
    let now = Instant::now();
    let backend = Backend::new(eager(), endpoints(3), now);
    let (mut one, mut other) = (backend.worker(), backend.worker());
    let used = |worker: &mut Balancer<u32>| {
        let mut used: Vec<_> = (0..9).map(|_| *worker.pick(&Criteria::default(), 3, now).unwrap().key()).collect();
        used.sort_unstable();
        used.dedup();
        used
    };
    assert_eq!((used(&mut one), used(&mut other)), (vec![0, 1, 2], vec![0, 1, 2]));
    // Three errors seen by one, two by the other.
    for worker in [0, 0, 0, 1, 1] {
        let worker = if worker == 0 { &mut one } else { &mut other };
        worker.pick_named(&1, now).unwrap().finish(Outcome::Status(500), now);
    }
    assert_eq!((used(&mut one), used(&mut other)), (vec![0, 2], vec![0, 2]));
}

#[test]
fn a_success_that_comes_before_the_verdict_prevents_it() {
    let now = Instant::now();
    let backend = Backend::new(eager(), endpoints(3), now);
    let state = Arc::clone(&backend.generation().load().members[1].state);
    bad(&backend, 1, 4, now);
    // A fifth error has made a cause, but another worker has the ledger first, and a success ends the row.
    backend.record(&state, Outcome::Status(200), None, now);
    backend.eject(&state, Cause::Consecutive5xx, now);
    assert_eq!(backend.ejections(), Ejections::default());
    bad(&backend, 1, 5, now);
    assert_eq!(backend.ejections().active, 1);
    // Nor is one ejected twice for errors that came together.
    backend.eject(&state, Cause::Consecutive5xx, now);
    assert_eq!((backend.ejections().active, backend.ejections().consecutive_5xx), (1, 1));
}

/// Verdicts are the same however many threads bring the results: each endpoint is ejected once, and as many as the
/// percentage allows.
#[test]
fn threads_together_eject_exactly_what_may_be() {
    let now = Instant::now();
    for threads in [1, 2, 4] {
        let settings = OutlierDetection { max_ejection_percent: 30, ..OutlierDetection::default() };
        let backend = Backend::new(ejecting(settings), endpoints(20), now);
        let start = Barrier::new(threads);
        std::thread::scope(|scope| {
            let fail = || {
                let mut worker = backend.worker();
                start.wait();
                for turn in 0..2_000 {
                    worker.pick_named(&(turn % 20), now).unwrap().finish(Outcome::Status(500), now);
                }
            };
            (0..threads).for_each(|_| drop(scope.spawn(fail)));
        });
        let counts = backend.ejections();
        assert_eq!((counts.active, counts.consecutive_5xx), (6, 6), "{threads} threads");
        let away = away(&backend, now).iter().filter(|(_, away)| *away).count();
        assert_eq!(away, 6);
        assert!(backend.endpoints(now).iter().all(|endpoint| endpoint.active == 0 && endpoint.ejections <= 1));
        assert_eq!(backend.sweep(now + 30 * SECOND), 6);
    }
}

/// Workers pick and finish while configuration changes and endpoints are ejected: nothing is lost or counted twice.
#[test]
fn threads_and_replacement_leave_nothing_behind() {
    let now = Instant::now();
    let backend = Backend::new(eager(), endpoints(10), now);
    std::thread::scope(|scope| {
        for seed in 0..3 {
            let backend = &backend;
            scope.spawn(move || {
                let mut worker = backend.worker();
                let mut dice = crate::dice::Dice::new(seed);
                for turn in 0..20_000_u32 {
                    let now = now + Duration::from_millis(u64::from(turn));
                    let permit = worker.acquire(Resource::Request, now).unwrap();
                    if let Ok(picked) = worker.pick(&Criteria::default(), dice.next(), now) {
                        let status = if *picked.key() % 3 == 0 { 500 } else { 200 };
                        picked.finish(Outcome::Status(status), now);
                    }
                    drop(permit);
                }
            });
        }
        for turn in 0..200 {
            backend.replace(eager(), endpoints(5 + turn % 7), now);
        }
    });
    let end = now + 3_600 * SECOND;
    backend.sweep(end);
    assert_eq!(backend.ejections().active, 0);
    assert_eq!(backend.usage(), Usage::default());
    assert_eq!(backend.endpoints(end).iter().map(|endpoint| endpoint.active).sum::<u32>(), 0);
    // All are used again, by equal shares: counts of usable endpoints came out right.
    backend.replace(balanced(Algorithm::Random), endpoints(4), end);
    let mut worker = backend.worker();
    let mut dice = crate::dice::Dice::new(8);
    let mut picks = [0; 4];
    for _ in 0..8_000 {
        picks[*worker.pick(&Criteria::default(), dice.next(), end).unwrap().key() as usize] += 1;
    }
    for picks in picks {
        assert_about(picks, 8_000, 0.25);
    }
}
