use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
    time::Duration,
};

use super::*;

const SECOND: u64 = 1_000_000_000;

/// Keys as a good hash makes them.
fn key(number: u64) -> u64 {
    let mixed = (number ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xff51_afd7_ed55_8ccd);
    (mixed ^ (mixed >> 32)).wrapping_mul(0xc4ce_b9fe_1a85_ec53) ^ (mixed >> 29)
}

fn buckets(count: u32) -> Buckets {
    Buckets::new(Rate::new(count, Duration::from_secs(1), count))
}

#[test]
fn each_key_counts_for_itself() {
    let buckets = buckets(3);
    for round in 0..5 {
        for number in 0..100 {
            assert_eq!(buckets.take(key(number), 1).is_ok(), round < 3, "{number} in round {round}");
        }
    }
    assert!(buckets.take(0, 1).is_ok(), "no hash is nobody");
    assert!(!buckets.are_full(1));
    assert!(buckets.are_full(2 * SECOND));
}

/// Keys without end neither take away what others have used nor give whoever makes them up more than their bucket each.
#[test]
fn keys_without_end_push_nobody_out() {
    let buckets = buckets(2);
    let known: Vec<u64> = (0..1000).map(key).collect();
    for known in &known {
        assert!(buckets.take(*known, 1).is_ok() && buckets.take(*known, 1).is_ok());
    }
    let made_up = (1_000..1_001_000).filter(|number| buckets.take(key(*number), 1).is_ok()).count();
    assert!(made_up <= KEYS - known.len() + 2, "{made_up}");
    for known in &known {
        assert!(buckets.take(*known, 1).is_err(), "what it has used is not forgotten");
    }
    // Those who were there get their next one when it is due, while the flood goes on.
    let later = SECOND / 2 + 1;
    let served = known.iter().filter(|known| buckets.take(**known, later).is_ok()).count();
    assert_eq!(served, known.len());
}

#[test]
fn a_place_is_anothers_once_nothing_is_left_to_remember() {
    let buckets = buckets(1);
    for second in 0..20 {
        let now = second * 2 * SECOND + 1;
        let passed = (0..4_000).filter(|number| buckets.take(key(second * 4_000 + number), now).is_ok()).count();
        assert!(passed > 3_990, "{passed} in round {second}");
    }
}

#[test]
fn workers_together_take_no_more_of_a_key_than_there_is() {
    let buckets = Buckets::new(Rate::new(1, Duration::from_secs(3600), 1_000));
    let passed = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let took = (0..20_000).filter(|number| buckets.take(key(number % 10), 1).is_ok()).count();
                passed.fetch_add(took, Relaxed);
            });
        }
    });
    assert_eq!(passed.load(Relaxed), 10_000);
}
