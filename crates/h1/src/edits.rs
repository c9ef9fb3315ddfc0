//! Changes to a head, as gaps in the bytes that came.

use crate::{
    authority::{Port, is_authority},
    error::Reason,
    fields::{Fields, Known, Span, narrow},
    framing::BodyKind,
    octets::{VALUE, all, is_token, trimmed},
    request::{MethodKind, RequestHead},
    response::ResponseHead,
    target::{TargetForm, check},
    write::{check_field, check_reason, check_status},
};

/// A list of changes to one head. Untouched bytes stay where and as they are; only what changes comes from here. The
/// storage is for one head after the other.
///
/// What was parsed strictly is written strictly: names, values, methods, targets and hosts are checked as they come in,
/// a second Host is refused, and framing fields change only with the body ([`RequestEdits::body`]).
#[derive(Clone, Debug, Default)]
pub struct Edits {
    /// In order, without overlaps; places are those of the head's own bytes.
    gaps: Vec<Gap>,
    text: Vec<u8>,
}

/// Changes of a request's head.
#[derive(Debug)]
pub struct RequestEdits<'e, 'h> {
    edits: &'e mut Edits,
    head: RequestHead<'h>,
    method: Option<Span>,
    retargeted: bool,
    hosts: usize,
}

/// Changes of a response's head.
#[derive(Debug)]
pub struct ResponseEdits<'e, 'h> {
    edits: &'e mut Edits,
    head: ResponseHead<'h>,
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
        let hosts = head.fields().known(Known::Host).count();
        RequestEdits { edits: self, head, method: None, retargeted: false, hosts }
    }

    /// Forgets all changes and begins with those of a response's head.
    pub fn response<'e, 'h>(&'e mut self, head: ResponseHead<'h>) -> ResponseEdits<'e, 'h> {
        self.clear();
        ResponseEdits { edits: self, head }
    }

    /// Forgets all changes.
    pub fn clear(&mut self) {
        self.gaps.clear();
        self.text.clear();
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
    fn append(&mut self, head: usize, name: &[u8], value: &[u8]) {
        let with = self.text(&[name, b": ", value, b"\r\n"]);
        let end = narrow(head - 2);
        self.gaps.push(Gap { start: end, end, with });
    }

    fn replace_value(&mut self, fields: Fields<'_>, start: u32, position: usize, value: &[u8]) -> Result<(), Reason> {
        let entry = fields.entries.get(position).ok_or(Reason::OutOfOrder)?;
        let bare = entry.name.end + 1 == entry.value.start;
        // An empty value would be a place of no length, which is where lines are put: take the colon with it.
        let space: &[u8] = if bare { b"" } else { b" " };
        self.replace(entry.name.end - start, entry.value.end.max(entry.name.end + 1) - start, &[b":", space, value])
    }

    fn remove(&mut self, fields: Fields<'_>, start: u32, position: usize) -> Result<(), Reason> {
        let entry = fields.entries.get(position).ok_or(Reason::OutOfOrder)?;
        self.replace(entry.name.start - start, entry.end - start, &[])
    }

    fn remove_all(&mut self, fields: Fields<'_>, start: u32, known: impl Fn(Known) -> bool) -> Result<(), Reason> {
        for (position, entry) in fields.entries.iter().enumerate() {
            if known(entry.known) {
                self.remove(fields, start, position)?;
            }
        }
        Ok(())
    }

    fn body(&mut self, fields: Fields<'_>, start: u32, head: usize, body: BodyKind) -> Result<(), Reason> {
        self.remove_all(fields, start, |known| matches!(known, Known::ContentLength | Known::TransferEncoding))?;
        match body {
            BodyKind::None | BodyKind::UntilClose => {}
            BodyKind::Length(length) => self.append(head, b"Content-Length", length.to_string().as_bytes()),
            BodyKind::Chunked => self.append(head, b"Transfer-Encoding", b"chunked"),
        }
        Ok(())
    }

    fn strip_hop_by_hop(&mut self, fields: Fields<'_>, start: u32) -> Result<(), Reason> {
        for position in fields.hop_by_hop() {
            if fields.entries[position].known != Known::TransferEncoding {
                self.remove(fields, start, position)?;
            }
        }
        Ok(())
    }
}

