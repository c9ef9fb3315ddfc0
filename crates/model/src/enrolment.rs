//! Whether, and why, a workload belongs to the mesh.

use std::{fmt, sync::Arc};

/// How a workload's traffic gets into the mesh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DataplaneMode {
    /// Not in the mesh: nothing is captured.
    #[default]
    None,
    /// Captured by the proxy of its node (Istio: ambient).
    Node,
    /// Captured by a proxy of its own.
    Sidecar,
}

/// Where the deciding key was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EnrolmentLevel {
    /// On the workload itself; beats the namespace.
    Workload,
    /// On its namespace.
    Namespace,
}

/// The mode together with the key and level that decided it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Enrolment {
    /// The effective mode.
    pub mode: DataplaneMode,
    /// The deciding label or annotation as `key=value`; nothing if none was found.
    pub decided_by: Option<(Arc<str>, EnrolmentLevel)>,
}

impl Enrolment {
    /// Whether the workload is to be captured.
    pub fn is_enrolled(&self) -> bool {
        self.mode != DataplaneMode::None
    }
}

impl fmt::Display for EnrolmentLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Workload => "workload",
            Self::Namespace => "namespace",
        })
    }
}
