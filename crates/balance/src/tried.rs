//! What a request has tried.

use crate::Picked;

/// How many endpoints are remembered; of more, the latest.
const REMEMBERED: usize = 16;
/// After every so many attempts, priorities that were tried are avoided (Istio configures Envoy so).
const UPDATE_FREQUENCY: u32 = 2;

/// The endpoints that a request has tried: a retry prefers others (Envoy's `previous_hosts` and
/// `previous_priorities`).
#[derive(Clone, Debug)]
pub struct Tried {
    /// Numbers of endpoints; 0: none.
    endpoints: [u64; REMEMBERED],
    attempts: u32,
    /// A bit for each priority group.
    groups: u64,
    /// The groups that were tried when it was looked at last.
    avoided: u64,
}

impl Tried {
    /// Nothing.
    pub const fn new() -> Self {
        Self { endpoints: [0; REMEMBERED], attempts: 0, groups: 0, avoided: 0 }
    }

    /// Adds an attempt.
    pub fn note<K>(&mut self, picked: &Picked<K>) {
        self.endpoints[self.attempts as usize % REMEMBERED] = picked.endpoint_number();
        self.attempts += 1;
        self.groups |= bit(picked.group());
        if self.attempts.is_multiple_of(UPDATE_FREQUENCY) {
            self.avoided = self.groups;
        }
    }

    /// Whether there was an attempt at that endpoint.
    pub fn has<K>(&self, picked: &Picked<K>) -> bool {
        self.contains(picked.endpoint_number())
    }

    /// How many attempts there were.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    pub(crate) fn contains(&self, endpoint: u64) -> bool {
        self.attempts > 0 && self.endpoints.contains(&endpoint)
    }

    pub(crate) fn avoids(&self, group: usize) -> bool {
        self.avoided & bit(group) != 0
    }
}

impl Default for Tried {
    fn default() -> Self {
        Self::new()
    }
}

/// Groups beyond the 64th share a bit.
fn bit(group: usize) -> u64 {
    1 << group.min(63)
}
