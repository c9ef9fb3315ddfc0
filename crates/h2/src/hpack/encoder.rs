//! From fields to header blocks.

use super::hash::hash;
use super::known::{Habit, Name, STATIC};
use super::lookup::Lookup;
use super::table::{Table, size_of_field};
use super::{DEFAULT_TABLE_SIZE, Indexing, huffman, integer};
use crate::Field;

#[cfg(test)]
mod tests;

/// Encodes the header blocks of one direction of a connection, in order.
pub struct Encoder {
    table: Table,
    names: Lookup,
    fields: Lookup,
    /// The number of the newest entry of the table.
    newest: u32,
    /// What the table may have at most, whatever the peer allows.
    cap: u32,
    resizing: Option<Resizing>,
}

/// What the table's size is to become with the next block.
#[derive(Clone, Copy)]
struct Resizing {
    /// The least that it was to become since the last block.
    least: u32,
    last: u32,
}

// === impl Encoder ===

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Encoder {
    /// An encoder for a peer that allows the default, [`DEFAULT_TABLE_SIZE`]; it never uses more.
    pub fn new() -> Self {
        Self::with_cap(DEFAULT_TABLE_SIZE)
    }

    /// An encoder that uses a table of `cap` octets at most, whatever the peer allows.
    pub fn with_cap(cap: u32) -> Self {
        let mut encoder = Self {
            table: Table::new(DEFAULT_TABLE_SIZE as usize),
            names: Lookup::default(),
            fields: Lookup::default(),
            newest: 0,
            cap,
            resizing: None,
        };
        encoder.set_peer_max(DEFAULT_TABLE_SIZE);
        encoder
    }

    /// The peer's SETTINGS_HEADER_TABLE_SIZE is `size`. The next block says what we make of it.
    pub fn set_peer_max(&mut self, size: u32) {
        let last = size.min(self.cap);
        let least = self.resizing.map_or(last, |before| before.least.min(last));
        self.resizing = Some(Resizing { least, last });
    }

    /// Begins a block: appends the table size updates that are due (RFC 7541 section 4.2). For those who go on with
    /// [`encode_field`](Self::encode_field) or with a [`PreEncoded`](super::PreEncoded) block;
    /// [`encode`](Self::encode) does so itself.
    pub fn begin(&mut self, out: &mut Vec<u8>) {
        let Some(Resizing { least, last }) = self.resizing.take() else { return };
        if (least as usize) < self.table.max() {
            self.resize(least, out);
        }
        if last as usize != self.table.max() {
            self.resize(last, out);
        }
    }

    /// Appends a whole block.
    ///
    /// Sensitive fields and credentials are [never](Indexing::Never) indexed, those whose values hardly repeat go
    /// [without](Indexing::Without), all others [incrementally](Indexing::Incremental).
    pub fn encode<'a>(&mut self, fields: impl IntoIterator<Item = Field<'a>>, out: &mut Vec<u8>) {
        self.begin(out);
        for field in fields {
            let name = Name::of(field.name);
            let how = self.habitual(field, name);
            self.write(field, name, how, out);
        }
    }

    /// Appends one field to the block that was [begun](Self::begin). A sensitive field is never indexed, whatever
    /// `how` says.
    pub fn encode_field(&mut self, field: Field<'_>, how: Indexing, out: &mut Vec<u8>) {
        let how = if field.sensitive { Indexing::Never } else { how };
        self.write(field, Name::of(field.name), how, out);
    }

    /// What suits a field of this name.
    fn habitual(&self, field: Field<'_>, name: Name) -> Indexing {
        if field.sensitive {
            return Indexing::Never;
        }
        match name.habit(field.value) {
            Habit::Secret => Indexing::Never,
            Habit::Repeats if self.is_worth_it(field) => Indexing::Incremental,
            // Once for each time that the table goes round, so that the name need not be repeated.
            Habit::Varies if self.is_worth_it(field) && self.index_of_name(field, name) == 0 => Indexing::Incremental,
            Habit::Repeats | Habit::Varies => Indexing::Without,
        }
    }

    /// Whether the table has room for this field beside others.
    fn is_worth_it(&self, field: Field<'_>) -> bool {
        size_of_field(field.name.len(), field.value.len()) <= self.table.max() / 2
    }

    fn write(&mut self, field: Field<'_>, name: Name, how: Indexing, out: &mut Vec<u8>) {
        match how {
            Indexing::Incremental => self.write_incremental(field, name, out),
            Indexing::Without => match name.index_with(field.value) {
                0 => literal(self.index_of_name(field, name), FORGOTTEN, field, out),
                index => indexed(index, out),
            },
            Indexing::Never => literal(self.index_of_name(field, name), SENSITIVE, field, out),
        }
    }

    fn write_incremental(&mut self, field: Field<'_>, name: Name, out: &mut Vec<u8>) {
        let index = name.index_with(field.value);
        if index != 0 {
            return indexed(index, out);
        }
        let hash = hash(name.hash, field.value);
        let found = self.fields.find(hash, self.newest, |place| self.table.has_field(place, field.name, field.value));
        if let Some(place) = found {
            return indexed(STATIC.len() + 1 + place, out);
        }
        let index = self.index_of_name(field, name);
        if size_of_field(field.name.len(), field.value.len()) > self.table.max() {
            return literal(index, FORGOTTEN, field, out);
        }
        literal(index, REMEMBERED, field, out);
        self.table.insert(field.name, field.value);
        self.newest = self.newest.wrapping_add(1);
        self.names.insert(name.hash, self.newest, self.table.max());
        self.fields.insert(hash, self.newest, self.table.max());
    }

    /// The index of an entry of this name; 0 if there is none.
    fn index_of_name(&self, field: Field<'_>, name: Name) -> usize {
        match name.index() {
            0 => self
                .names
                .find(name.hash, self.newest, |place| self.table.has_name(place, field.name))
                .map_or(0, |place| STATIC.len() + 1 + place),
            index => index,
        }
    }

    fn resize(&mut self, size: u32, out: &mut Vec<u8>) {
        integer::encode(size as usize, 5, 0b0010_0000, out);
        if size as usize > self.table.max() {
            // What is sized by the table is made anew; that forgets some entries, but does no harm.
            self.names = Lookup::default();
            self.fields = Lookup::default();
        }
        self.table.set_max(size as usize);
    }
}

