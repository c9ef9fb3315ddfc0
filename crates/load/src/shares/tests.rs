use super::*;

#[test]
fn each_gets_its_share_of_any_run() {
    let mut shares = Shares::new([7, 2, 1], 0);
    let mut counts = [0_i64; 3];
    for turn in 1..=100 {
        counts[shares.next()] += 1;
        for (count, weight) in counts.iter().zip([7, 2, 1]) {
            assert!((count * 10 - weight * turn).abs() <= 10, "{counts:?} of {turn}");
        }
    }
    assert_eq!(counts, [70, 20, 10]);
}

#[test]
fn places_begin_at_different_turns() {
    let firsts: Vec<usize> = (0..10).map(|start| Shares::new([7, 2, 1], start).next()).collect();
    assert_eq!(firsts.iter().filter(|first| **first == 0).count(), 7, "{firsts:?}");
}
