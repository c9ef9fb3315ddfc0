//! `v1/Secret`.

use std::fmt;

/// Keys and certificates. Its values never show up in messages or debug output.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret {
    /// `type` (`Opaque`).
    pub kind: String,
    /// `data` and `stringData`, decoded.
    pub data: std::collections::BTreeMap<String, Vec<u8>>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("kind", &self.kind).field("keys", &self.data.keys()).finish()
    }
}

impl Secret {
    /// Top-level fields of the object.
    pub(crate) fn decode(_decoder: &mut crate::decode::Decoder<'_>, root: &mut crate::decode::Record<'_>) -> Self {
        root.silent(&["data", "stringData", "binaryData", "type", "immutable"]);
        Self::default()
    }
}
