//! Changes of a response's head.

use super::{Edits, Original, check_insert, check_set};
use crate::{
    decimal::Decimal,
    error::Reason,
    fields::{Known, narrow},
    framing::{BodyKind, Version},
    response::{ResponseHead, is_bodiless},
    write::{check_reason, check_status},
};

const FRAMING: &[Known] = &[Known::ContentLength, Known::TransferEncoding];

/// Changes of a response's head.
#[derive(Debug)]
pub struct ResponseEdits<'e, 'h> {
    edits: &'e mut Edits,
    head: ResponseHead<'h>,
    original: Original<'h>,
    status: u16,
    version: Version,
}

impl<'e, 'h> ResponseEdits<'e, 'h> {
    pub(super) fn new(edits: &'e mut Edits, head: ResponseHead<'h>) -> Self {
        let original = Original { fields: head.fields(), start: 0, length: narrow(head.as_bytes().len()) };
        Self { edits, head, original, status: head.status(), version: head.version() }
    }

    /// What everybody who passes a response on must do, whatever else changes and in which order:
    ///
    /// - The fields that end at this hop ([`Fields::hop_by_hop`](crate::Fields::hop_by_hop)) go, as the sender wrote
    ///   them: those that were set or inserted here stay. Transfer-Encoding stays too, and goes with the body. A switch
    ///   that is passed on is said again: `Connection: upgrade`, and Upgrade.
    /// - The version becomes HTTP/1.1, ours (RFC 9112 2.3), and a missing space after the status is put in.
    /// - With 1xx and 204 a length of 0 goes.
    pub fn forward(&mut self) -> Result<(), Reason> {
        self.edits.strip_hop_by_hop(self.original)?;
        if self.version == Version::Http10 {
            self.edits.replace(0, narrow(b"HTTP/1.0".len()), &[b"HTTP/1.1"])?;
            self.version = Version::Http11;
        }
        let (start, end) = (self.head.status_at(), self.head.reason_span().end);
        let rewritten = self.edits.gaps.iter().any(|gap| gap.start == start);
        // Three digits and nothing behind them.
        if end == start + 3 && !rewritten {
            self.edits.replace(start, end, &[Decimal::new(self.status.into()).as_bytes(), b" "])?;
        }
        if is_bodiless(self.status) {
            self.edits.frame(self.original, FRAMING, BodyKind::None)?;
        }
        Ok(())
    }

    /// Another status with its reason phrase. It must have a body, or none, as the old one; there is no way to or from
    /// 101. With 204 framing fields go.
    pub fn status(&mut self, status: u16, reason: &[u8]) -> Result<(), Reason> {
        let without_body = |status| is_bodiless(status) || status == 304;
        check_status(status)?;
        check_reason(reason)?;
        if status != self.status && [status, self.status].contains(&101) {
            return Err(Reason::UnexpectedSwitch);
        }
        if without_body(status) != without_body(self.status) || (status < 200) != (self.status < 200) {
            return Err(Reason::BodyForbidden);
        }
        let (start, end) = (self.head.status_at(), self.head.reason_span().end);
        self.edits.replace(start, end, &[Decimal::new(status.into()).as_bytes(), b" ", reason])?;
        let before = std::mem::replace(&mut self.status, status);
        if is_bodiless(status) || is_bodiless(before) {
            self.edits.frame(self.original, FRAMING, BodyKind::None)?;
        }
        Ok(())
    }

    /// Another value for the field at a position.
    pub fn set(&mut self, position: usize, value: &[u8]) -> Result<(), Reason> {
        let entry = self.original.entry(position)?;
        check_set(entry.known, value)?;
        self.edits.set(self.original, entry, value)
    }

    /// Takes the field at a position away. Framing fields stay.
    pub fn remove(&mut self, position: usize) -> Result<(), Reason> {
        let entry = self.original.entry(position)?;
        match entry.known {
            Known::ContentLength | Known::TransferEncoding => Err(Reason::Framing),
            _ => self.edits.remove(self.original, entry),
        }
    }

    /// A further field behind the others.
    pub fn insert(&mut self, name: &[u8], value: &[u8]) -> Result<(), Reason> {
        check_insert(name, value)?;
        self.edits.append(self.original, name, value);
        Ok(())
    }

    /// Another framing of the body; the last one counts. It takes what [`Answer::body`](crate::Answer::body) says:
    ///
    /// - [`BodyKind::None`] is for messages without a body. Content-Length stays as it came, since it speaks of what
    ///   GET would get (HEAD, 304); Transfer-Encoding, which is the connection's, goes; with 1xx and 204 both go.
    /// - [`BodyKind::UntilClose`] needs `Connection: close` beside it.
    /// - HTTP/1.0 has no chunks: first [`ResponseEdits::forward`].
    pub fn body(&mut self, body: BodyKind) -> Result<(), Reason> {
        let none = matches!(body, BodyKind::None | BodyKind::Length(0));
        match body {
            _ if is_bodiless(self.status) && none => self.edits.frame(self.original, FRAMING, BodyKind::None),
            _ if is_bodiless(self.status) => Err(Reason::BodyForbidden),
            BodyKind::Chunked if self.version == Version::Http10 => Err(Reason::EncodingInHttp10),
            // A length of 0 that came with 204 spoke of nothing.
            BodyKind::None if !is_bodiless(self.head.status()) => {
                self.edits.frame(self.original, &[Known::TransferEncoding], body)
            }
            _ => self.edits.frame(self.original, FRAMING, body),
        }
    }
}
