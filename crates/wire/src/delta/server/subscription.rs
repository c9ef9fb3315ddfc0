//! One type that a client subscribes to.

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    sync::Arc,
};

use bytes::Bytes;

use crate::{
    delta::{
        MAX_RESPONSE, ResourceSet,
        set::{Difference, Entry, TypeSet, difference},
    },
    type_url,
};

/// What is sent as one response.
#[derive(Debug)]
pub(super) enum Chunk {
    /// A part of what changed in one type.
    Resources {
        type_url: String,
        version: u64,
        nonce: u64,
        resources: Vec<(Arc<str>, Arc<Entry>)>,
        removed: Vec<Arc<str>>,
    },
    /// The end of a push.
    Commit { version: u64, nonce: u64, body: Bytes },
}

/// All resources of one type, as one client has them.
#[derive(Debug)]
pub(super) struct Subscription {
    type_url: String,
    /// What the client has in force.
    base: Known,
    /// What it has once it accepts what was sent since.
    sent: Option<Sent>,
    /// Version of `base`, as far as it is known.
    acked: u64,
    /// Refused as it was; not sent again before it changes.
    refused: Option<TypeSet>,
    /// Without commits the client waits for one response even if there is nothing to say.
    greeted: bool,
}

#[derive(Debug)]
struct Sent {
    set: TypeSet,
    version: u64,
    /// Without commits: nonces of the first and last response that wait for an answer.
    awaited: Option<(u64, u64)>,
    /// It differs from what the client had.
    changed: bool,
    refused: bool,
}

#[derive(Debug)]
enum Known {
    /// The client's own list, name to version, on a fresh stream.
    Listed(BTreeMap<String, String>),
    /// Exactly that.
    Set(TypeSet),
}

// === impl Subscription ===

impl Subscription {
    pub(super) fn new(type_url: String, initial: BTreeMap<String, String>) -> Self {
        Self { type_url, base: Known::Listed(initial), sent: None, acked: 0, refused: None, greeted: false }
    }

    pub(super) fn type_url(&self) -> &str {
        &self.type_url
    }

    pub(super) fn acked_version(&self) -> u64 {
        self.acked
    }

    pub(super) fn sent_version(&self) -> u64 {
        self.sent.as_ref().map_or(self.acked, |sent| sent.version)
    }

    /// The client asks for everything but `initial` again.
    pub(super) fn restart(&mut self, initial: BTreeMap<String, String>) {
        *self = Self::new(mem::take(&mut self.type_url), initial);
    }

    /// From here on the answers to commits count.
    pub(super) fn join_commits(&mut self) {
        if let Some(sent) = &mut self.sent {
            sent.awaited = None;
        }
    }

    /// The commit of `version`, or of what was sent before it, was answered.
    pub(super) fn settle(&mut self, version: u64, refused: bool) {
        if let Some(sent) = self.sent.take()
            && !refused
        {
            self.base = Known::Set(sent.set);
            self.acked = version;
        }
    }

    /// A response was answered, without commits. Whether the push is in force now.
    pub(super) fn answered(&mut self, nonce: u64, refused: bool) -> bool {
        let Some(sent) = &mut self.sent else { return false };
        let Some((first, last)) = sent.awaited else { return false };
        if !(first..=last).contains(&nonce) {
            return false;
        }
        sent.refused |= refused;
        if nonce < last {
            return false;
        }
        let Some(sent) = self.sent.take() else { return false };
        if sent.refused {
            self.refused = Some(sent.set);
            return false;
        }
        self.base = Known::Set(sent.set);
        self.acked = sent.version;
        self.refused = None;
        true
    }

