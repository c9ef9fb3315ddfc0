//! What gRPC says in HTTP.

use std::time::Duration;

use super::edits::Text;

/// The status of a call whose time was over.
pub const DEADLINE_EXCEEDED: u16 = 4;

/// The status of a call that is one too many.
pub const RESOURCE_EXHAUSTED: u16 = 8;

/// Whether a content type is gRPC's: with a message format, or parameters, behind it or without. gRPC-Web is not.
pub fn is_grpc(content_type: Option<&[u8]>) -> bool {
    let rest = content_type.and_then(|kind| kind.strip_prefix(b"application/grpc"));
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// The status of gRPC that a status of HTTP stands for (gRPC's http-grpc-status-mapping).
pub fn status_of(http: u16) -> u16 {
    match http {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => 14,
        _ => 2,
    }
}

/// Text as `grpc-message` has it: `%`, and what is no printable ASCII, by its number.
pub fn message(text: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if matches!(byte, b' '..=b'~') && byte != b'%' {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
    out
}

/// What `grpc-timeout` says: at most eight digits and a unit. Nothing for what can't be read, and for zero, which the
/// protocol does not know.
pub fn timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let count = digits.iter().fold(0, |count, digit| count * 10 + u64::from(digit - b'0'));
    let timeout = match unit {
        b'H' => Duration::from_secs(count * 3600),
        b'M' => Duration::from_secs(count * 60),
        b'S' => Duration::from_secs(count),
        b'm' => Duration::from_millis(count),
        b'u' => Duration::from_micros(count),
        b'n' => Duration::from_nanos(count),
        _ => return None,
    };
    (!timeout.is_zero()).then_some(timeout)
}

/// `grpc-timeout` for so many milliseconds, in the finest unit that has room for them.
pub fn timeout_text(milliseconds: u64) -> Text<'static> {
    const LARGEST: u64 = 99_999_999;
    let mut count = milliseconds;
    let mut unit = 'm';
    for (coarser, times) in [('S', 1000), ('M', 60), ('H', 60)] {
        if count > LARGEST {
            count /= times;
            unit = coarser;
        }
    }
    Text::from(format!("{}{unit}", count.min(LARGEST)))
}

#[cfg(test)]
mod tests;
