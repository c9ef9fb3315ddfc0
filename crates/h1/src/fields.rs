//! Fields as ranges of the bytes they came in.

use crate::octets::trimmed;

/// A range of the buffer that a head was parsed from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// Where a field is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) name: Span,
    pub(crate) value: Span,
    /// After the line's CR LF.
    pub(crate) end: u32,
    pub(crate) known: Known,
}

/// Fields that the codec itself understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    Connection,
    ContentLength,
    Expect,
    Host,
    KeepAlive,
    ProxyConnection,
    Te,
    TransferEncoding,
    Upgrade,
    Other,
}

/// The fields of a head or trailer section, in order.
#[derive(Clone, Copy)]
pub struct Fields<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) entries: &'a [Entry],
    /// Where the options of the Connection fields are.
    pub(crate) options: &'a [Span],
}

/// One field.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name as it was written.
    pub name: &'a [u8],
    /// The value without whitespace at its ends. Bytes of 0x80 and above are as they came.
    pub value: &'a [u8],
}

// === impl Span ===

impl Span {
    /// Of positions that a limit of 32 bits has bounded.
    pub(crate) fn new(start: usize, end: usize) -> Self {
        Self { start: narrow(start), end: narrow(end) }
    }

    pub(crate) fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start as usize..self.end as usize]
    }
}

/// A position in a head, which [`Limits::head`](crate::Limits::head) bounds.
pub(crate) fn narrow(at: usize) -> u32 {
    u32::try_from(at).expect("heads are limited to 32 bits")
}

// === impl Known ===

impl Known {
    /// What a name stands for, whatever its case.
    pub(crate) fn of(name: &[u8]) -> Self {
        let (known, spelled): (_, &[u8]) = match name.len() {
            2 => (Self::Te, b"te"),
            4 => (Self::Host, b"host"),
            6 => (Self::Expect, b"expect"),
            7 => (Self::Upgrade, b"upgrade"),
            10 if name[0] | 0x20 == b'c' => (Self::Connection, b"connection"),
            10 => (Self::KeepAlive, b"keep-alive"),
            14 => (Self::ContentLength, b"content-length"),
            16 => (Self::ProxyConnection, b"proxy-connection"),
            17 => (Self::TransferEncoding, b"transfer-encoding"),
            _ => return Self::Other,
        };
        if name.eq_ignore_ascii_case(spelled) { known } else { Self::Other }
    }

    /// One bit for each.
    pub(crate) fn bit(self) -> u16 {
        1 << self as u16
    }

    /// Whether the field belongs to one connection by its name alone (RFC 9110 7.6.1).
    pub(crate) fn of_the_hop(self) -> bool {
        matches!(
            self,
            Self::Connection
                | Self::KeepAlive
                | Self::ProxyConnection
                | Self::Te
                | Self::TransferEncoding
                | Self::Upgrade
        )
    }
}

// === impl Fields ===

impl<'a> Fields<'a> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The field at a position.
    pub fn at(&self, position: usize) -> Option<Field<'a>> {
        self.entries.get(position).map(|entry| self.field(entry))
    }

    /// All fields in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Field<'a>> + DoubleEndedIterator + use<'a> {
        let fields = *self;
        fields.entries.iter().map(move |entry| fields.field(entry))
    }

    /// The value of the first field of that name, in any case.
    pub fn get(&self, name: &[u8]) -> Option<&'a [u8]> {
        self.positions(name).next().map(|position| self.entries[position].value.of(self.bytes))
    }

    /// The values of all fields of that name, in any case. Each may be a list itself: see [`list`].
    pub fn all<'n>(&self, name: &'n [u8]) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        let Self { bytes, entries, .. } = *self;
        self.positions(name).map(move |position| entries[position].value.of(bytes))
    }

    /// The positions of all fields of that name, in any case.
    pub fn positions<'n>(&self, name: &'n [u8]) -> impl Iterator<Item = usize> + use<'a, 'n> {
        let Self { bytes, entries, .. } = *self;
        entries
            .iter()
            .enumerate()
            .filter(move |(_, entry)| entry.name.of(bytes).eq_ignore_ascii_case(name))
            .map(|(position, _)| position)
    }

    /// The options of all Connection fields, as written.
    pub fn connection_options(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let Self { bytes, options, .. } = *self;
        options.iter().map(move |option| option.of(bytes))
    }

    /// Whether the Connection fields have that option, in any case.
    pub fn has_connection_option(&self, option: &[u8]) -> bool {
        self.connection_options().any(|has| has.eq_ignore_ascii_case(option))
    }

    /// The positions of the fields that end at this hop: those of the connection by name (Connection, Keep-Alive,
    /// Proxy-Connection, TE, Transfer-Encoding, Upgrade) and those that a Connection field names (RFC 9110 7.6.1).
    pub fn hop_by_hop(&self) -> impl Iterator<Item = usize> + use<'a> {
        let fields = *self;
        fields.entries.iter().enumerate().filter_map(move |(position, entry)| {
            let of_the_hop = entry.known.of_the_hop() || fields.has_connection_option(entry.name.of(fields.bytes));
            of_the_hop.then_some(position)
        })
    }

    pub(crate) fn known(&self, known: Known) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let Self { bytes, entries, .. } = *self;
        entries.iter().filter(move |entry| entry.known == known).map(move |entry| entry.value.of(bytes))
    }

    fn field(&self, entry: &Entry) -> Field<'a> {
        Field { name: entry.name.of(self.bytes), value: entry.value.of(self.bytes) }
    }
}

impl std::fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl std::fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.name.escape_ascii(), self.value.escape_ascii())
    }
}

/// As [`list`], as ranges of the bytes that `value` is a range of.
pub(crate) fn list_spans(bytes: &[u8], value: Span) -> impl Iterator<Item = Span> {
    let mut next = value.start as usize;
    let elements = value.of(bytes).split(|byte| *byte == b',').map(move |element| {
        let start = next + (element.len() - element.trim_ascii_start().len());
        next += element.len() + 1;
        Span::new(start, start + trimmed(element).len())
    });
    elements.filter(|span| span.start < span.end)
}

/// The elements of a list of tokens (RFC 9110 5.6.1), trimmed, without empty ones. Not for values with quoted strings.
pub fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(trimmed).filter(|element| !element.is_empty())
}