/// The bits of the first octet of a literal that hold an index, and the others (RFC 7541 section 6.2).
type Form = (u32, u8);
const REMEMBERED: Form = (6, 0b0100_0000);
pub(super) const FORGOTTEN: Form = (4, 0b0000_0000);
pub(super) const SENSITIVE: Form = (4, 0b0001_0000);

/// Appends a field by its index.
pub(super) fn indexed(index: usize, out: &mut Vec<u8>) {
    integer::encode(index, 7, 0b1000_0000, out);
}

/// Appends a field by the index of its name, or with its name if that is 0.
pub(super) fn literal(index: usize, (bits, flags): Form, field: Field<'_>, out: &mut Vec<u8>) {
    integer::encode(index, bits, flags, out);
    if index == 0 {
        string(field.name, out);
    }
    string(field.value, out);
}

/// Strings shorter than this have a length of one octet.
const SHORT_STRING: usize = 0x7f;

/// Appends a string, Huffman-coded if that makes it shorter (RFC 7541 section 5.2).
fn string(bytes: &[u8], out: &mut Vec<u8>) {
    if bytes.len() < SHORT_STRING { short_string(bytes, out) } else { long_string(bytes, out) }
}

/// Writes the code over the string, of which it needs less room if it is shorter. That is cheaper than to find out
/// first how long it is.
fn short_string(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.push(bytes.len().to_le_bytes()[0]);
    out.extend_from_slice(bytes);
    let shorter = bytes.len().saturating_sub(1);
    match huffman::encode_into(bytes, &mut out[start + 1..][..shorter]) {
        Some(coded) if !bytes.is_empty() => {
            out[start] = 0b1000_0000 | coded.to_le_bytes()[0];
            out.truncate(start + 1 + coded);
        }
        _ => out[start + 1..].copy_from_slice(bytes),
    }
}

fn long_string(bytes: &[u8], out: &mut Vec<u8>) {
    if huffman::encoded_len(bytes) < bytes.len() {
        integer::encode(huffman::encoded_len(bytes), 7, 0b1000_0000, out);
        huffman::encode(bytes, out);
    } else {
        integer::encode(bytes.len(), 7, 0, out);
        out.extend_from_slice(bytes);
    }
}
