//! A Maglev table, as Envoy builds it.

use crate::{group::Share, xxhash};

/// The largest table that Envoy and Istio take.
const LARGEST: u64 = 5_000_011;
/// So many other places are looked at for a hash before those beside the last one.
const REHASHES: u64 = 16;

/// Each entry is a member.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Maglev(Vec<u32>);

/// A member while the table is filled.
struct Filler {
    member: u32,
    offset: u64,
    skip: u64,
    next: u64,
    part: f64,
    target: f64,
}

impl Maglev {
    /// A table of `size`, or of the next prime above it: only then every permutation reaches all entries.
    pub(crate) fn new(shares: &[Share<'_>], size: u64) -> Self {
        const EMPTY: u32 = u32::MAX;
        let size = next_prime(size.clamp(2, LARGEST));
        if shares.is_empty() {
            return Self(Vec::new());
        }
        let heaviest = shares.iter().map(|share| share.part).fold(0.0, f64::max);
        let mut fillers: Vec<_> = shares.iter().map(|share| (share.hash_key, Filler::new(share, size))).collect();
        // Whatever the order in which they are told, the table is the same.
        fillers.sort_by_key(|(hash_key, _)| *hash_key);
        let mut table = vec![EMPTY; usize::try_from(size).unwrap_or(0)];
        let mut left = table.len();
        let mut iteration = 1.0;
        while left > 0 {
            for (_, filler) in &mut fillers {
                // The heaviest is served in every iteration, one of a third of its weight in every third.
                if left == 0 || iteration * filler.part < filler.target {
                    continue;
                }
                filler.target += heaviest;
                let mut entry = filler.advance(size);
                while table[entry] != EMPTY {
                    entry = filler.advance(size);
                }
                table[entry] = filler.member;
                left -= 1;
            }
            iteration += 1.0;
        }
        Self(table)
    }

    /// The member that `hash` belongs to, or the first that is allowed of those that it is sent on to; someone must
    /// be.
    pub(crate) fn find(&self, hash: u64, allowed: impl Fn(u32) -> bool) -> Option<u32> {
        if self.0.is_empty() {
            return None;
        }
        let entry = |attempt: u64| self.entry(if attempt == 0 { hash } else { hash ^ 0_u64.wrapping_sub(attempt) });
        let rehashed = (0..=REHASHES).map(|attempt| self.0[entry(attempt)]).find(|member| allowed(*member));
        rehashed.or_else(|| {
            let (before, from) = self.0.split_at(entry(REHASHES));
            from.iter().chain(before).copied().find(|member| allowed(*member))
        })
    }

    fn entry(&self, hash: u64) -> usize {
        usize::try_from(hash % self.0.len() as u64).unwrap_or(0)
    }
}

// === impl Filler ===

impl Filler {
    fn new(share: &Share<'_>, size: u64) -> Self {
        let key = share.hash_key.as_bytes();
        Self {
            member: share.member,
            offset: xxhash::seeded(key, 0) % size,
            skip: xxhash::seeded(key, 1) % (size - 1) + 1,
            next: 0,
            part: share.part,
            target: 0.0,
        }
    }

    fn advance(&mut self, size: u64) -> usize {
        let entry = (self.offset + self.skip * self.next) % size;
        self.next += 1;
        usize::try_from(entry).unwrap_or(0)
    }
}

/// The first prime from `from` on.
fn next_prime(from: u64) -> u64 {
    let is_prime = |number: &u64| *number >= 2 && (2..=number.isqrt()).all(|by| !number.is_multiple_of(by));
    // There is one below twice any number.
    (from..=2 * from.max(1)).find(is_prime).unwrap_or(from)
}

#[cfg(test)]
mod tests;
