//! Hosts with ports, as Host fields and targets have them.

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
/// A host is an IPv6 address in brackets, without a zone; or letters, digits, `-`, `.`, `_` and `~`, at least one.
/// What RFC 3986 knows beyond that (user information, percent-encoding, `,` and other delimiters, empty hosts, empty
/// ports, future address formats) names nothing in a mesh, and is read differently by different servers.
pub(crate) fn is_authority(bytes: &[u8], port: Port) -> bool {
    let (host_is_good, rest) = if let [b'[', rest @ ..] = bytes {
        let Some(end) = rest.iter().position(|byte| *byte == b']') else { return false };
        let address = str::from_utf8(&rest[..end]).ok().and_then(|text| text.parse::<Ipv6Addr>().ok());
        (address.is_some(), &rest[end + 1..])
    } else {
        let end = bytes.iter().position(|byte| *byte == b':').unwrap_or(bytes.len());
        (end > 0 && all(HOST, &bytes[..end]), &bytes[end..])
    };
    let port_is_good = match rest {
        [] => port == Port::Optional,
        [b':', digits @ ..] => is_port(digits),
        _ => false,
    };
    host_is_good && port_is_good
}

/// Whether a Host field names the authority of a target; `port` is whether the target's form must have one. If it must
/// (CONNECT), the Host may go without: the example of RFC 9112 3.2.3 has none, HAProxy sends none, curl does. In any
/// other form both are the same (RFC 9110 7.2).
pub(crate) fn agrees(host: &[u8], authority: &[u8], port: Port) -> bool {
    let without_port = || authority.iter().rposition(|byte| *byte == b':').map_or(authority, |end| &authority[..end]);
    host.eq_ignore_ascii_case(authority) || (port == Port::Required && host.eq_ignore_ascii_case(without_port()))
}

fn is_port(digits: &[u8]) -> bool {
    let number = || digits.iter().fold(0_u32, |port, digit| port * 10 + u32::from(digit - b'0'));
    (1..=5).contains(&digits.len())
        && digits.iter().all(u8::is_ascii_digit)
        && u16::try_from(number()).is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests;
