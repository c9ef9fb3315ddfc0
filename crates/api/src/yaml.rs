//! YAML events into the positioned tree.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, StructureStyle, Tag};

use crate::{
    split::Chunk,
    tree::{Document, Entry, Key, Mapping, Mark, Node, Problem, Scalar, Style, Value, limit},
};

/// Reads one document.
pub(crate) fn parse(chunk: Chunk<'_>) -> Document {
    let options = granit_parser::options! {
        emit_comments: false,
        flow_nesting_limit: limit::DEPTH,
        block_nesting_limit: limit::DEPTH,
    };
    let mut builder = Builder { chunk, ..Builder::default() };
    for event in Parser::new_from_str_with_options(chunk.text, options) {
        let problem = match event {
            Ok((event, span)) => builder.event(event, span).err(),
            Err(error) => Some(builder.scan_error(&error)),
        };
        if let Some(problem) = problem {
            return builder.fold(Some(problem));
        }
    }
    builder.fold(None)
}

#[derive(Default)]
struct Builder<'t> {
    chunk: Chunk<'t>,
    root: Option<Node>,
    stack: Vec<Frame>,
    /// Complete anchored nodes.
    anchors: HashMap<usize, Node>,
    nodes: usize,
    copied: usize,
}

/// A collection that is not complete.
struct Frame {
    node: Node,
    /// Key that waits for its value.
    key: Option<Key>,
    anchor: usize,
}

/// Key of YAML 1.1 whose value's entries count as the mapping's own, unless it has them itself.
const MERGE: &str = "<<";

