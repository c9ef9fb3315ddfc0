//! Changes of a request's head.

use super::{Edits, Original, check_insert, check_set};
use crate::{
    authority::{Port, is_authority},
    client::Asked,
    error::Reason,
    fields::{Entry, Known, Span, list, narrow},
    framing::{BodyKind, Persistence, Version},
    octets::is_token,
    request::{MethodKind, RequestHead},
    target::{TargetForm, check},
};

/// Changes of a request's head.
#[derive(Debug)]
pub struct RequestEdits<'e, 'h> {
    edits: &'e mut Edits,
    head: RequestHead<'h>,
    original: Original<'h>,
    /// Another method, in the text of the edits.
    method: Option<Span>,
    form: TargetForm,
    version: Version,
    body: BodyKind,
    /// The Host line, if it is ours.
    host: Option<Span>,
}

impl<'e, 'h> RequestEdits<'e, 'h> {
    pub(super) fn new(edits: &'e mut Edits, head: RequestHead<'h>) -> Self {
        let fields = head.fields();
        let original = Original { fields, start: head.start(), length: narrow(head.as_bytes().len()) };
        Self {
            edits,
            head,
            original,
            method: None,
            form: head.target_form(),
            version: head.version(),
            body: head.body(),
            host: None,
        }
    }

    /// What everybody who passes a request on must do, whatever else changes and in which order:
    ///
    /// - The fields that end at this hop ([`Fields::hop_by_hop`](crate::Fields::hop_by_hop)) go, as the sender wrote
    ///   them: those that were set or inserted here stay. Transfer-Encoding stays too, and goes with the body. An
    ///   upgrade that is to be passed on is said again: `Connection: upgrade`, and Upgrade.
    /// - The version becomes HTTP/1.1, ours (RFC 9112 2.3). A request that was older has no expectation (RFC 9110
    ///   10.1.1), and gets the Host of its target; if that names none either, [`RequestEdits::authority`] must have been
    ///   called before.
    pub fn forward(&mut self) -> Result<(), Reason> {
        self.keep_host();
        if !self.has_host() {
            return Err(Reason::MissingHost);
        }
        self.edits.strip_hop_by_hop(self.original)?;
        if self.version == Version::Http10 {
            let expects = |entry: &&Entry| entry.known == Known::Expect;
            for entry in self.original.fields.entries.iter().filter(expects) {
                if self.edits.change_of(self.original, entry).is_none() {
                    self.edits.remove(self.original, entry)?;
                }
            }
            let (_, target) = self.head.line_spans();
            let start = target.end + 1;
            self.replace(Span { start, end: start + narrow(b"HTTP/1.0".len()) }, b"HTTP/1.1")?;
            self.version = Version::Http11;
        }
        Ok(())
    }

    /// Another method. To or from CONNECT there is no way, since it changes what the target means, and `*` is for
    /// OPTIONS only.
    pub fn method(&mut self, method: &[u8]) -> Result<(), Reason> {
        let kinds = [self.head.method_kind(), MethodKind::of(method)];
        if !is_token(method) || kinds.contains(&MethodKind::Connect) {
            return Err(Reason::BadMethod);
        }
        if self.form == TargetForm::Asterisk && method != b"OPTIONS" {
            return Err(Reason::TargetForm);
        }
        let (span, _) = self.head.line_spans();
        self.replace(span, method)?;
        self.method = Some(Span::new(self.edits.text.len() - method.len(), self.edits.text.len()));
        Ok(())
    }

    /// Another target: a path, or `*` with OPTIONS. Hosts change by [`RequestEdits::authority`].
    pub fn target(&mut self, target: &[u8]) -> Result<(), Reason> {
        let form = check(self.current_method(), target)?.form();
        match form {
            TargetForm::Origin | TargetForm::Asterisk => {}
            TargetForm::Absolute | TargetForm::Authority => return Err(Reason::TargetForm),
        }
        self.keep_host();
        let (_, span) = self.head.line_spans();
        self.replace(span, target)?;
        self.form = form;
        Ok(())
    }

    /// An absolute target as an origin server is asked for it (RFC 9112 3.2.1), which is not for a further proxy: scheme
    /// and host go, an empty path becomes `/`, or `*` for OPTIONS without a query, and the Host field names the host.
    /// Any other target stays as it is.
    pub fn origin_form(&mut self) -> Result<(), Reason> {
        let Some(target) = self.head.parts().filter(|_| self.form == TargetForm::Absolute) else { return Ok(()) };
        self.keep_host();
        let (_, span) = self.head.line_spans();
        let (_, end) = target.authority_range();
        let rest = &self.head.target()[end..];
        let (path, form): (&[u8], _) = match rest {
            [b'/', ..] => (b"", TargetForm::Origin),
            [] if self.current_method() == b"OPTIONS" => (b"*", TargetForm::Asterisk),
            _ => (b"/", TargetForm::Origin),
        };
        self.replace(Span { start: span.start, end: span.start + narrow(end) }, path)?;
        self.form = form;
        Ok(())
    }

