//! What is wrong or noteworthy about a mesh as a whole.

mod absent;
mod annotations;
mod callee_secrets;
mod callers;
mod catch_all;
mod certificates;
mod destinations;
mod discovery;
mod entries;
mod gateway_conflicts;
mod gateway_refs;
mod host_index;
mod hosts;
mod jwt;
mod l4;
mod limits;
mod lives;
mod members;
mod not_followed;
mod objects;
mod ports;
mod practice;
mod probes;
mod proxies;
mod proxy_configs;
pub(crate) mod quarantine;
mod reach;
mod registry;
mod retries;
mod rules;
mod selection;
mod sentence;
mod services;
mod sessions;
mod shadowed;
mod sidecar_listeners;
mod subsets;
mod suppression;
mod telemetry;
mod traffic_policies;
mod waypoints;
mod workloads;

use std::time::SystemTime;

use ripstop_api::{Finding, Kind, Object, Spec, finding::Code};

pub(crate) use self::{lives::last_part, sentence::listed, suppression::SUPPRESS};
use crate::{
    Objects, Output, check,
    declare::{Declarations, TUNNEL_LABEL, of_kind},
    finding::{Findings, UNKNOWN_TUNNEL},
    policy, process, workload,
};

/// A mesh that is looked at.
pub(crate) struct Mesh<'a> {
    pub(crate) output: &'a Output,
    pub(crate) objects: &'a Objects,
    pub(crate) declarations: &'a Declarations,
    /// By which certificates are judged.
    pub(crate) now: SystemTime,
}

/// A rule: looks at the whole mesh.
type Check = fn(&Mesh<'_>, &mut Findings);

/// Every rule of its own module.
const CHECKS: &[Check] = &[
    destinations::check,
    gateway_refs::check,
    certificates::check,
    callee_secrets::check,
    gateway_conflicts::check,
    hosts::check,
    subsets::check,
    entries::check,
    shadowed::check,
    reach::check,
    catch_all::check,
    retries::check,
    practice::check,
    probes::check,
    annotations::check,
    jwt::check,
    l4::check,
    ports::check,
    callers::check,
    not_followed::check,
    sidecar_listeners::check,
    absent::check,
    selection::check,
    services::check,
    telemetry::check,
    quarantine::check,
    traffic_policies::check,
    limits::check,
    sessions::check,
    waypoints::check,
    discovery::check,
    proxy_configs::check,
];

/// The codes of these rules.
pub(crate) const CODES: &[&[Code]] = &[
    destinations::CODES,
    gateway_refs::CODES,
    certificates::CODES,
    gateway_conflicts::CODES,
    hosts::CODES,
    subsets::CODES,
    entries::CODES,
    shadowed::CODES,
    reach::CODES,
    catch_all::CODES,
    retries::CODES,
    practice::CODES,
    probes::CODES,
    annotations::CODES,
    jwt::CODES,
    l4::CODES,
    lives::CODES,
    ports::CODES,
    callers::CODES,
    not_followed::CODES,
    sidecar_listeners::CODES,
    absent::CODES,
    selection::CODES,
    services::CODES,
    telemetry::CODES,
    quarantine::CODES,
    traffic_policies::CODES,
    limits::CODES,
    sessions::CODES,
    waypoints::CODES,
    discovery::CODES,
    proxy_configs::CODES,
];

/// All findings, in order of file and position.
pub(crate) fn findings(output: &Output, now: SystemTime) -> Vec<Finding> {
    let mesh = Mesh { output, objects: &output.objects, declarations: &output.declarations, now };
    let mut findings = Findings::default();
    findings.extend(mesh.declarations.general.iter().cloned());
    findings.extend(mesh.declarations.addresses.iter().cloned());
    findings.extend(mesh.declarations.findings.values().flat_map(|findings| findings.iter().cloned()));
    process::accounts(mesh.objects, &mut findings);
    policy::check(mesh.objects, &output.mesh, &mut findings);
    for declared in of_kind(mesh.objects, Kind::Namespace).chain(of_kind(mesh.objects, Kind::Process)) {
        metadata(&declared.object, &mut findings);
    }
    let suspects = check::suspects(mesh.objects, &output.services, &output.mesh);
    check::services(&suspects, output, &mut findings);
    for instance in output.instances.values().filter(|instance| !instance.addresses.is_empty()) {
        workload::findings(mesh.declarations, instance, &mut findings);
    }
    for check in CHECKS {
        check(&mesh, &mut findings);
    }
    suppression::kept(mesh.objects, findings.sorted())
}

/// Findings about labels and annotations that decide about workloads.
fn metadata(object: &Object, findings: &mut Findings) {
    if let Some(value) = object.meta.labels.get(TUNNEL_LABEL).filter(|value| *value != "http")
        && matches!(object.spec, Spec::Process(_))
    {
        let path = format!("metadata.labels.{TUNNEL_LABEL}");
        let message = format!("{TUNNEL_LABEL}={value} is not known and does not count");
        findings.add(UNKNOWN_TUNNEL, object, &path, message, "known value: http");
    }
}

#[cfg(test)]
pub(crate) mod table;
#[cfg(test)]
mod tests;
