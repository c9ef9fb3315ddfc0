//! Machines of the mesh.

use std::{collections::BTreeMap, sync::Arc};

use ripstop_api::{Kind, Spec};
use ripstop_model::{Labels, NodeSpec};

use crate::{
    Assignments, Objects,
    assign::{WantedBlocks, blocks_of},
    declare::{labels, of_kind},
    finding::Findings,
};

/// The node of a mesh that declares none.
const DEFAULT_NODE: &str = "default";

/// Nodes by name, each with a block of addresses a family.
pub(crate) fn compile(
    objects: &Objects,
    assigned: &mut Assignments,
    findings: &mut Findings,
) -> BTreeMap<Arc<str>, NodeSpec> {
    let mut wanted = Vec::new();
    let mut found: Vec<(&str, Labels)> = Vec::new();
    for declared in of_kind(objects, Kind::Node) {
        let Spec::Node(node) = &declared.object.spec else { continue };
        let name = declared.object.id.name.as_str();
        wanted.push(WantedBlocks {
            name,
            created: declared.created,
            object: Some(&declared.object),
            declared: &node.pod_cidrs,
        });
        found.push((name, labels(&declared.object.meta.labels)));
    }
    if found.is_empty() {
        wanted.push(WantedBlocks { name: DEFAULT_NODE, created: 0, object: None, declared: &[] });
        found.push((DEFAULT_NODE, Labels::new()));
    }
    assigned.blocks(&wanted, findings);
    let make = |(name, labels): (&str, Labels)| {
        let name: Arc<str> = name.into();
        (name.clone(), NodeSpec { pod_cidrs: blocks_of(assigned, &name), name, labels })
    };
    found.into_iter().map(make).collect()
}
