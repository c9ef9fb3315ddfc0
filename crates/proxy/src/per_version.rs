//! What workers have looked up in configurations.

use std::{collections::HashMap, hash::Hash};

/// What was found under the two configurations that were asked for last. Requests of an older one are under way while
/// those of the newer one come: neither makes the other look up anew.
#[derive(Debug)]
pub struct PerVersion<K, V>([(u64, HashMap<K, V>); 2]);

// === impl PerVersion ===

impl<K: Eq + Hash, V> PerVersion<K, V> {
    /// What was found under the configuration of that version.
    pub fn of(&mut self, version: u64) -> &mut HashMap<K, V> {
        let [latest, other] = &mut self.0;
        if latest.0 != version {
            std::mem::swap(latest, other);
            if latest.0 != version {
                *latest = (version, HashMap::new());
            }
        }
        &mut latest.1
    }
}

impl<K, V> Default for PerVersion<K, V> {
    /// Nothing yet.
    fn default() -> Self {
        Self([(0, HashMap::new()), (0, HashMap::new())])
    }
}

#[cfg(test)]
mod tests;
