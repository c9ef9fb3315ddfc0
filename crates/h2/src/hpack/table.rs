//! The dynamic table (RFC 7541 section 2.3.2).

use std::collections::VecDeque;

use crate::fields::FIELD_OVERHEAD;

#[cfg(test)]
mod tests;

/// The least room that is made.
const LEAST_ROOM: usize = 512;

/// Fields that went by, newest first.
///
/// The octets of all are in one ring, so that an entry may have its beginning at the end of the buffer and its end at
/// the beginning. The ring grows with what is in it, up to the maximum size, and then stays.
pub(super) struct Table {
    ring: Vec<u8>,
    entries: VecDeque<Entry>,
    /// Octets in use; those of the newest entry end at `end`.
    used: usize,
    end: usize,
    max: usize,
}

/// Where an entry is in the ring.
#[derive(Clone, Copy)]
struct Entry {
    start: usize,
    name: usize,
    value: usize,
}

// === impl Table ===

impl Table {
    pub(super) fn new(max: usize) -> Self {
        Self { ring: Vec::new(), entries: VecDeque::new(), used: 0, end: 0, max }
    }

    /// The maximum size, as [`size_of_field`] counts.
    pub(super) fn max(&self) -> usize {
        self.max
    }

    /// Sets the maximum size and evicts what is too much.
    pub(super) fn set_max(&mut self, max: usize) {
        self.max = max;
        self.evict_for(0);
    }

    /// Adds an entry, and evicts those for which there is no room any more. One that is larger than the whole table
    /// leaves it empty, which is no error (RFC 7541 section 4.4).
    pub(super) fn insert(&mut self, name: &[u8], value: &[u8]) {
        let size = size_of_field(name.len(), value.len());
        self.evict_for(size);
        if size > self.max {
            return;
        }
        self.make_room(name.len() + value.len());
        self.entries.push_front(Entry { start: self.end, name: name.len(), value: value.len() });
        self.put(name);
        self.put(value);
    }

    /// Appends the name of the entry at `place`, if there is one.
    #[must_use]
    pub(super) fn append_name(&self, place: usize, out: &mut Vec<u8>) -> bool {
        let Some(entry) = self.entries.get(place) else { return false };
        self.append(entry.start, entry.name, out);
        true
    }

    /// Appends name and value of the entry at `place`; how long the name is.
    pub(super) fn append_field(&self, place: usize, out: &mut Vec<u8>) -> Option<usize> {
        let entry = self.entries.get(place)?;
        self.append(entry.start, entry.name + entry.value, out);
        Some(entry.name)
    }

    /// The size of the entry at `place`.
    pub(super) fn size_of(&self, place: usize) -> Option<usize> {
        self.entries.get(place).map(|entry| size_of_field(entry.name, entry.value))
    }

    /// Whether the entry at `place` has this name.
    pub(super) fn has_name(&self, place: usize, name: &[u8]) -> bool {
        self.entries.get(place).is_some_and(|entry| entry.name == name.len() && self.reads(entry.start, name))
    }

    /// Whether the entry at `place` has this name and this value.
    pub(super) fn has_field(&self, place: usize, name: &[u8], value: &[u8]) -> bool {
        self.entries.get(place).is_some_and(|entry| {
            entry.name == name.len()
                && entry.value == value.len()
                && self.reads(entry.start, name)
                && self.reads(self.wrapped(entry.start + entry.name), value)
        })
    }

    /// The octets of all entries and [`FIELD_OVERHEAD`] for each.
    pub(super) fn size(&self) -> usize {
        self.used + self.entries.len() * FIELD_OVERHEAD
    }

    fn evict_for(&mut self, size: usize) {
        while self.size() + size > self.max {
            let Some(oldest) = self.entries.pop_back() else { return };
            self.used -= oldest.name + oldest.value;
        }
    }

    /// Makes room for `more` octets, of which the maximum size has room.
    fn make_room(&mut self, more: usize) {
        let needed = self.used + more;
        if needed <= self.ring.len() {
            return;
        }
        let (head, tail) = self.octets(self.oldest(), self.used);
        let mut ring = Vec::new();
        let room = (self.ring.len() * 2).max(LEAST_ROOM).min(self.max).max(needed);
        ring.reserve_exact(room);
        ring.extend_from_slice(head);
        ring.extend_from_slice(tail);
        ring.resize(room, 0);
        let mut start = self.used;
        for entry in &mut self.entries {
            start -= entry.name + entry.value;
            entry.start = start;
        }
        self.ring = ring;
        self.end = self.used;
    }

    /// Writes octets behind the newest; there is room.
    fn put(&mut self, bytes: &[u8]) {
        let (head, tail) = bytes.split_at(bytes.len().min(self.ring.len() - self.end));
        self.ring[self.end..][..head.len()].copy_from_slice(head);
        self.ring[..tail.len()].copy_from_slice(tail);
        self.end = self.wrapped(self.end + bytes.len());
        self.used += bytes.len();
    }

    /// Where the octets of the oldest entry are.
    fn oldest(&self) -> usize {
        self.entries.back().map_or(self.end, |entry| entry.start)
    }

    /// What is at `start`, in two parts if it goes over the end of the buffer.
    fn octets(&self, start: usize, len: usize) -> (&[u8], &[u8]) {
        let head = len.min(self.ring.len() - start);
        (&self.ring[start..][..head], &self.ring[..len - head])
    }

    fn append(&self, start: usize, len: usize, out: &mut Vec<u8>) {
        // Most entries are in one piece.
        if let Some(whole) = self.ring.get(start..start + len) {
            return out.extend_from_slice(whole);
        }
        let (head, tail) = self.octets(start, len);
        out.extend_from_slice(head);
        out.extend_from_slice(tail);
    }

    fn reads(&self, start: usize, expected: &[u8]) -> bool {
        // Most entries are in one piece.
        if let Some(whole) = self.ring.get(start..start + expected.len()) {
            return whole == expected;
        }
        let (head, tail) = self.octets(start, expected.len());
        let (expected_head, expected_tail) = expected.split_at(head.len());
        head == expected_head && tail == expected_tail
    }

    /// A position that may be beyond the end of the buffer, but not by more than its length.
    fn wrapped(&self, position: usize) -> usize {
        if position >= self.ring.len() { position - self.ring.len() } else { position }
    }
}

/// What an entry counts (RFC 7541 section 4.1).
pub(super) fn size_of_field(name: usize, value: usize) -> usize {
    name + value + FIELD_OVERHEAD
}
