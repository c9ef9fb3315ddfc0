//! Cookies that say which endpoint a session belongs to.

use std::{collections::HashMap, net::SocketAddr, sync::OnceLock};

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ripstop_model::SessionKey;

use super::endpoint::EndpointKey;

/// Names of a backend's endpoints, as cookies have them. A name is a keyed hash of the host and the endpoint, so that it
/// tells clients nothing of it, is the same at every proxy, and leads to nothing but the backend's own endpoints.
#[derive(Debug)]
pub(super) struct Sessions {
    key: hmac::Key,
    /// The host, under which each endpoint has its names.
    host: Box<[u8]>,
    /// Endpoints by their names, once somebody came with one.
    named: OnceLock<HashMap<Name, EndpointKey>>,
}

/// What a cookie says of its endpoint.
type Name = [u8; LENGTH];

/// Bytes of a name: as many as nobody can guess.
const LENGTH: usize = 16;
/// Characters of a name in a cookie, in base64.
const WRITTEN: usize = (LENGTH * 8).div_ceil(6);

// === impl Sessions ===

impl Sessions {
    /// Of a host's endpoints.
    pub(super) fn new(key: &SessionKey, host: &str) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
        Self { key, host: host.as_bytes().into(), named: OnceLock::new() }
    }

    /// The value of a cookie for `endpoint`.
    pub(super) fn value(&self, endpoint: &EndpointKey) -> String {
        URL_SAFE_NO_PAD.encode(self.name(endpoint))
    }

    /// Which of `endpoints`, the same at each call, the value of a cookie means.
    pub(super) fn endpoint(&self, endpoints: &HashMap<SocketAddr, EndpointKey>, value: &[u8]) -> Option<&EndpointKey> {
        if value.len() != WRITTEN {
            return None;
        }
        let mut name = Name::default();
        let length = URL_SAFE_NO_PAD.decode_slice(value, &mut name).ok()?;
        let named = || endpoints.values().map(|endpoint| (self.name(endpoint), endpoint.clone())).collect();
        self.named.get_or_init(named).get(&name).filter(|_| length == LENGTH)
    }

    fn name(&self, endpoint: &EndpointKey) -> Name {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&self.host);
        // Of a workload, whichever of its ports is called.
        if let Some(workload) = endpoint.workload() {
            context.update(b"\0workload\0");
            context.update(workload.uid.as_str().as_bytes());
        } else {
            context.update(b"\0address\0");
            context.update(endpoint.address().to_string().as_bytes());
        }
        let mut name = Name::default();
        name.copy_from_slice(&context.sign().as_ref()[..LENGTH]);
        name
    }
}

#[cfg(test)]
mod tests;
