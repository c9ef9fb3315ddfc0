//! Heads and bodies made from parts, such as those of an HTTP/2 message.

use crate::{
    authority::{Port, is_authority},
    error::Reason,
    fields::Known,
    framing::BodyKind,
    octets::{VALUE, all, is_token, trimmed},
    request::MethodKind,
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
    authority: Option<Vec<u8>>,
    cookies: Vec<u8>,
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

/// Ends a chunked body with trailers: the last chunk, the fields, the empty line. Nothing is written if a field is
/// refused, as all are that must not be trailers.
pub fn write_trailers<'f>(
    out: &mut Vec<u8>,
    fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>,
) -> Result<(), Reason> {
    let start = out.len();
    out.extend_from_slice(b"0\r\n");
    for (name, value) in fields {
        let checked = check_field(name, value);
        let checked = checked.and_then(|()| if may_not_trail(name) { Err(Reason::ForbiddenTrailer) } else { Ok(()) });
        if let Err(reason) = checked {
            out.truncate(start);
            return Err(reason);
        }
        line(out, name, value);
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
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
        let form = check(method, target)?.form();
        let port = match form {
            TargetForm::Absolute => return Err(Reason::TargetForm),
            TargetForm::Authority => Port::Required,
            TargetForm::Origin | TargetForm::Asterisk => Port::Optional,
        };
        if authority.is_some_and(|authority| !is_authority(authority, port)) {
            return Err(Reason::BadHost);
        }
        let named = (form == TargetForm::Authority).then_some(target);
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
        let mut writer = Self { out, start, method, authority: None, cookies: Vec::new(), framing: Framing::default() };
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
                    if !self.cookies.is_empty() {
                        self.cookies.extend_from_slice(b"; ");
                    }
                    self.cookies.extend_from_slice(value);
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
        if !self.cookies.is_empty() {
            line(self.out, b"Cookie", &self.cookies);
        }
        self.out.extend_from_slice(b"\r\n");
        self.start = self.out.len();
        Ok(())
    }

    fn host(&mut self, value: &[u8]) -> Result<(), Reason> {
        match &self.authority {
            Some(authority) if authority.eq_ignore_ascii_case(value) => Ok(()),
            Some(_) => Err(Reason::HostMismatch),
            None if !is_authority(value, Port::Optional) => Err(Reason::BadHost),
            None => {
                self.authority = Some(value.to_vec());
                line(self.out, b"Host", value);
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
        for part in [b"HTTP/1.1 ", status.to_string().as_bytes(), b" ", reason, b"\r\n"] {
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
    /// latter goes with [`ResponseWriter::close`]. For a response to HEAD this is what GET would get.
    pub fn body(&mut self, body: BodyKind) -> Result<(), Reason> {
        let bodiless = matches!(self.status, 100..=199 | 204);
        match body {
            BodyKind::None => self.framing.body(self.out, body),
            _ if bodiless => Err(Reason::BodyForbidden),
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

// === impl Framing ===

impl Framing {
    fn body(&mut self, out: &mut Vec<u8>, body: BodyKind) -> Result<(), Reason> {
        if self.body.replace(body).is_some() {
            return Err(Reason::Framing);
        }
        match body {
            BodyKind::None | BodyKind::UntilClose => {}
            BodyKind::Length(length) => line(out, b"Content-Length", length.to_string().as_bytes()),
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
