//! Version 1: a line of text.

use std::{
    io::Write as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use crate::{Encoded, Header, Malformed, Parsed};

/// Bytes of a line at most, with its end.
pub const LONGEST: usize = 107;

const PREFIX: &[u8] = b"PROXY ";

pub(crate) fn parse(bytes: &[u8]) -> Result<Parsed, Malformed> {
    let begin = bytes.len().min(PREFIX.len());
    if bytes[..begin] != PREFIX[..begin] {
        return Err(Malformed::NoHeader);
    }
    let line = &bytes[..bytes.len().min(LONGEST)];
    let Some(end) = line.windows(2).position(|pair| pair == b"\r\n") else {
        return if bytes.len() < LONGEST { Ok(Parsed::Partial) } else { Err(Malformed::LineTooLong) };
    };
    let header = header(&line[PREFIX.len()..end])?;
    Ok(Parsed::Whole { header, length: end + 2 })
}

fn header(line: &[u8]) -> Result<Header, Malformed> {
    // Whatever else is written behind it is of no account.
    if line == b"UNKNOWN" || line.starts_with(b"UNKNOWN ") {
        return Ok(Header::Unnamed);
    }
    let line = std::str::from_utf8(line).map_err(|_| Malformed::Parts)?;
    let mut parts = line.split(' ');
    match parts.next() {
        Some("TCP4") => addresses::<Ipv4Addr>(parts),
        Some("TCP6") => addresses::<Ipv6Addr>(parts),
        _ => Err(Malformed::Family),
    }
}

fn addresses<'l, A: FromStr + Into<IpAddr>>(mut parts: impl Iterator<Item = &'l str>) -> Result<Header, Malformed> {
    let mut next = || parts.next().ok_or(Malformed::Parts);
    let [source, destination, source_port, destination_port] = [next()?, next()?, next()?, next()?];
    if parts.next().is_some() {
        return Err(Malformed::Parts);
    }
    let address = |text: &str, number: &str| {
        let ip = text.parse::<A>().map_err(|_| Malformed::Address)?;
        Ok(SocketAddr::new(ip.into(), port(number)?))
    };
    Ok(Header::Proxied { source: address(source, source_port)?, destination: address(destination, destination_port)? })
}

/// A decimal number without zeros before it.
fn port(text: &str) -> Result<u16, Malformed> {
    let is_canonical = text == "0" || (!text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit()));
    if !is_canonical {
        return Err(Malformed::Port);
    }
    text.parse().map_err(|_| Malformed::Port)
}

pub(crate) fn write(header: Header, to: &mut Encoded) {
    let mut line = &mut to.bytes[..];
    let room = line.len();
    let written = match header {
        Header::Unnamed => line.write_all(b"PROXY UNKNOWN\r\n"),
        Header::Proxied { source, destination } => {
            let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
            let (from, at) = (source.ip(), destination.ip());
            write!(line, "PROXY {family} {from} {at} {} {}\r\n", source.port(), destination.port())
        }
    };
    debug_assert!(written.is_ok(), "the longest line fits");
    to.length = room - line.len();
}

#[cfg(test)]
mod tests;