    /// Another host, with its port: in the Host field, and in the target where it has one.
    pub fn authority(&mut self, authority: &[u8]) -> Result<(), Reason> {
        let port = if self.form == TargetForm::Authority { Port::Required } else { Port::Optional };
        if !is_authority(authority, port) {
            return Err(Reason::BadHost);
        }
        match self.original_host() {
            Some(entry) => self.edits.set(self.original, entry, authority)?,
            None => self.host_line(authority),
        }
        match (self.form, self.head.parts()) {
            (TargetForm::Absolute | TargetForm::Authority, Some(target)) => {
                let (_, span) = self.head.line_spans();
                let (start, end) = target.authority_range();
                self.replace(Span { start: span.start + narrow(start), end: span.start + narrow(end) }, authority)
            }
            _ => Ok(()),
        }
    }

    /// Another value for the field at a position.
    pub fn set(&mut self, position: usize, value: &[u8]) -> Result<(), Reason> {
        let entry = self.original.entry(position)?;
        check_set(entry.known, value)?;
        if entry.known == Known::Host {
            return self.authority(value);
        }
        self.edits.set(self.original, entry, value)
    }

    /// Takes the field at a position away. Host and framing fields stay.
    pub fn remove(&mut self, position: usize) -> Result<(), Reason> {
        let entry = self.original.entry(position)?;
        match entry.known {
            Known::ContentLength | Known::TransferEncoding => Err(Reason::Framing),
            Known::Host => Err(Reason::MissingHost),
            _ => self.edits.remove(self.original, entry),
        }
    }

    /// A further field behind the others.
    pub fn insert(&mut self, name: &[u8], value: &[u8]) -> Result<(), Reason> {
        match check_insert(name, value)? {
            Known::Host if self.has_host() => Err(Reason::DuplicateHost),
            Known::Host => self.authority(value),
            _ => {
                self.edits.append(self.original, name, value);
                Ok(())
            }
        }
    }

    /// Another framing of the body; the last one counts. HTTP/1.0 has no chunks: first [`RequestEdits::forward`].
    pub fn body(&mut self, body: BodyKind) -> Result<(), Reason> {
        if body == BodyKind::UntilClose || (body != BodyKind::None && self.head.method_kind() == MethodKind::Connect) {
            return Err(Reason::BodyForbidden);
        }
        if body == BodyKind::Chunked && self.version == Version::Http10 {
            return Err(Reason::EncodingInHttp10);
        }
        self.edits.frame(self.original, &[Known::ContentLength, Known::TransferEncoding], body)?;
        self.body = body;
        Ok(())
    }

    /// What [`ClientConnection::send`](crate::ClientConnection::send) must know about the request as it is changed so
    /// far.
    pub fn asked(&self) -> Asked {
        let values = |known| self.edits.values(self.original, known).flat_map(list);
        let has_option = |name: &[u8]| values(Known::Connection).any(|option| option.eq_ignore_ascii_case(name));
        let keeps = self.version == Version::Http11 || has_option(b"keep-alive");
        let offers = self.version == Version::Http11 && self.form != TargetForm::Authority && has_option(b"upgrade");
        let offer = offers.then(|| values(Known::Upgrade).collect::<Vec<_>>().join(&b","[..]).into_boxed_slice());
        Asked {
            method: MethodKind::of(self.current_method()),
            body: self.body,
            persistence: if keeps && !has_option(b"close") { Persistence::KeepAlive } else { Persistence::Close },
            upgrade: offer.filter(|offer| !offer.is_empty()),
        }
    }

    fn current_method(&self) -> &[u8] {
        self.method.map_or(self.head.method(), |span| span.of(&self.edits.text))
    }

    fn replace(&mut self, span: Span, text: &[u8]) -> Result<(), Reason> {
        let start = self.original.start;
        self.edits.replace(span.start - start, span.end - start, &[text])
    }

    fn original_host(&self) -> Option<&'h Entry> {
        self.original.fields.entries.iter().find(|entry| entry.known == Known::Host)
    }

    fn has_host(&self) -> bool {
        self.host.is_some() || self.original_host().is_some()
    }

    /// A Host line of ours, in the place of the one before.
    fn host_line(&mut self, authority: &[u8]) {
        if let Some(line) = self.host {
            self.edits.gaps.retain(|gap| gap.with != line);
        }
        self.host = Some(self.edits.append(self.original, b"Host", authority));
    }

    /// What only the target names must not be lost with it.
    fn keep_host(&mut self) {
        if !self.has_host()
            && let Some(authority) = self.head.authority()
        {
            self.host_line(authority);
        }
    }
}
