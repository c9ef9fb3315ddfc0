//! Fields that are worth telling of.

use crate::fields::Fields;

/// Bytes of a value that is kept; longer ones are not.
const LONGEST: usize = 1024;

/// Which fields of each message are told, by their names in lower case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Of requests.
    pub request: &'static [&'static str],
    /// Of responses.
    pub response: &'static [&'static str],
}

/// Fields that were kept of a message: the first of each name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptFields<'a> {
    names: &'static [&'static str],
    kept: &'a Kept,
}

/// Where the values are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    text: Vec<u8>,
    /// The place of the name, and where the value ends: it begins where the one before it ends.
    values: Vec<(usize, usize)>,
}

// === impl KeptFields ===

impl<'a> KeptFields<'a> {
    pub(super) fn new(names: &'static [&'static str], kept: &'a Kept) -> Self {
        Self { names, kept }
    }

    /// The value of the first field `name`, if it was to be kept and is no longer than 1,024 bytes.
    pub fn get(self, name: &str) -> Option<&'a [u8]> {
        self.iter().find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    /// All that were kept, in the order of the names.
    pub fn iter(self) -> impl Iterator<Item = (&'static str, &'a [u8])> {
        let mut start = 0;
        self.kept.values.iter().map(move |(name, end)| {
            let value = &self.kept.text[start..*end];
            start = *end;
            (self.names[*name], value)
        })
    }
}

// === impl Kept ===

impl Kept {
    /// Takes those of `names` that are in `fields`; what was there before is forgotten.
    pub(super) fn take(&mut self, names: &[&str], fields: Fields<'_>) {
        self.clear();
        for (place, name) in names.iter().enumerate() {
            if let Some(value) = fields.get(name.as_bytes()).filter(|value| value.len() <= LONGEST) {
                self.text.extend_from_slice(value);
                self.values.push((place, self.text.len()));
            }
        }
    }

    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.values.clear();
    }
}
