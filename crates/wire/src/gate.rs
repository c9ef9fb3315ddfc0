//! How a proxy asks its node's agent for a connection out of the mesh, and hears whether there is one.
//!
//! TCP that leaves the mesh is taken from the wire by the agent, who accepts it before anybody was asked for the far
//! end. A proxy that wants to know goes to [`GATE`] instead, where the agent is at every node, says by an [`Ask`] where to
//! and how long that may take, and gets an [`Answer`]; after [`Answer::Connected`] the connection leads there.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4},
    time::Duration,
};

/// Where agents take questions: an address of the fabric that no machine has.
pub const GATE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(100, 64, 255, 254), 15003);

/// How long connecting to a place outside may take at most, whatever is asked for.
pub const LONGEST: Duration = Duration::from_secs(4);

/// Where to, and how long that may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The place outside.
    pub destination: SocketAddr,
    /// How long connecting may take: whole milliseconds, at most [`LONGEST`].
    pub limit: Duration,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// From here on the connection is that to the place.
    Connected,
    /// Nobody took the connection in time, or it may not be made; the agent closes this one.
    Failed,
    /// The place is in the mesh: the proxy gets there by itself; the agent closes this one.
    Inside,
}

/// Bytes of an [`Ask`].
pub const ASK: usize = 26;

const MAGIC: [u8; 4] = *b"rsg1";

// === impl Ask ===

impl Ask {
    /// As it is sent: a mark, milliseconds, port, address; IPv4 as IPv4-mapped IPv6.
    pub fn encode(&self) -> [u8; ASK] {
        let limit = u32::try_from(self.limit.min(LONGEST).as_millis()).unwrap_or(u32::MAX);
        let address = match self.destination.ip() {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        let mut bytes = [0; ASK];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..8].copy_from_slice(&limit.to_be_bytes());
        bytes[8..10].copy_from_slice(&self.destination.port().to_be_bytes());
        bytes[10..].copy_from_slice(&address.octets());
        bytes
    }

    /// What was sent; nothing: it is no question.
    pub fn decode(bytes: &[u8; ASK]) -> Option<Self> {
        let (mark, rest) = bytes.split_first_chunk::<4>()?;
        let (limit, rest) = rest.split_first_chunk::<4>()?;
        let (port, rest) = rest.split_first_chunk::<2>()?;
        let address = Ipv6Addr::from(*rest.first_chunk::<16>()?).to_canonical();
        let limit = Duration::from_millis(u32::from_be_bytes(*limit).into()).min(LONGEST);
        let destination = SocketAddr::new(address, u16::from_be_bytes(*port));
        (*mark == MAGIC).then_some(Self { destination, limit })
    }
}

// === impl Answer ===

impl Answer {
    /// As it is sent.
    pub const fn encode(self) -> u8 {
        match self {
            Self::Connected => 0,
            Self::Failed => 1,
            Self::Inside => 2,
        }
    }

    /// What was sent; nothing: it is no answer.
    pub const fn decode(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Connected),
            1 => Some(Self::Failed),
            2 => Some(Self::Inside),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