    /// Queues what leads from what was sent last to `target`, as a part of a commit. Whether there
    /// was anything.
    pub(super) fn push(&mut self, target: &ResourceSet, queue: &mut VecDeque<Chunk>, nonce: &mut u64) -> bool {
        let set = target.of_type(&self.type_url);
        let change = match &self.sent {
            Some(sent) => difference(&sent.set, &set),
            None => self.base.difference(&set),
        };
        // What was sent on its own before commits were asked for is in no commit yet.
        let before = self.sent.as_ref().is_some_and(|sent| sent.changed);
        let changed = self.enqueue(change, target.version(), queue, nonce) || before;
        self.sent = Some(Sent { set, version: target.version(), awaited: None, changed, refused: false });
        changed
    }

    /// Queues what leads to `target`, unless an answer is awaited or nothing changed since the client
    /// refused it.
    pub(super) fn push_alone(&mut self, target: &ResourceSet, queue: &mut VecDeque<Chunk>, nonce: &mut u64) {
        let set = target.of_type(&self.type_url);
        let unchanged = |refused: &TypeSet| difference(refused, &set).is_empty();
        if self.sent.is_some() || self.refused.as_ref().is_some_and(unchanged) {
            return;
        }
        let change = self.base.difference(&set);
        let version = target.version();
        let first = *nonce + 1;
        if self.greeted && change.is_empty() {
            self.base = Known::Set(set);
            self.acked = version;
            return;
        }
        let changed = self.enqueue(change, version, queue, nonce);
        if !changed {
            *nonce += 1;
            queue.push_back(Chunk::empty(&self.type_url, version, *nonce));
        }
        self.greeted = true;
        self.sent = Some(Sent { set, version, awaited: Some((first, *nonce)), changed, refused: false });
    }

    /// Cuts `change` into responses. Whether there was anything.
    fn enqueue(&self, change: Difference, version: u64, queue: &mut VecDeque<Chunk>, nonce: &mut u64) -> bool {
        if change.is_empty() {
            return false;
        }
        // Room for what the response itself and the frames of its fields take.
        let limit = MAX_RESPONSE - 4096;
        let per_resource = self.type_url.len() + 48;
        let mut size = 0;
        let mut resources = Vec::new();
        let mut removed = Vec::new();
        let mut flush = |resources: &mut Vec<_>, removed: &mut Vec<_>| {
            *nonce += 1;
            queue.push_back(Chunk::Resources {
                type_url: self.type_url.clone(),
                version,
                nonce: *nonce,
                resources: mem::take(resources),
                removed: mem::take(removed),
            });
        };
        for name in change.removed {
            let cost = name.len() + 8;
            if size + cost > limit {
                flush(&mut resources, &mut removed);
                size = 0;
            }
            size += cost;
            removed.push(name);
        }
        for (name, entry) in change.changed {
            let cost = name.len() + entry.version.len() + entry.body.len() + per_resource;
            if size + cost > limit && size > 0 {
                flush(&mut resources, &mut removed);
                size = 0;
            }
            size += cost;
            resources.push((name, entry));
        }
        flush(&mut resources, &mut removed);
        true
    }
}

// === impl Known ===

impl Known {
    fn difference(&self, target: &TypeSet) -> Difference {
        match self {
            Self::Set(set) => difference(set, target),
            Self::Listed(versions) => Difference {
                changed: target
                    .iter()
                    .filter(|(name, entry)| versions.get(&***name).is_none_or(|held| **held != *entry.version))
                    .map(|(name, entry)| (name.clone(), entry.clone()))
                    .collect(),
                removed: versions
                    .keys()
                    .filter(|name| !target.contains_key(&***name))
                    .map(|name| Arc::from(&**name))
                    .collect(),
            },
        }
    }
}

// === impl Chunk ===

impl Chunk {
    pub(super) fn type_url(&self) -> &str {
        match self {
            Self::Resources { type_url, .. } => type_url,
            Self::Commit { .. } => type_url::COMMIT,
        }
    }

    fn empty(type_url: &str, version: u64, nonce: u64) -> Self {
        Self::Resources { type_url: type_url.to_owned(), version, nonce, resources: Vec::new(), removed: Vec::new() }
    }
}

// === impl Difference ===

impl Difference {
    fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.removed.is_empty()
    }
}
