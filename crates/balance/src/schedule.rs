//! Whose turn it is: earliest deadline first.

use crate::dice::{Dice, scale};

/// The stride of a member of weight 1 beside none heavier: 2^24.
const UNIT: f64 = 16_777_216.0;
/// No stride is longer, so that deadlines, which wrap, can be compared: 2^61.
const LONGEST: f64 = 2_305_843_009_213_693_952.0;

/// Multiples of it, modulo 1, are spread over the whole as evenly as can be, however many there are; in 64 bits.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Turns of the usable members of one group, for one worker: each comes up once a stride, which is shorter the heavier
/// it is. Of members with fixed weights, each has exactly its weight's turns in every round, evenly spread.
///
/// It is made anew when other members become usable. Members begin at points of their strides that are spread evenly,
/// so that light ones don't come up together, and at random as a whole, so that not all workers and proxies begin with
/// the same member.
#[derive(Debug)]
pub(crate) struct Schedule {
    /// A heap, the earliest on top.
    turns: Vec<Turn>,
    /// Which state of the endpoints' health it was made for.
    version: u64,
    /// Whether it was made for a panic.
    panic: bool,
}

#[derive(Clone, Copy, Debug)]
struct Turn {
    due: u64,
    member: u32,
}

// === impl Schedule ===

impl Schedule {
    /// Of nobody, with room for so many.
    pub(crate) fn with_capacity(members: usize) -> Self {
        Self { turns: Vec::with_capacity(members), version: u64::MAX, panic: false }
    }

    /// Whether it was made for this state of health.
    pub(crate) fn fits(&self, version: u64, panic: bool) -> bool {
        self.version == version && self.panic == panic
    }

    /// Makes it anew, of `members`, each with its [`stride`].
    pub(crate) fn remake(
        &mut self,
        version: u64,
        panic: bool,
        members: impl Iterator<Item = (u32, u64)>,
        dice: &mut Dice,
    ) {
        self.version = version;
        self.panic = panic;
        self.turns.clear();
        let mut phase = dice.next();
        let turns = members.map(|(member, stride)| {
            phase = phase.wrapping_add(GOLDEN);
            // Not at the very edge, where rounding could make a round a turn longer.
            let margin = stride / 64;
            Turn { due: margin + scale(phase, stride - 2 * margin), member }
        });
        self.turns.extend(turns);
        for index in (0..self.turns.len() / 2).rev() {
            self.sift_down(index);
        }
    }

    /// The member whose turn it is of those that are allowed; its next one is a `stride` later. Who isn't allowed
    /// keeps its turn.
    pub(crate) fn next(&mut self, allowed: impl Fn(u32) -> bool, stride: impl Fn(u32) -> u64) -> Option<u32> {
        let first = self.turns.first()?;
        let index = if allowed(first.member) {
            0
        } else {
            let others = self.turns.iter().enumerate().filter(|(_, turn)| allowed(turn.member));
            others.reduce(|best, other| if other.1.before(*best.1) { other } else { best })?.0
        };
        let turn = &mut self.turns[index];
        let member = turn.member;
        turn.due = turn.due.wrapping_add(stride(member));
        self.sift_down(index);
        Some(member)
    }

    /// Restores order below `index`, whose turn is later than it was.
    fn sift_down(&mut self, mut index: usize) {
        loop {
            let left = 2 * index + 1;
            let Some(mut child) = self.turns.get(left).map(|_| left) else { return };
            if self.turns.get(left + 1).is_some_and(|right| right.before(self.turns[left])) {
                child = left + 1;
            }
            if !self.turns[child].before(self.turns[index]) {
                return;
            }
            self.turns.swap(index, child);
            index = child;
        }
    }
}

impl Turn {
    /// Ties go to the first in order, so that the same beginning gives the same turns.
    fn before(self, other: Self) -> bool {
        match self.due.wrapping_sub(other.due).cast_signed() {
            0 => self.member < other.member,
            difference => difference < 0,
        }
    }
}

/// How long it takes until a member of this weight comes up again, if the heaviest's is 1.
pub(crate) fn stride(weight: f64) -> u64 {
    // Never negative, and in range by the bound.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let stride = (UNIT / weight).clamp(4.0, LONGEST) as u64;
    stride
}

#[cfg(test)]
mod tests;
