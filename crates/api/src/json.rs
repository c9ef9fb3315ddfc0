//! JSON into the positioned tree, strictly (RFC 8259).

use crate::tree::{Document, Entry, Key, Mapping, Mark, Node, Problem, Scalar, Style, Value, limit};

/// Reads the values of a file one after the other; reading ends at the first error.
pub(crate) fn parse(text: &str) -> Vec<Document> {
    let mut reader = Reader { text, at: 0, line: 1, column: 1, counted: 0, depth: 0, nodes: 0 };
    if text.starts_with('\u{feff}') {
        reader.at = '\u{feff}'.len_utf8();
        reader.counted = reader.at;
    }
    let mut documents = Vec::new();
    loop {
        reader.blank();
        if reader.at == text.len() {
            return documents;
        }
        match reader.value() {
            Ok(root) => documents.push(Document { root: Some(root), ..Document::default() }),
            Err(problem) => {
                documents.push(Document { problem: Some(problem), ..Document::default() });
                return documents;
            }
        }
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    line: u32,
    /// Column of the byte `counted`.
    column: u32,
    counted: usize,
    depth: usize,
    nodes: usize,
}

// === impl Reader ===

impl Reader<'_> {
    fn value(&mut self) -> Result<Node, Problem> {
        self.nodes += 1;
        if self.nodes > limit::NODES {
            return Err(self.too_large(format!("more than {} values in one file", limit::NODES)));
        }
        let (mark, start) = (self.mark(), self.at);
        let value = match self.peek() {
            Some('{') => self.nested(Self::object)?,
            Some('[') => self.nested(Self::array)?,
            Some('"') => Value::Scalar(Scalar { text: self.string()?, style: Style::Quoted }),
            Some('-' | '0'..='9' | 't' | 'f' | 'n') => self.word()?,
            _ => return Err(self.unexpected("a value")),
        };
        Ok(Node { value, mark, range: start..self.at, copied: false })
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Value, Problem>) -> Result<Value, Problem> {
        self.depth += 1;
        if self.depth > limit::DEPTH {
            return Err(self.too_large(format!("more than {} nested collections", limit::DEPTH)));
        }
        self.at += 1;
        self.blank();
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn object(&mut self) -> Result<Value, Problem> {
        let mut mapping = Mapping { flow: true, entries: Vec::new() };
        if self.eat('}') {
            return Ok(Value::Mapping(mapping));
        }
        loop {
            self.blank();
            let (mark, start) = (self.mark(), self.at);
            if self.peek() != Some('"') {
                return Err(self.unexpected("a key in double quotes"));
            }
            let text = self.string()?;
            let key = Key { text, mark, range: start..self.at };
            self.blank();
            if !self.eat(':') {
                return Err(self.unexpected("`:`"));
            }
            self.blank();
            let value = self.value()?;
            mapping.entries.push(Entry { key, value });
            self.blank();
            if self.eat('}') {
                return Ok(Value::Mapping(mapping));
            }
            if !self.eat(',') {
                return Err(self.unexpected("`,` or `}`"));
            }
        }
    }

    fn array(&mut self) -> Result<Value, Problem> {
        let mut items = Vec::new();
        if self.eat(']') {
            return Ok(Value::Sequence(items));
        }
        loop {
            self.blank();
            items.push(self.value()?);
            self.blank();
            if self.eat(']') {
                return Ok(Value::Sequence(items));
            }
            if !self.eat(',') {
                return Err(self.unexpected("`,` or `]`"));
            }
        }
    }

    /// A number, `true`, `false` or `null`.
    fn word(&mut self) -> Result<Value, Problem> {
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c))).unwrap_or(rest.len());
        let word = &rest[..end];
        if !matches!(word, "true" | "false" | "null") && serde_json::from_str::<serde_json::Number>(word).is_err() {
            return Err(self.unexpected("a value"));
        }
        let text = word.to_owned();
        self.at += end;
        Ok(Value::Scalar(Scalar { text, style: Style::Plain }))
    }

    /// A string; `at` stands on the opening quote.
    fn string(&mut self) -> Result<String, Problem> {
        let rest = &self.text.as_bytes()[self.at..];
        let mut end = 1;
        loop {
            match rest.get(end) {
                Some(b'"') => break,
                Some(b'\\') => end += 2,
                Some(byte) if *byte >= 0x20 => end += 1,
                _ => return Err(self.problem("not valid JSON: a string is not closed on its line", "close the quote")),
            }
        }
        let quoted = &self.text[self.at..=self.at + end];
        let text = serde_json::from_str(quoted).map_err(|_| {
            self.problem("not valid JSON: a string has an invalid escape", "write a backslash as `\\\\`")
        })?;
        self.at += quoted.len();
        Ok(text)
    }

    fn blank(&mut self) {
        while let Some(c @ (' ' | '\t' | '\n' | '\r')) = self.peek() {
            self.at += 1;
            if c == '\n' {
                self.line += 1;
                self.column = 1;
                self.counted = self.at;
            }
        }
    }

    fn eat(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        if found {
            self.at += c.len_utf8();
        }
        found
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn mark(&mut self) -> Mark {
        let more = self.text[self.counted..self.at].chars().count();
        self.column = self.column.saturating_add(u32::try_from(more).unwrap_or(u32::MAX));
        self.counted = self.at;
        Mark { line: self.line, column: self.column }
    }

    fn unexpected(&mut self, expected: &str) -> Problem {
        let found = match self.peek() {
            Some(c) => format!("`{}`", c.escape_debug()),
            None => "the end of the file".into(),
        };
        self.problem(&format!("not valid JSON: {expected} is expected, {found} was found"), "")
    }

    fn too_large(&mut self, message: String) -> Problem {
        Problem { mark: self.mark(), too_large: true, message, hint: "split the file".into() }
    }

    fn problem(&mut self, message: &str, hint: &str) -> Problem {
        Problem { mark: self.mark(), too_large: false, message: message.into(), hint: hint.into() }
    }
}
