//! Heads of responses.

use crate::{
    error::{Reason, Rejected},
    fields::{Entry, Fields, Known, Span},
    framing::{BodyKind, Persistence, Version, declared, persistence, upgrades},
    limits::Limits,
    octets::{VALUE, is, run_of_value},
    request::MethodKind,
    scan::{FieldScanner, Flaw, SectionLimits},
    version::VersionScanner,
};

/// Reads heads of responses, one after the other; otherwise as [`RequestParser`](crate::RequestParser).
#[derive(Clone, Debug)]
pub struct ResponseParser {
    limits: Limits,
    step: Step,
    at: usize,
    mark: usize,
    version: VersionScanner,
    fields: FieldScanner,
    index: Index,
    refused: Option<Rejected>,
}

/// A complete head of a response over the bytes it was parsed from.
#[derive(Clone, Copy)]
pub struct ResponseHead<'a> {
    bytes: &'a [u8],
    index: &'a Index,
}

#[derive(Clone, Debug)]
struct Index {
    end: u32,
    version: Version,
    status: u16,
    status_at: u32,
    reason: Span,
    entries: Vec<Entry>,
    options: Vec<Span>,
    declared: Option<BodyKind>,
    persistence: Persistence,
    upgrade: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Version,
    Status,
    Reason,
    LineFeed,
    Fields,
    Complete,
}

// === impl ResponseParser ===

impl ResponseParser {
    /// A parser at the start of a head.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            step: Step::Version,
            at: 0,
            mark: 0,
            version: VersionScanner::default(),
            fields: FieldScanner::new(0),
            index: Index {
                end: 0,
                version: Version::Http11,
                status: 0,
                status_at: 0,
                reason: Span::default(),
                entries: Vec::new(),
                options: Vec::new(),
                declared: None,
                persistence: Persistence::Close,
                upgrade: false,
            },
            refused: None,
        }
    }

    /// Reads on in `buffer`, which begins where the head does. Gives where the head ends once it is complete, and
    /// nothing while bytes are missing. The call after a complete head begins a new one; a refusal is repeated until
    /// the parser is reset.
    ///
    /// The space after the status may be missing if there is no reason phrase either. Who sends it must write it (RFC
    /// 9112 4), but there is one way to read the line without it; [`ResponseEdits::forward`] puts it in.
    ///
    /// [`ResponseEdits::forward`]: crate::ResponseEdits::forward
    pub fn parse(&mut self, buffer: &[u8]) -> Result<Option<usize>, Rejected> {
        self.parse_answer(buffer, false)
    }

    /// The same of what may be a 2xx that opens a tunnel, in which framing fields say nothing if `tunnel` says so.
    pub(crate) fn parse_answer(&mut self, buffer: &[u8], tunnel: bool) -> Result<Option<usize>, Rejected> {
        if self.step == Step::Complete {
            self.reset();
        }
        let limit = self.limits.head as usize;
        let window = &buffer[..buffer.len().min(limit)];
        if let Some(rejected) = self.refused {
            return Err(rejected);
        }
        let complete = self.scan(window).and_then(|complete| {
            if complete {
                self.conclude(window, tunnel)?;
            }
            Ok(complete)
        });
        let (reason, at) = match complete {
            Ok(true) => {
                self.step = Step::Complete;
                return Ok(Some(self.fields.at));
            }
            Ok(false) if buffer.len() < limit => return Ok(None),
            Ok(false) => (Reason::HeadTooLarge, limit),
            Err(flaw) => flaw,
        };
        let rejected = Rejected::response(reason, at as u64);
        self.refused = Some(rejected);
        Err(rejected)
    }

    /// The head that [`ResponseParser::parse`] has completed, over the same bytes.
    ///
    /// # Panics
    ///
    /// If no head is complete.
    pub fn head<'a>(&'a self, buffer: &'a [u8]) -> ResponseHead<'a> {
        assert_eq!(self.step, Step::Complete, "no head is complete");
        ResponseHead { bytes: &buffer[..self.index.end as usize], index: &self.index }
    }

    /// Whether nothing of a head has come yet.
    pub fn is_idle(&self) -> bool {
        self.at == 0 || self.step == Step::Complete
    }

    /// Forgets what was read, for the start of a new head.
    pub fn reset(&mut self) {
        self.step = Step::Version;
        (self.at, self.mark) = (0, 0);
        self.version = VersionScanner::default();
        self.index.entries.clear();
        self.refused = None;
    }

    fn scan(&mut self, buffer: &[u8]) -> Result<bool, Flaw> {
        while let Some(&byte) = buffer.get(self.at) {
            match self.step {
                Step::Version => match byte {
                    b' ' => {
                        self.index.version = self.version.end().map_err(|reason| (reason, self.at))?;
                        self.mark = self.at + 1;
                        self.index.status = 0;
                        self.step = Step::Status;
                    }
                    b'\r' if self.at == 0 => return Err((Reason::EmptyLines, 0)),
                    b'H' if self.at == 0 && buffer.starts_with(b"HTTP/1.1 ") => {
                        self.index.version = Version::Http11;
                        self.at = 8;
                        self.mark = 9;
                        self.index.status = 0;
                        self.step = Step::Status;
                    }
                    _ => self.version.take(byte).map_err(|reason| (reason, self.at))?,
                },
                Step::Status => match byte {
                    b'0'..=b'9' if self.at < self.mark + 3 => {
                        self.index.status = self.index.status * 10 + u16::from(byte - b'0');
                    }
                    b' ' | b'\r' if self.at == self.mark + 3 && (100..600).contains(&self.index.status) => {
                        self.index.status_at = Span::new(self.mark, self.at).start;
                        if byte == b' ' {
                            self.mark = self.at + 1;
                            self.step = Step::Reason;
                        } else {
                            self.index.reason = Span::new(self.at, self.at);
                            self.step = Step::LineFeed;
                        }
                    }
                    _ => return Err((Reason::BadStatus, self.at)),
                },
                Step::Reason => {
                    let end = self.mark + self.limits.reason as usize;
                    self.at += run_of_value(&buffer[self.at..buffer.len().min(end)]);
                    let Some(&byte) = buffer.get(self.at) else { return Ok(false) };
                    match byte {
                        b'\r' => {}
                        b'\n' => return Err((Reason::BareLineFeed, self.at)),
                        _ if self.at == end && is(VALUE, byte) => return Err((Reason::ReasonPhraseTooLong, self.at)),
                        _ => return Err((Reason::BadReasonPhrase, self.at)),
                    }
                    self.index.reason = Span::new(self.mark, self.at);
                    self.step = Step::LineFeed;
                }
                Step::LineFeed => {
                    if byte != b'\n' {
                        return Err((Reason::BareCarriageReturn, self.at - 1));
                    }
                    self.fields = FieldScanner::new(self.at + 1);
                    self.step = Step::Fields;
                }
                Step::Fields | Step::Complete => {
                    let limits = SectionLimits {
                        fields: self.limits.fields,
                        too_many: Reason::TooManyFields,
                        name: self.limits.name,
                        value: self.limits.value,
                    };
                    let complete = self.fields.scan(buffer, &limits, &mut self.index.entries);
                    self.at = self.fields.at;
                    return complete;
                }
            }
            self.at += 1;
        }
        Ok(false)
    }

    /// What the head means as a whole.
    fn conclude(&mut self, buffer: &[u8], tunnel: bool) -> Result<(), Flaw> {
        let index = &mut self.index;
        let says_nothing = tunnel && matches!(index.status, 200..=299);
        index.end = Span::new(0, self.fields.at).end;
        let fields = Fields { bytes: buffer, entries: &index.entries, options: &[] };
        let framed = !says_nothing && self.fields.has([Known::ContentLength, Known::TransferEncoding]);
        index.declared = if framed { declared(fields, index.version, &self.limits)? } else { None };
        if is_bodiless(index.status) {
            match index.declared.take() {
                None | Some(BodyKind::Length(0)) => {}
                Some(_) => return Err((Reason::BodyForbidden, index.status_at as usize)),
            }
        }
        let connection = if self.fields.has([Known::Connection]) { fields } else { Fields { entries: &[], ..fields } };
        index.persistence = persistence(connection, index.version, &self.limits, &mut index.options)?;
        let fields = Fields { options: &index.options, ..fields };
        index.upgrade = self.fields.has([Known::Upgrade]) && upgrades(fields, &self.limits)?;
        Ok(())
    }
}

