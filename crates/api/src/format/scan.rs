//! What one line of YAML holds, as far as its layout depends on it.

/// A line without its break, and the break.
pub(super) type Line<'t> = (&'t str, &'t str);

/// `key: …` on a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry<'t> {
    /// The key as it is written, without properties and quotes.
    pub(super) key: &'t str,
    /// Byte after the colon.
    pub(super) end: usize,
}

/// How a value begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// It is not on this line; there may be an anchor or a tag.
    Empty,
    Null,
    Alias,
    Plain,
    Quoted,
    FlowMap,
    FlowList,
    Block(Header),
}

/// Header of a block scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Its indentation indicator.
    pub(super) indent: Option<usize>,
    pub(super) chomping: Chomping,
}

/// What becomes of the line breaks at the end of a block scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chomping {
    Strip,
    /// One stays, if there is one.
    Clip,
    Keep,
}

/// A quoted scalar or flow collection that may go on for several lines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inside {
    quote: Option<char>,
    /// Brackets that are open.
    depth: usize,
    /// Whether a token may begin here.
    fresh: bool,
}

/// The lines of a text; a break at its end begins no further line.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.find(['\n', '\r']).unwrap_or(rest.len());
        let (line, after) = rest.split_at(end);
        let length = if after.starts_with("\r\n") { 2 } else { after.len().min(1) };
        let (line_break, next) = after.split_at(length);
        rest = next;
        Some((line, line_break))
    })
}

/// Whether the line is a document mark. Such a line ends whatever is open.
pub(super) fn is_mark(line: &str) -> bool {
    let mark = |mark| line.strip_prefix(mark).is_some_and(|rest: &str| rest.is_empty() || rest.starts_with(BLANKS));
    mark("---") || mark("...")
}

/// Blanks before the first character that is none.
pub(super) fn indent(line: &str) -> usize {
    line.chars().take_while(|c| BLANKS.contains(c)).count()
}

pub(super) fn trim_start(text: &str) -> &str {
    text.trim_start_matches(BLANKS)
}

pub(super) fn trim_end(text: &str) -> &str {
    text.trim_end_matches(BLANKS)
}

/// What follows the `-` of a list item.
pub(super) fn after_dash(text: &str) -> Option<&str> {
    text.strip_prefix('-').filter(|rest| rest.is_empty() || rest.starts_with(BLANKS))
}

/// Reads `key:` at the start of `text`.
pub(super) fn entry(text: &str) -> Option<Entry<'_>> {
    let start = properties(text);
    let rest = text.get(start..)?;
    let (key, colon) = if rest.starts_with(['"', '\'']) {
        let (mut inside, begin) = Inside::begin(rest)?;
        let end = begin + inside.close(rest.get(begin..)?)?;
        let after = rest.get(end..)?;
        (rest.get(1..end - 1)?, end + after.len() - trim_start(after).len())
    } else {
        if rest.starts_with(['{', '[', '#', '|', '>']) || after_dash(rest).is_some() {
            return None;
        }
        let colon = plain(rest).match_indices(':').map(|(at, _)| at).find(|at| is_separate(rest, at + 1))?;
        (trim_end(rest.get(..colon)?), colon)
    };
    let is_entry = rest.get(colon..)?.starts_with(':') && is_separate(rest, colon + 1);
    is_entry.then_some(Entry { key, end: start + colon + 1 })
}

/// How the value that `text` begins with is written, and where it begins after its properties.
pub(super) fn value(text: &str) -> (Form, usize) {
    let blank = text.len() - trim_start(text).len();
    let start = blank + properties(text.get(blank..).unwrap_or_default());
    let rest = text.get(start..).unwrap_or_default();
    let form = match rest.chars().next() {
        None | Some('#') => Form::Empty,
        Some('{') => Form::FlowMap,
        Some('[') => Form::FlowList,
        Some('"' | '\'') => Form::Quoted,
        Some('*') => Form::Alias,
        Some('|' | '>') => header(rest).map_or(Form::Plain, Form::Block),
        Some(_) if matches!(trim_end(plain(rest)), "~" | "null" | "Null" | "NULL") => Form::Null,
        Some(_) => Form::Plain,
    };
    (form, start)
}

