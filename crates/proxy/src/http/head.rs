//! What a request says, kept while it is served.

use std::{borrow::Cow, cell::RefCell, ops::Range};

use ripstop_decide::{BadPath, RequestFacts, Token, normalized};
use ripstop_exchange::{Downstream, Protocol};
use ripstop_model::PathNormalization;
use ripstop_telemetry::{Headers, ResponseFlag};

use super::respond::Local;

/// Heads whose storage is kept for the next requests of a thread.
const KEPT: usize = 64;
/// What a head may have grown to and still be kept, in bytes.
const LARGEST: usize = 16 * 1024;

/// What a request says: one text, in which the parts are found. Names of headers are lower case. What is no UTF-8 is
/// there as U+FFFD, and never matches what a policy could name; it is sent on as it came.
#[derive(Debug)]
pub struct Head {
    text: String,
    method: Span,
    scheme: Span,
    authority: Span,
    path: Span,
    query: Span,
    /// Whether the path is not the one that came.
    normalized: bool,
    protocol: Protocol,
    headers: Vec<(Span, Span)>,
}

type Span = Range<usize>;

/// Why a request is answered by 400 before anybody looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadHead {
    /// Its path can be understood in more than one way.
    Path(BadPath),
    /// Its path or authority is no text.
    NoText,
}

thread_local! {
    static POOL: RefCell<Vec<(String, Vec<(Span, Span)>)>> = const { RefCell::new(Vec::new()) };
}

// === impl BadHead ===

impl BadHead {
    /// What its client is told.
    pub fn answer(self) -> Local {
        let why = match self {
            Self::Path(BadPath::Fragment) => "the path has a fragment",
            Self::Path(BadPath::Escape) => "the path has a % that begins no escape",
            Self::Path(BadPath::Nul) => "the path has an escaped NUL",
            Self::NoText => "the path or the authority is no text",
        };
        Local::new(400, why).flagged(ResponseFlag::DownstreamProtocolError)
    }
}

// === impl Head ===

impl Head {
    /// Of a request that came, its path normalized.
    pub fn read(request: &Downstream<'_>, how: PathNormalization) -> Result<Self, BadHead> {
        let facts = request.facts();
        let (text, headers) = POOL.with(|pool| pool.borrow_mut().pop()).unwrap_or_default();
        let mut head = Self {
            text,
            method: 0..0,
            scheme: 0..0,
            authority: 0..0,
            path: 0..0,
            query: 0..0,
            normalized: false,
            protocol: facts.protocol,
            headers,
        };
        head.method = head.push(facts.method);
        head.scheme = head.push(facts.scheme.unwrap_or(b"http"));
        let authority = std::str::from_utf8(facts.authority.unwrap_or_default()).map_err(|_| BadHead::NoText)?;
        head.authority = head.push(authority.as_bytes());
        let path = std::str::from_utf8(facts.path).map_err(|_| BadHead::NoText)?;
        let normal = normalized(path, how).map_err(BadHead::Path)?;
        head.normalized = *normal != *path;
        head.path = head.push(normal.as_bytes());
        head.query = head.push(facts.query.unwrap_or_default());
        for (name, value) in request.fields() {
            let name = head.push(name);
            head.text[name.clone()].make_ascii_lowercase();
            let value = head.push(value);
            head.headers.push((name, value));
        }
        Ok(head)
    }

    fn push(&mut self, bytes: &[u8]) -> Span {
        let begin = self.text.len();
        match std::str::from_utf8(bytes) {
            Ok(text) => self.text.push_str(text),
            Err(_) => self.text.push_str(&String::from_utf8_lossy(bytes)),
        }
        begin..self.text.len()
    }

    /// Method.
    pub fn method(&self) -> &str {
        &self.text[self.method.clone()]
    }

    /// Scheme.
    pub fn scheme(&self) -> &str {
        &self.text[self.scheme.clone()]
    }

    /// Authority.
    pub fn authority(&self) -> &str {
        &self.text[self.authority.clone()]
    }

    /// Normalized path, without query.
    pub fn path(&self) -> &str {
        &self.text[self.path.clone()]
    }

    /// Query without `?`; empty: none.
    pub fn query(&self) -> &str {
        &self.text[self.query.clone()]
    }

    /// Whether [`Self::path`] is not the one that came.
    pub fn is_normalized(&self) -> bool {
        self.normalized
    }

    /// By which HTTP it came.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Path and query, as they go on.
    pub fn target(&self) -> Cow<'_, str> {
        if self.query.is_empty() {
            Cow::Borrowed(self.path())
        } else {
            Cow::Owned(format!("{}?{}", self.path(), self.query()))
        }
    }

    /// Headers in order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (&self.text[name.clone()], &self.text[value.clone()]))
    }

    /// The first value of a header, whose name is lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    /// Whether it is a call of gRPC.
    pub fn is_grpc(&self) -> bool {
        self.header("content-type").is_some_and(|kind| {
            kind.strip_prefix("application/grpc").is_some_and(|rest| rest.is_empty() || rest.starts_with(['+', ';']))
        })
    }

    /// What is decided by.
    pub fn with_facts<R>(&self, decide: impl FnOnce(&RequestFacts<'_>) -> R) -> R {
        let headers: Vec<_> = self.headers().map(|(name, value)| (Cow::Borrowed(name), Cow::Borrowed(value))).collect();
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

impl Headers for Head {
    fn visit<'s>(&'s self, name: &str, visit: &mut dyn FnMut(&'s [u8])) {
        for (_, value) in self.headers().filter(|(own, _)| *own == name) {
            visit(value.as_bytes());
        }
    }
}

impl Drop for Head {
    fn drop(&mut self) {
        let (mut text, mut headers) = (std::mem::take(&mut self.text), std::mem::take(&mut self.headers));
        if text.capacity() > LARGEST {
            return;
        }
        text.clear();
        headers.clear();
        // A thread that is ending has no pool any more.
        let _ = POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            if pool.len() < KEPT {
                pool.push((text, headers));
            }
        });
    }
}
