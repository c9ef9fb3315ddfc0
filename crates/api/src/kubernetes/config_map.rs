//! `v1/ConfigMap`.

use std::collections::BTreeMap;

use super::data;
use crate::{
    decode::{Decoder, Field, Record},
    embedded,
    finding::code,
    istio::MeshConfig,
    schema::Decode,
    tree::Node,
};

/// Texts by key; the one named `istio` holds settings of the mesh.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConfigMap {
    /// `data`.
    pub data: BTreeMap<String, String>,
    /// Key `mesh`, read, if the object is named `istio` (or `istio-<revision>`).
    pub mesh: Option<Box<MeshConfig>>,
    /// `binaryData`, decoded.
    pub binary_data: BTreeMap<String, Vec<u8>>,
    /// `immutable`.
    pub immutable: bool,
}

// === impl ConfigMap ===

impl ConfigMap {
    /// Top-level fields of the object.
    pub(crate) fn decode(decoder: &mut Decoder<'_>, root: &mut Record<'_>) -> Self {
        let mut map = Self::default();
        let is_mesh = is_mesh(root.field.node);
        let given = root.structure(decoder, "data");
        if let Some(field) = &given {
            for (key, value, text) in data::texts(decoder, field) {
                match key {
                    "mesh" if is_mesh => map.mesh = mesh(decoder, &value),
                    "meshNetworks" if is_mesh && !text.trim().is_empty() => decoder.not_acted_on(&value, NETWORKS),
                    _ => {}
                }
                map.data.insert(key.to_owned(), text.to_owned());
            }
        }
        let binary = root.structure(decoder, "binaryData");
        if let Some(field) = &binary {
            for (key, value, text) in data::texts(decoder, field) {
                if map.data.contains_key(key) {
                    let message = format!("`{key}` stands below `data` too");
                    decoder.report(code::REPEATED_ITEM, &value, message, "remove one of them");
                }
                if let Some(bytes) = data::base64(decoder, &value, text) {
                    map.binary_data.insert(key.to_owned(), bytes);
                }
            }
        }
        if let Some(field) = root.get(decoder, "immutable") {
            map.immutable = decoder.boolean(&field).unwrap_or_default();
        }
        let texts: usize = map.data.values().map(String::len).sum();
        let bytes: usize = map.binary_data.values().map(Vec::len).sum();
        data::check_size(decoder, &given.or(binary).unwrap_or_else(|| root.field.clone()), texts + bytes);
        map
    }
}

const NETWORKS: &str = "this mesh has one network";

/// Whether it is Istio's: `istio`, or `istio-<revision>`.
fn is_mesh(root: &Node) -> bool {
    let name = root.get("metadata").and_then(|metadata| metadata.get("name")).and_then(Node::text);
    name.is_some_and(|name| name == "istio" || name.strip_prefix("istio-").is_some_and(|revision| !revision.is_empty()))
}

fn mesh(decoder: &mut Decoder<'_>, field: &Field<'_>) -> Option<Box<MeshConfig>> {
    let node = embedded::read(decoder, field)?;
    Decode::decode(decoder, &Field { node: &node, path: field.path.clone() })
}
