//! YAML that stands as text inside of a scalar, with the places that it has in the file.

use crate::{
    decode::{Decoder, Field},
    document,
    finding::code,
    shape, split,
    tree::{Mark, Node, Style, Value},
    yaml,
};

/// The tree in the text of `field`; nothing if there is none, or after a report.
pub(crate) fn read(decoder: &mut Decoder<'_>, field: &Field<'_>) -> Option<Node> {
    let text = decoder.text(field)?;
    let places = Places::new(field.node, decoder.source, text);
    let chunks = split::documents(text);
    if let [_, second, ..] = chunks[..] {
        let mark = places.at(Mark { line: second.line, column: 1 });
        let message = "a second document begins inside of the text";
        decoder.report_at(code::BAD_VALUE, &field.path, mark, message, "keep one, without `---`");
    }
    let document = yaml::parse(*chunks.first()?);
    if let Some(problem) = document.problem {
        let code = if problem.too_large { code::TOO_LARGE } else { code::SYNTAX };
        decoder.report_at(code, &field.path, places.at(problem.mark), problem.message, problem.hint);
        return None;
    }
    let mut root = document.root.filter(|root| !root.is_null())?;
    places.put(&mut root);
    shape::repeated_below(decoder, &root, &field.path);
    document::places(&root, &field.path, &mut decoder.embedded);
    Some(root)
}

/// Where each character of a scalar's text stands in the file.
struct Places {
    /// Character of the text with which each line begins.
    lines: Vec<usize>,
    /// By character of the text.
    marks: Vec<Mark>,
    /// Of the scalar.
    start: Mark,
}

// === impl Places ===

impl Places {
    /// Follows the scalar's source: however it is quoted or folded, characters that are no white space stand in
    /// the same order in it and in its text.
    fn new(node: &Node, file: &str, text: &str) -> Self {
        let mut places = Self { lines: vec![0], marks: Vec::new(), start: node.mark };
        let source = file.get(node.range.clone()).unwrap_or_default();
        let mut written = written(source, node).into_iter().peekable();
        let mut last = node.mark;
        for (index, c) in text.chars().enumerate() {
            if c == '\n' {
                places.lines.push(index + 1);
            }
            let next = written.peek().copied();
            match next {
                _ if is_white(c) => last = next.map_or(last, |(_, mark)| mark),
                Some((same, mark)) if same == c => {
                    last = mark;
                    written.next();
                }
                // Not as thought: better no column than a wrong one.
                _ => return Self { marks: Vec::new(), ..places },
            }
            places.marks.push(last);
        }
        places
    }

    /// From a place in the text to one in the file.
    fn at(&self, inner: Mark) -> Mark {
        let line = usize::try_from(inner.line).unwrap_or(usize::MAX).saturating_sub(1);
        let column = usize::try_from(inner.column).unwrap_or(usize::MAX).saturating_sub(1);
        let index = self.lines.get(line).map_or(usize::MAX, |start| start.saturating_add(column));
        self.marks.get(index).or(self.marks.last()).copied().unwrap_or(self.start)
    }

    /// Moves a tree to its places in the file.
    fn put(&self, node: &mut Node) {
        node.mark = self.at(node.mark);
        match &mut node.value {
            Value::Scalar(_) => {}
            Value::Sequence(items) => items.iter_mut().for_each(|item| self.put(item)),
            Value::Mapping(mapping) => {
                for entry in &mut mapping.entries {
                    entry.key.mark = self.at(entry.key.mark);
                    self.put(&mut entry.value);
                }
            }
        }
    }
}

/// Characters of a scalar's source that are no white space in its text, each with its place.
fn written(source: &str, node: &Node) -> Vec<(char, Mark)> {
    let mut cursor = Cursor { rest: source, mark: node.mark };
    let mut written = Vec::new();
    let is_block = node.scalar().is_some_and(|scalar| scalar.style == Style::Block);
    let quote = cursor.peek().filter(|quote| !is_block && matches!(quote, '"' | '\''));
    if is_block && matches!(cursor.peek(), Some('|' | '>')) {
        let header = cursor.mark.line;
        while cursor.mark.line == header && cursor.next().is_some() {}
    } else if quote.is_some() {
        cursor.next();
    }
    while let Some((c, mark)) = cursor.next() {
        let c = match (quote, c) {
            (Some('"'), '\\') => cursor.escape(),
            (Some('"'), '"') => break,
            (Some('\''), '\'') if cursor.peek() != Some('\'') => break,
            (Some('\''), '\'') => cursor.next().map(|(c, _)| c),
            _ => Some(c),
        };
        written.extend(c.filter(|c| !is_white(*c)).map(|c| (c, mark)));
    }
    written
}

fn is_white(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// A place in the file's text.
struct Cursor<'t> {
    rest: &'t str,
    mark: Mark,
}

// === impl Cursor ===

impl Cursor<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<(char, Mark)> {
        let (c, mark) = (self.peek()?, self.mark);
        self.rest = &self.rest[c.len_utf8()..];
        if c == '\n' || c == '\r' && self.peek() != Some('\n') {
            self.mark = Mark { line: mark.line.saturating_add(1), column: 1 };
        } else {
            self.mark.column = mark.column.saturating_add(1);
        }
        Some((c, mark))
    }

    /// What an escape in double quotes stands for, in YAML or JSON; nothing if it is half of a pair.
    fn escape(&mut self) -> Option<char> {
        let (kind, _) = self.next()?;
        let digits = match kind {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            '0' => return Some('\0'),
            'a' => return Some('\u{7}'),
            'b' => return Some('\u{8}'),
            't' | 'n' | 'r' => return Some(' '),
            'v' => return Some('\u{b}'),
            'f' => return Some('\u{c}'),
            'e' => return Some('\u{1b}'),
            'N' => return Some('\u{85}'),
            '_' => return Some('\u{a0}'),
            'L' => return Some('\u{2028}'),
            'P' => return Some('\u{2029}'),
            c => return Some(c),
        };
        let number = self.hexadecimal(digits)?;
        if !(0xd800..0xdc00).contains(&number) || !self.rest.starts_with("\\u") {
            return char::from_u32(number);
        }
        self.next();
        self.next();
        let low = self.hexadecimal(4)?;
        char::from_u32(0x1_0000 + ((number - 0xd800) << 10) + low.checked_sub(0xdc00)?)
    }

    fn hexadecimal(&mut self, digits: usize) -> Option<u32> {
        let mut number: u32 = 0;
        for _ in 0..digits {
            number = number.checked_mul(16)?.checked_add(self.next()?.0.to_digit(16)?)?;
        }
        Some(number)
    }
}

#[cfg(test)]
mod tests;
