//! JSON with one member or item a line.

use crate::tree::{Document, Node, Value};

/// The values that were read from `text`, each from a line of its own; spellings and order stay.
pub(super) fn render(text: &str, documents: &[Document]) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    if text.starts_with('\u{feff}') {
        out.push('\u{feff}');
    }
    for root in documents.iter().filter_map(|document| document.root.as_ref()) {
        value(text, root, 0, &mut out);
        out.push('\n');
    }
    out
}

fn value(text: &str, node: &Node, depth: usize, out: &mut String) {
    match &node.value {
        Value::Scalar(_) => out.push_str(text.get(node.range.clone()).unwrap_or_default()),
        Value::Sequence(items) => {
            collection(['[', ']'], items, depth, out, |item, out| value(text, item, depth + 1, out));
        }
        Value::Mapping(mapping) => collection(['{', '}'], &mapping.entries, depth, out, |entry, out| {
            out.push_str(text.get(entry.key.range.clone()).unwrap_or_default());
            out.push_str(": ");
            value(text, &entry.value, depth + 1, out);
        }),
    }
}

fn collection<T>(
    [open, close]: [char; 2],
    items: &[T],
    depth: usize,
    out: &mut String,
    write: impl Fn(&T, &mut String),
) {
    out.push(open);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        line(depth + 1, out);
        write(item, out);
    }
    if !items.is_empty() {
        line(depth, out);
    }
    out.push(close);
}

fn line(depth: usize, out: &mut String) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}
