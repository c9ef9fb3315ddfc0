//! Single changes of the text, each for block and for flow style.

use std::ops::Range;

use super::render;
use crate::tree::{Entry, Mapping, Node, Style};

/// The text and its language.
#[derive(Clone, Copy)]
pub(super) struct Place<'t> {
    pub(super) text: &'t str,
    pub(super) json: bool,
}

// === impl Place ===

impl Place<'_> {
    /// Makes the map `map` with one entry in `metadata`.
    pub(super) fn create(
        &self,
        metadata: &Node,
        entries: &Mapping,
        map: &str,
        key: &str,
        value: &str,
    ) -> Option<String> {
        let flow = format!("{{{}}}", self.entry(key, value));
        if let Some(empty) = entries.entry(map) {
            let explicit = empty.value.scalar().is_some_and(|scalar| !scalar.text.is_empty());
            if explicit {
                return self.splice(empty.value.range.clone(), &flow);
            }
            if entries.flow {
                return None;
            }
            let indent = self.indent(empty.key.range.start)?.to_owned() + STEP;
            let line = format!("{}{indent}{}", self.line_break(), self.entry(key, value));
            return self.insert(self.line_end(empty.key.range.end), &line);
        }
        if entries.flow {
            return self.add_text(metadata, entries, &format!("{}: {flow}", self.scalar(map)));
        }
        let anchor = entries.entries.iter().rfind(|entry| matches!(entry.key.text.as_str(), "name" | "namespace"))?;
        anchor.value.scalar().filter(|scalar| scalar.style != Style::Block)?;
        let indent = self.column(anchor.key.range.start);
        let line_break = self.line_break();
        let lines = format!("{line_break}{indent}{map}:{line_break}{indent}{STEP}{}", self.entry(key, value));
        self.insert(self.line_end(end(anchor)), &lines)
    }

    /// Adds an entry at the end of a map.
    pub(super) fn add(&self, node: &Node, entries: &Mapping, key: &str, value: &str) -> Option<String> {
        let entry = self.entry(key, value);
        if entries.flow {
            return self.add_text(node, entries, &entry);
        }
        let (first, last) = (entries.entries.first()?, own(entries).last()?);
        let indent = self.column(first.key.range.start);
        if last.value.scalar().is_some_and(|scalar| scalar.style != Style::Block) {
            return self.insert(self.line_end(end(last)), &format!("{}{indent}{entry}", self.line_break()));
        }
        self.insert(first.key.range.start, &format!("{entry}{}{indent}", self.line_break()))
    }

    /// Gives an entry another value.
    pub(super) fn replace(&self, entry: &Entry, value: &str) -> Option<String> {
        let scalar = entry.value.scalar()?;
        if scalar.style == Style::Block {
            let lines = self.lines(entry)?;
            let indent = self.column(entry.key.range.start);
            return self.splice(lines, &format!("{indent}{}{}", self.entry(&entry.key.text, value), self.line_break()));
        }
        if scalar.text.is_empty() && scalar.style == Style::Plain {
            let colon = entry.key.range.end + self.text.get(entry.key.range.end..)?.find(':')? + 1;
            return self.insert(colon, &format!(" {}", self.scalar(value)));
        }
        self.splice(entry.value.range.clone(), &self.scalar(value))
    }

    /// Removes an entry, and the map if it was the only one.
    pub(super) fn remove(
        &self,
        metadata: &Mapping,
        map: &str,
        node: &Node,
        entries: &Mapping,
        entry: &Entry,
    ) -> Option<String> {
        let at = entries.entries.iter().position(|other| other.key.range == entry.key.range)?;
        if entries.flow {
            let range = match (at.checked_sub(1).map(|before| &entries.entries[before]), entries.entries.get(at + 1)) {
                (Some(before), _) => end(before)..end(entry),
                (None, Some(after)) => entry.key.range.start..after.key.range.start,
                (None, None) => {
                    let map = self.text.get(node.range.clone())?;
                    let close = map.starts_with('{').then(|| map.rfind('}')).flatten()?;
                    node.range.start + 1..node.range.start + close
                }
            };
            return self.splice(range, "");
        }
        let removed = self.splice(self.lines(entry)?, "")?;
        if entries.entries.len() > 1 {
            return Some(removed);
        }
        let key = &metadata.entry(map)?.key;
        let (start, line_end) = (self.line_start(key.range.start), self.line_end(key.range.end));
        let before = self.text.get(start..key.range.start)?;
        let after = self.text.get(key.range.end..line_end)?;
        if before.trim().is_empty() && after.trim() == ":" {
            Place { text: &removed, ..*self }.splice(start..self.next_line(line_end), "")
        } else {
            Some(removed)
        }
    }

    /// The lines of an entry in block style, which must have them for itself.
    fn lines(&self, entry: &Entry) -> Option<Range<usize>> {
        let start = self.line_start(entry.key.range.start);
        let indent = self.indent(entry.key.range.start)?.len();
        let is_block = entry.value.scalar().is_some_and(|scalar| scalar.style == Style::Block);
        if !is_block {
            return Some(start..self.next_line(self.line_end(end(entry))));
        }
        // A block holds the lines below its key that are indented more, and the blank ones between them.
        let mut end = self.next_line(self.line_end(entry.key.range.end));
        let mut at = end;
        while at < self.text.len() {
            let next = self.next_line(self.line_end(at));
            let line = self.text.get(at..next)?;
            if !line.trim().is_empty() {
                if line.len() - line.trim_start_matches(' ').len() <= indent {
                    break;
                }
                end = next;
            }
            at = next;
        }
        Some(start..end)
    }

    /// Adds an entry to a flow mapping; on a line of its own if the last one has one.
    fn add_text(&self, node: &Node, entries: &Mapping, entry: &str) -> Option<String> {
        let Some(last) = own(entries).last() else {
            let open = node.range.start;
            return self.text.get(open..)?.starts_with('{').then(|| self.insert(open + 1, entry))?;
        };
        let start = self.line_start(last.key.range.start);
        let indent = self.text.get(start..last.key.range.start)?;
        let separator = if indent.trim().is_empty() && start > 0 {
            format!(",{}{indent}", self.line_break())
        } else {
            ", ".to_owned()
        };
        self.insert(end(last), &format!("{separator}{entry}"))
    }

    fn entry(&self, key: &str, value: &str) -> String {
        format!("{}: {}", self.scalar(key), self.scalar(value))
    }

    fn scalar(&self, text: &str) -> String {
        if self.json { render::quoted(text) } else { render::yaml(text) }
    }

    fn insert(&self, at: usize, insertion: &str) -> Option<String> {
        self.splice(at..at, insertion)
    }

    fn splice(&self, range: Range<usize>, replacement: &str) -> Option<String> {
        let (before, after) = (self.text.get(..range.start)?, self.text.get(range.end..)?);
        (range.start <= range.end).then(|| [before, replacement, after].concat())
    }

    /// What stands before `at` on its line, if that is blank.
    fn indent(&self, at: usize) -> Option<&str> {
        self.text.get(self.line_start(at)..at).filter(|indent| indent.trim().is_empty())
    }

    /// As many blanks as there are characters before `at` on its line.
    fn column(&self, at: usize) -> String {
        let before = self.text.get(self.line_start(at)..at).unwrap_or_default();
        " ".repeat(before.chars().count())
    }

    fn line_start(&self, at: usize) -> usize {
        self.text.get(..at).and_then(|before| before.rfind(['\n', '\r'])).map_or(0, |at| at + 1)
    }

    fn line_end(&self, at: usize) -> usize {
        self.text.get(at..).and_then(|after| after.find(['\n', '\r'])).map_or(self.text.len(), |length| at + length)
    }

    /// Start of the next line, from the end of one.
    fn next_line(&self, line_end: usize) -> usize {
        let rest = self.text.get(line_end..).unwrap_or_default();
        line_end + if rest.starts_with("\r\n") { 2 } else { usize::from(!rest.is_empty()) }
    }

    fn line_break(&self) -> &'static str {
        if self.text.contains("\r\n") { "\r\n" } else { "\n" }
    }
}

/// Blanks of one level.
const STEP: &str = "  ";

/// Entries that stand in the mapping's own text, not in that of a merged one.
fn own(entries: &Mapping) -> impl DoubleEndedIterator<Item = &Entry> {
    entries.entries.iter().filter(|entry| !entry.value.copied)
}

/// Where an entry's text ends.
fn end(entry: &Entry) -> usize {
    entry.value.range.end.max(entry.key.range.end)
}
