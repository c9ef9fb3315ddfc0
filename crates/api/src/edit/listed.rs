//! Objects of a list, each as a document of its own.

use super::{locate, render};
use crate::{
    ObjectId, document,
    tree::{Node, Style, Value},
    untyped::json,
    yaml,
};

/// Whether `root` is a list of objects.
pub(super) fn is_list(root: &Node) -> bool {
    matches!(root.value, Value::Sequence(_)) || document::list_items(root).is_some()
}

/// The objects of a list in `text`, each as a document; nothing for one that can't be written as such. What stands on lines
/// of its own stays as it is written, comments included.
pub(super) fn items(text: &str, root: &Node) -> Vec<Option<(ObjectId, String)>> {
    let told = |item: &Node| {
        let id = document::id(item)?;
        let cut = cut(text, item).filter(|cut| says_the_same(cut, item));
        Some(cut.or_else(|| written(item)).map(|text| (id, text)))
    };
    locate::objects(root).into_iter().filter_map(told).collect()
}

/// A value as a document of block YAML; nothing: it would say something else.
pub(super) fn written(item: &Node) -> Option<String> {
    let text: String = lines(item).into_iter().map(|line| line + "\n").collect();
    Some(text).filter(|text| says_the_same(text, item))
}

/// An item's own lines, moved to the margin.
fn cut(text: &str, item: &Node) -> Option<String> {
    let start = text[..item.range.start].rfind('\n').map_or(0, |at| at + 1);
    let before = &text[start..item.range.start];
    let dash = before.find('-').filter(|_| before.bytes().all(|byte| matches!(byte, b' ' | b'-')))?;
    let depth = item.range.start - start;
    let above: Vec<&str> = text[..start]
        .split_inclusive('\n')
        .rev()
        .map_while(|line| line.strip_prefix(&" ".repeat(dash)).filter(|line| line.starts_with('#')))
        .collect();
    let mut cut: String = above.into_iter().rev().collect();
    let mut rest = text[item.range.start..].split_inclusive('\n');
    cut += rest.next()?;
    let mut blank = String::new();
    for line in rest {
        let indent = line.len() - line.trim_start_matches(' ').len();
        if line.trim().is_empty() {
            blank += line.get(depth..).unwrap_or("\n");
        } else if indent < depth {
            break;
        } else {
            cut += &std::mem::take(&mut blank);
            cut += &line[depth..];
        }
    }
    Some(if cut.ends_with('\n') { cut } else { cut + "\n" })
}

/// Whether `text` is one document that says what `item` does, without what is shared with others.
fn says_the_same(text: &str, item: &Node) -> bool {
    let chunks = crate::split::documents(text);
    let [chunk] = chunks[..] else { return false };
    let document = yaml::parse(chunk);
    document.problem.is_none() && document.root.is_some_and(|root| json(&root) == json(item))
}

/// A value as block YAML.
fn lines(node: &Node) -> Vec<String> {
    match &node.value {
        Value::Scalar(scalar) => vec![match scalar.style {
            Style::Plain if scalar.text.is_empty() => "null".to_owned(),
            Style::Plain if scalar.text.contains('\n') => render::yaml(&scalar.text),
            Style::Plain => scalar.text.clone(),
            Style::Quoted | Style::Block => render::yaml(&scalar.text),
        }],
        Value::Sequence(items) if items.is_empty() => vec!["[]".to_owned()],
        Value::Mapping(mapping) if mapping.entries.is_empty() => vec!["{}".to_owned()],
        Value::Sequence(items) => items.iter().flat_map(|item| indented("- ", lines(item))).collect(),
        Value::Mapping(mapping) => mapping
            .entries
            .iter()
            .flat_map(|entry| {
                let key = render::yaml(&entry.key.text) + ":";
                match lines(&entry.value) {
                    own if is_flat(&entry.value) => vec![format!("{key} {}", own.concat())],
                    below => std::iter::once(key).chain(indented("  ", below)).collect(),
                }
            })
            .collect(),
    }
}

/// Whether it stands on its key's line.
fn is_flat(node: &Node) -> bool {
    match &node.value {
        Value::Scalar(_) => true,
        Value::Sequence(items) => items.is_empty(),
        Value::Mapping(mapping) => mapping.entries.is_empty(),
    }
}

/// `lines`, the first behind `mark` and the others below it.
fn indented(mark: &str, lines: Vec<String>) -> impl Iterator<Item = String> {
    let below = " ".repeat(mark.len());
    lines
        .into_iter()
        .enumerate()
        .map(move |(at, line)| if at == 0 { format!("{mark}{line}") } else { below.clone() + &line })
}
