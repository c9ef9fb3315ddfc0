//! Trees, and the many ways to write them down.

use std::fmt::Write as _;

use proptest::prelude::*;

use crate::{
    split,
    tree::{Node, Value},
    yaml,
};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tree {
    Scalar(String),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

/// Any tree; its root is a collection.
pub(super) fn tree() -> impl Strategy<Value = Tree> {
    let scalar = prop_oneof![
        4 => "[a-z]{1,4}( [a-z#:']{1,3}[a-z]){0,2}",
        1 => "[ -~]{0,9}",
        1 => "[a-z\n ]{0,9}",
        1 => "true|-?[0-9]{1,3}|~|",
    ];
    let leaf = scalar.prop_map(Tree::Scalar);
    let tree =
        leaf.prop_recursive(5, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 1..4).prop_map(Tree::List),
                entries(inner).prop_map(Tree::Map),
            ]
        });
    prop_oneof![prop::collection::vec(tree.clone(), 1..4).prop_map(Tree::List), entries(tree).prop_map(Tree::Map)]
}

fn entries(value: impl Strategy<Value = Tree>) -> impl Strategy<Value = Vec<(String, Tree)>> {
    prop::collection::btree_map("[a-z]{1,5}|[a-z]/[a-z]\\.x|\"a: b\"|'#c'", value, 1..4)
        .prop_map(|entries| entries.into_iter().collect())
}

/// Decisions to come; when they are used up, everything is plain.
pub(super) fn dice() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..200)
}

/// Two blanks a level.
pub(super) fn plain(tree: &Tree, indented: bool) -> String {
    layout(tree, indented, Vec::new())
}

/// Any number of blanks a level, after dashes, and at the ends of lines.
pub(super) fn layout(tree: &Tree, indented: bool, dice: Vec<u8>) -> String {
    let mut pen = Pen { dice, lists: indented.then_some(1).or(Some(0)), ..Pen::default() };
    pen.block(tree, 0);
    pen.out
}

/// Everything that YAML allows, with comments.
pub(super) fn style(trees: &[Tree], dice: Vec<u8>) -> String {
    let mut pen = Pen { dice, free: true, ..Pen::default() };
    for (index, tree) in trees.iter().enumerate() {
        if index > 0 || pen.roll(2) == 1 {
            let mark = ["---", "--- # mark", "...\n---", "---  "][pen.roll(4)];
            pen.out.push_str(mark);
            pen.out.push('\n');
            pen.in_block = false;
        }
        let column = pen.roll(3);
        pen.block(tree, column);
    }
    if pen.roll(4) == 1 && !pen.in_block {
        pen.out.truncate(pen.out.trim_end().len());
    }
    if pen.roll(4) == 1 { pen.out.replace('\n', "\r\n") } else { pen.out }
}

