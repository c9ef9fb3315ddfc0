use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
};

use super::*;

const SECOND: u64 = 1_000_000_000;

fn takes(bucket: &Bucket, rate: Rate, now: u64, times: usize) -> usize {
    (0..times).filter(|_| bucket.take(rate, now).is_ok()).count()
}

#[test]
fn a_burst_passes_and_then_so_many_in_an_interval() {
    let rate = Rate::new(10, Duration::from_secs(1), 25);
    let bucket = Bucket::default();
    assert_eq!(takes(&bucket, rate, 0, 100), 25, "a full one holds the burst");
    for tenth in 1..50 {
        assert_eq!(takes(&bucket, rate, tenth * SECOND / 10, 5), 1, "one each tenth of a second");
    }
    assert!(!bucket.is_full(6 * SECOND));
    assert!(bucket.is_full(8 * SECOND));
    assert_eq!(
        takes(&bucket, rate, 1000 * SECOND, 100),
        25,
        "it holds no more than the burst, however long nobody came"
    );
}

#[test]
fn what_is_left_and_how_long_to_wait_is_told() {
    let rate = Rate::new(2, Duration::from_secs(1), 3);
    let bucket = Bucket::default();
    let left: Vec<u64> = (0..3).map(|_| bucket.take(rate, SECOND).unwrap().left).collect();
    assert_eq!(left, [2, 1, 0]);
    let half = Duration::from_millis(500);
    let empty = bucket.take(rate, SECOND).unwrap_err();
    assert_eq!(empty, Empty { wait: half, full_in: 3 * half });
    let later = bucket.take(rate, SECOND + SECOND / 4).unwrap_err();
    assert_eq!(later.wait, half / 2);
    assert_eq!(bucket.take(rate, SECOND + SECOND / 2).unwrap().full_in, 3 * half);
}

#[test]
fn what_is_given_back_can_be_taken_again() {
    let rate = Rate::new(1, Duration::from_secs(3600), 2);
    let bucket = Bucket::default();
    let first = bucket.take(rate, 5).unwrap();
    assert!(bucket.take(rate, 5).is_ok());
    assert!(bucket.take(rate, 5).is_err());
    first.give_back();
    assert_eq!(takes(&bucket, rate, 5, 3), 1);
}

#[test]
fn extremes_do_not_overflow() {
    for (count, interval, burst) in [
        (1, Duration::MAX, u32::MAX),
        (u32::MAX, Duration::from_nanos(1), u32::MAX),
        (0, Duration::ZERO, 0),
        (1, Duration::from_secs(86_400), u32::MAX),
    ] {
        let rate = Rate::new(count, interval, burst);
        for now in [0, 1, SECOND, u64::MAX - 1, u64::MAX, 3] {
            let bucket = Bucket::default();
            assert!(bucket.take(rate, now).is_ok() || now > u64::MAX - 2, "{rate:?} at {now}");
            let _ = bucket.take(rate, 0);
        }
    }
}

/// Offered twice what may pass, for a simulated hour: as much passes as may, at whatever pace it comes.
#[test]
fn in_the_long_run_the_rate_is_kept() {
    for (count, interval, burst) in [(7, 1, 7), (100, 1, 1), (3, 10, 40), (1000, 60, 500)] {
        let rate = Rate::new(count, Duration::from_secs(interval), burst);
        let bucket = Bucket::default();
        let (mut now, mut passed, mut seed) = (0_u64, 0_u64, 1_u64);
        let mean = interval * SECOND / u64::from(count) / 2;
        while now < 3600 * SECOND {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            now += (seed >> 33) % (2 * mean + 1);
            passed += u64::from(bucket.take(rate, now).is_ok());
        }
        let expected = 3600 * u64::from(count) / interval + u64::from(burst);
        assert!(passed <= expected, "{count} in {interval} s: {passed} of {expected}");
        // With a burst of one a caller that comes at random misses some of its chances.
        let least = if burst == 1 { expected * 6 / 10 } else { expected * 98 / 100 };
        assert!(passed >= least, "{count} in {interval} s: {passed} of {expected}");
    }
}

#[test]
fn workers_together_take_no_more_than_there_is() {
    let rate = Rate::new(1, Duration::from_secs(3600), 10_000);
    let bucket = Bucket::default();
    let passed = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| passed.fetch_add(takes(&bucket, rate, 1, 5_000), Relaxed));
        }
    });
    assert_eq!(passed.load(Relaxed), 10_000);
}
