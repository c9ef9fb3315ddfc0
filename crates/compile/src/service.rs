//! Services.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
};

use ripstop_api::{
    Finding, Kind, Object, Spec,
    kubernetes::{self, IntOrName, Transport},
};
use ripstop_model::{MeshConfig, Selector, Service, ServiceKey, ServicePort, TargetPort};

use crate::{
    Assignments, Objects,
    assign::{Wanted, assignable, refuse_foreign},
    declare::{labels, name_of, of_kind},
    finding::{Findings, REPEATED_PORT, UDP_PORT},
    protocol::app_protocol,
    traffic::{Exported, Naming},
};

/// Assigns a virtual address to every service that has one. One that is refused what it asks for gets it
/// as soon as whoever has it moves, so that nothing depends on who was looked at first.
pub(crate) fn assign(objects: &Objects, assigned: &mut Assignments) -> Vec<Finding> {
    let wanted: Vec<_> = of_kind(objects, Kind::Service)
        .filter_map(|declared| match &declared.object.spec {
            Spec::Service(service) if !service.headless => Some(Wanted {
                object: &declared.object,
                created: declared.created,
                requested: requested(service).map(IpAddr::V4),
            }),
            _ => None,
        })
        .collect();
    loop {
        let before = assigned.vips.clone();
        let mut findings = Findings::default();
        assigned.vips(&wanted, &mut findings);
        let findings = findings.sorted();
        // Whoever has what it asks for keeps it: each round brings somebody home.
        if findings.is_empty() || assigned.vips == before {
            return findings;
        }
    }
}

/// The virtual address that a service asks for, if it can be had at all.
pub(crate) fn requested(service: &kubernetes::Service) -> Option<Ipv4Addr> {
    service.cluster_ip.and_then(assignable)
}

/// Annotation that says who sees a service.
pub(crate) const EXPORT_TO: &str = "networking.istio.io/exportTo";

/// One service, at `vip` unless it is headless.
pub(crate) fn one(
    object: &Object,
    service: &kubernetes::Service,
    vip: Option<Ipv4Addr>,
    mesh: &MeshConfig,
    naming: &Naming,
    findings: &mut Findings,
) -> Service {
    let (namespace, name) = name_of(object);
    let exports: Vec<String> = object
        .meta
        .annotations
        .get(EXPORT_TO)
        .map(|text| {
            text.split(',').map(|export| export.trim().to_owned()).filter(|export| !export.is_empty()).collect()
        })
        .unwrap_or_default();
    if let Some(foreign) = service.cluster_ip.filter(|_| !service.headless && requested(service).is_none()) {
        refuse_foreign(object, foreign, findings);
    }
    Service {
        key: key(object, mesh),
        addresses: vip.into_iter().map(IpAddr::V4).collect(),
        ports: ports(object, service, findings),
        selector: selector(service),
        headless: service.headless,
        publish_not_ready: service.publish_not_ready,
        subject_alt_names: Vec::new(),
        visibility: naming.visibility(&exports, &namespace, Exported::Services),
        // That hangs on more than this object.
        waypoint: None,
        name,
    }
}

/// Namespace and host name of a service object.
pub(crate) fn key(object: &Object, mesh: &MeshConfig) -> ServiceKey {
    let (namespace, name) = name_of(object);
    let hostname = format!("{name}.{namespace}.{}", mesh.service_domain);
    ServiceKey::new(namespace, &hostname)
}

/// An empty selector selects nothing, as in Kubernetes.
fn selector(service: &kubernetes::Service) -> Option<Selector> {
    let selector = service.selector.as_ref().filter(|selector| !selector.is_empty())?;
    Some(Selector(labels(selector)))
}

fn ports(object: &Object, service: &kubernetes::Service, findings: &mut Findings) -> Vec<ServicePort> {
    let mut seen = BTreeSet::new();
    let mut ports = Vec::new();
    for (index, port) in service.ports.iter().enumerate() {
        if port.protocol == Transport::Udp {
            let path = format!("spec.ports[{index}].protocol");
            let message = format!("UDP port {} is not served by the mesh", port.port);
            findings.add(UDP_PORT, object, &path, message, "");
            continue;
        }
        if !seen.insert(port.port) {
            let path = format!("spec.ports[{index}].port");
            let message = format!("port {} is given before; this one does not act", port.port);
            findings.add(REPEATED_PORT, object, &path, message, "remove one of the two");
            continue;
        }
        ports.push(ServicePort {
            port: port.port,
            name: port.name.as_str().into(),
            target: match &port.target_port {
                IntOrName::Int(number) => TargetPort::Number(*number),
                IntOrName::Name(name) => TargetPort::Name(name.as_str().into()),
            },
            protocol: app_protocol(port.port, &port.name, port.app_protocol.as_deref()),
        });
    }
    ports
}
