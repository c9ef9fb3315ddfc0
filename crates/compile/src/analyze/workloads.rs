//! Workloads by their labels: Processes, whatever else runs, and the default ingress gateway.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use ripstop_api::{Kind, Spec, ripstop::ProcessRole};
use ripstop_model::Selector;

use super::Mesh;
use crate::declare::of_kind;

/// Namespace of the default ingress gateway, which is always there.
pub(crate) const INGRESS_NAMESPACE: &str = "istio-system";

/// Label of the default ingress gateway.
const INGRESS_LABEL: (&str, &str) = ("istio", "ingressgateway");

/// Ports of the default ingress gateway's Service.
pub(crate) const INGRESS_PORTS: [u16; 3] = [80, 443, 15021];

/// Everything that selectors may hit; what has the same namespace and labels is there once.
pub(crate) struct Workloads<'a> {
    /// By namespace.
    all: Vec<Labelled<'a>>,
    /// Places in `all`, ascending.
    by_label: BTreeMap<&'a str, BTreeMap<&'a str, Vec<usize>>>,
}

/// Workloads of one namespace with the same labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Labelled<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) labels: BTreeMap<&'a str, &'a str>,
    /// Whether it is a gateway.
    pub(crate) gateway: bool,
    /// Whether it is the default ingress gateway, as it is declared.
    pub(crate) default_gateway: bool,
}

// === impl Workloads ===

impl<'a> Workloads<'a> {
    pub(crate) fn new(mesh: &Mesh<'a>) -> Self {
        let ingress = Labelled {
            namespace: INGRESS_NAMESPACE,
            labels: [INGRESS_LABEL].into(),
            gateway: true,
            default_gateway: true,
        };
        let mut gateways = vec![ingress.clone()];
        let mut all = BTreeSet::from([ingress]);
        for declared in of_kind(mesh.objects, Kind::Process) {
            let object = &declared.object;
            let labels = object.meta.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
            let gateway = matches!(&object.spec, Spec::Process(process) if process.role == ProcessRole::Gateway);
            let labelled = Labelled { namespace: &object.id.namespace, labels, gateway, default_gateway: false };
            if gateway {
                gateways.push(labelled.clone());
            }
            all.insert(labelled);
        }
        for workload in mesh.output.workloads.values() {
            let labels: BTreeMap<&str, &str> = workload.labels.iter().map(|(key, value)| (&**key, &**value)).collect();
            let is_of = |declared: &Labelled<'_>| {
                !declared.labels.is_empty()
                    && *declared.namespace == *workload.namespace
                    && declared.labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            };
            let gateway = gateways.iter().any(is_of);
            all.insert(Labelled { namespace: &workload.namespace, labels, gateway, default_gateway: false });
        }
        all.into_iter().collect()
    }

    /// Everybody.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Labelled<'a>> {
        self.all.iter()
    }

    /// Those of all namespaces that `selector` hits, as places for [`Self::at`].
    pub(crate) fn places(&self, selector: &Selector) -> Vec<usize> {
        self.within(selector, 0..self.all.len()).collect()
    }

    pub(crate) fn at(&self, place: usize) -> &Labelled<'a> {
        &self.all[place]
    }

    /// Those of one namespace that `selector` hits.
    pub(crate) fn selected_in(&self, namespace: &str, selector: &Selector) -> Vec<&Labelled<'a>> {
        self.within(selector, self.of(namespace)).map(|place| self.at(place)).collect()
    }

    /// Whether `selector` hits one, in a namespace or in all.
    pub(crate) fn hits(&self, namespace: Option<&str>, selector: &Selector) -> bool {
        let range = namespace.map_or(0..self.all.len(), |namespace| self.of(namespace));
        self.within(selector, range).next().is_some()
    }

    /// Places of a namespace's.
    fn of(&self, namespace: &str) -> Range<usize> {
        let start = self.all.partition_point(|workload| workload.namespace < namespace);
        let end = self.all.partition_point(|workload| workload.namespace <= namespace);
        start..end
    }

    fn labelled(&self, key: &str, value: &str, range: &Range<usize>) -> &[usize] {
        let places = self.by_label.get(key).and_then(|values| values.get(value)).map(Vec::as_slice).unwrap_or_default();
        let from = places.partition_point(|place| *place < range.start);
        let to = places.partition_point(|place| *place < range.end);
        &places[from..to]
    }

    fn within(&self, selector: &Selector, range: Range<usize>) -> impl Iterator<Item = usize> {
        self.candidates(selector, range).filter(|place| self.all[*place].matches(selector))
    }

    /// Those that have the rarest of the labels that `selector` names: no others are looked at.
    fn candidates(&self, selector: &Selector, range: Range<usize>) -> impl Iterator<Item = usize> {
        let labelled = selector.0.iter().map(|(key, value)| self.labelled(key, value, &range));
        let (all, fewest) = match labelled.min_by_key(|places| places.len()) {
            None => (range, &[][..]),
            Some(fewest) => (0..0, fewest),
        };
        all.chain(fewest.iter().copied())
    }
}

impl<'a> FromIterator<Labelled<'a>> for Workloads<'a> {
    fn from_iter<T: IntoIterator<Item = Labelled<'a>>>(workloads: T) -> Self {
        let all: BTreeSet<Labelled<'a>> = workloads.into_iter().collect();
        let all: Vec<Labelled<'a>> = all.into_iter().collect();
        let mut by_label: BTreeMap<&str, BTreeMap<&str, Vec<usize>>> = BTreeMap::new();
        for (place, workload) in all.iter().enumerate() {
            for (key, value) in &workload.labels {
                by_label.entry(key).or_default().entry(value).or_default().push(place);
            }
        }
        Self { all, by_label }
    }
}

impl Labelled<'_> {
    pub(crate) fn matches(&self, selector: &Selector) -> bool {
        selector.0.iter().all(|(key, value)| self.labels.get(&**key) == Some(&&**value))
    }
}

#[cfg(test)]
mod tests;
