//! Workloads that are captured and served by the proxy that they ask for, by the word of the agents of their nodes: known
//! to whoever starts workloads, also when there is no control plane.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use serde::Deserialize;
use tokio::sync::watch;

/// All of them; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Captures {
    served: watch::Sender<BTreeMap<Arc<str>, Served>>,
    lines: Arc<AtomicU64>,
}

/// What an agent says of one workload.
#[derive(Debug, Deserialize)]
pub(crate) struct Word {
    uid: String,
    /// Inode of the network namespace in which it is served; nothing: it is not, any more.
    #[serde(default)]
    netns: Option<u64>,
}

/// The line of one agent. What it said counts until this is dropped.
#[derive(Debug)]
pub(crate) struct Line {
    captures: Captures,
    number: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Served {
    netns: u64,
    line: u64,
}

/// Workloads that are remembered.
const LIMIT: usize = 16_384;

// === impl Captures ===

impl Captures {
    /// An agent is there.
    pub(crate) fn line(&self) -> Line {
        Line { captures: self.clone(), number: self.lines.fetch_add(1, Relaxed) }
    }

    /// Whether the workload `uid` is served in the network namespace of that inode. Names of workloads come again, those
    /// namespaces do not while anybody could mistake them.
    pub(crate) fn serves(&self, uid: &str, netns: u64) -> bool {
        self.served.borrow().get(uid).is_some_and(|served| served.netns == netns)
    }

    /// Resolves once [`Self::serves`] says yes.
    pub(crate) async fn served(&self, uid: &str, netns: u64) {
        let mut changes = self.served.subscribe();
        let is = |all: &BTreeMap<Arc<str>, Served>| all.get(uid).is_some_and(|served| served.netns == netns);
        let _sender_lives_as_long_as_self = changes.wait_for(is).await;
    }
}

// === impl Line ===

impl Line {
    /// Takes note of what the agent says.
    pub(crate) fn hear(&self, word: Word) {
        let Word { uid, netns } = word;
        let uid: Arc<str> = uid.into();
        self.captures.served.send_if_modified(|served| match netns {
            Some(_) if served.len() >= LIMIT && !served.contains_key(&uid) => {
                tracing::warn!(uid = &*uid, limit = LIMIT, "too many captured workloads: one is not known as such");
                false
            }
            Some(netns) => {
                let now = Served { netns, line: self.number };
                served.insert(uid, now) != Some(now)
            }
            // The word of a successor is newer.
            None if served.get(&uid).is_some_and(|served| served.line == self.number) => served.remove(&uid).is_some(),
            None => false,
        });
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.captures.served.send_if_modified(|served| {
            let before = served.len();
            served.retain(|_, served| served.line != self.number);
            served.len() != before
        });
    }
}

#[cfg(test)]
mod tests;
