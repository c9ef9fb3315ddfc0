//! Routes made ready: regexes compiled, rules found by path.

use std::{collections::HashMap, sync::Arc};

use regex::Regex;
use ripstop_model::{ConnectionMatch, GatewayName, HttpMatch, Labels, RouteTable, StringMatch, UriRewrite};

use crate::{Token, facts::RequestFacts};

/// A [`RouteTable`], ready to be evaluated.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) source: Arc<RouteTable>,
    /// Every rule with each of its alternatives, in order.
    entries: Vec<Entry>,
    index: Option<PathIndex>,
    /// Of each rule: what its rewrite replaces.
    rewrites: Vec<Option<Regex>>,
}

#[derive(Debug)]
struct Entry {
    rule: usize,
    /// Nothing: the rule takes everything.
    matcher: Option<Matcher>,
}

/// Which entries can take a path.
#[derive(Debug, Default)]
struct PathIndex {
    exact: HashMap<Arc<str>, Vec<usize>>,
    prefixes: HashMap<Arc<str>, Vec<usize>>,
    /// Lengths of prefixes, ascending.
    lengths: Vec<usize>,
    others: Vec<usize>,
}

#[derive(Debug)]
struct Matcher {
    uri: Option<Text>,
    scheme: Option<Text>,
    method: Option<Text>,
    authority: Option<Text>,
    headers: Vec<(Arc<str>, Text)>,
    without_headers: Vec<(Arc<str>, Text)>,
    query: Vec<(Arc<str>, Text)>,
    claims: Vec<(Vec<Arc<str>>, Text)>,
    without_claims: Vec<(Vec<Arc<str>>, Text)>,
    source: HttpMatch,
}

/// A text, ready to be compared.
#[derive(Debug)]
pub(crate) enum Text {
    Present,
    Exact(Arc<str>),
    Prefix(Arc<str>),
    ExactFolded(Arc<str>),
    PrefixFolded(Arc<str>),
    /// Nothing: it cannot be compiled and matches nothing.
    Regex(Option<Regex>),
}

/// Where and by whom a call is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) gateway: &'a GatewayName,
    /// Labels and namespace of the caller, as far as the place knows them.
    pub(crate) caller: Option<(&'a Labels, &'a str)>,
    /// Whether the place never knows its callers (a waypoint).
    pub(crate) blind: bool,
    pub(crate) port: u16,
}

/// Tables with fewer entries are looked through.
const INDEXED: usize = 16;

// === impl Table ===

impl Table {
    pub(crate) fn new(source: Arc<RouteTable>) -> Self {
        let mut entries = Vec::new();
        for (rule, http) in source.http.iter().enumerate() {
            if http.matches.is_empty() {
                entries.push(Entry { rule, matcher: None });
            }
            entries.extend(http.matches.iter().map(|http| Entry { rule, matcher: Some(Matcher::new(http)) }));
        }
        let index = (entries.len() >= INDEXED).then(|| PathIndex::new(&entries));
        let rewrites = source.http.iter().map(|rule| match &rule.rewrite.uri {
            Some(UriRewrite::Regex { pattern, .. }) => Regex::new(pattern).ok(),
            _ => None,
        });
        Self { rewrites: rewrites.collect(), entries, index, source }
    }

    /// The first rule that matches, and the alternative of it that does.
    pub(crate) fn http(&self, request: &RequestFacts<'_>, place: Place<'_>) -> Option<(usize, Option<&HttpMatch>)> {
        let hit = |index: &usize| {
            let entry = self.entries.get(*index)?;
            match &entry.matcher {
                None => Some((entry.rule, None)),
                Some(matcher) => matcher.holds(request, place).then_some((entry.rule, Some(&matcher.source))),
            }
        };
        match &self.index {
            None => (0..self.entries.len()).find_map(|index| hit(&index)),
            Some(paths) => paths.candidates(request.path).iter().find_map(hit),
        }
    }

    /// Every alternative of every rule in order, and why it does not match.
    pub(crate) fn http_trace(
        &self,
        request: &RequestFacts<'_>,
        place: Place<'_>,
    ) -> impl Iterator<Item = (usize, Vec<Mismatch>)> {
        self.entries.iter().map(move |entry| {
            let mismatches = entry.matcher.as_ref().map(|matcher| matcher.mismatches(request, place));
            (entry.rule, mismatches.unwrap_or_default())
        })
    }

    /// What a rule's rewrite replaces, if it is a regex.
    pub(crate) fn rewrite_pattern(&self, rule: usize) -> Option<&Regex> {
        self.rewrites.get(rule)?.as_ref()
    }
}

/// A condition that does not hold: what it is about, and what it wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// `uri`, `headers[x-user]` and so on.
    pub field: String,
    /// What it wants.
    pub wanted: String,
    /// What was found; nothing: it is not there.
    pub found: Option<String>,
}

// === impl PathIndex ===

