//! The chunked coding (RFC 9112 7.1).
//!
//! A chunk's line is 1 to 16 hexadecimal digits and extensions without any whitespace outside of quotes; each line, and
//! the data, ends with CR LF. A body's data is limited as a whole, so are its extensions.

use crate::{
    body::Decoded,
    error::Reason,
    limits::Limits,
    octets::{QUOTED, TOKEN, VALUE, is},
    scan::Flaw,
    trailers::{FORBIDDEN_LENGTH, is_forbidden},
};

/// Digits of a chunk's size.
const SIZE_DIGITS: u8 = 16;

/// Reads a chunked body.
#[derive(Clone, Debug)]
pub(crate) struct Chunked {
    step: Step,
    /// Of the current chunk: its size while its line is read, then what is left of it.
    size: u64,
    digits: u8,
    /// Bytes of the current line, or of the trailer section.
    line: u32,
    /// Bytes of extensions so far.
    extensions: u32,
    /// Data that may still come.
    room: u64,
    /// Trailer fields so far.
    fields: u32,
    /// The name of the current trailer field as far as it could be a forbidden one, in lower case.
    name: [u8; FORBIDDEN_LENGTH],
    name_length: u32,
    value_length: u32,
    limits: ChunkLimits,
}

#[derive(Clone, Copy, Debug)]
struct ChunkLimits {
    line: u32,
    extensions: u32,
    trailers: u32,
    fields: u32,
    name: u32,
    value: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Size,
    ExtensionStart,
    ExtensionName,
    ExtensionValueStart,
    ExtensionToken,
    ExtensionQuoted,
    ExtensionEscaped,
    ExtensionQuoteEnd,
    SizeLineFeed,
    Data,
    DataReturn,
    DataLineFeed,
    TrailerStart,
    TrailerName,
    TrailerBeforeValue,
    TrailerValue,
    TrailerLineFeed,
    LastLineFeed,
}

