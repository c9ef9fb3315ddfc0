//! Reads plain types from the tree and collects every finding on the way.

use std::{collections::BTreeMap, net::IpAddr, ops::RangeInclusive};

use crate::{
    Finding, ObjectId, Position,
    finding::{Code, code},
    names,
    tree::{Mapping, Mark, Node, Type, Value, limit},
};

/// Collects the findings of one object.
pub(crate) struct Decoder<'a> {
    pub(crate) file: &'a str,
    /// The file's text, for places inside of scalars.
    pub(crate) source: &'a str,
    pub(crate) object: Option<ObjectId>,
    pub(crate) findings: Vec<Finding>,
    /// Paths of fields in an older spelling, each with the path that counts.
    pub(crate) respelled: Vec<(String, String)>,
    /// The places of values that were read from the text of a scalar, by path.
    pub(crate) embedded: BTreeMap<String, (u32, u32)>,
}

/// A value and its path.
#[derive(Clone, Debug)]
pub(crate) struct Field<'t> {
    pub(crate) node: &'t Node,
    pub(crate) path: String,
}

/// A mapping with fixed fields, read one by one; [`Record::finish`] reports the others.
pub(crate) struct Record<'t> {
    pub(crate) field: Field<'t>,
    mapping: &'t Mapping,
    known: Vec<&'static str>,
    /// Fields that hold mappings or lists.
    structures: Vec<&'static str>,
    spelling: Spelling,
}

/// Which spellings of field names are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// The given one only.
    Exact,
    /// That, or snake_case with a finding, as proto-JSON allows.
    Proto,
}

// === impl Field ===

impl Field<'_> {
    pub(crate) fn is_empty_list(&self) -> bool {
        matches!(&self.node.value, Value::Sequence(items) if items.is_empty())
    }
}

// === impl Decoder ===

impl<'a> Decoder<'a> {
    pub(crate) fn new(file: &'a str, object: Option<ObjectId>) -> Self {
        Self { file, source: "", object, findings: Vec::new(), respelled: Vec::new(), embedded: BTreeMap::new() }
    }

    /// Reports something about the value of a field.
    pub(crate) fn report(
        &mut self,
        code: Code,
        field: &Field<'_>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.report_at(code, &field.path, field.node.mark, message, hint);
    }

    pub(crate) fn report_at(
        &mut self,
        code: Code,
        path: &str,
        mark: Mark,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let (code, message, hint) = match self.findings.len() {
            n if n < limit::FINDINGS => (code, message.into(), hint.into()),
            limit::FINDINGS => (code::TOO_LARGE, "too many findings, the others are left out".into(), String::new()),
            _ => return,
        };
        self.findings.push(Finding {
            code: code.code,
            level: code.level,
            object: self.object.clone(),
            path: path.into(),
            position: Position { file: self.file.into(), line: mark.line, column: mark.column },
            message,
            hint,
        });
    }

