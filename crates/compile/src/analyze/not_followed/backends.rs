//! Rules for backends.

use ripstop_api::Object;

use super::NOT_FOLLOWED;
use crate::{
    analyze::{Mesh, host_index::HostIndex, objects::destination_rules},
    finding::Findings,
};

/// Parts that nothing follows, whatever is called.
const PARTS: [(&str, &str); 2] = [
    ("tunnel", "connections go straight, not through another proxy yet"),
    ("minClusterSize", "zones are preferred however few endpoints there are"),
];

const CONNECT: &str = ".connectionPool.tcp.connectTimeout";

pub(super) fn check(mesh: &Mesh<'_>, findings: &mut Findings) {
    let naming = &mesh.declarations.settings.naming;
    let mut outside: Option<HostIndex<()>> = None;
    for (declared, written) in destination_rules(mesh) {
        let object = &*declared.object;
        parts(object, findings);
        let timeouts = || object.source.fields.keys().filter(|path| path.ends_with(CONNECT));
        if timeouts().next().is_none() {
            continue;
        }
        let host = naming.host(&written.host, &object.id.namespace);
        if outside.get_or_insert_with(|| hosts_outside(mesh)).overlapping(&host).next().is_none() {
            continue;
        }
        for path in timeouts() {
            let message = "to hosts outside of the mesh it is the egress of the node that connects, and it takes up to \
                           4 s, whatever is written";
            findings.add(NOT_FOLLOWED, object, path, message, "");
        }
    }
}

/// The outermost fields of those names.
fn parts(object: &Object, findings: &mut Findings) {
    for path in object.source.fields.keys() {
        let name = path.rsplit('.').next().unwrap_or(path);
        let name = name.split('[').next().unwrap_or(name);
        if path.ends_with(']') {
            continue;
        }
        if let Some((_, message)) = PARTS.iter().find(|(known, _)| *known == name) {
            findings.add(NOT_FOLLOWED, object, path, *message, "");
        }
    }
}

/// Hosts whose endpoints are no workloads: the way there leads out of the mesh.
fn hosts_outside(mesh: &Mesh<'_>) -> HostIndex<()> {
    let mut hosts = HostIndex::default();
    let entries = mesh.output.traffic.entries.values().flat_map(|hosts| &**hosts);
    for entry in entries.filter(|entry| entry.selector.is_none()) {
        hosts.insert(&entry.host, ());
    }
    hosts
}
