//! Picking at random, among those that are allowed.

use std::ops::Range;

use crate::dice::Dice;

/// So often the dice are rolled again when they name one that isn't allowed, before the allowed ones are counted.
const ROLLS: usize = 4;

/// One of `members` that is allowed, each as likely as any other.
pub(crate) fn uniform(members: Range<u32>, dice: &mut Dice, allowed: impl Fn(u32) -> bool) -> Option<u32> {
    if members.is_empty() {
        return None;
    }
    for _ in 0..ROLLS {
        let member = members.start + dice.index(members.end - members.start);
        if allowed(member) {
            return Some(member);
        }
    }
    let many = members.clone().filter(|member| allowed(*member)).count() as u64;
    let nth = if many == 0 { return None } else { dice.below(many) };
    members.filter(|member| allowed(*member)).nth(usize::try_from(nth).unwrap_or(0))
}

/// One of the members from `first` on that is allowed, as likely as it weighs; `cumulative` are sums of their weights,
/// each with its own.
pub(crate) fn weighted(first: u32, cumulative: &[u64], dice: &mut Dice, allowed: impl Fn(u32) -> bool) -> Option<u32> {
    let total = *cumulative.last()?;
    for _ in 0..ROLLS {
        let mark = dice.below(total);
        let member = first + u32::try_from(cumulative.partition_point(|sum| *sum <= mark)).ok()?;
        if allowed(member) {
            return Some(member);
        }
    }
    let weights = || {
        let before = std::iter::once(&0).chain(cumulative);
        let each = (first..).zip(cumulative.iter().zip(before)).map(|(member, (sum, before))| (member, sum - before));
        each.filter(|(member, _)| allowed(*member))
    };
    let total: u64 = weights().map(|(_, weight)| weight).sum();
    let mut mark = if total == 0 { return None } else { dice.below(total) };
    weights()
        .find(|(_, weight)| {
            let here = mark < *weight;
            mark = mark.saturating_sub(*weight);
            here
        })
        .map(|(member, _)| member)
}

/// The less loaded of two different ones at random; of one alone, that one.
///
/// Envoy may draw the same one twice; two that differ are never worse.
pub(crate) fn less_loaded_of_two<L: PartialOrd>(
    members: Range<u32>,
    dice: &mut Dice,
    allowed: impl Fn(u32) -> bool,
    load: impl Fn(u32) -> L,
) -> Option<u32> {
    let one = uniform(members.clone(), dice, &allowed)?;
    Some(match uniform(members, dice, |member| member != one && allowed(member)) {
        Some(other) => lighter(one, other, load),
        None => one,
    })
}

/// The less loaded of two draws, which may both draw the same one: whatever the loads, one of which the part `p` is
/// drawn is picked with a probability of at least `p^2`, and at most `1 - (1 - p)^2`; and of loads that say nothing, `p`.
pub(crate) fn less_loaded_of_two_draws<L: PartialOrd>(
    mut draw: impl FnMut() -> Option<u32>,
    load: impl Fn(u32) -> L,
) -> Option<u32> {
    let (one, other) = (draw()?, draw()?);
    Some(if one == other { one } else { lighter(one, other, load) })
}

/// The first, unless the other is less loaded.
fn lighter<L: PartialOrd>(one: u32, other: u32, load: impl Fn(u32) -> L) -> u32 {
    if load(other) < load(one) { other } else { one }
}

#[cfg(test)]
mod tests;
