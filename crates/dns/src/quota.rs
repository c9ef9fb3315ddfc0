//! Bounds on what clients may have in flight.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

/// So many at a time in all, and so many of one address, so that no client
/// takes what the others need.
#[derive(Clone)]
pub(crate) struct Quota {
    held: Arc<Mutex<HashMap<IpAddr, usize>>>,
    total: Arc<tokio::sync::Semaphore>,
    each: usize,
}

/// One place; given back when dropped.
pub(crate) struct Place {
    held: Arc<Mutex<HashMap<IpAddr, usize>>>,
    address: IpAddr,
    _total: tokio::sync::OwnedSemaphorePermit,
}

// === impl Quota ===

impl Quota {
    pub(crate) fn new(total: usize, each: usize) -> Self {
        Self { held: Arc::default(), total: Arc::new(tokio::sync::Semaphore::new(total)), each }
    }

    /// A place for `address`, or nothing if the bounds are reached.
    pub(crate) fn take(&self, address: IpAddr) -> Option<Place> {
        let total = self.total.clone().try_acquire_owned().ok()?;
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(address).or_default();
        if *count >= self.each {
            return None;
        }
        *count += 1;
        Some(Place { held: self.held.clone(), address, _total: total })
    }
}

// === impl Place ===

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_and_places_come_back() {
        let quota = Quota::new(3, 2);
        let (a, b) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let first = quota.take(a).unwrap();
        let _second = quota.take(a).unwrap();
        assert!(quota.take(a).is_none(), "one address has had its share");
        let _third = quota.take(b).unwrap();
        assert!(quota.take(b).is_none(), "all places are taken");
        drop(first);
        let _fourth = quota.take(a).unwrap();
        assert_eq!(quota.held.lock().unwrap().len(), 2);
    }
}
