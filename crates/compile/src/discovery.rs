//! Which namespaces the mesh looks at (`discoverySelectors`).
//!
//! Of the others it knows nothing: neither their services nor what they configure. What runs there runs, outside of the
//! mesh.

use std::collections::BTreeMap;

use imbl::ordmap::DiffItem;
use ripstop_api::{Kind, Meta, Object, ObjectId, Spec, istio::KubernetesSelector};
use ripstop_model::Enrolment;

use crate::{
    Declared, Objects, Output,
    declare::{Declarations, is_general},
    enrolment::enrolment,
    mesh,
};

/// Which namespaces are looked at.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Discovery {
    /// Any of them has to select it; without one all are looked at.
    pub(crate) selectors: Vec<KubernetesSelector>,
    /// Looked at always: settings of the whole mesh stand there.
    pub(crate) root: String,
}

/// The objects that are looked at.
pub(crate) fn seen(previous: Option<&Output>, objects: &Objects) -> Objects {
    if let Some(previous) = previous {
        let discovery = &previous.declarations.settings.discovery;
        let changes = previous.all.diff(objects).map(|change| match change {
            DiffItem::Add(id, new) => (id, None, Some(new)),
            DiffItem::Update { old: (_, old), new: (id, new) } => (id, Some(old), Some(new)),
            DiffItem::Remove(id, old) => (id, Some(old), None),
        });
        let changes: Vec<_> = changes.collect();
        let says_more = |declared: &&Declared| {
            let is_namespace = declared.object.id.kind == Kind::Namespace && !discovery.selectors.is_empty();
            is_namespace || is_general(&declared.object)
        };
        let whole = changes.iter().any(|(_, old, new)| old.iter().chain(new).any(says_more));
        if !whole && discovery.selectors.is_empty() {
            return objects.clone();
        }
        if !whole {
            let mut seen = previous.objects.clone();
            for (id, _, new) in changes {
                match new.filter(|new| discovery.keeps(&new.object, objects)) {
                    Some(new) => drop(seen.insert(id.clone(), new.clone())),
                    None => drop(seen.remove(id)),
                }
            }
            return seen;
        }
    }
    let discovery = mesh::discovery(objects);
    let mut seen = objects.clone();
    if !discovery.selectors.is_empty() {
        for (id, declared) in objects {
            if !discovery.keeps(&declared.object, objects) {
                seen.remove(id);
            }
        }
    }
    seen
}

// === impl Discovery ===

impl Discovery {
    /// Whether a namespace, which has these labels, is looked at.
    pub(crate) fn sees(&self, namespace: &str, labels: &BTreeMap<String, String>) -> bool {
        let selects = |selector: &KubernetesSelector| selector.selects_namespace(namespace, labels);
        self.selectors.is_empty() || namespace == self.root || self.selectors.iter().any(selects)
    }

    /// Whether an object is looked at. Whatever runs does so where its namespace is not looked at, too; and policies hold
    /// for it, as nobody may get by them: a gateway there serves what others declare.
    fn keeps(&self, object: &Object, objects: &Objects) -> bool {
        let namespace = &object.id.namespace;
        let holds = matches!(
            object.spec,
            Spec::Process(_)
                | Spec::PeerAuthentication(_)
                | Spec::AuthorizationPolicy(_)
                | Spec::RequestAuthentication(_)
        );
        if namespace.is_empty() || holds || is_general(object) {
            return true;
        }
        let id = ObjectId { kind: Kind::Namespace, namespace: String::new(), name: namespace.clone() };
        let nothing = BTreeMap::new();
        self.sees(namespace, objects.get(&id).map_or(&nothing, |declared| &declared.object.meta.labels))
    }
}

// === impl Declarations ===

impl Declarations {
    /// Whether the mesh looks at a namespace.
    pub(crate) fn sees(&self, namespace: &str) -> bool {
        let labels = self.namespace(namespace).map(|meta| &meta.labels);
        self.settings.discovery.sees(namespace, labels.unwrap_or(&BTreeMap::new()))
    }

    /// Whether a workload with these labels and annotations belongs to the mesh: of a namespace that is not looked at
    /// nobody does.
    pub(crate) fn enrolment(&self, workload: &Meta, namespace: &str) -> Enrolment {
        if !self.sees(namespace) {
            return Enrolment::default();
        }
        enrolment(workload, self.namespace(namespace))
    }
}

#[cfg(test)]
mod tests;