/// A plain scalar that `text` begins with, without a comment after it.
pub(super) fn plain(text: &str) -> &str {
    let comment = text.match_indices('#').map(|(at, _)| at).find(|at| text[..*at].ends_with(BLANKS));
    text.get(..comment.unwrap_or(text.len())).unwrap_or_default()
}

const BLANKS: [char; 2] = [' ', '\t'];

/// Length of the anchors and tags that `text` begins with, and the blanks after them.
fn properties(text: &str) -> usize {
    let mut rest = text;
    while rest.starts_with(['&', '!']) {
        let end = rest.find(BLANKS).unwrap_or(rest.len());
        rest = trim_start(&rest[end..]);
    }
    text.len() - rest.len()
}

fn is_separate(text: &str, at: usize) -> bool {
    text.get(at..).is_some_and(|rest| rest.is_empty() || rest.starts_with(BLANKS))
}

fn header(text: &str) -> Option<Header> {
    let indicators = trim_end(plain(text)).get(1..)?;
    let indent = indicators.chars().find_map(|c| c.to_digit(10)).map(|digit| digit as usize);
    let known = indicators.len() <= 2 && indicators.chars().all(|c| matches!(c, '+' | '-' | '1'..='9'));
    let chomping = match (indicators.contains('-'), indicators.contains('+')) {
        (true, _) => Chomping::Strip,
        (_, true) => Chomping::Keep,
        _ => Chomping::Clip,
    };
    known.then_some(Header { indent, chomping })
}

// === impl Inside ===

impl Inside {
    /// Whether `text` begins with a quoted scalar or flow collection, and the byte after its first character.
    pub(super) fn begin(text: &str) -> Option<(Self, usize)> {
        match text.chars().next()? {
            quote @ ('"' | '\'') => Some((Self { quote: Some(quote), depth: 0, fresh: false }, 1)),
            '{' | '[' => Some((Self { quote: None, depth: 1, fresh: true }, 1)),
            _ => None,
        }
    }

    /// Whether blanks at the end of a line belong to a scalar.
    pub(super) fn is_quoted(&self) -> bool {
        self.quote.is_some()
    }

    /// Reads on in a line; gives the byte after the value if it ends there.
    pub(super) fn close(&mut self, text: &str) -> Option<usize> {
        let mut characters = text.char_indices().peekable();
        let mut before = None;
        while let Some((at, c)) = characters.next() {
            let end = at + c.len_utf8();
            if let Some(quote) = self.quote {
                let doubled = c == '\'' && quote == c && characters.peek().is_some_and(|(_, next)| *next == c);
                if doubled || (c == '\\' && quote == '"') {
                    characters.next();
                } else if c == quote {
                    self.quote = None;
                    // `"key":value` is allowed within brackets.
                    self.fresh = false;
                    if self.depth == 0 {
                        return Some(end);
                    }
                    if characters.next_if(|(_, next)| *next == ':').is_some() {
                        self.fresh = true;
                    }
                }
            } else {
                match c {
                    '#' if before.is_none_or(|before| BLANKS.contains(&before)) => return None,
                    '{' | '[' => (self.depth, self.fresh) = (self.depth + 1, true),
                    '}' | ']' => {
                        (self.depth, self.fresh) = (self.depth.saturating_sub(1), false);
                        if self.depth == 0 {
                            return Some(end);
                        }
                    }
                    ',' => self.fresh = true,
                    ':' if is_separate(text, end) => self.fresh = true,
                    '"' | '\'' if self.fresh => self.quote = Some(c),
                    '&' | '!' if self.fresh => {
                        while characters.next_if(|(_, next)| !" \t,[]{}".contains(*next)).is_some() {}
                    }
                    ' ' | '\t' => {}
                    _ => self.fresh = false,
                }
            }
            before = Some(c);
        }
        None
    }
}
