//! Services.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ripstop_api::{
    Kind, Object, Spec,
    kubernetes::{self, IntOrName, Transport},
};
use ripstop_model::{MeshConfig, Selector, Service, ServiceKey, ServicePort, TargetPort};

use crate::{
    Assignments, Objects,
    assign::{Wanted, vip_key},
    declare::{labels, name_of, of_kind},
    finding::{Findings, REPEATED_PORT, UDP_PORT},
    protocol::app_protocol,
};

/// Services by namespace and host name, with their virtual addresses.
pub(crate) fn compile(
    objects: &Objects,
    mesh: &MeshConfig,
    assigned: &mut Assignments,
    findings: &mut Findings,
) -> BTreeMap<ServiceKey, Service> {
    let written: Vec<_> = of_kind(objects, Kind::Service)
        .filter_map(|declared| match &declared.object.spec {
            Spec::Service(service) => Some((declared, service)),
            _ => None,
        })
        .collect();
    let wanted: Vec<_> = written
        .iter()
        .filter(|(_, service)| !service.headless)
        .map(|(declared, service)| Wanted {
            object: &declared.object,
            created: declared.created,
            requested: service.cluster_ip,
        })
        .collect();
    let vips = assigned.vips(&wanted, findings);
    let mut services = BTreeMap::new();
    for (declared, service) in written {
        let object = &*declared.object;
        let (namespace, name) = name_of(object);
        let vip = vips.get(&vip_key(&namespace, &name)).map(|vip| IpAddr::V4(*vip));
        let key = key(object, mesh);
        services.insert(
            key.clone(),
            Service {
                key,
                name,
                addresses: vip.into_iter().collect(),
                ports: ports(object, service, findings),
                selector: selector(service),
                headless: service.headless,
                publish_not_ready: service.publish_not_ready,
                subject_alt_names: Vec::new(),
            },
        );
    }
    services
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
