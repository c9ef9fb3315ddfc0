//! Heads and trailers made from parts that come from elsewhere, such as those of an HTTP/1.1 message.

use crate::{
    End, Field, Fields, Malformed, Request, RequestHead, ResponseHead,
    message::{Extended, check_name, check_value},
    octets::{is_token, trimmed},
    trailers::may_not_trail,
};

/// Makes the fields of a request from its head and from fields in any case and order, and refuses what must not be sent.
///
/// What was received, by whatever protocol, goes through [`carry`](Self::carry); changes follow by [`add`](Self::add),
/// [`set`](Self::set) and [`remove`](Self::remove). The fields are complete with [`finish`](Self::finish), and can be
/// given to [`Connection::open`](crate::Connection::open); without that there are none. Nothing is allocated once the
/// storage has its size.
#[derive(Debug)]
pub struct RequestWriter<'o> {
    lines: Lines<'o>,
    /// Content that is promised.
    length: Option<u64>,
}

/// Makes the fields of a response; otherwise as [`RequestWriter`].
#[derive(Debug)]
pub struct ResponseWriter<'o> {
    lines: Lines<'o>,
    length: Option<u64>,
    informational: bool,
}

/// Fields that become a message, or none at all.
#[derive(Debug)]
struct Lines<'o> {
    out: &'o mut Fields,
    finished: bool,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// Of the connection it came over, or of the framing there.
    Hop,
    /// Said by the head.
    Head,
    Te,
    Other,
}

/// Fields that the Connection fields of a message may name beside the usual ones.
const MOST_NOMINATED: usize = 100;

// === impl RequestWriter ===

impl<'o> RequestWriter<'o> {
    /// Begins with the pseudo-header fields and the length that `head` says, in `out`, whose fields are forgotten. A plain
    /// CONNECT has no length. Whether the server knows `:protocol`,
    /// [`Connection::has_connect_protocol`](crate::Connection::has_connect_protocol) tells.
    pub fn new(out: &'o mut Fields, head: RequestHead<'_>) -> Result<Self, Malformed> {
        let mut lines = Lines::new(out);
        head.check(Extended::On)?;
        let pseudo: [(&[u8], _); 5] = [
            (b":method", Some(head.method)),
            (b":scheme", head.scheme),
            (b":authority", Some(head.authority)),
            (b":path", head.path),
            (b":protocol", head.protocol),
        ];
        for (name, value) in pseudo {
            if let Some(value) = value {
                lines.out.push(name, value);
            }
        }
        let length = head.content_length.filter(|_| !head.is_tunnel());
        lines.length(length);
        Ok(Self { lines, length })
    }

    /// The fields of a message that was received, of as many as `fields` gives each time it is called.
    ///
    /// Left out is what the head says (pseudo-header fields, `host`, `content-length`) and what ends at this hop: fields of
    /// the connection, those that a Connection field names (RFC 9110 7.6.1), `transfer-encoding`, and `te` but for
    /// `trailers`. Names become lower-case; each `cookie` field stays one.
    pub fn carry<'f, I, F>(&mut self, fields: impl Fn() -> I) -> Result<(), Malformed>
    where
        I: IntoIterator<Item = F>,
        F: Into<Field<'f>>,
    {
        self.lines.carry(fields)
    }

    /// One more field. None that [`carry`](Self::carry) leaves out; only `te: trailers` may be there.
    pub fn add<'f>(&mut self, field: impl Into<Field<'f>>) -> Result<(), Malformed> {
        self.lines.add(field.into())
    }

    /// A field in place of all of its name.
    pub fn set<'f>(&mut self, field: impl Into<Field<'f>>) -> Result<(), Malformed> {
        self.lines.set(field.into())
    }

    /// Takes away all fields of this name. What the head says stays.
    pub fn remove(&mut self, name: &[u8]) -> Result<(), Malformed> {
        self.lines.remove(name)
    }

    /// Makes it a message. `end` as it will be given to [`Connection::open`](crate::Connection::open).
    pub fn finish(self, end: End) -> Result<(), Malformed> {
        if end == End::Stream && self.length.is_some_and(|length| length > 0) {
            return Err(Malformed("a content-length, and no content"));
        }
        self.lines.finish();
        Ok(())
    }
}

