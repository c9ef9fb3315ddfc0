//! Header blocks that are made once.

use super::encoder::{FORGOTTEN, SENSITIVE, indexed, literal};
use super::known::{Habit, Name};
use crate::Field;

#[cfg(test)]
mod tests;

/// A header block, or the beginning or end of one, that neither needs nor changes a dynamic table: made once, it can be
/// sent on every connection, after what [`Encoder::begin`](super::Encoder::begin) says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreEncoded(Box<[u8]>);

// === impl PreEncoded ===

impl PreEncoded {
    /// Encodes the fields. Sensitive ones and credentials are marked so that no hop indexes them.
    pub fn new<'a>(fields: impl IntoIterator<Item = Field<'a>>) -> Self {
        let mut out = Vec::new();
        for field in fields {
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
        Self(out.into())
    }

    /// The block.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}
