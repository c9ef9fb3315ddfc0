//! Cuts text at YAML's document marks, so that an error in one document never loses its neighbours.

/// One document's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Chunk<'t> {
    pub(crate) text: &'t str,
    /// Byte in the file where it begins.
    pub(crate) start: usize,
    /// Line of the file where it begins, from 1.
    pub(crate) line: u32,
}

/// A line that begins with `---` or `...` ends a document wherever it stands, also inside quotes and block
/// scalars (YAML 1.2.2, 9.1.2), so cutting needs no parsing.
pub(crate) fn documents(text: &str) -> Vec<Chunk<'_>> {
    let mut chunks = Vec::new();
    let mut current = Chunk { text: "", start: 0, line: 1 };
    if text.starts_with('\u{feff}') {
        current.start = '\u{feff}'.len_utf8();
    }
    let mut directives = Directives::Possible;
    let mut line = 1;
    let mut at = current.start;
    while at < text.len() {
        let rest = &text[at..];
        let length = line_length(rest);
        let content = &rest[..length];
        if is_mark(content, "---") {
            if directives != Directives::Only {
                push(&mut chunks, text, current, at);
                current = Chunk { text: "", start: at, line };
            }
            directives = Directives::No;
        } else if is_mark(content, "...") && is_blank(&content["...".len()..]) {
            push(&mut chunks, text, current, at);
            current = Chunk { text: "", start: at + length, line: line + 1 };
            directives = Directives::Possible;
        } else if directives != Directives::No {
            if content.starts_with('%') {
                directives = Directives::Only;
            } else if !content.trim_start().is_empty() && !content.trim_start().starts_with('#') {
                directives = Directives::No;
            }
        }
        at += length;
        line += 1;
    }
    push(&mut chunks, text, current, text.len());
    chunks
}

/// Whether the lines before a `---` belong to the document after it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Directives {
    /// Blank lines and comments so far.
    Possible,
    /// `%YAML` or `%TAG` was seen, and no content.
    Only,
    /// There is content.
    No,
}

fn push<'t>(chunks: &mut Vec<Chunk<'t>>, text: &'t str, mut chunk: Chunk<'t>, end: usize) {
    chunk.text = &text[chunk.start..end];
    let blank = chunk.text.split(['\n', '\r']).all(|line| is_blank(line) || line.trim_end() == "---");
    if !blank {
        chunks.push(chunk);
    }
}

/// Length of the first line with its line break (LF, CR LF or CR).
fn line_length(text: &str) -> usize {
    match text.find(['\n', '\r']) {
        Some(at) if text[at..].starts_with("\r\n") => at + 2,
        Some(at) => at + 1,
        None => text.len(),
    }
}

fn is_blank(text: &str) -> bool {
    let text = text.trim();
    text.is_empty() || text.starts_with('#')
}

fn is_mark(line: &str, mark: &str) -> bool {
    line.strip_prefix(mark).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\n', '\r']))
}

#[cfg(test)]
mod tests;
