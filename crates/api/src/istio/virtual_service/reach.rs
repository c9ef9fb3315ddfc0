//! Rules that are never reached, since an earlier one takes all that they match.

use std::collections::BTreeMap;

use super::{HttpMatch, StringMatch, TcpMatch, TlsMatch, VirtualService, check::children};
use crate::{
    Level,
    decode::{Decoder, Field},
    finding::code,
};

/// Matches of one list of rules that are compared, each with all before it.
const COMPARED: usize = 1000;

/// A condition that may include another.
trait Condition {
    /// Whether all that `other` matches is matched.
    fn covers(&self, other: &Self) -> bool;
}

/// Warns of rules and matches that an earlier one covers; nothing is said of what could not be read.
pub(super) fn check(service: &VirtualService, decoder: &mut Decoder<'_>, spec: &Field<'_>) {
    if decoder.findings.iter().any(|finding| finding.level == Level::Error) {
        return;
    }
    check_rules(decoder, spec, "http", service.http.iter().map(|rule| rule.matches.as_slice()).collect());
    check_rules(decoder, spec, "tls", service.tls.iter().map(|rule| rule.matches.as_slice()).collect());
    check_rules(decoder, spec, "tcp", service.tcp.iter().map(|rule| rule.matches.as_slice()).collect());
}

fn check_rules<C: Condition>(decoder: &mut Decoder<'_>, spec: &Field<'_>, name: &str, rules: Vec<&[C]>) {
    let fields = children(spec, name);
    if fields.len() != rules.len() {
        return;
    }
    let hint = "the first rule that matches acts: put the narrower one first, or remove it";
    let mut catch_all: Option<usize> = None;
    let mut before: Vec<(usize, &C)> = Vec::new();
    for (index, (rule, field)) in rules.into_iter().zip(fields).enumerate() {
        if let Some(other) = catch_all {
            let message = format!("the rule is never reached: `{name}[{other}]` has no `match` and takes everything");
            decoder.report(code::SCHEMA_WARNING, &field, message, "the rule without `match` comes last");
            continue;
        }
        let conditions = children(&field, "match");
        if conditions.len() != rule.len() {
            continue;
        }
        // A delegate takes only what its own rules match.
        if field.child("delegate").is_some() {
            continue;
        }
        if rule.is_empty() {
            catch_all = Some(index);
            continue;
        }
        for (condition, place) in rule.iter().zip(conditions) {
            if before.len() >= COMPARED {
                return;
            }
            if let Some((other, _)) = before.iter().find(|(_, earlier)| earlier.covers(condition)) {
                let message = format!("the match is never reached: `{name}[{other}]` takes all that it does");
                decoder.report(code::SCHEMA_WARNING, &place, message, hint);
            }
            before.push((index, condition));
        }
    }
}

// === impl Condition ===

impl Condition for HttpMatch {
    fn covers(&self, other: &Self) -> bool {
        let parts = [(&self.scheme, &other.scheme), (&self.method, &other.method), (&self.authority, &other.authority)];
        path_covers(self, other)
            && parts.into_iter().all(|(one, other)| one.is_none() || one == other)
            && all_in(&self.headers, &other.headers)
            && all_in(&self.without_headers, &other.without_headers)
            && all_in(&self.query_params, &other.query_params)
            && all_in(&self.source_labels, &other.source_labels)
            && (self.port.is_none() || self.port == other.port)
            && (self.source_namespace.is_empty() || self.source_namespace == other.source_namespace)
            && (self.gateways.is_empty() || self.gateways == other.gateways)
            // With gateways the caller does not count.
            && (other.gateways.is_empty() || self.source_labels.is_empty() && self.source_namespace.is_empty())
    }
}

impl Condition for TlsMatch {
    fn covers(&self, other: &Self) -> bool {
        self == other
    }
}

impl Condition for TcpMatch {
    fn covers(&self, other: &Self) -> bool {
        self == other
    }
}

/// Whether the path of `one` includes that of `other`.
fn path_covers(one: &HttpMatch, other: &HttpMatch) -> bool {
    let (uri, narrower) = match (&one.uri, &other.uri) {
        (None | Some(StringMatch::Present), _) => return true,
        (Some(StringMatch::Regex(regex)), _) if regex == ".*" => return true,
        (Some(StringMatch::Prefix(prefix)), _) if prefix.is_empty() || prefix == "/" => return true,
        (Some(uri), Some(narrower)) => (uri, narrower),
        (Some(_), None) => return false,
    };
    let same_case = one.ignore_uri_case == other.ignore_uri_case;
    match (uri, narrower) {
        (StringMatch::Prefix(prefix), StringMatch::Prefix(text) | StringMatch::Exact(text)) => {
            if one.ignore_uri_case {
                text.to_lowercase().starts_with(&prefix.to_lowercase())
            } else {
                same_case && text.starts_with(prefix)
            }
        }
        _ => same_case && uri == narrower,
    }
}

fn all_in<T: PartialEq>(some: &BTreeMap<String, T>, all: &BTreeMap<String, T>) -> bool {
    some.iter().all(|(key, value)| all.get(key) == Some(value))
}