impl Chunked {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            step: Step::Size,
            size: 0,
            digits: 0,
            line: 0,
            extensions: 0,
            room: limits.body,
            fields: 0,
            name: [0; FORBIDDEN_LENGTH],
            name_length: 0,
            value_length: 0,
            limits: ChunkLimits {
                line: limits.chunk_line,
                extensions: limits.chunk_extensions,
                trailers: limits.trailers,
                fields: limits.trailer_fields,
                name: limits.name,
                value: limits.value,
            },
        }
    }

    /// Reads until the data of a chunk has been met, or the end of the input.
    pub(crate) fn decode(&mut self, input: &[u8], decoded: &mut Decoded) -> Result<(), Flaw> {
        let mut at = 0;
        let mut trailers = None;
        while at < input.len() {
            if self.step == Step::Data {
                let take = usize::try_from(self.size).unwrap_or(usize::MAX).min(input.len() - at);
                self.size -= take as u64;
                decoded.data = at..at + take;
                at += take;
                if self.size == 0 {
                    self.step = Step::DataReturn;
                }
                break;
            }
            let in_trailers = self.step >= Step::TrailerStart;
            self.next(input[at]).map_err(|reason| (reason, at))?;
            if in_trailers {
                trailers.get_or_insert(at);
            }
            at += 1;
            if in_trailers && self.step == Step::Size {
                decoded.done = true;
                break;
            }
        }
        if let Some(start) = trailers {
            decoded.trailers = start..at;
        }
        decoded.consumed = at;
        Ok(())
    }

    /// Takes a byte that is not data. After the last one of the body the step is [`Step::Size`] again.
    fn next(&mut self, byte: u8) -> Result<(), Reason> {
        match self.step {
            Step::Size
            | Step::ExtensionStart
            | Step::ExtensionName
            | Step::ExtensionValueStart
            | Step::ExtensionToken
            | Step::ExtensionQuoted
            | Step::ExtensionEscaped
            | Step::ExtensionQuoteEnd => self.next_of_line(byte),
            Step::SizeLineFeed => {
                if byte != b'\n' {
                    return Err(Reason::BareCarriageReturn);
                }
                (self.line, self.digits) = (0, 0);
                self.step = if self.size == 0 { Step::TrailerStart } else { Step::Data };
                self.room = self.room.checked_sub(self.size).ok_or(Reason::BodyTooLarge)?;
                Ok(())
            }
            Step::DataReturn if byte == b'\r' => self.to(Step::DataLineFeed),
            Step::DataLineFeed if byte == b'\n' => self.to(Step::Size),
            Step::DataReturn | Step::DataLineFeed | Step::Data => Err(Reason::BadChunkEnd),
            _ => self.next_of_trailers(byte),
        }
    }

    fn next_of_line(&mut self, byte: u8) -> Result<(), Reason> {
        let extension = self.step != Step::Size;
        let quoted = matches!(self.step, Step::ExtensionQuoted | Step::ExtensionEscaped);
        if !quoted {
            match byte {
                b'\n' => return Err(Reason::BareLineFeed),
                b'\r' if self.line_may_end() => return self.to(Step::SizeLineFeed),
                _ => {}
            }
        }
        // Counted when it is sure that it belongs to the line.
        if self.line >= self.limits.line {
            return Err(Reason::ChunkLineTooLong);
        }
        self.line += 1;
        if extension || byte == b';' {
            if self.extensions >= self.limits.extensions {
                return Err(Reason::ChunkExtensionsTooLarge);
            }
            self.extensions += 1;
        }
        let step = match (self.step, byte) {
            (Step::Size, b';') if self.digits > 0 => Step::ExtensionStart,
            (Step::Size, _) => return self.digit(byte),
            (Step::ExtensionStart | Step::ExtensionName, _) if is(TOKEN, byte) => Step::ExtensionName,
            (Step::ExtensionName, b'=') => Step::ExtensionValueStart,
            (Step::ExtensionValueStart, b'"') => Step::ExtensionQuoted,
            (Step::ExtensionValueStart | Step::ExtensionToken, _) if is(TOKEN, byte) => Step::ExtensionToken,
            (Step::ExtensionQuoted, b'"') => Step::ExtensionQuoteEnd,
            (Step::ExtensionQuoted, b'\\') => Step::ExtensionEscaped,
            (Step::ExtensionQuoted, _) if is(QUOTED, byte) => Step::ExtensionQuoted,
            (Step::ExtensionEscaped, _) if is(VALUE, byte) => Step::ExtensionQuoted,
            (Step::ExtensionName | Step::ExtensionToken | Step::ExtensionQuoteEnd, b';') => Step::ExtensionStart,
            _ => return Err(Reason::BadChunkExtension),
        };
        self.to(step)
    }

    fn line_may_end(&self) -> bool {
        match self.step {
            Step::Size => self.digits > 0,
            step => matches!(step, Step::ExtensionName | Step::ExtensionToken | Step::ExtensionQuoteEnd),
        }
    }

    fn digit(&mut self, byte: u8) -> Result<(), Reason> {
        let value = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            _ => return Err(Reason::BadChunkSize),
        };
        if self.digits == SIZE_DIGITS {
            return Err(Reason::BadChunkSize);
        }
        if self.digits == 0 {
            self.size = 0;
        }
        self.digits += 1;
        self.size = self.size << 4 | u64::from(value);
        Ok(())
    }

    fn next_of_trailers(&mut self, byte: u8) -> Result<(), Reason> {
        if self.line >= self.limits.trailers {
            return Err(Reason::TrailersTooLarge);
        }
        self.line += 1;
        match (self.step, byte) {
            (Step::TrailerStart, b'\r') => self.to(Step::LastLineFeed),
            (Step::TrailerLineFeed, b'\n') => self.to(Step::TrailerStart),
            (Step::LastLineFeed, b'\n') => self.to(Step::Size),
            (Step::TrailerLineFeed | Step::LastLineFeed, _) => Err(Reason::BareCarriageReturn),
            (_, b'\n') => Err(Reason::BareLineFeed),
            (Step::TrailerStart, b' ' | b'\t') if self.fields == 0 => Err(Reason::LeadingWhitespace),
            (Step::TrailerStart, b' ' | b'\t') => Err(Reason::ObsoleteFold),
            (Step::TrailerStart, b':') => Err(Reason::EmptyName),
            (Step::TrailerStart, _) => {
                if self.fields >= self.limits.fields {
                    return Err(Reason::TooManyTrailers);
                }
                self.fields += 1;
                self.name_length = 0;
                self.step = Step::TrailerName;
                self.next_of_name(byte)
            }
            (Step::TrailerName, _) => self.next_of_name(byte),
            (Step::TrailerBeforeValue, b' ' | b'\t') => Ok(()),
            (_, b'\r') => self.to(Step::TrailerLineFeed),
            (_, _) if self.value_length >= self.limits.value && is(VALUE, byte) => Err(Reason::ValueTooLong),
            (_, _) if is(VALUE, byte) => {
                self.value_length += 1;
                self.to(Step::TrailerValue)
            }
            _ => Err(Reason::BadValue),
        }
    }

    fn next_of_name(&mut self, byte: u8) -> Result<(), Reason> {
        match byte {
            b':' => {
                let name = self.name.get(..self.name_length as usize);
                if name.is_some_and(is_forbidden) {
                    return Err(Reason::ForbiddenTrailer);
                }
                self.value_length = 0;
                self.to(Step::TrailerBeforeValue)
            }
            b' ' | b'\t' => Err(Reason::WhitespaceBeforeColon),
            b'\r' => Err(Reason::MissingColon),
            _ if !is(TOKEN, byte) => Err(Reason::BadName),
            _ if self.name_length >= self.limits.name => Err(Reason::NameTooLong),
            _ => {
                if let Some(place) = self.name.get_mut(self.name_length as usize) {
                    *place = byte.to_ascii_lowercase();
                }
                self.name_length += 1;
                Ok(())
            }
        }
    }

    #[allow(clippy::unnecessary_wraps)] // the arms of a match
    fn to(&mut self, step: Step) -> Result<(), Reason> {
        self.step = step;
        Ok(())
    }
}

impl PartialOrd for Step {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        (*self as u8).partial_cmp(&(*other as u8))
    }
}
