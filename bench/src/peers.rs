//! Pairs of other people's proxies, where the pair of relays stands: their configuration, their
//! certificates, and how they are started.
//!
//! Both of a pair have P-256 certificates of one authority and speak nothing but TLS 1.3. Each checks
//! the name of the other; neither keeps a log. As many threads as the mesh's proxies have workers.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::{
    message::{CALL_PORT, PORTS, SINK_PORT},
    way::{Peer, Way},
};

mod certificates;
mod envoy;
mod haproxy;

use certificates::Certificates;

/// Threads of each.
const WORKERS: u32 = 2;

/// Where one of a pair stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Beside the driver, or alone at the edge: takes what it sends.
    Near,
    /// Beside the server.
    Far,
}

/// One port that is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// Where connections are taken.
    pub listen: (Ipv4Addr, u16),
    /// Where they go.
    pub target: (Ipv4Addr, u16),
}

/// A directory with certificates and configurations.
#[derive(Debug)]
pub struct Peers {
    directory: PathBuf,
    certificates: Certificates,
}

// === impl Side ===

impl Side {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Near => "near",
            Self::Far => "far",
        }
    }

    /// The other one of the pair.
    fn other(self) -> Self {
        match self {
            Self::Near => Self::Far,
            Self::Far => Self::Near,
        }
    }
}

// === impl Peers ===

impl Peers {
    /// Makes `directory` and the certificates in it.
    pub fn prepare(directory: &Path) -> Result<Self> {
        fs::create_dir(directory).with_context(|| format!("making {}", directory.display()))?;
        Ok(Self { directory: directory.to_owned(), certificates: Certificates::issue(directory)? })
    }

    /// Writes the configuration of one of the pair of `way`, and tells what starts it, for a shell; nothing for a
    /// way without a peer.
    pub fn configure(&self, way: Way, side: Side, hop: impl Fn(u16) -> Hop) -> Result<Option<String>> {
        let Some(peer) = way.peer() else { return Ok(None) };
        let ports: Vec<u16> = PORTS.into_iter().filter(|port| !way.reads_requests() || *port != SINK_PORT).collect();
        let hops: Vec<Hop> = ports.iter().map(|port| hop(*port)).collect();
        let path = self.path(way, peer, side);
        let (text, command) = match peer {
            Peer::Envoy => {
                let passes = |port: u16| match port {
                    _ if !way.reads_requests() => envoy::Passes::Bytes,
                    CALL_PORT => envoy::Passes::Calls,
                    _ => envoy::Passes::Requests,
                };
                let hops: Vec<_> = ports.iter().map(|port| passes(*port)).zip(hops).collect();
                (envoy::configuration(side, &hops, &self.certificates).to_string(), envoy::command(&path))
            }
            Peer::Haproxy => (haproxy::configuration(side, &hops, &self.certificates), haproxy::command(&path)),
        };
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        Ok(Some(command))
    }

    /// Where the configuration is of one of the pair of `way`.
    pub fn path(&self, way: Way, peer: Peer, side: Side) -> PathBuf {
        let extension = match peer {
            Peer::Envoy => "json",
            Peer::Haproxy => "cfg",
        };
        self.directory.join(format!("{way}-{}.{extension}", side.name()))
    }
}

#[cfg(test)]
mod tests;
