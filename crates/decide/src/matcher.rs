//! Values against what is known.

use std::{collections::HashSet, sync::Arc};

use ipnet::IpNet;
use ripstop_model::{Attribute, Condition, MeshConfig, Sense, Value};

use crate::facts::{InboundFacts, Known};

/// A condition, ready to be evaluated.
#[derive(Debug)]
pub(crate) struct Matcher {
    pub(crate) attribute: Attribute,
    pub(crate) sense: Sense,
    /// Where it stands inside its rule.
    pub(crate) path: Arc<str>,
    /// Texts that must be equal; lower case if case does not count.
    exact: HashSet<Arc<str>>,
    /// Everything else.
    others: Vec<Other>,
}

#[derive(Debug)]
enum Other {
    Prefix(Arc<str>),
    Suffix(Arc<str>),
    Present,
    Glob(Arc<str>),
    Template(Template),
    Block(IpNet),
    Port(u16),
    Account(Arc<str>, Arc<str>),
    /// Issuer and subject of a principal: what parts them is the last slash, as subjects rarely hold one.
    Principal(Part, Part),
}

/// What a part of a principal has to be.
#[derive(Debug)]
enum Part {
    Any,
    Exact(Arc<str>),
    Prefix(Arc<str>),
    Suffix(Arc<str>),
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It does.
    Holds,
    /// It does not.
    Fails,
    /// What it looks at cannot be known here.
    Missing,
}

// === impl Matcher ===

impl Matcher {
    pub(crate) fn new(condition: &Condition) -> Self {
        let folded = condition.attribute == Attribute::Host;
        let fold = |text: &Arc<str>| if folded { text.to_ascii_lowercase().into() } else { text.clone() };
        let mut matcher = Self {
            attribute: condition.attribute.clone(),
            sense: condition.sense,
            path: condition.path.clone(),
            exact: HashSet::new(),
            others: Vec::new(),
        };
        for value in &condition.values {
            let other = match value {
                Value::Exact(_) | Value::Prefix(_) | Value::Suffix(_)
                    if condition.attribute == Attribute::RequestPrincipal =>
                {
                    principal(value)
                }
                Value::Exact(text) => {
                    matcher.exact.insert(fold(text));
                    continue;
                }
                Value::Prefix(text) => Other::Prefix(fold(text)),
                Value::Suffix(text) => Other::Suffix(fold(text)),
                Value::Present => Other::Present,
                Value::Glob(text) => Other::Glob(fold(text)),
                Value::Template(text) => Other::Template(Template::new(text)),
                Value::Block(block) => Other::Block(*block),
                Value::Port(port) => Other::Port(*port),
                Value::Account { namespace, name } => Other::Account(namespace.clone(), name.clone()),
            };
            matcher.others.push(other);
        }
        matcher
    }

    pub(crate) fn truth(&self, facts: &InboundFacts<'_>, mesh: &MeshConfig) -> Truth {
        let found = match facts.value(&self.attribute, mesh) {
            Known::Missing => return Truth::Missing,
            Known::Absent => false,
            Known::Text(text) if self.attribute == Attribute::Host => self.any_text(&text.to_ascii_lowercase()),
            Known::Text(text) => self.any_text(&text),
            Known::Texts(texts) => texts.iter().any(|text| self.any_text(text)),
            Known::Principal(issuer, subject) => self.any_principal(issuer, subject),
            Known::Ip(address) => {
                self.others.iter().any(|other| matches!(other, Other::Block(block) if block.contains(&address)))
            }
            Known::Port(port) => self.others.iter().any(|other| matches!(other, Other::Port(value) if *value == port)),
            Known::Account(namespace, name) => self
                .others
                .iter()
                .any(|other| matches!(other, Other::Account(ns, sa) if **ns == *namespace && **sa == *name)),
        };
        if found == (self.sense == Sense::AnyOf) { Truth::Holds } else { Truth::Fails }
    }

    fn any_text(&self, text: &str) -> bool {
        self.exact.contains(text)
            || self.others.iter().any(|other| match other {
                Other::Prefix(prefix) => text.starts_with(&**prefix),
                Other::Suffix(suffix) => text.ends_with(&**suffix),
                Other::Present => !text.is_empty(),
                Other::Glob(glob) => glob_matches(glob, text),
                Other::Template(template) => template.matches(text),
                Other::Block(_) | Other::Port(_) | Other::Account(..) | Other::Principal(..) => false,
            })
    }

    fn any_principal(&self, issuer: &str, subject: &str) -> bool {
        self.others.iter().any(|other| match other {
            Other::Principal(iss, sub) => iss.holds(issuer) && sub.holds(subject),
            Other::Present => !issuer.is_empty() && !subject.is_empty(),
            _ => false,
        })
    }
}

