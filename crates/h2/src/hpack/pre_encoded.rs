//! Header blocks that are made once.

use super::encoder::{FORGOTTEN, SENSITIVE, indexed, literal};
use super::known::{Habit, Name};
use super::table::size_of_field;
use crate::Field;

#[cfg(test)]
mod tests;

/// A header block, or the beginning or end of one, that neither needs nor changes a dynamic table: made once, it can be
/// sent on every connection, after what [`Encoder::begin`](super::Encoder::begin) says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreEncoded {
    block: Box<[u8]>,
    list_size: usize,
}

// === impl PreEncoded ===

impl PreEncoded {
    /// Encodes the fields. Sensitive ones and credentials are marked so that no hop indexes them.
    pub fn new<'a>(fields: impl IntoIterator<Item = Field<'a>>) -> Self {
        let mut out = Vec::new();
        let mut list_size = 0;
        for field in fields {
            list_size += size_of_field(field.name.len(), field.value.len());
            let name = Name::of(field.name);
            if field.sensitive || name.habit(field.value) == Habit::Secret {
                literal(name.index(), SENSITIVE, field, &mut out);
                continue;
            }
            match name.index_with(field.value) {
                0 => literal(name.index(), FORGOTTEN, field, &mut out),
                index => indexed(index, &mut out),
            }
        }
        Self { block: out.into(), list_size }
    }

    /// The size of the fields as [`Fields::list_size`](crate::Fields::list_size) counts.
    pub fn list_size(&self) -> usize {
        self.list_size
    }

    /// The block.
    pub fn as_bytes(&self) -> &[u8] {
        &self.block
    }
}
