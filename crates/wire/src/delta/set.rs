//! All resources at one version.

use std::sync::Arc;

use bytes::Bytes;
use imbl::{OrdMap, ordmap::DiffItem};

use crate::ResourceChange;

/// All resources at one version, by type and name. Cloning is cheap; a changed copy shares what did
/// not change, and comparing the two costs what changed.
#[derive(Clone, Debug, Default)]
pub struct ResourceSet {
    version: u64,
    types: OrdMap<&'static str, TypeSet>,
}

/// A resource in a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its version: the hash of its content.
    pub version: Arc<str>,
    /// The message.
    pub body: Bytes,
}

/// All resources of one type.
pub(super) type TypeSet = OrdMap<Arc<str>, Arc<Entry>>;

/// What leads from one state of a type to another.
#[derive(Debug, Default)]
pub(super) struct Difference {
    pub(super) changed: Vec<(Arc<str>, Arc<Entry>)>,
    pub(super) removed: Vec<Arc<str>>,
}

// === impl ResourceSet ===

impl ResourceSet {
    /// No resources, at `version`.
    pub fn new(version: u64) -> Self {
        Self { version, types: OrdMap::new() }
    }

    /// The version that a commit of this set has.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// This set with `changes` applied in order, as `version`. A resource with equal content does
    /// not count as changed.
    #[must_use]
    pub fn with(&self, version: u64, changes: impl IntoIterator<Item = ResourceChange>) -> Self {
        let mut next = self.clone();
        next.version = version;
        for ResourceChange { type_url, name, version, body } in changes {
            let resources = next.types.entry(type_url).or_default();
            match body {
                Some(body) => {
                    if resources.get(&name).is_none_or(|old| old.version != version) {
                        resources.insert(name, Arc::new(Entry { version, body }));
                    }
                }
                None => {
                    resources.remove(&name);
                }
            }
        }
        next
    }

    /// The resource `name` of a type.
    pub fn get(&self, type_url: &str, name: &str) -> Option<&Arc<Entry>> {
        self.types.get(type_url)?.get(name)
    }

    /// All resources of a type, by name.
    pub fn resources(&self, type_url: &str) -> impl Iterator<Item = (&Arc<str>, &Arc<Entry>)> {
        self.types.get(type_url).into_iter().flat_map(TypeSet::iter)
    }

    /// Number of resources of a type.
    pub fn count(&self, type_url: &str) -> usize {
        self.types.get(type_url).map_or(0, TypeSet::len)
    }

    /// What leads from this set to `newer`, over all types, in no particular order of types.
    pub fn changes_to(&self, newer: &Self) -> Vec<ResourceChange> {
        let mut changes = Vec::new();
        for type_url in self.types.keys().chain(newer.types.keys().filter(|url| !self.types.contains_key(*url))) {
            let Difference { changed, removed } = difference(&self.of_type(type_url), &newer.of_type(type_url));
            changes.extend(removed.into_iter().map(|name| ResourceChange::removed(type_url, name)));
            changes.extend(changed.into_iter().map(|(name, entry)| ResourceChange {
                type_url,
                name,
                version: entry.version.clone(),
                body: Some(entry.body.clone()),
            }));
        }
        changes
    }

    pub(super) fn of_type(&self, type_url: &str) -> TypeSet {
        self.types.get(type_url).cloned().unwrap_or_default()
    }
}

/// What leads from `old` to `new`. Shared parts of the two are not visited.
pub(super) fn difference(old: &TypeSet, new: &TypeSet) -> Difference {
    let mut found = Difference::default();
    for item in old.diff(new) {
        match item {
            DiffItem::Add(name, entry) => found.changed.push((name.clone(), entry.clone())),
            DiffItem::Update { old: (_, old), new: (name, new) } => {
                if old.version != new.version {
                    found.changed.push((name.clone(), new.clone()));
                }
            }
            DiffItem::Remove(name, _) => found.removed.push(name.clone()),
        }
    }
    found
}

#[cfg(test)]
mod tests;
