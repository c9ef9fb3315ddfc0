//! Hosts, ports and callers that rules are for, and that there are not.

use std::collections::{BTreeMap, BTreeSet};

use ripstop_api::{Kind, Object, Spec, finding::Code, istio};
use ripstop_model::{HostPattern, Selector};

use super::{
    Mesh,
    members::Members,
    objects::{acts_in_mesh, destination_rules, named_callers, virtual_services},
    registry::{Found, Known, Registry},
    sentence::listed,
};
use crate::{
    declare::{labels, of_kind},
    finding::{Findings, warning},
    traffic::Exported,
};

const ABSENT: Code = warning("RS264", "a rule is for a host, port or caller that there is not: it never acts");

/// Codes of these rules.
pub(crate) const CODES: &[Code] = &[ABSENT];

pub(crate) fn check(mesh: &Mesh<'_>, findings: &mut Findings) {
    let (registry, members) = (Registry::new(mesh), Members::of(mesh));
    let absent = Absent { mesh, registry: &registry, members: &members };
    for (declared, written) in virtual_services(mesh) {
        absent.hosts(&declared.object, written, findings);
        absent.callers(&declared.object, written, findings);
    }
    for (declared, written) in destination_rules(mesh) {
        absent.ports(&declared.object, written, findings);
    }
    for declared in of_kind(mesh.objects, Kind::Sidecar) {
        if let Spec::Sidecar(written) = &declared.object.spec {
            absent.imports(&declared.object, written, findings);
        }
    }
}

struct Absent<'m, 'a> {
    mesh: &'m Mesh<'a>,
    registry: &'m Registry<'a>,
    members: &'m Members<'a>,
}

// === impl Absent ===

impl Absent<'_, '_> {
    /// Hosts of rules for calls in the mesh. A name with a dot is a whole one, which may be that of anybody outside: only
    /// what is meant as the name of a Service is told of.
    fn hosts(&self, object: &Object, written: &istio::VirtualService, findings: &mut Findings) {
        if !acts_in_mesh(written) {
            return;
        }
        let naming = &self.mesh.declarations.settings.naming;
        let namespace = object.id.namespace.as_str();
        let visibility = naming.visibility(&written.export_to, namespace, Exported::Routes);
        let callers = named_callers(namespace, &visibility);
        for (index, host) in written.hosts.iter().enumerate() {
            let whole = naming.host(host, namespace);
            if whole.exact().is_none() || !matches!(self.registry.find(&whole, &callers), Found::Nobody) {
                continue;
            }
            let domain = &self.mesh.output.mesh.service_domain;
            let meant = HostPattern::new(&format!("{}.{domain}", host.trim_end_matches('.')));
            if host.contains('.') && self.registry.at(&meant).is_empty() {
                continue;
            }
            let message =
                format!("no Service and no ServiceEntry has the host {whole}: no call of a service meets its rules");
            let hint = self.registry.advice(host, namespace);
            findings.add(ABSENT, object, &format!("spec.hosts[{index}]"), message, &hint);
        }
    }

    /// Labels of callers that no workload has.
    fn callers(&self, object: &Object, written: &istio::VirtualService, findings: &mut Findings) {
        // Files of a cluster do not say what runs there.
        if self.members.len() < 2 {
            return;
        }
        let of =
            |list: &'static str, rule: usize, index: usize| format!("spec.{list}[{rule}].match[{index}].sourceLabels");
        let http = written.http.iter().enumerate().flat_map(|(rule, http)| {
            let wanted = http.matches.iter().map(|one| &one.source_labels);
            wanted.enumerate().map(move |(index, wanted)| (of("http", rule, index), wanted))
        });
        let tcp = written.tcp.iter().enumerate().flat_map(|(rule, tcp)| {
            let wanted = tcp.matches.iter().map(|one| &one.source_labels);
            wanted.enumerate().map(move |(index, wanted)| (of("tcp", rule, index), wanted))
        });
        let tls = written.tls.iter().enumerate().flat_map(|(rule, tls)| {
            let wanted = tls.matches.iter().map(|one| &one.source_labels);
            wanted.enumerate().map(move |(index, wanted)| (of("tls", rule, index), wanted))
        });
        for (path, wanted) in http.chain(tcp).chain(tls).filter(|(_, wanted)| !wanted.is_empty()) {
            if self.members.selected(None, wanted).next().is_none() && !self.may_come(wanted) {
                let message = format!("no workload of the mesh has {}", pairs(wanted));
                findings.add(ABSENT, object, &path, message, "compare them with the workloads' labels");
            }
        }
    }

