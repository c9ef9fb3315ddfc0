//! The rows of a YAML text and the collections that they belong to.

use super::scan::{
    self, Chomping, Form, Inside, Line, after_dash, entry, indent, is_mark, trim_end, trim_start, value,
};

/// A text that reads without an error, row by row.
#[derive(Debug, Default)]
pub(super) struct Outline<'t> {
    pub(super) rows: Vec<Row<'t>>,
    pub(super) levels: Vec<Level>,
    /// Line and column, from 1, of each tab that stands where blanks belong.
    pub(super) tabs: Vec<(usize, usize)>,
    /// How the text ends.
    pub(super) end: End,
}

/// How a text ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum End {
    /// Blank lines and breaks at its end mean nothing.
    #[default]
    Free,
    /// It ends inside a block scalar, and the blank lines and the break at its end are content.
    Kept,
    /// The same, and a break at its end would be content, too.
    Open,
}

/// A collection in block style.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level {
    pub(super) parent: Option<usize>,
    pub(super) kind: Kind,
    /// Column, from 0, where its keys or dashes stand.
    pub(super) column: usize,
    /// Number of document marks before it.
    pub(super) document: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Mapping,
    Sequence,
}

/// A line; texts are without the blanks before them.
#[derive(Debug)]
pub(super) enum Row<'t> {
    Blank,
    /// A document mark or directive.
    Fixed(&'t str),
    Comment {
        column: usize,
        text: &'t str,
        /// Levels that are open before it, outermost first.
        within: Vec<usize>,
    },
    /// Items or an entry: the level of each dash, then that of the key, if there is one.
    Entry {
        levels: Vec<usize>,
        text: &'t str,
    },
    /// A value below its key or dash.
    Value {
        owner: Option<usize>,
        column: usize,
        text: &'t str,
    },
    /// A scalar or flow collection goes on.
    Rest {
        from: Anchor,
        column: usize,
        text: &'t str,
    },
    /// A line of a block scalar: blanks that are content, and text.
    Block {
        owner: Option<usize>,
        header: scan::Header,
        /// Column of the scalar's content.
        column: usize,
        text: &'t str,
    },
}

/// What the lines of a value move with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Anchor {
    /// Nothing: it is the document.
    Fixed,
    Level(usize),
    /// A value below its key or dash, whose first line stood at `column`.
    Value {
        owner: Option<usize>,
        column: usize,
    },
}

// === impl Outline ===

impl<'t> Outline<'t> {
    pub(super) fn read(lines: &[Line<'t>]) -> Self {
        let mut reader = Reader::default();
        for (number, (line, _)) in lines.iter().enumerate() {
            (reader.line, reader.number) = (line, number + 1);
            reader.read(line);
        }
        let is_closed = lines.last().is_none_or(|(_, line_break)| !line_break.is_empty());
        let chomping = match reader.open {
            Some(Open::Block(Block { header, .. })) => header.chomping,
            _ => Chomping::Strip,
        };
        reader.outline.end = match chomping {
            Chomping::Keep | Chomping::Clip if !is_closed => End::Open,
            Chomping::Keep => End::Kept,
            Chomping::Clip | Chomping::Strip => End::Free,
        };
        reader.outline
    }
}

#[derive(Default)]
struct Reader<'t> {
    outline: Outline<'t>,
    /// Open levels, outermost first.
    stack: Vec<usize>,
    open: Option<Open>,
    document: usize,
    /// The line that is read.
    line: &'t str,
    /// Its number, from 1.
    number: usize,
}

/// A scalar or flow collection that is not complete.
#[derive(Clone, Copy)]
enum Open {
    Inside(Inside, Anchor),
    /// A plain scalar; it goes on as long as lines stand to the right of its owner.
    Plain(Option<usize>, Anchor),
    Block(Block),
}

#[derive(Clone, Copy)]
struct Block {
    owner: Option<usize>,
    header: scan::Header,
    /// Column of its content, when it is known.
    column: Option<usize>,
}

// === impl Reader ===

impl<'t> Reader<'t> {
    fn read(&mut self, line: &'t str) {
        if is_mark(line) {
            return self.mark(line);
        }
        if self.goes_on(line) {
            return;
        }
        self.open = None;
        let column = indent(line);
        let text = trim_end(trim_start(line));
        if text.is_empty() {
            self.outline.rows.push(Row::Blank);
        } else if text.starts_with('#') {
            self.outline.rows.push(Row::Comment { column, text, within: self.stack.clone() });
        } else if text.starts_with('%') && column == 0 && self.stack.is_empty() {
            self.outline.rows.push(Row::Fixed(text));
        } else {
            self.content(line, column);
        }
    }

    fn mark(&mut self, line: &'t str) {
        self.open = None;
        self.stack.clear();
        self.document += 1;
        let rest = line.strip_prefix("---").unwrap_or_default();
        self.value(rest, None, Anchor::Fixed);
        self.outline.rows.push(Row::Fixed(self.ending(line)));
    }