/// What may be put into a head by name.
fn check_insert(name: &[u8], value: &[u8]) -> Result<Known, Reason> {
    check_field(name, value)?;
    let known = Known::of(name);
    match known {
        Known::ContentLength | Known::TransferEncoding => Err(Reason::Framing),
        Known::Connection => check_options(value).map(|()| known),
        _ => Ok(known),
    }
}

fn check_options(value: &[u8]) -> Result<(), Reason> {
    for option in crate::fields::list(value) {
        match Known::of(option) {
            _ if !is_token(option) => return Err(Reason::BadConnection),
            Known::Host => return Err(Reason::Nominated("Host")),
            Known::ContentLength => return Err(Reason::Nominated("Content-Length")),
            Known::TransferEncoding => return Err(Reason::Nominated("Transfer-Encoding")),
            _ => {}
        }
    }
    Ok(())
}

/// What may take the place of a field's value.
fn check_value(fields: Fields<'_>, position: usize, value: &[u8]) -> Result<(), Reason> {
    let entry = fields.entries.get(position).ok_or(Reason::OutOfOrder)?;
    if !all(VALUE, value) {
        return Err(Reason::BadValue);
    }
    if trimmed(value).len() < value.len() {
        return Err(Reason::PaddedValue);
    }
    match entry.known {
        Known::ContentLength | Known::TransferEncoding => Err(Reason::Framing),
        Known::Connection => check_options(value),
        Known::Host if !is_authority(value, Port::Optional) => Err(Reason::BadHost),
        _ => Ok(()),
    }
}

// === impl RequestEdits ===

impl RequestEdits<'_, '_> {
    /// Another method. To or from CONNECT there is no way, since it changes what the target means. A method that
    /// changes how responses are framed must be told to the [`ClientConnection`](crate::ClientConnection).
    pub fn method(&mut self, method: &[u8]) -> Result<(), Reason> {
        let kinds = [self.head.method_kind(), MethodKind::of(method)];
        if !is_token(method) || kinds.contains(&MethodKind::Connect) {
            return Err(Reason::BadMethod);
        }
        let (span, _) = self.head.line_spans();
        self.replace(span, method)?;
        self.method = Some(Span::new(self.edits.text.len() - method.len(), self.edits.text.len()));
        Ok(())
    }

    /// Another target: a path, or `*` with OPTIONS. Hosts change by [`RequestEdits::authority`].
    pub fn target(&mut self, target: &[u8]) -> Result<(), Reason> {
        let method = self.method.map_or(self.head.method(), |span| span.of(&self.edits.text));
        match check(method, target)?.form() {
            TargetForm::Origin | TargetForm::Asterisk => {}
            TargetForm::Absolute | TargetForm::Authority => return Err(Reason::TargetForm),
        }
        let (_, span) = self.head.line_spans();
        self.replace(span, target)?;
        self.retargeted = true;
        Ok(())
    }

    /// Another host, with its port: in the Host field, and in the target where it has one.
    pub fn authority(&mut self, authority: &[u8]) -> Result<(), Reason> {
        let form = self.head.target_form();
        let port = if form == TargetForm::Authority { Port::Required } else { Port::Optional };
        if !is_authority(authority, port) {
            return Err(Reason::BadHost);
        }
        let host = self.head.fields().positions(b"host").next();
        match host {
            Some(position) => self.replace_value(position, authority)?,
            None if self.hosts == 0 => self.append(b"Host", authority),
            None => return Err(Reason::DuplicateHost),
        }
        let (_, target) = self.head.line_spans();
        match form {
            TargetForm::Origin | TargetForm::Asterisk => Ok(()),
            _ if self.retargeted => Ok(()),
            TargetForm::Authority => self.replace(target, authority),
            TargetForm::Absolute => {
                let Some(old) = self.head.authority() else { return Err(Reason::BadHost) };
                let before = self.head.target().len() - self.head.path().len() - old.len();
                let start = target.start + narrow(before);
                self.replace(Span { start, end: start + narrow(old.len()) }, authority)
            }
        }
    }

    /// Another value for the field at a position.
    pub fn set(&mut self, position: usize, value: &[u8]) -> Result<(), Reason> {
        check_value(self.head.fields(), position, value)?;
        if self.head.fields().entries[position].known == Known::Host {
            return self.authority(value);
        }
        self.replace_value(position, value)
    }

