//! Compares a text before and after an edit.

use std::collections::BTreeMap;

use super::{Change, Text};
use crate::{
    ObjectId,
    tree::{Entry, Mapping, Node, Scalar, Value},
};

/// Whether `after` says what `before` does, but for these labels and annotations of `id`.
pub(super) fn only_metadata_changed(
    before: &str,
    after: &str,
    id: &ObjectId,
    labels: &[Change],
    annotations: &[Change],
) -> bool {
    let (before, after) = (Text::read(before), Text::read(after));
    let (Ok(old), Ok(new)) = (before.find(id), after.find(id)) else { return false };
    let target = Target { old, new, labels, annotations };
    before.documents.len() == after.documents.len()
        && before.documents.iter().zip(&after.documents).all(|(before, after)| {
            before.problem.is_some() == after.problem.is_some()
                && match (&before.root, &after.root) {
                    (Some(before), Some(after)) => target.same(before, after),
                    (before, after) => before.is_none() && after.is_none(),
                }
        })
}

struct Target<'n> {
    old: &'n Node,
    new: &'n Node,
    labels: &'n [Change],
    annotations: &'n [Change],
}

// === impl Target ===

impl Target<'_> {
    fn same(&self, before: &Node, after: &Node) -> bool {
        match (std::ptr::eq(before, self.old), std::ptr::eq(after, self.new)) {
            (true, true) => return self.as_asked(before, after),
            (false, false) => {}
            _ => return false,
        }
        match (&before.value, &after.value) {
            (Value::Scalar(before), Value::Scalar(after)) => same_scalar(before, after),
            (Value::Sequence(before), Value::Sequence(after)) => {
                before.len() == after.len() && before.iter().zip(after).all(|(before, after)| self.same(before, after))
            }
            (Value::Mapping(before), Value::Mapping(after)) => {
                before.entries.len() == after.entries.len()
                    && before.entries.iter().zip(&after.entries).all(|(before, after)| {
                        before.key.text == after.key.text && self.same(&before.value, &after.value)
                    })
            }
            _ => false,
        }
    }

    /// Compares the object itself.
    fn as_asked(&self, before: &Node, after: &Node) -> bool {
        let (Some(old), Some(new)) = (before.mapping(), after.mapping()) else { return false };
        old.entries.len() == new.entries.len()
            && old.entries.iter().zip(&new.entries).all(|(old, new)| {
                old.key.text == new.key.text
                    && if old.key.text == "metadata" {
                        self.metadata_as_asked(&old.value, &new.value)
                    } else {
                        self.same(&old.value, &new.value)
                    }
            })
    }

    fn metadata_as_asked(&self, before: &Node, after: &Node) -> bool {
        let (Some(old), Some(new)) = (before.mapping(), after.mapping()) else { return false };
        let (old_others, new_others) = (others(old), others(new));
        old_others.len() == new_others.len()
            && old_others
                .iter()
                .zip(&new_others)
                .all(|(old, new)| old.key.text == new.key.text && self.same(&old.value, &new.value))
            && [("labels", self.labels), ("annotations", self.annotations)].into_iter().all(|(map, changes)| {
                match (entries(old.get(map)), entries(new.get(map))) {
                    (Some(mut old), Some(new)) => {
                        for (key, value) in changes {
                            match value {
                                Some(value) => old.insert(key, (true, value)),
                                None => old.remove(key.as_str()),
                            };
                        }
                        old == new
                    }
                    // Not a mapping: nothing was to be changed, and nothing was.
                    _ => changes.is_empty() && same_value(self, old.get(map), new.get(map)),
                }
            })
    }
}

/// Entries of `metadata` that no edit touches.
fn others(metadata: &Mapping) -> Vec<&Entry> {
    metadata.entries.iter().filter(|entry| !matches!(entry.key.text.as_str(), "labels" | "annotations")).collect()
}

fn same_value(target: &Target<'_>, before: Option<&Node>, after: Option<&Node>) -> bool {
    match (before, after) {
        (Some(before), Some(after)) => target.same(before, after),
        (before, after) => before.is_none() && after.is_none(),
    }
}

/// Key → whether the value is text, and its spelling. Absent and null are empty; nothing if it holds anything else.
fn entries(node: Option<&Node>) -> Option<BTreeMap<&str, (bool, &str)>> {
    let Some(node) = node.filter(|node| !node.is_null()) else { return Some(BTreeMap::new()) };
    let entries = node.mapping()?.entries.iter();
    entries
        .map(|entry| {
            let scalar = entry.value.scalar()?;
            Some((entry.key.text.as_str(), (entry.value.text().is_some(), scalar.text.as_str())))
        })
        .collect()
}

fn same_scalar(before: &Scalar, after: &Scalar) -> bool {
    before.text == after.text && before.kind() == after.kind()
}
