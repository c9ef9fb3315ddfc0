//! Hosts with ports, as `:authority` and `host` have them. The rules are those of our HTTP/1.1, so that no message is one
//! in one protocol and none in the other.

use std::{net::Ipv6Addr, str};

use crate::octets::{HOST, all};

/// Whether an authority must have a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    Optional,
    Required,
}

/// Whether `bytes` is a host with a port from 1 to 65535.
///
/// A host is an IPv6 address in brackets, without a zone; or at least one of letters, digits, `-`, `.`, `_` and `~`. The
/// rest of what RFC 3986 allows names nothing in a mesh and is read in different ways: user information,
/// percent-encoding, `,` and other delimiters, hosts and ports that are empty, addresses of future formats.
pub(crate) fn is_authority(bytes: &[u8], port: Port) -> bool {
    let (host, rest) = if let [b'[', rest @ ..] = bytes {
        let Some(end) = rest.iter().position(|&byte| byte == b']') else { return false };
        (str::from_utf8(&rest[..end]).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok()), &rest[end + 1..])
    } else {
        let end = bytes.iter().position(|&byte| byte == b':').unwrap_or(bytes.len());
        (end > 0 && all(HOST, &bytes[..end]), &bytes[end..])
    };
    host && match rest {
        [] => port == Port::Optional,
        [b':', digits @ ..] => is_port(digits),
        _ => false,
    }
}

fn is_port(digits: &[u8]) -> bool {
    let value = || digits.iter().fold(0_u32, |value, digit| value * 10 + u32::from(digit - b'0'));
    (1..=5).contains(&digits.len())
        && digits.iter().all(u8::is_ascii_digit)
        && (1..=u32::from(u16::MAX)).contains(&value())
}

#[cfg(test)]
mod tests;
