//! Version 2: binary.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::{Encoded, Header, Malformed, Parsed};

/// Bytes of a header at most, with 4 KiB of fields behind addresses of IPv6: certificates' names and what cloud networks tell
/// of themselves fit, and nobody can make much be kept before it is known who connects.
pub const LONGEST: usize = FIXED + 36 + 4096;

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const FIXED: usize = 16;
/// Kind and length of a field.
const FIELD: usize = 3;

const VERSION: u8 = 2;
const LOCAL: u8 = 0;
const PROXY: u8 = 1;
const UNSPECIFIED: u8 = 0;
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;

pub(crate) fn parse(bytes: &[u8]) -> Result<Parsed, Malformed> {
    let begin = bytes.len().min(SIGNATURE.len());
    if bytes[..begin] != SIGNATURE[..begin] {
        return Err(Malformed::NoHeader);
    }
    let Some(fixed) = bytes.get(SIGNATURE.len()..FIXED) else { return Ok(Parsed::Partial) };
    let (version, command, family) = (fixed[0] >> 4, fixed[0] & 0xf, fixed[1]);
    if version != VERSION {
        return Err(Malformed::Version(version));
    }
    let length = FIXED + usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
    if length > LONGEST {
        return Err(Malformed::TooLong(length));
    }
    let Some(rest) = bytes.get(FIXED..length) else { return Ok(Parsed::Partial) };
    let header = match (command, family) {
        // Whatever it has is passed over.
        (LOCAL, _) | (PROXY, UNSPECIFIED) => Header::Unnamed,
        (PROXY, TCP4) => {
            let (source, rest) = rest.split_first_chunk::<4>().ok_or(Malformed::Short)?;
            let (destination, rest) = rest.split_first_chunk::<4>().ok_or(Malformed::Short)?;
            let (ports, fields) = rest.split_first_chunk::<4>().ok_or(Malformed::Short)?;
            whole(fields)?;
            proxied(Ipv4Addr::from(*source).into(), Ipv4Addr::from(*destination).into(), *ports)
        }
        (PROXY, TCP6) => {
            let (source, rest) = rest.split_first_chunk::<16>().ok_or(Malformed::Short)?;
            let (destination, rest) = rest.split_first_chunk::<16>().ok_or(Malformed::Short)?;
            let (ports, fields) = rest.split_first_chunk::<4>().ok_or(Malformed::Short)?;
            whole(fields)?;
            proxied(Ipv6Addr::from(*source).into(), Ipv6Addr::from(*destination).into(), *ports)
        }
        (PROXY, _) => return Err(Malformed::Family),
        (command, _) => return Err(Malformed::Command(command)),
    };
    Ok(Parsed::Whole { header, length })
}

/// Whether all fields are.
fn whole(mut fields: &[u8]) -> Result<(), Malformed> {
    while !fields.is_empty() {
        let [_, high, low, ..] = *fields else { return Err(Malformed::Field) };
        let length = FIELD + usize::from(u16::from_be_bytes([high, low]));
        fields = fields.get(length..).ok_or(Malformed::Field)?;
    }
    Ok(())
}

fn proxied(source: IpAddr, destination: IpAddr, [a, b, c, d]: [u8; 4]) -> Header {
    let at = |ip, port| SocketAddr::new(ip, u16::from_be_bytes(port));
    Header::Proxied { source: at(source, [a, b]), destination: at(destination, [c, d]) }
}

pub(crate) fn write(header: Header, to: &mut Encoded) {
    to.push(&SIGNATURE);
    let (command, family, length) = match header {
        Header::Unnamed => (LOCAL, UNSPECIFIED, 0),
        Header::Proxied { source, .. } if source.is_ipv4() => (PROXY, TCP4, 12),
        Header::Proxied { .. } => (PROXY, TCP6, 36),
    };
    to.push(&[VERSION << 4 | command, family, 0, length]);
    if let Header::Proxied { source, destination } = header {
        for address in [source, destination] {
            match address.ip() {
                IpAddr::V4(ip) => to.push(&ip.octets()),
                IpAddr::V6(ip) => to.push(&ip.octets()),
            }
        }
        to.push(&source.port().to_be_bytes());
        to.push(&destination.port().to_be_bytes());
    }
}

#[cfg(test)]
mod tests;