// === impl ResponseWriter ===

impl<'o> ResponseWriter<'o> {
    /// Begins with the status and the length that `head` says, in `out`, whose fields are forgotten. A length of 0 is left
    /// out where there is never content: with 1xx, 204, and a successful answer to CONNECT (RFC 9110 8.6).
    pub fn new(out: &'o mut Fields, head: ResponseHead, to: Request) -> Result<Self, Malformed> {
        let mut lines = Lines::new(out);
        let head = head.check()?;
        let digit = |of: u16| b'0' + (head.status / of % 10).to_le_bytes()[0];
        lines.out.push(b":status", &[digit(100), digit(10), digit(1)]);
        let tunnel = to == Request::Tunnel && (200..300).contains(&head.status);
        let length = head.content_length.filter(|_| !tunnel);
        lines.length(length);
        // What is said of content that does not come promises nothing.
        let length = length.filter(|_| to != Request::Head && head.status != 304);
        Ok(Self { lines, length, informational: head.is_informational() })
    }

    /// The fields of a message that was received; see [`RequestWriter::carry`].
    pub fn carry<'f, I, F>(&mut self, fields: impl Fn() -> I) -> Result<(), Malformed>
    where
        I: IntoIterator<Item = F>,
        F: Into<Field<'f>>,
    {
        self.lines.carry(fields)
    }

    /// One more field; see [`RequestWriter::add`].
    pub fn add<'f>(&mut self, field: impl Into<Field<'f>>) -> Result<(), Malformed> {
        self.lines.add(field.into())
    }

    /// A field in place of all of its name.
    pub fn set<'f>(&mut self, field: impl Into<Field<'f>>) -> Result<(), Malformed> {
        self.lines.set(field.into())
    }

    /// Takes away all fields of this name. What the head says stays.
    pub fn remove(&mut self, name: &[u8]) -> Result<(), Malformed> {
        self.lines.remove(name)
    }

    /// Makes it a message. `end` as it will be given to [`Connection::respond`](crate::Connection::respond).
    pub fn finish(self, end: End) -> Result<(), Malformed> {
        if end == End::Stream && self.informational {
            return Err(Malformed("a response that ends before the final one"));
        }
        if end == End::Stream && self.length.is_some_and(|length| length > 0) {
            return Err(Malformed("a content-length, and no content"));
        }
        self.lines.finish();
        Ok(())
    }
}

/// Makes trailers of the fields of a trailer section, in `out`, whose fields are forgotten. Fields that must not come after
/// content (RFC 9110 6.5.1), or that end at this hop, are left out; others that are no fields are refused, and then there
/// are none.
pub fn write_trailers<'f, F: Into<Field<'f>>>(
    out: &mut Fields,
    fields: impl IntoIterator<Item = F>,
) -> Result<(), Malformed> {
    let mut lines = Lines::new(out);
    for field in fields {
        lines.put(field.into(), |name| !may_not_trail(name))?;
    }
    lines.finish();
    Ok(())
}

// === impl Lines ===

impl<'o> Lines<'o> {
    fn new(out: &'o mut Fields) -> Self {
        out.clear();
        Self { out, finished: false }
    }

    fn finish(mut self) {
        self.finished = true;
    }

    fn length(&mut self, length: Option<u64>) {
        let Some(mut left) = length else { return };
        let mut digits = [0; 20];
        let mut start = digits.len();
        loop {
            start -= 1;
            digits[start] = b'0' + (left % 10).to_le_bytes()[0];
            left /= 10;
            if left == 0 {
                break;
            }
        }
        self.out.push(b"content-length", &digits[start..]);
    }

