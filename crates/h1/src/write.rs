//! Heads and bodies made from parts, such as those of an HTTP/2 message.

use std::ops::Range;

use crate::{
    authority::{Port, agrees, is_authority},
    decimal::Decimal,
    error::Reason,
    fields::Known,
    framing::BodyKind,
    octets::{VALUE, all, is_token, trimmed},
    request::MethodKind,
    response::is_bodiless,
    target::{TargetForm, check},
    trailers::may_not_trail,
};

/// After the data of a chunk.
pub const CHUNK_END: &[u8] = b"\r\n";
/// The end of a chunked body without trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// The line before a chunk's data.
#[derive(Clone, Copy, Debug)]
pub struct ChunkHead {
    line: [u8; 18],
    start: usize,
}

/// Writes the head of an HTTP/1.1 request from parts that come from elsewhere, and refuses what must not be written.
///
/// Framing and what belongs to the connection follow from the methods here and are refused as fields: Content-Length,
/// Transfer-Encoding, Connection, Keep-Alive, Proxy-Connection, Upgrade, HTTP2-Settings, and TE but for `trailers`,
/// which is for the hop it came over and is left out. Cookie fields are joined to one, as HTTP/2 has them in pieces
/// (RFC 9113 8.2.3). A Host field must agree with the authority.
#[derive(Debug)]
pub struct RequestWriter<'o> {
    out: &'o mut Vec<u8>,
    start: usize,
    method: MethodKind,
    /// How a Host field agrees with the authority.
    port: Port,
    /// Where in `out` the authority is.
    authority: Option<Range<usize>>,
    cookies: Cookies,
    framing: Framing,
}

/// Writes the head of an HTTP/1.1 response; otherwise as [`RequestWriter`].
#[derive(Debug)]
pub struct ResponseWriter<'o> {
    out: &'o mut Vec<u8>,
    start: usize,
    status: u16,
    framing: Framing,
}

/// Cookie lines of a head.
#[derive(Clone, Copy, Debug, Default)]
struct Cookies {
    lines: usize,
    /// Where the latest one ends.
    end: usize,
}

/// What a head says about its body and connection, once.
#[derive(Clone, Copy, Debug, Default)]
struct Framing {
    body: Option<BodyKind>,
    connection: bool,
}

// === impl ChunkHead ===

impl ChunkHead {
    /// Before `length` bytes of data. A length of zero would end the body, so there is none for it.
    pub fn new(length: usize) -> Option<Self> {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut head = Self { line: *b"0000000000000000\r\n", start: 16 };
        let mut left = length;
        while left > 0 {
            head.start -= 1;
            head.line[head.start] = DIGITS[left & 15];
            left >>= 4;
        }
        (length > 0).then_some(head)
    }

    /// The line's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.line[self.start..]
    }
}

/// Ends a chunked body with trailers: the last chunk, the fields, the empty line; how many fields were left out.
///
/// Left out are fields that must not be trailers (RFC 9110 6.5.1): they may well come in those of an HTTP/2 message,
/// where they do no harm, and who passes a message on may drop them. (In chunked bodies that are read they are refused
/// instead: there they are made to be taken for a part of some head.) Nothing is written if a field has a name or value
/// that can't be written.
pub fn write_trailers<'f>(
    out: &mut Vec<u8>,
    fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>,
) -> Result<usize, Reason> {
    let start = out.len();
    let mut left_out = 0;
    out.extend_from_slice(b"0\r\n");
    for (name, value) in fields {
        if let Err(reason) = check_field(name, value) {
            out.truncate(start);
            return Err(reason);
        }
        if may_not_trail(name) {
            left_out += 1;
        } else {
            line(out, name, value);
        }
    }
    out.extend_from_slice(b"\r\n");
    Ok(left_out)
}

// === impl RequestWriter ===

impl<'o> RequestWriter<'o> {
    /// A head that is appended to `out`; if it is refused or dropped before its end, nothing is.
    ///
    /// `authority` is the host with its port, as from `:authority`; without one there must be a Host field. A target is
    /// a path, `*` for OPTIONS, or host and port for CONNECT, which then are the authority too.
    pub fn new(out: &'o mut Vec<u8>, method: &[u8], target: &[u8], authority: Option<&[u8]>) -> Result<Self, Reason> {
        if !is_token(method) {
            return Err(Reason::BadMethod);
        }
        let parts = check(method, target)?;
        if parts.form() == TargetForm::Absolute {
            return Err(Reason::TargetForm);
        }
        let port = parts.port();
        if authority.is_some_and(|authority| !is_authority(authority, port)) {
            return Err(Reason::BadHost);
        }
        let named = parts.authority();
        if let (Some(named), Some(authority)) = (named, authority)
            && !named.eq_ignore_ascii_case(authority)
        {
            return Err(Reason::HostMismatch);
        }
        let start = out.len();
        for part in [method, b" ", target, b" HTTP/1.1\r\n"] {
            out.extend_from_slice(part);
        }
        let method = MethodKind::of(method);
        let (cookies, framing) = (Cookies::default(), Framing::default());
        let mut writer = Self { out, start, method, port, authority: None, cookies, framing };
        if let Some(authority) = authority.or(named) {
            writer.host(authority)?;
        }
        Ok(writer)
    }

