//! Where VirtualServices send traffic: hosts, ports and subsets that do not exist.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use ripstop_api::{Object, finding::Code, istio};
use ripstop_model::{GatewayName, ObjectName, Visibility};

use super::{
    Mesh,
    objects::{Target, named_callers, targets, virtual_services},
    proxies::Proxies,
    registry::{Found, Known, Registry},
    rules::Rules,
    sentence::listed,
};
use crate::finding::{Findings, NOT_FOUND, warning};

const PORT_REQUIRED: Code =
    warning("IST0112", "a destination names no port, though its host has several: the port that was called decides");

pub(crate) const CODES: &[Code] = &[PORT_REQUIRED];

pub(crate) fn check(mesh: &Mesh<'_>, findings: &mut Findings) {
    let registry = Registry::new(mesh);
    let rules = Rules::new(mesh);
    let proxies = Proxies::new(mesh);
    let naming = &mesh.declarations.settings.naming;
    let mut at_gateways: BTreeMap<ObjectName, BTreeSet<&str>> = BTreeMap::new();
    for (declared, written) in virtual_services(mesh) {
        let object = &*declared.object;
        let namespace = object.id.namespace.as_str();
        let visibility = naming.visibility(&written.export_to, namespace, crate::traffic::Exported::Routes);
        let mut callers = named_callers(namespace, &visibility);
        for gateway in crate::traffic::route::gateways(&written.gateways, &namespace.into(), true) {
            let GatewayName::Named(name) = gateway else { continue };
            let namespaces = at_gateways.entry(name.clone()).or_insert_with(|| {
                let known = proxies.named(&name);
                known.iter().flat_map(|known| proxies.of(known)).map(|workload| workload.namespace).collect()
            });
            callers.extend(namespaces.iter());
        }
        let view = View {
            mesh,
            registry: &registry,
            rules: &rules,
            object,
            callers,
            everybody: visibility == Visibility::Everybody,
        };
        for target in targets(written) {
            view.check(&target, findings);
        }
    }
}

/// What one object's callers see.
struct View<'m, 'a> {
    mesh: &'m Mesh<'a>,
    registry: &'m Registry<'a>,
    rules: &'m Rules<'a>,
    object: &'m Object,
    callers: BTreeSet<&'m str>,
    /// Whether others may call too.
    everybody: bool,
}

// === impl View ===

impl View<'_, '_> {
    fn check(&self, Target { path, destination }: &Target<'_>, findings: &mut Findings) {
        let naming = &self.mesh.declarations.settings.naming;
        let host = naming.host(&destination.host, &self.object.id.namespace);
        let name = host.to_string();
        let missing_subset = |service: &str| {
            let subset = destination.subset.as_str();
            (!subset.is_empty() && !self.sees_subset(&name, service, subset)).then_some(subset)
        };
        let known = match self.registry.find(&host, &self.callers) {
            Found::Known(known) => known,
            Found::Hidden(owner) => {
                let message = format!(
                    "the host {name} of namespace {owner} is not exported to namespace {}",
                    self.object.id.namespace
                );
                findings.add(
                    NOT_FOUND,
                    self.object,
                    &format!("{path}.host"),
                    message,
                    "name the namespace in its exportTo",
                );
                return;
            }
            Found::Nobody => {
                let mut message = format!("no Service and no ServiceEntry has the host {name}");
                if let Some(subset) = missing_subset("") {
                    let _ = write!(message, ", and no DestinationRule defines its subset {subset:?}");
                }
                let advice = self.registry.advice(&destination.host, &self.object.id.namespace);
                findings.add(NOT_FOUND, self.object, &format!("{path}.host"), message, &advice);
                return;
            }
        };
        let service = known.first().map(Known::namespace).unwrap_or_default();
        let ports: BTreeSet<u16> = known.iter().flat_map(Known::ports).collect();
        let port = port(destination);
        let subset = missing_subset(service);
        if let Some(port) = port.filter(|port| !ports.is_empty() && !ports.contains(port)) {
            let mut message = format!("the host {name} has no port {port}");
            if let Some(subset) = subset {
                let _ = write!(message, ", and no DestinationRule defines its subset {subset:?}");
            }
            let hint = format!("its ports: {}", listed(&ports));
            findings.add(NOT_FOUND, self.object, &format!("{path}.port.number"), message, &hint);
            return;
        }
        if let Some(subset) = subset {
            let message = format!("no DestinationRule that its callers see defines the subset {subset:?} of {name}");
            let hint = self.subset_advice(&name, service, subset);
            findings.add(NOT_FOUND, self.object, &format!("{path}.subset"), message, &hint);
        }
        if port.is_none() && ports.len() > 1 {
            let message =
                format!("{name} has the ports {}, and none is named: the port that is called decides", listed(&ports));
            findings.add(PORT_REQUIRED, self.object, path, message, "name one in port.number");
        }
    }

    /// Whether some caller reaches the subset.
    fn sees_subset(&self, host: &str, service: &str, subset: &str) -> bool {
        self.rules.defines(self.callers.iter().copied(), host, service, subset)
            || self.everybody && self.rules.defines(self.rules.namespaces(host).iter().copied(), host, service, subset)
    }

    fn subset_advice(&self, host: &str, service: &str, subset: &str) -> String {
        let acting: Vec<_> = self.callers.iter().flat_map(|caller| self.rules.acting(caller, host, service)).collect();
        let names: BTreeSet<&str> =
            acting.iter().flat_map(|policy| &policy.subsets).map(|subset| &*subset.name).collect();
        if !names.is_empty() {
            return format!("subsets of the host: {}", listed(names));
        }
        if let Some(policy) = acting.first() {
            return format!(
                "define it in the DestinationRule of namespace {}, which acts for them alone",
                policy.namespace
            );
        }
        let elsewhere = self.rules.namespaces(host).iter().find(|namespace| {
            let policies = self.rules.of(namespace, host);
            policies.iter().any(|policy| policy.subsets.iter().any(|own| *own.name == *subset))
        });
        match elsewhere {
            Some(namespace) => format!(
                "the one of namespace {namespace} does not act for them: export it, or move it to the Service's namespace"
            ),
            None => format!("write a DestinationRule for {host} with this subset, or remove the subset here"),
        }
    }
}

fn port(destination: &istio::Destination) -> Option<u16> {
    destination.port.as_ref().and_then(|port| port.number).filter(|port| *port > 0)
}
