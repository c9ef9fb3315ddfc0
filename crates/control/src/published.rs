//! What proxies are to have, at one version.

use std::sync::Arc;

use imbl::OrdMap;
use ripstop_compile::Objects;
use ripstop_decide::Program;
use ripstop_model::ProcessSpec;
use ripstop_wire::delta::ResourceSet;

use crate::analysis::Subject;

/// The whole mesh at one commit version. Cheap to keep: it shares with its
/// predecessor all that did not change.
#[derive(Clone, Default)]
pub(crate) struct Published {
    /// 0 before the first commit.
    pub(crate) version: u64,
    /// Revision of the store that it was compiled from.
    pub(crate) revision: u64,
    /// The mesh, with its rules ready for evaluation.
    pub(crate) snapshot: Program,
    /// What it was compiled from, for the places of rules.
    pub(crate) objects: Objects,
    /// Declared processes by namespace and name.
    pub(crate) processes: OrdMap<(Arc<str>, Arc<str>), Arc<ProcessSpec>>,
    /// Addresses, policies, what shapes traffic, the mesh's settings.
    pub(crate) for_proxies: ResourceSet,
    /// Nodes, processes, the mesh's settings.
    pub(crate) for_supervisors: ResourceSet,
    /// What is looked at for findings.
    pub(crate) subject: Subject,
}

impl Published {
    /// Whether a process of that service account is declared.
    pub(crate) fn declares_account(&self, namespace: &str, account: &str) -> bool {
        self.processes.values().any(|process| *process.namespace == *namespace && *process.service_account == *account)
    }
}
