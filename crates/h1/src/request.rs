//! Heads of requests.

use crate::{
    authority::{Port, agrees, is_authority},
    error::{Reason, Rejected},
    fields::{Entry, Fields, Known, Span},
    framing::{BodyKind, Persistence, Version, declared, persistence, upgrades},
    limits::Limits,
    octets::{TARGET, TOKEN, is, run_of_target, run_of_token},
    scan::{FieldScanner, Flaw, SectionLimits},
    target::{Target, TargetForm, classify},
    version::VersionScanner,
};

/// Reads heads of requests, one after the other.
///
/// It keeps an index of ranges, never bytes, and its storage is used again for the next head: give each call the same
/// bytes from the head's first one on, and more behind them. What comes out does not depend on how they arrived.
#[derive(Clone, Debug)]
pub struct RequestParser {
    limits: Limits,
    step: Step,
    at: usize,
    mark: usize,
    start: usize,
    version: VersionScanner,
    fields: FieldScanner,
    index: Index,
    refused: Option<Rejected>,
}

/// A complete head of a request over the bytes it was parsed from.
#[derive(Clone, Copy)]
pub struct RequestHead<'a> {
    bytes: &'a [u8],
    index: &'a Index,
}

/// Methods that change how messages are framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MethodKind {
    /// Its responses have no body.
    Head,
    /// Its 2xx responses make the connection a tunnel.
    Connect,
    /// Any other.
    Other,
}

#[derive(Clone, Debug)]
struct Index {
    start: u32,
    end: u32,
    method: Span,
    target: Span,
    form: TargetForm,
    version: Version,
    entries: Vec<Entry>,
    options: Vec<Span>,
    body: BodyKind,
    persistence: Persistence,
    upgrade: bool,
    expects_continue: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Start,
    EmptyLine,
    Method,
    Target,
    Version,
    LineFeed,
    Fields,
    Complete,
}

// === impl RequestParser ===

