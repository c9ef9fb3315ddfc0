//! Rows of YAML, each put where it belongs.

use super::outline::{Anchor, End, Kind, Level, Outline, Row};

/// Blanks that one level adds.
const STEP: usize = 2;

/// The text with the indentation of its collections made even.
pub(super) fn render(outline: &Outline<'_>, line_break: &str) -> String {
    let layout = Layout::new(&outline.levels);
    let mut rows = outline.rows.as_slice();
    if outline.end == End::Free {
        while let [before @ .., Row::Blank] = rows {
            rows = before;
        }
    }
    let mut lines: Vec<String> = Vec::with_capacity(rows.len());
    // Columns of the row that follows, as it was and as it will be: comments need it.
    let mut next = None;
    for row in rows.iter().rev() {
        lines.push(layout.line(row, next));
        match row {
            Row::Blank | Row::Comment { .. } => {}
            Row::Entry { levels, .. } => {
                next = levels.first().map(|level| (outline.levels[*level].column, layout.columns[*level]));
            }
            Row::Value { owner, column, .. } => next = Some((*column, layout.below(*owner))),
            _ => next = None,
        }
    }
    lines.reverse();
    let mut text = lines.join(line_break);
    if !text.is_empty() && outline.end != End::Open {
        text.push_str(line_break);
    }
    text
}

struct Layout<'o> {
    levels: &'o [Level],
    /// Where each level's keys or dashes will stand.
    columns: Vec<usize>,
}

// === impl Layout ===

impl<'o> Layout<'o> {
    fn new(levels: &'o [Level]) -> Self {
        let mut columns: Vec<usize> = Vec::with_capacity(levels.len());
        for document in levels.chunk_by(|a, b| a.document == b.document) {
            let indent = list_indent(levels, document);
            for level in document {
                let column = match level.parent {
                    None => 0,
                    Some(parent) if levels[parent].kind == Kind::Mapping && level.kind == Kind::Sequence => {
                        columns[parent] + indent
                    }
                    Some(parent) => columns[parent] + STEP,
                };
                columns.push(column);
            }
        }
        Self { levels, columns }
    }

    fn line(&self, row: &Row<'_>, next: Option<(usize, usize)>) -> String {
        match row {
            Row::Blank => String::new(),
            Row::Fixed(text) => (*text).to_owned(),
            Row::Comment { column, text, within } => indented(self.comment(*column, within, next), text),
            Row::Entry { levels, text } => {
                let column = levels.first().map_or(0, |level| self.columns[*level]);
                let dashes = levels.iter().filter(|level| self.levels[**level].kind == Kind::Sequence).count();
                let line = indented(column, &"- ".repeat(dashes));
                if text.is_empty() { line.trim_end().to_owned() } else { line + text }
            }
            Row::Value { owner, text, .. } => indented(self.below(*owner), text),
            Row::Rest { from, column, text } => indented(self.rest(*from, *column), text),
            Row::Block { owner, header, column, text } => {
                let column = owner.map_or(*column, |owner| self.columns[owner] + header.indent.unwrap_or(STEP));
                indented(column, text)
            }
        }
    }

    /// Column of a value below its key or dash.
    fn below(&self, owner: Option<usize>) -> usize {
        owner.map_or(0, |owner| self.columns[owner] + STEP)
    }

    /// Column of a further line of a value: it moves with the line where the value begins.
    fn rest(&self, from: Anchor, column: usize) -> usize {
        match from {
            Anchor::Fixed => column,
            Anchor::Level(level) => (column + self.columns[level]).saturating_sub(self.levels[level].column),
            Anchor::Value { owner, column: first } => {
                let least = self.below(owner);
                (column + least).saturating_sub(first).max(least)
            }
        }
    }

    /// Column of a comment: that of what follows, if they stood in line, else that of the innermost level that it
    /// stood in line with or to the right of.
    fn comment(&self, column: usize, within: &[usize], next: Option<(usize, usize)>) -> usize {
        let levels = within.iter().rev().map(|level| (self.levels[*level].column, self.columns[*level]));
        let near = next.into_iter().chain(levels).filter(|(old, _)| *old <= column);
        // Of several in one column the first counts.
        let nearest = near.reduce(|best, other| if other.0 > best.0 { other } else { best });
        nearest.or(next).map_or(0, |(_, new)| new)
    }
}

/// What the lists of a document are indented by below their key: whatever most of them are.
fn list_indent(levels: &[Level], document: &[Level]) -> usize {
    let lists = document.iter().filter(|level| level.kind == Kind::Sequence);
    let (mut even, mut deeper) = (0, 0);
    for list in lists {
        match list.parent.map(|parent| levels[parent]) {
            Some(parent) if parent.kind == Kind::Mapping && parent.column == list.column => even += 1,
            Some(parent) if parent.kind == Kind::Mapping => deeper += 1,
            _ => {}
        }
    }
    if deeper > even { STEP } else { 0 }
}

fn indented(column: usize, text: &str) -> String {
    format!("{:column$}{text}", "")
}
