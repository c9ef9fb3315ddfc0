//! Numbers, flags and strings of bytes, one after another.

use zeroize::Zeroizing;

use crate::Error;

/// Writes to memory that is wiped, also where it grew out of.
#[derive(Default)]
pub(crate) struct Writer(Zeroizing<Vec<u8>>);

/// Reads what a [`Writer`] wrote.
pub(crate) struct Reader<'a>(&'a [u8]);

// === impl Writer ===

impl Writer {
    pub(crate) fn byte(&mut self, byte: u8) {
        self.put(&[byte]);
    }

    pub(crate) fn flag(&mut self, flag: bool) {
        self.byte(u8::from(flag));
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.put(&value.to_be_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.put(&value.to_be_bytes());
    }

    pub(crate) fn len(&mut self, len: usize) {
        self.u64(len as u64);
    }

    /// The length and the bytes.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.pieces(bytes.len(), [bytes]);
    }

    /// A string of `len` bytes, in pieces.
    pub(crate) fn pieces<'a>(&mut self, len: usize, pieces: impl IntoIterator<Item = &'a [u8]>) {
        self.len(len);
        for piece in pieces {
            self.put(piece);
        }
    }

    pub(crate) fn finish(self) -> Zeroizing<Vec<u8>> {
        self.0
    }

    fn put(&mut self, bytes: &[u8]) {
        let needed = self.0.len() + bytes.len();
        if needed > self.0.capacity() {
            // Growing in place would leave a copy behind.
            let mut grown = Zeroizing::new(Vec::with_capacity(needed.next_power_of_two().max(512)));
            grown.extend_from_slice(&self.0);
            self.0 = grown;
        }
        self.0.extend_from_slice(bytes);
    }
}

// === impl Reader ===

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Error> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn flag(&mut self) -> Result<bool, Error> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Error::Handover("it is damaged")),
        }
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Error> {
        self.array().map(u64::from_be_bytes)
    }

    /// A length, of what follows or was mentioned before; so it is never more than all there ever was.
    pub(crate) fn len(&mut self) -> Result<usize, Error> {
        self.u64()?.try_into().map_err(|_| Error::Handover("it is damaged"))
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Error> {
        let len = self.len()?;
        self.take(len)
    }

    /// Fails if anything is left.
    pub(crate) fn finish(self) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Handover("it is too long")) }
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(Error::Handover("it is too short"))?;
        self.0 = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(Error::Handover("it is too short"))?;
        self.0 = rest;
        Ok(*bytes)
    }
}
