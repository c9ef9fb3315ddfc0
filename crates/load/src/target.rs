//! Where requests go.

use std::{num::NonZeroU32, str::FromStr};

use http::Uri;
use thiserror::Error;

/// Where requests go: a server and a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its server.
    pub(crate) origin: Origin,
    /// What requests name as `Host` or `:authority`.
    pub(crate) authority: String,
    /// Path and query.
    pub(crate) path: String,
    /// Its share of requests, beside those of the others.
    pub(crate) weight: NonZeroU32,
}

/// A server that is connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) secure: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// Why a URL is no target.
#[derive(Debug, Error)]
pub enum TargetError {
    /// It can't be read.
    #[error("it is no URL")]
    NoUrl(#[from] http::uri::InvalidUri),
    /// It names no host.
    #[error("it names no host: http://HOST[:PORT][/PATH]")]
    NoHost,
    /// There is no such port.
    #[error("{0:?} is no port")]
    Port(String),
    /// Something else than HTTP.
    #[error("{0}:// can't be sent to; http:// and https:// can")]
    Scheme(String),
    /// A password in a URL ends up in logs.
    #[error("it has a user: say `-H 'authorization: …'` instead")]
    User,
}

// === impl Target ===

impl Target {
    /// The same with this share of requests, beside those of others.
    #[must_use]
    pub fn with_weight(self, weight: NonZeroU32) -> Self {
        Self { weight, ..self }
    }

    /// The same that is asked for as `authority`, whatever its server is called.
    #[must_use]
    pub fn called(self, authority: impl Into<String>) -> Self {
        Self { authority: authority.into(), ..self }
    }

    /// Whether it is called by TLS.
    pub fn is_secure(&self) -> bool {
        self.origin.secure
    }

    /// Its URL, and what it is called if that is something else.
    pub fn url(&self) -> String {
        let Origin { secure, host, port } = &self.origin;
        let scheme = if *secure { "https" } else { "http" };
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let whole = format!("{host}:{port}");
        let known = [&host, &whole].contains(&&self.authority);
        let server = if *port == default_port(*secure) { host } else { whole };
        let called = if known { String::new() } else { format!(" (host {})", self.authority) };
        format!("{scheme}://{server}{}{called}", self.path)
    }
}

impl FromStr for Target {
    type Err = TargetError;

    /// A URL; without a scheme it is `http`.
    fn from_str(text: &str) -> Result<Self, TargetError> {
        let has_scheme =
            text.split_once("://").is_some_and(|(scheme, _)| scheme.bytes().all(|b| b.is_ascii_alphanumeric()));
        let whole = if has_scheme { text.to_owned() } else { format!("http://{text}") };
        let uri: Uri = whole.parse()?;
        let secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            other => return Err(TargetError::Scheme(other.unwrap_or_default().to_owned())),
        };
        let authority = uri.authority().filter(|authority| !authority.host().is_empty()).ok_or(TargetError::NoHost)?;
        if authority.as_str().contains('@') {
            return Err(TargetError::User);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        // The library takes a port that is none for no port.
        let port = match &authority.as_str()[authority.host().len()..] {
            "" | ":" => default_port(secure),
            said => said[1..].parse().map_err(|_| TargetError::Port(said[1..].to_owned()))?,
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            origin: Origin { secure, host, port },
            authority: authority.as_str().trim_end_matches(':').to_owned(),
            path: if path.starts_with('?') { format!("/{path}") } else { path.to_owned() },
            weight: NonZeroU32::MIN,
        })
    }
}

fn default_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

#[cfg(test)]
mod tests;
