//! Messages and attributes: written and read, native byte order but where said.

use std::io;

const HEADER: usize = 16;
const NESTED: u16 = 0x8000;
const TYPE_MASK: u16 = 0x3fff;

/// A request under construction: header, fixed part, attributes.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    bytes: Vec<u8>,
}

impl Request {
    /// A request of a type, with flags beside `NLM_F_REQUEST`, and its fixed part.
    pub(crate) fn new(kind: u16, flags: u16, fixed: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&(flags | super::NLM_F_REQUEST).to_ne_bytes());
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(fixed);
        pad(&mut bytes);
        Self { bytes }
    }

    /// Writes attributes.
    pub(crate) fn attributes(mut self, write: impl FnOnce(&mut Attributes<'_>)) -> Self {
        write(&mut Attributes { bytes: &mut self.bytes });
        self
    }

    /// Its length.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Completes the header; gives the whole message.
    pub(crate) fn finish(&mut self, sequence: u32, flags: u16) -> &[u8] {
        let length = u32::try_from(self.bytes.len()).expect("a request is far below 4 GiB");
        let flags = flags | u16::from_ne_bytes([self.bytes[6], self.bytes[7]]);
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        &self.bytes
    }
}

/// Attributes under construction.
pub(crate) struct Attributes<'a> {
    bytes: &'a mut Vec<u8>,
}

impl Attributes<'_> {
    pub(crate) fn raw(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        self.header(kind, value.len());
        self.bytes.extend_from_slice(value);
        pad(self.bytes);
        self
    }

    pub(crate) fn string(&mut self, kind: u16, value: &str) -> &mut Self {
        self.header(kind, value.len() + 1);
        self.bytes.extend_from_slice(value.as_bytes());
        self.bytes.push(0);
        pad(self.bytes);
        self
    }

    pub(crate) fn be32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.raw(kind, &value.to_be_bytes())
    }

    pub(crate) fn ne32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.raw(kind, &value.to_ne_bytes())
    }

    pub(crate) fn nested(&mut self, kind: u16, write: impl FnOnce(&mut Attributes<'_>)) -> &mut Self {
        let start = self.bytes.len();
        self.header(kind | NESTED, 0);
        write(&mut Attributes { bytes: self.bytes });
        let length = u16::try_from(self.bytes.len() - start).expect("nested attributes are kept below 64 KiB");
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self
    }

    /// A fixed part before nested attributes.
    pub(crate) fn fixed(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        pad(self.bytes);
        self
    }

    fn header(&mut self, kind: u16, value: usize) {
        let length = u16::try_from(value + 4).expect("an attribute is kept below 64 KiB");
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
    }
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// A received message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    pub(crate) body: &'a [u8],
}

impl<'a> Message<'a> {
    /// What an `NLMSG_ERROR` says: an error, or that all is well.
    pub(crate) fn error(&self) -> io::Result<()> {
        let code = self.body.get(..4).and_then(|code| code.try_into().ok()).map_or(0, i32::from_ne_bytes);
        if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code.wrapping_neg())) }
    }

    /// The fixed part of a length, and the attributes after it.
    pub(crate) fn split(&self, fixed: usize) -> io::Result<(&'a [u8], impl Iterator<Item = (u16, &'a [u8])>)> {
        let (head, rest) = self.body.split_at_checked(fixed.next_multiple_of(4)).ok_or_else(short)?;
        Ok((head, attributes(rest)))
    }
}

/// Shows the messages of a datagram.
pub(super) fn messages(
    mut bytes: &[u8],
    each: &mut dyn FnMut(Message<'_>) -> io::Result<()>,
) -> io::Result<()> {
    while bytes.len() >= HEADER {
        let length = u32_ne(bytes).map_or(0, |length| length as usize);
        if length < HEADER || length > bytes.len() {
            return Err(short());
        }
        each(Message {
            kind: u16::from_ne_bytes([bytes[4], bytes[5]]),
            flags: u16::from_ne_bytes([bytes[6], bytes[7]]),
            sequence: u32_ne(&bytes[8..]).unwrap_or(0),
            body: &bytes[HEADER..length],
        })?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(())
}

/// Reads attributes; stops at the first that is cut off.
pub(crate) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes([*bytes.first()?, *bytes.get(1)?]));
        let kind = u16::from_ne_bytes([*bytes.get(2)?, *bytes.get(3)?]) & TYPE_MASK;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// The first attribute of a kind.
pub(crate) fn find(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(found, _)| *found == kind).map(|(_, value)| value)
}

pub(crate) fn u32_ne(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?))
}

pub(crate) fn u32_be(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?))
}

pub(crate) fn u16_be(bytes: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(..2)?.try_into().ok()?))
}

fn short() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the kernel's answer is cut off")
}