    /// A field.
    pub fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), Reason> {
        check_field(name, value)?;
        match Known::of(name) {
            Known::Host => self.host(value),
            Known::Te if value.eq_ignore_ascii_case(b"trailers") => Ok(()),
            _ if name.eq_ignore_ascii_case(b"http2-settings") => Err(Reason::HopByHop),
            known => {
                check_carried(known)?;
                if name.eq_ignore_ascii_case(b"cookie") {
                    self.cookies.add(self.out, value);
                } else {
                    line(self.out, name, value);
                }
                Ok(())
            }
        }
    }

    /// How the body is framed: said once; without it there is none.
    pub fn body(&mut self, body: BodyKind) -> Result<(), Reason> {
        let allowed = match body {
            BodyKind::None => true,
            BodyKind::Length(_) | BodyKind::Chunked => self.method != MethodKind::Connect,
            BodyKind::UntilClose => false,
        };
        if !allowed {
            return Err(Reason::BodyForbidden);
        }
        self.framing.body(self.out, body)
    }

    /// `Connection: close`.
    pub fn close(&mut self) -> Result<(), Reason> {
        self.framing.connection(self.out, &[b"Connection: close\r\n"])
    }

    /// An offer to switch to `protocol`, as for a WebSocket that came over HTTP/2. No way to HTTP itself: what passes
    /// behind a proxy's back is no request that it has seen. There must be no body.
    pub fn upgrade(&mut self, protocol: &[u8]) -> Result<(), Reason> {
        if !is_token(protocol) || protocol.eq_ignore_ascii_case(b"h2c") || protocol.eq_ignore_ascii_case(b"h2") {
            return Err(Reason::BadUpgrade);
        }
        if self.method == MethodKind::Connect || !matches!(self.framing.body, None | Some(BodyKind::None)) {
            return Err(Reason::BodyForbidden);
        }
        self.framing.body = Some(BodyKind::None);
        self.framing.connection(self.out, &[b"Connection: upgrade\r\nUpgrade: ", protocol, b"\r\n"])
    }

    /// Ends the head.
    pub fn finish(mut self) -> Result<(), Reason> {
        if self.authority.is_none() {
            return Err(Reason::MissingHost);
        }
        if self.cookies.lines > 1 {
            join_cookies(self.out, self.start);
        }
        self.out.extend_from_slice(b"\r\n");
        self.start = self.out.len();
        Ok(())
    }

    fn host(&mut self, value: &[u8]) -> Result<(), Reason> {
        match &self.authority {
            Some(authority) if agrees(value, &self.out[authority.clone()], self.port) => Ok(()),
            Some(_) => Err(Reason::HostMismatch),
            None if !is_authority(value, Port::Optional) => Err(Reason::BadHost),
            None => {
                let start = self.out.len() + b"Host: ".len();
                line(self.out, b"Host", value);
                self.authority = Some(start..start + value.len());
                Ok(())
            }
        }
    }
}

impl Drop for RequestWriter<'_> {
    fn drop(&mut self) {
        self.out.truncate(self.start);
    }
}

// === impl ResponseWriter ===

impl<'o> ResponseWriter<'o> {
    /// A head that is appended to `out`; if it is refused or dropped before its end, nothing is.
    pub fn new(out: &'o mut Vec<u8>, status: u16, reason: &[u8]) -> Result<Self, Reason> {
        check_status(status)?;
        check_reason(reason)?;
        let start = out.len();
        for part in [b"HTTP/1.1 ", Decimal::new(status.into()).as_bytes(), b" ", reason, b"\r\n"] {
            out.extend_from_slice(part);
        }
        Ok(Self { out, start, status, framing: Framing::default() })
    }

