//! Rules that are never reached, since an earlier one takes all that they match.

use std::collections::BTreeMap;

use ripstop_api::{
    Object,
    finding::Code,
    istio::{HttpMatch, StringMatch, TcpMatch, TlsMatch},
};

use super::{Mesh, objects::virtual_services};
use crate::finding::{Findings, info, warning};

const UNREACHABLE: Code = warning("IST0130", "a rule of a VirtualService is never reached");
const INEFFECTIVE: Code = info("IST0131", "a match of a VirtualService is never reached, others of its rule are");

pub(crate) const CODES: &[Code] = &[UNREACHABLE, INEFFECTIVE];

/// Matches of one list of rules that are compared, each with all before it.
const COMPARED: usize = 1000;

/// A condition that may include another.
trait Condition {
    /// Whether all that `other` matches is matched.
    fn covers(&self, other: &Self) -> bool;
}

/// What of a rule counts here.
struct Rule<'a, C> {
    matches: &'a [C],
    /// A delegate takes only what its own rules match.
    delegates: bool,
}

pub(crate) fn check(mesh: &Mesh<'_>, findings: &mut Findings) {
    for (declared, written) in virtual_services(mesh) {
        let object = &*declared.object;
        let http = written.http.iter().map(|rule| Rule { matches: &rule.matches, delegates: rule.delegate.is_some() });
        rules(object, "http", http, findings);
        let tls = written.tls.iter().map(|rule| Rule { matches: &rule.matches, delegates: false });
        rules(object, "tls", tls, findings);
        let tcp = written.tcp.iter().map(|rule| Rule { matches: &rule.matches, delegates: false });
        rules(object, "tcp", tcp, findings);
    }
}

fn rules<'a, C: Condition + 'a>(
    object: &Object,
    list: &str,
    rules: impl Iterator<Item = Rule<'a, C>>,
    findings: &mut Findings,
) {
    let mut catch_all: Option<usize> = None;
    let mut before: Vec<(usize, &C)> = Vec::new();
    for (index, rule) in rules.enumerate() {
        let path = format!("spec.{list}[{index}]");
        if let Some(other) = catch_all {
            let message = format!("the rule is never reached: {list}[{other}] has no match and takes everything");
            findings.add(UNREACHABLE, object, &path, message, "the rule without match comes last");
            continue;
        }
        if rule.matches.is_empty() {
            catch_all = (!rule.delegates).then_some(index);
            continue;
        }
        // One that is covered by another of its own rule does no harm to the rule.
        let mut covered: Vec<(usize, usize)> = Vec::new();
        let earlier = before.len();
        for (at, condition) in rule.matches.iter().enumerate() {
            if before.len() >= COMPARED {
                return;
            }
            if let Some((other, _)) = before.iter().find(|(_, earlier)| earlier.covers(condition)) {
                covered.push((at, *other));
            }
            before.push((index, condition));
        }
        if rule.delegates {
            before.truncate(earlier);
        }
        let hint = "the first rule that matches acts: put the narrower one first, or remove it";
        if covered.len() == rule.matches.len() && covered.iter().all(|(_, other)| *other != index) {
            let mut others: Vec<String> = covered.iter().map(|(_, other)| format!("{list}[{other}]")).collect();
            others.dedup();
            let message = format!("the rule is never reached: {} takes all that it matches", others.join(", "));
            findings.add(UNREACHABLE, object, &path, message, hint);
            continue;
        }
        for (at, other) in covered {
            let message = if other == index {
                "the match is never reached: an earlier one of this rule takes all that it does".to_owned()
            } else {
                format!("the match is never reached: {list}[{other}] takes all that it does")
            };
            let hint = if other == index { "remove it" } else { hint };
            findings.add(INEFFECTIVE, object, &format!("{path}.match[{at}]"), message, hint);
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
