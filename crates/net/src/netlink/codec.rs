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
    pub(crate) fn split(&self, fixed: usize) -> io::Result<(&'a [u8], AttributeIter<'a>)> {
        let (head, rest) = self.body.split_at_checked(fixed.next_multiple_of(4)).ok_or_else(short)?;
        Ok((head, attributes(rest)))
    }
}

/// Shows the messages of a datagram.
pub(super) fn messages(mut bytes: &[u8], each: &mut dyn FnMut(Message<'_>) -> io::Result<()>) -> io::Result<()> {
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
pub(crate) fn attributes(bytes: &[u8]) -> AttributeIter<'_> {
    AttributeIter { bytes }
}

/// Attributes being read: kind and value of each.
#[derive(Clone, Debug)]
pub(crate) struct AttributeIter<'a> {
    bytes: &'a [u8],
}

impl<'a> Iterator for AttributeIter<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.bytes;
        let length = usize::from(u16::from_ne_bytes([*bytes.first()?, *bytes.get(1)?]));
        let kind = u16::from_ne_bytes([*bytes.get(2)?, *bytes.get(3)?]) & TYPE_MASK;
        let value = bytes.get(4..length)?;
        self.bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut request = Request::new(7, 0x100, &[1, 2, 3]).attributes(|top| {
            top.string(1, "name").nested(2, |inner| {
                inner.be32(3, 0x0102_0304).raw(4, &[9; 5]);
            });
            top.ne32(5, 77);
        });
        let bytes = request.finish(42, 4).to_vec();
        let mut seen = 0;
        messages(&bytes, &mut |message| {
            seen += 1;
            assert_eq!((message.kind, message.flags, message.sequence), (7, 0x105, 42));
            let (head, attributes) = message.split(3)?;
            assert_eq!(head, [1, 2, 3, 0]);
            let attributes: Vec<_> = attributes.collect();
            assert_eq!(attributes[0], (1, &b"name\0"[..]));
            let inner = attributes[1].1;
            assert_eq!(find(inner, 3).and_then(u32_be), Some(0x0102_0304));
            assert_eq!(find(inner, 4), Some(&[9; 5][..]));
            assert_eq!(attributes[2].0, 5);
            assert_eq!(u32_ne(attributes[2].1), Some(77));
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, 1);
    }

    #[test]
    fn cut_off_answers_are_errors_and_never_panic() {
        let mut request = Request::new(7, 0, &[1, 2, 3, 4]).attributes(|top| {
            top.string(1, "name");
        });
        let bytes = request.finish(1, 0).to_vec();
        for length in 0..bytes.len() {
            let read = messages(&bytes[..length], &mut |_| Ok(()));
            assert_eq!(read.is_err(), length >= HEADER);
            assert!(attributes(&bytes[..length]).count() < bytes.len());
        }
        // A message that claims to be shorter than its own header.
        let mut odd = bytes.clone();
        odd[0] = 3;
        assert!(messages(&odd, &mut |_| Ok(())).is_err());
    }
}
