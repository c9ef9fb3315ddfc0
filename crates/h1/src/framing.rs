//! How long a message's body is (RFC 9112 6.3).

use crate::{
    error::Reason,
    fields::{Entry, Fields, Known, Span, list, list_spans},
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

/// What the connection fields say about the time after the message, with the defaults of the version. Where their
/// options are goes to `options`, so that nobody searches the values again.
pub(crate) fn persistence(
    fields: Fields<'_>,
    version: Version,
    limits: &Limits,
    options: &mut Vec<Span>,
) -> Result<Persistence, Flaw> {
    options.clear();
    let mut persistence = match version {
        Version::Http10 => Persistence::Close,
        Version::Http11 => Persistence::KeepAlive,
    };
    let mut close = false;
    for entry in fields.entries.iter().filter(|entry| entry.known == Known::Connection) {
        let at = entry.value.start as usize;
        for span in list_spans(fields.bytes, entry.value) {
            let option = span.of(fields.bytes);
            let known = check_option(option).map_err(|reason| (reason, at))?;
            if options.len() >= limits.connection_options as usize {
                return Err((Reason::TooManyConnectionOptions, span.start as usize));
            }
            options.push(span);
            match known {
                Known::KeepAlive => persistence = Persistence::KeepAlive,
                _ => close |= option.eq_ignore_ascii_case(b"close"),
            }
        }
    }
    Ok(if close { Persistence::Close } else { persistence })
}

/// What a Connection option stands for, unless no Connection field may have it.
pub(crate) fn check_option(option: &[u8]) -> Result<Known, Reason> {
    if !is_token(option) {
        return Err(Reason::BadConnection);
    }
    match Known::of(option) {
        Known::Host => Err(Reason::Nominated("Host")),
        Known::ContentLength => Err(Reason::Nominated("Content-Length")),
        Known::TransferEncoding => Err(Reason::Nominated("Transfer-Encoding")),
        known => Ok(known),
    }
}

/// Whether the fields ask for, or announce, a switch to another protocol. Without the Connection option an Upgrade
/// field means nothing (RFC 9110 7.8).
pub(crate) fn upgrades(fields: Fields<'_>, limits: &Limits) -> Result<bool, Flaw> {
    let mut named = 0;
    for entry in fields.entries.iter().filter(|entry| entry.known == Known::Upgrade) {
        for protocol in list(entry.value.of(fields.bytes)) {
            if !is_protocol(protocol) {
                return Err((Reason::BadUpgrade, entry.value.start as usize));
            }
            if named >= limits.upgrade_protocols {
                return Err((Reason::TooManyProtocols, entry.value.start as usize));
            }
            named += 1;
        }
    }
    Ok(named > 0 && fields.has_connection_option(b"upgrade"))
}

/// Whether it is a protocol's name, with or without a version.
pub(crate) fn is_protocol(protocol: &[u8]) -> bool {
    protocol.splitn(2, |byte| *byte == b'/').all(is_token)
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
