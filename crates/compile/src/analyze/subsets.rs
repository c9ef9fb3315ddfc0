//! DestinationRules for hosts that nobody has, and subsets that nothing is in.

use ripstop_api::{Object, finding::Code, istio};
use ripstop_model::{HostEntry, HostPattern, Labels, Selector, Service};

use super::{
    Mesh,
    objects::{destination_rules, named_callers},
    registry::{Found, Known, Registry},
    sentence::listed,
    workloads::Workloads,
};
use crate::{
    declare::labels,
    finding::{Findings, warning},
    traffic::Exported,
};

const EMPTY_SUBSET: Code =
    warning("IST0173", "a DestinationRule's subset selects none of the workloads behind its host: calls to it fail");
const UNKNOWN_HOST: Code =
    warning("IST0174", "the host of a DestinationRule belongs to no Service and no ServiceEntry");

pub(crate) const CODES: &[Code] = &[EMPTY_SUBSET, UNKNOWN_HOST];

/// Beginnings of labels that endpoints get from the place where they run.
const PLACES: [&str; 3] = ["topology.istio.io/", "topology.kubernetes.io/", "kubernetes.io/hostname"];

pub(crate) fn check(mesh: &Mesh<'_>, findings: &mut Findings) {
    let registry = Registry::new(mesh);
    let endpoints = Endpoints::new(mesh);
    let naming = &mesh.declarations.settings.naming;
    for (declared, written) in destination_rules(mesh) {
        let object = &*declared.object;
        let namespace = object.id.namespace.as_str();
        let host = naming.host(&written.host, namespace);
        let visibility = naming.visibility(&written.export_to, namespace, Exported::Backends);
        match registry.find_overlapping(&host, &named_callers(namespace, &visibility)) {
            Found::Known(known) if host.exact().is_some() => empty(object, written, &known, &endpoints, findings),
            Found::Known(_) => {}
            // A default for whatever there may be.
            Found::Nobody if is_general(&host) => {}
            Found::Nobody => {
                let message = format!("no Service and no ServiceEntry has the host {host}");
                findings.add(UNKNOWN_HOST, object, "spec.host", message, &registry.advice(&written.host, namespace));
            }
            Found::Hidden(owner) => {
                let message = format!("the host {host} of namespace {owner} is not exported to namespace {namespace}");
                findings.add(UNKNOWN_HOST, object, "spec.host", message, "name the namespace in its exportTo");
            }
        }
    }
}

/// `*`, or a wildcard for a whole top-level domain such as `*.local`.
fn is_general(host: &HostPattern) -> bool {
    match host {
        HostPattern::Any => true,
        HostPattern::Suffix(suffix) => suffix.matches('.').count() == 1,
        HostPattern::Exact(_) => false,
    }
}

fn empty(
    object: &Object,
    written: &istio::DestinationRule,
    known: &[Known<'_>],
    endpoints: &Endpoints<'_>,
    findings: &mut Findings,
) {
    if written.subsets.iter().all(|subset| subset.labels.0.is_empty()) {
        return;
    }
    let behind: Vec<Labels> = known.iter().flat_map(|known| endpoints.behind(known)).collect();
    if behind.is_empty() {
        return;
    }
    for (index, subset) in written.subsets.iter().enumerate() {
        let mut wanted = labels(&subset.labels.0);
        wanted.retain(|key, _| !PLACES.iter().any(|place| key.starts_with(place)));
        let wanted = Selector(wanted);
        if behind.iter().any(|labels| wanted.matches(labels)) {
            continue;
        }
        let pairs = wanted.0.iter().map(|(key, value)| format!("{key}={value}"));
        let message = format!(
            "the subset {:?} is empty: no workload behind {} has {}",
            subset.name,
            written.host,
            pairs.collect::<Vec<_>>().join(" and ")
        );
        let hint = advice(&wanted, &behind);
        findings.add(EMPTY_SUBSET, object, &format!("spec.subsets[{index}].labels"), message, &hint);
    }
}

/// Values that the first label has which keeps workloads out.
fn advice(wanted: &Selector, behind: &[Labels]) -> String {
    let nowhere = wanted.0.iter().find(|(key, value)| !behind.iter().any(|labels| labels.get(*key) == Some(*value)));
    let Some((key, _)) = nowhere else { return "each label is at some of them, but never all together".into() };
    let mut values: Vec<&str> = behind.iter().filter_map(|labels| labels.get(key)).map(|value| &**value).collect();
    values.sort_unstable();
    values.dedup();
    if values.is_empty() {
        format!("none of them has a label {key}")
    } else {
        format!("they have {key}={}", listed(values))
    }
}

/// What is behind hosts.
struct Endpoints<'a> {
    mesh: &'a Mesh<'a>,
    workloads: Workloads<'a>,
}

// === impl Endpoints ===

impl<'a> Endpoints<'a> {
    fn new(mesh: &'a Mesh<'a>) -> Self {
        Self { mesh, workloads: Workloads::new(mesh) }
    }

    /// Labels of endpoints.
    fn behind(&self, known: &Known<'_>) -> Vec<Labels> {
        match *known {
            Known::Service(Service { key, selector, .. }) => {
                selector.iter().flat_map(|selector| self.selected(&key.namespace, selector)).collect()
            }
            Known::Entry(HostEntry { object, selector, endpoints, .. }) => {
                let written = endpoints.iter().map(|endpoint| endpoint.labels.clone());
                let selected = selector.iter().flat_map(|selector| self.selected(&object.0, selector));
                written.chain(selected).collect()
            }
        }
    }

    fn selected(&self, namespace: &str, selector: &Selector) -> Vec<Labels> {
        let running = self.workloads.selected_in(namespace, selector).into_iter();
        let running = running
            .map(|workload| workload.labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect());
        let traffic = &self.mesh.output.traffic;
        let of_namespace = (std::sync::Arc::<str>::from(namespace), "".into())..;
        let entries = traffic.endpoints.range(of_namespace.clone()).take_while(|((own, _), _)| **own == *namespace);
        let groups = traffic.groups.range(of_namespace).take_while(|((own, _), _)| **own == *namespace);
        let static_ones =
            entries.map(|(_, entry)| &entry.labels).chain(groups.map(|(_, group)| &group.template.labels));
        running.chain(static_ones.filter(|labels| selector.matches(labels)).cloned()).collect()
    }
}
