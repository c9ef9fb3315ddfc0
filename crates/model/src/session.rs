//! Sessions: requests of one client that belong to one endpoint.

use std::{fmt, sync::Arc, time::Duration};

use crate::RuleId;

/// The cookie by which requests of a session are known (as the Gateway API's `sessionPersistence`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionAffinity {
    /// Id of the rule.
    pub id: RuleId,
    /// Name of the cookie.
    pub cookie: Arc<str>,
    /// Its path.
    pub path: Arc<str>,
    /// How long clients keep it; nothing: as long as their own session lasts.
    pub ttl: Option<Duration>,
}

/// The secret by which proxies name endpoints in cookies: without it, nobody can tell from a name which endpoint is
/// meant, or make up one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SessionKey([u8; Self::LENGTH]);

// === impl SessionKey ===

impl SessionKey {
    /// Bytes of a key.
    pub const LENGTH: usize = 32;

    /// Of random bytes.
    pub fn new(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SessionKey {
    /// Does not show it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey")
    }
}
