//! Layout of files: tidies it without changing what a file says, and repairs a document whose indentation was lost.

use crate::{
    Finding, Level, Position,
    finding::{Code, code},
    json,
    parse::{is_json, parse_file},
    split,
    tree::{Document, limit},
    yaml,
};

mod json_text;
mod layout;
mod outline;
mod reindent;
mod same;
mod scan;
mod shapes;

pub use reindent::reindent;
pub use shapes::fields_of;

#[cfg(test)]
mod tests;

/// A text as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Formatted {
    /// The text; the same as before if there was nothing to do.
    pub text: String,
    /// What the user should know about it.
    pub findings: Vec<Finding>,
}

/// Every code that formatting raises on top of those of reading.
pub const CODES: &[Code] = &[NOT_FORMATTED, TAB, GUESSED];

const NOT_FORMATTED: Code =
    Code { code: "RS190", level: Level::Error, meaning: "a file cannot be formatted; nothing of it was changed" };
const GUESSED: Code = Code {
    code: "RS192",
    level: Level::Info,
    meaning: "a line of a repaired document would suit several places; the likeliest was taken",
};
const TAB: Code = Code { code: "RS191", level: Level::Info, meaning: "a tab stands where a blank belongs" };

/// Tidies a file's text: JSON if `file` ends in `.json`, else YAML.
///
/// YAML: two blanks a level, lists below their key as most of the document has them, no blanks at the end of a line,
/// one line break at the end. Comments, blank lines, order, quotes and spellings stay. JSON: one member or item a
/// line. Formatting twice is formatting once.
///
/// # Errors
/// What keeps the text from being read to its end, or formatted without a risk to its meaning.
pub fn format(file: &str, text: &str) -> Result<Formatted, Vec<Finding>> {
    let before = read(file, text)?;
    if is_json(file) {
        let formatted = json_text::render(text, &before);
        let text = checked(file, text, &before, formatted)?;
        return Ok(Formatted { text, findings: Vec::new() });
    }
    let (bom, content) = match text.strip_prefix('\u{feff}') {
        Some(content) => ("\u{feff}", content),
        None => ("", text),
    };
    let lines: Vec<_> = scan::lines(content).collect();
    let outline = outline::Outline::read(&lines);
    let windows = lines.iter().filter(|(_, line_break)| *line_break == "\r\n").count();
    let line_break = if windows * 2 > lines.len() { "\r\n" } else { "\n" };
    let formatted = checked(file, text, &before, bom.to_owned() + &layout::render(&outline, line_break))?;
    let tabs = outline.tabs.iter().map(|(line, column)| {
        let position = position(file, *line, *column);
        finding(TAB, position, "a tab stands where a blank belongs".into(), "write a blank instead".into())
    });
    let lost =
        parse_file(file, text).findings.into_iter().filter(|finding| finding.code == code::INDENTATION_LOST.code);
    Ok(Formatted { text: formatted, findings: tabs.take(limit::FINDINGS).chain(lost).collect() })
}

/// Reads all documents, or says why one cannot be read.
fn read(file: &str, text: &str) -> Result<Vec<Document>, Vec<Finding>> {
    let documents = documents(file, text);
    if text.len() <= limit::FILE && documents.iter().all(|document| document.problem.is_none()) {
        return Ok(documents);
    }
    Err(unreadable(file, text))
}

fn documents(file: &str, text: &str) -> Vec<Document> {
    match text {
        _ if text.len() > limit::FILE => Vec::new(),
        _ if is_json(file) => json::parse(text),
        _ => split::documents(text).into_iter().map(yaml::parse).collect(),
    }
}

/// The findings that keep a text from being read.
fn unreadable(file: &str, text: &str) -> Vec<Finding> {
    let mut findings = parse_file(file, text).findings;
    let codes = [code::SYNTAX, code::TOO_LARGE, code::INDENTATION_LOST];
    findings.retain(|finding| codes.iter().any(|code| code.code == finding.code));
    if findings.is_empty() {
        let message = "the file cannot be read to its end, so nothing was changed".into();
        findings.push(finding(NOT_FORMATTED, position(file, 1, 1), message, String::new()));
    }
    findings
}

/// `after`, if it says what the text did.
fn checked(file: &str, text: &str, before: &[Document], after: String) -> Result<String, Vec<Finding>> {
    let lines = is_json(file) || same::lines(text, &after);
    if lines && same::documents(before, &documents(file, &after)) {
        return Ok(after);
    }
    let message = "formatting would change what the file says, so nothing was changed".into();
    Err(vec![finding(NOT_FORMATTED, position(file, 1, 1), message, "format it by hand".into())])
}

fn finding(code: Code, position: Position, message: String, hint: String) -> Finding {
    Finding { code: code.code, level: code.level, object: None, path: String::new(), position, message, hint }
}

fn position(file: &str, line: usize, column: usize) -> Position {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Position { file: file.to_owned(), line: number(line), column: number(column) }
}
