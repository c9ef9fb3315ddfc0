//! Fields after a chunked body.

use crate::{
    error::{Reason, Rejected, Side},
    fields::{Entry, Fields},
    limits::Limits,
    scan::{FieldScanner, SectionLimits},
};

/// The longest name below.
pub(crate) const FORBIDDEN_LENGTH: usize = 25;

/// Names that must not come after a body, in lower case and order: framing, routing, request modifiers,
/// authentication, control of responses, and how to read the content (RFC 9110 6.5.1), and fields of the connection.
static FORBIDDEN: [&str; 43] = [
    "age",
    "authentication-info",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "expect",
    "expires",
    "forwarded",
    "host",
    "http2-settings",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "location",
    "max-forwards",
    "origin",
    "pragma",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "retry-after",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "vary",
    "warning",
    "www-authenticate",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];

/// A trailer section that has arrived: what a [`BodyDecoder`](crate::BodyDecoder) called trailers, piece after piece.
#[derive(Clone, Debug, Default)]
pub struct Trailers {
    entries: Vec<Entry>,
}

impl Trailers {
    /// Reads a complete section, which ends with its empty line.
    pub fn parse<'a>(&'a mut self, section: &'a [u8], side: Side, limits: &Limits) -> Result<Fields<'a>, Rejected> {
        let flaw = |(reason, at): (Reason, usize)| Rejected { reason, side, at: at as u64 };
        let section_limits = SectionLimits {
            fields: limits.trailer_fields,
            too_many: Reason::TooManyTrailers,
            name: limits.name,
            value: limits.value,
        };
        self.entries.clear();
        if section.len() > limits.trailers as usize {
            return Err(flaw((Reason::TrailersTooLarge, limits.trailers as usize)));
        }
        let mut scanner = FieldScanner::new(0);
        let complete = scanner.scan(section, &section_limits, &mut self.entries).map_err(flaw)?;
        if !complete || scanner.at < section.len() {
            return Err(flaw((Reason::Truncated, scanner.at)));
        }
        let forbidden = self.entries.iter().find(|entry| may_not_trail(entry.name.of(section)));
        if let Some(entry) = forbidden {
            return Err(flaw((Reason::ForbiddenTrailer, entry.name.end as usize)));
        }
        Ok(Fields { bytes: section, entries: &self.entries, options: &[] })
    }
}

/// Whether a name, in any case, must not be a trailer's.
pub(crate) fn may_not_trail(name: &[u8]) -> bool {
    let mut lower = [0; FORBIDDEN_LENGTH];
    let Some(lower) = lower.get_mut(..name.len()) else { return false };
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    is_forbidden(lower)
}

/// As [`may_not_trail`] for a name in lower case.
pub(crate) fn is_forbidden(name: &[u8]) -> bool {
    FORBIDDEN.binary_search_by(|forbidden| forbidden.as_bytes().cmp(name)).is_ok()
}

#[cfg(test)]
mod tests;