impl RequestParser {
    /// A parser at the start of a head.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            step: Step::Start,
            at: 0,
            mark: 0,
            start: 0,
            version: VersionScanner::default(),
            fields: FieldScanner::new(0),
            index: Index {
                start: 0,
                end: 0,
                method: Span::default(),
                target: Span::default(),
                form: TargetForm::Asterisk,
                version: Version::Http11,
                entries: Vec::new(),
                options: Vec::new(),
                body: BodyKind::None,
                persistence: Persistence::Close,
                upgrade: false,
                expects_continue: false,
            },
            refused: None,
        }
    }

    /// Reads on in `buffer`, which begins where the head does. Gives where the head ends once it is complete, and
    /// nothing while bytes are missing. The call after a complete head begins a new one; a refusal is repeated until
    /// the parser is reset.
    ///
    /// One empty line before the request is ignored (RFC 9112 2.2: clients of old send one after a body); it is no
    /// part of the head.
    pub fn parse(&mut self, buffer: &[u8]) -> Result<Option<usize>, Rejected> {
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
                self.conclude(window)?;
            }
            Ok(complete)
        });
        let (reason, at) = match complete {
            Ok(true) => {
                self.step = Step::Complete;
                return Ok(Some(self.fields.at));
            }
            Ok(false) if buffer.len() < limit => return Ok(None),
            Ok(false) if self.step == Step::Target => (Reason::TargetTooLong, limit),
            Ok(false) => (Reason::HeadTooLarge, limit),
            Err(flaw) => flaw,
        };
        let rejected = Rejected::request(reason, at as u64);
        self.refused = Some(rejected);
        Err(rejected)
    }

    /// The head that [`RequestParser::parse`] has completed, over the same bytes.
    ///
    /// # Panics
    ///
    /// If no head is complete.
    pub fn head<'a>(&'a self, buffer: &'a [u8]) -> RequestHead<'a> {
        assert_eq!(self.step, Step::Complete, "no head is complete");
        RequestHead { bytes: &buffer[..self.index.end as usize], index: &self.index }
    }

    /// Whether nothing of a head has come yet, an ignored empty line aside.
    pub fn is_idle(&self) -> bool {
        matches!(self.step, Step::Start | Step::Complete)
    }

    /// Forgets what was read, for the start of a new head.
    pub fn reset(&mut self) {
        self.step = Step::Start;
        (self.at, self.mark, self.start) = (0, 0, 0);
        self.version = VersionScanner::default();
        self.index.entries.clear();
        self.refused = None;
    }

    fn scan(&mut self, buffer: &[u8]) -> Result<bool, Flaw> {
        while let Some(&byte) = buffer.get(self.at) {
            match self.step {
                Step::Start => match byte {
                    b'\r' if self.at == 0 => self.step = Step::EmptyLine,
                    b'\r' => return Err((Reason::EmptyLines, self.at)),
                    b'\n' => return Err((Reason::BareLineFeed, self.at)),
                    _ => {
                        (self.start, self.mark) = (self.at, self.at);
                        self.step = Step::Method;
                        continue;
                    }
                },
                Step::EmptyLine => {
                    if byte != b'\n' {
                        return Err((Reason::BareCarriageReturn, self.at - 1));
                    }
                    self.step = Step::Start;
                }
                Step::Method => {
                    let end = self.advance(buffer, self.limits.method, run_of_token);
                    let Some(&byte) = buffer.get(self.at) else { return Ok(false) };
                    match byte {
                        b' ' if self.at > self.mark => {}
                        _ if self.at == end && is(TOKEN, byte) => return Err((Reason::MethodTooLong, self.at)),
                        b'\n' => return Err((Reason::BareLineFeed, self.at)),
                        _ => return Err((Reason::BadMethod, self.at)),
                    }
                    self.index.method = Span::new(self.mark, self.at);
                    self.mark = self.at + 1;
                    self.step = Step::Target;
                }
                Step::Target => {
                    let end = self.advance(buffer, self.limits.target, run_of_target);
                    let Some(&byte) = buffer.get(self.at) else { return Ok(false) };
                    match byte {
                        b' ' if self.at > self.mark => {}
                        b'\r' if self.at > self.mark => return Err((Reason::MissingVersion, self.at)),
                        b'\n' => return Err((Reason::BareLineFeed, self.at)),
                        b'#' => return Err((Reason::Fragment, self.at)),
                        _ if self.at == end && is(TARGET, byte) => return Err((Reason::TargetTooLong, self.at)),
                        _ => return Err((Reason::BadTargetByte, self.at)),
                    }
                    self.index.target = Span::new(self.mark, self.at);
                    if buffer[self.at + 1..].starts_with(b"HTTP/1.1\r\n") {
                        self.index.version = Version::Http11;
                        self.fields = FieldScanner::new(self.at + 11);
                        self.at = self.fields.at;
                        self.step = Step::Fields;
                        continue;
                    }
                    self.step = Step::Version;
                }
                Step::Version => match byte {
                    b'\r' => {
                        self.index.version = self.version.end().map_err(|reason| (reason, self.at))?;
                        self.step = Step::LineFeed;
                    }
                    _ => self.version.take(byte).map_err(|reason| (reason, self.at))?,
                },
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

    fn advance(&mut self, buffer: &[u8], limit: u32, run: impl Fn(&[u8]) -> usize) -> usize {
        let end = self.mark + limit as usize;
        self.at += run(&buffer[self.at..buffer.len().min(end)]);
        end
    }

    /// What the head means as a whole.
    fn conclude(&mut self, buffer: &[u8]) -> Result<(), Flaw> {
        let index = &mut self.index;
        (index.start, index.end) = (Span::new(self.start, self.fields.at).start, Span::new(0, self.fields.at).end);
        let fields = Fields { bytes: buffer, entries: &index.entries, options: &[] };
        let method = index.method.of(buffer);
        let target_at = index.target.start as usize;
        let target = classify(method, index.target.of(buffer)).map_err(|reason| (reason, target_at))?;
        index.form = target.form();
        check_host(fields, index.version, &target, (target_at, index.end as usize))?;

        let framed = self.fields.has([Known::ContentLength, Known::TransferEncoding]);
        let body = if framed { declared(fields, index.version, &self.limits)? } else { None };
        if body.is_some() && MethodKind::of(method) == MethodKind::Connect {
            return Err((Reason::BodyForbidden, target_at));
        }
        index.body = body.unwrap_or(BodyKind::None);
        let connection = if self.fields.has([Known::Connection]) { fields } else { Fields { entries: &[], ..fields } };
        index.persistence = persistence(connection, index.version, &self.limits, &mut index.options)?;
        let fields = Fields { options: &index.options, ..fields };
        // HTTP/1.0 knows neither of these (RFC 9110 7.8 and 10.1.1).
        let knows = index.version == Version::Http11;
        let upgrades = self.fields.has([Known::Upgrade]) && upgrades(fields, &self.limits)?;
        index.upgrade = upgrades && knows && target.form() != TargetForm::Authority;
        index.expects_continue = false;
        let expects = if self.fields.has([Known::Expect]) { fields.entries } else { &[] };
        for entry in expects.iter().filter(|entry| entry.known == Known::Expect) {
            if !entry.value.of(buffer).eq_ignore_ascii_case(b"100-continue") {
                return Err((Reason::UnknownExpectation, entry.value.start as usize));
            }
            index.expects_continue = knows && !matches!(index.body, BodyKind::None | BodyKind::Length(0));
        }
        Ok(())
    }
}

/// `places` are where the target is and where the head ends.
fn check_host(fields: Fields<'_>, version: Version, target: &Target<'_>, places: (usize, usize)) -> Result<(), Flaw> {
    let mut hosts = fields.entries.iter().filter(|entry| entry.known == Known::Host);
    let Some(host) = hosts.next() else {
        return if version == Version::Http10 { Ok(()) } else { Err((Reason::MissingHost, places.1)) };
    };
    if let Some(second) = hosts.next() {
        return Err((Reason::DuplicateHost, second.name.start as usize));
    }
    let value = host.value.of(fields.bytes);
    if !is_authority(value, Port::Optional) {
        return Err((Reason::BadHost, host.value.start as usize));
    }
    match target.authority() {
        Some(authority) if !agrees(value, authority, target.port()) => Err((Reason::HostMismatch, places.0)),
        _ => Ok(()),
    }
}

// === impl RequestHead ===

impl<'a> RequestHead<'a> {
    /// The bytes of the head as they came, from the method to the empty line.
    pub fn as_bytes(&self) -> &'a [u8] {
        &self.bytes[self.index.start as usize..]
    }

    /// The method.
    pub fn method(&self) -> &'a [u8] {
        self.index.method.of(self.bytes)
    }

    /// What the method does to framing.
    pub fn method_kind(&self) -> MethodKind {
        MethodKind::of(self.method())
    }

    /// The target as it was written.
    pub fn target(&self) -> &'a [u8] {
        self.index.target.of(self.bytes)
    }

    /// The form of the target.
    pub fn target_form(&self) -> TargetForm {
        self.index.form
    }

    /// The host with its port, if the request names one: that of the target if it has one, else of the Host field. If
    /// both are there, they agree, but for CONNECT with a Host that has no port.
    pub fn authority(&self) -> Option<&'a [u8]> {
        self.authority_of(self.parts().as_ref())
    }

    /// [`Self::authority`], if the parts of the target are known.
    pub(crate) fn authority_of(&self, target: Option<&Target<'a>>) -> Option<&'a [u8]> {
        target.and_then(Target::authority).or_else(|| self.fields().known(Known::Host).next())
    }

    /// The path that a server sees, without the query. An absolute target without one asks for `/`, or with OPTIONS and
    /// no query for `*` (RFC 9112 3.2.4). It is empty for CONNECT only.
    pub fn path(&self) -> &'a [u8] {
        self.parts().map_or(&[], |target| target.path())
    }

    /// The query, without its `?`.
    pub fn query(&self) -> Option<&'a [u8]> {
        self.parts().and_then(|target| target.query())
    }

    /// Appends path and query as an origin server is asked for them: the target without scheme and host, and never
    /// without a path. Nothing for CONNECT.
    pub fn origin_form(&self, out: &mut Vec<u8>) {
        if let Some(target) = self.parts() {
            target.origin_form(out);
        }
    }

    /// The version.
    pub fn version(&self) -> Version {
        self.index.version
    }

    /// The fields.
    pub fn fields(&self) -> Fields<'a> {
        Fields { bytes: self.bytes, entries: &self.index.entries, options: &self.index.options }
    }

    /// How the body is framed; never [`BodyKind::UntilClose`].
    pub fn body(&self) -> BodyKind {
        self.index.body
    }

    /// Whether the client means to use the connection again.
    pub fn persistence(&self) -> Persistence {
        self.index.persistence
    }

    /// Whether the client offers to switch to another protocol (Upgrade with its Connection option, HTTP/1.1).
    pub fn wants_upgrade(&self) -> bool {
        self.index.upgrade
    }

    /// The protocols that are offered, as written.
    pub fn upgrade_protocols(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let values = self.fields().known(Known::Upgrade);
        values.take(if self.wants_upgrade() { usize::MAX } else { 0 }).flat_map(crate::fields::list)
    }

    /// Whether the client waits for 100 (Continue) before it sends the body.
    pub fn expects_continue(&self) -> bool {
        self.index.expects_continue
    }

    pub(crate) fn start(&self) -> u32 {
        self.index.start
    }

    /// Where the method and the target are.
    pub(crate) fn line_spans(&self) -> (Span, Span) {
        (self.index.method, self.index.target)
    }

    /// The parts of the target.
    pub(crate) fn parts(&self) -> Option<Target<'a>> {
        classify(self.method(), self.target()).ok()
    }
}

impl std::fmt::Debug for RequestHead<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RequestHead")
            .field("method", &self.method().escape_ascii().to_string())
            .field("target", &self.target().escape_ascii().to_string())
            .field("version", &self.version())
            .field("fields", &self.fields())
            .field("body", &self.body())
            .finish_non_exhaustive()
    }
}

// === impl MethodKind ===

impl MethodKind {
    /// Of a method, which is case-sensitive.
    pub fn of(method: &[u8]) -> Self {
        match method {
            b"HEAD" => Self::Head,
            b"CONNECT" => Self::Connect,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests;