    /// Text; numbers and booleans need quotes.
    pub(crate) fn text<'t>(&mut self, field: &Field<'t>) -> Option<&'t str> {
        if let Some(text) = field.node.text() {
            return Some(text);
        }
        let hint = match field.node.scalar() {
            Some(scalar) if !scalar.text.is_empty() => format!("write \"{}\" in quotes", excerpt(&scalar.text)),
            Some(_) => "write \"\" if it is meant to be empty".into(),
            None => String::new(),
        };
        self.wrong_type(field, "text", hint);
        None
    }

    /// Text that is not empty.
    pub(crate) fn nonempty<'t>(&mut self, field: &Field<'t>) -> Option<&'t str> {
        let text = self.text(field)?;
        if text.is_empty() {
            self.report(code::MISSING, field, format!("`{}` is empty", last(&field.path)), "");
            return None;
        }
        Some(text)
    }

    /// Text spelled as `check` wants it; `what` is what it should be.
    pub(crate) fn name<'t>(
        &mut self,
        field: &Field<'t>,
        what: &str,
        check: impl Fn(&str) -> Result<(), String>,
    ) -> Option<&'t str> {
        let text = self.text(field)?;
        let Err(why) = check(text) else { return Some(text) };
        let hint = names::as_dns_label(text, names::LABEL)
            .filter(|label| label != text && !text.contains(['.', '=']) && check(label).is_ok())
            .map(|label| format!("for example `{label}`"));
        self.report(code::BAD_NAME, field, format!("{} is not {what}: {why}", quoted(text)), hint.unwrap_or_default());
        None
    }

    pub(crate) fn integer(&mut self, field: &Field<'_>, range: RangeInclusive<i64>) -> Option<i64> {
        let scalar = field.node.scalar();
        match scalar.map(crate::tree::Scalar::kind) {
            Some(Type::Integer(n)) if range.contains(&n) => Some(n),
            Some(Type::Integer(n)) => {
                let message = format!("{n} is out of range, {} to {} is allowed", range.start(), range.end());
                self.report(code::OUT_OF_RANGE, field, message, "");
                None
            }
            Some(Type::Text) if scalar.is_some_and(|scalar| is_integer(&scalar.text)) => {
                self.wrong_type(field, "a number", "remove the quotes");
                None
            }
            _ => {
                self.wrong_type(field, "a whole number", "");
                None
            }
        }
    }

    pub(crate) fn port(&mut self, field: &Field<'_>) -> Option<u16> {
        self.integer(field, 1..=65535).and_then(|port| u16::try_from(port).ok())
    }

    pub(crate) fn boolean(&mut self, field: &Field<'_>) -> Option<bool> {
        if let Some(Type::Bool(value)) = field.node.scalar().map(crate::tree::Scalar::kind) {
            return Some(value);
        }
        let hint = match field.node.text() {
            Some("true" | "false") => "remove the quotes",
            _ => "",
        };
        self.wrong_type(field, "`true` or `false`", hint);
        None
    }

    /// One of the names in `values`.
    pub(crate) fn one_of<T: Copy>(&mut self, field: &Field<'_>, values: &[(&'static str, T)]) -> Option<T> {
        let text = self.text(field)?;
        if let Some((_, value)) = values.iter().find(|(name, _)| *name == text) {
            return Some(*value);
        }
        self.bad_enum(field, text, values.iter().map(|(name, _)| *name));
        None
    }

    pub(crate) fn bad_enum(
        &mut self,
        field: &Field<'_>,
        text: &str,
        values: impl Iterator<Item = &'static str> + Clone,
    ) {
        let hint = names::nearest(text, values.clone()).map(|near| format!("did you mean `{near}`?"));
        let message = format!("{} is none of {}", quoted(text), list(values));
        self.report(code::BAD_ENUM, field, message, hint.unwrap_or_default());
    }

    pub(crate) fn address(&mut self, field: &Field<'_>) -> Option<IpAddr> {
        let text = self.text(field)?;
        let address = text.parse().ok();
        if address.is_none() {
            self.report(code::BAD_ADDRESS, field, format!("{} is not an IP address", quoted(text)), "");
        }
        address
    }

    /// Items of a list.
    pub(crate) fn items<'t>(&mut self, field: &Field<'t>) -> Vec<Field<'t>> {
        let Value::Sequence(items) = &field.node.value else {
            self.wrong_type(field, "a list", "put `- ` before each item");
            return Vec::new();
        };
        let path = |index| format!("{}[{index}]", field.path);
        items.iter().enumerate().map(|(index, node)| Field { node, path: path(index) }).collect()
    }

    /// Items of a list of texts.
    pub(crate) fn texts(&mut self, field: &Field<'_>) -> Vec<String> {
        self.items(field).iter().filter_map(|item| self.text(item).map(str::to_owned)).collect()
    }

    /// Entries of a mapping with free keys, each key once.
    pub(crate) fn entries<'t>(&mut self, field: &Field<'t>) -> Vec<(&'t crate::tree::Key, Field<'t>)> {
        let Some(mapping) = field.node.mapping() else {
            self.wrong_type(field, "a mapping", "write `key: value`, one below the other and indented");
            return Vec::new();
        };
        let mut seen = std::collections::HashSet::new();
        mapping
            .entries
            .iter()
            .filter(|entry| seen.insert(entry.key.text.as_str()))
            .map(|entry| {
                let path = join(&field.path, &entry.key.text);
                (&entry.key, Field { node: &entry.value, path })
            })
            .collect()
    }

    /// A mapping of labels; `check` judges the values.
    pub(crate) fn labels(
        &mut self,
        field: &Field<'_>,
        what: &str,
        check: fn(&str) -> Result<(), String>,
    ) -> BTreeMap<String, String> {
        let mut labels = BTreeMap::new();
        for (key, value) in self.entries(field) {
            if let Err(why) = names::qualified_name(&key.text) {
                let message = format!("{} is not the key of {what}: {why}", quoted(&key.text));
                self.report_at(code::BAD_LABEL, &value.path, key.mark, message, "");
            }
            let Some(text) = self.text(&value) else { continue };
            if let Err(why) = check(text) {
                let message = format!("{} is not the value of {what}: {why}", quoted(text));
                self.report(code::BAD_LABEL, &value, message, "");
            }
            labels.insert(key.text.clone(), text.to_owned());
        }
        labels
    }

    /// A mapping with fixed fields.
    pub(crate) fn record<'t>(&mut self, field: &Field<'t>, spelling: Spelling) -> Option<Record<'t>> {
        let Some(mapping) = field.node.mapping() else {
            self.wrong_type(field, "a mapping", "write `key: value`, one below the other and indented");
            return None;
        };
        let (known, structures) = (Vec::new(), Vec::new());
        Some(Record { field: field.clone(), mapping, known, structures, spelling })
    }

    pub(crate) fn wrong_type(&mut self, field: &Field<'_>, expected: &str, hint: impl Into<String>) {
        let message = format!("{expected} is expected, {} was found", found(field.node));
        self.report(code::WRONG_TYPE, field, message, hint);
    }

    pub(crate) fn missing(&mut self, record: &Record<'_>, name: &str, hint: &str) {
        let path = join(&record.field.path, name);
        self.report_at(code::MISSING, &path, record.field.node.mark, format!("`{name}` is missing"), hint);
    }

    /// A field that is legal but has no effect.
    pub(crate) fn not_acted_on(&mut self, field: &Field<'_>, hint: &str) {
        let message = format!("`{}` is read but has no effect", last(&field.path));
        self.report(code::NOT_ACTED_ON, field, message, hint);
    }
}

