//! Listeners of Sidecars that nobody reaches, that can't be opened, or that do not know whom to lead to.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use ripstop_api::{Kind, Object, Spec, finding::Code, istio::Sidecar};
use ripstop_model::{
    AppProtocol, CallerScope, EgressScope, HostPattern, ImportedHost, ListenerMode, ListenerWay, OwnListener, Workload,
};

use super::Mesh;
use crate::{
    declare::id_of,
    finding::{Findings, warning},
};

/// Codes of this rule.
pub(crate) const CODES: &[Code] = &[UNREACHED, UNDECIDED];

const UNREACHED: Code = warning("RS249", "a Sidecar's listener that nobody reaches, or that is not opened");

const UNDECIDED: Code = warning("RS263", "a Sidecar's listener for TCP does not know one service to lead to");

/// Sidecars with listeners at addresses of their own.
pub(crate) fn check(mesh: &Mesh<'_>, findings: &mut Findings) {
    for (name, scope) in &mesh.output.traffic.scopes {
        let Some(declared) = mesh.objects.get(&id_of(Kind::Sidecar, name)) else { continue };
        let Spec::Sidecar(written) = &declared.object.spec else { continue };
        let sidecar = Listeners { mesh, object: &declared.object, written, scope };
        sidecar.own(findings);
        sidecar.captured(findings);
        sidecar.undecided(findings);
    }
}

struct Listeners<'a> {
    mesh: &'a Mesh<'a>,
    object: &'a Object,
    written: &'a Sidecar,
    scope: &'a CallerScope,
}

// === impl Listeners ===

