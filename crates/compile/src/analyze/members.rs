//! Who can be selected: declared processes, what runs besides, and the default ingress gateway.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use ripstop_api::{Kind, Object, Spec, ripstop::ProcessRole};
use ripstop_model::DataplaneMode;

use super::Mesh;
use crate::declare::of_kind;

/// Labels that are selected by.
pub(crate) type Wanted = BTreeMap<String, String>;

/// One of them.
pub(crate) struct Member<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) labels: BTreeMap<&'a str, &'a str>,
    pub(crate) mode: DataplaneMode,
    pub(crate) what: What<'a>,
}

/// What a member is.
#[derive(Clone, Copy)]
pub(crate) enum What<'a> {
    /// A declared process.
    Process(&'a Object),
    /// A workload that no object declares.
    Workload(&'a str),
    /// The gateway that is there by default.
    Gateway,
}

/// All of them, found by namespace and label.
pub(crate) struct Members<'a> {
    all: Vec<Member<'a>>,
    everybody: Vec<usize>,
    by_namespace: HashMap<&'a str, Vec<usize>>,
    by_label: HashMap<(Option<&'a str>, &'a str, &'a str), Vec<usize>>,
}

/// Namespace of the default ingress gateway.
const GATEWAY_NAMESPACE: &str = "istio-system";

/// Labels of the default ingress gateway.
const GATEWAY_LABELS: [(&str, &str); 2] = [("app", "istio-ingressgateway"), ("istio", "ingressgateway")];

// === impl Members ===

impl<'a> Members<'a> {
    /// Everybody.
    pub(crate) fn of(mesh: &Mesh<'a>) -> Self {
        let mut all = vec![Member {
            namespace: GATEWAY_NAMESPACE,
            labels: GATEWAY_LABELS.into(),
            mode: DataplaneMode::Sidecar,
            what: What::Gateway,
        }];
        for declared in of_kind(mesh.objects, Kind::Process) {
            let object: &'a Object = &declared.object;
            all.push(Member {
                namespace: &object.id.namespace,
                labels: object.meta.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect(),
                mode: mesh.declarations.enrolment(&object.meta, &object.id.namespace).mode,
                what: What::Process(object),
            });
        }
        for (uid, workload) in &mesh.output.workloads {
            let process = mesh.output.instances.get(uid).map(|instance| {
                mesh.declarations.process_objects.get(&(instance.namespace.clone(), instance.process.clone()))
            });
            if process.flatten().is_none() {
                all.push(Member {
                    namespace: &workload.namespace,
                    labels: workload.labels.iter().map(|(key, value)| (&**key, &**value)).collect(),
                    mode: workload.enrolment.mode,
                    what: What::Workload(&workload.name),
                });
            }
        }
        Self::indexed(all)
    }

    fn indexed(all: Vec<Member<'a>>) -> Self {
        let mut by_namespace: HashMap<&str, Vec<usize>> = HashMap::new();
        let mut by_label: HashMap<(Option<&str>, &str, &str), Vec<usize>> = HashMap::new();
        for (index, member) in all.iter().enumerate() {
            by_namespace.entry(member.namespace).or_default().push(index);
            for (key, value) in &member.labels {
                by_label.entry((None, key, value)).or_default().push(index);
                by_label.entry((Some(member.namespace), key, value)).or_default().push(index);
            }
        }
        Self { everybody: (0..all.len()).collect(), all, by_namespace, by_label }
    }

    /// How many there are; they count from 0.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn get(&self, index: usize) -> &Member<'a> {
        &self.all[index]
    }

    pub(crate) fn namespaces(&self) -> impl Iterator<Item = &'a str> {
        self.by_namespace.keys().copied()
    }

    /// Those with all `wanted` labels, in one namespace or (nothing) in all. No labels: everybody.
    pub(crate) fn selected<'m>(
        &'m self,
        namespace: Option<&'m str>,
        wanted: &'m Wanted,
    ) -> impl Iterator<Item = usize> + use<'a, 'm> {
        let lists = wanted.iter().map(|(key, value)| self.by_label.get(&(namespace, key, value)));
        // The shortest list has all that can be meant; no list: nobody has that label.
        let fewest = lists.min_by_key(|list| list.map_or(0, Vec::len));
        let candidates = match (fewest, namespace) {
            (Some(list), _) => list,
            (None, Some(namespace)) => self.by_namespace.get(namespace),
            (None, None) => Some(&self.everybody),
        };
        let has = |index: &usize| {
            let labels = &self.all[*index].labels;
            wanted.iter().all(|(key, value)| labels.get(key.as_str()) == Some(&value.as_str()))
        };
        candidates.into_iter().flatten().copied().filter(has)
    }

    /// Those of the proxies at the edge with all `wanted` labels, in any namespace. No labels: the default one.
    pub(crate) fn proxies<'m>(&'m self, wanted: &'m Wanted) -> impl Iterator<Item = usize> + use<'a, 'm> {
        // It is the first of all.
        self.selected(None, wanted).take(if wanted.is_empty() { 1 } else { self.len() })
    }
}

// === impl Member ===

impl Member<'_> {
    /// Whether its traffic is, or is to be, in the mesh.
    pub(crate) fn is_enrolled(&self) -> bool {
        self.mode != DataplaneMode::None
    }

    /// Whether it is a proxy at the edge, which is in the mesh by itself.
    pub(crate) fn is_gateway(&self) -> bool {
        match self.what {
            What::Process(object) => {
                matches!(&object.spec, Spec::Process(process) if process.role == ProcessRole::Gateway)
            }
            What::Workload(_) => false,
            What::Gateway => true,
        }
    }
}

impl fmt::Display for Member<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            What::Process(object) => write!(f, "{}", object.id),
            What::Workload(name) => write!(f, "workload {}/{name}", self.namespace),
            What::Gateway => f.write_str("the default ingress gateway"),
        }
    }
}

#[cfg(test)]
mod tests;
