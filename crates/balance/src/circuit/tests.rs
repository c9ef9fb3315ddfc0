use std::{
    sync::{Arc, Barrier},
    time::{Duration, Instant},
};

use ripstop_model::{ConnectionPool, Share};

use super::*;
use crate::{Settings, testing::endpoints};

const ALL: [Resource; 4] = [Resource::Connection, Resource::PendingRequest, Resource::Request, Resource::Retry];

fn limited(limit: u32) -> Settings {
    let limit = Some(limit);
    let pool = ConnectionPool {
        max_connections: limit,
        max_pending_requests: limit,
        max_requests: limit,
        max_retries: limit,
        ..ConnectionPool::default()
    };
    Settings { pool: Arc::new(pool), ..Settings::default() }
}

fn budgeted(percent: f64, min_concurrency: u32, interval: Duration) -> Settings {
    let budget = RetryBudget { share: Share::from_percent(percent), min_concurrency, min_per_second: 0, interval };
    let pool = ConnectionPool { max_retries: None, ..ConnectionPool::clone(&limited(1).pool) };
    Settings { retry_budget: Some(budget), pool: Arc::new(pool), ..Settings::default() }
}

/// How many of `resource` can be had at once, and how many may be by what the refusal says.
fn until_refused(backend: &Arc<Backend<u32>>, resource: Resource, now: Instant) -> (usize, u64) {
    let mut worker = backend.worker();
    let mut permits = Vec::new();
    loop {
        match worker.acquire(resource, now) {
            Ok(permit) => permits.push(permit),
            Err(overflow) => {
                assert_eq!(overflow.resource, resource);
                return (permits.len(), overflow.limit);
            }
        }
    }
}

#[test]
fn each_resource_has_its_own_limit() {
    let now = Instant::now();
    let backend = Backend::new(limited(3), endpoints(1), now);
    for resource in ALL {
        assert_eq!(until_refused(&backend, resource, now), (3, 3));
    }
    // All were given back.
    assert_eq!(backend.usage(), Usage::default());
}

#[test]
fn usage_is_what_is_held() {
    let now = Instant::now();
    let backend = Backend::new(Settings::default(), endpoints(1), now);
    let mut worker = backend.worker();
    let mut take = |resource, times| (0..times).map(|_| worker.acquire(resource, now).unwrap()).collect::<Vec<_>>();
    let held = [take(ALL[0], 1), take(ALL[1], 2), take(ALL[2], 3), take(ALL[3], 4)];
    assert_eq!(held[3][0].resource(), Resource::Retry);
    assert_eq!(backend.usage(), Usage { connections: 1, pending_requests: 2, requests: 3, retries: 4 });
    drop(held);
    assert_eq!(backend.usage(), Usage::default());
}

#[test]
fn without_limits_nothing_is_refused() {
    let now = Instant::now();
    let backend = Backend::new(Settings::default(), endpoints(1), now);
    let mut worker = backend.worker();
    let held: Vec<_> = (0..10_000).map(|turn| worker.acquire(ALL[turn % 4], now).unwrap()).collect();
    assert_eq!(backend.usage().retries, 2_500);
    drop(held);
}

/// What is beyond the share of a budget has a rate of its own, which those within it do not use up.
#[test]
fn a_budget_allows_so_many_in_a_second_beyond_its_share() {
    let start = Instant::now();
    let budget = RetryBudget {
        share: Share::from_percent(50.0),
        min_concurrency: 0,
        min_per_second: 4,
        interval: Duration::ZERO,
    };
    let settings = Settings { retry_budget: Some(budget), ..Settings::default() };
    let backend = Backend::new(settings, endpoints(1), start);
    let mut worker = backend.worker();
    let requests: Vec<_> = (0..4).map(|_| worker.acquire(Resource::Request, start).unwrap()).collect();
    // Two by their share, four by the rate.
    assert_eq!(until_refused(&backend, Resource::Retry, start), (6, 2));
    // Those have ended: the share is free again, the rate is not.
    assert_eq!(until_refused(&backend, Resource::Retry, start), (2, 2));
    let later = start + Duration::from_millis(500);
    assert_eq!(until_refused(&backend, Resource::Retry, later), (4, 2));
    drop(requests);
    let idle = later + Duration::from_secs(60);
    assert_eq!(until_refused(&backend, Resource::Retry, idle), (4, 0), "no more than a second's worth is saved");
}

/// A number and a budget are both kept, and what the number refuses takes nothing from the rate of the budget.
#[test]
fn a_number_of_retries_holds_beside_a_budget() {
    let start = Instant::now();
    let budget = |percent, min_per_second| RetryBudget {
        share: Share::from_percent(percent),
        min_concurrency: 0,
        min_per_second,
        interval: Duration::ZERO,
    };
    let settings = |budget| Settings { retry_budget: Some(budget), ..limited(3) };
    let backend = Backend::new(settings(budget(100.0, 1)), endpoints(1), start);
    let mut worker = backend.worker();
    let _requests: Vec<_> = (0..3).map(|_| worker.acquire(Resource::Request, start).unwrap()).collect();
    assert_eq!(until_refused(&backend, Resource::Retry, start), (3, 3));
    backend.replace(settings(budget(67.0, 0)), endpoints(1), start);
    assert_eq!(until_refused(&backend, Resource::Retry, start), (2, 2));
    backend.replace(settings(budget(67.0, 1)), endpoints(1), start);
    assert_eq!(until_refused(&backend, Resource::Retry, start), (3, 2), "the rate was not used up by the first three");
}

