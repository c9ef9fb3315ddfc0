//! TLS of rules for backends.

use ripstop_api::istio::{ClientTls, ClientTlsMode, DestinationRule, TrafficPolicy};
use ripstop_model::{HostPattern, TunnelProtocol};

use super::REFUSED;
use crate::{
    analyze::{Mesh, host_index::HostIndex, objects::destination_rules},
    finding::Findings,
};

pub(super) fn check(mesh: &Mesh<'_>, findings: &mut Findings) {
    let naming = &mesh.declarations.settings.naming;
    let mut inside: Option<HostIndex<()>> = None;
    for (declared, written) in destination_rules(mesh) {
        let object = &*declared.object;
        for (path, _) in blocks(written) {
            let host = naming.host(&written.host, &object.id.namespace);
            if inside.get_or_insert_with(|| hosts_inside(mesh)).overlapping(&host).next().is_some() {
                let message = "calls to workloads in the mesh fail: it encrypts for them, and TLS inside of that is \
                               not spoken yet";
                findings.add(REFUSED, object, &format!("{path}.mode"), message, "");
            }
        }
    }
}

/// Blocks that ask for TLS which is not the mesh's, and where they stand.
pub(in crate::analyze) fn blocks(rule: &DestinationRule) -> Vec<(String, &ClientTls)> {
    let general = rule.traffic_policy.as_ref().map(|policy| ("spec.trafficPolicy".to_owned(), policy));
    let subsets = rule.subsets.iter().enumerate().filter_map(|(index, subset)| {
        Some((format!("spec.subsets[{index}].trafficPolicy"), subset.traffic_policy.as_ref()?))
    });
    let all = general.into_iter().chain(subsets).flat_map(|(path, policy)| of_policy(&path, policy));
    let asks = |tls: &&ClientTls| matches!(tls.mode, ClientTlsMode::Simple | ClientTlsMode::Mutual);
    all.filter_map(|(path, tls)| Some((path, tls.filter(asks)?))).collect()
}

fn of_policy<'w>(path: &str, policy: &'w TrafficPolicy) -> Vec<(String, Option<&'w ClientTls>)> {
    let ports = policy.port_level_settings.iter().enumerate();
    let ports = ports.map(|(index, port)| (format!("{path}.portLevelSettings[{index}].tls"), port.tls.as_ref()));
    std::iter::once((format!("{path}.tls"), policy.tls.as_ref())).chain(ports).collect()
}

/// Hosts that have workloads in the mesh.
fn hosts_inside(mesh: &Mesh<'_>) -> HostIndex<()> {
    let mut hosts = HostIndex::default();
    let workloads = mesh.output.workloads.values().filter(|workload| workload.tunnel == TunnelProtocol::Hbone);
    let mut names: Vec<_> =
        workloads.flat_map(|workload| &workload.services).map(|(service, _)| &service.hostname).collect();
    names.sort();
    names.dedup();
    for name in names {
        hosts.insert(&HostPattern::Exact(name.clone()), ());
    }
    hosts
}