impl Listeners<'_> {
    /// Those that sidecars open themselves.
    fn own(&self, findings: &mut Findings) {
        for (OwnListener { way, address }, _, said) in self.scope.own_listeners() {
            let Some(base) = self.path(way, address.port()) else { continue };
            if let Err(clash) = said {
                let message = format!("nobody listens at {address}: {clash}");
                let hint = "choose another port, another `bind`, or another `defaultEndpoint`";
                findings.add(UNREACHED, self.object, &format!("{base}.port.number"), &message, hint);
                continue;
            }
            let declares = |workload: &&Workload| {
                let instance = self.mesh.output.instances.get(&workload.uid);
                let process = instance.and_then(|instance| {
                    self.mesh.output.processes.get(&(instance.namespace.clone(), instance.process.clone()))
                });
                process.is_some_and(|process| process.ports.iter().any(|port| !port.udp && port.port == address.port()))
            };
            let listens = self.selected().find(declares).filter(|_| way == ListenerWay::Egress);
            if let Some(workload) = listens {
                let message = format!(
                    "{}/{} declares port {} as one that its application listens at, so that its sidecar can't",
                    workload.namespace,
                    workload.name,
                    address.port()
                );
                findings.add(UNREACHED, self.object, &format!("{base}.port.number"), &message, "choose another port");
            }
            if !address.ip().is_loopback() && !address.ip().is_unspecified() && !self.is_known(address.ip()) {
                self.foreign(&base, address.ip(), findings);
            }
        }
    }

    /// Those that calls are captured for.
    fn captured(&self, findings: &mut Findings) {
        let ingress = self.scope.ingress.iter().filter(|listener| listener.mode == ListenerMode::Captured);
        let ingress = ingress.filter_map(|listener| Some((ListenerWay::Ingress, listener.port, listener.bind?)));
        let egress = self.scope.egress.iter().flatten().filter(|listener| listener.mode == ListenerMode::Captured);
        let egress = egress.filter_map(|listener| Some((ListenerWay::Egress, listener.port?, listener.bind?)));
        for (way, port, bind) in ingress.chain(egress) {
            let Some(base) = self.path(way, port) else { continue };
            if bind.is_loopback() {
                let message = "nobody reaches it: what goes to the loopback of a workload is never captured";
                let hint = "write `captureMode: NONE`, and its sidecar listens there itself";
                findings.add(UNREACHED, self.object, &format!("{base}.captureMode"), message, hint);
            } else if way == ListenerWay::Ingress && !bind.is_unspecified() && !self.is_known(bind) {
                self.foreign(&base, bind, findings);
            }
        }
    }

    /// Those of TCP, which names nobody.
    fn undecided(&self, findings: &mut Findings) {
        let doors = self.scope.egress.iter().flatten().filter(|listener| listener.bound().is_some());
        for door in doors.filter(|door| door.protocol == AppProtocol::Tcp) {
            let Some(base) = door.port.and_then(|port| self.path(ListenerWay::Egress, port)) else { continue };
            let known = self.known(door);
            if known.len() == 1 {
                continue;
            }
            let few: Vec<&str> = known.iter().take(3).map(|host| &**host).collect();
            let message = match &few[..] {
                [] => "connections that come there are reset: it knows no service with that port, or a single one"
                    .to_owned(),
                few => format!(
                    "connections that come there are reset: nothing in them says whom they are for, and it knows {} ({}{})",
                    known.len(),
                    few.join(", "),
                    if known.len() > few.len() { ", …" } else { "" }
                ),
            };
            findings.add(
                UNDECIDED,
                self.object,
                &format!("{base}.hosts"),
                &message,
                "name one service: `NAMESPACE/HOST`",
            );
        }
    }

    fn foreign(&self, base: &str, bind: IpAddr, findings: &mut Findings) {
        let message = format!("nobody reaches it: no workload that it is for has the address {bind}");
        let hint = "leave `bind` out, or write 127.0.0.1 or 0.0.0.0";
        findings.add(UNREACHED, self.object, &format!("{base}.bind"), &message, hint);
    }

    /// Where a listener is written.
    fn path(&self, way: ListenerWay, port: u16) -> Option<String> {
        let (list, mut ports): (_, Box<dyn Iterator<Item = Option<u16>> + '_>) = match way {
            ListenerWay::Ingress => {
                let ports =
                    self.written.ingress.iter().map(|listener| listener.port.as_ref().and_then(|port| port.number));
                ("ingress", Box::new(ports))
            }
            ListenerWay::Egress => {
                let ports =
                    self.written.egress.iter().map(|listener| listener.port.as_ref().and_then(|port| port.number));
                ("egress", Box::new(ports))
            }
        };
        ports.position(|number| number == Some(port)).map(|index| format!("spec.{list}[{index}]"))
    }

    /// Workloads that run and that it is for.
    fn selected(&self) -> impl Iterator<Item = &Workload> {
        let scope = self.scope;
        let is_for_all = scope.selector.is_empty() && scope.namespace == self.mesh.output.mesh.root_namespace;
        self.mesh.output.workloads.values().map(|workload| &**workload).filter(move |workload| {
            workload.has_sidecar()
                && (is_for_all || workload.namespace == scope.namespace)
                && scope.selector.matches(&workload.labels)
        })
    }

    /// Whether one of them has that address, as far as any runs.
    fn is_known(&self, address: IpAddr) -> bool {
        let mut addresses = self.selected().flat_map(|workload| &workload.addresses).peekable();
        addresses.peek().is_none() || addresses.any(|own| *own == address)
    }

    /// Whom a listener knows that connections can be for: those with its port, else those with a single one.
    fn known(&self, door: &EgressScope) -> BTreeSet<Arc<str>> {
        let output = self.mesh.output;
        let services = output.services.values().map(|service| {
            let ports: Vec<u16> = service.ports.iter().map(|port| port.port).collect();
            (service.key.namespace.clone(), service.key.hostname.clone(), ports)
        });
        let entries = output.traffic.entries.values().flat_map(|entries| entries.iter()).filter_map(|entry| {
            let ports: Vec<u16> = entry.ports.iter().map(|port| port.port).collect();
            Some((entry.object.0.clone(), entry.host.exact()?.clone(), ports))
        });
        let imports = |list: &[ImportedHost], namespace: &str, host: &HostPattern| {
            list.iter().any(|import| {
                import.namespace.as_deref().is_none_or(|wanted| wanted == namespace) && host.is_within(&import.host)
            })
        };
        let known: Vec<_> = services
            .chain(entries)
            .filter(|(namespace, host, _)| {
                let host = HostPattern::Exact(host.clone());
                imports(&door.hosts, namespace, &host) && !imports(&door.without, namespace, &host)
            })
            .collect();
        let with = |is_meant: &dyn Fn(&[u16]) -> bool| -> BTreeSet<Arc<str>> {
            known.iter().filter(|(.., ports)| is_meant(ports)).map(|(_, host, _)| host.clone()).collect()
        };
        let same = with(&|ports| door.port.is_some_and(|port| ports.contains(&port)));
        if same.is_empty() { with(&|ports| ports.len() == 1) } else { same }
    }
}

#[cfg(test)]
mod tests;