#[test]
fn a_new_limit_holds_at_once_and_takes_nothing_away() {
    let now = Instant::now();
    let backend = Backend::new(limited(3), endpoints(1), now);
    let mut worker = backend.worker();
    let mut held: Vec<_> = (0..3).map(|_| worker.acquire(Resource::Request, now).unwrap()).collect();
    backend.replace(limited(2), endpoints(1), now);
    assert_eq!(worker.acquire(Resource::Request, now).unwrap_err().limit, 2);
    assert_eq!(worker.limits().requests, 2);
    assert_eq!(backend.usage().requests, 3);
    held.truncate(1);
    let second = worker.acquire(Resource::Request, now).unwrap();
    assert_eq!(worker.acquire(Resource::Request, now).unwrap_err().limit, 2);
    backend.replace(limited(4), endpoints(1), now);
    assert_eq!(until_refused(&backend, Resource::Request, now), (2, 4));
    drop(second);
}

/// However many threads ask, exactly as many get one as there are.
#[test]
fn threads_together_get_exactly_the_limit() {
    let now = Instant::now();
    for threads in [1, 2, 4] {
        for resource in ALL {
            let backend = Backend::new(limited(1_000), endpoints(1), now);
            let start = Barrier::new(threads);
            let got: Vec<_> = std::thread::scope(|scope| {
                let ask = || {
                    let mut worker = backend.worker();
                    start.wait();
                    (0..1_500).filter_map(|_| worker.acquire(resource, now).ok()).collect::<Vec<_>>()
                };
                let asking: Vec<_> = (0..threads).map(|_| scope.spawn(ask)).collect();
                asking.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert_eq!(got.iter().map(Vec::len).sum::<usize>(), 1_000, "{threads} threads, {resource}");
        }
    }
}

/// While threads take and give back, there are never more out than the limit, and none is lost.
#[test]
fn threads_together_never_hold_more_than_the_limit() {
    let now = Instant::now();
    for threads in [1, 2, 4] {
        let backend = Backend::new(limited(3), endpoints(1), now);
        let start = Barrier::new(threads);
        let (held, most) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            let hammer = || {
                let mut worker = backend.worker();
                start.wait();
                let mut successes = 0;
                while successes < 5_000 {
                    let wanted = 1 + successes % 2;
                    let permits: Vec<_> = (0..wanted)
                        .filter_map(|_| worker.acquire(Resource::Connection, now).ok())
                        .inspect(|_| {
                            most.fetch_max(held.fetch_add(1, Relaxed) + 1, Relaxed);
                        })
                        .collect();
                    if permits.is_empty() {
                        std::thread::yield_now();
                    } else {
                        successes += 1;
                    }
                    held.fetch_sub(permits.len() as u64, Relaxed);
                }
            };
            (0..threads).for_each(|_| drop(scope.spawn(hammer)));
        });
        let most = most.into_inner();
        assert!(most <= 3, "{most} at once by {threads} threads");
        assert_eq!(backend.usage().connections, 0);
        assert_eq!(until_refused(&backend, Resource::Connection, now), (3, 3));
    }
}

#[test]
fn a_budget_is_a_share_of_active_requests() {
    let now = Instant::now();
    let backend =
        Backend::new(Settings { pool: Arc::default(), ..budgeted(20.0, 3, Duration::ZERO) }, endpoints(1), now);
    let mut worker = backend.worker();
    assert_eq!(until_refused(&backend, Resource::Retry, now), (3, 3));
    let mut requests: Vec<_> = (0..19).map(|_| worker.acquire(Resource::Request, now).unwrap()).collect();
    assert_eq!(until_refused(&backend, Resource::Retry, now), (3, 3));
    requests.extend((0..6).map(|_| worker.acquire(Resource::PendingRequest, now).unwrap()));
    // A fifth of 25.
    assert_eq!(until_refused(&backend, Resource::Retry, now), (5, 5));
    requests.clear();
    assert_eq!(until_refused(&backend, Resource::Retry, now), (3, 3));
}

#[test]
fn a_budget_takes_the_place_of_the_limit() {
    let now = Instant::now();
    let backend = Backend::new(budgeted(0.0, 5, Duration::ZERO), endpoints(1), now);
    assert_eq!(until_refused(&backend, Resource::Retry, now), (5, 5));
    assert_eq!(until_refused(&backend, Resource::Request, now), (1, 1));
}

#[test]
fn a_budget_with_an_interval_remembers_requests() {
    let now = Instant::now();
    let backend = Backend::new(budgeted(50.0, 1, Duration::from_secs(10)), endpoints(1), now);
    let mut worker = backend.worker();
    // One after another: never more than one is active.
    (0..12).for_each(|_| drop(worker.acquire(Resource::Request, now).unwrap()));
    assert_eq!(until_refused(&backend, Resource::Retry, now), (6, 6));
    let later = |millis| now + Duration::from_millis(millis);
    (0..4).for_each(|_| drop(worker.acquire(Resource::Request, later(5_000)).unwrap()));
    assert_eq!(until_refused(&backend, Resource::Retry, later(9_999)), (8, 8));
    assert_eq!(until_refused(&backend, Resource::Retry, later(10_000)), (2, 2));
    assert_eq!(until_refused(&backend, Resource::Retry, later(15_000)), (1, 1));
    // What is refused was no request.
    let held = worker.acquire(Resource::Request, later(20_000)).unwrap();
    (0..50).for_each(|_| assert!(worker.acquire(Resource::Request, later(20_000)).is_err()));
    assert_eq!(until_refused(&backend, Resource::Retry, later(20_000)), (1, 1));
    drop(held);
}

#[test]
fn a_refusal_names_the_field() {
    let overflow = Overflow { resource: Resource::Connection, limit: 7 };
    let expected = "connections at once are at the limit of 7; raise \
                    trafficPolicy.connectionPool.tcp.maxConnections of the DestinationRule, or find out why they last so long";
    assert_eq!(overflow.to_string(), expected);
}
