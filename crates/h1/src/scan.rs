//! The fields of a head or trailer section.
//!
//! A scanner is a state machine over one contiguous buffer that grows: each call goes on where the last one ended, and
//! what comes out does not depend on how the bytes arrived. Lines that are there as a whole and have nothing odd, nearly
//! all of them, are taken in one step, the others byte by byte.

use crate::{
    error::Reason,
    fields::{Entry, Known, Span, narrow},
    octets::{TOKEN, is, run_of_token, run_of_value},
};

/// Where a scanner of fields is. It must be at the start of a line.
#[derive(Clone, Debug)]
pub(crate) struct FieldScanner {
    step: Step,
    /// The next byte.
    pub(crate) at: usize,
    /// Where the current element begins.
    mark: usize,
    name: Span,
    /// [`Known::bit`] of each field.
    seen: u16,
}

/// What a scanner finds wrong, and where.
pub(crate) type Flaw = (Reason, usize);

/// Limits of one section.
pub(crate) struct SectionLimits {
    pub(crate) fields: u32,
    pub(crate) too_many: Reason,
    pub(crate) name: u32,
    pub(crate) value: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    LineStart,
    Name,
    BeforeValue,
    Value,
    LineFeed,
    LastLineFeed,
}

impl FieldScanner {
    pub(crate) const fn new(at: usize) -> Self {
        Self { step: Step::LineStart, at, mark: at, name: Span { start: 0, end: 0 }, seen: 0 }
    }

    /// Goes on; whether the section is complete, the empty line included.
    pub(crate) fn scan(
        &mut self,
        buffer: &[u8],
        limits: &SectionLimits,
        entries: &mut Vec<Entry>,
    ) -> Result<bool, Flaw> {
        while let Some(&byte) = buffer.get(self.at) {
            match self.step {
                Step::LineStart => {
                    self.whole_lines(buffer, limits, entries);
                    let Some(&byte) = buffer.get(self.at) else { return Ok(false) };
                    self.mark = self.at;
                    self.step = match byte {
                        b'\r' => Step::LastLineFeed,
                        b'\n' => return Err((Reason::BareLineFeed, self.at)),
                        b' ' | b'\t' if entries.is_empty() => return Err((Reason::LeadingWhitespace, self.at)),
                        b' ' | b'\t' => return Err((Reason::ObsoleteFold, self.at)),
                        b':' => return Err((Reason::EmptyName, self.at)),
                        _ if entries.len() >= limits.fields as usize => return Err((limits.too_many, self.at)),
                        _ => {
                            self.step = Step::Name;
                            continue;
                        }
                    };
                }
                Step::Name => {
                    let end = self.advance(buffer, limits.name, run_of_token);
                    let Some(&byte) = buffer.get(self.at) else { return Ok(false) };
                    let reason = match byte {
                        b':' => {
                            self.name = Span::new(self.mark, self.at);
                            self.step = Step::BeforeValue;
                            self.at += 1;
                            continue;
                        }
                        b' ' | b'\t' => Reason::WhitespaceBeforeColon,
                        b'\r' => Reason::MissingColon,
                        b'\n' => Reason::BareLineFeed,
                        _ if self.at == end && is(TOKEN, byte) => Reason::NameTooLong,
                        _ => Reason::BadName,
                    };
                    return Err((reason, self.at));
                }
                Step::BeforeValue => {
                    if byte != b' ' && byte != b'\t' {
                        self.step = Step::Value;
                        self.mark = self.at;
                        continue;
                    }
                }
                Step::Value => {
                    let end = self.advance(buffer, limits.value, run_of_value);
                    let Some(&byte) = buffer.get(self.at) else { return Ok(false) };
                    let reason = match byte {
                        b'\r' => {
                            self.step = Step::LineFeed;
                            self.at += 1;
                            continue;
                        }
                        b'\n' => Reason::BareLineFeed,
                        _ if self.at == end && is(crate::octets::VALUE, byte) => Reason::ValueTooLong,
                        _ => Reason::BadValue,
                    };
                    return Err((reason, self.at));
                }
                Step::LineFeed => {
                    if byte != b'\n' {
                        return Err((Reason::BareCarriageReturn, self.at - 1));
                    }
                    let mut end = self.at - 1;
                    while end > self.mark && matches!(buffer[end - 1], b' ' | b'\t') {
                        end -= 1;
                    }
                    let known = Known::of(self.name.of(buffer));
                    let value = Span::new(self.mark, end);
                    entries.push(Entry { name: self.name, value, end: narrow(self.at + 1), known });
                    self.seen |= known.bit();
                    self.step = Step::LineStart;
                }
                Step::LastLineFeed => {
                    if byte != b'\n' {
                        return Err((Reason::BareCarriageReturn, self.at - 1));
                    }
                    self.at += 1;
                    return Ok(true);
                }
            }
            self.at += 1;
        }
        Ok(false)
    }

    /// Takes lines as long as they are whole and have nothing odd.
    fn whole_lines(&mut self, buffer: &[u8], limits: &SectionLimits, entries: &mut Vec<Entry>) {
        let (mut at, mut seen) = (self.at, 0);
        while entries.len() < limits.fields as usize
            && let Some(entry) = whole_line(buffer, at, limits)
        {
            at = entry.end as usize;
            seen |= entry.known.bit();
            entries.push(entry);
        }
        self.at = at;
        self.seen |= seen;
    }

    /// Whether there is a field of these.
    pub(crate) fn has(&self, known: impl IntoIterator<Item = Known>) -> bool {
        known.into_iter().any(|known| self.seen & known.bit() != 0)
    }

    /// Moves over a run that began at the mark, not further than `limit` allows; where that is.
    fn advance(&mut self, buffer: &[u8], limit: u32, run: impl Fn(&[u8]) -> usize) -> usize {
        let end = self.mark + limit as usize;
        self.at += run(&buffer[self.at..buffer.len().min(end)]);
        end
    }
}

/// The field whose line begins at `start`, if the line is whole and right in every way.
fn whole_line(buffer: &[u8], start: usize, limits: &SectionLimits) -> Option<Entry> {
    let within = |from: usize, limit: u32| &buffer[from..buffer.len().min(from + limit as usize)];
    let colon = start + run_of_token(within(start, limits.name));
    if colon == start || buffer.get(colon) != Some(&b':') {
        return None;
    }
    let mut begin = colon + 1;
    while let Some(b' ' | b'\t') = buffer.get(begin) {
        begin += 1;
    }
    let after = begin + run_of_value(within(begin, limits.value));
    let [b'\r', b'\n', ..] = buffer[after..] else { return None };
    let mut end = after;
    while end > begin && matches!(buffer[end - 1], b' ' | b'\t') {
        end -= 1;
    }
    let name = Span::new(start, colon);
    let known = Known::of(name.of(buffer));
    Some(Entry { name, value: Span::new(begin, end), end: narrow(after + 2), known })
}
