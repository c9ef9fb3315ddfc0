//! The endpoints of one priority.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use ripstop_model::{Algorithm, HashTable};

use crate::{maglev::Maglev, priority::Health, ring::Ring};

/// Members of one priority, and what their algorithm needs that doesn't change with each pick.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) members: Range<u32>,
    /// How many of them are ready.
    ready: u32,
    /// How many of them are ready and not ejected; written with the backend's ledger locked.
    usable: AtomicU32,
    /// The weight of the heaviest.
    pub(crate) heaviest: u32,
    /// Whether all weigh the same.
    pub(crate) uniform: bool,
    /// Sums of weights, for picking at random by weight; empty where that isn't done.
    pub(crate) cumulative: Vec<u64>,
    /// For hashing.
    pub(crate) table: Option<Arc<Table>>,
}

/// From hashes to members. All members have their places in it, whether usable or not: so, unlike in Envoy, who falls
/// out and comes back moves no other's keys.
#[derive(Debug)]
pub(crate) enum Table {
    Ring(Ring),
    Maglev(Maglev),
}

/// A member's share of a hash table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share<'a> {
    pub(crate) member: u32,
    /// Part of the group's weight.
    pub(crate) part: f64,
    pub(crate) hash_key: &'a str,
}

/// What a group has to know of a member.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ingredient<'a> {
    pub(crate) weight: u32,
    pub(crate) hash_key: &'a str,
    pub(crate) ready: bool,
}

// === impl Group ===

impl Group {
    /// Of members from `first` on, of which none counts as usable yet. `table` may give a hash table that was made of the same before.
    pub(crate) fn new(
        first: u32,
        members: &[Ingredient<'_>],
        algorithm: &Algorithm,
        table: Option<Arc<Table>>,
    ) -> Self {
        let count = |test: fn(&Ingredient<'_>) -> bool| members.iter().map(|member| u32::from(test(member))).sum();
        let heaviest = members.iter().map(|member| member.weight).max().unwrap_or(1);
        let uniform = members.iter().all(|member| member.weight == heaviest);
        let cumulative = if matches!(algorithm, Algorithm::Random | Algorithm::PeakEwma(_)) && !uniform {
            let sums = members.iter().scan(0, |sum: &mut u64, member| {
                *sum += u64::from(member.weight);
                Some(*sum)
            });
            sums.collect()
        } else {
            Vec::new()
        };
        let table = match algorithm {
            Algorithm::Hash { table: kind, .. } => {
                Some(table.unwrap_or_else(|| Arc::new(Table::new(*kind, first, members))))
            }
            _ => None,
        };
        let all: u32 = count(|_| true);
        Self {
            members: first..first + all,
            ready: count(|member| member.ready),
            usable: AtomicU32::new(0),
            heaviest,
            uniform,
            cumulative,
            table,
        }
    }

    pub(crate) fn health(&self) -> Health {
        Health { total: self.members.end - self.members.start, ready: self.ready, usable: self.usable.load(Relaxed) }
    }

    /// So many are ready and not ejected.
    pub(crate) fn set_usable(&self, usable: usize) {
        self.usable.store(u32::try_from(usable).unwrap_or(u32::MAX), Relaxed);
    }

    /// One more that is ready is usable.
    pub(crate) fn gained(&self) {
        self.usable.fetch_add(1, Relaxed);
    }

    /// One that is ready is no longer usable.
    pub(crate) fn lost(&self) {
        self.usable.fetch_sub(1, Relaxed);
    }
}

// === impl Table ===

impl Table {
    fn new<'a>(kind: HashTable, first: u32, members: &[Ingredient<'a>]) -> Self {
        let sum: f64 = members.iter().map(|member| f64::from(member.weight)).sum();
        let share = |(number, member): (u32, &Ingredient<'a>)| Share {
            member: number,
            part: f64::from(member.weight) / sum,
            hash_key: member.hash_key,
        };
        let shares: Vec<_> = (first..).zip(members).map(share).collect();
        match kind {
            HashTable::Ring(size) => Self::Ring(Ring::new(&shares, size)),
            HashTable::Maglev(size) => Self::Maglev(Maglev::new(&shares, size)),
        }
    }

    /// The member that `hash` leads to, or the first that is allowed after it.
    pub(crate) fn find(&self, hash: u64, allowed: impl Fn(u32) -> bool) -> Option<u32> {
        match self {
            Self::Ring(ring) => ring.find(hash, allowed),
            Self::Maglev(maglev) => maglev.find(hash, allowed),
        }
    }
}
