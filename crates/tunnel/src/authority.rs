//! Where a CONNECT leads.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
    sync::Arc,
};

use thiserror::Error;

/// The `:authority` of a CONNECT: an address or a host name, always with a port.
///
/// Accepted forms are `10.0.0.1:80`, `[fd00::1]:80` and `name:80`; an IPv4 address written as IPv6
/// (`[::ffff:10.0.0.1]:80`) is the IPv4 address. Host names are compared and kept in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Authority {
    /// An address, to be reached as it is (a workload, or a service's virtual address at a waypoint).
    Ip(SocketAddr),
    /// A host name and port (waypoints and gateways).
    Host(Arc<str>, u16),
}

/// The text is not an authority that a tunnel can lead to.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("authority {0:?} is not valid: expected ip:port, [ipv6]:port or host:port with a port from 1 to 65535")]
pub struct AuthorityError(String);

// === impl Authority ===

impl Authority {
    /// The port.
    pub fn port(&self) -> u16 {
        match self {
            Self::Ip(address) => address.port(),
            Self::Host(_, port) => *port,
        }
    }
}

impl From<SocketAddr> for Authority {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(SocketAddr::new(address.ip().to_canonical(), address.port()))
    }
}

impl FromStr for Authority {
    type Err = AuthorityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| AuthorityError(text.chars().take(300).collect()))
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Host(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

fn parse(text: &str) -> Option<Authority> {
    let (host, port) = text.rsplit_once(':')?;
    let plain_number = !port.is_empty() && port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit());
    let port = port.parse::<u16>().ok().filter(|port| plain_number && *port != 0)?;
    if let Some(inner) = host.strip_prefix('[') {
        let address = inner.strip_suffix(']')?.parse().ok().map(IpAddr::V6)?;
        return Some(SocketAddr::new(address, port).into());
    }
    if let Ok(address) = host.parse() {
        return Some(SocketAddr::new(IpAddr::V4(address), port).into());
    }
    is_host_name(host).then(|| Authority::Host(host.to_ascii_lowercase().into(), port))
}

/// RFC 1123, with underscores, and not something that looks like a broken IPv4 address.
fn is_host_name(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let numeric = |label: &str| label.bytes().all(|b| b.is_ascii_digit());
    (1..=253).contains(&host.len()) && host.split('.').all(label) && !host.rsplit('.').next().is_some_and(numeric)
}

#[cfg(test)]
mod tests;
