//! Values by host or wildcard, found by every host that overlaps.

use std::collections::BTreeMap;

use ripstop_model::HostPattern;

/// Hosts are kept from their last letter to their first: all below a domain stand side by side.
pub(crate) struct HostIndex<T> {
    exact: BTreeMap<String, Vec<T>>,
    wildcards: BTreeMap<String, Vec<T>>,
}

// === impl HostIndex ===

impl<T> HostIndex<T> {
    pub(crate) fn insert(&mut self, host: &HostPattern, value: T) {
        let map = if host.exact().is_some() { &mut self.exact } else { &mut self.wildcards };
        map.entry(reversed(host)).or_default().push(value);
    }

    /// Values of that very host or wildcard.
    pub(crate) fn at(&self, host: &HostPattern) -> &[T] {
        let map = if host.exact().is_some() { &self.exact } else { &self.wildcards };
        map.get(&reversed(host)).map(Vec::as_slice).unwrap_or_default()
    }

    /// Values of wildcards that `host` lies within, without its own, the narrowest first.
    pub(crate) fn wider(&self, host: &HostPattern) -> Vec<&[T]> {
        if *host == HostPattern::Any {
            return Vec::new();
        }
        let text = reversed(host);
        let ends = text.match_indices('.').map(|(at, _)| at + 1).filter(|end| *end < text.len());
        let mut ends: Vec<usize> = std::iter::once(0).chain(ends).collect();
        ends.reverse();
        ends.into_iter().filter_map(|end| self.wildcards.get(&text[..end])).map(Vec::as_slice).collect()
    }

    /// Values of hosts and wildcards that lie within `host`, without its own.
    pub(crate) fn narrower(&self, host: &HostPattern) -> Vec<&[T]> {
        if host.exact().is_some() {
            return Vec::new();
        }
        let text = reversed(host);
        let mut found = Vec::new();
        for map in [&self.exact, &self.wildcards] {
            let below = map.range(text.clone()..).take_while(|(key, _)| key.starts_with(&text));
            found.extend(below.filter(|(key, _)| **key != text).map(|(_, values)| values.as_slice()));
        }
        found
    }

    /// Values of every host that overlaps: its own, wider, narrower.
    pub(crate) fn overlapping(&self, host: &HostPattern) -> impl Iterator<Item = &T> {
        let own = std::iter::once(self.at(host));
        own.chain(self.wider(host)).chain(self.narrower(host)).flatten()
    }

    /// Every host with its values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[T]> {
        self.exact.values().chain(self.wildcards.values()).map(Vec::as_slice)
    }
}

impl<T> Default for HostIndex<T> {
    fn default() -> Self {
        Self { exact: BTreeMap::new(), wildcards: BTreeMap::new() }
    }
}

fn reversed(host: &HostPattern) -> String {
    match host {
        HostPattern::Exact(text) | HostPattern::Suffix(text) => text.chars().rev().collect(),
        HostPattern::Any => String::new(),
    }
}
