//! `v1/Secret`.

use std::{collections::BTreeMap, fmt};

use super::data;
use crate::{
    decode::{Decoder, Field, Record},
    finding::code,
};

/// Keys and certificates. Its values never show up in messages or debug output.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret {
    /// `type` (`Opaque`).
    pub kind: String,
    /// `data` and `stringData`, decoded; `stringData` beats `data`.
    pub data: BTreeMap<String, Vec<u8>>,
    /// `immutable`.
    pub immutable: bool,
}

// === impl Secret ===

impl Secret {
    /// Top-level fields of the object.
    pub(crate) fn decode(decoder: &mut Decoder<'_>, root: &mut Record<'_>) -> Self {
        let mut secret = Self { kind: OPAQUE.to_owned(), ..Self::default() };
        // Keys whose value is wrong are there all the same.
        let mut keys: Vec<&str> = Vec::new();
        let given = root.structure(decoder, "data");
        if let Some(field) = &given {
            for (key, value, text) in data::texts(decoder, field) {
                keys.push(key);
                if let Some(bytes) = data::base64(decoder, &value, text) {
                    secret.data.insert(key.to_owned(), bytes);
                }
            }
        }
        let plain = root.structure(decoder, "stringData");
        if let Some(field) = &plain {
            for (key, _, text) in data::texts(decoder, field) {
                keys.push(key);
                secret.data.insert(key.to_owned(), text.as_bytes().to_vec());
            }
        }
        if let Some(field) = root.get(decoder, "immutable") {
            secret.immutable = decoder.boolean(&field).unwrap_or_default();
        }
        let at = given.or(plain).unwrap_or_else(|| root.field.clone());
        if let Some(field) = root.get(decoder, "type")
            && let Some(kind) = decoder.text(&field).filter(|kind| !kind.is_empty())
        {
            kind.clone_into(&mut secret.kind);
            check_keys(decoder, kind, &at, &keys);
        }
        data::check_size(decoder, &at, secret.data.values().map(Vec::len).sum());
        secret
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret")
            .field("kind", &self.kind)
            .field("keys", &self.data.keys())
            .field("immutable", &self.immutable)
            .finish()
    }
}

/// `type` of a Secret that names none.
const OPAQUE: &str = "Opaque";

/// Types that must hold certain keys.
const KEYS: [(&str, &[&str]); 4] = [
    ("kubernetes.io/tls", &["tls.crt", "tls.key"]),
    ("kubernetes.io/ssh-auth", &["ssh-privatekey"]),
    ("kubernetes.io/dockercfg", &[".dockercfg"]),
    ("kubernetes.io/dockerconfigjson", &[".dockerconfigjson"]),
];

fn check_keys(decoder: &mut Decoder<'_>, kind: &str, at: &Field<'_>, keys: &[&str]) {
    let needed = KEYS.iter().filter(|(name, _)| *name == kind).flat_map(|(_, needed)| *needed);
    for key in needed.filter(|key| !keys.contains(key)) {
        let path = match at.path.as_str() {
            "" => format!("data.{key}"),
            path => format!("{path}.{key}"),
        };
        let message = format!("`{key}` is missing, a Secret of type `{kind}` must have it");
        decoder.report_at(code::MISSING, &path, at.node.mark, message, "");
    }
}
