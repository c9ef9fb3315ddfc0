//! Which rule for HTTP acts, as slowly and plainly as it can be said: rule by rule, match by match, with
//! nothing of the crate under test but its types.

use std::iter;

use ripstop_decide::{Claim, RequestFacts, Token};
use ripstop_model::{GatewayName, HttpMatch, Labels, RouteTable, StringMatch};

/// Who calls, and where.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// Labels and namespace; nothing: not known.
    pub source: Option<(&'a Labels, &'a str)>,
    /// Whether a waypoint decides, which knows no callers.
    pub waypoint: bool,
    /// Port that is called.
    pub port: u16,
}

/// The first rule that matches, and which of its alternatives does, if it has any.
pub fn http(table: &RouteTable, request: &RequestFacts<'_>, caller: Caller<'_>) -> Option<(usize, Option<usize>)> {
    for (index, rule) in table.http.iter().enumerate() {
        if rule.matches.is_empty() {
            return Some((index, None));
        }
        for (alternative, wanted) in rule.matches.iter().enumerate() {
            if matches(wanted, request, caller) {
                return Some((index, Some(alternative)));
            }
        }
    }
    None
}

fn matches(wanted: &HttpMatch, request: &RequestFacts<'_>, caller: Caller<'_>) -> bool {
    if let Some(uri) = &wanted.uri {
        let (uri, path) = match uri {
            StringMatch::Exact(text) if wanted.ignore_uri_case => {
                (StringMatch::Exact(text.to_ascii_lowercase().into()), request.path.to_ascii_lowercase())
            }
            StringMatch::Prefix(text) if wanted.ignore_uri_case => {
                (StringMatch::Prefix(text.to_ascii_lowercase().into()), request.path.to_ascii_lowercase())
            }
            other => (other.clone(), request.path.to_owned()),
        };
        if !fits(&uri, Some(&path)) {
            return false;
        }
    }
    for (wanted, found) in
        [(&wanted.scheme, request.scheme), (&wanted.method, request.method), (&wanted.authority, request.authority)]
    {
        if wanted.as_ref().is_some_and(|wanted| !fits(wanted, Some(found))) {
            return false;
        }
    }
    for (name, wanted) in &wanted.headers {
        if !fits(wanted, header(request, name).as_deref()) {
            return false;
        }
    }
    for (name, wanted) in &wanted.without_headers {
        let found = header(request, name);
        let hit = match wanted {
            StringMatch::Present => found.is_some(),
            wanted => fits(wanted, Some(found.as_deref().unwrap_or(""))),
        };
        if hit {
            return false;
        }
    }
    for (name, wanted) in &wanted.query {
        if !fits(wanted, parameter(request.query, name).as_deref()) {
            return false;
        }
    }
    for (names, wanted) in &wanted.claims {
        if !claim(request, names).iter().any(|text| fits(wanted, Some(text))) {
            return false;
        }
    }
    for (names, wanted) in &wanted.without_claims {
        if claim(request, names).iter().any(|text| fits(wanted, Some(text))) {
            return false;
        }
    }
    wanted.port.is_none_or(|port| port == caller.port) && is_from(wanted, caller)
}

/// Gateways, if named, count alone; a waypoint skips whatever asks for labels, and knows no namespace.
fn is_from(wanted: &HttpMatch, caller: Caller<'_>) -> bool {
    let source = &wanted.source;
    if caller.waypoint && !source.labels.0.is_empty() {
        return false;
    }
    if !source.gateways.is_empty() {
        return source.gateways.contains(&GatewayName::Mesh);
    }
    let known = caller.source.filter(|_| !caller.waypoint);
    for (key, value) in &source.labels.0 {
        if known.is_none_or(|(labels, _)| labels.get(key) != Some(value)) {
            return false;
        }
    }
    match &source.namespace {
        Some(namespace) => known.is_some_and(|(_, own)| *own == **namespace),
        None => true,
    }
}

fn header(request: &RequestFacts<'_>, name: &str) -> Option<String> {
    let mut all: Option<String> = None;
    for (key, value) in request.headers {
        if *key == *name {
            all = Some(all.map_or_else(|| value.to_string(), |before| format!("{before},{value}")));
        }
    }
    all
}

fn parameter(query: &str, name: &str) -> Option<String> {
    for pair in query.split('&') {
        let mut halves = pair.splitn(2, '=');
        if halves.next() == Some(name) {
            return Some(halves.next().unwrap_or("").to_owned());
        }
    }
    None
}

