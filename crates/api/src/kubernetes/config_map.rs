//! `v1/ConfigMap`.

use std::collections::BTreeMap;

use crate::istio::MeshConfig;

/// Texts by key; the one named `istio` holds settings of the mesh.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConfigMap {
    /// `data`.
    pub data: BTreeMap<String, String>,
    /// Key `mesh`, read, if the object is named `istio` (or `istio-<revision>`).
    pub mesh: Option<Box<MeshConfig>>,
}

impl ConfigMap {
    /// Top-level fields of the object.
    pub(crate) fn decode(_decoder: &mut crate::decode::Decoder<'_>, root: &mut crate::decode::Record<'_>) -> Self {
        root.silent(&["data", "stringData", "binaryData", "type", "immutable"]);
        Self::default()
    }
}
