//! Whole documents: read out of a text, put into it, taken out of it.

use std::collections::HashMap;

use super::{
    EditError, editable,
    listed::{self, is_list},
    locate::Text,
    splice,
};
use crate::{
    ObjectId, document,
    split::{self, Chunk},
    tree::Node,
    yaml,
};

/// A document of a text, with the one object that it declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Which object.
    pub id: ObjectId,
    /// The document, comments included, without the mark before it; ends with a line break.
    pub text: String,
}

/// A document's text in three parts.
#[derive(Clone, Copy)]
struct Parts<'t> {
    /// `---` with what is on its line; empty where there is none.
    mark: &'t str,
    body: &'t str,
    /// Comments after the object, from the margin on.
    tail: &'t str,
}

/// The documents of `text`, YAML, that declare an object of a kind that is served; of a list each object as a document of
/// its own. What is wrong with `text` says [`parse_file`](crate::parse_file).
pub fn documents(text: &str) -> Result<Vec<Written>, EditError> {
    let mut written = Vec::new();
    if let Some(several) = json_documents(text) {
        return several;
    }
    for chunk in split::documents(text) {
        let document = yaml::parse(chunk);
        if document.problem.is_some() {
            return Err(EditError::Unreadable { line: chunk.line });
        }
        let Some(root) = &document.root else { continue };
        if is_list(root) {
            for item in listed::items(text, root) {
                let (id, text) = item.ok_or(EditError::Listed { line: chunk.line })?;
                written.push(Written { id, text });
            }
        } else if let Some(id) = document::id(root) {
            let Parts { body, tail, .. } = parts(chunk)?;
            written.push(Written { id, text: ended(&format!("{body}{tail}")) });
        }
    }
    Ok(written)
}

/// Those of JSON with several documents, one after the other; nothing: it is something else.
fn json_documents(text: &str) -> Option<Result<Vec<Written>, EditError>> {
    let Text { documents, json: true } = Text::read(text) else { return None };
    let roots: Vec<&Node> = documents.iter().filter_map(|document| document.root.as_ref()).collect();
    if roots.len() < 2 {
        return None;
    }
    let listed = |root: &&Node| EditError::Listed { line: root.mark.line };
    let own = |root: &&Node| {
        let written = document::id(root).map(|id| listed::written(root).map(|text| (id, text)));
        if is_list(root) { listed::items(text, root) } else { written.into_iter().collect() }
    };
    let all = roots.iter().flat_map(|root| own(root).into_iter().map(move |one| one.ok_or_else(|| listed(root))));
    Some(all.map(|one| one.map(|(id, text)| Written { id, text })).collect())
}

/// `document` with its object in `namespace`, if it names none. One that names another is refused.
pub fn in_namespace(document: &str, namespace: &str) -> Result<String, EditError> {
    let chunks = split::documents(document);
    let [chunk] = chunks[..] else { return Ok(document.to_owned()) };
    let parsed = yaml::parse(chunk);
    let Some((root, id)) = parsed.root.as_ref().and_then(|root| Some((root, document::id(root)?))) else {
        return Ok(document.to_owned());
    };
    if !id.kind.is_namespaced() {
        return Ok(document.to_owned());
    }
    let given = root.get("metadata").and_then(|metadata| metadata.get("namespace"));
    if let Some(given) = given.and_then(Node::text).filter(|given| !given.is_empty()) {
        if given == namespace {
            return Ok(document.to_owned());
        }
        return Err(EditError::Elsewhere { object: id, asked: namespace.to_owned() });
    }
    let unsupported = |node: &Node, why| EditError::Unsupported { object: id.clone(), line: node.mark.line, why };
    let place = splice::Place { text: document, json: false };
    let metadata = editable(root, "metadata").map_err(|(node, why)| unsupported(node, why))?;
    let edited = metadata.and_then(|(node, entries)| match entries.entry("namespace") {
        Some(entry) => place.replace(entry, namespace),
        None => place.add(node, entries, "namespace", namespace),
    });
    let wanted = ObjectId { namespace: namespace.to_owned(), ..id.clone() };
    let is_safe = |text: &String| documents(text).is_ok_and(|found| matches!(&found[..], [one] if one.id == wanted));
    edited.filter(is_safe).ok_or_else(|| unsupported(root, "its layout is unusual"))
}

/// The document of each of `ids` in `text`, without its mark.
pub fn documents_of(text: &str, ids: &[ObjectId]) -> Vec<Result<String, EditError>> {
    let chunks = split::documents(text);
    let mut declared: HashMap<ObjectId, Result<usize, EditError>> = HashMap::new();
    for (index, chunk) in chunks.iter().enumerate() {
        let document = yaml::parse(*chunk);
        let Some(root) = &document.root else { continue };
        if is_list(root) {
            let listed = super::locate::objects(root).into_iter().filter_map(document::id);
            declared.extend(listed.map(|id| (id, Err(EditError::Listed { line: chunk.line }))));
        } else if let Some(id) = document::id(root) {
            let found = declared.entry(id.clone());
            found.and_modify(|found| *found = Err(EditError::Repeated(id))).or_insert(Ok(index));
        }
    }
    let document = |id: &ObjectId| match declared.get(id) {
        Some(Ok(index)) => Ok(ended(parts(chunks[*index])?.body)),
        Some(Err(error)) => Err(error.clone()),
        None => Err(EditError::NotFound(id.clone())),
    };
    ids.iter().map(document).collect()
}

