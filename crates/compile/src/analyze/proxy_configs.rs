//! ProxyConfigs that are for no proxy: workloads have none of their own, unless they are gateways or waypoints, or ask for a
//! sidecar.

use ripstop_api::{Kind, Spec, finding::Code, ripstop::ProcessRole};
use ripstop_model::{ProcessKind, ProxySettings};

use super::{
    Mesh,
    workloads::{INGRESS_NAMESPACE, Labelled, Workloads},
};
use crate::{
    declare::{id_of, of_kind},
    finding::{Findings, info},
};

/// Codes of this rule.
pub(crate) const CODES: &[Code] = &[FOR_NO_PROXY];

const FOR_NO_PROXY: Code =
    info("RS272", "a ProxyConfig is for no proxy: it selects no gateway, no waypoint and nobody with a sidecar");

/// Those that ask for something.
pub(crate) fn check(mesh: &Mesh<'_>, findings: &mut Findings) {
    let configs = &mesh.output.traffic.proxy_settings;
    if configs.is_empty() {
        return;
    }
    let proxies = proxies(mesh);
    for (name, settings) in configs {
        if settings.concurrency.is_none() || reaches(mesh, &proxies, settings) {
            continue;
        }
        let Some(declared) = mesh.objects.get(&id_of(Kind::ProxyConfig, name)) else { continue };
        let path = if settings.selector.is_empty() { "spec" } else { "spec.selector" };
        let message = format!(
            "no proxy follows it: namespace {} has no gateway, waypoint or sidecar that it is for, and other workloads have \
             no proxy of their own",
            settings.namespace
        );
        let hint = format!(
            "for the proxies of nodes, write it in the mesh's defaultConfig, or without selector in namespace {}",
            mesh.output.mesh.root_namespace
        );
        findings.add(FOR_NO_PROXY, &declared.object, path, message, &hint);
    }
}

/// Whether any proxy follows it. Without selector in the root namespace it is for all of the mesh.
fn reaches(mesh: &Mesh<'_>, proxies: &Workloads<'_>, settings: &ProxySettings) -> bool {
    let is_for_all = settings.selector.is_empty() && settings.namespace == mesh.output.mesh.root_namespace;
    is_for_all || proxies.hits(Some(&settings.namespace), &settings.selector)
}

/// All that are their own proxies, as they are declared and as they run.
fn proxies<'a>(mesh: &Mesh<'a>) -> Workloads<'a> {
    let declared = of_kind(mesh.objects, Kind::Process).filter_map(|declared| {
        let object = &declared.object;
        let Spec::Process(process) = &object.spec else { return None };
        let labels = object.meta.labels.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let gateway = process.role == ProcessRole::Gateway;
        let one =
            Labelled { namespace: &object.id.namespace, labels: labels.collect(), gateway, default_gateway: false };
        (process.role != ProcessRole::Command).then_some(one)
    });
    let running =
        mesh.output.workloads.values().filter(|one| one.kind != ProcessKind::Command || one.has_sidecar()).map(|one| {
            Labelled {
                namespace: &one.namespace,
                labels: one.labels.iter().map(|(key, value)| (&**key, &**value)).collect(),
                gateway: one.kind == ProcessKind::Gateway,
                default_gateway: false,
            }
        });
    let ingress = Labelled {
        namespace: INGRESS_NAMESPACE,
        labels: [("istio", "ingressgateway")].into(),
        gateway: true,
        default_gateway: true,
    };
    declared.chain(running).chain([ingress]).collect()
}

#[cfg(test)]
mod tests;
