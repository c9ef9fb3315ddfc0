//! Repairs documents whose lines are flush left, by what their kind looks like.

use super::{
    Formatted, GUESSED, NOT_FORMATTED, finding, position, same,
    scan::{self, Form, Inside, Line, after_dash, indent, is_mark, trim_end, trim_start},
    shapes, unreadable,
};
use crate::{
    Finding,
    decode::quoted,
    finding::code,
    kinds::{self, Known},
    names,
    parse::{is_json, parse_file},
    schema::Message,
    split::{self, Chunk},
    tree::limit,
};

mod places;

#[cfg(test)]
mod tests;

use places::{Entry, Given, Item, Next, Places, Spot, Strictness};

/// Gives documents whose indentation was lost (as `RS18` tells) the indentation that their kind wants; others stay as
/// they are, byte by byte.
///
/// Each line goes to the innermost open mapping that knows its key and lacks it, each item to the innermost open list
/// whose items look like it. If something was repaired, the findings are those of the text, and a note on each line
/// that would suit several places.
///
/// # Errors
/// A line that fits nowhere, a kind that is not known, or a text that would still not be read to its end.
pub fn reindent(file: &str, text: &str) -> Result<Formatted, Vec<Finding>> {
    if text.len() > limit::FILE {
        return Err(unreadable(file, text));
    }
    let chunks = if is_json(file) { Vec::new() } else { split::documents(text) };
    let mut repaired = String::with_capacity(text.len() * 2);
    let (mut notes, mut wrong) = (Vec::new(), Vec::new());
    let mut copied = 0;
    for chunk in chunks.into_iter().filter(is_lost) {
        match document(file, chunk) {
            Ok(document) => {
                repaired.push_str(&text[copied..chunk.start]);
                repaired.push_str(&document.text);
                copied = chunk.start + chunk.text.len();
                notes.extend(document.findings);
            }
            Err(findings) => wrong.extend(findings),
        }
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    if copied == 0 {
        return Ok(Formatted { text: text.to_owned(), findings: Vec::new() });
    }
    repaired.push_str(&text[copied..]);
    let mut findings = parse_file(file, &repaired).findings;
    notes.truncate(limit::FINDINGS);
    findings.extend(notes);
    findings.sort_by(|a, b| a.position.cmp(&b.position));
    Ok(Formatted { text: repaired, findings })
}

/// Whether a document's indentation is lost.
fn is_lost(chunk: &Chunk<'_>) -> bool {
    parse_file("", chunk.text).findings.iter().any(|finding| finding.code == code::INDENTATION_LOST.code)
}

fn document(file: &str, chunk: Chunk<'_>) -> Result<Formatted, Vec<Finding>> {
    let lines: Vec<_> = scan::lines(chunk.text).collect();
    let place = |line: usize, text: &str| {
        let number = usize::try_from(chunk.line).unwrap_or(usize::MAX).saturating_add(line);
        position(file, number, indent(text) + 1)
    };
    let refuse = |misfit: Misfit| {
        let text = lines.get(misfit.line).map_or("", |(text, _)| text);
        vec![finding(NOT_FORMATTED, place(misfit.line, text), misfit.message, misfit.hint)]
    };
    let (name, shape) = shape(&lines).map_err(refuse)?;
    let repair = place_all(&lines, name, shape, Strictness::STRICT)
        .or_else(|_| place_all(&lines, name, shape, Strictness::LAX))
        .map_err(refuse)?;
    let fatal = [code::INDENTATION_LOST, code::SYNTAX, code::TOO_LARGE, code::DUPLICATE_KEY];
    let left = parse_file(file, &repair.out).findings;
    if let Some(left) = left.iter().find(|finding| fatal.iter().any(|code| code.code == finding.code)) {
        let line = usize::try_from(left.position.line).map_or(0, |line| line.saturating_sub(1));
        let message = format!("the repaired document would still be broken here: {}", left.message);
        return Err(refuse(Misfit { line, message, hint: BY_HAND.into() }));
    }
    if !same::lines(chunk.text, &repair.out) {
        return Err(refuse(Misfit {
            line: 0,
            message: "the document cannot be repaired".into(),
            hint: BY_HAND.into(),
        }));
    }
    let repaired: Vec<_> = scan::lines(&repair.out).collect();
    let mut guesses: Vec<_> =
        repair.made.iter().filter(|choice| choice.choices > 1).map(|choice| choice.line).collect();
    guesses.dedup();
    let guess = |line: usize| {
        let text = repaired.get(line).map_or("", |(text, _)| text);
        let mut rest = trim_start(text);
        while let Some(item) = after_dash(rest) {
            rest = trim_start(item);
        }
        let what = scan::entry(rest).map_or("this item".into(), |entry| quoted(entry.key));
        let message = format!("{what} would suit several places; the likeliest was taken");
        finding(GUESSED, place(line, text), message, "check that it stands where it is meant to".into())
    };
    let findings = guesses.into_iter().map(guess).collect();
    Ok(Formatted { findings, text: repair.out })
}

/// How often the lines of a document are placed, on average, before trying ends.
const TRIALS: usize = 100;
/// Most lines that are placed for one document before trying ends.
const STEPS: usize = 200_000;

/// Places all lines. Where one fits nowhere, the last line before it that has another place goes there instead.
fn place_all<'l, 't>(
    lines: &'l [Line<'t>],
    name: &'t str,
    shape: &'static Message,
    strictness: Strictness,
) -> Result<Repair<'l, 't>, Misfit> {
    let mut turns: Vec<Choice> = Vec::new();
    let mut first = None;
    let mut steps = 0;
    loop {
        let mut repair = Repair {
            lines,
            next: 0,
            waiting: 0,
            places: Places::new(shape, strictness),
            name,
            turns,
            made: Vec::new(),
            out: String::new(),
        };
        let Err(misfit) = repair.run() else { return Ok(repair) };
        steps += repair.next + 1;
        turns = repair.made;
        let first = first.get_or_insert(misfit);
        while turns.last().is_some_and(|choice| choice.turn + 1 == choice.choices) {
            turns.pop();
        }
        match turns.last_mut() {
            Some(choice) if steps < STEPS.min(TRIALS * lines.len()) => choice.turn += 1,
            _ => return Err(first.clone()),
        }
    }
}

