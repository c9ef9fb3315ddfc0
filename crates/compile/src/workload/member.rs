//! Members of a `WorkloadGroup`: what their group says holds for each, live.

use std::sync::Arc;

use ripstop_api::Meta;
use ripstop_model::{Membership, WorkloadGroup};

use super::WHOLE_PLACE;
use crate::{Instance, declare::Declarations};

/// Label of the network that a workload is in.
const NETWORK: &str = "topology.istio.io/network";

/// The group that an instance is a member of, if it is there.
pub(super) fn group<'a>(declarations: &'a Declarations, instance: &Instance) -> Option<&'a Arc<WorkloadGroup>> {
    let name = instance.group.as_ref()?;
    declarations.traffic.groups.get(&(instance.namespace.clone(), name.clone()))
}

/// What a member has: what was said when it was started, where its group says nothing else.
pub(super) fn joined(reported: &Meta, group: &WorkloadGroup) -> Meta {
    let mut meta = reported.clone();
    let text = |(key, value): (&Arc<str>, &Arc<str>)| (key.to_string(), value.to_string());
    meta.labels.extend(group.template.labels.iter().map(text));
    meta.annotations.extend(group.annotations.iter().map(text));
    let locality = &*group.template.locality;
    if !locality.is_empty() {
        // As labels have it, unless a part has dots itself.
        let label = if locality.contains('.') { locality.to_owned() } else { locality.replace('/', ".") };
        meta.labels.insert(WHOLE_PLACE[0].to_owned(), label);
    }
    if !group.template.network.is_empty() {
        meta.labels.insert(NETWORK.to_owned(), group.template.network.to_string());
    }
    meta
}

/// What proxies are told of it.
pub(super) fn membership(group: &WorkloadGroup) -> Membership {
    let template = &group.template;
    Membership { group: group.name.clone(), weight: template.weight, ports: template.ports.clone() }
}

#[cfg(test)]
mod tests;
