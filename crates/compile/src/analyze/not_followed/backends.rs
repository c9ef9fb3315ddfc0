//! Rules for backends.

use ripstop_api::{Object, istio::DestinationRule};

use super::{NOT_FOLLOWED, REFUSED};
use crate::{
    analyze::{Mesh, host_index::HostIndex, objects::destination_rules},
    finding::Findings,
};

const CONNECT: &str = ".connectionPool.tcp.connectTimeout";

pub(super) fn check(mesh: &Mesh<'_>, findings: &mut Findings) {
    let naming = &mesh.declarations.settings.naming;
    let mut outside: Option<HostIndex<()>> = None;
    for (declared, written) in destination_rules(mesh) {
        let object = &*declared.object;
        posted(object, written, findings);
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

/// Forward proxies that are to be asked otherwise than by CONNECT.
fn posted(object: &Object, written: &DestinationRule, findings: &mut Findings) {
    let of_rule = (String::from("spec.trafficPolicy"), written.traffic_policy.as_ref());
    let subsets = written.subsets.iter().enumerate();
    let of_subsets =
        subsets.map(|(index, subset)| (format!("spec.subsets[{index}].trafficPolicy"), subset.traffic_policy.as_ref()));
    for (base, policy) in std::iter::once(of_rule).chain(of_subsets) {
        let tunnel = policy.and_then(|policy| policy.tunnel.as_ref());
        if tunnel.is_some_and(|tunnel| tunnel.protocol.as_deref() == Some("POST")) {
            let path = format!("{base}.tunnel.protocol");
            let message = "connections to it fail: forward proxies are asked by CONNECT only, as hardly any but Envoy passes \
                           on the bodies of a request and of its answer at the same time";
            findings.add(REFUSED, object, &path, message, "write CONNECT");
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