const BY_HAND: &str = "indent this document by hand";

/// A line that cannot be placed.
#[derive(Clone)]
struct Misfit {
    /// Its index in the document.
    line: usize,
    message: String,
    hint: String,
}

/// The name and shape of a document's kind.
fn shape<'t>(lines: &[Line<'t>]) -> Result<(&'t str, &'static Message), Misfit> {
    let values = |key: &'static str| {
        lines.iter().enumerate().filter_map(move |(number, (line, _))| {
            let text = trim_start(line);
            let entry = scan::entry(text).filter(|entry| entry.key == key)?;
            let value = trim_end(scan::plain(trim_start(&text[entry.end..])));
            Some((number, value.trim_matches(['"', '\''])))
        })
    };
    let version = values("apiVersion").next().map_or("", |(_, version)| version);
    let served = values("kind").find_map(|(_, name)| match kinds::look_up(version, name) {
        Known::Served(kind) | Known::Version(kind, _) => Some((name, shapes::object(kind))),
        Known::Elsewhere | Known::Unknown { .. } => None,
    });
    served.ok_or_else(|| {
        let (line, message) = match values("kind").next() {
            Some((line, name)) => (line, format!("it is not known what a {} looks like", quoted(name))),
            None => (0, "the document names no `kind`".into()),
        };
        Misfit { line, message, hint: BY_HAND.into() }
    })
}

/// A document on its way.
struct Repair<'l, 't> {
    lines: &'l [Line<'t>],
    /// Index of the line to read next.
    next: usize,
    /// Number of lines before it, blank or comments, that wait for its column.
    waiting: usize,
    places: Places,
    /// The kind.
    name: &'t str,
    /// Choices to make, in order; the first of all others.
    turns: Vec<Choice>,
    /// Those that were made.
    made: Vec<Choice>,
    out: String,
}

/// A dash or key with one of its places.
#[derive(Clone, Copy, Debug)]
struct Choice {
    /// Index of its line.
    line: usize,
    turn: usize,
    choices: usize,
}

// === impl Repair ===

