//! Finds an object in a file's text.

use super::EditError;
use crate::{
    ObjectId, document, json, split,
    tree::{Document, Node, Value},
    yaml,
};

/// A file's documents.
pub(super) struct Text {
    pub(super) documents: Vec<Document>,
    /// The text is strict JSON: keys and values need double quotes.
    pub(super) json: bool,
}

// === impl Text ===

impl Text {
    pub(super) fn read(text: &str) -> Self {
        if text.trim_start_matches('\u{feff}').trim_start().starts_with(['{', '[']) {
            let documents = json::parse(text);
            if documents.iter().all(|document| document.problem.is_none()) {
                return Self { documents, json: true };
            }
        }
        Self { documents: split::documents(text).into_iter().map(yaml::parse).collect(), json: false }
    }

    /// The object's tree, in a document that could be read to its end.
    pub(super) fn find(&self, id: &ObjectId) -> Result<&Node, EditError> {
        let readable = self.documents.iter().filter(|document| document.problem.is_none());
        let mut found = readable
            .filter_map(|document| document.root.as_ref())
            .flat_map(objects)
            .filter(|object| document::id(object).as_ref() == Some(id));
        match (found.next(), found.next()) {
            (Some(object), None) => Ok(object),
            (None, _) => Err(EditError::NotFound(id.clone())),
            (Some(_), Some(_)) => Err(EditError::Repeated(id.clone())),
        }
    }
}

/// The objects of a document: of a list its items.
pub(super) fn objects(root: &Node) -> Vec<&Node> {
    match (&root.value, document::list_items(root).map(|items| &items.value)) {
        (Value::Sequence(items), _) | (_, Some(Value::Sequence(items))) => items.iter().collect(),
        _ => vec![root],
    }
}
