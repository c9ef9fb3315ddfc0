use super::*;

const MS: fn(u64) -> Duration = Duration::from_millis;

#[test]
fn each_window_is_twice_the_one_before_up_to_ten_times_the_base() {
    let backoff = Backoff::new(MS(25));
    let longest = |retry| backoff.delay(retry, u64::MAX) + Duration::from_nanos(1);
    assert_eq!([1, 2, 3, 4, 5, 6, u32::MAX].map(longest), [25, 50, 100, 200, 250, 250, 250].map(MS));
    assert_eq!([1, 2, 3, 100].map(|retry| backoff.delay(retry, 0)), [Duration::ZERO; 4]);
}

#[test]
fn a_delay_is_the_random_part_of_its_window() {
    let backoff = Backoff::new(MS(40));
    assert_eq!(backoff.delay(2, u64::MAX / 4 + 1), MS(20));
    assert_eq!(backoff.delay(4, u64::MAX / 2 + 1), MS(160));
}

#[test]
fn the_maximum_can_be_set_but_not_below_the_base() {
    let longest = |backoff: Backoff, retry| backoff.delay(retry, u64::MAX) + Duration::from_nanos(1);
    assert_eq!(longest(Backoff::new(MS(10)).with_max(MS(15)), 3), MS(15));
    assert_eq!(longest(Backoff::new(MS(10)).with_max(MS(1)), 3), MS(10));
}

#[test]
fn there_is_no_overflow() {
    let backoff = Backoff::new(Duration::MAX);
    assert_eq!(backoff.delay(u32::MAX, u64::MAX), Duration::from_nanos(u64::MAX - 1));
    assert_eq!(Backoff::new(Duration::ZERO).delay(3, u64::MAX), Duration::ZERO);
}

#[test]
fn the_meshs_default_begins_with_25_ms() {
    assert_eq!(Backoff::from(&RetryPolicy::default()), Backoff::new(MS(25)));
}
