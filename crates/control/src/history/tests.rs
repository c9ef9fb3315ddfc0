use std::time::Duration;

use super::*;

#[test]
fn lag_counts_commits_and_time_since_the_oldest_missing() {
    let history = History::default();
    let start = Instant::now();
    for (version, second) in [(7, 0), (8, 1), (12, 2)] {
        history.committed(version, start + Duration::from_secs(second));
    }
    let now = start + Duration::from_secs(5);
    assert_eq!(history.lag(12, now), Lag { commits: 0, millis: 0 });
    assert_eq!(history.lag(8, now), Lag { commits: 1, millis: 3_000 });
    assert_eq!(history.lag(0, now), Lag { commits: 3, millis: 5_000 });
    assert_eq!(history.at(8), Some(start + Duration::from_secs(1)));
    assert_eq!(history.at(9), None);
}

#[test]
fn history_is_bounded() {
    let history = History::default();
    for version in 0..2 * LIMIT as u64 {
        history.committed(version, Instant::now());
    }
    assert_eq!(history.lag(0, Instant::now()).commits, LIMIT);
}
