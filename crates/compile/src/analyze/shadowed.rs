//! DestinationRules that do not act for callers of a namespace that has its own.

use std::collections::BTreeMap;

use ripstop_api::{Object, finding::Code};
use ripstop_model::{BackendPolicy, HostPattern};

use super::{
    Mesh,
    objects::destination_rules,
    registry::{Known, Registry},
    rules::Rules,
    sentence::listed,
};
use crate::finding::{Findings, warning};

const SHADOWED: Code = warning(
    "RS220",
    "DestinationRules of several namespaces are for one host: for a caller only those of the first one act",
);

pub(crate) const CODES: &[Code] = &[SHADOWED];

pub(crate) fn check(mesh: &Mesh<'_>, findings: &mut Findings) {
    let rules = Rules::new(mesh);
    if rules.hosts().all(|(_, namespaces)| namespaces.len() < 2) {
        return;
    }
    let registry = Registry::new(mesh);
    let naming = &mesh.declarations.settings.naming;
    let mut objects: BTreeMap<(&str, String), Vec<&Object>> = BTreeMap::new();
    for (declared, written) in destination_rules(mesh) {
        let namespace = declared.object.id.namespace.as_str();
        let host = naming.host(&written.host, namespace);
        objects.entry((namespace, host.to_string())).or_default().push(&declared.object);
    }
    let root = &*mesh.output.mesh.root_namespace;
    for (host, namespaces) in rules.hosts().filter(|(_, namespaces)| namespaces.len() > 1) {
        let Some(service) = registry.at(&HostPattern::new(host)).first().map(Known::namespace) else { continue };
        for namespace in namespaces.iter().filter(|namespace| [service, root].contains(namespace)) {
            let own = rules.of(namespace, host);
            // Rules of another namespace act for its own callers alone; those for certain callers leave it to others.
            let at_home: Vec<&str> = namespaces
                .iter()
                .filter(|other| ![service, root, *namespace].contains(other))
                .filter(|other| seen_from(own, other) && rules.of(other, host).iter().any(|rule| rule.client.is_none()))
                .copied()
                .collect();
            let everywhere = *namespace == root && service != root && {
                let theirs = rules.of(service, host);
                theirs
                    .iter()
                    .any(|rule| rule.client.is_none() && rule.visibility == ripstop_model::Visibility::Everybody)
            };
            let message = if everywhere {
                format!(
                    "the DestinationRule of {service}, the namespace of {host}, acts instead, and nothing of this one"
                )
            } else if at_home.is_empty() {
                continue;
            } else {
                let callers = listed(&at_home);
                format!(
                    "callers in {callers} get the DestinationRule for {host} of their own namespace, and nothing of this one"
                )
            };
            for object in objects.get(&(*namespace, host.to_owned())).into_iter().flatten() {
                let hint = "rules of different namespaces are not merged: repeat there what they need of it";
                findings.add(SHADOWED, object, "spec.host", message.clone(), hint);
            }
        }
    }
}

/// Whether callers of a namespace would get one of these rules.
fn seen_from(rules: &[BackendPolicy], namespace: &str) -> bool {
    rules.iter().any(|rule| rule.client.is_none() && rule.visibility.includes(namespace))
}
