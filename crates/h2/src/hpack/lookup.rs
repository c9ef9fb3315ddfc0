//! Where in the dynamic table a name or a field may be.

#[cfg(test)]
mod tests;

/// Places that a hash may be at.
const WAYS: usize = 4;
/// Octets of table for which there is one set of places; entries are rarely as small as a quarter of this.
const OCTETS_PER_SET: usize = 128;

/// Entries of a dynamic table by hash.
///
/// It forgets: a hash has four places, the oldest of which is given away to the next entry. So it never grows, entries
/// that the table evicts need no removing, and a search looks at four places whatever comes in.
#[derive(Default)]
pub(super) struct Lookup {
    /// Empty until the first entry.
    sets: Vec<[Place; WAYS]>,
}

#[derive(Clone, Copy, Default)]
struct Place {
    /// The number of the entry; they are counted from 1, and on from 0 after `u32::MAX`.
    number: u32,
    hash: u32,
}

// === impl Lookup ===

impl Lookup {
    /// Notes that entry `number` of a table of `table_size` octets has this hash.
    pub(super) fn insert(&mut self, hash: u64, number: u32, table_size: usize) {
        if self.sets.is_empty() {
            let sets = (table_size / OCTETS_PER_SET).next_power_of_two();
            self.sets = vec![[Place::default(); WAYS]; sets];
        }
        let (set, hash) = self.split(hash);
        // A new entry goes to the front; the oldest falls off the end.
        let places = &mut self.sets[set];
        places.copy_within(..WAYS - 1, 1);
        places[0] = Place { number, hash };
    }

    /// How old the youngest entry is that has this hash and that `is_it` confirms, where `newest` is of age 0.
    pub(super) fn find(&self, hash: u64, newest: u32, mut is_it: impl FnMut(usize) -> bool) -> Option<usize> {
        if self.sets.is_empty() {
            return None;
        }
        let (set, hash) = self.split(hash);
        self.sets[set]
            .iter()
            .filter(|place| place.hash == hash)
            .map(|place| newest.wrapping_sub(place.number) as usize)
            .find(|&age| is_it(age))
    }

    /// Which set a hash belongs to, and what distinguishes it there.
    #[expect(clippy::cast_possible_truncation, reason = "the halves of a hash")]
    fn split(&self, hash: u64) -> (usize, u32) {
        (hash as u32 as usize & (self.sets.len() - 1), (hash >> 32) as u32)
    }
}
