//! Resources on their way.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use sha2::{Digest, Sha256};

use crate::discovery;

/// A resource, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// Type of the message.
    pub type_url: &'static str,
    /// Name within its type.
    pub name: Arc<str>,
    /// Hash of the content, in hex: equal content has an equal version, also over restarts.
    pub version: Arc<str>,
    /// The message.
    pub body: Bytes,
}

/// A resource that appeared, changed or went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceChange {
    /// Type of the message.
    pub type_url: &'static str,
    /// Name within its type.
    pub name: Arc<str>,
    /// Version the sender gave it; empty when it is gone.
    pub version: Arc<str>,
    /// The message; nothing when it is gone.
    pub body: Option<Bytes>,
}

// === impl Encoded ===

impl Encoded {
    /// Encodes `message` and hashes it.
    pub fn new(type_url: &'static str, name: impl Into<Arc<str>>, message: &impl Message) -> Self {
        let body = Bytes::from(message.encode_to_vec());
        Self { type_url, name: name.into(), version: content_hash(&body), body }
    }

    /// The resource as `google.protobuf.Any`; shares the bytes.
    pub fn any(&self) -> discovery::Any {
        discovery::Any { type_url: self.type_url.to_owned(), value: self.body.clone() }
    }
}

// === impl ResourceChange ===

impl ResourceChange {
    /// The resource `name` is gone.
    pub fn removed(type_url: &'static str, name: impl Into<Arc<str>>) -> Self {
        Self { type_url, name: name.into(), version: "".into(), body: None }
    }
}

impl From<Encoded> for ResourceChange {
    fn from(Encoded { type_url, name, version, body }: Encoded) -> Self {
        Self { type_url, name, version, body: Some(body) }
    }
}

/// The first 128 bits of the SHA-256, in hex: no two contents of one resource meet by chance.
fn content_hash(body: &[u8]) -> Arc<str> {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let digest = Sha256::digest(body);
    let hex: String = digest
        .iter()
        .take(16)
        .flat_map(|byte| [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]])
        .map(char::from)
        .collect();
    hex.into()
}
