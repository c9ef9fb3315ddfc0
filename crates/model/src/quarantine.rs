//! Quarantine: a workload that is cut off from the rest of the mesh.

use crate::{RuleId, SpiffeId};

/// A workload is no endpoint of anything, and speaks with nobody but those who are named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantine {
    /// Id of the label that says so.
    pub rule: RuleId,
    /// Who may call it and may be called by it, as proven by certificates.
    pub peers: Vec<SpiffeId>,
}

// === impl Quarantine ===

impl Quarantine {
    /// Whether the workload may speak with whoever proved to be `peer`; nothing: who proved nothing.
    pub fn admits(&self, peer: Option<&SpiffeId>) -> bool {
        peer.is_some_and(|peer| self.peers.contains(peer))
    }
}
