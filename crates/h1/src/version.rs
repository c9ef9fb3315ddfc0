//! The version in a head's first line.

use crate::{error::Reason, framing::Version};

const NAME: &[u8] = b"HTTP/";
const LENGTH: usize = NAME.len() + 3;

/// Reads a version byte by byte.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct VersionScanner {
    length: usize,
    major: u8,
    minor: u8,
}

impl VersionScanner {
    /// The next byte, which does not end the version.
    pub(crate) fn take(&mut self, byte: u8) -> Result<(), Reason> {
        let good = match self.length {
            at if at < NAME.len() => byte == NAME[at],
            5 | 7 => byte.is_ascii_digit(),
            6 => byte == b'.',
            _ => false,
        };
        if !good {
            return Err(if byte == b'\n' { Reason::BareLineFeed } else { Reason::BadVersion });
        }
        match self.length {
            5 => self.major = byte - b'0',
            7 => self.minor = byte - b'0',
            _ => {}
        }
        self.length += 1;
        Ok(())
    }

    /// The version is over.
    pub(crate) fn end(&self) -> Result<Version, Reason> {
        match (self.length, self.major, self.minor) {
            (0, ..) => Err(Reason::MissingVersion),
            (LENGTH, 1, 0) => Ok(Version::Http10),
            (LENGTH, 1, 1) => Ok(Version::Http11),
            (LENGTH, ..) => Err(Reason::UnsupportedVersion),
            _ => Err(Reason::BadVersion),
        }
    }
}
