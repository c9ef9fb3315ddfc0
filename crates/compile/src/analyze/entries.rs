//! ServiceEntries that contradict each other, and those that nothing can tell apart.

use std::collections::BTreeMap;

use ripstop_api::{Object, finding::Code, istio};
use ripstop_model::{AppProtocol, Visibility};

use super::{Mesh, objects::service_entries};
use crate::{
    finding::{Findings, info, warning},
    protocol::{app_protocol, protocol_named},
    traffic::Exported,
};

const ADDRESSES_REQUIRED: Code =
    info("IST0134", "a TCP port of a ServiceEntry has no address by which calls are told, and its host tells none");
const CONFLICTING_PROTOCOL: Code =
    warning("IST0177", "several ServiceEntries declare different protocols for one port of one host");

pub(crate) const CODES: &[Code] = &[ADDRESSES_REQUIRED, CONFLICTING_PROTOCOL];

/// A declaration of a port, the first of its protocol and visibility.
struct Declares<'a> {
    protocol: String,
    visibility: Visibility,
    object: &'a Object,
}

/// A port of a host as one object declares it.
struct Port<'a> {
    object: &'a Object,
    index: usize,
    protocol: String,
    visibility: Visibility,
}

pub(crate) fn check(mesh: &Mesh<'_>, findings: &mut Findings) {
    let naming = &mesh.declarations.settings.naming;
    let mut ports: BTreeMap<(String, u16), Vec<Port<'_>>> = BTreeMap::new();
    for (declared, written) in service_entries(mesh) {
        let object = &*declared.object;
        let visibility = naming.visibility(&written.export_to, &object.id.namespace, Exported::Services);
        for host in &written.hosts {
            let host = host.trim_end_matches('.').to_ascii_lowercase();
            for (index, port) in written.ports.iter().enumerate() {
                let Some(number) = port.number else { continue };
                let protocol = port.protocol.to_ascii_uppercase();
                let port = Port { object, index, protocol, visibility: visibility.clone() };
                ports.entry((host.clone(), number)).or_default().push(port);
            }
        }
        addresses(object, written, findings);
    }
    for ((host, number), ports) in ports.iter().filter(|(_, ports)| ports.len() > 1) {
        conflicts(host, *number, ports, findings);
    }
}

fn conflicts(host: &str, number: u16, ports: &[Port<'_>], findings: &mut Findings) {
    let mut kinds: Vec<Declares<'_>> = Vec::new();
    for port in ports {
        if !kinds.iter().any(|kind| kind.protocol == port.protocol && kind.visibility == port.visibility) {
            let (protocol, visibility) = (port.protocol.clone(), port.visibility.clone());
            kinds.push(Declares { protocol, visibility, object: port.object });
        }
    }
    let name = |protocol: &str| if protocol.is_empty() { "no protocol".to_owned() } else { protocol.to_owned() };
    for port in ports {
        let other = kinds.iter().find(|kind| {
            kind.protocol != port.protocol
                && kind.object.id != port.object.id
                && overlap(&kind.visibility, &port.visibility)
        });
        let Some(other) = other else { continue };
        let message = format!(
            "port {number} of {host} is declared as {}, but {} declares it as {}",
            name(&port.protocol),
            other.object.id,
            name(&other.protocol),
        );
        let path = format!("spec.ports[{}].protocol", port.index);
        findings.add(CONFLICTING_PROTOCOL, port.object, &path, message, "declare the same protocol in both");
    }
}

/// Whether somebody sees both.
fn overlap(one: &Visibility, other: &Visibility) -> bool {
    match (one, other) {
        (Visibility::Nobody, _) | (_, Visibility::Nobody) => false,
        (Visibility::Everybody, _) | (_, Visibility::Everybody) => true,
        (Visibility::Namespaces(one), Visibility::Namespaces(other)) => !one.is_disjoint(other),
    }
}

/// Names are answered with an address of the host's own, which tells the host of a connection; there is none for
/// wildcards, nor where callers choose the address.
fn addresses(object: &Object, written: &istio::ServiceEntry, findings: &mut Findings) {
    let wildcard = written.hosts.iter().find(|host| host.starts_with('*'));
    let why = match (written.resolution, wildcard) {
        (istio::Resolution::None, _) => "`resolution: NONE` leaves the address to the caller".to_owned(),
        (istio::Resolution::DynamicDns, _) | (_, None) => return,
        (_, Some(host)) => format!("the wildcard {host} has no address of its own"),
    };
    if !written.addresses.is_empty() {
        return;
    }
    for (index, port) in written.ports.iter().enumerate() {
        let number = port.number.unwrap_or_default();
        let protocol = match protocol_named(&port.protocol) {
            AppProtocol::Unknown => app_protocol(number, &port.name, None),
            declared => declared,
        };
        let undeclared = port.protocol.is_empty() && matches!(protocol, AppProtocol::Unknown | AppProtocol::Tcp);
        if !undeclared && !port.protocol.eq_ignore_ascii_case("TCP") {
            continue;
        }
        let message = format!("port {number} takes connections to any address, since {why}");
        let hint = "give addresses, or a protocol that tells the host: HTTP, HTTPS, TLS, GRPC";
        findings.add(ADDRESSES_REQUIRED, object, &format!("spec.ports[{index}].protocol"), message, hint);
    }
}
