//! What the outer process and PID 1 say to one another: JSON messages over a SEQPACKET socket, with
//! accepted connections as descriptors.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use ripstop_net::FdChannel;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    Error, Result,
    egress::EgressRules,
    entrance::{Came, Entrance, Opening},
};

/// From the outer process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ToWorld {
    /// An accepted connection to the admin socket (one descriptor), of this peer.
    Admin(AdminPeer),
    /// An accepted connection to the metrics port (one descriptor).
    Metrics,
    /// An accepted connection to a port of a gateway (one descriptor).
    Ingress(Came),
    /// The ports of gateways on the host, all of them.
    Entrances(Vec<Entrance>),
    /// End everything.
    Shutdown,
}

/// Who connected to the admin socket, as the host counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AdminPeer {
    pub(crate) uid: u32,
    pub(crate) pid: u32,
}

/// From PID 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ToOuter {
    /// What the broker may grant from now on.
    Egress(EgressRules),
    /// The ports of gateways that are to be open.
    Ingress(Vec<Opening>),
    /// Something worth telling the user.
    Event(Event),
}

/// What happens in a mesh, for whoever shows it to the user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
#[non_exhaustive]
pub enum Event {
    /// The outer process has its listeners; the world is being made.
    Starting {
        /// State directory.
        state: String,
        /// Address of the metrics on the host's loopback.
        metrics: String,
    },
    /// The control plane answers.
    Control,
    /// Every process that was declared when the mesh started runs and is ready, or failed.
    Settled {
        /// Machines of the mesh.
        nodes: usize,
        /// Workloads.
        workloads: usize,
        /// Those of them that take traffic.
        ready: usize,
    },
    /// A process died and is started again.
    Died {
        /// Role, or `<namespace>/<instance>`.
        name: String,
        /// How it ended, or why it could not be started.
        reason: String,
    },
    /// A port of a gateway on the host was opened, could not be, or (neither address nor error) was closed.
    Entrance(Entrance),
    /// The mesh is ending its processes.
    Stopping,
}

// === impl Event ===

impl std::fmt::Display for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Starting { state, metrics } => write!(f, "state {state}, metrics http://{metrics}/metrics"),
            Self::Control => f.write_str("control plane is up"),
            Self::Settled { nodes, workloads, ready } => {
                write!(f, "{ready} of {workloads} workloads ready on {nodes} nodes")
            }
            Self::Died { name, reason } => write!(f, "{name}: {reason}; it is started again"),
            Self::Entrance(entrance) => write!(f, "{entrance}"),
            Self::Stopping => f.write_str("stopping"),
        }
    }
}

/// Sends a message.
pub(crate) async fn send<T: Serialize>(channel: &FdChannel, message: &T, fds: &[BorrowedFd<'_>]) -> Result<()> {
    let text = serde_json::to_vec(message).map_err(|error| Error::protocol("the supervisor", error))?;
    channel.send(&text, fds).await.map_err(Error::system("send to the other half of the supervisor"))
}

/// Sends a message with one descriptor.
pub(crate) async fn send_with<T: Serialize>(channel: &FdChannel, message: &T, fd: impl AsFd) -> Result<()> {
    send(channel, message, &[fd.as_fd()]).await
}

/// The next message; nothing when the other half is gone.
pub(crate) async fn receive<T: DeserializeOwned>(channel: &FdChannel) -> Result<Option<(T, Vec<OwnedFd>)>> {
    let message = channel.recv().await.map_err(Error::system("receive from the other half of the supervisor"))?;
    let Some(message) = message else { return Ok(None) };
    match serde_json::from_slice(&message.data) {
        Ok(decoded) => Ok(Some((decoded, message.fds))),
        Err(error) => Err(Error::protocol("the other half of the supervisor", error)),
    }
}

#[cfg(test)]
mod tests;
