//! From header blocks to fields.

use super::known::STATIC;
use super::table::{Table, size_of_field};
use super::{DEFAULT_TABLE_SIZE, Decoded, Error, huffman, integer};
use crate::Fields;

#[cfg(test)]
mod tests;

/// Size updates that may stand at the start of a block (RFC 7541 section 4.2).
const MAX_SIZE_UPDATES: usize = 2;

/// Decodes the header blocks of one direction of a connection, each as a whole and all in order.
pub struct Decoder {
    table: Table,
    /// What the peer may set the table to.
    limit: u32,
    /// What the peer must reduce the table to before the next field.
    required: Option<u32>,
}

/// How a literal field is to be treated.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Literal {
    Remembered,
    Forgotten,
    Sensitive,
}

/// How far the list may go, and how far it went.
struct Budget {
    max_list_size: usize,
    hard_limit: usize,
    spent: usize,
}

// === impl Decoder ===

impl Decoder {
    /// A decoder whose peer may use a table of `max_table_size` octets.
    ///
    /// The table itself starts with that or [`DEFAULT_TABLE_SIZE`], whichever is less: a peer that wants more says
    /// so. Until the peer has acknowledged our SETTINGS_HEADER_TABLE_SIZE, it is the default that holds.
    pub fn new(max_table_size: u32) -> Self {
        let table = Table::new(max_table_size.min(DEFAULT_TABLE_SIZE) as usize);
        Self { table, limit: max_table_size, required: None }
    }

    /// The peer acknowledged our SETTINGS_HEADER_TABLE_SIZE of `size`. If its table is larger than that, its next
    /// block must start with a table size update (RFC 9113 section 4.3.1).
    pub fn set_max_table_size(&mut self, size: u32) {
        self.limit = size;
        if self.table.max() > size as usize {
            self.required = Some(self.required.map_or(size, |before| before.min(size)));
        }
    }

    /// Decodes a whole header block into `fields`, of which only the room is used.
    ///
    /// Fields from that on with which the list is larger than `max_list_size` are decoded for the table's sake but
    /// not kept. List sizes are those of [`Fields::list_size`]. What is needed of memory is no more than
    /// `max_list_size`, the block expanded by 8/5, and one entry of the table.
    ///
    /// # Errors
    ///
    /// [`Error::Bomb`] if the list is larger than `hard_limit`, others for a block that is broken. None leaves
    /// anything of worth in `fields` or in the decoder.
    pub fn decode(
        &mut self,
        block: &[u8],
        fields: &mut Fields,
        max_list_size: usize,
        hard_limit: usize,
    ) -> Result<Decoded, Error> {
        fields.clear();
        let mut budget = Budget { max_list_size, hard_limit, spent: 0 };
        let mut rest = block;
        self.size_updates(&mut rest)?;
        while let Some((&first, after)) = rest.split_first() {
            rest = after;
            match first {
                0b1000_0000.. => {
                    let index = integer::decode(first, 7, &mut rest)?;
                    self.indexed(index, fields, &mut budget)?;
                }
                0b0100_0000.. => self.literal(first, 6, Literal::Remembered, &mut rest, fields, &mut budget)?,
                0b0010_0000.. => return Err(Error::LateSizeUpdate),
                0b0001_0000.. => self.literal(first, 4, Literal::Sensitive, &mut rest, fields, &mut budget)?,
                _ => self.literal(first, 4, Literal::Forgotten, &mut rest, fields, &mut budget)?,
            }
        }
        Ok(if budget.spent > max_list_size { Decoded::TooLarge } else { Decoded::Whole })
    }

