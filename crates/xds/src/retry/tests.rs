use super::*;

#[test]
fn doubles_to_its_limit_with_jitter_and_starts_anew() {
    let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(50));
    for step in [10, 20, 40, 50, 50] {
        let step = Duration::from_millis(step);
        let wait = backoff.wait();
        assert!(wait >= step / 2 && wait <= step, "{wait:?} of {step:?}");
    }
    backoff.reset();
    assert!(backoff.wait() <= Duration::from_millis(10));
}
