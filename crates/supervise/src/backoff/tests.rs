use super::*;

#[test]
fn doubles_up_to_the_limit() {
    let mut backoff = Backoff::workload();
    let pauses: Vec<_> = (0..11).map(|_| backoff.after(Duration::ZERO).as_millis()).collect();
    assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
}

#[test]
fn a_long_life_starts_anew() {
    let mut backoff = Backoff::role();
    for _ in 0..10 {
        backoff.after(Duration::from_secs(9));
    }
    assert_eq!(backoff.after(Duration::from_millis(9_999)), Duration::from_secs(1));
    assert_eq!(backoff.after(Duration::from_secs(10)), Duration::from_millis(10));
    assert_eq!(backoff.after(Duration::ZERO), Duration::from_millis(20));
    backoff.reset();
    assert_eq!(backoff.after(Duration::ZERO), Duration::from_millis(10));
}
