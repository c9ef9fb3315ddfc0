//! Quarantine: a workload that is cut off from the rest of the mesh.

use crate::{MeshConfig, RuleId, SpiffeId};

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

    /// The same, for whom the trust domain of `mesh` and its aliases are one.
    pub fn admits_any(&self, peer: Option<&SpiffeId>, mesh: &MeshConfig) -> bool {
        let Some(peer) = peer else { return false };
        let is_own = |id: &SpiffeId| mesh.counts_as_own(id.domain());
        let is_same = |named: &SpiffeId| named.path() == peer.path() && is_own(named);
        self.peers.contains(peer) || is_own(peer) && self.peers.iter().any(is_same)
    }
}