fn claim(request: &RequestFacts<'_>, names: &[std::sync::Arc<str>]) -> Vec<String> {
    let Token::Valid(claims) = request.token else { return Vec::new() };
    let mut inside = &claims.others;
    for (depth, name) in names.iter().enumerate() {
        match (inside.get(&**name), depth + 1 == names.len()) {
            (Some(Claim::Texts(texts)), true) => return texts.clone(),
            (Some(Claim::Nested(deeper)), false) => inside = deeper,
            _ => return Vec::new(),
        }
    }
    Vec::new()
}

fn fits(wanted: &StringMatch, found: Option<&str>) -> bool {
    let Some(found) = found else { return false };
    match wanted {
        StringMatch::Present => true,
        StringMatch::Exact(text) => **text == *found,
        StringMatch::Prefix(text) => found.starts_with(&**text),
        StringMatch::Regex(regex) => {
            let regex: Vec<char> = regex.chars().collect();
            let found: Vec<char> = found.chars().collect();
            ends(&regex, &found).contains(&found.len())
        }
    }
}

/// Where a match of `regex` that begins at the start of `text` may end. Knows `|`, `( )`, `[ ]`, `.`, `*`, `+`, `?`.
fn ends(regex: &[char], text: &[char]) -> Vec<usize> {
    branches(regex).into_iter().flat_map(|branch| sequence(branch, text)).collect()
}

fn sequence(regex: &[char], text: &[char]) -> Vec<usize> {
    if regex.is_empty() {
        return vec![0];
    }
    let size = atom_size(regex);
    let atom = &regex[..size];
    let (least, many, rest) = match regex.get(size) {
        Some('*') => (0, true, &regex[size + 1..]),
        Some('+') => (1, true, &regex[size + 1..]),
        Some('?') => (0, false, &regex[size + 1..]),
        _ => (1, false, &regex[size..]),
    };
    // Every place that is reached by some number of repetitions.
    let mut reached: Vec<usize> = if least == 0 { vec![0] } else { Vec::new() };
    let mut fresh = vec![0];
    let rounds = if many { text.len() + 1 } else { 1 };
    for _ in 0..rounds {
        fresh = fresh
            .iter()
            .flat_map(|at| one(atom, &text[*at..]).into_iter().map(move |taken| at + taken))
            .collect::<std::collections::BTreeSet<usize>>()
            .into_iter()
            .collect();
        reached.extend(&fresh);
    }
    reached.sort_unstable();
    reached.dedup();
    reached.iter().flat_map(|at| sequence(rest, &text[*at..]).into_iter().map(move |taken| at + taken)).collect()
}

/// Alternatives outside of all brackets.
fn branches(regex: &[char]) -> Vec<&[char]> {
    let mut parts = Vec::new();
    let (mut start, mut at) = (0, 0);
    while at < regex.len() {
        if regex[at] == '|' {
            parts.push(&regex[start..at]);
            start = at + 1;
            at += 1;
        } else {
            at += atom_size(&regex[at..]);
        }
    }
    parts.push(&regex[start..]);
    parts
}

fn atom_size(regex: &[char]) -> usize {
    match regex[0] {
        '[' => 1 + regex.iter().position(|c| *c == ']').expect("a class that ends"),
        '(' => {
            let mut at = 1;
            while regex[at] != ')' {
                at += if regex[at] == '|' { 1 } else { atom_size(&regex[at..]) };
            }
            at + 1
        }
        _ => 1,
    }
}

fn one(atom: &[char], text: &[char]) -> Vec<usize> {
    let next = text.first();
    let hit = match atom[0] {
        '(' => return ends(&atom[1..atom.len() - 1], text),
        '[' => {
            let inside = &atom[1..atom.len() - 1];
            let ranges = inside.windows(3).filter(|window| window[1] == '-').map(|window| window[0]..=window[2]);
            let singles = inside.iter().filter(|c| **c != '-' && !inside.contains(&'-')).map(|c| *c..=*c);
            next.is_some_and(|next| ranges.chain(singles).any(|range| range.contains(next)))
        }
        '.' => next.is_some_and(|next| *next != '\n'),
        literal => next == Some(&literal),
    };
    iter::once(1).filter(|_| hit).collect()
}