impl<'t> Repair<'_, 't> {
    fn run(&mut self) -> Result<(), Misfit> {
        while let Some(&(line, _)) = self.lines.get(self.next) {
            let text = trim_start(line);
            if is_mark(line) || line.starts_with('%') {
                if is_mark(line) && !is_blank(line.get(3..).unwrap_or_default()) {
                    return Err(self.misfit("a value stands behind the document mark", BY_HAND));
                }
                self.write(0, trim_end(line));
            } else if is_blank(text) {
                (self.next, self.waiting) = (self.next + 1, self.waiting + 1);
            } else {
                self.content(text, indent(line))?;
            }
        }
        self.write_waiting(0);
        Ok(())
    }

    /// Places the line `text`, which stood at `from`.
    fn content(&mut self, text: &'t str, from: usize) -> Result<(), Misfit> {
        let (mut rest, mut at, mut dashes) = (text, from, 0);
        let mut first = None;
        while let Some(after) = after_dash(rest) {
            let inner = trim_start(after);
            at += rest.len() - inner.len();
            rest = inner;
            let placed = match self.item(rest) {
                Some(item) if is_below(rest) => self.places.dash(item, (from, at), self.turn()),
                Some(item) => self.places.item(item, (from, at), self.turn()),
                None => None,
            };
            let expected = first.map(|first: usize| first + 2 * dashes);
            let spot = placed.filter(|spot| expected.is_none_or(|expected| expected == spot.column));
            let Some(spot) = spot else {
                return Err(match scan::entry(rest) {
                    Some(entry) => self.homeless(entry.key),
                    None => self.misfit(&format!("this item fits into no list of this {}", self.name), BY_HAND),
                });
            };
            self.note(spot);
            first = first.or(Some(spot.column));
            dashes += 1;
        }
        let entry = scan::entry(rest);
        let (column, owner) = match (first, entry) {
            (Some(first), Some(_)) => (first, first + 2 * dashes),
            (Some(first), None) => (first, first + 2 * (dashes - 1)),
            (None, Some(entry)) => {
                let given = Entry { key: entry.key, value: self.given(&rest[entry.end..]) };
                let spot =
                    self.places.entry(given, (from, from), self.turn()).ok_or_else(|| self.homeless(entry.key))?;
                self.note(spot);
                (spot.column, spot.column)
            }
            (None, None) => {
                let column = self.places.value(scan::value(rest).0).ok_or_else(|| {
                    self.misfit("this line has no key and belongs to none before it", "check the `:` after the key")
                })?;
                (column, column.saturating_sub(2))
            }
        };
        let line = "- ".repeat(dashes) + rest;
        let value = entry.map_or(rest, |entry| &rest[entry.end..]);
        self.value(column, &line, value, owner)
    }

    /// Writes a line and those that its value goes on for.
    fn value(&mut self, column: usize, line: &str, value: &'t str, owner: usize) -> Result<(), Misfit> {
        let (form, start) = scan::value(value);
        let value = &value[start..];
        let mut open = None;
        if let (Form::Quoted | Form::FlowMap | Form::FlowList, Some((mut inside, begin))) = (form, Inside::begin(value))
        {
            open = if inside.close(&value[begin..]).is_some() { None } else { Some(inside) };
        }
        self.write(column, ending(open, line));
        while let Some(mut inside) = open {
            let Some(&(line, _)) = self.lines.get(self.next).filter(|(line, _)| !is_mark(line)) else {
                self.next -= 1;
                return Err(self.misfit("a quote or bracket is not closed", "close it"));
            };
            open = if inside.close(line).is_some() { None } else { Some(inside) };
            self.write(owner + 2, ending(open, trim_start(line)));
        }
        match form {
            Form::Block(header) => self.block(header, owner),
            _ => Ok(()),
        }
    }

    /// Copies the content of a block scalar, which must have kept an indentation of its own.
    fn block(&mut self, header: scan::Header, owner: usize) -> Result<(), Misfit> {
        let header_line = self.next - 1;
        let header_indent = self.lines.get(header_line).map_or(0, |(line, _)| indent(line));
        let rest = self.lines.get(self.next..).unwrap_or_default();
        let blanks = |line: &str| line.len() - line.trim_start_matches(' ').len();
        let Some((line, _)) = rest.iter().find(|(line, _)| !trim_start(line).is_empty()) else { return Ok(()) };
        let column = blanks(line);
        if column <= header_indent || header.indent.is_some() {
            self.next = header_line;
            let message = "the indentation of the text below this line is lost, too";
            return Err(self.misfit(message, "indent the text below it by two blanks more than this line"));
        }
        while let Some(&(line, _)) = self.lines.get(self.next) {
            if blanks(line) < column && !trim_start(line).is_empty() || is_mark(line) {
                break;
            }
            self.write(owner + 2, line.get(column..).unwrap_or_default());
        }
        Ok(())
    }

    /// What stands behind a dash.
    fn item(&self, text: &'t str) -> Option<Item<'t>> {
        let text = if is_below(text) { self.below()? } else { text };
        if after_dash(text).is_some() {
            return Some(Item::Dash);
        }
        Some(match scan::entry(text) {
            Some(entry) => Item::Entry(Entry { key: entry.key, value: self.given(&text[entry.end..]) }),
            None => Item::Value(scan::value(text).0),
        })
    }

    /// What is given to a key.
    fn given(&self, text: &'t str) -> Given<'t> {
        if !is_below(text) {
            return Given::Here(scan::value(text).0);
        }
        let Some(below) = self.below() else { return Given::Nested(Next::Nothing) };
        let mut rest = below;
        while let Some(item) = after_dash(rest) {
            rest = trim_start(item);
        }
        match scan::entry(rest).map(|entry| entry.key) {
            key if rest.len() < below.len() => Given::Nested(Next::Item(key)),
            Some(key) => Given::Nested(Next::Entry(key)),
            None => Given::Below(scan::value(below).0),
        }
    }

    /// The line below, without blank lines and comments.
    fn below(&self) -> Option<&'t str> {
        let lines = self.lines.get(self.next + 1..).unwrap_or_default();
        let line = lines.iter().map(|(line, _)| *line).find(|line| !is_blank(line))?;
        (!is_mark(line)).then(|| trim_end(trim_start(line)))
    }

    fn write(&mut self, column: usize, text: &str) {
        self.write_waiting(column);
        let lines = self.lines;
        if let Some((_, line_break)) = lines.get(self.next) {
            self.push(column, text, line_break);
        }
        self.next += 1;
    }

    fn write_waiting(&mut self, column: usize) {
        let lines = self.lines;
        for (line, line_break) in &lines[self.next - self.waiting..self.next] {
            self.push(column, trim_end(trim_start(line)), line_break);
        }
        self.waiting = 0;
    }

    fn push(&mut self, column: usize, text: &str, line_break: &str) {
        if !text.is_empty() {
            self.out.extend(std::iter::repeat_n(' ', column));
        }
        self.out.extend([text, line_break]);
    }

    /// Which of its places the next dash or key is to go to.
    fn turn(&self) -> usize {
        self.turns.get(self.made.len()).map_or(0, |choice| choice.turn)
    }

    fn note(&mut self, spot: Spot) {
        let turn = self.turn();
        self.made.push(Choice { line: self.next, turn, choices: spot.choices });
    }

    fn homeless(&self, key: &str) -> Misfit {
        let hint = match names::nearest(key, self.places.lacking()) {
            _ if ["apiVersion", "kind", "metadata", "spec"].contains(&key) => "is a `---` missing before it?".into(),
            _ if self.places.has(key) => "it is there already: is a `- ` missing before it?".into(),
            Some(near) => format!("did you mean `{near}`?"),
            None => BY_HAND.into(),
        };
        self.misfit(&format!("{} fits nowhere in this {}", quoted(key), self.name), &hint)
    }

    fn misfit(&self, message: &str, hint: &str) -> Misfit {
        Misfit { line: self.next, message: message.into(), hint: hint.into() }
    }
}

/// `text` without blanks at its end, unless they belong to a quoted scalar that is open.
fn ending(open: Option<Inside>, text: &str) -> &str {
    if open.is_some_and(|inside| inside.is_quoted()) { text } else { trim_end(text) }
}

fn is_blank(text: &str) -> bool {
    let text = trim_start(text);
    text.is_empty() || text.starts_with('#')
}

/// Whether a dash or key with `text` behind it has its value below.
fn is_below(text: &str) -> bool {
    after_dash(text).is_none() && scan::entry(text).is_none() && scan::value(text).0 == Form::Empty
}
