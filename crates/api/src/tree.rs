//! The positioned tree that YAML and JSON are read into.

use std::ops::Range;

/// A value with its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) value: Value,
    /// Where it begins; an empty value stands where its key does.
    pub(crate) mark: Mark,
    /// Its bytes in the file; of a block collection only the start is meaningful.
    pub(crate) range: Range<usize>,
    /// Came in through an alias or a merge key: the text at `range` is shared.
    pub(crate) copied: bool,
}

/// Line and column from 1; the column counts characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Scalar(Scalar),
    Sequence(Vec<Node>),
    Mapping(Mapping),
}

#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    pub(crate) style: Style,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Typed by its spelling.
    Plain,
    /// Text.
    Quoted,
    /// Text as a literal or folded block.
    Block,
}

/// Entries in the order of the text, duplicates included.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mapping {
    pub(crate) flow: bool,
    pub(crate) entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: Key,
    pub(crate) value: Node,
}

#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) mark: Mark,
    pub(crate) range: Range<usize>,
}

/// What could be read of one document.
#[derive(Debug, Default)]
pub(crate) struct Document {
    /// The tree; as far as the text could be read if there is a problem.
    pub(crate) root: Option<Node>,
    /// Why reading stopped.
    pub(crate) problem: Option<Problem>,
    /// The top-level key whose value was not complete when reading stopped.
    pub(crate) open: Option<String>,
}

/// Why reading stopped.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) mark: Mark,
    pub(crate) too_large: bool,
    pub(crate) message: String,
    pub(crate) hint: String,
}

/// The type of a plain scalar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Type {
    Null,
    Bool(bool),
    Integer(i64),
    /// A number that is no integer or whose readings differ (`0644`).
    Number,
    Text,
}

/// Limits of what is read: a file beyond them is refused, not half read.
pub(crate) mod limit {
    /// Bytes of a file.
    pub(crate) const FILE: usize = 4 << 20;
    /// Nested collections.
    pub(crate) const DEPTH: usize = 64;
    /// Nodes of a document, after expansion of aliases.
    pub(crate) const NODES: usize = 200_000;
    /// Bytes copied for anchors and aliases of a document.
    pub(crate) const COPIED: usize = 16 << 20;
    /// Findings of a file.
    pub(crate) const FINDINGS: usize = 500;
}

// === impl Node ===

impl Node {
    pub(crate) fn mapping(&self) -> Option<&Mapping> {
        match &self.value {
            Value::Mapping(mapping) => Some(mapping),
            _ => None,
        }
    }

    pub(crate) fn scalar(&self) -> Option<&Scalar> {
        match &self.value {
            Value::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        self.scalar().is_some_and(|scalar| scalar.kind() == Type::Null)
    }

    /// The text, if it is a string by YAML's rules.
    pub(crate) fn text(&self) -> Option<&str> {
        self.scalar().filter(|scalar| scalar.kind() == Type::Text).map(|scalar| scalar.text.as_str())
    }

    /// The value of `key` in a mapping; its first one if there are several.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.mapping()?.get(key)
    }

    /// Number of nodes and bytes of memory.
    pub(crate) fn weight(&self) -> (usize, usize) {
        let own = (1, size_of::<Self>());
        match &self.value {
            Value::Scalar(scalar) => (1, own.1 + scalar.text.len()),
            Value::Sequence(items) => items.iter().map(Self::weight).fold(own, add),
            Value::Mapping(mapping) => mapping
                .entries
                .iter()
                .map(|entry| add(entry.value.weight(), (0, size_of::<Key>() + entry.key.text.len())))
                .fold(own, add),
        }
    }

    /// Nested collections, this one included.
    pub(crate) fn height(&self) -> usize {
        match &self.value {
            Value::Scalar(_) => 0,
            Value::Sequence(items) => 1 + items.iter().map(Self::height).max().unwrap_or(0),
            Value::Mapping(mapping) => 1 + mapping.entries.iter().map(|entry| entry.value.height()).max().unwrap_or(0),
        }
    }

    /// Marks this node and all below it as shared.
    pub(crate) fn set_copied(&mut self) {
        self.copied = true;
        match &mut self.value {
            Value::Scalar(_) => {}
            Value::Sequence(items) => items.iter_mut().for_each(Self::set_copied),
            Value::Mapping(mapping) => mapping.entries.iter_mut().for_each(|entry| entry.value.set_copied()),
        }
    }
}

fn add(a: (usize, usize), b: (usize, usize)) -> (usize, usize) {
    (a.0 + b.0, a.1 + b.1)
}

// === impl Mapping ===

impl Mapping {
    /// The first value of `key`.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The first entry of `key`.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key.text == key)
    }
}

// === impl Scalar ===

impl Scalar {
    /// Its type; anything that is not plain is text.
    pub(crate) fn kind(&self) -> Type {
        if self.style == Style::Plain { Type::of(&self.text) } else { Type::Text }
    }
}

// === impl Type ===

impl Type {
    /// Type of a plain scalar: YAML's core schema, and what YAML 1.1 readers (`kubectl`) take for a boolean.
    pub(crate) fn of(text: &str) -> Self {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => return Self::Null,
            "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y" => {
                return Self::Bool(true);
            }
            "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n" | "N" => {
                return Self::Bool(false);
            }
            _ => {}
        }
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let Some(first) = unsigned.bytes().next() else { return Self::Text };
        if !(first.is_ascii_digit() || first == b'.') {
            return Self::Text;
        }
        if let Some((radix, digits)) = radix(unsigned) {
            if digits.is_empty() || digits.bytes().any(|c| !char::from(c).is_digit(radix) && c != b'_') {
                return Self::Text;
            }
            let sign = if text.starts_with('-') { -1 } else { 1 };
            return i64::from_str_radix(digits, radix).map_or(Self::Number, |n| Self::Integer(sign * n));
        }
        if unsigned.bytes().all(|c| c.is_ascii_digit()) {
            let ambiguous = unsigned.len() > 1 && unsigned.starts_with('0');
            return match text.parse() {
                Ok(n) if !ambiguous => Self::Integer(n),
                _ => Self::Number,
            };
        }
        if unsigned.bytes().all(|c| c.is_ascii_digit() || c == b'_') {
            return Self::Number;
        }
        if matches!(unsigned, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN") || is_float(unsigned) {
            return Self::Number;
        }
        Self::Text
    }
}

fn radix(text: &str) -> Option<(u32, &str)> {
    [("0x", 16), ("0o", 8), ("0b", 2)]
        .into_iter()
        .find_map(|(prefix, radix)| text.strip_prefix(prefix).map(|digits| (radix, digits)))
}

/// `digits[.digits][e[±]digits]` or `.digits[e…]`.
fn is_float(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (text, None),
    };
    let digits = |text: &str| text.bytes().all(|c| c.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|exponent| !exponent.is_empty() && digits(exponent))
}

#[cfg(test)]
mod tests;
