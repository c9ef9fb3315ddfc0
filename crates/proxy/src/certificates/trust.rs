//! Whom a proxy believes.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use ripstop_identity::{Anchors, Bundles, Roots};
use ripstop_model::{MeshConfig, TrustDomain};

/// The mesh's own roots, and what its settings add to them. A change makes a new one, of which all certificates share
/// what was made of it.
#[derive(Debug)]
pub struct Trust {
    roots: Roots,
    anchors: Anchors,
    /// By trust domain of who asks: one, or few.
    bundles: Mutex<HashMap<TrustDomain, Bundles>>,
}

// === impl Trust ===

impl Trust {
    /// `roots` and `anchors`.
    pub fn new(roots: Roots, anchors: Anchors) -> Self {
        Self { roots, anchors, bundles: Mutex::default() }
    }

    /// As the settings `mesh` have it; nothing: so it is already.
    pub fn by(&self, mesh: &MeshConfig) -> Option<Self> {
        (!self.anchors.are_of(mesh)).then(|| Self::new(self.roots.clone(), Anchors::of_mesh(mesh)))
    }

    /// With these roots of the mesh; nothing: they are the same.
    pub fn with(&self, roots: &Roots) -> Option<Self> {
        (self.roots != *roots).then(|| Self::new(roots.clone(), self.anchors.clone()))
    }

    /// What somebody of `domain` believes.
    pub fn of(&self, domain: &TrustDomain) -> Bundles {
        let mut bundles = self.bundles.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = bundles.get(domain) {
            return made.clone();
        }
        let made = self.anchors.beside(&self.roots, domain);
        bundles.insert(domain.clone(), made.clone());
        made
    }
}
