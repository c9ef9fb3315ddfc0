//! Policies: who may speak to whom, and how.

use std::{collections::BTreeMap, fmt, sync::Arc};

use crate::Selector;

/// Stable id of a rule: `Kind/namespace/name/generation[/path inside it]`. The
/// control plane resolves it to file and line.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(pub Arc<str>);

/// Mode of mutual TLS towards a workload (Istio's `PeerAuthentication.mtls.mode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MtlsMode {
    /// Plaintext only: tunnels to the port are refused, meshed callers send plain.
    Disable,
    /// Both plaintext and tunnels are accepted.
    Permissive,
    /// Only tunnels are accepted.
    Strict,
}

/// One `PeerAuthentication`. How several combine is `decide`'s business
/// (Istio: port, then workload, namespace, mesh; oldest per scope).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerAuthentication {
    /// Id of the object.
    pub id: RuleId,
    /// Namespace of the object; the root namespace makes it mesh-wide.
    pub namespace: Arc<str>,
    /// Name of the object.
    pub name: Arc<str>,
    /// Workloads it applies to; empty: its whole scope.
    pub selector: Selector,
    /// Mode of the scope; nothing (UNSET): the layer above decides.
    pub mode: Option<MtlsMode>,
    /// Modes per workload (target) port; nothing: the workload's mode.
    pub ports: BTreeMap<u16, Option<MtlsMode>>,
    /// Age: when it was first seen, milliseconds since the epoch. The oldest of a scope acts;
    /// ties go to the lower name, then namespace.
    pub created: u64,
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for MtlsMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disable => "DISABLE",
            Self::Permissive => "PERMISSIVE",
            Self::Strict => "STRICT",
        })
    }
}
