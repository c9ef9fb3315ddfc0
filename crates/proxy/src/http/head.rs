//! What a request says, kept while it is served.

use std::borrow::Cow;

use ripstop_decide::{BadPath, RequestFacts, Token, has_escaped_slash, normalized};
use ripstop_exchange::{Downstream, Protocol, RequestFacts as Line};
use ripstop_model::{EscapedSlashes, Underscores};
use thiserror::Error;

use super::{
    field_list::{FieldList, Span},
    filters::{self, Spelling, respond::Asker},
    followed::ReadingRules,
};

/// What a request says: one text, in which the parts are found. What is no UTF-8 in a field never matches what a policy
/// could name; it is sent on as it came.
#[derive(Clone, Debug)]
pub struct Head {
    fields: FieldList,
    method: Span,
    scheme: Span,
    authority: Span,
    /// Path, and query behind a `?` if there is one.
    target: Span,
    path: Span,
    query: Span,
    spelling: Spelling,
    protocol: Protocol,
    /// Names of fields that came and count for nothing.
    dropped: Vec<Box<[u8]>>,
}

/// Why a request is not served: it is answered with 400, or sent elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// A part of its target is no UTF-8, so that no rule could be written for it.
    #[error("its {0} is not UTF-8")]
    NoText(&'static str),
    /// Nobody could agree on what its path means.
    #[error("its path is refused: {0}")]
    Path(BadPath),
    /// A field has `_` in its name, where none may.
    #[error("a field has `_` in its name")]
    Underscore,
    /// Its path has escaped slashes; this is the one with slashes, with its query.
    #[error("its path is {0}")]
    Elsewhere(String),
}

// === impl Head ===

impl Head {
    /// Of a request that came, its path normalized.
    pub fn read(request: &Downstream<'_>, how: ReadingRules) -> Result<Self, Refusal> {
        Self::of(&request.facts(), request.fields(), how)
    }

    /// Of a request that can't be read, as far as records can tell of it. Nothing may be decided by it.
    pub fn unread(request: &Downstream<'_>) -> Self {
        Self::lossy(&request.facts(), request.fields())
    }

    /// Of something that is no request.
    pub fn nothing(protocol: Protocol) -> Self {
        let line = Line { method: b"", scheme: Some(b""), authority: None, path: b"", query: None, protocol };
        Self::lossy(&line, std::iter::empty())
    }

    fn lossy<'f>(line: &Line<'_>, fields: impl Iterator<Item = (&'f [u8], &'f [u8])>) -> Self {
        let mut fields = FieldList::of(fields);
        let path = fields.push(line.path);
        let query = line.query.unwrap_or_default();
        if !query.is_empty() {
            fields.push(b"?");
        }
        let query = fields.push(query);
        Self {
            method: fields.push(line.method),
            scheme: fields.push(line.scheme.unwrap_or(b"http")),
            authority: fields.push(line.authority.unwrap_or_default()),
            target: path.start..query.end,
            path,
            query,
            spelling: Spelling::AsItCame,
            protocol: line.protocol,
            dropped: Vec::new(),
            fields,
        }
    }

    /// Of a request's line and fields.
    pub(super) fn of<'f>(
        line: &Line<'_>,
        fields: impl Iterator<Item = (&'f [u8], &'f [u8])>,
        how: impl Into<ReadingRules>,
    ) -> Result<Self, Refusal> {
        let ReadingRules { paths, underscores } = how.into();
        let authority = text("authority", line.authority.unwrap_or_default())?;
        let query = text("query", line.query.unwrap_or_default())?;
        let came = text("path", line.path)?;
        let path = normalized(came, paths).map_err(Refusal::Path)?;
        if paths.escaped_slashes == EscapedSlashes::Redirected && has_escaped_slash(came) {
            let mark = if query.is_empty() { "" } else { "?" };
            // What begins with two slashes names another host.
            let path = path.trim_start_matches(['/', '\\']);
            return Err(Refusal::Elsewhere(format!("/{path}{mark}{query}")));
        }
        let spelling = if *path == *came { Spelling::AsItCame } else { Spelling::Normalized };
        let line = Line {
            authority: Some(authority.as_bytes()),
            path: path.as_bytes(),
            query: Some(query.as_bytes()),
            ..*line
        };
        if underscores == Underscores::Pass {
            return Ok(Self { spelling, ..Self::lossy(&line, fields) });
        }
        let mut dropped = Vec::new();
        let kept = fields.filter(|(name, _)| {
            let is_kept = !name.contains(&b'_');
            if !is_kept {
                dropped.push((*name).into());
            }
            is_kept
        });
        let head = Self::lossy(&line, kept);
        if underscores == Underscores::Refused && !dropped.is_empty() {
            return Err(Refusal::Underscore);
        }
        Ok(Self { spelling, dropped, ..head })
    }

    /// Method.
    pub fn method(&self) -> &str {
        self.fields.text(&self.method)
    }

    /// Scheme.
    pub fn scheme(&self) -> &str {
        self.fields.text(&self.scheme)
    }

    /// Says of which scheme it is, whatever it says itself.
    pub fn set_scheme(&mut self, scheme: &str) {
        if self.scheme() != scheme {
            self.scheme = self.fields.push(scheme.as_bytes());
        }
    }

    /// Authority.
    pub fn authority(&self) -> &str {
        self.fields.text(&self.authority)
    }

    /// Normalized path, without query.
    pub fn path(&self) -> &str {
        self.fields.text(&self.path)
    }

    /// Query without `?`; empty: none.
    pub fn query(&self) -> &str {
        self.fields.text(&self.query)
    }

    /// Whether [`Self::path`] is not the one that came.
    pub fn is_normalized(&self) -> bool {
        self.spelling == Spelling::Normalized
    }

    /// By which HTTP it came.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Names of fields that it came with, and that do not go on.
    pub fn dropped(&self) -> &[Box<[u8]>] {
        &self.dropped
    }

    /// Its fields.
    pub fn fields(&self) -> &FieldList {
        &self.fields
    }

    /// Path and query, as they go on.
    pub fn target(&self) -> &str {
        self.fields.text(&self.target)
    }

    /// Whether it is a call of gRPC.
    pub fn is_grpc(&self) -> bool {
        self.as_request().is_grpc()
    }

    /// In whose words it is answered.
    pub fn asker(&self) -> Asker {
        if self.is_grpc() { Asker::Grpc } else { Asker::Http }
    }

    /// As filters take it.
    pub fn as_request(&self) -> filters::Request<'_> {
        filters::Request {
            method: self.method(),
            scheme: self.scheme(),
            authority: self.authority(),
            path: self.path(),
            spelling: self.spelling,
            query: self.query(),
            headers: &self.fields,
        }
    }

    /// What is decided by.
    pub fn with_facts<R>(&self, decide: impl FnOnce(&RequestFacts<'_>) -> R) -> R {
        let headers: Vec<_> =
            self.fields.iter().map(|(name, value)| (Cow::Borrowed(name), Cow::Borrowed(value))).collect();
        decide(&RequestFacts {
            method: self.method(),
            scheme: self.scheme(),
            authority: self.authority(),
            path: self.path(),
            query: self.query(),
            headers: &headers,
            token: Token::Unchecked,
        })
    }
}

fn text<'a>(what: &'static str, bytes: &'a [u8]) -> Result<&'a str, Refusal> {
    std::str::from_utf8(bytes).map_err(|_| Refusal::NoText(what))
}

#[cfg(test)]
mod tests;