impl PathIndex {
    fn new(entries: &[Entry]) -> Self {
        let mut paths = Self::default();
        for (index, entry) in entries.iter().enumerate() {
            match entry.matcher.as_ref().and_then(|matcher| matcher.uri.as_ref()) {
                Some(Text::Exact(path)) => paths.exact.entry(path.clone()).or_default().push(index),
                Some(Text::Prefix(prefix)) => paths.prefixes.entry(prefix.clone()).or_default().push(index),
                _ => paths.others.push(index),
            }
        }
        paths.lengths = paths.prefixes.keys().map(|prefix| prefix.len()).collect();
        paths.lengths.sort_unstable();
        paths.lengths.dedup();
        paths
    }

    /// Entries whose condition on the path holds or must be looked at, in order.
    fn candidates(&self, path: &str) -> Vec<usize> {
        let mut found: Vec<usize> = self.others.clone();
        found.extend(self.exact.get(path).into_iter().flatten());
        for length in self.lengths.iter().take_while(|length| **length <= path.len()) {
            if let Some(prefix) = path.get(..*length) {
                found.extend(self.prefixes.get(prefix).into_iter().flatten());
            }
        }
        found.sort_unstable();
        found
    }
}

// === impl Matcher ===

impl Matcher {
    fn new(source: &HttpMatch) -> Self {
        let text = |wanted: &Option<StringMatch>| wanted.as_ref().map(Text::new);
        let pairs = |pairs: &[(Arc<str>, StringMatch)]| -> Vec<_> {
            pairs.iter().map(|(name, wanted)| (name.clone(), Text::new(wanted))).collect()
        };
        let claims = |claims: &[(Vec<Arc<str>>, StringMatch)]| -> Vec<_> {
            claims.iter().map(|(names, wanted)| (names.clone(), Text::new(wanted))).collect()
        };
        let uri = text(&source.uri).map(|uri| if source.ignore_uri_case { uri.folded() } else { uri });
        Self {
            uri,
            scheme: text(&source.scheme),
            method: text(&source.method),
            authority: text(&source.authority),
            headers: pairs(&source.headers),
            without_headers: pairs(&source.without_headers),
            query: pairs(&source.query),
            claims: claims(&source.claims),
            without_claims: claims(&source.without_claims),
            source: source.clone(),
        }
    }

    fn holds(&self, request: &RequestFacts<'_>, place: Place<'_>) -> bool {
        let is = |wanted: &Option<Text>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted.matches(Some(found)));
        is(&self.uri, request.path)
            && is(&self.method, request.method)
            && is(&self.scheme, request.scheme)
            && is(&self.authority, request.authority)
            && self.source.port.is_none_or(|port| port == place.port)
            && is_from(&self.source.source, place)
            && self.headers.iter().all(|(name, wanted)| wanted.matches(request.header(name).as_deref()))
            && self
                .without_headers
                .iter()
                .all(|(name, wanted)| !wanted.matches_or_empty(request.header(name).as_deref()))
            && self.query.iter().all(|(name, wanted)| wanted.matches(request.query_parameter(name)))
            && self.claims.iter().all(|(names, wanted)| wanted.matches_claim(request, names))
            && self.without_claims.iter().all(|(names, wanted)| !wanted.matches_claim(request, names))
    }

    fn mismatches(&self, request: &RequestFacts<'_>, place: Place<'_>) -> Vec<Mismatch> {
        let mut found = Vec::new();
        let source = &self.source;
        let mut miss = |field: String, wanted: String, seen: Option<String>| {
            found.push(Mismatch { field, wanted, found: seen });
        };
        for (field, ready, wanted, seen) in [
            ("uri", &self.uri, &source.uri, request.path),
            ("method", &self.method, &source.method, request.method),
            ("scheme", &self.scheme, &source.scheme, request.scheme),
            ("authority", &self.authority, &source.authority, request.authority),
        ] {
            if let (Some(ready), Some(wanted)) = (ready, wanted)
                && !ready.matches(Some(seen))
            {
                miss(field.into(), wanted.to_string(), Some(seen.into()));
            }
        }
        if let Some(port) = source.port.filter(|port| *port != place.port) {
            miss("port".into(), format!("is {port}"), Some(place.port.to_string()));
        }
        if !is_from(&source.source, place) {
            miss(
                "source".into(),
                wanted_source(&source.source),
                place.caller.map(|caller| seen_source(&source.source, caller)),
            );
        }
        for ((name, ready), (_, wanted)) in self.headers.iter().zip(&source.headers) {
            let value = request.header(name);
            if !ready.matches(value.as_deref()) {
                miss(format!("headers[{name}]"), wanted.to_string(), value.map(|value| value.to_string()));
            }
        }
        for ((name, ready), (_, wanted)) in self.without_headers.iter().zip(&source.without_headers) {
            let value = request.header(name);
            if ready.matches_or_empty(value.as_deref()) {
                miss(format!("withoutHeaders[{name}]"), format!("not: {wanted}"), value.map(|value| value.to_string()));
            }
        }
        for ((name, ready), (_, wanted)) in self.query.iter().zip(&source.query) {
            let value = request.query_parameter(name);
            if !ready.matches(value) {
                miss(format!("queryParams[{name}]"), wanted.to_string(), value.map(str::to_owned));
            }
        }
        for ((names, ready), (_, wanted)) in self.claims.iter().zip(&source.claims) {
            if !ready.matches_claim(request, names) {
                miss(format!("claims[{}]", names.join(".")), wanted.to_string(), None);
            }
        }
        for ((names, ready), (_, wanted)) in self.without_claims.iter().zip(&source.without_claims) {
            if ready.matches_claim(request, names) {
                miss(format!("withoutClaims[{}]", names.join(".")), format!("not: {wanted}"), None);
            }
        }
        found
    }
}

