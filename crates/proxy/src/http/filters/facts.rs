//! A request's head as decisions take it.

use std::borrow::Cow;

use ripstop_decide::{BadPath, RequestFacts, Token, normalized};
use ripstop_exchange::RequestFacts as Head;
use ripstop_model::PathNormalization;
use ripstop_telemetry::Headers;
use thiserror::Error;

use super::{Fields, Request};

/// What a request's head says, borrowed from it. A usual request costs no allocation: values are borrowed, names are
/// borrowed if they are lower case or well known, and the list's storage is used again ([`Storage`]).
#[derive(Debug)]
pub struct Facts<'a> {
    method: &'a str,
    scheme: &'a str,
    authority: &'a str,
    path: Cow<'a, str>,
    spelling: Spelling,
    query: &'a str,
    headers: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

/// Whether a path is the one that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// It is.
    AsItCame,
    /// It was normalized: the one that came must not be sent on.
    Normalized,
}

/// Storage for the list of a request's headers, for one request after another.
#[derive(Debug, Default)]
pub struct Storage(Vec<(Cow<'static, str>, Cow<'static, str>)>);

/// Why a request is answered with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// A part of its target is no UTF-8, so that no rule could be written for it.
    #[error("its {0} is not UTF-8")]
    NoText(&'static str),
    /// Nobody could agree on what its path means.
    #[error("its path is refused: {0}")]
    Path(BadPath),
}

/// Names that HTTP/1.1 clients write with capitals.
const WELL_KNOWN: [&str; 41] = [
    "te",
    "via",
    "date",
    "dnt",
    "host",
    "from",
    "range",
    "accept",
    "cookie",
    "expect",
    "origin",
    "pragma",
    "referer",
    "trailer",
    "upgrade",
    "if-match",
    "if-range",
    "connection",
    "keep-alive",
    "user-agent",
    "content-type",
    "x-request-id",
    "authorization",
    "cache-control",
    "if-none-match",
    "accept-charset",
    "content-length",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "accept-encoding",
    "accept-language",
    "x-forwarded-for",
    "content-encoding",
    "x-forwarded-host",
    "if-modified-since",
    "sec-websocket-key",
    "transfer-encoding",
    "x-forwarded-proto",
    "x-requested-with",
    "upgrade-insecure-requests",
];

// === impl Facts ===

impl<'a> Facts<'a> {
    /// Reads a head. What is no UTF-8 in a field's value stands there as U+FFFD, which no rule names; the field itself
    /// is sent on as it came.
    pub fn read(
        head: &Head<'a>,
        fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
        how: PathNormalization,
        storage: &mut Storage,
    ) -> Result<Self, Refusal> {
        let came = text("path", head.path)?;
        let path = normalized(came, how).map_err(Refusal::Path)?;
        let spelling = if *path == *came { Spelling::AsItCame } else { Spelling::Normalized };
        let mut facts = Self {
            method: text("method", head.method)?,
            scheme: text("scheme", head.scheme.unwrap_or(b"http"))?,
            authority: text("authority", head.authority.unwrap_or_default())?,
            path,
            spelling,
            query: text("query", head.query.unwrap_or_default())?,
            headers: std::mem::take(&mut storage.0),
        };
        facts.headers.extend(fields.map(|(name, value)| (lower_case(name), String::from_utf8_lossy(value))));
        Ok(facts)
    }

    /// As decisions take them, with what is known of its JWT.
    pub fn request<'f>(&'f self, token: Token<'f>) -> RequestFacts<'f> {
        RequestFacts {
            method: self.method,
            scheme: self.scheme,
            authority: self.authority,
            path: &self.path,
            query: self.query,
            headers: &self.headers,
            token,
        }
    }

    /// As the other filters take them.
    pub fn as_request(&self) -> Request<'_> {
        Request {
            method: self.method,
            scheme: self.scheme,
            authority: self.authority,
            path: &self.path,
            spelling: self.spelling,
            query: self.query,
            headers: self,
        }
    }

    /// Gives its storage back.
    pub fn give_back(self, storage: &mut Storage) {
        let mut headers = self.headers;
        headers.clear();
        // The list is empty: nothing is converted. The standard library collects in place, so the room stays.
        storage.0 = headers.into_iter().map(|_| (Cow::Borrowed(""), Cow::Borrowed(""))).collect();
    }
}

impl Headers for Facts<'_> {
    fn visit<'s>(&'s self, name: &str, visit: &mut dyn FnMut(&'s [u8])) {
        self.headers.iter().filter(|(own, _)| own == name).for_each(|(_, value)| visit(value.as_bytes()));
    }
}

impl Fields for Facts<'_> {
    fn each<'s>(&'s self, visit: &mut dyn FnMut(&'s [u8], &'s [u8])) {
        self.headers.iter().for_each(|(name, value)| visit(name.as_bytes(), value.as_bytes()));
    }
}

fn text<'a>(what: &'static str, bytes: &'a [u8]) -> Result<&'a str, Refusal> {
    std::str::from_utf8(bytes).map_err(|_| Refusal::NoText(what))
}

fn lower_case(name: &[u8]) -> Cow<'_, str> {
    let name = String::from_utf8_lossy(name);
    if !name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return name;
    }
    match WELL_KNOWN.iter().find(|known| known.eq_ignore_ascii_case(&name)) {
        Some(known) => Cow::Borrowed(known),
        None => Cow::Owned(name.to_ascii_lowercase()),
    }
}

#[cfg(test)]
mod tests;
