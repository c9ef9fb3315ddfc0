//! `maxRetries` and `retryBudget`: however many workers, there are never more retries than may be, and never less.

use std::{rc::Rc, sync::Arc, time::Duration};

use ripstop_balance::Resource;
use ripstop_model::{BackendSettings, ConnectionPool, PortSettings, RetryBudget, Share};
use tokio::time::Instant;

use super::{
    proxy::{Attempt, CREWS, End, Proxy, Rules, run},
    requests::Load,
};

/// So many of a hundred answers are failures, and retries are allowed as long as there are less of them than `limit`
/// says.
struct Failing<F> {
    percent: u64,
    limit: F,
}

impl<F: Fn(&Proxy) -> Limit> Rules for Failing<F> {
    fn answer(&self, attempt: Attempt) -> u16 {
        if attempt.random % 100 < self.percent { 503 } else { 200 }
    }

    fn asked_to_retry(&self, proxy: &Proxy, given: bool) {
        let there = proxy.seen.retrying.now();
        match (self.limit)(proxy) {
            Limit::Exactly(limit) => assert_eq!(given, there < limit, "{there} retries, and {limit} may be"),
            Limit::AtMost(limit) => assert!(!given || there < limit, "{there} retries, and {limit} may be at most"),
        }
    }
}

/// How many retries there may be.
enum Limit {
    /// So many.
    Exactly(usize),
    /// Not more, but perhaps less.
    AtMost(usize),
}

/// Lets requests come to proxies of all crews; how they ended, and how many retries there were at most and altogether,
/// which must be the same for all.
fn everywhere<F: Fn(&Proxy) -> Limit + Copy + 'static>(
    load: Load,
    (percent, retries): (u64, u32),
    settings: &BackendSettings,
    limit: F,
) -> (Vec<End>, usize, usize) {
    let requests = load.draw();
    let seen = CREWS.map(|workers| {
        run(async {
            let proxy = Proxy::new(workers, &[1; 4], settings.clone(), retries);
            let ends = proxy.take(&requests, &Rc::new(Failing { percent, limit })).await;
            (ends, proxy.seen.retrying.most(), proxy.seen.attempts.get() - requests.len())
        })
    });
    let [one, two, four] = seen;
    assert!(one == two && one == four, "workers make a difference");
    one
}

fn budget(percent: f64, min_concurrency: u32, interval: Duration) -> BackendSettings {
    let budget = RetryBudget { share: Share::from_percent(percent), min_concurrency, min_per_second: 0, interval };
    BackendSettings { retry_budget: Some(budget), ..BackendSettings::default() }
}

#[test]
fn as_many_retries_are_made_at_once_as_may_be() {
    let pool = ConnectionPool { max_retries: Some(5), ..ConnectionPool::default() };
    let general = PortSettings { pool: Some(Arc::new(pool)), ..PortSettings::default() };
    let settings = BackendSettings { general, ..BackendSettings::default() };
    let load = Load { seed: 4, count: 4_000, pause: 5.0, takes: (20, 60) };
    let (ends, most, retries) = everywhere(load, (50, 3), &settings, |_| Limit::Exactly(5));
    assert_eq!(most, 5);
    let refused = ends.iter().filter(|end| **end == End::Beyond(Resource::Retry)).count();
    assert!(refused > 500 && retries > 1_000, "{refused} were refused, {retries} made");
}

/// A share of the requests that are there.
#[test]
fn a_budget_keeps_retries_to_its_share_of_requests() {
    let there = |proxy: &Proxy| Limit::Exactly((proxy.seen.active.now() / 5).max(3));
    // A hundred requests at once, and all fail. Four attempts each would be 12,000 retries.
    let load = Load { seed: 5, count: 4_000, pause: 1.0, takes: (100, 100) };
    let (_, most, retries) = everywhere(load, (100, 3), &budget(20.0, 3, Duration::ZERO), there);
    assert!(most > 15, "{most}");
    assert!((500..1_200).contains(&retries), "{retries}");
}

/// Its minimum, where there is hardly any request.
#[test]
fn a_budget_has_a_minimum() {
    let load = Load { seed: 6, count: 3_000, pause: 20.0, takes: (40, 80) };
    let (ends, most, _) = everywhere(load, (60, 2), &budget(1.0, 2, Duration::ZERO), |_| Limit::Exactly(2));
    assert_eq!(most, 2);
    assert!(ends.contains(&End::Beyond(Resource::Retry)));
}

/// A rate beyond the share, which hardly any request has.
#[test]
fn a_budget_has_a_rate_of_its_own() {
    let rate = RetryBudget {
        share: Share::from_percent(0.0),
        min_concurrency: 0,
        min_per_second: 10,
        interval: Duration::ZERO,
    };
    let settings = BackendSettings { retry_budget: Some(rate), ..BackendSettings::default() };
    // A hundred requests in a second for 40 s, and all fail.
    let load = Load { seed: 8, count: 4_000, pause: 10.0, takes: (20, 40) };
    let (ends, _, retries) = everywhere(load, (100, 3), &settings, |_| Limit::AtMost(usize::MAX));
    assert!((360..=430).contains(&retries), "{retries}");
    let refused = ends.iter().filter(|end| **end == End::Beyond(Resource::Retry)).count();
    assert!(refused > 3_000, "{refused} were refused");
}

/// A share of the requests that began of late, to a tenth of the interval.
#[test]
fn a_budget_with_an_interval_looks_back() {
    const INTERVAL: Duration = Duration::from_secs(2);
    let began_within = |proxy: &Proxy, interval: Duration| {
        let (now, began) = (Instant::now(), proxy.seen.began.borrow());
        began.iter().rev().take_while(|began| now.duration_since(**began) <= interval).count()
    };
    let at_most = move |proxy: &Proxy| Limit::AtMost((began_within(proxy, INTERVAL) / 50).max(1));
    let load = Load { seed: 7, count: 4_000, pause: 5.0, takes: (50, 150) };
    let (ends, most, retries) = everywhere(load, (100, 2), &budget(2.0, 1, INTERVAL), at_most);
    // 400 of 2 s, of which a tenth may not be counted: 7 or 8 at once.
    assert!((7..=9).contains(&most), "{most}");
    let refused = ends.iter().filter(|end| **end == End::Beyond(Resource::Retry)).count();
    assert!(refused > 2_000 && retries > 500, "{refused} were refused, {retries} made");
}