/// `issuer/subject`, `issuer/begin*`, `*end/subject`; without a slash the open end takes in the other part.
fn principal(value: &Value) -> Other {
    let (issuer, subject) = match value {
        Value::Prefix(text) => match text.rsplit_once('/') {
            Some((issuer, subject)) => (Part::Exact(issuer.into()), Part::Prefix(subject.into())),
            None => (Part::Prefix(text.clone()), Part::Any),
        },
        Value::Suffix(text) => match text.rsplit_once('/') {
            Some((issuer, subject)) => (Part::Suffix(issuer.into()), Part::Exact(subject.into())),
            None => (Part::Any, Part::Suffix(text.clone())),
        },
        Value::Exact(text) => {
            let (issuer, subject) = text.rsplit_once('/').unwrap_or(("", text));
            (Part::Exact(issuer.into()), Part::Exact(subject.into()))
        }
        _ => (Part::Any, Part::Any),
    };
    Other::Principal(issuer, subject)
}

// === impl Part ===

impl Part {
    /// A star stands for something: what is not there it does not match.
    fn holds(&self, text: &str) -> bool {
        match self {
            Self::Any => !text.is_empty(),
            Self::Exact(exact) => **exact == *text,
            Self::Prefix(prefix) => !text.is_empty() && text.starts_with(&**prefix),
            Self::Suffix(suffix) => !text.is_empty() && text.ends_with(&**suffix),
        }
    }
}

/// Whether `text` is `glob` with any text for each `*`.
pub(crate) fn glob_matches(glob: &str, text: &str) -> bool {
    let mut parts = glob.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// A path template.
#[derive(Debug)]
pub(crate) struct Template {
    segments: Vec<Segment>,
    /// What follows a `{**}`, if there is one.
    rest: Option<Box<str>>,
}

#[derive(Debug)]
enum Segment {
    Literal(Box<str>),
    Any,
}

// === impl Template ===

impl Template {
    pub(crate) fn new(text: &str) -> Self {
        let (text, rest) = match text.split_once("{**}") {
            Some((text, rest)) => (text.strip_suffix('/').unwrap_or(text), Some(rest.into())),
            None => (text, None),
        };
        let segment = |text: &str| match text {
            "{*}" => Segment::Any,
            text => Segment::Literal(text.into()),
        };
        Self { segments: text.split('/').map(segment).collect(), rest }
    }

    pub(crate) fn matches(&self, path: &str) -> bool {
        // What is not looked at yet; nothing: all of it was.
        let mut left = Some(path);
        for segment in &self.segments {
            let Some(given) = left else { return false };
            let (text, after) = given.split_once('/').map_or((given, None), |(text, after)| (text, Some(after)));
            left = after;
            let fits = match segment {
                Segment::Any => !text.is_empty(),
                Segment::Literal(literal) => **literal == *text,
            };
            if !fits {
                return false;
            }
        }
        match (&self.rest, left) {
            // What is open still needs the slash before it.
            (Some(rest), Some(left)) => left.ends_with(&**rest),
            (None, None) => true,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        for (glob, text, expected) in [
            ("a*c", "abc", true),
            ("a*c", "ac", true),
            ("a*c", "ab", false),
            ("*b*", "abc", true),
            ("*b*b*", "ab", false),
            ("a*a", "a", false),
            ("prod-*-x", "prod-eu-x", true),
            ("prod", "prod", true),
            ("prod", "prod1", false),
            ("*", "", true),
        ] {
            assert_eq!(glob_matches(glob, text), expected, "{glob} {text}");
        }
    }

    #[test]
    fn templates() {
        for (template, path, expected) in [
            ("/a/{*}", "/a/b", true),
            ("/a/{*}", "/a/", false),
            ("/a/{*}", "/a/b/c", false),
            ("/a/{*}/c", "/a/b/c", true),
            ("/a/{**}", "/a/b/c", true),
            ("/a/{**}", "/a/", true),
            ("/a/{**}", "/a", false),
            ("/{**}", "/", true),
            ("/{**}", "/x/y", true),
            ("/{*}/{**}", "/x/", true),
            ("/{*}/{**}", "//x", false),
            ("/a", "/a", true),
            ("/a/{**}/b", "/a/x/b", true),
            ("/a/{**}/b", "/a/x/y/b", true),
            ("/a/{**}/b", "/a/b", false),
            ("/a/{**}/b", "/a/x/c", false),
            ("/{*}/{**}/b/", "/a/x/b/", true),
            ("/{*}/{**}/b/", "/a/x/b", false),
        ] {
            assert_eq!(Template::new(template).matches(path), expected, "{template} {path}");
        }
    }
}