    /// Whether somebody may have these labels who is not there yet, or by where it runs.
    fn may_come(&self, wanted: &BTreeMap<String, String>) -> bool {
        let by_place = wanted.keys().any(|key| key.starts_with("topology."));
        let selector = Selector(labels(wanted));
        let traffic = &self.mesh.output.traffic;
        by_place || traffic.groups.values().any(|group| selector.matches(&group.template.labels))
    }

    /// Ports that the host does not have.
    fn ports(&self, object: &Object, written: &istio::DestinationRule, findings: &mut Findings) {
        let naming = &self.mesh.declarations.settings.naming;
        let namespace = object.id.namespace.as_str();
        let host = naming.host(&written.host, namespace);
        let visibility = naming.visibility(&written.export_to, namespace, Exported::Backends);
        let Found::Known(known) = self.registry.find_overlapping(&host, &named_callers(namespace, &visibility)) else {
            return;
        };
        let ports: BTreeSet<u16> = known.iter().flat_map(Known::ports).collect();
        // What is declared without ports has them all, and what a wildcard is for cannot be known.
        if host.exact().is_none() || known.iter().any(|known| known.ports().is_empty()) {
            return;
        }
        let general = written.traffic_policy.iter().map(|policy| ("spec.trafficPolicy".to_owned(), policy));
        let subsets = written.subsets.iter().enumerate().filter_map(|(index, subset)| {
            Some((format!("spec.subsets[{index}].trafficPolicy"), subset.traffic_policy.as_ref()?))
        });
        for (path, policy) in general.chain(subsets) {
            for (index, settings) in policy.port_level_settings.iter().enumerate() {
                let Some(port) = settings.port.as_ref().and_then(|port| port.number) else { continue };
                if !ports.contains(&port) {
                    let message = format!("the host {host} has no port {port}");
                    let hint = format!("ports are those that are called: {}", listed(&ports));
                    let path = format!("{path}.portLevelSettings[{index}].port.number");
                    findings.add(ABSENT, object, &path, message, &hint);
                }
            }
        }
    }

    /// Hosts that a Sidecar's callers are to know.
    fn imports(&self, object: &Object, written: &istio::Sidecar, findings: &mut Findings) {
        let own = object.id.namespace.as_str();
        for (listener, index, text) in written.egress.iter().enumerate().flat_map(|(listener, egress)| {
            egress.hosts.iter().enumerate().map(move |(index, text)| (listener, index, text))
        }) {
            // A host behind `~` is none.
            let Some((namespace, host)) = text.split_once('/').filter(|(namespace, _)| *namespace != "~") else {
                continue;
            };
            let host = HostPattern::new(host);
            if host.exact().is_none() {
                continue;
            }
            let namespace = if namespace == "." { own } else { namespace };
            let is_of = |known: &Known<'_>| namespace == "*" || known.namespace() == namespace;
            // Routes of that namespace are imported by their hosts, too.
            if self.registry.at(&host).iter().any(is_of) || self.has_routes(namespace, &host) {
                continue;
            }
            let message = match self.registry.at(&host).first() {
                Some(other) => format!("the host {host} is of namespace {}, not of {namespace}", other.namespace()),
                None => format!("no Service and no ServiceEntry has the host {host}"),
            };
            let hint = match self.registry.at(&host).first() {
                Some(other) => format!("write {}/{host}", other.namespace()),
                None => self.registry.advice(&host.to_string(), own),
            };
            findings.add(ABSENT, object, &format!("spec.egress[{listener}].hosts[{index}]"), message, &hint);
        }
    }
}

impl Absent<'_, '_> {
    /// Whether a VirtualService of that namespace, `*` being all, is for calls of `host` in the mesh.
    fn has_routes(&self, namespace: &str, host: &HostPattern) -> bool {
        let naming = &self.mesh.declarations.settings.naming;
        virtual_services(self.mesh).any(|(declared, written)| {
            let own = declared.object.id.namespace.as_str();
            let is_for = |of: &String| {
                let of = naming.host(of, own);
                of == *host || host.exact().is_some_and(|host| of.contains(host))
            };
            (namespace == "*" || namespace == own) && acts_in_mesh(written) && written.hosts.iter().any(is_for)
        })
    }
}

/// Labels as people write them.
fn pairs(labels: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join(" and ")
}

#[cfg(test)]
mod tests;
