//! How a driver can reach its server.

use std::{fmt, path::Path, process::Command};

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::{command::Work, place::Place};

/// One of the ways that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Way {
    /// Neither is in the mesh.
    Direct,
    /// Through two relays that do nothing.
    Relay,
    /// Through two Envoys that pass bytes on over mutual TLS.
    EnvoyL4,
    /// Through two Envoys that understand HTTP, over mutual TLS; the far one checks who may ask.
    EnvoyL7,
    /// Through two HAProxys that pass bytes on over mutual TLS.
    Haproxy,
    /// Both are in the mesh, and nothing but mutual TLS is accepted.
    Mesh,
    /// The same, and requests are counted as they pass.
    MeshMetered,
    /// The same, and a route has each request read at the caller's node, a policy at the callee's.
    MeshL7,
    /// The same rules, in a sidecar of the caller and one of the callee.
    MeshSidecar,
    /// The same rules, in a waypoint between two nodes that look at nothing.
    MeshWaypoint,
    /// From outside through one Envoy that stands alone, and on as in `envoy-l7`.
    EnvoyGateway,
    /// From outside through a gateway that routes and checks each request, and on to the callee's node by mutual TLS.
    MeshGateway,
}

// === impl Way ===

impl Way {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Direct,
        Self::Relay,
        Self::EnvoyL4,
        Self::EnvoyL7,
        Self::Haproxy,
        Self::Mesh,
        Self::MeshMetered,
        Self::MeshL7,
        Self::MeshSidecar,
        Self::MeshWaypoint,
        Self::EnvoyGateway,
        Self::MeshGateway,
    ];
    /// Those of the mesh.
    pub const MESH: [Self; 6] =
        [Self::Mesh, Self::MeshMetered, Self::MeshL7, Self::MeshSidecar, Self::MeshWaypoint, Self::MeshGateway];

    /// Its name, in reports, on the command line and as its namespace.
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Relay => "relay",
            Self::EnvoyL4 => "envoy-l4",
            Self::EnvoyL7 => "envoy-l7",
            Self::Haproxy => "haproxy",
            Self::Mesh => "mesh",
            Self::MeshMetered => "mesh-metered",
            Self::MeshL7 => "mesh-l7",
            Self::MeshSidecar => "mesh-sidecar",
            Self::MeshWaypoint => "mesh-waypoint",
            Self::EnvoyGateway => "envoy-gateway",
            Self::MeshGateway => "mesh-gateway",
        }
    }

    /// What stands over its figures.
    pub fn title(self) -> &'static str {
        match self {
            Self::Relay => "relay pair",
            Self::Mesh => "mesh (L4)",
            Self::MeshMetered => "mesh (metered)",
            Self::MeshL7 => "mesh (L7)",
            Self::MeshSidecar => "mesh (sidecar)",
            Self::MeshWaypoint => "mesh (waypoint)",
            Self::MeshGateway => "mesh (gateway)",
            Self::Direct | Self::EnvoyL4 | Self::EnvoyL7 | Self::Haproxy | Self::EnvoyGateway => self.name(),
        }
    }

    /// The program of others that it needs, if any.
    pub fn peer(self) -> Option<Peer> {
        match self {
            Self::EnvoyL4 | Self::EnvoyL7 | Self::EnvoyGateway => Some(Peer::Envoy),
            Self::Haproxy => Some(Peer::Haproxy),
            Self::Direct
            | Self::Relay
            | Self::Mesh
            | Self::MeshMetered
            | Self::MeshL7
            | Self::MeshSidecar
            | Self::MeshWaypoint
            | Self::MeshGateway => None,
        }
    }

    /// What stands there is called.
    pub fn proxy_at(self, place: Place) -> &'static str {
        match (self, place) {
            (_, Place::Between) if self.is_edge() => "the gateway",
            (_, Place::Between) => "the waypoint",
            (Self::MeshSidecar, Place::Caller) => "the caller's sidecar",
            (Self::MeshSidecar, Place::Callee) => "the callee's sidecar",
            (_, Place::Caller) if self.is_mesh() => "the caller's node",
            (_, Place::Callee) if self.is_mesh() => "the callee's node",
            (_, Place::Caller) => "the caller's",
            (_, Place::Callee) => "the callee's",
        }
    }

    /// Whether it can do that work: what understands HTTP passes nothing else on, and what counts requests has none there.
    pub fn does(self, work: Work) -> bool {
        !(self.reads_requests() || self == Self::MeshMetered) || !matches!(work, Work::Bulk { .. })
    }

    /// Whether something stands between driver and server.
    pub fn has_pair(self) -> bool {
        self != Self::Direct
    }

    /// Whether its proxies understand HTTP.
    pub fn reads_requests(self) -> bool {
        match self {
            Self::EnvoyL7
            | Self::MeshL7
            | Self::MeshSidecar
            | Self::MeshWaypoint
            | Self::EnvoyGateway
            | Self::MeshGateway => true,
            Self::Direct | Self::Relay | Self::EnvoyL4 | Self::Haproxy | Self::Mesh | Self::MeshMetered => false,
        }
    }

    /// Whether the driver is outside, and what stands before it belongs to the server alone.
    pub fn is_edge(self) -> bool {
        matches!(self, Self::EnvoyGateway | Self::MeshGateway)
    }

    /// Whether it shows what a role costs beside that of nodes: few works say all of that.
    pub fn is_role(self) -> bool {
        matches!(self, Self::MeshSidecar | Self::MeshWaypoint) || self.is_edge()
    }

    /// Whether its proxies are the mesh's.
    pub fn is_mesh(self) -> bool {
        Self::MESH.contains(&self)
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A proxy of others that the mesh is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// envoyproxy.io.
    Envoy,
    /// haproxy.org.
    Haproxy,
}

// === impl Peer ===

impl Peer {
    /// The name of its binary.
    pub fn binary(self) -> &'static str {
        match self {
            Self::Envoy => "envoy",
            Self::Haproxy => "haproxy",
        }
    }

    /// The version of its binary in `binaries`; an error if there is none that runs.
    pub fn version(self, binaries: &Path) -> Result<String> {
        let path = binaries.join(self.binary());
        // Both know it.
        let output = Command::new(&path).arg("--version").output();
        let output = output.with_context(|| format!("{} does not run", path.display()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        self.version_in(&text).with_context(|| format!("{} --version said {text:?}", path.display()))
    }

    /// `envoy  version: COMMIT/1.40.0/Clean/RELEASE/BoringSSL`, `HAProxy version 2.6.12-1 2026/10/17 …`.
    fn version_in(self, text: &str) -> Option<String> {
        let mut words = text.split_whitespace().skip_while(|word| !word.starts_with("version"));
        let version = words.nth(1)?;
        match self {
            Self::Envoy => version.split('/').nth(1).map(str::to_owned),
            Self::Haproxy => Some(version.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests;
