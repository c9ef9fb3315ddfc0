//! What `Secret`s hold for this proxy: keys and certificates that the control plane has given.

use std::{collections::HashMap, sync::Arc};

use arc_swap::{ArcSwap, Guard};
use ripstop_model::{Credential, ObjectName};
use ripstop_pem::{self as pem, Fault, Part, PemError};
use ripstop_wire::{DecodeError, ResourceChange, credential, type_url};
use rustls::{RootCertStore, crypto::CryptoProvider, pki_types::CertificateRevocationListDer, sign::CertifiedKey};
use thiserror::Error;

/// What is there now. They are on disk with the rest of the configuration.
#[derive(Debug, Default)]
pub struct Secrets(ArcSwap<Credentials>);

/// What was there at one time, by namespace and name of the `Secret`.
#[derive(Clone, Debug, Default)]
pub struct Credentials(HashMap<ObjectName, Arc<Credential>>);

/// A part of a `Secret` that can't be used. What is said holds nothing of its content.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{part} of Secret {secret}: {reason}")]
pub struct Unusable {
    /// Which one.
    pub secret: Arc<str>,
    /// Which part.
    pub part: &'static str,
    /// Why.
    pub reason: PemError,
}

// === impl Secrets ===

impl Secrets {
    /// What is there now.
    pub fn load(&self) -> Guard<Arc<Credentials>> {
        self.0.load()
    }

    /// Takes over what changed: all of it, or nothing. By one after the other.
    pub fn follow(&self, resources: &[ResourceChange]) -> Result<(), DecodeError> {
        if resources.iter().any(|one| one.type_url == type_url::CREDENTIAL) {
            let mut next = Credentials::clone(&self.0.load());
            next.follow(resources)?;
            self.0.store(Arc::new(next));
        }
        Ok(())
    }
}

#[cfg(test)]
impl Secrets {
    /// As if all of it had changed.
    pub fn replace(&self, credentials: Credentials) {
        self.0.store(Arc::new(credentials));
    }
}

#[cfg(test)]
impl From<Credentials> for Secrets {
    fn from(credentials: Credentials) -> Self {
        Self(ArcSwap::from_pointee(credentials))
    }
}

// === impl Credentials ===

impl Credentials {
    fn follow(&mut self, resources: &[ResourceChange]) -> Result<(), DecodeError> {
        for ResourceChange { name, body, .. } in resources.iter().filter(|one| one.type_url == type_url::CREDENTIAL) {
            if let Some(body) = body {
                let credential = credential::decode(name, body)?;
                let key = (credential.namespace.clone(), credential.name.clone());
                self.0.insert(key, Arc::new(credential));
            } else {
                self.0.retain(|(namespace, own), _| format!("{namespace}/{own}") != **name);
            }
        }
        Ok(())
    }

    /// The first of `names` that has a certificate and its key.
    pub fn certificate(&self, names: &[ObjectName]) -> Option<&Arc<Credential>> {
        names.iter().filter_map(|name| self.0.get(name)).find(|held| !held.chain.is_empty() && !held.key.is_empty())
    }

    /// The first of `names` that has authorities.
    pub fn authorities(&self, names: &[ObjectName]) -> Option<&Arc<Credential>> {
        names.iter().filter_map(|name| self.0.get(name)).find(|held| !held.authorities.is_empty())
    }

    #[cfg(test)]
    pub fn insert(&mut self, credential: Credential) {
        let key = (credential.namespace.clone(), credential.name.clone());
        self.0.insert(key, Arc::new(credential));
    }
}

/// Its certificate with its key.
pub fn certified(held: &Credential, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, Unusable> {
    let own = pem::certified(&held.chain, &held.key, provider).map_err(|Fault { part, reason }| {
        let part = match part {
            Part::Chain => "tls.crt",
            Part::Key => "tls.key",
        };
        unusable(held, part, reason)
    })?;
    Ok(Arc::new(own))
}

/// Its authorities.
pub fn authorities(held: &Credential) -> Result<RootCertStore, Unusable> {
    pem::authorities(&held.authorities).map_err(|reason| unusable(held, "ca.crt", reason))
}

/// What its authorities have revoked.
pub fn revocations(held: &Credential) -> Result<Vec<CertificateRevocationListDer<'static>>, Unusable> {
    if held.revocations.is_empty() {
        return Ok(Vec::new());
    }
    pem::all(&held.revocations).map_err(|reason| unusable(held, "ca.crl", reason))
}

/// Why a part of it is of no use.
pub fn unusable(held: &Credential, part: &'static str, reason: PemError) -> Unusable {
    Unusable { secret: format!("{}/{}", held.namespace, held.name).into(), part, reason }
}

#[cfg(test)]
mod tests;
