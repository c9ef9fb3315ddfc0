//! How long a message's body is (RFC 9112 6.3).

use crate::{
    error::Reason,
    fields::{Entry, Fields, Known, list},
    limits::Limits,
    octets::is_token,
    scan::Flaw,
};

/// How a body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// There is no body, nor a place for one.
    None,
    /// That many bytes, by Content-Length.
    Length(u64),
    /// By `Transfer-Encoding: chunked`.
    Chunked,
    /// All bytes until the connection ends. Responses only.
    UntilClose,
}

/// The HTTP versions that are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// Whether a connection is to be used again after a message, as far as its sender says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// It may be used again.
    KeepAlive,
    /// It ends after the message.
    Close,
}

/// What the framing fields of a head say, before it is known whether its message has a body at all.
pub(crate) fn declared(fields: Fields<'_>, version: Version, limits: &Limits) -> Result<Option<BodyKind>, Flaw> {
    let mut length: Option<&Entry> = None;
    let mut encoding: Option<&Entry> = None;
    for entry in fields.entries {
        let (seen, again) = match entry.known {
            Known::ContentLength => (&mut length, Reason::DuplicateContentLength),
            Known::TransferEncoding => (&mut encoding, Reason::DuplicateTransferEncoding),
            _ => continue,
        };
        if seen.replace(entry).is_some() {
            return Err((again, entry.name.start as usize));
        }
    }
    match (length, encoding) {
        (None, None) => Ok(None),
        (Some(length), Some(encoding)) => {
            Err((Reason::LengthAndEncoding, length.name.start.max(encoding.name.start) as usize))
        }
        (Some(entry), None) => {
            let at = entry.value.start as usize;
            let length = decimal(entry.value.of(fields.bytes)).ok_or((Reason::BadContentLength, at))?;
            if length > limits.body { Err((Reason::BodyTooLarge, at)) } else { Ok(Some(BodyKind::Length(length))) }
        }
        (None, Some(entry)) => {
            let reason = match version {
                Version::Http10 => Some(Reason::EncodingInHttp10),
                Version::Http11 => coding_flaw(entry.value.of(fields.bytes)),
            };
            reason.map_or(Ok(Some(BodyKind::Chunked)), |reason| Err((reason, entry.value.start as usize)))
        }
    }
}

/// What the connection fields say about the time after the message, with the defaults of the version.
pub(crate) fn persistence(fields: Fields<'_>, version: Version) -> Result<Persistence, Flaw> {
    let mut persistence = match version {
        Version::Http10 => Persistence::Close,
        Version::Http11 => Persistence::KeepAlive,
    };
    let mut close = false;
    for entry in fields.entries.iter().filter(|entry| entry.known == Known::Connection) {
        let at = entry.value.start as usize;
        for option in list(entry.value.of(fields.bytes)) {
            if !is_token(option) {
                return Err((Reason::BadConnection, at));
            }
            match Known::of(option) {
                Known::KeepAlive => persistence = Persistence::KeepAlive,
                Known::Host => return Err((Reason::Nominated("Host"), at)),
                Known::ContentLength => return Err((Reason::Nominated("Content-Length"), at)),
                Known::TransferEncoding => return Err((Reason::Nominated("Transfer-Encoding"), at)),
                _ => close |= option.eq_ignore_ascii_case(b"close"),
            }
        }
    }
    Ok(if close { Persistence::Close } else { persistence })
}

/// Whether the fields ask for, or announce, a switch to another protocol. Without the Connection option an Upgrade
/// field means nothing (RFC 9110 7.8).
pub(crate) fn upgrades(fields: Fields<'_>) -> Result<bool, Flaw> {
    let mut named = false;
    for entry in fields.entries.iter().filter(|entry| entry.known == Known::Upgrade) {
        for protocol in list(entry.value.of(fields.bytes)) {
            let mut parts = protocol.splitn(2, |byte| *byte == b'/');
            if !parts.all(is_token) {
                return Err((Reason::BadUpgrade, entry.value.start as usize));
            }
            named = true;
        }
    }
    Ok(named && fields.has_connection_option(b"upgrade"))
}

/// A plain decimal number.
fn decimal(digits: &[u8]) -> Option<u64> {
    match digits {
        [] | [b'0', _, ..] => None,
        _ => digits.iter().try_fold(0_u64, |value, digit| {
            let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
            value.checked_mul(10)?.checked_add(digit)
        }),
    }
}

/// What is wrong with a transfer coding. `gzip, chunked` is fine with the RFC, but nobody here decodes gzip.
fn coding_flaw(value: &[u8]) -> Option<Reason> {
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    let mut codings = value.split(|byte| *byte == b',').map(crate::octets::trimmed);
    if is_chunked(value) {
        None
    } else if !codings.clone().all(is_token) || codings.all(is_chunked) {
        Some(Reason::BadTransferEncoding)
    } else {
        Some(Reason::UnknownTransferCoding)
    }
}
