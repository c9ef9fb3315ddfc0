//! Things by the hosts that they are for.

use std::sync::Arc;

use imbl::HashMap;
use ripstop_model::HostPattern;

/// The longest name that DNS has. No host of a rule is longer; who asks for longer ones must not cost more.
const LONGEST: usize = 253;

/// The host, or, if it is longer than any name can be, one that nobody has.
pub(crate) fn name_of(host: &str) -> &str {
    if host.len() > LONGEST { "" } else { host }
}

/// A map by host and wildcard, in which a host is found with every wildcard that holds it.
#[derive(Clone, Debug)]
pub(crate) struct ByHost<V> {
    exact: HashMap<Arc<str>, V>,
    suffixes: HashMap<Arc<str>, V>,
    any: Option<V>,
}

// === impl ByHost ===

impl<V: Clone> ByHost<V> {
    /// What is for exactly that pattern.
    pub(crate) fn get(&self, pattern: &HostPattern) -> Option<&V> {
        match pattern {
            HostPattern::Exact(host) => self.exact.get(host),
            HostPattern::Suffix(suffix) => self.suffixes.get(suffix),
            HostPattern::Any => self.any.as_ref(),
        }
    }

    /// What is for that host, then for each wildcard that holds it, the most specific first.
    pub(crate) fn holding<'m, 'h>(&'m self, host: &'h str) -> impl Iterator<Item = &'m V> + use<'m, 'h, V> {
        let host = name_of(host);
        let is_plain =
            !host.starts_with('*') && !host.ends_with('.') && !host.contains(|c: char| c.is_ascii_uppercase());
        let whole = if is_plain { self.exact.get(host) } else { self.get(&HostPattern::new(host)) };
        let dots = host.char_indices().filter(|(at, c)| *c == '.' && *at > 0).map(|(at, _)| at);
        let suffixes = dots.filter_map(|at| self.suffixes.get(&host[at..]));
        whole.into_iter().chain(suffixes).chain(&self.any)
    }

    /// Changes what is for that pattern.
    pub(crate) fn change(&mut self, pattern: &HostPattern, change: impl FnOnce(&mut V))
    where
        V: Default,
    {
        change(match pattern {
            HostPattern::Exact(host) => self.exact.entry(host.clone()).or_default(),
            HostPattern::Suffix(suffix) => self.suffixes.entry(suffix.clone()).or_default(),
            HostPattern::Any => self.any.get_or_insert_default(),
        });
    }

    /// Forgets what is for that pattern.
    pub(crate) fn remove(&mut self, pattern: &HostPattern) {
        match pattern {
            HostPattern::Exact(host) => drop(self.exact.remove(host)),
            HostPattern::Suffix(suffix) => drop(self.suffixes.remove(suffix)),
            HostPattern::Any => self.any = None,
        }
    }

    /// Whether there is nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.suffixes.is_empty() && self.any.is_none()
    }

    /// Everything, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (HostPattern, &V)> {
        let exact = self.exact.iter().map(|(host, value)| (HostPattern::Exact(host.clone()), value));
        let suffixes = self.suffixes.iter().map(|(suffix, value)| (HostPattern::Suffix(suffix.clone()), value));
        exact.chain(suffixes).chain(self.any.iter().map(|value| (HostPattern::Any, value)))
    }
}

impl<V> Default for ByHost<V> {
    fn default() -> Self {
        Self { exact: HashMap::new(), suffixes: HashMap::new(), any: None }
    }
}

#[cfg(test)]
mod tests;
