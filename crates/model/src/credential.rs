//! Keys and certificates of gateways.

use std::{fmt, sync::Arc};

/// What a `Secret` holds for the listeners of gateways and for what these call, in PEM. Its content never shows up in
/// debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// Namespace of the `Secret`.
    pub namespace: Arc<str>,
    /// Name of the `Secret`.
    pub name: Arc<str>,
    /// Certificate, then its intermediates; empty: none.
    pub chain: Arc<[u8]>,
    /// Private key; empty: none.
    pub key: Arc<[u8]>,
    /// Authorities of others' certificates; empty: none.
    pub authorities: Arc<[u8]>,
    /// Revoked certificates of others; empty: none.
    pub revocations: Arc<[u8]>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({}/{})", self.namespace, self.name)
    }
}
