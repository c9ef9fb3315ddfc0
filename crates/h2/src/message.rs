//! What a request, a response and trailers must be (RFC 9113 8, RFC 8441, RFC 9110).

use thiserror::Error;

use crate::{
    Field, Fields,
    authority::{Port, is_authority},
    octets::{NAME, all, all_of_path, all_of_value, is_token},
};

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
    /// `:authority`, else `host`. In a plain CONNECT it has a port.
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
    /// `:status`, 100 to 599 but 101.
    pub status: u16,
    /// `content-length`. None of 1xx and 204, where a length of 0 is put up with but says nothing and must not be passed
    /// on (RFC 9110 8.6).
    pub content_length: Option<u64>,
}

/// Which fields of a request make its head: their places. With the fields it is a [`RequestHead`] without another check.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestIndex {
    method: usize,
    scheme: Option<usize>,
    authority: usize,
    path: Option<usize>,
    protocol: Option<usize>,
    content_length: Option<u64>,
}

/// What regular fields say, once checked.
#[derive(Default)]
struct Regular<'a> {
    /// Its place, and what it says.
    host: Option<(usize, &'a [u8])>,
    content_length: Option<u64>,
}

impl<'a> RequestHead<'a> {
    /// Checks the fields of a request; `extended` tells whether `:protocol` is possible. Of a request that a connection
    /// just gave out, [`Connection::request_head`](crate::Connection::request_head) knows the head already.
    pub fn of(fields: &'a Fields, extended: Extended) -> Result<Self, Malformed> {
        RequestIndex::of(fields, extended).map(|index| index.head(fields))
    }

    /// Whether the stream becomes a tunnel: CONNECT without `:protocol`.
    pub fn is_tunnel(&self) -> bool {
        self.method == b"CONNECT" && self.protocol.is_none()
    }

    /// Whether each part is what it must be and goes with the others.
    pub(crate) fn check(&self, extended: Extended) -> Result<(), Malformed> {
        if !is_token(self.method) {
            return Err(Malformed(":method is no token"));
        }
        if self.protocol.is_some() && (self.method != b"CONNECT" || extended == Extended::Off) {
            return Err(Malformed(":protocol without CONNECT, or without SETTINGS_ENABLE_CONNECT_PROTOCOL"));
        }
        if self.is_tunnel() {
            if self.scheme.is_some() || self.path.is_some() {
                return Err(Malformed("CONNECT with :scheme or :path"));
            }
            // RFC 9110 9.3.6.
            return if is_authority(self.authority, Port::Required) {
                Ok(())
            } else {
                Err(Malformed(":authority of CONNECT is no host with a port"))
            };
        }
        if !is_authority(self.authority, Port::Optional) {
            return Err(Malformed(":authority is no host and port"));
        }
        let path = self.path.ok_or(Malformed("no :path"))?;
        if !is_scheme(self.scheme.ok_or(Malformed("no :scheme"))?) {
            return Err(Malformed(":scheme is none"));
        }
        if self.protocol.is_some_and(|protocol| !is_token(protocol)) {
            return Err(Malformed(":protocol is no token"));
        }
        if !(is_path(path) || path == b"*" && self.method == b"OPTIONS") {
            return Err(Malformed(":path is none"));
        }
        Ok(())
    }
}

impl RequestIndex {
    /// Checks the fields of a request.
    pub(crate) fn of(fields: &Fields, extended: Extended) -> Result<Self, Malformed> {
        let mut pseudo = [None; 5];
        let regular = check(fields, |place, field| {
            let which = match field.name {
                b":method" => 0,
                b":scheme" => 1,
                b":authority" => 2,
                b":path" => 3,
                b":protocol" => 4,
                _ => return Err(Malformed("a pseudo-header field that requests do not have")),
            };
            if pseudo[which].replace(place).is_some() {
                return Err(Malformed("a pseudo-header field twice"));
            }
            Ok(())
        })?;
        let [method, scheme, authority, path, protocol] = pseudo;
        let method = method.ok_or(Malformed("no :method"))?;
        if let Some((authority, (_, host))) = authority.zip(regular.host)
            && !fields.value(authority).eq_ignore_ascii_case(host)
        {
            return Err(Malformed("host differs from :authority"));
        }
        let host = regular.host.map(|(place, _)| place).filter(|_| fields.value(method) != b"CONNECT");
        let authority = authority.or(host).ok_or(Malformed("no :authority"))?;
        let index = Self { method, scheme, authority, path, protocol, content_length: regular.content_length };
        index.head(fields).check(extended)?;
        Ok(index)
    }

