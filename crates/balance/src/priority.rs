//! Which priority group a request goes to.

/// In per cent: a group of which 1/1.4 is usable takes everything (Envoy's overprovisioning factor).
const OVERPROVISIONING: u64 = 140;

/// How many endpoints of a group can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Health {
    /// All.
    pub(crate) total: u32,
    /// Those that are ready.
    pub(crate) ready: u32,
    /// Those that are ready and not ejected.
    pub(crate) usable: u32,
}

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Index of the group.
    pub(crate) group: usize,
    /// Whether so few of it are usable that ejections are disregarded.
    pub(crate) panic: bool,
}

/// Chooses one of `count` groups, in the order of their priorities, by a number from 0 to 99; nothing if no endpoint
/// is usable.
///
/// As Envoy: a group takes 1.4 times the part of it that is usable, the next one what is left; if all together can't
/// take everything, each takes its part of what they can, and a group that is then below `panic_percent` uses all
/// that are ready. If every group is, each gets its part by number. Groups to be avoided count as failed, unless no
/// other can take anything.
pub(crate) fn choose(
    count: usize,
    health: impl Fn(usize) -> Health,
    panic_percent: u32,
    roll: u64,
    avoided: impl Fn(usize) -> bool,
) -> Option<Choice> {
    let capacity = |index| health(index).capacity();
    let preferred = |index| if avoided(index) { 0 } else { capacity(index) };
    if (0..count).any(|index| preferred(index) > 0) {
        among(count, &health, &preferred, panic_percent, roll)
    } else {
        among(count, &health, &capacity, panic_percent, roll)
    }
}

fn among(
    count: usize,
    health: &impl Fn(usize) -> Health,
    capacity: &impl Fn(usize) -> u64,
    panic_percent: u32,
    roll: u64,
) -> Option<Choice> {
    let together = (0..count).map(capacity).sum::<u64>().min(100);
    let in_panic = |index: usize| {
        let health = health(index);
        together < 100 && u64::from(health.usable) * 100 < u64::from(panic_percent) * u64::from(health.total)
    };
    if (0..count).all(in_panic) {
        let ready = |index| u64::from(health(index).ready);
        let group = share_out(count, ready, (0..count).map(ready).sum(), roll)?;
        Some(Choice { group, panic: true })
    } else if together == 0 {
        // Less than a hundredth of each, and no panic: those few are all there is.
        let group = (0..count).find(|index| health(*index).usable > 0)?;
        Some(Choice { group, panic: false })
    } else {
        let group = share_out(count, capacity, together, roll)?;
        Some(Choice { group, panic: in_panic(group) })
    }
}

/// The index into whose part `roll` falls, if each gets whole per cents of `sum` by its weight, the first that has any
/// also what rounding leaves, and none is left for those that come after the hundredth.
fn share_out(count: usize, weight: impl Fn(usize) -> u64, sum: u64, roll: u64) -> Option<usize> {
    let load = |index| (weight(index) * 100).checked_div(sum).unwrap_or(0);
    let first = (0..count).find(|index| weight(*index) > 0)?;
    let left = 100_u64.saturating_sub((0..count).map(load).sum());
    let mut end = 0;
    (first..count).find(|index| {
        end += load(*index) + if *index == first { left } else { 0 };
        roll < end
    })
}

// === impl Health ===

impl Health {
    /// How many per cent of the requests it can take, 100 at most.
    fn capacity(self) -> u64 {
        (OVERPROVISIONING * u64::from(self.usable)).checked_div(u64::from(self.total)).unwrap_or(0).min(100)
    }
}

#[cfg(test)]
mod tests;
