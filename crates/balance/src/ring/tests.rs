//! Positions and counts are those of Envoy's own tests.

use super::*;

const KEYS: [&str; 6] =
    ["127.0.0.1:90", "127.0.0.1:91", "127.0.0.1:92", "127.0.0.1:93", "127.0.0.1:94", "127.0.0.1:95"];

/// Members 0 and on, of these weights, as `127.0.0.1:90` and on.
fn shares(weights: &[u32]) -> Vec<Share<'static>> {
    let sum: u32 = weights.iter().sum();
    let share = |(member, weight): (u32, &u32)| Share {
        member,
        part: f64::from(*weight) / f64::from(sum),
        hash_key: KEYS[member as usize],
    };
    (0..).zip(weights).map(share).collect()
}

#[test]
fn a_ring_is_envoys() {
    let ring = Ring::new(&shares(&[1; 6]), 12);
    let expected = [
        (833_437_586_790_550_860, 4),
        (928_266_305_478_181_108, 2),
        (1_033_482_794_131_418_490, 0),
        (3_551_244_743_356_806_947, 5),
        (3_851_675_632_748_031_481, 3),
        (5_583_722_120_771_150_861, 1),
        (6_311_230_543_546_372_928, 1),
        (7_700_377_290_971_790_572, 3),
        (13_144_177_310_400_110_813, 5),
        (13_444_792_449_719_432_967, 2),
        (15_516_499_411_664_133_160, 4),
        (16_117_243_373_044_804_889, 0),
    ];
    assert_eq!(ring.0, expected);
}

#[test]
fn a_hash_leads_to_the_next_point_and_past_the_last_to_the_first() {
    let ring = Ring::new(&shares(&[1; 6]), 12);
    let found = |hash| ring.find(hash, |_| true).unwrap();
    assert_eq!(found(0), 4);
    assert_eq!(found(3_551_244_743_356_806_947), 5);
    assert_eq!(found(3_551_244_743_356_806_948), 3);
    assert_eq!(found(16_117_243_373_044_804_880), 0);
    assert_eq!(found(u64::MAX), 4);
}

#[test]
fn who_is_not_allowed_is_passed_over() {
    let ring = Ring::new(&shares(&[1; 6]), 12);
    assert_eq!(ring.find(0, |member| member != 4), Some(2));
    assert_eq!(ring.find(0, |member| ![4, 2, 0, 5].contains(&member)), Some(3));
    // Round the end.
    assert_eq!(ring.find(15_000_000_000_000_000_000, |member| ![4, 0].contains(&member)), Some(2));
    assert_eq!(ring.find(0, |_| false), None);
}

#[test]
fn points_are_shared_out_by_weight() {
    let ring = Ring::bounded(&shares(&[1, 2, 3]), 6, 6);
    let expected = [
        (928_266_305_478_181_108, 2),
        (4_443_673_547_860_492_590, 2),
        (5_583_722_120_771_150_861, 1),
        (6_311_230_543_546_372_928, 1),
        (13_444_792_449_719_432_967, 2),
        (16_117_243_373_044_804_889, 0),
    ];
    assert_eq!(ring.0, expected);

    let ring = Ring::new(&shares(&[1, 2, 3]), 6144);
    assert_eq!(ring.0.len(), 6144);
    let mut hits = [0; 3];
    for hash in (0..6000).map(|step| step * (u64::MAX / 6000)) {
        hits[ring.find(hash, |_| true).unwrap() as usize] += 1;
    }
    assert_eq!(hits, [987, 1932, 3081]);
}

#[test]
fn all_get_whole_numbers_of_points_even_if_the_ring_grows_by_it() {
    assert_eq!(Ring::new(&shares(&[1; 2]), 3).0.len(), 4);
    assert_eq!(Ring::new(&shares(&[1; 6]), 1).0.len(), 6);
    assert_eq!(Ring::new(&shares(&[1; 6]), 0).0.len(), 6);
}

#[test]
fn a_ring_does_not_grow_without_bound_for_a_light_member() {
    let ring = Ring::new(&shares(&[1, 2_000_000]), 1024);
    assert_eq!(ring.0.len(), 1024 * 1024);
    assert_eq!(ring.0.iter().filter(|(_, member)| *member == 0).count(), 1);
}

#[test]
fn a_ring_of_nobody_leads_nowhere() {
    assert_eq!(Ring::new(&[], 1024).find(7, |_| true), None);
}
