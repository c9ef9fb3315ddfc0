//! What a request, a response and trailers must be (RFC 9113 8, RFC 8441, RFC 9110).

use thiserror::Error;

use crate::{Field, Fields};

/// A message that RFC 9113 8.1.1 calls malformed: the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

/// A request's pseudo-header fields, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHead<'a> {
    /// `:method`.
    pub method: &'a [u8],
    /// `:scheme`; none in a plain CONNECT.
    pub scheme: Option<&'a [u8]>,
    /// `:authority`, else `host`.
    pub authority: &'a [u8],
    /// `:path`; none in a plain CONNECT.
    pub path: Option<&'a [u8]>,
    /// `:protocol` of an extended CONNECT (RFC 8441).
    pub protocol: Option<&'a [u8]>,
    /// `content-length`.
    pub content_length: Option<u64>,
}

/// A response's pseudo-header fields, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// `:status`, 100 to 999 but 101.
    pub status: u16,
    /// `content-length`.
    pub content_length: Option<u64>,
}

/// What regular fields say, once checked.
#[derive(Default)]
struct Regular<'a> {
    host: Option<&'a [u8]>,
    content_length: Option<u64>,
}

impl<'a> RequestHead<'a> {
    /// Checks the fields of a request; `extended` tells whether `:protocol` is possible.
    pub fn of(fields: &'a Fields, extended: Extended) -> Result<Self, Malformed> {
        let mut pseudo = [None; 5];
        let names: [&[u8]; 5] = [b":method", b":scheme", b":authority", b":path", b":protocol"];
        let regular = check(fields, |field| {
            let at = names.iter().position(|name| *name == field.name);
            let at = at.ok_or(Malformed("a pseudo-header field that requests do not have"))?;
            if pseudo[at].replace(field.value).is_some() {
                return Err(Malformed("a pseudo-header field twice"));
            }
            Ok(())
        })?;
        let [method, scheme, authority, path, protocol] = pseudo;
        let method = method.ok_or(Malformed("no :method"))?;
        if !is_token(method) {
            return Err(Malformed(":method is no token"));
        }
        if protocol.is_some() && (method != b"CONNECT" || extended == Extended::Off) {
            return Err(Malformed(":protocol without CONNECT, or without SETTINGS_ENABLE_CONNECT_PROTOCOL"));
        }
        if let Some((authority, host)) = authority.zip(regular.host)
            && !authority.eq_ignore_ascii_case(host)
        {
            return Err(Malformed("host differs from :authority"));
        }
        let plain_connect = method == b"CONNECT" && protocol.is_none();
        let named = if method == b"CONNECT" { authority } else { authority.or(regular.host) };
        let named = named.ok_or(Malformed("no :authority"))?;
        if !is_authority(named) {
            return Err(Malformed(":authority is no host and port"));
        }
        if plain_connect {
            if scheme.is_some() || path.is_some() {
                return Err(Malformed("CONNECT with :scheme or :path"));
            }
            return Ok(Self {
                method,
                scheme,
                authority: named,
                path,
                protocol,
                content_length: regular.content_length,
            });
        }
        let scheme = scheme.ok_or(Malformed("no :scheme"))?;
        let path = path.ok_or(Malformed("no :path"))?;
        if !is_scheme(scheme) {
            return Err(Malformed(":scheme is none"));
        }
        if protocol.is_some_and(|protocol| !is_token(protocol)) {
            return Err(Malformed(":protocol is no token"));
        }
        if !(is_path(path) || path == b"*" && method == b"OPTIONS") {
            return Err(Malformed(":path is none"));
        }
        let (scheme, path) = (Some(scheme), Some(path));
        Ok(Self { method, scheme, authority: named, path, protocol, content_length: regular.content_length })
    }

    /// Whether the stream becomes a tunnel: CONNECT without `:protocol`.
    pub fn is_tunnel(&self) -> bool {
        self.method == b"CONNECT" && self.protocol.is_none()
    }
}

/// Whether extended CONNECT (RFC 8441) was agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extended {
    /// The server has announced it.
    On,
    /// It has not.
    Off,
}