/// Puts `document`, which declares `id`, in the place of the one that does in `text`. All others stay as they are, and so
/// do the mark before it and comments from the margin on behind it.
pub fn put_document(text: &str, id: &ObjectId, document: &str) -> Result<String, EditError> {
    let (chunks, index) = find(text, id)?;
    let chunk = chunks[index];
    let Parts { mark, body, tail } = parts(chunk)?;
    let document = ended(document);
    let tail = if document.ends_with(tail) { "" } else { tail };
    if ended(body) == document {
        return Ok(text.to_owned());
    }
    let edited = replaced(text, chunk, &format!("{mark}{document}{tail}"));
    let is_it = |chunk: &Chunk<'_>| yaml::parse(*chunk).root.as_ref().and_then(document::id).as_ref() == Some(id);
    let is_safe =
        others_are_same(&chunks, index, &edited, 1) && split::documents(&edited).get(index).is_some_and(is_it);
    if is_safe { Ok(edited) } else { Err(EditError::Unsafe(id.clone())) }
}

/// Takes the document of `id` out of `text`; none: nothing is left, not even a comment.
pub fn cut_document(text: &str, id: &ObjectId) -> Result<Option<String>, EditError> {
    let (chunks, index) = find(text, id)?;
    if let Some(broken) = chunks.iter().find(|chunk| yaml::parse(**chunk).problem.is_some()) {
        // Whoever cannot read all of a file keeps what it has said before.
        return Err(EditError::Unreadable { line: broken.line });
    }
    let edited = replaced(text, chunks[index], parts(chunks[index])?.tail);
    if !others_are_same(&chunks, index, &edited, 0) {
        return Err(EditError::Unsafe(id.clone()));
    }
    let says_nothing = |line: &str| matches!(line.trim(), "" | "---" | "..." | "\u{feff}");
    Ok(if edited.lines().all(says_nothing) { None } else { Some(edited) })
}

/// The documents of `text`, and which of them declares `id` and nothing else.
fn find<'t>(text: &'t str, id: &ObjectId) -> Result<(Vec<Chunk<'t>>, usize), EditError> {
    let chunks = split::documents(text);
    let mut found = None;
    for (index, chunk) in chunks.iter().enumerate() {
        let document = yaml::parse(*chunk);
        let Some(root) = &document.root else { continue };
        if is_list(root) && super::locate::objects(root).into_iter().any(|item| document::id(item).as_ref() == Some(id))
        {
            return Err(EditError::Listed { line: chunk.line });
        }
        if document::id(root).as_ref() == Some(id) && found.replace(index).is_some() {
            return Err(EditError::Repeated(id.clone()));
        }
    }
    found.map(|index| (chunks, index)).ok_or_else(|| EditError::NotFound(id.clone()))
}

fn parts(chunk: Chunk<'_>) -> Result<Parts<'_>, EditError> {
    let first = chunk.text.split_inclusive('\n').next().unwrap_or_default();
    let mark = match first.strip_prefix("---") {
        Some(rest) if rest.trim().is_empty() || rest.trim().starts_with('#') => first,
        Some(_) => return Err(EditError::OnItsMark { line: chunk.line }),
        None if first.starts_with('%') => return Err(EditError::OnItsMark { line: chunk.line }),
        None => "",
    };
    let rest = &chunk.text[mark.len()..];
    let mut tail = rest.len();
    let mut at = rest.len();
    for line in rest.split_inclusive('\n').rev() {
        at -= line.len();
        if line.starts_with('#') {
            tail = at;
        } else if !line.trim().is_empty() {
            break;
        }
    }
    Ok(Parts { mark, body: &rest[..tail], tail: &rest[tail..] })
}

/// A text with a line break at its end. Nothing is taken away: blank lines may be what it says.
fn ended(text: &str) -> String {
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    format!("{text}{end}")
}

/// `text` with `new` in the place of `chunk`.
fn replaced(text: &str, chunk: Chunk<'_>, new: &str) -> String {
    format!("{}{new}{}", &text[..chunk.start], &text[chunk.start + chunk.text.len()..])
}

/// Whether all documents but the one at `index` are in `edited` as they were, where it has become `places` documents.
fn others_are_same(before: &[Chunk<'_>], index: usize, edited: &str, places: usize) -> bool {
    let after = split::documents(edited);
    let texts = |chunks: &[Chunk<'_>]| {
        chunks.iter().map(|chunk| parts(*chunk).map_or(chunk.text, |parts| parts.body).to_owned()).collect::<Vec<_>>()
    };
    let (before, mut after) = (texts(before), texts(&after));
    if after.len() + 1 != before.len() + places {
        return false;
    }
    after.drain(index..index + places);
    let others = before.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, text)| text);
    others.eq(after.iter())
}

#[cfg(test)]
mod tests;
