//! The PROXY protocol (HAProxy, version 1 and 2): a header before everything else on a connection, by which a proxy says
//! whom it speaks for.
//!
//! [`parse`] reads a [`Header`] from the first bytes of a connection, [`Header::write`] makes them. Nothing is repaired:
//! what is not exactly a header of TCP over IPv4 or IPv6, or one that names nobody, is [`Malformed`]. Sockets of the file
//! system and UDP are refused. A header has a limit, [`LONGEST_V1`] or [`LONGEST_V2`]; fields behind the addresses of
//! version 2 (TLVs) have to be whole, and are passed over. No I/O, no clock, no allocation.

mod error;
mod v1;
mod v2;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

pub use self::{error::Malformed, v1::LONGEST as LONGEST_V1, v2::LONGEST as LONGEST_V2};

/// Which encoding a header has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

/// Whom a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Header {
    /// Nobody but the proxy itself (`LOCAL`), or it is not known (`UNKNOWN`, `UNSPEC`): the addresses of the connection
    /// itself count.
    Unnamed,
    /// A client.
    Proxied {
        /// Its address.
        source: SocketAddr,
        /// The address that it called.
        destination: SocketAddr,
    },
}

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// The beginning of a header: more of it has to come.
    Partial,
    /// A header.
    Whole {
        /// What it says.
        header: Header,
        /// How many bytes it has. What is behind them belongs to the connection.
        length: usize,
    },
}

/// A header's bytes.
#[derive(Clone, Copy, Debug)]
pub struct Encoded {
    bytes: [u8; LONGEST_V1],
    length: usize,
}

/// Reads the header that a connection begins with, of either version. Refuses as soon as it is clear that there is none.
///
/// ```
/// # use ripstop_proxy_protocol::{Header, Parsed, parse};
/// let bytes = b"PROXY TCP4 192.0.2.1 198.51.100.7 40000 80\r\nGET / HTTP/1.1\r\n";
/// let (source, destination) = ("192.0.2.1:40000".parse().unwrap(), "198.51.100.7:80".parse().unwrap());
/// assert_eq!(parse(bytes), Ok(Parsed::Whole { header: Header::Proxied { source, destination }, length: 44 }));
/// assert_eq!(parse(&bytes[..20]), Ok(Parsed::Partial));
/// assert!(parse(b"GET / HTTP/1.1\r\n").is_err());
/// ```
pub fn parse(bytes: &[u8]) -> Result<Parsed, Malformed> {
    match bytes {
        [] => Ok(Parsed::Partial),
        [b'P', ..] => v1::parse(bytes),
        [b'\r', ..] => v2::parse(bytes),
        _ => Err(Malformed::NoHeader),
    }
}

// === impl Header ===

impl Header {
    /// Its bytes. Addresses of different families are written as those of IPv6.
    pub fn write(self, version: Version) -> Encoded {
        let mut encoded = Encoded { bytes: [0; LONGEST_V1], length: 0 };
        let header = self.of_one_family();
        match version {
            Version::V1 => v1::write(header, &mut encoded),
            Version::V2 => v2::write(header, &mut encoded),
        }
        encoded
    }

    fn of_one_family(self) -> Self {
        match self {
            Self::Proxied { source, destination } if source.is_ipv4() != destination.is_ipv4() => {
                Self::Proxied { source: mapped(source), destination: mapped(destination) }
            }
            header => header,
        }
    }
}

// === impl Encoded ===

impl Encoded {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.length..self.length + bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }
}

impl AsRef<[u8]> for Encoded {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// The same address in IPv6 (RFC 4291 2.5.5.2).
fn mapped(address: SocketAddr) -> SocketAddr {
    let ip: Ipv6Addr = match address.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    (ip, address.port()).into()
}

#[cfg(test)]
mod tests;