impl ResponseHead {
    /// Checks the fields of a response, final or not.
    pub fn of(fields: &Fields) -> Result<Self, Malformed> {
        let mut status = None;
        let regular = check(fields, |field| {
            if field.name != b":status" {
                return Err(Malformed("a pseudo-header field that responses do not have"));
            }
            if status.replace(field.value).is_some() {
                return Err(Malformed("a pseudo-header field twice"));
            }
            Ok(())
        })?;
        let &[a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] = status.ok_or(Malformed("no :status"))? else {
            return Err(Malformed(":status is no number of three digits"));
        };
        let [a, b, c] = [a, b, c].map(|digit| u16::from(digit - b'0'));
        let status = a * 100 + b * 10 + c;
        if status == 101 {
            return Err(Malformed("status 101 does not exist in HTTP/2"));
        }
        let promises = regular.content_length;
        // 204 with 0 is forbidden, too (RFC 9110 8.6), but says nothing wrong and is common.
        if promises.is_some() && status < 200 || promises.is_some_and(|length| length > 0) && status == 204 {
            return Err(Malformed("content-length where there is never content"));
        }
        Ok(Self { status, content_length: regular.content_length })
    }

    /// Whether another response follows (1xx).
    pub fn is_informational(self) -> bool {
        self.status < 200
    }
}

/// Checks trailers.
pub(crate) fn check_trailers(fields: &Fields) -> Result<(), Malformed> {
    check(fields, |_| Err(Malformed("a pseudo-header field in trailers")))?;
    let framing = |field: Field<'_>| matches!(field.name, b"content-length" | b"host" | b"te" | b"trailer");
    if fields.iter().any(framing) {
        return Err(Malformed("a field in trailers that belongs into the head"));
    }
    Ok(())
}

/// Checks all fields; `pseudo` takes those with a colon, which come first.
fn check<'a>(
    fields: &'a Fields,
    mut pseudo: impl FnMut(Field<'a>) -> Result<(), Malformed>,
) -> Result<Regular<'a>, Malformed> {
    let mut regular = Regular::default();
    let mut begun = false;
    for field in fields.iter() {
        check_value(field.value)?;
        if field.name.first() == Some(&b':') {
            if begun {
                return Err(Malformed("a pseudo-header field after a regular one"));
            }
            pseudo(field)?;
            continue;
        }
        begun = true;
        check_name(field.name)?;
        match field.name {
            b"connection" | b"proxy-connection" | b"keep-alive" | b"transfer-encoding" | b"upgrade" => {
                return Err(Malformed("a field that belongs to an HTTP/1.1 connection"));
            }
            b"te" if field.value != b"trailers" => return Err(Malformed("te is not \"trailers\"")),
            b"host" if regular.host.replace(field.value).is_some() => return Err(Malformed("host twice")),
            b"host" if !is_authority(field.value) => return Err(Malformed("host is no host and port")),
            b"content-length" => {
                let length = decimal(field.value).ok_or(Malformed("content-length is no number"))?;
                if regular.content_length.replace(length).is_some() {
                    return Err(Malformed("content-length twice"));
                }
            }
            _ => {}
        }
    }
    Ok(regular)
}

fn check_name(name: &[u8]) -> Result<(), Malformed> {
    if name.is_empty() {
        return Err(Malformed("a field without a name"));
    }
    if !name.iter().all(|&byte| TOKEN[usize::from(byte)] && !byte.is_ascii_uppercase()) {
        return Err(Malformed("a field name that is no lower-case token"));
    }
    Ok(())
}

fn check_value(value: &[u8]) -> Result<(), Malformed> {
    if let ([b' ' | b'\t', ..], _) | (_, [.., b' ' | b'\t']) = (value, value) {
        return Err(Malformed("a field value that begins or ends with white space"));
    }
    if value.iter().any(|&byte| byte < b' ' && byte != b'\t' || byte == 0x7f) {
        return Err(Malformed("a control character in a field value"));
    }
    Ok(())
}

fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| TOKEN[usize::from(byte)])
}

/// RFC 3986 3.1.
fn is_scheme(bytes: &[u8]) -> bool {
    let rest = |&byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    matches!(bytes, [first, others @ ..] if first.is_ascii_alphabetic() && others.iter().all(rest))
}

/// Host and port, without the user information that RFC 9113 8.3.1 forbids.
fn is_authority(bytes: &[u8]) -> bool {
    let legal = |&byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:[]%".contains(&byte);
    !bytes.is_empty() && bytes.iter().all(legal)
}

/// An absolute path, and a query perhaps: visible ASCII without a fragment.
fn is_path(bytes: &[u8]) -> bool {
    bytes.first() == Some(&b'/') && bytes.iter().all(|&byte| byte.is_ascii_graphic() && byte != b'#')
}

/// Digits, of a number that 64 bits hold.
fn decimal(bytes: &[u8]) -> Option<u64> {
    let digits = !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit);
    digits.then(|| std::str::from_utf8(bytes).ok()?.parse().ok()).flatten()
}

/// RFC 9110 5.6.2.
const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let marks = b"!#$%&'*+-.^_`|~";
    let mut at = 0;
    while at < marks.len() {
        table[marks[at] as usize] = true;
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests;