// === impl ResponseHead ===

impl<'a> ResponseHead<'a> {
    /// The bytes of the head as they came.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The version.
    pub fn version(&self) -> Version {
        self.index.version
    }

    /// The status, from 100 to 599.
    pub fn status(&self) -> u16 {
        self.index.status
    }

    /// The reason phrase; may be empty.
    pub fn reason(&self) -> &'a [u8] {
        self.index.reason.of(self.bytes)
    }

    /// The fields.
    pub fn fields(&self) -> Fields<'a> {
        Fields { bytes: self.bytes, entries: &self.index.entries, options: &self.index.options }
    }

    /// Whether it is followed by another response to the same request (1xx but 101).
    pub fn is_informational(&self) -> bool {
        matches!(self.status(), 100 | 102..=199)
    }

    /// How the body is framed, which depends on the method that was asked with (RFC 9112 6.3). A 2xx to CONNECT must
    /// not have framing fields.
    pub fn body(&self, method: MethodKind) -> Result<BodyKind, Rejected> {
        match (method, self.status()) {
            (MethodKind::Connect, 200..=299) if self.index.declared.is_some() => {
                Err(Rejected::response(Reason::BodyForbidden, u64::from(self.index.status_at)))
            }
            (MethodKind::Head, _) | (MethodKind::Connect, 200..=299) | (_, 100..=199 | 204 | 304) => Ok(BodyKind::None),
            _ => Ok(self.index.declared.unwrap_or(BodyKind::UntilClose)),
        }
    }

    /// What the framing fields say, whether or not there is a body: the length that a response to HEAD speaks of. With
    /// 1xx and 204 a length of 0 says nothing; servers in use send it, though they must not (RFC 9110 8.6).
    pub fn declared_body(&self) -> Option<BodyKind> {
        self.index.declared
    }

    /// Whether the server means to use the connection again. (A body until the end of the connection says otherwise.)
    pub fn persistence(&self) -> Persistence {
        self.index.persistence
    }

    /// The protocols that are switched to or offered, as written, if the Connection field has the option `upgrade`.
    pub fn upgrade_protocols(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let values = self.fields().known(Known::Upgrade);
        values.take(if self.index.upgrade { usize::MAX } else { 0 }).flat_map(crate::fields::list)
    }

    pub(crate) fn status_at(&self) -> u32 {
        self.index.status_at
    }

    pub(crate) fn reason_span(&self) -> Span {
        self.index.reason
    }
}

/// Whether a message of that status has no framing fields, since it never has a body.
pub(crate) fn is_bodiless(status: u16) -> bool {
    matches!(status, 100..=199 | 204)
}

impl std::fmt::Debug for ResponseHead<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponseHead")
            .field("version", &self.version())
            .field("status", &self.status())
            .field("fields", &self.fields())
            .field("declared", &self.index.declared)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
