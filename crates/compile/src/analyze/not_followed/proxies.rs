//! Settings of proxies: the mesh's `defaultConfig`, and annotations of processes.

use std::collections::BTreeSet;

use ripstop_api::{Object, ripstop::ProcessRole};

use super::{NOT_FOLLOWED, NOTHING};
use crate::{
    finding::Findings,
    traffic::topology::{self, ANNOTATION},
};

/// What gateways follow.
const FOLLOWED: &str = "gatewayTopology";

/// The mesh's own.
pub(super) fn default_config(object: &Object, base: &str, findings: &mut Findings) {
    let base = format!("{base}.defaultConfig");
    let own = format!("{base}.");
    for name in unfollowed(object.source.fields.keys().filter_map(|path| path.strip_prefix(&own))) {
        findings.add(NOT_FOLLOWED, object, &format!("{base}.{name}"), NOTHING, "");
    }
}

/// That of one process.
pub(super) fn annotation(object: &Object, role: ProcessRole, findings: &mut Findings) {
    let Some(text) = object.meta.annotations.get(ANNOTATION) else { return };
    let path = format!("metadata.annotations.{ANNOTATION}");
    let why = match role {
        ProcessRole::Gateway => None,
        ProcessRole::Waypoint => Some("nothing follows it: only gateways do"),
        ProcessRole::Command => Some("nothing follows it: a workload has no proxy of its own"),
    };
    if let Some(why) = why {
        findings.add(NOT_FOLLOWED, object, &path, why, "");
        return;
    }
    let (Some(read), _) = topology::annotation(text) else { return };
    let fields = read.source.fields.keys().filter_map(|path| path.strip_prefix(topology::BASE));
    for name in unfollowed(fields) {
        findings.add(NOT_FOLLOWED, object, &path, format!("{name}: {NOTHING}"), "");
    }
}

/// The outermost of `fields` that nothing follows.
fn unfollowed<'f>(fields: impl Iterator<Item = &'f str>) -> BTreeSet<&'f str> {
    fields.filter_map(|field| field.split(['.', '[']).next()).filter(|outer| *outer != FOLLOWED).collect()
}
