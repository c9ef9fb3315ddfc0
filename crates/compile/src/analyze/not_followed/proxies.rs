//! Settings of proxies: the mesh's `defaultConfig`, and annotations of processes.

use std::collections::BTreeSet;

use ripstop_api::{Object, ripstop::ProcessRole};

use super::{NOT_FOLLOWED, NOTHING};
use crate::{
    finding::Findings,
    traffic::topology::{self, ANNOTATION},
};

/// What an annotation may say that its gateway follows.
const OF_GATEWAYS: &[&str] = &["gatewayTopology"];
/// What proxies follow of the mesh's own.
const OF_MESH: &[&str] =
    &["concurrency", "drainDuration", "gatewayTopology", "proxyHeaders", "terminationDrainDuration"];
/// What they do not follow of that.
const DETAILS: &str = "proxyHeaders.setCurrentClientCertDetails";

/// The mesh's own.
pub(super) fn default_config(object: &Object, base: &str, findings: &mut Findings) {
    let base = format!("{base}.defaultConfig");
    let own = format!("{base}.");
    for name in unfollowed(object.source.fields.keys().filter_map(|path| path.strip_prefix(&own)), OF_MESH) {
        findings.add(NOT_FOLLOWED, object, &format!("{base}.{name}"), NOTHING, "");
    }
    let details = format!("{base}.{DETAILS}");
    if object.source.fields.contains_key(&details) {
        findings.add(NOT_FOLLOWED, object, &details, NOTHING, "");
    }
}

/// That of one process.
pub(super) fn annotation(object: &Object, role: ProcessRole, findings: &mut Findings) {
    let Some(text) = object.meta.annotations.get(ANNOTATION) else { return };
    let path = format!("metadata.annotations.{ANNOTATION}");
    let why = match role {
        ProcessRole::Gateway => None,
        ProcessRole::Waypoint | ProcessRole::Command => Some("nothing follows it: only gateways do"),
    };
    if let Some(why) = why {
        findings.add(NOT_FOLLOWED, object, &path, why, "");
        return;
    }
    let (Some(read), _) = topology::annotation(text) else { return };
    let fields = read.source.fields.keys().filter_map(|path| path.strip_prefix(topology::BASE));
    for name in unfollowed(fields, OF_GATEWAYS) {
        findings.add(NOT_FOLLOWED, object, &path, format!("{name}: {NOTHING}"), "");
    }
}

/// The outermost of `fields` that are none of those that are `followed`.
fn unfollowed<'f>(fields: impl Iterator<Item = &'f str>, followed: &[&str]) -> BTreeSet<&'f str> {
    fields.filter_map(|field| field.split(['.', '[']).next()).filter(|outer| !followed.contains(outer)).collect()
}
