//! How many connections may come (`TrafficPolicy`).

use std::{fmt, time::Duration};

use crate::RuleId;

/// How many connections may come, or be open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionLimit {
    /// Id of the limit.
    pub id: RuleId,
    /// Which of them count together.
    pub key: ConnectionKey,
    /// So many of them.
    pub most: MostConnections,
    /// Nobody is refused; it is only counted who would be.
    pub dry_run: bool,
}

/// What connections have in common that count together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ConnectionKey {
    /// Nothing: all count together.
    #[default]
    All,
    /// The caller's proven identity. Callers that have proven none count together.
    Identity,
    /// The address that the connection comes from: of IPv6, the network of 64 bits.
    SourceAddress,
}

/// A number of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MostConnections {
    /// New ones.
    New {
        /// So many in each interval; at least 1.
        count: u32,
        /// The interval; at least 1 ms.
        interval: Duration,
        /// So many at once, after a while without any; at least 1.
        burst: u32,
    },
    /// So many that are open; at least 1.
    Open(u32),
}

impl fmt::Display for ConnectionLimit {
    /// `10 new connections of each identity in 1s, 10 at once`, or `5 open connections of each source address`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = match self.key {
            ConnectionKey::All => "",
            ConnectionKey::Identity => " of each identity",
            ConnectionKey::SourceAddress => " of each source address",
        };
        match self.most {
            MostConnections::New { count, interval, burst } => {
                write!(f, "{count} new connections{of} in {interval:?}, {burst} at once")
            }
            MostConnections::Open(count) => write!(f, "{count} open connections{of}"),
        }
    }
}
