//! Fields of messages that are worth telling of, copied while a message passes.
//!
//! [`Keep`] says which, [`Kept`] holds what a message had of them, and [`KeptFields`] lends it by name. The meters of all
//! versions of HTTP keep fields in this way; where these come from is theirs to know.

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

/// How much is told of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// What can be counted: it costs less.
    Counts,
    /// Its texts and chosen fields, too.
    #[default]
    Full,
}

/// Fields that were kept of a message: the first of each name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptFields<'a> {
    names: &'static [&'static str],
    kept: &'a Kept,
}

/// The values, in one piece of storage that is used again for the next message.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Kept {
    text: Vec<u8>,
    /// The place of the name, and where the value ends: it begins where the one before it ends.
    values: Vec<(usize, usize)>,
}

// === impl KeptFields ===

impl<'a> KeptFields<'a> {
    /// What was [taken](Kept::take) by these names.
    pub fn new(names: &'static [&'static str], kept: &'a Kept) -> Self {
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
    /// Takes those of `names` of which there is a `first` field, if its value is no longer than 1,024 bytes; what was there
    /// before is forgotten.
    pub fn take<'f>(&mut self, names: &[&str], first: impl Fn(&[u8]) -> Option<&'f [u8]>) {
        self.clear();
        for (place, name) in names.iter().enumerate() {
            if let Some(value) = first(name.as_bytes()).filter(|value| value.len() <= LONGEST) {
                self.text.extend_from_slice(value);
                self.values.push((place, self.text.len()));
            }
        }
    }

    /// Forgets all, but for the storage.
    pub fn clear(&mut self) {
        self.text.clear();
        self.values.clear();
    }

    /// Bytes of storage.
    pub fn storage(&self) -> usize {
        self.text.capacity() + self.values.capacity() * size_of::<(usize, usize)>()
    }
}

#[cfg(test)]
mod tests;
