//! Several VirtualServices for one host: in the mesh, and inside it against those of gateways.

use std::collections::{BTreeMap, BTreeSet};

use ripstop_api::{finding::Code, istio};
use ripstop_model::{HostPattern, Visibility};

use super::{
    Mesh,
    host_index::HostIndex,
    objects::{acts_in_mesh, virtual_services},
    sentence::listed,
};
use crate::{
    Declared,
    finding::{Findings, error, warning},
    traffic::{Exported, Naming},
};

const CONFLICTING_HOSTS: Code =
    error("IST0109", "several VirtualServices of the mesh have one host: only one of them acts for it");
const NOT_AFFECTED: Code = warning(
    "IST0140",
    "a gateway routes to a host without subset, though a VirtualService routes that host to subsets: it does not act there",
);

pub(crate) const CODES: &[Code] = &[CONFLICTING_HOSTS, NOT_AFFECTED];

/// Most others that are looked at to name some.
const NAMED: usize = 4;

pub(crate) fn check(mesh: &Mesh<'_>, findings: &mut Findings) {
    let naming = &mesh.declarations.settings.naming;
    let services: Vec<(&Declared, &istio::VirtualService)> = virtual_services(mesh).collect();
    conflicting(&services, naming, findings);
    not_affected(&services, naming, findings);
}

/// A host of a VirtualService: its number among them, and the host's among its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    service: usize,
    host: usize,
}

/// What an object shares with others.
#[derive(Default)]
struct Conflict {
    /// The first of its hosts.
    host: usize,
    others: BTreeSet<usize>,
}

/// Conflicts by the number of the VirtualService.
#[derive(Default)]
struct Conflicts(BTreeMap<usize, Conflict>);

fn conflicting(services: &[(&Declared, &istio::VirtualService)], naming: &Naming, findings: &mut Findings) {
    let mut public: HostIndex<Place> = HostIndex::default();
    let mut scoped: BTreeMap<String, HostIndex<Place>> = BTreeMap::new();
    let mut limited: BTreeSet<usize> = BTreeSet::new();
    let mut hosts: Vec<(String, HostPattern, Place)> = Vec::new();
    for (number, (declared, written)) in services.iter().enumerate().filter(|(_, (_, written))| acts_in_mesh(written)) {
        let namespace = declared.object.id.namespace.as_str();
        let visibility = naming.visibility(&written.export_to, namespace, Exported::Routes);
        for (at, host) in written.hosts.iter().enumerate() {
            let (host, place) = (naming.host(host, namespace), Place { service: number, host: at });
            match &visibility {
                Visibility::Everybody => public.insert(&host, place),
                Visibility::Namespaces(namespaces) => {
                    limited.insert(number);
                    for namespace in namespaces {
                        scoped.entry(namespace.to_string()).or_default().insert(&host, place);
                        hosts.push((namespace.to_string(), host.clone(), place));
                    }
                }
                Visibility::Nobody => {}
            }
        }
    }
    let mut conflicts = Conflicts::default();
    for places in std::iter::once(&public).chain(scoped.values()).flat_map(HostIndex::iter) {
        for place in places {
            places
                .iter()
                .filter(|other| other.service != place.service)
                .take(NAMED)
                .for_each(|other| conflicts.add(*place, *other));
        }
    }
    for (_, host, place) in &hosts {
        for other in public.overlapping(host) {
            conflicts.add(*place, *other);
            conflicts.add(*other, *place);
        }
    }
    for (number, Conflict { host, others }) in conflicts.0 {
        let (declared, written) = services[number];
        let rank = |number: &usize| {
            let declared = services[*number].0;
            (!limited.contains(number), declared.created, &declared.object.id)
        };
        let first = others.iter().min_by_key(|other| rank(other)).filter(|first| rank(first) < rank(&number));
        let acting = first.map_or("this one".to_owned(), |first| services[*first].0.object.id.to_string());
        let message = format!(
            "the host {} is also one of {}: callers in the mesh get the rules of one alone, and {acting} comes first",
            written.hosts[host],
            listed(others.iter().map(|other| &services[*other].0.object.id)),
        );
        let hint = "put all rules for the host into one VirtualService; it may delegate to others";
        findings.add(CONFLICTING_HOSTS, &declared.object, &format!("spec.hosts[{host}]"), message, hint);
    }
}

// === impl Conflicts ===

impl Conflicts {
    fn add(&mut self, place: Place, other: Place) {
        let conflict =
            self.0.entry(place.service).or_insert_with(|| Conflict { host: place.host, others: BTreeSet::new() });
        conflict.host = conflict.host.min(place.host);
        if conflict.others.len() < NAMED {
            conflict.others.insert(other.service);
        }
    }
}

fn not_affected(services: &[(&Declared, &istio::VirtualService)], naming: &Naming, findings: &mut Findings) {
    // Who sends a host to subsets of it: the first few.
    let mut divided: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (number, (declared, written)) in services.iter().enumerate() {
        let namespace = declared.object.id.namespace.as_str();
        let destinations = written.http.iter().flat_map(|rule| &rule.route).map(|route| &route.destination);
        let subsets: BTreeSet<String> = destinations
            .filter(|destination| !destination.subset.is_empty())
            .map(|destination| naming.name(&destination.host, namespace))
            .collect();
        let hosts: BTreeSet<String> = written.hosts.iter().map(|host| naming.name(host, namespace)).collect();
        for host in subsets.intersection(&hosts) {
            let some = divided.entry(host.clone()).or_default();
            if some.len() < 2 {
                some.push(number);
            }
        }
    }
    if divided.is_empty() {
        return;
    }
    for (number, (declared, written)) in services.iter().enumerate() {
        if written.gateways.iter().all(|gateway| gateway == "mesh") {
            continue;
        }
        let namespace = declared.object.id.namespace.as_str();
        for (index, rule) in written.http.iter().enumerate() {
            for (at, route) in rule.route.iter().enumerate().filter(|(_, route)| route.destination.subset.is_empty()) {
                let host = naming.name(&route.destination.host, namespace);
                let Some(other) = divided.get(&host).and_then(|some| some.iter().find(|other| **other != number))
                else {
                    continue;
                };
                let other = &services[*other].0.object.id;
                let message =
                    format!("{other} divides {host} into subsets, which does not act for requests of a gateway");
                let path = format!("spec.http[{index}].route[{at}].destination");
                findings.add(NOT_AFFECTED, &declared.object, &path, message, "name the subsets here, too");
            }
        }
    }
}
