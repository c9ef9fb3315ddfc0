//! Who is at the other end of a connection to the control plane.

use std::{fmt, net::SocketAddr, str::FromStr, sync::Arc};

use ripstop_model::SpiffeId;

/// The parts of the mesh that may be clients of the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Role {
    /// A node proxy.
    Node,
    /// The privileged helper of a node.
    Agent,
    /// The supervisor of a machine's processes.
    Supervisor,
    /// A gateway, named `<namespace>.<instance>`.
    Gateway,
    /// A waypoint, named likewise.
    Waypoint,
    /// The proxy of one workload, by whose name it goes.
    Sidecar,
}

/// What a connection proved; in the extensions of each of its requests.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// Where it comes from.
    pub(crate) address: SocketAddr,
    /// Identity of its verified client certificate; nothing if it showed none.
    pub(crate) id: Option<SpiffeId>,
}

/// A part of this mesh, proved by its certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Component {
    pub(crate) id: SpiffeId,
    pub(crate) role: Role,
    pub(crate) name: Arc<str>,
}

// === impl Role ===

impl Role {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Agent => "agent",
            Self::Supervisor => "supervisor",
            Self::Gateway => "gateway",
            Self::Waypoint => "waypoint",
            Self::Sidecar => "sidecar",
        }
    }
}

impl FromStr for Role {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "node" => Ok(Self::Node),
            "agent" => Ok(Self::Agent),
            "supervisor" => Ok(Self::Supervisor),
            "gateway" => Ok(Self::Gateway),
            "waypoint" => Ok(Self::Waypoint),
            "sidecar" => Ok(Self::Sidecar),
            _ => Err(()),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl Peer ===

impl Peer {
    /// The part of the mesh it is; nothing for workloads, and for those without a certificate.
    pub(crate) fn component(&self) -> Option<Component> {
        Component::from_id(self.id.as_ref()?)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.id {
            Some(id) => write!(f, "{id} at {}", self.address),
            None => write!(f, "{} without a certificate", self.address),
        }
    }
}

// === impl Component ===

impl Component {
    /// Reads role and name from a SPIFFE id; the control plane itself is no client.
    pub(crate) fn from_id(id: &SpiffeId) -> Option<Self> {
        let (role, name) = id.as_component()?;
        Some(Self { id: id.clone(), role: role.parse().ok()?, name: name.into() })
    }

    /// Namespace and instance of the workload that a gateway or waypoint is, or that a sidecar serves.
    pub(crate) fn instance(&self) -> Option<(&str, &str)> {
        let is_one = matches!(self.role, Role::Gateway | Role::Waypoint | Role::Sidecar);
        if is_one { self.name.split_once('.') } else { None }
    }
}
