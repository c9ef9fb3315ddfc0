//! Changes labels and annotations, or whole documents, in a file's text and leaves everything else, comments and
//! formatting included, as it is.

use std::collections::BTreeMap;

use crate::{
    ObjectId, names,
    tree::{Mapping, Node},
};

mod listed;
mod locate;
mod render;
mod splice;
mod verify;
mod written;

use locate::Text;
pub use written::{Written, cut_document, documents, documents_of, in_namespace, put_document};

/// A label or annotation to set, or to remove.
pub type Change = (String, Option<String>);

/// Why a text could not be edited; it stays as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The object is not in the text.
    #[error("{0} is not in this file, or the document that holds it cannot be read: look at the file's findings")]
    NotFound(ObjectId),
    /// The object is there several times.
    #[error("{0} is given twice in this file: remove one of them")]
    Repeated(ObjectId),
    /// A key or value that no label or annotation may have.
    #[error("`{text}` is not the {what}: {why}")]
    Invalid {
        /// What it should have been: `key of a label`, …
        what: &'static str,
        /// The key or value.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// The metadata is written in a way that cannot be edited in place.
    #[error("the metadata of {object} in line {line} cannot be edited in place: {why}; edit the file by hand")]
    Unsupported {
        /// The object.
        object: ObjectId,
        /// Line of the text.
        line: u32,
        /// The obstacle.
        why: &'static str,
    },
    /// Documents of objects that are in a list are edited by hand.
    #[error("the list in line {line} can't be edited: give each object a document of its own, with `---` between them")]
    Listed {
        /// Line of the text.
        line: u32,
    },
    /// A document in the file cannot be read, so that nobody knows what else it declares.
    #[error(
        "the document in line {line} cannot be read; mend it first: what a file says that is broken stays in effect"
    )]
    Unreadable {
        /// Line of the text.
        line: u32,
    },
    /// Its text does not begin on a line of its own.
    #[error("the document in line {line} begins on the line of its mark, or with a directive; edit the file by hand")]
    OnItsMark {
        /// Line of the text.
        line: u32,
    },
    /// It names another namespace than the one that was asked for.
    #[error("{object} names its namespace itself, which is not {asked:?}")]
    Elsewhere {
        /// The object.
        object: ObjectId,
        /// What was asked for.
        asked: String,
    },
    /// The edited text would have said something else, too.
    #[error("editing {0} in place would change more than was asked for: edit the file by hand")]
    Unsafe(ObjectId),
}

/// Sets or removes (`None`) labels and annotations of the object `id` in `text`, YAML or JSON. Maps that are missing
/// are made; entries to remove that are not there are no error. The result was read again: exactly these entries
/// differ.
pub fn set_metadata(text: &str, id: &ObjectId, labels: &[Change], annotations: &[Change]) -> Result<String, EditError> {
    check("label", labels, names::label_value)?;
    check("annotation", annotations, |_| Ok(()))?;
    let changes = labels.iter().map(|change| ("labels", change)).chain(annotations.iter().map(|c| ("annotations", c)));
    let mut edited = text.to_owned();
    for (map, asked) in changes {
        let next = change(&edited, id, map, &asked.0, asked.1.as_deref())?;
        let asked = std::slice::from_ref(asked);
        let (labels, annotations): (&[Change], &[Change]) = if map == "labels" { (asked, &[]) } else { (&[], asked) };
        if !verify::only_metadata_changed(&edited, &next, id, labels, annotations) {
            return Err(EditError::Unsafe(id.clone()));
        }
        edited = next;
    }
    if verify::only_metadata_changed(text, &edited, id, labels, annotations) {
        Ok(edited)
    } else {
        Err(EditError::Unsafe(id.clone()))
    }
}

/// First line of [`new_namespace`]'s document.
const MADE: &str = "# Made by `ripstop label` or `ripstop annotate`; it goes with the last of both.\n";

/// A document that declares a namespace. Entries to remove are left out. Nothing is checked: [`crate::parse_file`]
/// says what is wrong with a name.
pub fn new_namespace(name: &str, labels: &[Change], annotations: &[Change]) -> String {
    let mut text = format!("{MADE}apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {}\n", render::yaml(name));
    for (map, changes) in [("labels", labels), ("annotations", annotations)] {
        let entries: BTreeMap<_, _> = changes.iter().filter_map(|(key, value)| Some((key, value.as_ref()?))).collect();
        if !entries.is_empty() {
            text.extend(["  ", map, ":\n"]);
        }
        for (key, value) in entries {
            text.extend(["    ", &render::yaml(key), ": ", &render::yaml(value), "\n"]);
        }
    }
    text
}

fn check(what: &str, changes: &[Change], value_of: fn(&str) -> Result<(), String>) -> Result<(), EditError> {
    let is_label = what == "label";
    for (key, value) in changes {
        names::qualified_name(key).map_err(|why| EditError::Invalid {
            what: if is_label { "key of a label" } else { "key of an annotation" },
            text: key.clone(),
            why,
        })?;
        if let Some(value) = value {
            value_of(value).map_err(|why| EditError::Invalid { what: "value of a label", text: value.clone(), why })?;
        }
    }
    Ok(())
}

/// Makes one change.
fn change(text: &str, id: &ObjectId, map: &str, key: &str, value: Option<&str>) -> Result<String, EditError> {
    let parsed = Text::read(text);
    let object = parsed.find(id)?;
    let unsupported = |node: &Node, why| EditError::Unsupported { object: id.clone(), line: node.mark.line, why };
    let metadata = editable(object, "metadata").map_err(|(node, why)| unsupported(node, why))?;
    let Some((metadata, metadata_map)) = metadata else { return Err(EditError::NotFound(id.clone())) };
    let place = splice::Place { text, json: parsed.json };
    let entries = editable(metadata, map).map_err(|(node, why)| unsupported(node, why))?;
    let edited = match (entries, value) {
        (None, None) => Some(text.to_owned()),
        (None, Some(value)) => place.create(metadata, metadata_map, map, key, value),
        (Some((node, entries)), value) => match (entries.entry(key), value) {
            (None, None) => Some(text.to_owned()),
            (Some(entry), Some(value)) if entry.value.text() == Some(value) => Some(text.to_owned()),
            (Some(entry), _) if entry.value.copied => None,
            (Some(entry), Some(value)) => place.replace(entry, value),
            (None, Some(value)) => place.add(node, entries, key, value),
            (Some(entry), None) => place.remove(metadata_map, map, node, entries, entry),
        },
    };
    edited.ok_or_else(|| unsupported(metadata, "its layout is unusual"))
}

/// The mapping in `name`, unless it is absent or null.
fn editable<'n>(node: &'n Node, name: &str) -> Result<Option<(&'n Node, &'n Mapping)>, (&'n Node, &'static str)> {
    let Some(mapping) = node.mapping() else { return Ok(None) };
    let mut values = mapping.entries.iter().filter(|entry| entry.key.text == name).map(|entry| &entry.value);
    let (Some(value), None) = (values.next(), values.next()) else {
        return if mapping.entry(name).is_some() { Err((node, "a key is given twice")) } else { Ok(None) };
    };
    match value.mapping() {
        _ if value.is_null() => Ok(None),
        _ if value.copied => Err((value, "it is shared by an anchor")),
        Some(mapping) => Ok(Some((value, mapping))),
        None => Err((value, "a mapping is expected")),
    }
}

#[cfg(test)]
mod tests;
