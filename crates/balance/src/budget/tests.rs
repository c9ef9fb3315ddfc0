use std::time::Duration;

use ripstop_model::Share;

use super::*;

fn budget(percent: f64, min_concurrency: u32, min_per_second: u32) -> RetryBudget {
    RetryBudget { share: Share::from_percent(percent), min_concurrency, min_per_second, interval: Duration::ZERO }
}

/// How many retries there may be now.
fn allowed(request: &Budgeted, settings: &RetryBudget, now: u64) -> usize {
    std::iter::from_fn(|| request.retry(settings, now).ok()).take(100).collect::<Vec<_>>().len()
}

#[test]
fn retries_are_a_share_of_the_requests_under_way() {
    let shared = Arc::new(Budget::default());
    let requests: Vec<_> = (0..10).map(|_| shared.begin()).collect();
    assert_eq!(allowed(&requests[0], &budget(20.0, 0, 0), 0), 2);
    assert_eq!(allowed(&requests[0], &budget(20.0, 3, 0), 0), 3);
    assert_eq!(allowed(&requests[0], &budget(0.0, 0, 0), 0), 0);
    let held: Vec<_> = (0..2).map(|_| requests[9].retry(&budget(20.0, 0, 0), 0).unwrap()).collect();
    let refused = requests[0].retry(&budget(20.0, 0, 0), 0).unwrap_err();
    assert_eq!(refused, Overflow { resource: Resource::Retry, limit: 2 });
    drop((requests, held));
    assert!(shared.is_idle(0));
}

#[test]
fn a_rate_holds_beyond_the_share() {
    let shared = Arc::new(Budget::default());
    let request = shared.begin();
    let second = 1_000_000_000;
    assert_eq!(allowed(&request, &budget(0.0, 0, 4), 0), 4);
    assert_eq!(allowed(&request, &budget(0.0, 0, 4), second / 2), 2);
    assert_eq!(allowed(&request, &budget(100.0, 0, 4), second / 2), 1);
    drop(request);
    assert!(!shared.is_idle(second / 2) && shared.is_idle(10 * second));
}

#[test]
fn a_retry_that_is_not_made_costs_nothing() {
    let shared = Arc::new(Budget::default());
    let request = shared.begin();
    let settings = budget(0.0, 0, 1);
    request.retry(&settings, 0).unwrap().give_back();
    assert_eq!(allowed(&request, &settings, 0), 1);
    assert_eq!(allowed(&request, &settings, 0), 0);
    // What is within the share takes nothing from the reserve.
    request.retry(&budget(100.0, 0, 1), 0).unwrap().give_back();
    assert_eq!(allowed(&request, &settings, 0), 0);
}

/// However many threads ask, exactly as many get one as there are.
#[test]
fn threads_together_get_exactly_the_share() {
    let shared = Arc::new(Budget::default());
    let requests: Vec<_> = (0..400).map(|_| shared.begin()).collect();
    let (requests, settings) = (&requests, budget(25.0, 0, 0));
    let got: Vec<_> = std::thread::scope(|scope| {
        let ask = || (0..100).filter_map(|_| requests[0].retry(&settings, 0).ok()).collect::<Vec<_>>();
        let asking: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(got.iter().map(Vec::len).sum::<usize>(), 100);
}
