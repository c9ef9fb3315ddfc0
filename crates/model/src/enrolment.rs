//! Whether, and why, a workload belongs to the mesh.

use std::{fmt, sync::Arc};

use crate::Labels;

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

/// The label by which a workload asks for the proxy of its node, or for none.
pub const AMBIENT_LABEL: &str = "istio.io/dataplane-mode";
/// Labels and annotations by which a workload asks for a proxy of its own, with the values that do.
pub const SIDECAR_KEYS: [(&str, &[&str]); 3] = [
    ("sidecar.istio.io/inject", &["true"]),
    ("istio-injection", &["enabled"]),
    ("linkerd.io/inject", &["enabled", "ingress"]),
];

/// Whether a workload with these labels and annotations may have a proxy of its own, for whoever starts it before that is
/// known for sure; `injects`: its namespace says so for all. It may turn out that it has none, never the other way round.
pub fn may_have_sidecar(labels: &Labels, annotations: &Labels, injects: bool) -> bool {
    if labels.get(AMBIENT_LABEL).is_some_and(|mode| matches!(&**mode, "ambient" | "none")) {
        return false;
    }
    let says =
        |map: &Labels, (key, values): &(&str, &[&str])| map.get(*key).is_some_and(|says| values.contains(&&**says));
    injects || SIDECAR_KEYS.iter().any(|key| says(labels, key) || says(annotations, key))
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

#[cfg(test)]
mod tests;
