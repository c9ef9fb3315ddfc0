//! What is wrong with what a user wrote.

use std::fmt;

use crate::ObjectId;

/// One thing that is wrong or noteworthy, with its place and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Finding {
    /// Stable code, e.g. `RS17`; `docs/findings.md` lists them.
    pub code: &'static str,
    /// How bad it is.
    pub level: Level,
    /// The object, as far as it could be read.
    pub object: Option<ObjectId>,
    /// Path of the field (`spec.ports[0].targetPort`); empty for the whole object or file.
    pub path: String,
    /// File as given to the parser, and where in it.
    pub position: Position,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// What to do, in one sentence without a full stop; may be empty.
    pub hint: String,
}

/// Severity. An object with an [`Level::Error`] does not take effect; its last good state stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Worth knowing.
    Info,
    /// Probably not what was meant; takes effect all the same.
    Warning,
    /// Refused.
    Error,
}

/// A place in a file; line and column count from 1, 0 means unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// File.
    pub file: String,
    /// Line.
    pub line: u32,
    /// Column, in characters.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

impl fmt::Display for Finding {
    /// `file:line:column: level CODE kind/namespace/name path: message (hint)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}", self.position, self.level, self.code)?;
        if let Some(object) = &self.object {
            write!(f, " {object}")?;
        }
        if !self.path.is_empty() {
            write!(f, " {}", self.path)?;
        }
        write!(f, ": {}", self.message)?;
        if self.hint.is_empty() { Ok(()) } else { write!(f, " ({})", self.hint) }
    }
}

impl Finding {
    /// The finding as JSON: code, level, kind, namespace, name, object, file, line, column, path, message, hint.
    pub fn to_json(&self) -> serde_json::Value {
        let object = self.object.as_ref();
        serde_json::json!({
            "code": self.code,
            "level": self.level.to_string(),
            "kind": object.map(|id| id.kind.to_string()),
            "namespace": object.map(|id| &id.namespace),
            "name": object.map(|id| &id.name),
            "object": object.map(ToString::to_string),
            "file": self.position.file,
            "line": self.position.line,
            "column": self.position.column,
            "path": self.path,
            "message": self.message,
            "hint": self.hint,
        })
    }
}

/// One kind of finding: its stable code, its level and what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// The code, e.g. `RS17`.
    pub code: &'static str,
    /// The level of every finding of this code.
    pub level: Level,
    /// What it means, in one line.
    pub meaning: &'static str,
}

/// Every code that reading a file can raise, in order.
pub const CODES: &[Code] = &[
    code::OLD_SPELLING,
    code::DUPLICATE_KEY,
    code::INDENTATION_LOST,
    code::FRAGMENT,
    code::SYNTAX,
    code::TOO_LARGE,
    code::UNKNOWN_KIND,
    code::UNKNOWN_VERSION,
    code::NOT_SERVED,
    code::WRONG_TYPE,
    code::UNKNOWN_FIELD,
    code::MISSING,
    code::OUT_OF_RANGE,
    code::BAD_ENUM,
    code::BAD_NAME,
    code::BAD_LABEL,
    code::BAD_ADDRESS,
    code::BAD_DURATION,
    code::BAD_QUANTITY,
    code::NAMESPACE_NOT_ALLOWED,
    code::REPEATED_ITEM,
    code::PORT_NAME_REQUIRED,
    code::SELECTOR_REQUIRED,
    code::NOT_ACTED_ON,
    code::CLUSTER_IP_ONLY,
    code::REPEATED_OBJECT,
    code::UNKNOWN_PORT,
    code::CONFLICT,
    code::ROOT_USER,
    code::UNSUPPORTED_VALUE,
    code::BAD_REGEX,
    code::BAD_HOST,
    code::BAD_VALUE,
    code::SCHEMA_WARNING,
    code::KEY_EXPOSED,
];

/// The codes by name, for the decoders.
pub(crate) mod code {
    use super::{Code, Level};

    const fn error(code: &'static str, meaning: &'static str) -> Code {
        Code { code, level: Level::Error, meaning }
    }