// === impl Record ===

impl<'t> Record<'t> {
    /// The value of a field, unless it is absent or null.
    pub(crate) fn get(&mut self, decoder: &mut Decoder<'_>, name: &'static str) -> Option<Field<'t>> {
        self.known.push(name);
        let entry = match self.mapping.entry(name) {
            Some(entry) => entry,
            None if self.spelling == Spelling::Proto => {
                let old = snake_case(name);
                let entry = self.mapping.entry(&old).filter(|_| old != name)?;
                let path = join(&self.field.path, &old);
                let message = format!("`{old}` is an older spelling");
                decoder.report_at(code::OLD_SPELLING, &path, entry.key.mark, message, format!("write `{name}`"));
                decoder.respelled.push((path, join(&self.field.path, name)));
                entry
            }
            None => return None,
        };
        let field = Field { node: &entry.value, path: join(&self.field.path, name) };
        (!field.node.is_null()).then_some(field)
    }

    /// Like [`Record::get`], for a field that holds a mapping or list: empty, it may have lost its indentation.
    pub(crate) fn structure(&mut self, decoder: &mut Decoder<'_>, name: &'static str) -> Option<Field<'t>> {
        self.structures.push(name);
        self.get(decoder, name)
    }

    /// A field that must be there.
    pub(crate) fn require(&mut self, decoder: &mut Decoder<'_>, name: &'static str) -> Option<Field<'t>> {
        let field = self.get(decoder, name);
        if field.is_none() {
            decoder.missing(self, name, "");
        }
        field
    }

    /// A record in a field.
    pub(crate) fn record(&mut self, decoder: &mut Decoder<'_>, name: &'static str) -> Option<Record<'t>> {
        self.record_with(decoder, name, self.spelling)
    }

    /// The same, for a record whose fields have another spelling.
    pub(crate) fn record_with(
        &mut self,
        decoder: &mut Decoder<'_>,
        name: &'static str,
        spelling: Spelling,
    ) -> Option<Record<'t>> {
        let field = self.structure(decoder, name)?;
        decoder.record(&field, spelling)
    }

    /// Fields that are legal but have no effect.
    pub(crate) fn not_acted_on(&mut self, decoder: &mut Decoder<'_>, names: &[&'static str]) {
        for name in names {
            if let Some(field) = self.get(decoder, name) {
                decoder.not_acted_on(&field, "");
            }
        }
    }

    /// Fields that somebody else writes and nobody needs to hear about.
    pub(crate) fn silent(&mut self, names: &[&'static str]) {
        self.known.extend(names);
    }

    /// Reports the fields that nobody asked for.
    pub(crate) fn finish(self, decoder: &mut Decoder<'_>) {
        self.finish_with_hint(decoder, |_| None);
    }

    /// The same, with a word on some of them.
    pub(crate) fn finish_with_hint(self, decoder: &mut Decoder<'_>, hint: impl Fn(&str) -> Option<&'static str>) {
        let mut emptied: Option<&str> = None;
        for entry in &self.mapping.entries {
            if decoder.findings.len() > limit::FINDINGS {
                return;
            }
            let name = entry.key.text.as_str();
            let known = self.known.contains(&name)
                || self.spelling == Spelling::Proto && self.known.iter().any(|known| snake_case(known) == name);
            if known {
                emptied = (self.structures.contains(&name) && entry.value.is_null()).then_some(name);
                continue;
            }
            let path = join(&self.field.path, name);
            if let Some(parent) = emptied {
                decoder.report_at(code::INDENTATION_LOST, &path, entry.key.mark, lost(name, parent), INDENT);
                return;
            }
            let hint = match (hint(name), names::nearest(name, self.known.iter().copied())) {
                (Some(hint), _) => hint.to_owned(),
                (None, Some(near)) => format!("did you mean `{near}`?"),
                (None, None) => format!("its fields are {}", list(self.known.iter().copied())),
            };
            decoder.report_at(
                code::UNKNOWN_FIELD,
                &path,
                entry.key.mark,
                format!("there is no field {}", quoted(name)),
                hint,
            );
        }
    }
}

