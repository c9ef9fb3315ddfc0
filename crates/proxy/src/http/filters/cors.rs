//! Requests from other origins (Istio's `corsPolicy`), as Envoy's filter treats them.
//!
//! An origin that is allowed is always named by itself, also where all are. A preflight from one that is not gets an
//! answer without its name, or goes on if the rule says so (`unmatchedPreflights`). Answers of the proxy itself get the
//! same fields.

use std::{rc::Rc, sync::Arc};

use regex::Regex;
use ripstop_model::{Cors, StringMatch};
use ripstop_telemetry::Headers;

use super::{
    edits::{Edits, Text},
    respond::Local,
};

/// What a rule says about other origins, ready to be asked.
#[derive(Debug)]
pub struct CorsPolicy {
    origins: Vec<OriginMatch>,
    methods: String,
    headers: String,
    expose: String,
    max_age: Option<String>,
    credentials: bool,
    forward_unmatched: bool,
}

#[derive(Debug)]
enum OriginMatch {
    Any,
    Exact(Arc<str>),
    Prefix(Arc<str>),
    /// Nothing: it is no regex, and matches nothing.
    Regex(Option<Regex>),
}

/// What a request is for another origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked<'a> {
    /// It goes on, and its answer gets these fields.
    Granted(Grant<'a>),
    /// It goes on, and its answer stays as it is.
    Plain,
    /// It asks whether another one may be made: this is the answer.
    Preflight(Local),
}

/// What a script of another origin may see of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant<'a> {
    origin: &'a [u8],
    expose: &'a str,
    credentials: Credentials,
}

/// Whether credentials may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Credentials {
    Allowed,
    NotAllowed,
}

/// Policies that were made ready, for one worker.
#[derive(Debug, Default)]
pub struct CorsPolicies(Vec<(Arc<Cors>, Rc<CorsPolicy>)>);

// === impl CorsPolicies ===

impl CorsPolicies {
    /// How many may be there before those are looked for that no rule has any more.
    const FEW: usize = 16;

    /// The policy, made ready if it is not yet.
    pub fn get(&mut self, written: &Arc<Cors>) -> Rc<CorsPolicy> {
        if let Some((_, policy)) = self.0.iter().find(|(known, _)| Arc::ptr_eq(known, written)) {
            return policy.clone();
        }
        if self.0.len() >= Self::FEW && self.0.len() == self.0.capacity() {
            self.0.retain(|(known, _)| Arc::strong_count(known) > 1);
        }
        let policy = Rc::new(CorsPolicy::new(written));
        self.0.push((written.clone(), policy.clone()));
        policy
    }
}

// === impl CorsPolicy ===

impl CorsPolicy {
    /// Makes it ready.
    pub fn new(written: &Cors) -> Self {
        Self {
            origins: written.origins.iter().map(OriginMatch::new).collect(),
            methods: written.methods.join(","),
            headers: written.headers.join(","),
            expose: written.expose.join(","),
            max_age: written.max_age.map(|age| age.as_secs().to_string()),
            credentials: written.credentials == Some(true),
            forward_unmatched: written.forward_unmatched,
        }
    }

    /// Looks at a request.
    pub fn ask<'a>(&'a self, method: &str, headers: &'a (impl Headers + ?Sized)) -> Asked<'a> {
        let value = |name| headers.first(name).filter(|value| !value.is_empty());
        let Some(origin) = value("origin") else { return Asked::Plain };
        let granted = self.origins.iter().any(|wanted| wanted.matches(origin)).then(|| Grant {
            origin,
            expose: &self.expose,
            credentials: if self.credentials { Credentials::Allowed } else { Credentials::NotAllowed },
        });
        match value("access-control-request-method").filter(|_| method == "OPTIONS") {
            Some(method) if granted.is_some() || !self.forward_unmatched => {
                Asked::Preflight(self.preflight(granted, method, value("access-control-request-headers")))
            }
            _ => granted.map_or(Asked::Plain, Asked::Granted),
        }
    }

    fn preflight(&self, granted: Option<Grant<'_>>, method: &[u8], headers: Option<&[u8]>) -> Local {
        let mut local = Local::preflight();
        let mut give = |name: &'static str, value: &[u8]| {
            if !value.is_empty() {
                local.fields.push((name.into(), Text::copied(value)));
            }
        };
        let asked_or = |written: &str, asked: &[u8]| match written {
            "*" => asked.to_vec(),
            written => written.as_bytes().to_vec(),
        };
        if let Some(grant) = granted {
            give("access-control-allow-origin", grant.origin);
        }
        if self.credentials {
            give("access-control-allow-credentials", b"true");
        }
        give("access-control-allow-methods", &asked_or(&self.methods, method));
        give("access-control-allow-headers", &asked_or(&self.headers, headers.unwrap_or_default()));
        give("access-control-max-age", self.max_age.as_deref().unwrap_or_default().as_bytes());
        if granted.is_some() {
            give("access-control-expose-headers", self.expose.as_bytes());
        }
        local
    }
}

// === impl Grant ===

impl<'a> Grant<'a> {
    /// Gives an answer its fields.
    pub(super) fn give(&self, edits: &mut Edits<'a>) {
        edits.set("access-control-allow-origin", self.origin);
        if self.credentials == Credentials::Allowed {
            edits.set("access-control-allow-credentials", "true");
        }
        if !self.expose.is_empty() {
            edits.set("access-control-expose-headers", self.expose);
        }
    }
}

// === impl OriginMatch ===

impl OriginMatch {
    fn new(written: &StringMatch) -> Self {
        match written {
            StringMatch::Present => Self::Any,
            StringMatch::Exact(text) if &**text == "*" => Self::Any,
            StringMatch::Exact(text) => Self::Exact(text.clone()),
            StringMatch::Prefix(text) => Self::Prefix(text.clone()),
            StringMatch::Regex(text) => Self::Regex(Regex::new(&format!("^(?:{text})$")).ok()),
        }
    }

    fn matches(&self, origin: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(text) => origin == text.as_bytes(),
            Self::Prefix(text) => origin.starts_with(text.as_bytes()),
            Self::Regex(regex) => std::str::from_utf8(origin)
                .is_ok_and(|origin| regex.as_ref().is_some_and(|regex| regex.is_match(origin))),
        }
    }
}

#[cfg(test)]
mod tests;
