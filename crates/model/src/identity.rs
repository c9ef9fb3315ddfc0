//! SPIFFE names.

use std::{fmt, str::FromStr, sync::Arc};

use thiserror::Error;

/// A SPIFFE trust domain: 1 to 255 characters of `[a-z0-9.-_]` (SPIFFE-ID 2.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrustDomain(Arc<str>);

/// A SPIFFE id, `spiffe://<trust domain>/<path>`, at most 2048 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpiffeId {
    uri: Arc<str>,
    /// Length of the trust domain inside `uri`.
    domain: u16,
}

/// What is wrong with the text of a trust domain or SPIFFE id.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum IdentityError {
    /// Empty, longer than 255 bytes, or with a character outside `[a-z0-9.-_]`.
    #[error("trust domain {0:?} is not valid: use 1 to 255 characters of a-z, 0-9, '.', '-' and '_'")]
    TrustDomain(String),
    /// Not `spiffe://` + trust domain + path of non-empty `[A-Za-z0-9.-_]` segments.
    #[error(
        "SPIFFE id {0:?} is not valid: expected spiffe://<trust domain>/<path>, segments of A-Z, a-z, 0-9, '.', '-', '_'"
    )]
    SpiffeId(String),
}

const SCHEME: &str = "spiffe://";
const MAX_ID: usize = 2048;

// === impl TrustDomain ===

impl TrustDomain {
    /// The domain's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TrustDomain {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let ok = (1..=255).contains(&text.len())
            && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_'));
        if ok { Ok(Self(text.into())) } else { Err(IdentityError::TrustDomain(text.into())) }
    }
}

impl Default for TrustDomain {
    /// `cluster.local`, Istio's default.
    fn default() -> Self {
        Self("cluster.local".into())
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl SpiffeId ===

impl SpiffeId {
    /// The identity of a service account: `spiffe://<td>/ns/<ns>/sa/<sa>`.
    pub fn service_account(domain: &TrustDomain, namespace: &str, account: &str) -> Result<Self, IdentityError> {
        format!("{SCHEME}{domain}/ns/{namespace}/sa/{account}").parse()
    }

    /// The identity of a part of the mesh itself, `spiffe://<td>/ripstop/<role>/<name>`; no
    /// service account can have such a name.
    pub fn component(domain: &TrustDomain, role: &str, name: &str) -> Result<Self, IdentityError> {
        format!("{SCHEME}{domain}/ripstop/{role}/{name}").parse()
    }

    /// The whole URI.
    pub fn as_str(&self) -> &str {
        &self.uri
    }

    /// The trust domain.
    pub fn trust_domain(&self) -> TrustDomain {
        TrustDomain(self.domain().into())
    }

    /// The trust domain's name.
    pub fn domain(&self) -> &str {
        self.uri.get(SCHEME.len()..SCHEME.len() + usize::from(self.domain)).unwrap_or("")
    }

    /// The path behind the trust domain, without its leading slash.
    pub fn path(&self) -> &str {
        self.uri.get(SCHEME.len() + usize::from(self.domain) + 1..).unwrap_or("")
    }

    /// Namespace and service account, if the path has the form `ns/<ns>/sa/<sa>`.
    pub fn as_service_account(&self) -> Option<(&str, &str)> {
        let mut parts = self.path().split('/');
        match (parts.next(), parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some("ns"), Some(namespace), Some("sa"), Some(account), None) => Some((namespace, account)),
            _ => None,
        }
    }

    /// Role and name, if the path has the form `ripstop/<role>/<name>`.
    pub fn as_component(&self) -> Option<(&str, &str)> {
        let mut parts = self.path().split('/');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some("ripstop"), Some(role), Some(name), None) => Some((role, name)),
            _ => None,
        }
    }
}

impl FromStr for SpiffeId {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || IdentityError::SpiffeId(text.chars().take(200).collect());
        let rest = text.strip_prefix(SCHEME).filter(|_| text.len() <= MAX_ID).ok_or_else(bad)?;
        let (domain, path) = rest.split_once('/').unwrap_or((rest, ""));
        domain.parse::<TrustDomain>().map_err(|_| bad())?;
        let segment = |s: &str| {
            !s.is_empty()
                && s != "."
                && s != ".."
                && s.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
        };
        let path_ok = if rest.len() == domain.len() { true } else { path.split('/').all(segment) };
        let length = u16::try_from(domain.len()).map_err(|_| bad())?;
        if path_ok { Ok(Self { uri: text.into(), domain: length }) } else { Err(bad()) }
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.uri)
    }
}

#[cfg(test)]
mod tests;