    pub(crate) const OLD_SPELLING: Code =
        Code { code: "RS16", level: Level::Info, meaning: "an older spelling is honoured" };
    pub(crate) const DUPLICATE_KEY: Code =
        error("RS17", "a key is given twice in one mapping; at the top level a `---` is probably missing");
    pub(crate) const INDENTATION_LOST: Code =
        error("RS18", "the indentation is lost: a field stands beside the empty field it belongs below");
    pub(crate) const FRAGMENT: Code = error("RS19", "a document has no apiVersion or no kind");
    pub(crate) const SYNTAX: Code = error("RS101", "the text is not valid YAML or JSON");
    pub(crate) const TOO_LARGE: Code =
        error("RS102", "a file or document is too large, too deeply nested or expands too much");
    pub(crate) const UNKNOWN_KIND: Code = error("RS103", "the kind is unknown");
    pub(crate) const UNKNOWN_VERSION: Code = error("RS104", "the kind is known, this version of it is not");
    pub(crate) const NOT_SERVED: Code =
        Code { code: "RS105", level: Level::Warning, meaning: "the kind is known but not served; it has no effect" };
    pub(crate) const WRONG_TYPE: Code = error("RS106", "a value has the wrong type, or needs quotes");
    pub(crate) const UNKNOWN_FIELD: Code = error("RS107", "the kind has no such field");
    pub(crate) const MISSING: Code = error("RS108", "a required field is missing or empty");
    pub(crate) const OUT_OF_RANGE: Code = error("RS109", "a number or the length of a list is out of range");
    pub(crate) const BAD_ENUM: Code = error("RS110", "a value is none of the values allowed");
    pub(crate) const BAD_NAME: Code = error("RS111", "a name is not spelled as names must be");
    pub(crate) const BAD_LABEL: Code = error("RS112", "a label or annotation is not spelled as it must be");
    pub(crate) const BAD_ADDRESS: Code = error("RS113", "an IP address or CIDR block is invalid");
    pub(crate) const BAD_DURATION: Code = error("RS114", "a duration cannot be read");
    pub(crate) const BAD_QUANTITY: Code = error("RS115", "a resource quantity is invalid");
    pub(crate) const NAMESPACE_NOT_ALLOWED: Code = error("RS116", "a namespace is given to a kind that lives in none");
    pub(crate) const REPEATED_ITEM: Code = error("RS117", "two items of a list have the same name or number");
    pub(crate) const PORT_NAME_REQUIRED: Code = error("RS118", "a Service with several ports has one without a name");
    pub(crate) const SELECTOR_REQUIRED: Code = error("RS119", "portLevelMtls is given without a selector");
    pub(crate) const NOT_ACTED_ON: Code =
        Code { code: "RS120", level: Level::Info, meaning: "a known field is read but has no effect" };
    pub(crate) const CLUSTER_IP_ONLY: Code = Code {
        code: "RS121",
        level: Level::Warning,
        meaning: "a Service type other than ClusterIP is served as ClusterIP",
    };
    pub(crate) const REPEATED_OBJECT: Code = error("RS122", "two objects of one file have the same kind and name");
    pub(crate) const UNKNOWN_PORT: Code = error("RS123", "a port is named that is not declared");
    pub(crate) const CONFLICT: Code = error("RS124", "two fields exclude or contradict each other");
    pub(crate) const ROOT_USER: Code = error("RS125", "a process may not run as user 0");
    pub(crate) const UNSUPPORTED_VALUE: Code = error("RS126", "a value is legal elsewhere but not supported");
    pub(crate) const BAD_REGEX: Code = error("RS127", "a regex cannot be read, or is too long");
    pub(crate) const BAD_HOST: Code =
        error("RS128", "a host is neither a DNS name, a wildcard that is allowed, nor an address");
    pub(crate) const BAD_VALUE: Code = error("RS129", "a value does not make sense in its field");
    pub(crate) const SCHEMA_WARNING: Code =
        Code { code: "RS130", level: Level::Warning, meaning: "it is legal, but probably not what is meant" };
    pub(crate) const KEY_EXPOSED: Code =
        Code { code: "RS131", level: Level::Warning, meaning: "a private key stands where only public keys belong" };
}
