//! Policies.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use ripstop_api::{Kind, Object, Spec};
use ripstop_model::{MeshConfig, PeerAuthentication, RuleId, Selector};

use crate::{
    Declared, Objects,
    declare::{labels, name_of, of_kind},
    finding::{Findings, ROOT_SELECTOR, SAME_SELECTOR, SEVERAL_POLICIES},
    mesh::mode,
};

/// Policies by namespace and name.
pub(crate) fn compile(
    objects: &Objects,
    mesh: &MeshConfig,
    findings: &mut Findings,
) -> BTreeMap<(Arc<str>, Arc<str>), PeerAuthentication> {
    let mut policies = BTreeMap::new();
    let mut scopes: BTreeMap<(&str, &BTreeMap<String, String>), &Object> = BTreeMap::new();
    let mut declared: Vec<&Declared> = of_kind(objects, Kind::PeerAuthentication).collect();
    declared.sort_by_key(|declared| (declared.created, &declared.object.id.name, &declared.object.id.namespace));
    for Declared { object, created, generation } in declared {
        let Spec::PeerAuthentication(written) = &object.spec else { continue };
        let (namespace, name) = name_of(object);
        policies.insert(
            (namespace.clone(), name.clone()),
            PeerAuthentication {
                id: RuleId(format!("{}/{generation}", object.id).into()),
                selector: Selector(labels(&written.selector)),
                mode: mode(written.mode),
                ports: written.port_level.iter().map(|(port, written)| (*port, mode(*written))).collect(),
                created: *created,
                namespace,
                name,
            },
        );
        match scopes.entry((&object.id.namespace, &written.selector)) {
            Entry::Vacant(free) => {
                free.insert(object);
            }
            Entry::Occupied(taken) => {
                let (code, scope) = if written.selector.is_empty() {
                    (SEVERAL_POLICIES, "without selector")
                } else {
                    (SAME_SELECTOR, "with this selector")
                };
                let message =
                    format!("{} is the oldest {scope} in its namespace; this one has no effect", taken.get().id);
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
    policies
}
