//! The outside and the inside of a protected record (RFC 8446, 5.2).

use rustls::{AlertDescription, InvalidMessage, PeerMisbehaved};

use super::fault::Fault;

/// Bytes before the protected part.
pub(crate) const HEADER: usize = 5;
/// Bytes of authentication, the last of a record.
pub(crate) const TAG: usize = 16;
/// What a record without padding is longer than its payload: header, type and tag.
pub(crate) const OVERHEAD: usize = HEADER + 1 + TAG;
/// The largest payload of a record.
pub(crate) const MAX_PAYLOAD: usize = 1 << 14;
/// The largest protected part that a peer may send: 256 bytes for type, padding and tag.
const MAX_PROTECTED: usize = MAX_PAYLOAD + 256;

/// What a record says it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContentType {
    Alert,
    Handshake,
    ApplicationData,
}

/// The header of the record at the front of the inbound bytes, in the time after the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) bytes: [u8; HEADER],
    /// Length of the protected part.
    pub(crate) len: usize,
}

/// What the protected part holds, once opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inner {
    pub(crate) kind: ContentType,
    /// How many of its first bytes are payload; type and padding follow.
    pub(crate) len: usize,
}

// === impl ContentType ===

impl ContentType {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Alert => 21,
            Self::Handshake => 22,
            Self::ApplicationData => 23,
        }
    }
}

// === impl Header ===

impl Header {
    /// None while it is incomplete. After the handshake every record looks like application data from outside; a
    /// record of another type was not protected, and is refused by its first byte.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Self>, Fault> {
        match *bytes {
            [kind, ..] if kind != ContentType::ApplicationData.code() => return Err(Fault::outer_type(kind)),
            // No TLS at all. The minor version is not looked at, but authenticated with the record.
            [_, major, ..] if major != 3 => {
                return Err(Fault::new(InvalidMessage::UnknownProtocolVersion, AlertDescription::DecodeError));
            }
            _ => {}
        }
        let Some(&bytes) = bytes.first_chunk::<HEADER>() else { return Ok(None) };
        let [.., high, low] = bytes;
        let len = usize::from(u16::from_be_bytes([high, low]));
        if len > MAX_PROTECTED {
            return Err(Fault::oversized());
        }
        Ok(Some(Self { bytes, len }))
    }
}

// === impl Inner ===

impl Inner {
    /// Finds the type of what was opened: the last byte that is not padding.
    pub(crate) fn parse(opened: &[u8]) -> Result<Self, Fault> {
        if opened.len() > MAX_PAYLOAD + 1 {
            return Err(Fault::oversized());
        }
        let Some(len) = opened.iter().rposition(|&byte| byte != 0) else {
            return Err(Fault::unexpected(PeerMisbehaved::IllegalTlsInnerPlaintext));
        };
        let kind = match opened[len] {
            20 => return Err(Fault::unexpected(PeerMisbehaved::IllegalMiddleboxChangeCipherSpec)),
            21 => ContentType::Alert,
            22 => ContentType::Handshake,
            23 => ContentType::ApplicationData,
            _ => return Err(Fault::unexpected(InvalidMessage::InvalidContentType)),
        };
        Ok(Self { kind, len })
    }
}

#[cfg(test)]
mod tests;
