//! Host names, whole or by wildcard, and who sees an object.

use std::{cmp::Ordering, collections::BTreeSet, fmt, sync::Arc};

/// A host or a set of hosts (Istio: only a leading `*.` or a bare `*`), lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// That host.
    Exact(Arc<str>),
    /// Every host that ends in it; it begins with a dot. `*.a.com` does not match `a.com`.
    Suffix(Arc<str>),
    /// Every host.
    Any,
}

/// Which namespaces see an object (Istio's `exportTo`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Visibility {
    /// All.
    #[default]
    Everybody,
    /// These.
    Namespaces(BTreeSet<Arc<str>>),
    /// None: the host is hidden.
    Nobody,
}

// === impl HostPattern ===

impl HostPattern {
    /// Reads `host`, `*.suffix` or `*`.
    pub fn new(text: &str) -> Self {
        let text = text.trim_end_matches('.').to_ascii_lowercase();
        match text.strip_prefix('*') {
            Some("") => Self::Any,
            Some(suffix) => Self::Suffix(suffix.into()),
            None => Self::Exact(text.into()),
        }
    }

    /// The host, if it is a single one.
    pub fn exact(&self) -> Option<&Arc<str>> {
        match self {
            Self::Exact(host) => Some(host),
            _ => None,
        }
    }

    /// Whether `host` (lower case) is in it.
    pub fn contains(&self, host: &str) -> bool {
        match self {
            Self::Exact(own) => **own == *host,
            Self::Suffix(suffix) => host.len() > suffix.len() && host.ends_with(&**suffix),
            Self::Any => true,
        }
    }

    /// Whether every host of it is in `other` (Istio: `SubsetOf`).
    pub fn is_within(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Any) => true,
            (Self::Exact(host), _) => other.contains(host),
            (Self::Suffix(own), Self::Suffix(suffix)) => own.ends_with(&**suffix),
            (Self::Suffix(_) | Self::Any, _) => false,
        }
    }

    /// Whether one of the two contains the other (Istio: `Matches`).
    pub fn overlaps(&self, other: &Self) -> bool {
        self.is_within(other) || other.is_within(self)
    }

    /// The more specific one first: whole names, then longer ones, then by alphabet.
    pub fn by_specificity(&self, other: &Self) -> Ordering {
        let rank = |pattern: &Self| match pattern {
            Self::Exact(_) => 0,
            Self::Suffix(_) => 1,
            Self::Any => 2,
        };
        let text = |pattern: &Self| match pattern {
            Self::Exact(text) | Self::Suffix(text) => text.clone(),
            Self::Any => "".into(),
        };
        let (a, b) = (text(self), text(other));
        rank(self).cmp(&rank(other)).then(b.len().cmp(&a.len())).then(a.cmp(&b))
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => f.write_str(host),
            Self::Suffix(suffix) => write!(f, "*{suffix}"),
            Self::Any => f.write_str("*"),
        }
    }
}

// === impl Visibility ===

impl Visibility {
    /// Only `namespace`.
    pub fn only(namespace: impl Into<Arc<str>>) -> Self {
        Self::Namespaces([namespace.into()].into())
    }

    /// Whether workloads of `namespace` see it.
    pub fn includes(&self, namespace: &str) -> bool {
        match self {
            Self::Everybody => true,
            Self::Namespaces(namespaces) => namespaces.contains(namespace),
            Self::Nobody => false,
        }
    }
}

#[cfg(test)]
mod tests;
