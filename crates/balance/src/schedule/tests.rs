use proptest::{collection::vec, prelude::*};

use super::*;

/// A schedule of members with these weights, and the function that gives their strides.
fn schedule(weights: &[u32], seed: u64) -> (Schedule, impl Fn(u32) -> u64 + Copy) {
    let heaviest = f64::from(*weights.iter().max().unwrap());
    let stride = move |member: u32| stride(f64::from(weights[member as usize]) / heaviest);
    let mut schedule = Schedule::with_capacity(weights.len());
    let members = (0..).zip(weights).map(|(member, _)| (member, stride(member)));
    schedule.remake(7, false, members, &mut Dice::new(seed));
    (schedule, stride)
}

fn turns(schedule: &mut Schedule, stride: impl Fn(u32) -> u64, count: u32) -> Vec<u32> {
    (0..count).map(|_| schedule.next(|_| true, &stride).unwrap()).collect()
}

proptest! {
    /// In a round of as many turns as all weights together, and in every later one, each has exactly its weight's.
    #[test]
    fn every_round_is_exact(weights in vec(1_u32..50, 1..12), seed: u64, offset in 0_u32..100) {
        let (mut schedule, stride) = schedule(&weights, seed);
        let round: u32 = weights.iter().sum();
        turns(&mut schedule, stride, offset);
        for _ in 0..3 {
            let round = turns(&mut schedule, stride, round);
            let counts: Vec<_> = (0..).zip(&weights).map(|(member, _)| count(&round, member)).collect();
            prop_assert_eq!(&counts, &weights);
        }
    }

    /// Turns are evenly spread: between two of its own, a member waits for no more turns of another than that one has
    /// in this time by its weight, rounded up.
    #[test]
    fn turns_are_evenly_spread(weights in vec(1_u32..20, 2..8), seed: u64) {
        let (mut schedule, stride) = schedule(&weights, seed);
        let turns = turns(&mut schedule, stride, 3 * weights.iter().sum::<u32>());
        for (member, weight) in (0..).zip(&weights) {
            let own: Vec<_> = (0..turns.len()).filter(|turn| turns[*turn] == member).collect();
            for gap in own.windows(2) {
                for (other, others) in (0..).zip(&weights).filter(|(other, _)| *other != member) {
                    let between = count(&turns[gap[0]..gap[1]], other);
                    prop_assert!(between <= others.div_ceil(*weight), "{between} of {other} between two of {member}");
                }
            }
        }
    }

    /// Whoever is not allowed for a while keeps its turn, and has no more than that one waiting.
    #[test]
    fn who_is_passed_over_keeps_its_turn(count in 2_u32..10, seed: u64, skipped in 1_u32..30) {
        let weights = vec![1; count as usize];
        let (mut schedule, stride) = schedule(&weights, seed);
        let next = schedule.next(|_| true, stride).unwrap();
        for _ in 0..skipped {
            prop_assert_ne!(schedule.next(|member| member != next, stride).unwrap(), next);
        }
        prop_assert!(schedule.next(|_| false, stride).is_none());
    }
}

fn count(turns: &[u32], member: u32) -> u32 {
    turns.iter().map(|turn| u32::from(*turn == member)).sum()
}

#[test]
fn equal_members_take_turns_in_one_order() {
    let (mut schedule, stride) = schedule(&[3; 5], 1);
    let first = turns(&mut schedule, stride, 5);
    let mut sorted = first.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, [0, 1, 2, 3, 4]);
    assert_eq!(turns(&mut schedule, stride, 5), first);
}

#[test]
fn beginnings_differ_by_the_dice() {
    let mut firsts: Vec<_> = (0..50)
        .map(|seed| {
            let (mut schedule, stride) = schedule(&[1; 4], seed);
            schedule.next(|_| true, stride).unwrap()
        })
        .collect();
    firsts.sort_unstable();
    firsts.dedup();
    assert_eq!(firsts, [0, 1, 2, 3]);
}

#[test]
fn heavy_turns_do_not_come_in_bursts() {
    for seed in 0..200 {
        let (mut schedule, stride) = schedule(&[5, 1, 1], seed);
        let turns = turns(&mut schedule, stride, 70);
        let burst = turns.chunk_by(|one, other| one == other).map(<[u32]>::len).max().unwrap();
        // At least three, since there are five in seven and two gaps; of weights taken in order it would be five.
        assert!((3..=4).contains(&burst), "{turns:?}");
    }
}

#[test]
fn an_excluded_member_comes_next() {
    let (mut schedule, stride) = schedule(&[1; 3], 9);
    let order = turns(&mut schedule, stride, 3);
    assert_eq!(schedule.next(|member| member != order[0], stride), Some(order[1]));
    assert_eq!(turns(&mut schedule, stride, 3), [order[0], order[2], order[0]]);
}

#[test]
fn deadlines_may_wrap() {
    let members = [(0, LONGEST_STRIDE), (1, LONGEST_STRIDE / 2)];
    let mut schedule = Schedule::with_capacity(2);
    schedule.remake(0, false, members.into_iter(), &mut Dice::new(4));
    let turns = turns(&mut schedule, |member| members[member as usize].1, 300);
    assert_eq!([count(&turns, 0), count(&turns, 1)], [100, 200]);
}

const LONGEST_STRIDE: u64 = 1 << 61;

#[test]
fn strides_are_bounded() {
    assert_eq!(stride(1.0), 1 << 24);
    assert_eq!(stride(0.25), 1 << 26);
    assert_eq!(stride(0.0), LONGEST_STRIDE);
    assert_eq!(stride(1e300), 4);
}

#[test]
fn a_schedule_fits_what_it_was_made_for() {
    let (schedule, _) = schedule(&[1], 0);
    assert!(schedule.fits(7, false));
    assert!(!schedule.fits(8, false));
    assert!(!schedule.fits(7, true));
    assert!(!Schedule::with_capacity(1).fits(0, false));
}

#[test]
fn an_empty_schedule_has_no_turn() {
    assert_eq!(Schedule::with_capacity(0).next(|_| true, |_| 1), None);
}
