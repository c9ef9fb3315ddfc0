use super::*;
use crate::testing::assert_about;

const TRIALS: u32 = 40_000;

/// How often each of `count` members is drawn.
fn draws(count: usize, mut draw: impl FnMut(&mut Dice) -> Option<u32>) -> Vec<u32> {
    let mut dice = Dice::new(2026);
    let mut draws = vec![0; count];
    for _ in 0..TRIALS {
        draws[draw(&mut dice).unwrap() as usize] += 1;
    }
    draws
}

#[test]
fn each_is_as_likely_as_any_other() {
    let drawn = draws(10, |dice| uniform(3..10, dice, |_| true));
    assert_eq!(drawn[..3], [0; 3]);
    drawn[3..].iter().for_each(|drawn| assert_about(*drawn, TRIALS, 1.0 / 7.0));
}

#[test]
fn of_few_allowed_each_is_as_likely_too() {
    let drawn = draws(100, |dice| uniform(0..100, dice, |member| member % 30 == 7));
    let allowed: Vec<_> = (0..100).filter(|member| drawn[*member] > 0).collect();
    assert_eq!(allowed, [7, 37, 67, 97]);
    for member in allowed {
        assert_about(drawn[member], TRIALS, 0.25);
    }
}

#[test]
fn weights_are_likelihoods() {
    let sums = [1, 3, 6, 10];
    let drawn = draws(14, |dice| weighted(10, &sums, dice, |_| true));
    for (weight, drawn) in (1..).zip(&drawn[10..]) {
        assert_about(*drawn, TRIALS, f64::from(weight) / 10.0);
    }
    assert_eq!(drawn[..10], [0; 10]);
}

#[test]
fn weights_of_few_allowed_are_likelihoods_too() {
    // 50 of weight 50, and two of 1 and 3.
    let sums: Vec<_> = (1..=50).map(|member| member * 50).chain([2_501, 2_504]).collect();
    let drawn = draws(52, |dice| weighted(0, &sums, dice, |member| member >= 50));
    assert_about(drawn[50], TRIALS, 0.25);
    assert_about(drawn[51], TRIALS, 0.75);
}

#[test]
fn of_nobody_nobody_is_drawn() {
    let mut dice = Dice::new(1);
    assert_eq!(uniform(5..5, &mut dice, |_| true), None);
    assert_eq!(uniform(0..5, &mut dice, |_| false), None);
    assert_eq!(weighted(0, &[], &mut dice, |_| true), None);
    assert_eq!(weighted(0, &[1, 2], &mut dice, |_| false), None);
    assert_eq!(less_loaded_of_two(0..5, &mut dice, |_| false, |_| 0), None);
}

#[test]
fn of_two_it_is_always_the_less_loaded() {
    let drawn = draws(2, |dice| less_loaded_of_two(0..2, dice, |_| true, |member| [5, 4][member as usize]));
    assert_eq!(drawn, [0, TRIALS]);
    let drawn = draws(5, |dice| less_loaded_of_two(0..5, dice, |member| member == 3, |_| 9));
    assert_eq!(drawn, [0, 0, 0, TRIALS, 0]);
}

#[test]
fn of_many_the_kth_loaded_is_drawn_as_pairs_have_it() {
    // Member k is taken when the other of the pair is one of those more loaded.
    let drawn = draws(5, |dice| less_loaded_of_two(0..5, dice, |_| true, |member| member));
    for (member, drawn) in (0_u32..).zip(drawn) {
        assert_about(drawn, TRIALS, f64::from(2 * (4 - member)) / 20.0);
    }
}

#[test]
fn equally_loaded_ones_are_equally_likely() {
    let drawn = draws(4, |dice| less_loaded_of_two(0..4, dice, |_| true, |_| 1));
    for drawn in drawn {
        assert_about(drawn, TRIALS, 0.25);
    }
}