/// What a text says: of each document its tree, with the kind of each scalar.
pub(super) fn read(text: &str) -> Vec<String> {
    fn shown(node: &Node) -> String {
        match &node.value {
            Value::Scalar(scalar) => format!("{:?} {:?}", scalar.kind(), scalar.text),
            Value::Sequence(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
            Value::Mapping(mapping) => {
                let entries = mapping.entries.iter();
                let shown = entries.map(|entry| format!("{:?}: {}", entry.key.text, shown(&entry.value)));
                format!("{{{}}}", shown.collect::<Vec<_>>().join(", "))
            }
        }
    }
    split::documents(text)
        .into_iter()
        .map(|chunk| {
            let document = yaml::parse(chunk);
            assert!(document.problem.is_none(), "{:?} in\n{text}", document.problem);
            document.root.as_ref().map_or(String::new(), shown)
        })
        .collect()
}

/// The comments that [`style`] writes, in order.
pub(super) fn comments(text: &str) -> Vec<&str> {
    text.match_indices("#§").filter_map(|(at, mark)| text.get(at..at + mark.len() + 2)).collect()
}

#[derive(Default)]
struct Pen {
    out: String,
    dice: Vec<u8>,
    at: usize,
    /// Whether more than blanks may differ.
    free: bool,
    /// What lists are indented by below their key: 0, or 1 for any number above.
    lists: Option<usize>,
    /// The last line is of a block scalar.
    in_block: bool,
    comments: usize,
}

// === impl Pen ===

impl Pen {
    fn roll(&mut self, sides: usize) -> usize {
        let die = self.dice.get(self.at).copied().unwrap_or_default();
        self.at += 1;
        usize::from(die) % sides
    }

    /// A level's blanks.
    fn step(&mut self) -> usize {
        [2, 1, 3, 4, 8][self.roll(5)]
    }

    fn indent(&mut self, column: usize) {
        self.out.extend(std::iter::repeat_n(' ', column));
    }

    /// Ends a line.
    fn end(&mut self) {
        if self.free && self.roll(6) == 1 {
            self.comment(" ");
        }
        let blanks = [0, 0, 0, 1, 2][self.roll(5)];
        self.indent(blanks);
        self.out.push('\n');
        self.in_block = false;
    }

    fn comment(&mut self, before: &str) {
        self.comments += 1;
        let comment = format!("{before}#§{:02}", self.comments % 100);
        self.out.push_str(&comment);
    }

    /// Lines between others.
    fn between(&mut self, column: usize) {
        if !self.free {
            return;
        }
        match self.roll(8) {
            1 => self.out.push('\n'),
            2 => {
                let deeper = if self.in_block { 0 } else { self.roll(4) };
                let column = (column + deeper).saturating_sub(self.roll(3));
                self.indent(column);
                self.comment("");
                self.out.push('\n');
                self.in_block = false;
            }
            _ => {}
        }
    }

    /// A collection as lines that begin at `column`.
    fn block(&mut self, tree: &Tree, column: usize) {
        match tree {
            Tree::Scalar(_) => {}
            Tree::List(items) => {
                for item in items {
                    self.between(column);
                    self.indent(column);
                    self.item(item, column);
                }
            }
            Tree::Map(entries) => {
                for (index, entry) in entries.iter().enumerate() {
                    if index > 0 {
                        self.between(column);
                    }
                    self.indent(column);
                    self.entry(entry, column);
                }
            }
        }
    }

    fn item(&mut self, item: &Tree, column: usize) {
        self.out.push('-');
        let flow = self.free && self.roll(4) == 1;
        let (Tree::List(_) | Tree::Map(_), false) = (item, flow) else { return self.value(item, column) };
        if self.free && self.roll(4) == 1 {
            self.end();
            let column = column + self.step();
            return self.block(item, column);
        }
        let gap = [1, 1, 2, 3][self.roll(4)];
        self.indent(gap);
        let inner = column + 1 + gap;
        match item {
            Tree::Scalar(_) => {}
            Tree::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        self.between(inner);
                        self.indent(inner);
                    }
                    self.item(item, inner);
                }
            }
            Tree::Map(entries) => {
                for (index, entry) in entries.iter().enumerate() {
                    if index > 0 {
                        self.between(inner);
                        self.indent(inner);
                    }
                    self.entry(entry, inner);
                }
            }
        }
    }

    fn entry(&mut self, (key, value): &(String, Tree), column: usize) {
        self.out.push_str(key);
        self.out.push(':');
        let flow = self.free && self.roll(5) == 1;
        match value {
            Tree::List(_) if !flow => {
                self.end();
                let deeper = match self.lists {
                    Some(0) => 0,
                    Some(_) => self.step(),
                    None => [0, 2, 1, 4][self.roll(4)],
                };
                self.block(value, column + deeper);
            }
            Tree::Map(_) if !flow => {
                self.property();
                self.end();
                let column = column + self.step();
                self.between(column);
                self.block(value, column);
            }
            _ => self.value(value, column),
        }
    }

    /// Sometimes an anchor.
    fn property(&mut self) {
        if self.free && self.roll(8) == 1 {
            self.out.push_str(" &anchor");
        }
    }

    /// A value behind its dash or key, or below it.
    fn value(&mut self, value: &Tree, owner: usize) {
        self.property();
        if self.free && self.roll(6) == 1 {
            self.end();
            let column = owner + self.step();
            self.between(column);
            self.indent(column);
        } else {
            self.out.push(' ');
        }
        let Tree::Scalar(text) = value else {
            let mut flow = String::new();
            self.flow(value, owner, &mut flow);
            self.out.push_str(&flow);
            return self.end();
        };
        let text = text.clone();
        let is_word = !text.is_empty()
            && text.chars().all(|c| c.is_ascii_lowercase() || c == ' ')
            && !text.starts_with(' ')
            && !text.ends_with(' ');
        let has_lines = text.contains('\n') && !text.starts_with([' ', '\n']) && !text.trim().is_empty();
        match self.roll(4) {
            1 if self.free && has_lines => self.literal(&text, owner),
            2 if self.free && is_word => {
                // Several blanks are one when they are folded.
                for (index, word) in text.split_whitespace().enumerate() {
                    if index > 0 {
                        self.fold(owner);
                    }
                    self.out.push_str(word);
                }
                self.end();
            }
            3 if self.free && !text.contains('\n') => {
                let quoted = format!("'{}'", text.replace('\'', "''"));
                self.out.push_str(&quoted);
                self.end();
            }
            _ => {
                let quoted = quoted(&text);
                if is_word && self.free {
                    let words: Vec<&str> = quoted.split_whitespace().collect();
                    for (index, word) in words.into_iter().enumerate() {
                        if index > 0 {
                            self.fold(owner);
                        }
                        self.out.push_str(word);
                    }
                } else {
                    self.out.push_str(&quoted);
                }
                self.end();
            }
        }
    }

    /// A blank, or a break.
    fn fold(&mut self, owner: usize) {
        if self.roll(2) == 0 {
            return self.out.push(' ');
        }
        self.out.push('\n');
        let column = owner + self.step();
        self.indent(column);
    }

    fn literal(&mut self, text: &str, owner: usize) {
        let step = self.step();
        let chomping = match text.len() - text.trim_end_matches('\n').len() {
            0 => "-",
            1 => "",
            _ => "+",
        };
        let header = match self.roll(3) {
            1 => format!("|{step}{chomping}"),
            _ => format!("|{chomping}"),
        };
        self.out.push_str(&header);
        self.end();
        for line in text.lines() {
            if !line.is_empty() {
                self.indent(owner + step);
            }
            self.out.push_str(line);
            self.out.push('\n');
        }
        self.in_block = true;
    }

    fn flow(&mut self, tree: &Tree, owner: usize, out: &mut String) {
        let gap = |pen: &mut Self, out: &mut String| {
            if pen.roll(5) == 1 {
                if pen.roll(3) == 1 {
                    pen.comments += 1;
                    let _ = write!(out, " #§{:02} {{ '", pen.comments % 100);
                }
                out.push('\n');
                let column = owner + pen.step();
                out.extend(std::iter::repeat_n(' ', column));
            }
        };
        match tree {
            Tree::Scalar(text) => out.push_str(&quoted(text)),
            Tree::List(items) => {
                out.push('[');
                for item in items {
                    gap(self, out);
                    self.flow(item, owner, out);
                    out.push(',');
                    gap(self, out);
                }
                out.push(']');
            }
            Tree::Map(entries) => {
                out.push('{');
                for (key, value) in entries {
                    gap(self, out);
                    out.push_str(key);
                    out.push_str(": ");
                    self.flow(value, owner, out);
                    out.push_str(", ");
                    gap(self, out);
                }
                out.push('}');
            }
        }
    }
}

/// In double quotes.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
