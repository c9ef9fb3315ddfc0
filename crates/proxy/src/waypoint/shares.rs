//! Places of a waypoint, shared among its callers: none takes them all.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

/// How many places each caller has taken. Who has none takes up nothing.
#[derive(Debug)]
pub struct Shares<K>(Mutex<HashMap<K, usize>>);

/// One place of a caller.
#[derive(Debug)]
pub struct Share<K: Eq + Hash> {
    shares: Arc<Shares<K>>,
    peer: K,
}

// === impl Shares ===

impl<K> Default for Shares<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Clone + Eq + Hash> Shares<K> {
    /// One more place for `peer`; nothing: it has `most`.
    pub fn take(self: &Arc<Self>, peer: &K, most: usize) -> Option<Share<K>> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.get_mut(peer) {
            Some(count) if *count >= most => return None,
            Some(count) => *count += 1,
            None if most == 0 => return None,
            None => drop(taken.insert(peer.clone(), 1)),
        }
        Some(Share { shares: self.clone(), peer: peer.clone() })
    }
}

impl<K: Eq + Hash> Drop for Share<K> {
    fn drop(&mut self) {
        let mut taken = self.shares.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ripstop_model::SpiffeId;

    use super::*;

    #[test]
    fn one_caller_leaves_places_for_others_and_gives_its_own_back() {
        let shares = Arc::new(Shares::default());
        let [a, b]: [SpiffeId; 2] = ["a", "b"].map(|name| format!("spiffe://x/ns/n/sa/{name}").parse().unwrap());
        let first = shares.take(&a, 2);
        let second = shares.take(&a, 2);
        assert!(first.is_some() && second.is_some());
        assert!(shares.take(&a, 2).is_none());
        assert!(shares.take(&b, 2).is_some(), "another has its own");
        drop(first);
        assert!(shares.take(&a, 2).is_some());
        drop(second);
        assert!(shares.0.lock().unwrap().is_empty(), "who has gone is forgotten");
    }
}