    /// A field.
    pub fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), Reason> {
        check_field(name, value)?;
        check_carried(Known::of(name))?;
        line(self.out, name, value);
        Ok(())
    }

    /// How the body is framed: said once. With [`BodyKind::None`] and [`BodyKind::UntilClose`] nothing is said; the
    /// latter goes with [`ResponseWriter::close`]. For a response to HEAD this is what GET would get. With 1xx and 204 a
    /// length of 0 is none.
    pub fn body(&mut self, body: BodyKind) -> Result<(), Reason> {
        match body {
            BodyKind::None | BodyKind::Length(0) if is_bodiless(self.status) => {
                self.framing.body(self.out, BodyKind::None)
            }
            _ if is_bodiless(self.status) => Err(Reason::BodyForbidden),
            _ => self.framing.body(self.out, body),
        }
    }

    /// `Connection: close`.
    pub fn close(&mut self) -> Result<(), Reason> {
        self.framing.connection(self.out, &[b"Connection: close\r\n"])
    }

    /// `Connection: keep-alive`, for clients of HTTP/1.0.
    pub fn keep_alive(&mut self) -> Result<(), Reason> {
        self.framing.connection(self.out, &[b"Connection: keep-alive\r\n"])
    }

    /// The protocol that 101 switches to.
    pub fn upgrade(&mut self, protocol: &[u8]) -> Result<(), Reason> {
        if !is_token(protocol) || self.status != 101 {
            return Err(Reason::BadUpgrade);
        }
        self.framing.connection(self.out, &[b"Connection: upgrade\r\nUpgrade: ", protocol, b"\r\n"])
    }

    /// Ends the head.
    pub fn finish(mut self) -> Result<(), Reason> {
        if self.status == 101 && !self.framing.connection {
            return Err(Reason::BadUpgrade);
        }
        if self.framing.body.is_none() && !matches!(self.status, 100..=199 | 204 | 304) {
            return Err(Reason::Framing);
        }
        self.out.extend_from_slice(b"\r\n");
        self.start = self.out.len();
        Ok(())
    }
}

impl Drop for ResponseWriter<'_> {
    fn drop(&mut self) {
        self.out.truncate(self.start);
    }
}

// === impl Cookies ===

impl Cookies {
    /// To the line that is there, if nothing is behind it; [`join_cookies`] is for the others.
    fn add(&mut self, out: &mut Vec<u8>, value: &[u8]) {
        if self.lines > 0 && self.end == out.len() {
            out.truncate(out.len() - 2);
            for part in [b"; ", value, b"\r\n"] {
                out.extend_from_slice(part);
            }
        } else {
            line(out, b"Cookie", value);
            self.lines += 1;
        }
        self.end = out.len();
    }
}

/// Makes one line at the end of the cookie lines of the head that begins at `start`, in one pass over its lines.
fn join_cookies(out: &mut Vec<u8>, start: usize) {
    const NAME: &[u8] = b"Cookie: ";
    let end = out.len();
    out.extend_from_slice(NAME);
    let (mut from, mut to, mut first) = (start, start, true);
    while from < end {
        let next = out[from..end].iter().position(|byte| *byte == b'\n').map_or(end, |length| from + length + 1);
        if out[from..next].starts_with(NAME) {
            if !std::mem::take(&mut first) {
                out.extend_from_slice(b"; ");
            }
            out.extend_from_within(from + NAME.len()..next - 2);
        } else {
            out.copy_within(from..next, to);
            to += next - from;
        }
        from = next;
    }
    out.extend_from_slice(b"\r\n");
    out.drain(to..end);
}

// === impl Framing ===

impl Framing {
    fn body(&mut self, out: &mut Vec<u8>, body: BodyKind) -> Result<(), Reason> {
        if self.body.replace(body).is_some() {
            return Err(Reason::Framing);
        }
        match body {
            BodyKind::None | BodyKind::UntilClose => {}
            BodyKind::Length(length) => line(out, b"Content-Length", Decimal::new(length).as_bytes()),
            BodyKind::Chunked => line(out, b"Transfer-Encoding", b"chunked"),
        }
        Ok(())
    }

    fn connection(&mut self, out: &mut Vec<u8>, parts: &[&[u8]]) -> Result<(), Reason> {
        if std::mem::replace(&mut self.connection, true) {
            return Err(Reason::OutOfOrder);
        }
        for part in parts {
            out.extend_from_slice(part);
        }
        Ok(())
    }
}

/// Whether a field can be written at all.
pub(crate) fn check_field(name: &[u8], value: &[u8]) -> Result<(), Reason> {
    if name.is_empty() {
        Err(Reason::EmptyName)
    } else if !is_token(name) {
        Err(Reason::BadName)
    } else if !all(VALUE, value) {
        Err(Reason::BadValue)
    } else if trimmed(value).len() < value.len() {
        Err(Reason::PaddedValue)
    } else {
        Ok(())
    }
}

pub(crate) fn check_status(status: u16) -> Result<(), Reason> {
    if (100..600).contains(&status) { Ok(()) } else { Err(Reason::BadStatus) }
}

pub(crate) fn check_reason(reason: &[u8]) -> Result<(), Reason> {
    if all(VALUE, reason) { Ok(()) } else { Err(Reason::BadReasonPhrase) }
}

/// Whether a field is carried from one connection to the next.
fn check_carried(known: Known) -> Result<(), Reason> {
    match known {
        Known::ContentLength | Known::TransferEncoding => Err(Reason::Framing),
        Known::Host | Known::Expect | Known::Other => Ok(()),
        Known::Connection | Known::KeepAlive | Known::ProxyConnection | Known::Te | Known::Upgrade => {
            Err(Reason::HopByHop)
        }
    }
}

fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    for part in [name, b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests;
