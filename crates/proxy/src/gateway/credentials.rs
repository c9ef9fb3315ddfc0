//! Keys and certificates that the control plane has given.

use std::{collections::HashMap, sync::Arc};

use ripstop_model::{Credential, ObjectName};
use ripstop_wire::{DecodeError, ResourceChange, credential, type_url};

/// What is there now, by namespace and name of the `Secret`. They are on disk with the rest of the configuration.
#[derive(Debug, Default)]
pub struct Credentials(HashMap<ObjectName, Arc<Credential>>);

// === impl Credentials ===

impl Credentials {
    /// Takes over what changed.
    pub fn follow(&mut self, resources: &[ResourceChange]) -> Result<(), DecodeError> {
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

    /// The first of `names` that has authorities of clients.
    pub fn authorities(&self, names: &[ObjectName]) -> Option<&Arc<Credential>> {
        names.iter().filter_map(|name| self.0.get(name)).find(|held| !held.authorities.is_empty())
    }

    #[cfg(test)]
    pub fn insert(&mut self, credential: Credential) {
        let key = (credential.namespace.clone(), credential.name.clone());
        self.0.insert(key, Arc::new(credential));
    }
}