    /// Takes the field at a position away. Host and framing fields stay.
    pub fn remove(&mut self, position: usize) -> Result<(), Reason> {
        match self.head.fields().entries.get(position).map(|entry| entry.known) {
            Some(Known::ContentLength | Known::TransferEncoding) => Err(Reason::Framing),
            Some(Known::Host) => Err(Reason::MissingHost),
            _ => self.edits.remove(self.head.fields(), self.head.start(), position),
        }
    }

    /// A further field behind the others.
    pub fn insert(&mut self, name: &[u8], value: &[u8]) -> Result<(), Reason> {
        match check_insert(name, value)? {
            Known::Host if self.hosts > 0 => Err(Reason::DuplicateHost),
            Known::Host => self.authority(value),
            _ => {
                self.append(name, value);
                Ok(())
            }
        }
    }

    /// Another framing of the body.
    pub fn body(&mut self, body: BodyKind) -> Result<(), Reason> {
        if body == BodyKind::UntilClose || (body != BodyKind::None && self.head.method_kind() == MethodKind::Connect) {
            return Err(Reason::BodyForbidden);
        }
        let head = self.head.as_bytes().len();
        self.edits.body(self.head.fields(), self.head.start(), head, body)
    }

    /// Takes away the fields that end at this hop ([`Fields::hop_by_hop`]) but Transfer-Encoding, which goes with the
    /// body.
    pub fn strip_hop_by_hop(&mut self) -> Result<(), Reason> {
        self.edits.strip_hop_by_hop(self.head.fields(), self.head.start())
    }

    fn replace(&mut self, span: Span, text: &[u8]) -> Result<(), Reason> {
        let start = self.head.start();
        self.edits.replace(span.start - start, span.end - start, &[text])
    }

    fn replace_value(&mut self, position: usize, value: &[u8]) -> Result<(), Reason> {
        self.edits.replace_value(self.head.fields(), self.head.start(), position, value)
    }

    fn append(&mut self, name: &[u8], value: &[u8]) {
        self.hosts += usize::from(Known::of(name) == Known::Host);
        self.edits.append(self.head.as_bytes().len(), name, value);
    }
}

// === impl ResponseEdits ===

impl ResponseEdits<'_, '_> {
    /// Another status with its reason phrase. It must have a body, or none, as the old one.
    pub fn status(&mut self, status: u16, reason: &[u8]) -> Result<(), Reason> {
        let bodiless = |status| matches!(status, 100..=199 | 204 | 304);
        check_status(status)?;
        check_reason(reason)?;
        if bodiless(status) != bodiless(self.head.status()) || (status < 200) != (self.head.status() < 200) {
            return Err(Reason::BodyForbidden);
        }
        let (start, end) = (self.head.status_at(), self.head.reason_span().end);
        self.edits.replace(start, end, &[status.to_string().as_bytes(), b" ", reason])
    }

    /// Another value for the field at a position.
    pub fn set(&mut self, position: usize, value: &[u8]) -> Result<(), Reason> {
        check_value(self.head.fields(), position, value)?;
        self.edits.replace_value(self.head.fields(), 0, position, value)
    }

    /// Takes the field at a position away. Framing fields stay.
    pub fn remove(&mut self, position: usize) -> Result<(), Reason> {
        match self.head.fields().entries.get(position).map(|entry| entry.known) {
            Some(Known::ContentLength | Known::TransferEncoding) => Err(Reason::Framing),
            _ => self.edits.remove(self.head.fields(), 0, position),
        }
    }

    /// A further field behind the others.
    pub fn insert(&mut self, name: &[u8], value: &[u8]) -> Result<(), Reason> {
        check_insert(name, value)?;
        self.edits.append(self.head.as_bytes().len(), name, value);
        Ok(())
    }

    /// Another framing of the body. One that lasts until the connection ends needs `Connection: close` beside it.
    pub fn body(&mut self, body: BodyKind) -> Result<(), Reason> {
        let framed = matches!(body, BodyKind::Length(_) | BodyKind::Chunked);
        if framed && matches!(self.head.status(), 100..=199 | 204) {
            return Err(Reason::BodyForbidden);
        }
        self.edits.body(self.head.fields(), 0, self.head.as_bytes().len(), body)
    }

    /// Takes away the fields that end at this hop ([`Fields::hop_by_hop`]) but Transfer-Encoding, which goes with the
    /// body.
    pub fn strip_hop_by_hop(&mut self) -> Result<(), Reason> {
        self.edits.strip_hop_by_hop(self.head.fields(), 0)
    }
}

#[cfg(test)]
mod tests;
