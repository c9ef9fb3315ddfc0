use super::*;
use crate::http::filters::samples::{backend, target};

fn targets(weights: &[u32]) -> Vec<Target> {
    weights.iter().enumerate().map(|(at, weight)| target(&backend(&format!("b{at}"), *weight))).collect()
}

fn drawn(targets: &[Target], random: u64) -> Option<&str> {
    match draw(targets, random) {
        Drawn::Target(target) => Some(&target.backend.host),
        _ => None,
    }
}

/// A random number that stands for `share` of a hundred.
fn hundredth(share: u64) -> u64 {
    u64::MAX / 100 * share
}

#[test]
fn shares_are_those_of_the_weights() {
    let targets = targets(&[90, 0, 10]);
    let mut counts = [0; 3];
    for share in 0..100 {
        // The middle of each hundredth.
        let host = drawn(&targets, hundredth(share) + u64::MAX / 200).unwrap();
        counts[usize::from(host.as_bytes()[1] - b'0')] += 1;
    }
    assert_eq!(counts, [90, 0, 10]);
    assert_eq!(drawn(&targets, 0), Some("b0"));
    assert_eq!(drawn(&targets, u64::MAX), Some("b2"));
}

#[test]
fn sums_need_not_be_a_hundred() {
    let targets = targets(&[1, 2]);
    assert_eq!(drawn(&targets, u64::MAX / 3), Some("b0"));
    assert_eq!(drawn(&targets, u64::MAX / 3 + 2), Some("b1"));
}

#[test]
fn an_only_backend_needs_no_weight() {
    assert_eq!(drawn(&targets(&[0]), 7), Some("b0"));
}

#[test]
fn nobody_to_draw() {
    assert_eq!(draw(&[], 7), Drawn::Nothing);
    assert_eq!(draw(&targets(&[0, 0]), 7), Drawn::Nothing);
}

#[test]
fn what_is_missing_keeps_its_share() {
    let mut targets = targets(&[50, 50]);
    targets[1].missing = Some(MissingPart::Subset);
    assert_eq!(drawn(&targets, 0), Some("b0"));
    assert_eq!(draw(&targets, u64::MAX), Drawn::Missing(&targets[1], MissingPart::Subset));
    targets.remove(0);
    assert_eq!(draw(&targets, 0), Drawn::Missing(&targets[0], MissingPart::Subset));
}
