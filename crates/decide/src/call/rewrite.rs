//! Paths and locations that rules make.

use std::borrow::Cow;

use ripstop_model::{HttpMatch, Redirect, RedirectPath, RedirectPort, StringMatch, UriRewrite};

use crate::{call::without_port, facts::RequestFacts, program::Program};

use super::{ActingRule, RuleList};

/// The path that the backend sees.
pub fn rewritten<'p>(program: &Program, rule: &ActingRule, path: &'p str) -> Cow<'p, str> {
    let Some(http) = rule.table.http.get(rule.index).filter(|_| rule.list == RuleList::Http) else {
        return Cow::Borrowed(path);
    };
    match &http.rewrite.uri {
        None => Cow::Borrowed(path),
        Some(UriRewrite::Matched(new)) => {
            let matched = rule.alternative.and_then(|index| http.matches.get(index));
            match matched_prefix(matched, path) {
                Some(prefix) => Cow::Owned(format!("{new}{}", &path[prefix..])),
                None => Cow::Owned(new.to_string()),
            }
        }
        Some(UriRewrite::Regex { rewrite, .. }) => {
            let Some(regex) = program.rewrite_pattern(rule) else { return Cow::Borrowed(path) };
            regex.replace_all(path, replacement(rewrite).as_str())
        }
    }
}

/// `Location` of a redirect.
pub fn location(redirect: &Redirect, matched: Option<&HttpMatch>, request: &RequestFacts<'_>, port: u16) -> String {
    let scheme = redirect.scheme.as_deref().unwrap_or(request.scheme);
    let authority = redirect.authority.as_deref().unwrap_or(request.authority);
    let default = if scheme == "https" { 443 } else { 80 };
    let port = match redirect.port {
        RedirectPort::Kept => None,
        RedirectPort::Fixed(port) => Some(port),
        RedirectPort::ByScheme => Some(default),
        RedirectPort::OfRequest => Some(port),
    };
    let host = match port {
        None => authority.to_owned(),
        Some(port) if port == default => without_port(authority).to_owned(),
        Some(port) => format!("{}:{port}", without_port(authority)),
    };
    let path = match &redirect.path {
        RedirectPath::Kept => request.path.to_owned(),
        RedirectPath::Full(path) => path.to_string(),
        RedirectPath::Prefix(new) => {
            let cut = matched_prefix(matched, request.path).unwrap_or(request.path.len());
            format!("{new}{}", &request.path[cut..])
        }
    };
    let query =
        if request.query.is_empty() || path.contains('?') { String::new() } else { format!("?{}", request.query) };
    format!("{scheme}://{host}{path}{query}")
}

/// Length of the prefix that matched.
fn matched_prefix(matched: Option<&HttpMatch>, path: &str) -> Option<usize> {
    match matched.and_then(|matched| matched.uri.as_ref()) {
        Some(StringMatch::Prefix(prefix)) if path.is_char_boundary(prefix.len().min(path.len())) => {
            Some(prefix.len().min(path.len()))
        }
        _ => None,
    }
}

/// `\1` as this regex library writes it.
fn replacement(rewrite: &str) -> String {
    let mut made = String::with_capacity(rewrite.len() + 8);
    let mut characters = rewrite.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '$' => made.push_str("$$"),
            '\\' => match characters.next() {
                Some(digit) if digit.is_ascii_digit() => {
                    made.push_str("${");
                    made.push(digit);
                    made.push('}');
                }
                Some(other) => made.push(other),
                None => made.push('\\'),
            },
            other => made.push(other),
        }
    }
    made
}
