//! Changes to a head, as gaps in the bytes that came.

mod request;
mod response;

pub use request::RequestEdits;
pub use response::ResponseEdits;

use crate::{
    authority::{Port, is_authority},
    decimal::Decimal,
    error::Reason,
    fields::{Entry, Fields, Known, Span, list},
    framing::{BodyKind, check_option, is_protocol},
    octets::{VALUE, all, trimmed},
    request::RequestHead,
    response::ResponseHead,
    write::check_field,
};

/// A list of changes to one head. Untouched bytes stay where and as they are; only what changes comes from here. The
/// storage is for one head after the other.
///
/// What was parsed strictly is written strictly: names, values, methods, targets and hosts are checked as they come in,
/// a second Host is refused, and framing fields change only with the body ([`RequestEdits::body`]). Whoever passes a
/// message on calls [`RequestEdits::forward`] or [`ResponseEdits::forward`]; before or after other changes is the same,
/// since it takes away only what the sender wrote.
#[derive(Clone, Debug, Default)]
pub struct Edits {
    /// In order, without overlaps; places are those of the head's own bytes.
    gaps: Vec<Gap>,
    text: Vec<u8>,
    /// The line that frames the body, if it is ours.
    framing: Option<Span>,
}

/// The fields of the head that is changed, and where it is.
#[derive(Clone, Copy, Debug)]
struct Original<'h> {
    fields: Fields<'h>,
    /// Where the head begins in the bytes that the fields are ranges of.
    start: u32,
    /// How long it is.
    length: u32,
}

#[derive(Clone, Copy, Debug)]
struct Gap {
    start: u32,
    end: u32,
    /// What comes instead, in `text`.
    with: Span,
}

// === impl Edits ===

impl Edits {
    /// No changes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets all changes and begins with those of a request's head.
    pub fn request<'e, 'h>(&'e mut self, head: RequestHead<'h>) -> RequestEdits<'e, 'h> {
        self.clear();
        RequestEdits::new(self, head)
    }

    /// Forgets all changes and begins with those of a response's head.
    pub fn response<'e, 'h>(&'e mut self, head: ResponseHead<'h>) -> ResponseEdits<'e, 'h> {
        self.clear();
        ResponseEdits::new(self, head)
    }

    /// Forgets all changes.
    pub fn clear(&mut self) {
        self.gaps.clear();
        self.text.clear();
        self.framing = None;
    }