    fn carry<'f, I, F>(&mut self, fields: impl Fn() -> I) -> Result<(), Malformed>
    where
        I: IntoIterator<Item = F>,
        F: Into<Field<'f>>,
    {
        let options = || {
            let fields = fields().into_iter().map(|field| -> Field<'f> { field.into() });
            fields.filter(|field| field.name.eq_ignore_ascii_case(b"connection")).flat_map(|field| list(field.value))
        };
        let mut nominated = 0;
        for option in options() {
            nominated += usize::from(is_nominated(option)?);
        }
        if nominated > MOST_NOMINATED {
            return Err(Malformed("connection names too many fields"));
        }
        let mut trailers = false;
        for field in fields() {
            let field: Field<'f> = field.into();
            if field.name.first() == Some(&b':') {
                continue;
            }
            let te = list(field.value).any(|coding| coding.eq_ignore_ascii_case(b"trailers"));
            self.put(field, |name| match Known::of(name) {
                Known::Hop | Known::Head => false,
                Known::Te => {
                    trailers |= te;
                    false
                }
                Known::Other => nominated == 0 || !options().any(|option| option.eq_ignore_ascii_case(name)),
            })?;
        }
        if trailers { self.set(Field::new(b"te", b"trailers")) } else { Ok(()) }
    }

    fn add(&mut self, field: Field<'_>) -> Result<(), Malformed> {
        let mut wrong = None;
        self.put(field, |name| {
            wrong = match Known::of(name) {
                Known::Hop => Some("a field that belongs to an HTTP/1.1 connection"),
                Known::Head => Some("a field that says what the head does"),
                Known::Te if field.value != b"trailers" => Some("te is not \"trailers\""),
                Known::Te | Known::Other => None,
            };
            wrong.is_none()
        })?;
        wrong.map_or(Ok(()), |reason| Err(Malformed(reason)))
    }

    fn set(&mut self, field: Field<'_>) -> Result<(), Malformed> {
        let before = self.out.len();
        self.add(field)?;
        self.out.remove(field.name, before);
        Ok(())
    }

    fn remove(&mut self, name: &[u8]) -> Result<(), Malformed> {
        if name.first() == Some(&b':') || name.eq_ignore_ascii_case(b"content-length") {
            return Err(Malformed("a field that says what the head does"));
        }
        self.out.remove(name, self.out.len());
        Ok(())
    }

    /// Puts a field behind the others if its name, in lower case, is one to `keep`.
    fn put(&mut self, field: Field<'_>, keep: impl FnOnce(&[u8]) -> bool) -> Result<(), Malformed> {
        let bytes = self.out.open();
        let start = bytes.len();
        bytes.extend_from_slice(field.name);
        bytes[start..].make_ascii_lowercase();
        let checked = check_name(&bytes[start..]).and_then(|()| check_value(field.value));
        if checked.is_ok() && keep(&bytes[start..]) {
            let value = bytes.len();
            bytes.extend_from_slice(field.value);
            self.out.close(value, field.sensitive);
        } else {
            self.out.discard();
        }
        checked
    }
}

impl Drop for Lines<'_> {
    /// What is not finished is no message.
    fn drop(&mut self) {
        if !self.finished {
            self.out.clear();
        }
    }
}

// === impl Known ===

impl Known {
    /// Of a name in lower case.
    fn of(name: &[u8]) -> Self {
        match name {
            b"connection" | b"http2-settings" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding"
            | b"upgrade" => Self::Hop,
            b"content-length" | b"host" => Self::Head,
            b"te" => Self::Te,
            _ => Self::Other,
        }
    }
}

/// Whether an option of a Connection field names a field that is not left out anyway.
fn is_nominated(option: &[u8]) -> Result<bool, Malformed> {
    let is = |known: &[u8]| option.eq_ignore_ascii_case(known);
    if !is_token(option) {
        return Err(Malformed("connection has an option that is no token"));
    }
    if is(b"host") || is(b"content-length") || is(b"transfer-encoding") {
        return Err(Malformed("connection names a field that every hop needs"));
    }
    Ok(!(is(b"close") || is(b"keep-alive") || is(b"upgrade") || is(b"te") || is(b"http2-settings")))
}

/// The elements of a list, trimmed, without empty ones (RFC 9110 5.6.1).
fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(trimmed).filter(|element| !element.is_empty())
}

#[cfg(test)]
mod tests;
