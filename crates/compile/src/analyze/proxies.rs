//! Gateways, and the proxies that they act at.

use std::collections::BTreeMap;

use ripstop_api::Object;
use ripstop_model::{Gateway, Labels, ObjectName};

use super::{
    Mesh,
    objects::gateways,
    workloads::{Labelled, Workloads},
};

/// All Gateways, with the workloads that their selectors hit.
pub(crate) struct Proxies<'a> {
    workloads: Workloads<'a>,
    pub(crate) gateways: Vec<Listening<'a>>,
    by_name: BTreeMap<(&'a str, &'a str), usize>,
    selectors: BTreeMap<&'a Labels, usize>,
    /// By the number of the selector.
    selected: Vec<Vec<usize>>,
}

/// A Gateway.
pub(crate) struct Listening<'a> {
    pub(crate) object: &'a Object,
    pub(crate) written: &'a ripstop_api::istio::Gateway,
    pub(crate) gateway: &'a Gateway,
    /// Number of its selector: equal selectors have the same.
    pub(crate) selector: usize,
}

// === impl Proxies ===

impl<'a> Proxies<'a> {
    pub(crate) fn new(mesh: &Mesh<'a>) -> Self {
        let mut new = Self {
            workloads: Workloads::new(mesh),
            gateways: Vec::new(),
            by_name: BTreeMap::new(),
            selectors: BTreeMap::new(),
            selected: Vec::new(),
        };
        for (declared, written) in gateways(mesh) {
            let id = &declared.object.id;
            let name: ObjectName = (id.namespace.as_str().into(), id.name.as_str().into());
            let Some(gateway) = mesh.output.traffic.gateways.get(&name) else { continue };
            let next = new.selectors.len();
            let selector = *new.selectors.entry(&gateway.selector.0).or_insert(next);
            if selector == next {
                new.selected.push(new.workloads.places(&gateway.selector));
            }
            new.by_name.insert((&id.namespace, &id.name), new.gateways.len());
            new.gateways.push(Listening { object: &declared.object, written, gateway, selector });
        }
        new
    }

    pub(crate) fn named(&self, name: &ObjectName) -> Option<&Listening<'a>> {
        self.by_name.get(&(&*name.0, &*name.1)).map(|place| &self.gateways[*place])
    }

    /// Workloads that a Gateway acts at. One without selector acts at every gateway: of those only the default one is
    /// known.
    pub(crate) fn of(&self, listening: &Listening<'_>) -> impl Iterator<Item = &Labelled<'a>> {
        let every = listening.gateway.selector.is_empty();
        let selected = self.selected[listening.selector].iter().map(|place| self.workloads.at(*place));
        selected.filter(move |workload| !every || workload.default_gateway)
    }

    /// Whether there are proxies that both selectors hit: they are equal, or one says more than the other and hits some.
    pub(crate) fn meet(&self, one: &Listening<'_>, other: &Listening<'_>) -> bool {
        if one.selector == other.selector {
            return true;
        }
        let (a, b) = (&one.gateway.selector.0, &other.gateway.selector.0);
        let (narrow, wide) = if a.len() >= b.len() { (one, b) } else { (other, a) };
        wide.iter().all(|(key, value)| narrow.gateway.selector.0.get(key) == Some(value))
            && !self.selected[narrow.selector].is_empty()
    }
}