    /// The changed head as slices in order, none of them empty. `head` are the bytes of the head that the changes are
    /// of ([`RequestHead::as_bytes`], [`ResponseHead::as_bytes`]). Without changes it is one slice, `head` itself.
    pub fn slices<'a>(&'a self, head: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let mut from = 0;
        let around = self.gaps.iter().flat_map(move |gap| {
            let before = &head[from..gap.start as usize];
            from = gap.end as usize;
            [before, gap.with.of(&self.text)]
        });
        let rest = &head[self.gaps.last().map_or(0, |gap| gap.end as usize)..];
        around.chain([rest]).filter(|slice| !slice.is_empty())
    }

    /// The changed head in one piece, appended to `out`.
    pub fn write(&self, head: &[u8], out: &mut Vec<u8>) {
        self.slices(head).for_each(|slice| out.extend_from_slice(slice));
    }

    fn text(&mut self, parts: &[&[u8]]) -> Span {
        let start = self.text.len();
        for part in parts {
            self.text.extend_from_slice(part);
        }
        Span::new(start, self.text.len())
    }

    /// Puts text in the place of a range. A change inside of it is lost; a change around it stands, and this one is
    /// refused.
    fn replace(&mut self, start: u32, end: u32, parts: &[&[u8]]) -> Result<(), Reason> {
        let overlaps = |gap: &Gap| gap.start < gap.end && gap.start < end && start < gap.end;
        if self.gaps.iter().any(|gap| overlaps(gap) && (gap.start < start || end < gap.end)) {
            return Err(Reason::OutOfOrder);
        }
        self.gaps.retain(|gap| !overlaps(gap));
        let with = self.text(parts);
        let place = self.gaps.partition_point(|gap| gap.start < end);
        self.gaps.insert(place, Gap { start, end, with });
        Ok(())
    }

    /// Puts a line behind all that are there.
    fn append(&mut self, head: Original<'_>, name: &[u8], value: &[u8]) -> Span {
        let with = self.text(&[name, b": ", value, b"\r\n"]);
        let end = head.end_of_fields();
        self.gaps.push(Gap { start: end, end, with });
        with
    }

    fn set(&mut self, head: Original<'_>, entry: &Entry, value: &[u8]) -> Result<(), Reason> {
        let bare = entry.name.end + 1 == entry.value.start;
        // An empty value would be a place of no length, which is where lines are put: take the colon with it.
        let space: &[u8] = if bare { b"" } else { b" " };
        let end = entry.value.end.max(entry.name.end + 1);
        self.replace(entry.name.end - head.start, end - head.start, &[b":", space, value])
    }

    fn remove(&mut self, head: Original<'_>, entry: &Entry) -> Result<(), Reason> {
        self.replace(entry.name.start - head.start, entry.end - head.start, &[])
    }

    /// What stands in the place of a field of the head, if that is not as it came.
    fn change_of(&self, head: Original<'_>, entry: &Entry) -> Option<&Gap> {
        let colon = entry.name.end - head.start;
        self.gaps.iter().find(|gap| (gap.start..gap.end).contains(&colon))
    }

    /// Takes away the fields that end at this hop, as they came, but for the one that frames the body.
    fn strip_hop_by_hop(&mut self, head: Original<'_>) -> Result<(), Reason> {
        for position in head.fields.hop_by_hop() {
            let entry = &head.fields.entries[position];
            if entry.known != Known::TransferEncoding && self.change_of(head, entry).is_none() {
                self.remove(head, entry)?;
            }
        }
        Ok(())
    }

    /// Frames the body anew: without the fields that are `dropped`, and with one that says `body`. What was done to the
    /// framing before is undone.
    fn frame(&mut self, head: Original<'_>, dropped: &[Known], body: BodyKind) -> Result<(), Reason> {
        if let Some(line) = self.framing.take() {
            self.gaps.retain(|gap| gap.with != line);
        }
        let framing = |entry: &&Entry| matches!(entry.known, Known::ContentLength | Known::TransferEncoding);
        for entry in head.fields.entries.iter().filter(framing) {
            let colon = entry.name.end - head.start;
            self.gaps.retain(|gap| !(gap.start..gap.end).contains(&colon));
            if dropped.contains(&entry.known) {
                self.remove(head, entry)?;
            }
        }
        self.framing = match body {
            BodyKind::None | BodyKind::UntilClose => None,
            BodyKind::Length(length) => Some(self.append(head, b"Content-Length", Decimal::new(length).as_bytes())),
            BodyKind::Chunked => Some(self.append(head, b"Transfer-Encoding", b"chunked")),
        };
        Ok(())
    }

    /// The values of the changed head's fields that are known as that.
    fn values<'a>(&'a self, head: Original<'a>, known: Known) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let kept = head.fields.entries.iter().filter(move |entry| entry.known == known).filter_map(move |entry| {
            match self.change_of(head, entry) {
                None => Some(entry.value.of(head.fields.bytes)),
                // A colon and the value, or nothing.
                Some(gap) => gap.with.of(&self.text).get(1..).map(trimmed),
            }
        });
        let lines = self.gaps.iter().filter(move |gap| gap.start == head.end_of_fields());
        let added = lines.filter_map(move |gap| {
            let line = gap.with.of(&self.text);
            let colon = line.iter().position(|byte| *byte == b':')?;
            (Known::of(&line[..colon]) == known).then(|| trimmed(&line[colon + 1..line.len() - 2]))
        });
        kept.chain(added)
    }
}

// === impl Original ===

impl<'h> Original<'h> {
    fn entry(&self, position: usize) -> Result<&'h Entry, Reason> {
        self.fields.entries.get(position).ok_or(Reason::OutOfOrder)
    }

    /// Where lines are put.
    fn end_of_fields(&self) -> u32 {
        self.length - 2
    }
}

/// What may be put into a head by name.
fn check_insert(name: &[u8], value: &[u8]) -> Result<Known, Reason> {
    check_field(name, value)?;
    let known = Known::of(name);
    check_known(known, value).map(|()| known)
}

/// What may take the place of a field's value.
fn check_set(known: Known, value: &[u8]) -> Result<(), Reason> {
    if !all(VALUE, value) {
        return Err(Reason::BadValue);
    }
    if trimmed(value).len() < value.len() {
        return Err(Reason::PaddedValue);
    }
    check_known(known, value)
}

/// What a parser of ours would refuse in a field that it understands.
fn check_known(known: Known, value: &[u8]) -> Result<(), Reason> {
    match known {
        Known::ContentLength | Known::TransferEncoding => Err(Reason::Framing),
        Known::Connection => list(value).try_for_each(|option| check_option(option).map(drop)),
        Known::Upgrade if !list(value).all(is_protocol) => Err(Reason::BadUpgrade),
        Known::Expect if !value.eq_ignore_ascii_case(b"100-continue") => Err(Reason::UnknownExpectation),
        Known::Host if !is_authority(value, Port::Optional) => Err(Reason::BadHost),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
