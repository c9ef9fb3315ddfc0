//! Quarantine, by a label of a Process.

use ripstop_api::{Meta, Object, finding::Code};
use ripstop_model::{MeshConfig, Quarantine, RuleId, SpiffeId, TrustDomain};

use crate::{
    Declared, Instance,
    finding::{Findings, warning},
    traffic::rule_id,
};

/// Label that cuts the workloads of a Process off.
pub const LABEL: &str = "ripstop.dev/quarantine";
/// Annotation that names those with whom they may speak, with commas between.
pub const ALLOW: &str = "ripstop.dev/quarantine-allow";
/// Annotation that says why, for people.
pub const REASON: &str = "ripstop.dev/quarantine-reason";

/// Peers of one workload at most.
const PEERS: usize = 64;

pub(crate) const UNREAD: Code =
    warning("RS236", "a label or annotation of quarantine does not say what it should, and does not count");

/// Whether a label cuts off.
enum Asked {
    Yes,
    No,
    Unknown,
}

/// The quarantine of a Process, and what is wrong with how it is written.
pub(crate) fn declared(declared: &Declared, mesh: &MeshConfig, findings: &mut Findings) -> Option<Quarantine> {
    let object = &*declared.object;
    let value = object.meta.labels.get(LABEL);
    let asked = value.map_or(Asked::No, |value| asked(value));
    let label = format!("metadata.labels.{LABEL}");
    if let (Asked::Unknown, Some(value)) = (&asked, value) {
        let message = format!("{LABEL}={value} is not known and does not count");
        findings.add(UNREAD, object, &label, message, "known values: true, false");
    }
    let (peers, wrong) = peers(&object.meta, mesh);
    for message in wrong {
        let hint = "write NAMESPACE/SERVICEACCOUNT or DOMAIN/ns/NAMESPACE/sa/SERVICEACCOUNT, with commas between";
        findings.add(UNREAD, object, &format!("metadata.annotations.{ALLOW}"), message, hint);
    }
    matches!(asked, Asked::Yes).then(|| Quarantine { rule: rule_id(declared, &label), peers })
}

/// The quarantine of an instance that no Process declares.
pub(crate) fn reported(meta: &Meta, instance: &Instance, mesh: &MeshConfig) -> Option<Quarantine> {
    let asked = meta.labels.get(LABEL).map_or(Asked::No, |value| asked(value));
    let rule =
        || RuleId(format!("Process/{}/{}/0/metadata.labels.{LABEL}", instance.namespace, instance.process).into());
    matches!(asked, Asked::Yes).then(|| Quarantine { rule: rule(), peers: peers(meta, mesh).0 })
}

/// A namespace is not cut off as a whole.
pub(crate) fn check_namespace(object: &Object, findings: &mut Findings) {
    if object.meta.labels.contains_key(LABEL) {
        let message = format!("{LABEL} cuts off workloads of a Process, and does not count for a Namespace");
        let hint = "label its Processes, e.g. by ripstop quarantine";
        findings.add(UNREAD, object, &format!("metadata.labels.{LABEL}"), message, hint);
    }
}

fn asked(value: &str) -> Asked {
    match value {
        "true" => Asked::Yes,
        "false" => Asked::No,
        _ => Asked::Unknown,
    }
}

/// Peers that are named, and what is wrong with the others.
fn peers(meta: &Meta, mesh: &MeshConfig) -> (Vec<SpiffeId>, Vec<String>) {
    let (mut peers, mut wrong) = (Vec::new(), Vec::new());
    let written = meta.annotations.get(ALLOW).map(String::as_str).unwrap_or_default();
    for entry in written.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        match peer(entry, mesh) {
            None => wrong.push(format!("{entry:?} names no identity and does not count")),
            Some(peer) if peers.contains(&peer) => {}
            Some(_) if peers.len() >= PEERS => {
                wrong.push(format!("{entry:?} does not count: {PEERS} peers are the most"));
                break;
            }
            Some(peer) => peers.push(peer),
        }
    }
    (peers, wrong)
}

/// `namespace/account`, or a principal with or without its scheme; one of an alias of the mesh's domain is of that
/// domain.
fn peer(entry: &str, mesh: &MeshConfig) -> Option<SpiffeId> {
    let principal = entry.strip_prefix("spiffe://").unwrap_or(entry);
    let parts: Vec<&str> = principal.split('/').collect();
    match parts[..] {
        [namespace, account] if principal == entry => {
            SpiffeId::service_account(&mesh.trust_domain, namespace, account).ok()
        }
        [domain, "ns", namespace, "sa", account] => {
            let domain: TrustDomain = domain.parse().ok()?;
            let own = domain == TrustDomain::default() || mesh.trust_domain_aliases.contains(&domain);
            let domain = if own { &mesh.trust_domain } else { &domain };
            SpiffeId::service_account(domain, namespace, account).ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
