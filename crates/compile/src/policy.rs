//! Policies.

use std::collections::{BTreeMap, btree_map::Entry};

use ripstop_api::{Kind, Spec};
use ripstop_model::{MeshConfig, PeerAuthentication, Selector};

use crate::{
    Declared, Objects,
    declare::{labels, name_of, of_kind},
    finding::{Findings, ROOT_SELECTOR, SAME_SELECTOR, SEVERAL_POLICIES},
    mesh::mode,
    traffic::object_id,
};

/// One policy.
pub(crate) fn one(declared: &Declared, written: &ripstop_api::istio::PeerAuthentication) -> PeerAuthentication {
    let (namespace, name) = name_of(&declared.object);
    PeerAuthentication {
        id: object_id(declared),
        selector: Selector(labels(&written.selector)),
        mode: mode(written.mode),
        ports: written.port_level.iter().map(|(port, written)| (*port, mode(*written))).collect(),
        created: declared.created,
        namespace,
        name,
    }
}

/// Policies that do not act, since an older one has their scope, or not where they seem to.
pub(crate) fn check(objects: &Objects, mesh: &MeshConfig, findings: &mut Findings) {
    let mut scopes: BTreeMap<(&str, &BTreeMap<String, String>), &Declared> = BTreeMap::new();
    let mut declared: Vec<&Declared> = of_kind(objects, Kind::PeerAuthentication).collect();
    declared.sort_by_key(|declared| (declared.created, &declared.object.id.name, &declared.object.id.namespace));
    for policy in declared {
        let object = &policy.object;
        let Spec::PeerAuthentication(written) = &object.spec else { continue };
        match scopes.entry((&object.id.namespace, &written.selector)) {
            Entry::Vacant(free) => {
                free.insert(policy);
            }
            Entry::Occupied(taken) => {
                let (code, scope) = if written.selector.is_empty() {
                    (SEVERAL_POLICIES, "without selector")
                } else {
                    (SAME_SELECTOR, "with this selector")
                };
                let acting = taken.get();
                // Objects that were first seen together have no age to tell.
                let why = if acting.created == policy.created { "the first by name" } else { "the oldest" };
                let message = format!("{} is {why} {scope} in its namespace; this one has no effect", acting.object.id);
                findings.add(code, object, "", message, "merge the two, or remove one");
            }
        }
        if !written.selector.is_empty() && *object.id.namespace == *mesh.root_namespace {
            let message = format!(
                "in the root namespace a selector reaches only workloads of {} itself, not those of other namespaces",
                mesh.root_namespace
            );
            let hint = "put the policy into the workloads' namespace";
            findings.add(ROOT_SELECTOR, object, "spec.selector", message, hint);
        }
    }
}
