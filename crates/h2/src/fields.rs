//! The fields of a message, in order.

#[cfg(test)]
mod tests;

/// Octets a field counts beyond its name and value (RFC 9113 section 10.5.1, RFC 7541 section 4.1).
pub(crate) const FIELD_OVERHEAD: usize = 32;

/// Header fields in order, of one message.
///
/// One buffer holds all octets, one index says where each field is in it. Both keep their room when
/// [cleared](Fields::clear), so a list that is used again for the next message allocates nothing.
#[derive(Clone, Default)]
pub struct Fields {
    bytes: Vec<u8>,
    index: Vec<Span>,
}

/// One field: name and value as they are on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name, in lower case where the peer obeys.
    pub name: &'a [u8],
    /// The value, of any octets.
    pub value: &'a [u8],
    /// The value must not enter any compression table, here or further on (RFC 7541 section 7.1.3).
    pub sensitive: bool,
}

/// Where a field is: its name begins where the field before ends.
#[derive(Clone, Copy)]
struct Span {
    value: usize,
    end: usize,
    sensitive: bool,
}

/// The size of a list as [`Fields::list_size`] counts.
pub(crate) fn list_size<'f>(fields: impl Iterator<Item = Field<'f>>) -> usize {
    fields.map(|field| field.name.len() + field.value.len() + FIELD_OVERHEAD).sum()
}

// === impl Fields ===

impl Fields {
    /// No fields, no room yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets all fields and keeps the room.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.index.clear();
    }

    /// Forgets all fields, and the room as well if it is more than `most` bytes.
    pub(crate) fn shrink(&mut self, most: usize) {
        if self.storage() > most {
            *self = Self::default();
        }
        self.clear();
    }

    /// Bytes of room.
    pub(crate) fn storage(&self) -> usize {
        self.bytes.capacity() + self.index.capacity() * size_of::<Span>()
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Adds a field at the end.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        self.push_field(Field::new(name, value));
    }

    /// Adds a field at the end whose value must not enter a compression table.
    pub fn push_sensitive(&mut self, name: &[u8], value: &[u8]) {
        self.push_field(Field::sensitive(name, value));
    }

    /// The value of the first field of this name, compared octet by octet.
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.iter().find(|field| field.name == name).map(|field| field.value)
    }

    /// The value of the field at `place`, which there must be.
    pub(crate) fn value(&self, place: usize) -> &[u8] {
        let span = self.index[place];
        &self.bytes[span.value..span.end]
    }

    /// All fields in order.
    pub fn iter(&self) -> impl Iterator<Item = Field<'_>> + Clone {
        let mut rest = self.bytes.as_slice();
        let mut start = 0;
        self.index.iter().map(move |span| {
            let (name, after) = rest.split_at(span.value - start);
            let (value, after) = after.split_at(span.end - span.value);
            rest = after;
            start = span.end;
            Field { name, value, sensitive: span.sensitive }
        })
    }

    /// The size of the list as SETTINGS_MAX_HEADER_LIST_SIZE counts: octets of names and values, and 32 for each
    /// field (RFC 9113 section 10.5.1).
    pub fn list_size(&self) -> usize {
        self.bytes.len() + self.index.len() * FIELD_OVERHEAD
    }

    fn push_field(&mut self, field: Field<'_>) {
        self.bytes.extend_from_slice(field.name);
        let value = self.bytes.len();
        self.bytes.extend_from_slice(field.value);
        self.close(value, field.sensitive);
    }

    /// Where the next field is written, name first. [`close`](Self::close) makes it one of the fields,
    /// [`discard`](Self::discard) drops it.
    pub(crate) fn open(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// What was written since the last field is a field, its value begins at `value`.
    pub(crate) fn close(&mut self, value: usize, sensitive: bool) {
        self.index.push(Span { value, end: self.bytes.len(), sensitive });
    }

    /// Drops those of the first `among` fields that have this name, in any case.
    pub(crate) fn remove(&mut self, name: &[u8], among: usize) {
        let (mut kept, mut end, mut start) = (0, 0, 0);
        for place in 0..self.index.len() {
            let span = self.index[place];
            let is_named = self.bytes[start..span.value].eq_ignore_ascii_case(name);
            if !(is_named && place < among) {
                self.bytes.copy_within(start..span.end, end);
                self.index[kept] = Span { value: span.value - start + end, end: span.end - start + end, ..span };
                end += span.end - start;
                kept += 1;
            }
            start = span.end;
        }
        self.bytes.truncate(end);
        self.index.truncate(kept);
    }

    /// Drops what was written since the last field.
    pub(crate) fn discard(&mut self) {
        self.bytes.truncate(self.index.last().map_or(0, |span| span.end));
    }
}

impl<'a> Extend<Field<'a>> for Fields {
    fn extend<T: IntoIterator<Item = Field<'a>>>(&mut self, fields: T) {
        fields.into_iter().for_each(|field| self.push_field(field));
    }
}

impl<'a> FromIterator<Field<'a>> for Fields {
    fn from_iter<T: IntoIterator<Item = Field<'a>>>(fields: T) -> Self {
        let mut all = Self::new();
        all.extend(fields);
        all
    }
}

impl PartialEq for Fields {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Fields {}

impl std::fmt::Debug for Fields {
    /// Values of sensitive fields do not show.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|field| {
                let value = if field.sensitive { "(sensitive)".into() } else { String::from_utf8_lossy(field.value) };
                (String::from_utf8_lossy(field.name), value)
            }))
            .finish()
    }
}

// === impl Field ===

impl<'a> From<(&'a [u8], &'a [u8])> for Field<'a> {
    /// A field like any other, of its name and value.
    fn from((name, value): (&'a [u8], &'a [u8])) -> Self {
        Self::new(name, value)
    }
}

impl<'a> Field<'a> {
    /// A field like any other.
    pub const fn new(name: &'a [u8], value: &'a [u8]) -> Self {
        Self { name, value, sensitive: false }
    }

    /// A field whose value must not enter a compression table.
    pub const fn sensitive(name: &'a [u8], value: &'a [u8]) -> Self {
        Self { name, value, sensitive: true }
    }
}
