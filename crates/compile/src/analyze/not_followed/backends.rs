//! Rules for backends.

use ripstop_api::Object;
use ripstop_model::{AppProtocol, HostPattern};

use super::NOT_FOLLOWED;
use crate::{
    analyze::{Mesh, host_index::HostIndex, objects::destination_rules},
    finding::Findings,
};

/// Parts that nothing follows, whatever is called.
const PARTS: [(&str, &str); 2] = [
    ("tunnel", "connections go straight, not through another proxy yet"),
    ("proxyProtocol", "requests to it fail: no connection begins with the PROXY protocol yet"),
];

const IDLE: &str = ".connectionPool.tcp.idleTimeout";
const CONNECT: &str = ".connectionPool.tcp.connectTimeout";

/// What matters of a host that is called.
#[derive(Clone, Copy)]
struct Called {
    /// Some port of it may carry something else than requests.
    may_be_unread: bool,
    /// Its endpoints are no workloads: the way there leads out of the mesh.
    is_outside: bool,
}

pub(super) fn check(mesh: &Mesh<'_>, findings: &mut Findings) {
    let naming = &mesh.declarations.settings.naming;
    let mut called: Option<HostIndex<Called>> = None;
    for (declared, written) in destination_rules(mesh) {
        let object = &*declared.object;
        parts(object, findings);
        let set = |suffix| object.source.fields.keys().filter(move |path| path.ends_with(suffix));
        if set(IDLE).chain(set(CONNECT)).next().is_none() {
            continue;
        }
        let host = naming.host(&written.host, &object.id.namespace);
        let called = called.get_or_insert_with(|| hosts(mesh));
        if called.overlapping(&host).any(|called| called.may_be_unread) {
            for path in set(IDLE) {
                let message = "it ends connections for requests, and connections that nobody reads stay open";
                findings.add(NOT_FOLLOWED, object, path, message, "");
            }
        }
        if called.overlapping(&host).any(|called| called.is_outside) {
            for path in set(CONNECT) {
                let message = "to hosts outside of the mesh it is the egress of the node that connects, and it takes \
                               up to 4 s, whatever is written";
                findings.add(NOT_FOLLOWED, object, path, message, "");
            }
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

/// Everything that can be called.
fn hosts(mesh: &Mesh<'_>) -> HostIndex<Called> {
    let may_be_unread = |protocol| !matches!(protocol, AppProtocol::Http11 | AppProtocol::Http2 | AppProtocol::Grpc);
    let mut hosts = HostIndex::default();
    for service in mesh.output.services.values() {
        let may_be_unread = service.ports.iter().any(|port| may_be_unread(port.protocol));
        hosts.insert(&HostPattern::new(&service.key.hostname), Called { may_be_unread, is_outside: false });
    }
    for entry in mesh.output.traffic.entries.values().flat_map(|hosts| &**hosts) {
        let may_be_unread = entry.ports.iter().any(|port| may_be_unread(port.protocol));
        hosts.insert(&entry.host, Called { may_be_unread, is_outside: entry.selector.is_none() });
    }
    hosts
}
