//! Objects that act on one workload, in layers from the whole mesh to the workload itself.

use std::sync::Arc;

use ripstop_model::{ObjectMap, PolicyTarget, ProxySettings, Selector, Telemetry, Workload};

/// An object that is for the workloads of its scope.
pub(crate) trait Layered {
    /// Workloads; nothing: it is not for workloads but for what it is attached to.
    fn selector(&self) -> Option<&Selector>;
    /// Of several in one layer the least acts.
    fn age(&self) -> (u64, &str);
}

/// The object of each layer: of the root namespace, of the workload's namespace, of the workload, the
/// oldest of each. Selectors of the root namespace do not reach out of it (istio.md 1.0.4, 1.12).
pub(crate) fn layers<'p, T: Layered>(
    objects: &'p ObjectMap<T>,
    root: &Arc<str>,
    workload: &Workload,
) -> [Option<&'p T>; 3] {
    let own = &workload.namespace;
    let wide = |namespace| oldest(objects, namespace, Selector::is_empty);
    let selected =
        oldest(objects, own, |selector: &Selector| !selector.is_empty() && selector.matches(&workload.labels));
    let namespace = if own == root { None } else { wide(own) };
    [wide(root), namespace, selected]
}

/// The object that is for all of the mesh.
pub(crate) fn widest<'p, T: Layered>(objects: &'p ObjectMap<T>, root: &Arc<str>) -> Option<&'p T> {
    oldest(objects, root, Selector::is_empty)
}

/// Objects of one namespace, in order of name.
pub(crate) fn in_namespace<'p, T>(
    objects: &'p ObjectMap<T>,
    namespace: &Arc<str>,
) -> impl Iterator<Item = &'p T> + use<'p, T> {
    let namespace = namespace.clone();
    objects
        .range((namespace.clone(), Arc::from(""))..)
        .take_while(move |((own, _), _)| *own == namespace)
        .map(|(_, object)| &**object)
}

fn oldest<'p, T: Layered>(
    objects: &'p ObjectMap<T>,
    namespace: &Arc<str>,
    wanted: impl Fn(&Selector) -> bool,
) -> Option<&'p T> {
    in_namespace(objects, namespace)
        .filter(|object| object.selector().is_some_and(&wanted))
        .min_by(|a, b| a.age().cmp(&b.age()))
}

impl Layered for Telemetry {
    fn selector(&self) -> Option<&Selector> {
        match &self.target {
            PolicyTarget::Workloads(selector) => Some(selector),
            PolicyTarget::Attached(_) => None,
        }
    }

    fn age(&self) -> (u64, &str) {
        (self.created, &self.name)
    }
}

impl Layered for ProxySettings {
    fn selector(&self) -> Option<&Selector> {
        Some(&self.selector)
    }

    fn age(&self) -> (u64, &str) {
        (self.created, &self.name)
    }
}