    /// Takes a line that belongs to what is open.
    fn goes_on(&mut self, line: &'t str) -> bool {
        let column = indent(line);
        let blank = trim_start(line).is_empty();
        match self.open {
            None => return false,
            Some(Open::Inside(mut inside, from)) => {
                let end = inside.close(line);
                self.open = if end.is_some() { None } else { Some(Open::Inside(inside, from)) };
                let text = self.ending(trim_start(line));
                self.outline.rows.push(if text.is_empty() { Row::Blank } else { Row::Rest { from, column, text } });
            }
            Some(Open::Plain(owner, from)) => {
                let text = trim_end(trim_start(line));
                if blank {
                    self.outline.rows.push(Row::Blank);
                } else if text.starts_with('#')
                    || owner.is_some_and(|owner| column <= self.outline.levels[owner].column)
                {
                    return false;
                } else {
                    self.outline.rows.push(Row::Rest { from, column, text });
                }
            }
            Some(Open::Block(Block { owner, header, column: None })) => {
                // Only blanks indent a block scalar; a tab is content.
                let column = line.len() - line.trim_start_matches(' ').len();
                let least = owner.map_or(0, |owner| self.outline.levels[owner].column + 1);
                if line.trim_start_matches(' ').is_empty() {
                    self.outline.rows.push(Row::Blank);
                    return true;
                }
                if column < least {
                    return false;
                }
                self.open = Some(Open::Block(Block { owner, header, column: Some(column) }));
                return self.goes_on(line);
            }
            Some(Open::Block(Block { owner, header, column: Some(column) })) => {
                let blanks = line.len() - line.trim_start_matches(' ').len();
                if blanks < column && blanks < line.len() {
                    return false;
                }
                let text = line.get(column..).unwrap_or_default();
                let block = Row::Block { owner, header, column, text };
                self.outline.rows.push(if text.is_empty() { Row::Blank } else { block });
            }
        }
        true
    }

    fn content(&mut self, line: &'t str, column: usize) {
        let mut text = trim_start(line);
        let mut at = column;
        let mut levels: Vec<usize> = Vec::new();
        while let Some(rest) = after_dash(text) {
            levels.push(if levels.is_empty() {
                self.level(Kind::Sequence, at)
            } else {
                self.inner(Kind::Sequence, at)
            });
            let inner = trim_start(rest);
            at += text.len() - inner.len();
            text = inner;
        }
        let mut value = text;
        if let Some(entry) = entry(text) {
            levels.push(if levels.is_empty() { self.level(Kind::Mapping, at) } else { self.inner(Kind::Mapping, at) });
            value = &text[entry.end..];
            self.tab(value);
        }
        if let Some(&owner) = levels.last() {
            self.value(value, Some(owner), Anchor::Level(owner));
            let text = self.ending(text);
            self.outline.rows.push(Row::Entry { levels, text });
            return;
        }
        while self.stack.last().is_some_and(|level| self.outline.levels[*level].column >= column) {
            self.stack.pop();
        }
        let owner = self.stack.last().copied();
        self.value(value, owner, Anchor::Value { owner, column });
        let text = self.ending(text);
        self.outline.rows.push(Row::Value { owner, column, text });
    }

    /// The level that a dash or key at the start of a line belongs to.
    fn level(&mut self, kind: Kind, column: usize) -> usize {
        while let Some(top) = self.stack.last().map(|top| self.outline.levels[*top]) {
            let ends = top.kind == Kind::Sequence && kind == Kind::Mapping;
            if top.column < column || (top.column == column && !ends) {
                break;
            }
            self.stack.pop();
        }
        let same = |top: &usize| {
            let top = &self.outline.levels[*top];
            top.column == column && top.kind == kind
        };
        match self.stack.last().copied().filter(same) {
            Some(top) => top,
            None => self.inner(kind, column),
        }
    }

    /// A new level below the innermost one.
    fn inner(&mut self, kind: Kind, column: usize) -> usize {
        let parent = self.stack.last().copied();
        let level = self.outline.levels.len();
        self.outline.levels.push(Level { parent, kind, column, document: self.document });
        self.stack.push(level);
        level
    }

    /// Begins the value that `text` holds.
    fn value(&mut self, text: &'t str, owner: Option<usize>, from: Anchor) {
        let (form, start) = value(text);
        let rest = &text[start..];
        self.open = match form {
            Form::Empty => None,
            Form::Block(header) => {
                let base = owner.map(|owner| self.outline.levels[owner].column);
                let column = header.indent.map(|indent| base.map_or(0, |base| base + indent));
                Some(Open::Block(Block { owner, header, column }))
            }
            Form::Null | Form::Alias | Form::Plain => {
                let end = trim_end(scan::plain(rest)).len();
                let after = &rest[end..];
                self.tab(after);
                let goes_on = trim_start(after).is_empty();
                goes_on.then_some(Open::Plain(owner, from))
            }
            Form::Quoted | Form::FlowMap | Form::FlowList => Inside::begin(rest).and_then(|(mut inside, begin)| {
                let end = inside.close(&rest[begin..]);
                if let Some(end) = end {
                    self.tab(&rest[begin + end..]);
                }
                end.is_none().then_some(Open::Inside(inside, from))
            }),
        };
    }

    /// `text` without blanks at its end, unless they belong to a scalar.
    fn ending(&self, text: &'t str) -> &'t str {
        match self.open {
            Some(Open::Inside(inside, _)) if inside.is_quoted() => text,
            _ => trim_end(text),
        }
    }

    /// Notes a tab among the blanks that `rest`, the end of the line, begins with.
    fn tab(&mut self, rest: &str) {
        let gap = &rest[..rest.len() - trim_start(rest).len()];
        if let (true, Some(tab)) = (gap.len() < rest.len(), gap.find('\t')) {
            let before = &self.line[..self.line.len() - rest.len() + tab];
            self.outline.tabs.push((self.number, before.chars().count() + 1));
        }
    }
}