// === impl Builder ===

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let style = self.style(style, tag.as_ref(), &span)?;
                // The parser reads a value that is not there as `~`.
                let quote = match style {
                    Style::Quoted => quoted_length(span.slice(self.chunk.text).unwrap_or_default()),
                    _ => None,
                };
                let absent = style == Style::Plain && span.start.index() == span.end.index();
                let text = if absent { String::new() } else { text.into_owned() };
                let mut node = self.node(Value::Scalar(Scalar { text, style }), &span);
                if let Some(length) = quote {
                    node.range.end = node.range.start + length;
                }
                self.complete(node, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.check_collection_tag(tag.as_ref(), "seq", &span)?;
                self.open(Value::Sequence(Vec::new()), anchor, &span)
            }
            Event::MappingStart(style, anchor, tag) => {
                self.check_collection_tag(tag.as_ref(), "map", &span)?;
                let flow = style == StructureStyle::Flow;
                self.open(Value::Mapping(Mapping { flow, entries: Vec::new() }), anchor, &span)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(mut frame) = self.stack.pop() else { return Ok(()) };
                let end = self.offset(&span, |span| span.end.byte_offset());
                frame.node.range.end = end.max(frame.node.range.start);
                if let Value::Mapping(mapping) = &mut frame.node.value {
                    merge(mapping);
                }
                self.complete(frame.node, frame.anchor)
            }
            Event::Alias(anchor) => self.alias(anchor, &span),
            Event::DocumentStart(..) if self.root.is_some() => {
                Err(self.problem(&span, "a second document begins without `---`", "put `---` on a line of its own"))
            }
            _ => Ok(()),
        }
    }

    fn open(&mut self, value: Value, anchor: usize, span: &Span) -> Result<(), Problem> {
        if self.stack.len() >= limit::DEPTH {
            return Err(self.too_large(span, format!("more than {} nested collections", limit::DEPTH)));
        }
        let node = self.node(value, span);
        self.stack.push(Frame { node, key: None, anchor });
        Ok(())
    }

    fn alias(&mut self, anchor: usize, span: &Span) -> Result<(), Problem> {
        let Some(mut node) = self.anchors.get(&anchor).cloned() else {
            return Err(self.problem(span, "an alias stands inside the value that it names", "write the value out"));
        };
        if self.stack.len() + node.height() > limit::DEPTH {
            return Err(self.too_large(span, format!("more than {} nested collections", limit::DEPTH)));
        }
        self.count_copy(&node, self.mark(span))?;
        node.set_copied();
        self.complete(node, 0)
    }

    /// Puts a complete node where it belongs.
    fn complete(&mut self, node: Node, anchor: usize) -> Result<(), Problem> {
        self.nodes += 1;
        if self.nodes > limit::NODES {
            let message = format!("more than {} values in one document", limit::NODES);
            return Err(Problem { mark: node.mark, too_large: true, message, hint: SPLIT.into() });
        }
        if anchor != 0 {
            self.count_copy(&node, node.mark)?;
            self.anchors.insert(anchor, node.clone());
        }
        let Some(frame) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut frame.node.value {
            Value::Sequence(items) => items.push(node),
            Value::Mapping(mapping) => match frame.key.take() {
                Some(key) => {
                    let mut value = node;
                    if value.scalar().is_some_and(|scalar| scalar.text.is_empty() && scalar.style == Style::Plain) {
                        value.mark = key.mark;
                    }
                    if mapping.entries.is_empty() && !mapping.flow {
                        frame.node.mark = key.mark;
                        frame.node.range.start = key.range.start;
                    }
                    mapping.entries.push(Entry { key, value });
                }
                None => match node.value {
                    Value::Scalar(scalar) => {
                        frame.key = Some(Key { text: scalar.text, mark: node.mark, range: node.range });
                    }
                    _ => {
                        return Err(Problem {
                            mark: node.mark,
                            too_large: false,
                            message: "a list or mapping stands where a key is expected".into(),
                            hint: "a key is text; quote text that begins with `{` or `[`".into(),
                        });
                    }
                },
            },
            Value::Scalar(_) => {}
        }
        Ok(())
    }

    fn count_copy(&mut self, node: &Node, mark: Mark) -> Result<(), Problem> {
        let (nodes, bytes) = node.weight();
        self.nodes += nodes;
        self.copied += bytes;
        if self.copied > limit::COPIED || self.nodes > limit::NODES {
            let message = "the aliases of this document expand to too much".into();
            return Err(Problem { mark, too_large: true, message, hint: SPLIT.into() });
        }
        Ok(())
    }

    fn style(&self, style: ScalarStyle, tag: Option<&Cow<'_, Tag>>, span: &Span) -> Result<Style, Problem> {
        let style = match style {
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
            ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
        };
        let Some(tag) = tag else { return Ok(style) };
        match tag.core_suffix() {
            Some("str") if style == Style::Plain => Ok(Style::Quoted),
            Some("str") => Ok(style),
            Some("null" | "bool" | "int" | "float") => Ok(Style::Plain),
            _ if tag.original() == "!" => Ok(if style == Style::Plain { Style::Quoted } else { style }),
            _ => Err(self.unknown_tag(tag, span)),
        }
    }

    fn check_collection_tag(&self, tag: Option<&Cow<'_, Tag>>, name: &str, span: &Span) -> Result<(), Problem> {
        match tag {
            Some(tag) if tag.core_suffix() != Some(name) && tag.original() != "!" => Err(self.unknown_tag(tag, span)),
            _ => Ok(()),
        }
    }

    fn unknown_tag(&self, tag: &Tag, span: &Span) -> Problem {
        self.problem(span, format!("the tag `{}` has no meaning here", tag.original()), "remove the tag")
    }

    fn scan_error(&self, error: &ScanError) -> Problem {
        let mark = self.mark_at(error.marker().line(), error.marker().col());
        if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) {
            let message = format!("more than {} nested collections", limit::DEPTH);
            return Problem { mark, too_large: true, message, hint: SPLIT.into() };
        }
        Problem {
            mark,
            too_large: false,
            message: format!("not valid YAML: {}", error.kind()),
            hint: hint(error.kind()).into(),
        }
    }

    fn too_large(&self, span: &Span, message: String) -> Problem {
        Problem { too_large: true, ..self.problem(span, message, SPLIT) }
    }

    fn problem(&self, span: &Span, message: impl Into<String>, hint: &str) -> Problem {
        Problem { mark: self.mark(span), too_large: false, message: message.into(), hint: hint.into() }
    }

    fn node(&self, value: Value, span: &Span) -> Node {
        let start = self.offset(span, |span| span.start.byte_offset());
        let end = self.offset(span, |span| span.end.byte_offset());
        Node { value, mark: self.mark(span), range: start..end.max(start), copied: false }
    }

    fn offset(&self, span: &Span, of: impl Fn(&Span) -> Option<usize>) -> usize {
        self.chunk.start + of(span).unwrap_or(0)
    }

    fn mark(&self, span: &Span) -> Mark {
        self.mark_at(span.start.line(), span.start.col())
    }

    /// From the parser's line (from 1) and column (from 0) in the chunk.
    fn mark_at(&self, line: usize, column: usize) -> Mark {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Mark { line: self.chunk.line + number(line.saturating_sub(1)), column: number(column + 1) }
    }

    /// Closes what is open.
    fn fold(mut self, problem: Option<Problem>) -> Document {
        let mut open = None;
        while let Some(frame) = self.stack.pop() {
            let in_root = self.stack.len() == 1;
            let Some(parent) = self.stack.last_mut() else {
                open = open.or(frame.key.map(|key| key.text));
                self.root = Some(frame.node);
                break;
            };
            match (&mut parent.node.value, parent.key.take()) {
                (Value::Sequence(items), _) => items.push(frame.node),
                (Value::Mapping(mapping), Some(key)) => {
                    if in_root {
                        open = Some(key.text.clone());
                    }
                    mapping.entries.push(Entry { key, value: frame.node });
                }
                _ => {}
            }
        }
        Document { root: self.root, problem, open }
    }
}

