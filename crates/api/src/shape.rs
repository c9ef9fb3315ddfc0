//! Signs that a document's structure is not what its author sees: keys given twice, indentation lost.

use std::collections::{BTreeSet, HashMap};

use crate::{
    ObjectId,
    decode::{Decoder, INDENT, join, lost, quoted},
    document,
    finding::code,
    tree::{Entry, Mapping, Node, Value},
};

/// Reports keys that are given twice. If that happens at the top level, the document is probably several:
/// returns the ids that it may stand for.
pub(crate) fn repeated_keys(decoder: &mut Decoder<'_>, root: &Node) -> Option<BTreeSet<ObjectId>> {
    let mapping = root.mapping()?;
    for entry in &mapping.entries {
        repeated_below(decoder, &entry.value, &entry.key.text);
    }
    repeated_top(decoder, root).then(|| possible_ids(mapping))
}

/// Reports keys that are given twice at the top level.
pub(crate) fn repeated_top(decoder: &mut Decoder<'_>, root: &Node) -> bool {
    let repeated = root.mapping().map(repeats).unwrap_or_default();
    let Some(((second, first), others)) = repeated.split_first() else { return false };
    let mut message =
        format!("the key {} is given a second time, first in line {}", quoted(&second.key.text), first.key.mark.line);
    let mention =
        |(entry, _): &(&Entry, &Entry)| format!("{} in line {}", quoted(&entry.key.text), entry.key.mark.line);
    let mentioned: Vec<_> = others.iter().take(MENTIONED).map(mention).collect();
    match mentioned.as_slice() {
        [] => {}
        [one] => message += &["; so is ", one].concat(),
        several => message += &["; so are ", &several.join(", ")].concat(),
    }
    let hint = "is a `---` missing before it? Nothing of this document is applied";
    decoder.report_at(code::DUPLICATE_KEY, &second.key.text, second.key.mark, message, hint);
    true
}

/// Reports the first top-level field that stands beside the empty `metadata` or `spec` it belongs below.
pub(crate) fn lost_indentation(decoder: &mut Decoder<'_>, mapping: &Mapping) -> bool {
    let mut emptied: Option<&str> = None;
    for entry in &mapping.entries {
        let name = entry.key.text.as_str();
        match (name, emptied) {
            ("metadata" | "spec", _) if entry.value.is_null() => emptied = Some(name),
            _ if TOP_LEVEL.contains(&name) => emptied = None,
            (_, Some(parent)) if parent == "spec" || METADATA.contains(&name) => {
                decoder.report_at(code::INDENTATION_LOST, name, entry.key.mark, lost(name, parent), INDENT);
                return true;
            }
            _ => {}
        }
    }
    false
}

/// Most further keys that one message mentions.
const MENTIONED: usize = 8;

/// Fields that stand at the top of some kind.
const TOP_LEVEL: [&str; 22] = [
    "apiVersion",
    "automountServiceAccountToken",
    "binaryData",
    "data",
    "endpoints",
    "imagePullSecrets",
    "immutable",
    "items",
    "kind",
    "metadata",
    "parameters",
    "provisioner",
    "resources",
    "roleRef",
    "rules",
    "secrets",
    "spec",
    "status",
    "stringData",
    "subjects",
    "type",
    "webhooks",
];

/// Fields that belong below `metadata`.
const METADATA: [&str; 5] = ["annotations", "generateName", "labels", "name", "namespace"];

/// Reports keys that are given twice in `node` or below it.
pub(crate) fn repeated_below(decoder: &mut Decoder<'_>, node: &Node, path: &str) {
    if node.copied {
        return;
    }
    match &node.value {
        Value::Scalar(_) => {}
        Value::Sequence(items) => {
            for (index, item) in items.iter().enumerate() {
                repeated_below(decoder, item, &format!("{path}[{index}]"));
            }
        }
        Value::Mapping(mapping) => {
            for (second, first) in repeats(mapping) {
                let message = format!(
                    "the key {} is given a second time, first in line {}",
                    quoted(&second.key.text),
                    first.key.mark.line
                );
                let path = join(path, &second.key.text);
                decoder.report_at(code::DUPLICATE_KEY, &path, second.key.mark, message, "keep one of them");
            }
            for entry in &mapping.entries {
                repeated_below(decoder, &entry.value, &join(path, &entry.key.text));
            }
        }
    }
}

/// Each entry whose key was there before, with the first entry of that key.
fn repeats(mapping: &Mapping) -> Vec<(&Entry, &Entry)> {
    let mut first: HashMap<&str, &Entry> = HashMap::new();
    let mut repeats = Vec::new();
    for entry in &mapping.entries {
        match first.get(entry.key.text.as_str()) {
            Some(first) => repeats.push((entry, *first)),
            None => {
                first.insert(&entry.key.text, entry);
            }
        }
    }
    repeats
}

/// The ids that the document gives with each of its `metadata` and `kind`.
fn possible_ids(mapping: &Mapping) -> BTreeSet<ObjectId> {
    const TRIED: usize = 16;
    let all = |name: &'static str| {
        mapping.entries.iter().filter(move |entry| entry.key.text == name).take(TRIED).map(|entry| &entry.value)
    };
    let mut ids = BTreeSet::new();
    let metadata: Vec<_> = all("metadata").map(Some).collect();
    for metadata in if metadata.is_empty() { vec![None] } else { metadata } {
        for kind in all("kind") {
            for version in all("apiVersion") {
                ids.extend(document::id_of(version, kind, metadata));
            }
        }
    }
    ids
}
