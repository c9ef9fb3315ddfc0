//! Secrets that rules for callees name, and that are not there or of no use.

use std::collections::BTreeSet;

use ripstop_api::{
    Kind, Object, Spec,
    istio::{ClientTls, ClientTlsMode, DestinationRule, TrafficPolicy},
    ripstop::ProcessRole,
};
use ripstop_model::{Labels, Selector, TunnelProtocol, Visibility};

use super::{
    Mesh,
    certificates::{AUTHORITIES, INVALID, PAIR, secret},
    lives,
    not_followed::REFUSED,
    objects::destination_rules,
};
use crate::{
    declare::{labels, of_kind},
    finding::{Findings, NOT_FOUND},
    pair::{Fault, certificate_key, written_at},
    traffic::{Exported, workloads},
};

/// Who may go by a rule.
struct Audience<'a> {
    namespace: &'a str,
    seen: Visibility,
    chosen: Option<Selector>,
}

/// Everybody who calls.
struct Callers<'a> {
    gateways: Vec<(&'a str, Labels)>,
    /// Namespaces and labels of workloads in the mesh that are no gateways.
    others: BTreeSet<(&'a str, &'a Labels)>,
}

pub(crate) fn check(mesh: &Mesh<'_>, findings: &mut Findings) {
    let mut callers: Option<Callers<'_>> = None;
    for (declared, written) in destination_rules(mesh) {
        let object = &*declared.object;
        for (path, tls) in blocks(written).into_iter().filter(|(_, tls)| !tls.credential_name.is_empty()) {
            let path = format!("{path}.credentialName");
            let callers = callers.get_or_insert_with(|| Callers::of(mesh));
            let audience = Audience::of(mesh, object, written);
            let mut at: Vec<&str> = callers
                .gateways
                .iter()
                .filter(|(namespace, labels)| audience.has(namespace, labels))
                .map(|(namespace, _)| *namespace)
                .collect();
            at.dedup();
            // Workloads get those of rules for certain of them; of others tells another rule.
            if audience.chosen.is_some()
                && callers.others.iter().any(|(namespace, labels)| audience.has(namespace, labels))
                && !at.contains(&audience.namespace)
            {
                at.push(audience.namespace);
            }
            if !at.is_empty() {
                at_callers(mesh, object, &path, tls, &at, findings);
            }
        }
    }
}

/// Blocks that ask for TLS which is not the mesh's, and where they stand.
fn blocks(rule: &DestinationRule) -> Vec<(String, &ClientTls)> {
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

/// What is wrong with it for callers in these namespaces.
fn at_callers(
    mesh: &Mesh<'_>,
    object: &Object,
    path: &str,
    tls: &ClientTls,
    namespaces: &[&str],
    findings: &mut Findings,
) {
    let text = tls.credential_name.strip_prefix("kubernetes://").unwrap_or(&tls.credential_name);
    if text.contains("://") {
        let message = format!("requests to it fail: {text} is no Secret of Kubernetes, and no others are known");
        findings.add(REFUSED, object, path, message, "");
        return;
    }
    let (wanted, name) = text.split_once('/').map_or((None, text), |(namespace, name)| (Some(namespace), name));
    let near: Vec<&str> =
        namespaces.iter().copied().filter(|near| wanted.is_none_or(|wanted| wanted == *near)).collect();
    let secret = |namespace: &str, name: &str| secret(mesh, namespace, name);
    let apart = format!("{name}-cacert");
    let has_any = |namespace: &&&str| secret(namespace, name).or(secret(namespace, &apart)).is_some();
    let Some(namespace) = near.iter().find(has_any).or(near.first()) else {
        let message = format!("there is no Secret {text} for its callers, which get those of their own namespace only");
        findings.add(NOT_FOUND, object, path, message, "");
        return;
    };
    let own = secret(namespace, name);
    let hint = format!("create it in {namespace}, the namespace of the caller");
    let missing = || format!("there is no Secret {namespace}/{name}: requests to it fail");
    if tls.mode == ClientTlsMode::Mutual {
        let Some((secret, written, judged)) = own else {
            return findings.add(NOT_FOUND, object, path, missing(), &hint);
        };
        match judged.pair(written) {
            Ok(facts) => {
                lives::check(mesh, facts, &written_at(secret, certificate_key(written)), object, path, findings);
            }
            Err(fault) => findings.add(INVALID, object, path, fault.told(secret), PAIR),
        }
    }
    if tls.insecure_skip_verify == Some(true) {
        return;
    }
    let both = [own, secret(namespace, &apart)];
    if both.iter().all(Option::is_none) {
        return findings.add(NOT_FOUND, object, path, missing(), &hint);
    }
    // The first that has any is believed.
    let faults = both.into_iter().flatten().map(|(secret, written, judged)| (secret, judged.authorities(written)));
    match faults.into_iter().find(|(_, fault)| !matches!(fault, Some(Fault::Missing(_)))) {
        Some((_, None)) => {}
        Some((secret, Some(fault))) => findings.add(INVALID, object, path, fault.told(secret), AUTHORITIES),
        None => {
            let message = format!("nobody vouches for the endpoint: neither {namespace}/{name} nor {apart} has ca.crt");
            findings.add(INVALID, object, path, message, "give one of them ca.crt, in PEM");
        }
    }
}

// === impl Audience ===

impl<'a> Audience<'a> {
    fn of(mesh: &Mesh<'_>, object: &'a Object, written: &DestinationRule) -> Self {
        let namespace = &object.id.namespace;
        let naming = &mesh.declarations.settings.naming;
        Self {
            namespace,
            seen: naming.visibility(&written.export_to, namespace, Exported::Backends),
            chosen: written.workload_selector.as_ref().map(workloads),
        }
    }

    fn has(&self, namespace: &str, labels: &Labels) -> bool {
        match &self.chosen {
            Some(chosen) => namespace == self.namespace && chosen.matches(labels),
            None => namespace == self.namespace || self.seen.includes(namespace),
        }
    }
}

// === impl Callers ===

impl<'a> Callers<'a> {
    fn of(mesh: &Mesh<'a>) -> Self {
        let gateways = of_kind(mesh.objects, Kind::Process).filter_map(|declared| {
            let object = &declared.object;
            let is_gateway = matches!(&object.spec, Spec::Process(process) if process.role == ProcessRole::Gateway);
            is_gateway.then(|| (object.id.namespace.as_str(), labels(&object.meta.labels)))
        });
        let inside = mesh.output.workloads.values().filter(|workload| workload.tunnel == TunnelProtocol::Hbone);
        Self {
            gateways: gateways.collect(),
            others: inside.map(|workload| (&*workload.namespace, &workload.labels)).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