/// What to do about [`lost`].
pub(crate) const INDENT: &str = "indent it by two blanks, and what belongs below it by two more";

/// Message of [`code::INDENTATION_LOST`].
pub(crate) fn lost(name: &str, parent: &str) -> String {
    format!("the indentation is lost: {} stands beside `{parent}`, which is empty, and not below it", quoted(name))
}

/// Bytes after which a path stays as it is, so that deep trees with long keys cost no more than their size.
pub(crate) const LONGEST_PATH: usize = 1024;

/// `a.b`, or `b` at the top.
pub(crate) fn join(path: &str, name: &str) -> String {
    if path.len() + name.len() > LONGEST_PATH {
        return format!("{path}.…");
    }
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// What was found, for messages.
pub(crate) fn found(node: &Node) -> String {
    let scalar = match &node.value {
        Value::Sequence(_) => return "a list".into(),
        Value::Mapping(_) => return "a mapping".into(),
        Value::Scalar(scalar) => scalar,
    };
    match scalar.kind() {
        Type::Null => "nothing".into(),
        Type::Bool(_) => format!("the boolean `{}`", excerpt(&scalar.text)),
        Type::Integer(_) | Type::Number => format!("the number {}", excerpt(&scalar.text)),
        Type::Text => format!("the text {}", quoted(&scalar.text)),
    }
}

/// `text` in backquotes, on one line and not too long.
pub(crate) fn quoted(text: &str) -> String {
    if text.is_empty() { "\"\"".into() } else { format!("`{}`", excerpt(text)) }
}

fn excerpt(text: &str) -> String {
    const LONGEST: usize = 64;
    let more = if text.chars().nth(LONGEST).is_some() { "…" } else { "" };
    let mut excerpt = String::new();
    for c in text.chars().take(LONGEST) {
        match c {
            '"' | '\'' => excerpt.push(c),
            _ => excerpt.extend(c.escape_debug()),
        }
    }
    excerpt + more
}

fn list<'s>(names: impl Iterator<Item = &'s str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The last name of a path.
pub(crate) fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

fn is_integer(text: &str) -> bool {
    matches!(Type::of(text), Type::Integer(_))
}

/// `portLevelMtls` → `port_level_mtls`.
pub(crate) fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for (at, c) in name.char_indices() {
        // As in `consecutive_5xx_errors`; other digits belong to the word before them.
        if c.is_ascii_uppercase() || name[at..].starts_with("5xx") {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}
