//! Services and the processes behind them, limits of processes, and the way out of the mesh.

use std::collections::{BTreeMap, BTreeSet};

use ripstop_api::{
    Kind, Object, Spec,
    finding::Code,
    istio::MeshOutboundMode,
    kubernetes::{IntOrName, ServicePort, Transport},
    ripstop::{Process, ProcessRole},
};
use ripstop_model::AppProtocol;

use super::{
    Mesh,
    members::{Members, What},
};
use crate::{
    declare::of_kind,
    finding::{Findings, info, warning},
    mesh::acting_config,
    protocol::app_protocol,
};

/// Codes of these rules.
pub(crate) const CODES: &[Code] = &[NO_LIMITS, ALLOW_ANY, BOTH_TRANSPORTS, NO_PROTOCOL, SAME_TARGET];

const NO_LIMITS: Code = info("RS02", "a Process runs without a limit of memory");
const ALLOW_ANY: Code = info("RS04", "workloads may call places that nobody declares");
const BOTH_TRANSPORTS: Code = warning("IST0116", "Services of one Process have the same port for TCP and for UDP");
const NO_PROTOCOL: Code = info("IST0118", "a port does not say its protocol, which is then detected on the wire");
const SAME_TARGET: Code = warning("IST0137", "Services reach one port of a Process by different ports");

/// Services, processes, and the policy for unknown destinations.
pub(crate) fn check(mesh: &Mesh<'_>, findings: &mut Findings) {
    for declared in of_kind(mesh.objects, Kind::Service) {
        protocols(&declared.object, findings);
    }
    for declared in of_kind(mesh.objects, Kind::Process) {
        // What a gateway needs is the mesh's to know.
        if let Spec::Process(process) = &declared.object.spec
            && process.role == ProcessRole::Command
        {
            limits(&declared.object, process, findings);
        }
    }
    processes(mesh, findings);
    outbound(mesh, findings);
}

/// Ports whose protocol nobody says. Those of Istio's own services are left out.
fn protocols(object: &Object, findings: &mut Findings) {
    let Spec::Service(service) = &object.spec else { return };
    let labels = &object.meta.labels;
    if labels.contains_key("istio") || labels.get("release").is_some_and(|release| release == "istio") {
        return;
    }
    for (index, port) in service.ports.iter().enumerate().filter(|(_, port)| port.protocol == Transport::Tcp) {
        if app_protocol(port.port, &port.name, port.app_protocol.as_deref()) != AppProtocol::Unknown {
            continue;
        }
        let (field, said) = match &port.app_protocol {
            Some(protocol) => ("appProtocol", format!("appProtocol {protocol:?} is none that is known")),
            None if port.name.is_empty() => ("port", "it has no name".to_owned()),
            None => ("name", format!("its name {:?} does not begin with one", port.name)),
        };
        let path = format!("spec.ports[{index}].{field}");
        let message = format!("port {} does not say its protocol: {said}", port.port);
        findings.add(NO_PROTOCOL, object, &path, message, "name it like http, grpc-api or tcp, or write appProtocol");
    }
}

/// Limits of CPU are not enforced, and not asked for.
fn limits(object: &Object, process: &Process, findings: &mut Findings) {
    if process.limits.memory_bytes.is_none() {
        let message = "the process runs without a limit of memory";
        findings.add(NO_LIMITS, object, "spec.resources.limits", message, "write spec.resources.limits.memory");
    }
}

/// Processes that several ports of services lead to.
fn processes(mesh: &Mesh<'_>, findings: &mut Findings) {
    let members = Members::of(mesh);
    let mut behind: BTreeMap<usize, Vec<(&Object, &[ServicePort])>> = BTreeMap::new();
    for declared in of_kind(mesh.objects, Kind::Service) {
        let Spec::Service(service) = &declared.object.spec else { continue };
        let Some(wanted) = service.selector.as_ref().filter(|wanted| !wanted.is_empty()) else { continue };
        for member in members.selected(Some(&declared.object.id.namespace), wanted) {
            behind.entry(member).or_default().push((&declared.object, &service.ports));
        }
    }
    for (index, services) in behind {
        let member = members.get(index);
        if let (What::Process(object), true) = (member.what, member.is_enrolled())
            && let Spec::Process(process) = &object.spec
        {
            both_transports(object, &services, findings);
            same_target(object, process, &services, findings);
        }
    }
}

type Services<'a> = [(&'a Object, &'a [ServicePort])];

fn both_transports(object: &Object, services: &Services<'_>, findings: &mut Findings) {
    let mut ports: BTreeMap<u16, [BTreeSet<&str>; 2]> = BTreeMap::new();
    for (service, port) in services.iter().flat_map(|(service, ports)| ports.iter().map(move |port| (service, port))) {
        let transport = usize::from(port.protocol == Transport::Udp);
        ports.entry(port.port).or_default()[transport].insert(&service.id.name);
    }
    for (port, [tcp, udp]) in ports {
        // One service may have both.
        let mut pairs = tcp.iter().flat_map(|one| udp.iter().map(move |other| (one, other)));
        let Some((one, other)) = pairs.find(|(one, other)| one != other) else { continue };
        let message = format!("port {port} is TCP in Service {one} and UDP in Service {other}");
        findings.add(BOTH_TRANSPORTS, object, "metadata.labels", message, "give one of them another port");
    }
}

fn same_target(object: &Object, process: &Process, services: &Services<'_>, findings: &mut Findings) {
    let mut targets: BTreeMap<u16, BTreeMap<u16, &str>> = BTreeMap::new();
    for (service, port) in services.iter().flat_map(|(service, ports)| ports.iter().map(move |port| (service, port))) {
        let target = match &port.target_port {
            IntOrName::Int(number) => Some(*number),
            IntOrName::Name(name) => {
                let named =
                    |own: &&ripstop_api::ripstop::ContainerPort| own.name == *name && own.protocol == port.protocol;
                process.ports.iter().find(named).map(|own| own.port)
            }
        };
        if let (Some(target), Transport::Tcp) = (target, port.protocol) {
            targets.entry(target).or_default().entry(port.port).or_insert(&service.id.name);
        }
    }
    for (target, ports) in targets.into_iter().filter(|(_, ports)| ports.len() > 1) {
        let index = process.ports.iter().position(|own| own.port == target && own.protocol == Transport::Tcp);
        let path = index.map_or_else(|| "spec.ports".to_owned(), |index| format!("spec.ports[{index}].containerPort"));
        let texts: Vec<_> = ports.iter().map(|(port, service)| format!("{port} of Service {service}")).collect();
        let message = format!("port {target} is reached by several ports: {}", texts.join(", "));
        let hint = "let Services reach it by one port, so that it is clear which one's settings hold";
        findings.add(SAME_TARGET, object, &path, message, hint);
    }
}

/// A policy that somebody wrote; the default is nobody's doing.
fn outbound(mesh: &Mesh<'_>, findings: &mut Findings) {
    let Some((object, base, config)) = acting_config(mesh.objects) else { return };
    let Some(policy) = &config.outbound_traffic_policy else { return };
    if policy.mode != MeshOutboundMode::RegistryOnly {
        let path = format!("{base}.outboundTrafficPolicy.mode");
        let message = format!("{}: workloads may call places that nobody declares", policy.mode.as_str());
        let hint = "write REGISTRY_ONLY, and a ServiceEntry for each place outside that is called";
        findings.add(ALLOW_ANY, object, &path, message, hint);
    }
}

#[cfg(test)]
mod tests;