/// Length of the quoted scalar at the start of `text`: the parser's span includes blanks and a comment after it.
fn quoted_length(text: &str) -> Option<usize> {
    let quote = text.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let mut rest = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = rest.next() {
        let doubled = c == '\'' && quote == '\'' && rest.peek().is_some_and(|(_, next)| *next == '\'');
        if doubled || (c == '\\' && quote == '"') {
            rest.next();
        } else if c == quote {
            return Some(at + 1);
        }
    }
    None
}

const SPLIT: &str = "split it into smaller documents";

/// Appends the entries of `<<`, nearest first, that the mapping does not have itself.
fn merge(mapping: &mut Mapping) {
    let Some(at) = mapping.entries.iter().position(|entry| entry.key.text == MERGE) else { return };
    if mapping.entries[at].value.scalar().is_some() {
        return;
    }
    let merged = mapping.entries.remove(at).value;
    let sources = match merged.value {
        Value::Sequence(items) => items,
        _ => vec![merged],
    };
    let mut present: HashSet<String> = mapping.entries.iter().map(|entry| entry.key.text.clone()).collect();
    for source in sources {
        let Value::Mapping(source) = source.value else { continue };
        for mut entry in source.entries {
            if present.insert(entry.key.text.clone()) {
                entry.value.set_copied();
                mapping.entries.push(entry);
            }
        }
    }
}

fn hint(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::TabInIndentation
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabNotAllowed
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInPlainScalar => "indent with spaces, not with tabs",
        ErrorKind::UnclosedQuotedScalar | ErrorKind::DocumentIndicatorInQuotedScalar => "close the quote",
        ErrorKind::MappingValueNotAllowed => "quote a value that contains `: `, or check the indentation",
        ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::SimpleKeyExpected
        | ErrorKind::InvalidSimpleKey
        | ErrorKind::InvalidIndentation
        | ErrorKind::ExpectedBlockSequenceEntry
        | ErrorKind::BlockSequenceEntryNotAllowed => "check the indentation of this line and the `:` after the key",
        ErrorKind::UnclosedFlowCollection { .. }
        | ErrorKind::MismatchedFlowCollectionEnd { .. }
        | ErrorKind::MisplacedFlowCollectionEnd
        | ErrorKind::ExpectedFlowMappingSeparator
        | ErrorKind::ExpectedFlowSequenceSeparator => "check that every bracket is closed and items have commas",
        ErrorKind::UnknownAnchor => "anchors live in one document: define it above with `&`, or quote a leading `*`",
        ErrorKind::UnexpectedCharacter { .. } => "quote the value",
        _ => "",
    }
}
