use std::{sync::Arc, time::Duration};

use ripstop_balance::Budget;
use ripstop_model::{RetryBudget, Share};

use super::*;

#[test]
fn what_is_not_made_costs_the_route_nothing() {
    // One in a second, beyond a share that there is not.
    let settings =
        RetryBudget { share: Share::NONE, min_concurrency: 0, min_per_second: 1, interval: Duration::from_secs(10) };
    let budget = Arc::new(Budget::default());
    let request = budget.begin();
    let retry = |is_made| {
        let retry = request.retry(&settings, 0).ok()?;
        Some(OfRoute { retry: Some(retry), is_made })
    };
    for _ in 0..100 {
        assert!(retry(false).is_some());
    }
    let mut made = 0;
    while retry(true).is_some() {
        made += 1;
        assert!(made < 100, "it is spent at some time");
    }
    assert!(made > 0 && retry(false).is_none());
}