    /// The head, of the same fields.
    pub(crate) fn head(self, fields: &Fields) -> RequestHead<'_> {
        let value = |place| fields.value(place);
        RequestHead {
            method: value(self.method),
            scheme: self.scheme.map(value),
            authority: value(self.authority),
            path: self.path.map(value),
            protocol: self.protocol.map(value),
            content_length: self.content_length,
        }
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
    /// Checks the fields of a response, final or not. Of a response that a connection just gave out,
    /// [`Connection::response_head`](crate::Connection::response_head) knows the head already.
    pub fn of(fields: &Fields) -> Result<Self, Malformed> {
        let mut status = None;
        let regular = check(fields, |_, field| {
            if field.name != b":status" {
                return Err(Malformed("a pseudo-header field that responses do not have"));
            }
            if status.replace(field.value).is_some() {
                return Err(Malformed("a pseudo-header field twice"));
            }
            Ok(())
        })?;
        let &[a @ b'1'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9'] = status.ok_or(Malformed("no :status"))? else {
            return Err(Malformed(":status is no number from 100 to 599"));
        };
        let [a, b, c] = [a, b, c].map(|digit| u16::from(digit - b'0'));
        Self { status: a * 100 + b * 10 + c, content_length: regular.content_length }.check()
    }

    /// Whether another response follows (1xx).
    pub fn is_informational(self) -> bool {
        self.status < 200
    }

    /// Whether there is such a response; gives it without a length that must not be passed on.
    pub(crate) fn check(self) -> Result<Self, Malformed> {
        if !(100..600).contains(&self.status) {
            return Err(Malformed(":status is no number from 100 to 599"));
        }
        if self.status == 101 {
            return Err(Malformed("status 101 does not exist in HTTP/2"));
        }
        if self.status >= 200 && self.status != 204 {
            return Ok(self);
        }
        match self.content_length {
            Some(1..) => Err(Malformed("content-length where there is never content")),
            Some(0) | None => Ok(Self { content_length: None, ..self }),
        }
    }
}

/// Checks trailers.
pub(crate) fn check_trailers(fields: &Fields) -> Result<(), Malformed> {
    check(fields, |_, _| Err(Malformed("a pseudo-header field in trailers")))?;
    let framing = |field: Field<'_>| matches!(field.name, b"content-length" | b"host" | b"te" | b"trailer");
    if fields.iter().any(framing) {
        return Err(Malformed("a field in trailers that belongs into the head"));
    }
    Ok(())
}

/// Checks all fields; `pseudo` takes those with a colon, which come first, and their places.
fn check<'a>(
    fields: &'a Fields,
    mut pseudo: impl FnMut(usize, Field<'a>) -> Result<(), Malformed>,
) -> Result<Regular<'a>, Malformed> {
    let mut regular = Regular::default();
    let mut begun = false;
    for (place, field) in fields.iter().enumerate() {
        check_value(field.value)?;
        if field.name.first() == Some(&b':') {
            if begun {
                return Err(Malformed("a pseudo-header field after a regular one"));
            }
            pseudo(place, field)?;
            continue;
        }
        begun = true;
        check_name(field.name)?;
        match field.name {
            b"connection" | b"proxy-connection" | b"keep-alive" | b"transfer-encoding" | b"upgrade" => {
                return Err(Malformed("a field that belongs to an HTTP/1.1 connection"));
            }
            b"te" if field.value != b"trailers" => return Err(Malformed("te is not \"trailers\"")),
            b"host" if regular.host.replace((place, field.value)).is_some() => return Err(Malformed("host twice")),
            b"host" if !is_authority(field.value, Port::Optional) => return Err(Malformed("host is no host and port")),
            b"content-length" => {
                let length = decimal(field.value).ok_or(Malformed("content-length is no plain number"))?;
                if regular.content_length.replace(length).is_some() {
                    return Err(Malformed("content-length twice"));
                }
            }
            _ => {}
        }
    }
    Ok(regular)
}

/// Whether it is the name of a field in HTTP/2.
pub(crate) fn check_name(name: &[u8]) -> Result<(), Malformed> {
    if name.is_empty() {
        return Err(Malformed("a field without a name"));
    }
    if !all(NAME, name) {
        return Err(Malformed("a field name that is no lower-case token"));
    }
    Ok(())
}

/// Whether it is a field's value.
pub(crate) fn check_value(value: &[u8]) -> Result<(), Malformed> {
    if let ([b' ' | b'\t', ..], _) | (_, [.., b' ' | b'\t']) = (value, value) {
        return Err(Malformed("a field value that begins or ends with white space"));
    }
    if !all_of_value(value) {
        return Err(Malformed("a control character in a field value"));
    }
    Ok(())
}

/// RFC 3986 3.1.
fn is_scheme(bytes: &[u8]) -> bool {
    let rest = |&byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    matches!(bytes, [first, others @ ..] if first.is_ascii_alphabetic() && others.iter().all(rest))
}

/// An absolute path, and a query perhaps: visible ASCII without a fragment.
fn is_path(bytes: &[u8]) -> bool {
    bytes.first() == Some(&b'/') && all_of_path(bytes)
}

/// A number that 64 bits hold, without zeros before it: they are octal to some.
fn decimal(digits: &[u8]) -> Option<u64> {
    match digits {
        [] | [b'0', _, ..] => None,
        _ => digits.iter().try_fold(0_u64, |value, digit| {
            let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
            value.checked_mul(10)?.checked_add(digit)
        }),
    }
}

#[cfg(test)]
mod tests;
