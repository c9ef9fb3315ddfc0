use super::*;

#[test]
fn small_values_are_exact() {
    for value in 0..256 {
        assert_eq!(middle(bucket(value)), value);
    }
}

#[test]
fn large_values_are_near() {
    for value in [257, 1_000, 65_535, 65_536, 123_456_789, u64::from(u32::MAX), u64::MAX / 3, u64::MAX] {
        let found = middle(bucket(value));
        assert!(found.abs_diff(value) <= value >> PRECISION, "{value} became {found}");
    }
}

#[test]
fn buckets_are_in_order_and_enough() {
    let mut last = 0;
    for shift in 0..64 {
        for step in [0_u64, 1, 3] {
            let index = bucket((1_u64 << shift) + ((step << shift) >> 2));
            assert!(index >= last);
            last = index;
        }
    }
    assert!(bucket(u64::MAX) < BUCKETS);
}

#[test]
fn quantiles_count_from_below() {
    let mut histogram = Histogram::default();
    assert_eq!(histogram.quantile(500), 0);
    for value in 1..=100 {
        histogram.record(value);
    }
    let mut all = Histogram::default();
    all.merge(&histogram);
    assert_eq!((all.quantile(500), all.quantile(990), all.quantile(1000), all.total()), (50, 99, 100, 100));
}