    /// Table size updates at the start of a block.
    fn size_updates(&mut self, rest: &mut &[u8]) -> Result<(), Error> {
        let mut updates = 0;
        while let Some((&first, mut after)) = rest.split_first()
            && first & 0b1110_0000 == 0b0010_0000
        {
            let size = integer::decode(first, 5, &mut after)?;
            *rest = after;
            updates += 1;
            if updates > MAX_SIZE_UPDATES {
                return Err(Error::ManySizeUpdates);
            }
            if size > self.limit {
                return Err(Error::SizeUpdateTooLarge { size, limit: self.limit });
            }
            self.required = self.required.filter(|&required| size > required);
            self.table.set_max(size as usize);
        }
        self.required.map_or(Ok(()), |required| Err(Error::SizeUpdateMissing(required)))
    }

    /// A field that is in a table (RFC 7541 section 6.1).
    fn indexed(&self, index: u32, fields: &mut Fields, budget: &mut Budget) -> Result<(), Error> {
        let bytes = fields.open();
        let start = bytes.len();
        let value = match place(index)? {
            Place::Static((name, value)) => {
                if !budget.spend(size_of_field(name.len(), value.len()))? {
                    return Ok(());
                }
                bytes.extend_from_slice(name.as_bytes());
                bytes.extend_from_slice(value.as_bytes());
                start + name.len()
            }
            Place::Dynamic(place) => {
                if !budget.spend(self.table.size_of(place).ok_or(Error::NoSuchEntry(index))?)? {
                    return Ok(());
                }
                start + self.table.append_field(place, bytes).ok_or(Error::NoSuchEntry(index))?
            }
        };
        fields.close(value, false);
        Ok(())
    }

    /// A field whose value follows, and perhaps its name (RFC 7541 section 6.2).
    fn literal(
        &mut self,
        first: u8,
        prefix: u32,
        kind: Literal,
        rest: &mut &[u8],
        fields: &mut Fields,
        budget: &mut Budget,
    ) -> Result<(), Error> {
        let index = integer::decode(first, prefix, rest)?;
        let bytes = fields.open();
        let start = bytes.len();
        if index == 0 {
            string(rest, bytes)?;
        } else {
            match place(index)? {
                Place::Static((name, _)) => bytes.extend_from_slice(name.as_bytes()),
                Place::Dynamic(place) => {
                    if !self.table.append_name(place, bytes) {
                        return Err(Error::NoSuchEntry(index));
                    }
                }
            }
        }
        let value = bytes.len();
        string(rest, bytes)?;
        let keep = budget.spend(size_of_field(value - start, bytes.len() - value))?;
        if kind == Literal::Remembered {
            let (name, value) = bytes[start..].split_at(value - start);
            self.table.insert(name, value);
        }
        if keep {
            fields.close(value, kind == Literal::Sensitive);
        } else {
            fields.discard();
        }
        Ok(())
    }
}

// === impl Budget ===

impl Budget {
    /// Counts a field of this size; whether it is to be kept.
    fn spend(&mut self, size: usize) -> Result<bool, Error> {
        self.spent += size;
        if self.spent > self.hard_limit {
            return Err(Error::Bomb { limit: self.hard_limit });
        }
        Ok(self.spent <= self.max_list_size)
    }
}

/// What an index refers to.
enum Place {
    Static((&'static str, &'static str)),
    /// A place in the dynamic table, which may or may not be there.
    Dynamic(usize),
}

fn place(index: u32) -> Result<Place, Error> {
    let place = (index as usize).checked_sub(1).ok_or(Error::NoSuchEntry(index))?;
    Ok(STATIC.get(place).map_or_else(|| Place::Dynamic(place - STATIC.len()), |&entry| Place::Static(entry)))
}

/// Appends a string (RFC 7541 section 5.2) to `out` and takes it off `rest`.
fn string(rest: &mut &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let (&first, mut after) = rest.split_first().ok_or(Error::Truncated)?;
    let len = integer::decode(first, 7, &mut after)? as usize;
    let (bytes, after) = after.split_at_checked(len).ok_or(Error::Truncated)?;
    *rest = after;
    if first & 0b1000_0000 == 0 {
        out.extend_from_slice(bytes);
        Ok(())
    } else {
        huffman::decode(bytes, out)
    }
}
