//! Where things are in the state directory.

use std::path::{Path, PathBuf};

use crate::{Result, state::make_private_dir};

/// Paths of one state directory; cheap enough to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Paths {
    state: PathBuf,
}

// === impl Paths ===

impl Paths {
    pub(crate) fn new(state: PathBuf) -> Self {
        Self { state }
    }

    pub(crate) fn state(&self) -> &Path {
        &self.state
    }

    pub(crate) fn admin_socket(&self) -> PathBuf {
        self.state.join("admin.sock")
    }

    /// State of the control plane.
    pub(crate) fn control(&self) -> PathBuf {
        self.state.join("control")
    }

    pub(crate) fn control_socket(&self) -> PathBuf {
        self.control().join("admin.sock")
    }

    pub(crate) fn root_cert(&self) -> PathBuf {
        self.control().join("ca/root.pem")
    }

    /// State of the supervisor.
    pub(crate) fn supervisor(&self) -> PathBuf {
        self.state.join("supervisor")
    }

    /// State of one part (`agent`, `proxy`) of a node.
    pub(crate) fn node(&self, node: &str, part: &str) -> PathBuf {
        self.state.join("nodes").join(node).join(part)
    }

    /// State of a gateway.
    pub(crate) fn gateway(&self, namespace: &str, instance: &str) -> PathBuf {
        self.state.join("gateways").join(format!("{namespace}.{instance}"))
    }

    /// State of the sidecar of a workload.
    pub(crate) fn sidecar(&self, namespace: &str, instance: &str) -> PathBuf {
        self.sidecars().join(format!("{namespace}.{instance}"))
    }

    /// Where all sidecars have their state.
    pub(crate) fn sidecars(&self) -> PathBuf {
        self.state.join("sidecars")
    }

    pub(crate) fn agent_socket(&self, node: &str) -> PathBuf {
        self.state.join("nodes").join(node).join("agent.sock")
    }

    /// Where the node's proxy tells of requests.
    pub(crate) fn tap_socket(&self, node: &str) -> PathBuf {
        self.node(node, "proxy").join("tap.sock")
    }

    /// Where a gateway tells of requests.
    pub(crate) fn tap_socket_of_gateway(&self, namespace: &str, instance: &str) -> PathBuf {
        self.gateway(namespace, instance).join("tap.sock")
    }

    /// Where the sidecar of a workload tells of requests.
    pub(crate) fn tap_socket_of_sidecar(&self, namespace: &str, instance: &str) -> PathBuf {
        self.sidecar(namespace, instance).join("tap.sock")
    }

    /// Log of a role.
    pub(crate) fn role_log(&self, role: &str) -> PathBuf {
        self.state.join("logs").join(format!("{role}.log"))
    }

    /// Log of a workload.
    pub(crate) fn workload_log(&self, namespace: &str, instance: &str) -> PathBuf {
        self.state.join("logs").join(format!("{namespace}.{instance}.log"))
    }

    /// What only the running world sees: a tmpfs.
    pub(crate) fn run(&self) -> PathBuf {
        self.state.join("run")
    }

    pub(crate) fn netns(&self) -> PathBuf {
        self.run().join("netns")
    }

    pub(crate) fn netns_of_node(&self, node: &str) -> PathBuf {
        self.netns().join(format!("node.{node}"))
    }

    pub(crate) fn netns_of_workload(&self, namespace: &str, instance: &str) -> PathBuf {
        self.netns().join(format!("{namespace}.{instance}"))
    }

    /// A file that a workload sees in the place of `/etc/<file>`.
    pub(crate) fn etc(&self, namespace: &str, instance: &str, file: &str) -> PathBuf {
        self.run().join("etc").join(format!("{namespace}.{instance}.{file}"))
    }

    /// Makes the directories of a node.
    pub(crate) fn make_node(&self, node: &str) -> Result<()> {
        make_private_dir(&self.node(node, "agent"))?;
        make_private_dir(&self.node(node, "proxy"))
    }
}
