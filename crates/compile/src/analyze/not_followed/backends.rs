//! Rules for backends.

use std::time::Duration;

use ripstop_api::{Object, finding::Code, istio::DestinationRule};

use super::REFUSED;
use crate::{
    analyze::{Mesh, host_index::HostIndex, objects::destination_rules},
    finding::{Findings, info},
};

/// How long the machine connects to a place outside at most.
const LONGEST: Duration = Duration::from_secs(4);

pub(super) const TOO_PATIENT: Code =
    info("RS273", "a connectTimeout that is longer than connecting to hosts outside of the mesh may take");

pub(super) fn check(mesh: &Mesh<'_>, findings: &mut Findings) {
    let naming = &mesh.declarations.settings.naming;
    let mut outside: Option<HostIndex<()>> = None;
    for (declared, written) in destination_rules(mesh) {
        let object = &*declared.object;
        posted(object, written, findings);
        let long: Vec<String> = timeouts(written).filter(|(_, time)| *time > LONGEST).map(|(path, _)| path).collect();
        if long.is_empty() {
            continue;
        }
        let host = naming.host(&written.host, &object.id.namespace);
        if outside.get_or_insert_with(|| hosts_outside(mesh)).overlapping(&host).next().is_none() {
            continue;
        }
        for path in long {
            let message = "to hosts outside of the mesh it is the machine that connects, and it gives up after 4 s, so that \
                           few who wait for nobody take nobody else's place";
            findings.add(TOO_PATIENT, object, &path, message, "write at most 4s");
        }
    }
}

/// Timeouts for connecting, and where they stand.
fn timeouts(written: &DestinationRule) -> impl Iterator<Item = (String, Duration)> {
    let subsets = written.subsets.iter().enumerate();
    let of_subsets = subsets.map(|(index, subset)| (format!("spec.subsets[{index}]"), subset.traffic_policy.as_ref()));
    let all = std::iter::once(("spec".to_owned(), written.traffic_policy.as_ref())).chain(of_subsets);
    let policies = all.filter_map(|(base, policy)| Some((format!("{base}.trafficPolicy"), policy?)));
    let pools = policies.flat_map(|(base, policy)| {
        let ports = policy.port_level_settings.iter().enumerate();
        let of_ports =
            ports.map(|(index, port)| (format!("{base}.portLevelSettings[{index}]"), port.connection_pool.as_ref()));
        let of_ports: Vec<_> = of_ports.collect();
        std::iter::once((base, policy.connection_pool.as_ref())).chain(of_ports)
    });
    pools.filter_map(|(base, pool)| {
        let time = pool?.tcp.as_ref()?.connect_timeout?;
        Some((format!("{base}.connectionPool.tcp.connectTimeout"), time))
    })
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