/// Whether a call of that place is meant: gateways, if named, count alone. A waypoint skips whatever asks
/// for labels of callers.
fn is_from(wanted: &ripstop_model::SourceMatch, place: Place<'_>) -> bool {
    if place.blind && !wanted.labels.is_empty() {
        return false;
    }
    if !wanted.gateways.is_empty() {
        return wanted.gateways.contains(place.gateway);
    }
    is_caller(wanted, place)
}

fn is_caller(wanted: &ripstop_model::SourceMatch, place: Place<'_>) -> bool {
    if place.blind && (!wanted.labels.is_empty() || wanted.namespace.is_some()) {
        return false;
    }
    match place.caller {
        None => wanted.labels.is_empty() && wanted.namespace.is_none(),
        Some((labels, namespace)) => {
            wanted.labels.matches(labels) && wanted.namespace.as_ref().is_none_or(|wanted| **wanted == *namespace)
        }
    }
}

fn wanted_source(source: &ripstop_model::SourceMatch) -> String {
    let mut wanted: Vec<String> = source.gateways.iter().map(|gateway| format!("at {gateway}")).collect();
    wanted.extend(source.labels.0.iter().map(|(key, value)| format!("label {key}={value}")));
    wanted.extend(source.namespace.iter().map(|namespace| format!("namespace {namespace}")));
    wanted.join(", ")
}

/// What the caller has of that.
fn seen_source(wanted: &ripstop_model::SourceMatch, (labels, namespace): (&Labels, &str)) -> String {
    let label = |key: &Arc<str>| match labels.get(key) {
        Some(value) => format!("label {key}={value}"),
        None => format!("no label {key}"),
    };
    let mut seen: Vec<String> = wanted.labels.0.keys().map(label).collect();
    if wanted.namespace.is_some() || seen.is_empty() {
        seen.push(format!("namespace {namespace}"));
    }
    seen.join(", ")
}

/// Whether a connection is meant: here everything counts together.
pub(crate) fn connection_matches(
    wanted: &ConnectionMatch,
    sni: Option<&str>,
    address: Option<std::net::IpAddr>,
    place: Place<'_>,
) -> bool {
    let gateways = &wanted.source.gateways;
    (wanted.sni.is_empty() || sni.is_some_and(|sni| wanted.sni.iter().any(|host| host.contains(sni))))
        && (wanted.destinations.is_empty()
            || address.is_some_and(|address| wanted.destinations.iter().any(|block| block.contains(&address))))
        && wanted.port.is_none_or(|port| port == place.port)
        && (gateways.is_empty() || gateways.contains(place.gateway))
        && is_caller(&wanted.source, place)
}

// === impl Text ===

impl Text {
    pub(crate) fn new(wanted: &StringMatch) -> Self {
        match wanted {
            StringMatch::Present => Self::Present,
            StringMatch::Exact(text) => Self::Exact(text.clone()),
            StringMatch::Prefix(text) => Self::Prefix(text.clone()),
            StringMatch::Regex(text) => Self::Regex(Regex::new(&format!("^(?:{text})$")).ok()),
        }
    }

    fn folded(self) -> Self {
        match self {
            Self::Exact(text) => Self::ExactFolded(text.to_ascii_lowercase().into()),
            Self::Prefix(text) => Self::PrefixFolded(text.to_ascii_lowercase().into()),
            other => other,
        }
    }

    pub(crate) fn matches(&self, found: Option<&str>) -> bool {
        let Some(found) = found else { return false };
        match self {
            Self::Present => true,
            Self::Exact(text) => **text == *found,
            Self::Prefix(text) => found.starts_with(&**text),
            Self::ExactFolded(text) => text.eq_ignore_ascii_case(found),
            Self::PrefixFolded(text) => found.get(..text.len()).is_some_and(|start| text.eq_ignore_ascii_case(start)),
            Self::Regex(regex) => regex.as_ref().is_some_and(|regex| regex.is_match(found)),
        }
    }

    /// What is not there counts as empty, unless its presence is asked for.
    fn matches_or_empty(&self, found: Option<&str>) -> bool {
        match self {
            Self::Present => found.is_some(),
            _ => self.matches(Some(found.unwrap_or_default())),
        }
    }

    fn matches_claim(&self, request: &RequestFacts<'_>, names: &[Arc<str>]) -> bool {
        let Token::Valid(claims) = request.token else { return false };
        claims.claim(names).is_some_and(|texts| texts.iter().any(|text| self.matches(Some(text))))
    }
}
