//! Ports that policies name, and that no workload has.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    rc::Rc,
};

use ripstop_api::{
    Kind, Object, Spec,
    finding::Code,
    istio::{AuthorizationPolicy, PeerAuthentication},
    kubernetes::{IntOrName, Transport},
    ripstop::{ProbeAction, Process, ProcessRole},
};

use super::{
    Mesh,
    members::{Member, Members, Wanted, What},
    sentence::listed,
};
use crate::{
    declare::of_kind,
    finding::{Findings, warning},
};

/// Codes of this rule.
pub(crate) const CODES: &[Code] = &[NOBODYS];

const NOBODYS: Code = warning("RS255", "a policy names a port that none of its workloads has");

/// Key of a condition on the port.
const PORT: &str = "destination.port";

/// Policies that name ports.
pub(crate) fn check(mesh: &Mesh<'_>, findings: &mut Findings) {
    let none = Wanted::new();
    let mut ground: Option<Ground<'_>> = None;
    for kind in [Kind::AuthorizationPolicy, Kind::PeerAuthentication] {
        for declared in of_kind(mesh.objects, kind) {
            let object = &*declared.object;
            let (named, wanted) = match &object.spec {
                Spec::AuthorizationPolicy(written) => {
                    if written.target_ref.is_some() || !written.target_refs.is_empty() {
                        continue;
                    }
                    let selector = written.selector.as_ref();
                    (of_rules(written), selector.map_or(&none, |selector| &selector.match_labels.0))
                }
                Spec::PeerAuthentication(written) => (of_levels(written), &written.selector),
                _ => continue,
            };
            if named.is_empty() {
                continue;
            }
            let everywhere =
                kind == Kind::AuthorizationPolicy && *object.id.namespace == *mesh.output.mesh.root_namespace;
            let namespace = (!everywhere).then_some(object.id.namespace.as_str());
            let ground = ground.get_or_insert_with(|| Ground::of(mesh));
            if let Some(ports) = ground.ports(namespace, wanted) {
                for (path, port) in named.into_iter().filter(|(_, port)| !ports.own.contains(port)) {
                    tell(object, &path, port, &ports, findings);
                }
            }
        }
    }
}

fn tell(object: &Object, path: &str, port: u16, ports: &Ports<'_>, findings: &mut Findings) {
    let (message, hint) = match ports.led_to.get(&port) {
        Some((service, target)) => (
            format!("no workload that it selects has port {port}: port {port} of Service {service} leads to {target}"),
            format!("write {target}: policies name ports of workloads, not of Services"),
        ),
        None => {
            (format!("no workload that it selects has port {port}"), format!("their ports: {}", listed(&ports.own)))
        }
    };
    findings.add(NOBODYS, object, path, message, &hint);
}

/// Ports that rules name, each with its path.
fn of_rules(written: &AuthorizationPolicy) -> Vec<(String, u16)> {
    let mut named = Vec::new();
    let mut add = |base: String, values: &[String]| {
        let ports = values.iter().enumerate().filter_map(|(index, value)| Some((index, value.parse().ok()?)));
        named.extend(ports.map(|(index, port)| (format!("{base}[{index}]"), port)));
    };
    for (index, rule) in written.rules.iter().enumerate() {
        for (place, to) in rule.to.iter().enumerate() {
            let Some(operation) = &to.operation else { continue };
            let base = format!("spec.rules[{index}].to[{place}].operation");
            add(format!("{base}.ports"), &operation.ports);
            add(format!("{base}.notPorts"), &operation.not_ports);
        }
        for (place, when) in rule.when.iter().enumerate().filter(|(_, when)| when.key == PORT) {
            let base = format!("spec.rules[{index}].when[{place}]");
            add(format!("{base}.values"), &when.values);
            add(format!("{base}.notValues"), &when.not_values);
        }
    }
    named
}

fn of_levels(written: &PeerAuthentication) -> Vec<(String, u16)> {
    written.port_level.keys().map(|port| (format!("spec.portLevelMtls.{port}"), *port)).collect()
}

/// Ports of everybody.
struct Ground<'a> {
    members: Members<'a>,
    /// By the number of the member; nothing: whatever it listens on.
    ports: Vec<Option<Rc<Ports<'a>>>>,
    /// What selectors came to. Nothing: nobody, or somebody who may have any port.
    known: HashMap<(Option<&'a str>, &'a Wanted), Option<Rc<Ports<'a>>>>,
}

/// Ports of one or several workloads.
#[derive(Clone, Default)]
struct Ports<'a> {
    own: BTreeSet<u16>,
    /// Ports of Services, with the name and where they lead to.
    led_to: BTreeMap<u16, (&'a str, u16)>,
}

// === impl Ground ===

impl<'a> Ground<'a> {
    fn of(mesh: &Mesh<'a>) -> Self {
        let members = Members::of(mesh);
        let running: HashMap<(&str, &str), _> =
            mesh.output.instances.values().map(|one| ((&*one.namespace, &*one.name), one)).collect();
        let mut ports: Vec<Ports<'a>> = Vec::with_capacity(members.len());
        for index in 0..members.len() {
            let member = members.get(index);
            let own = match member.what {
                What::Process(object) => match &object.spec {
                    Spec::Process(process) => of_process(process),
                    _ => BTreeSet::new(),
                },
                What::Workload(name) => {
                    let running = running.get(&(member.namespace, name));
                    let own = running.into_iter().flat_map(|running| &running.ports).filter(|port| !port.udp);
                    own.map(|port| port.port).collect()
                }
                What::Gateway => BTreeSet::new(),
            };
            ports.push(Ports { own, led_to: BTreeMap::new() });
        }
        for declared in of_kind(mesh.objects, Kind::Service) {
            let Spec::Service(service) = &declared.object.spec else { continue };
            let Some(wanted) = service.selector.as_ref().filter(|wanted| !wanted.is_empty()) else { continue };
            for index in members.selected(Some(&declared.object.id.namespace), wanted) {
                let (own, member) = (&mut ports[index], members.get(index));
                for port in service.ports.iter().filter(|port| port.protocol == Transport::Tcp) {
                    if let Some(target) = target(&port.target_port, member) {
                        own.own.insert(target);
                        own.led_to.entry(port.port).or_insert((&declared.object.id.name, target));
                    }
                }
            }
        }
        for entry in mesh.output.traffic.entries.values().flat_map(|hosts| &**hosts) {
            let Some(selector) = &entry.selector else { continue };
            let wanted = selector.0.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
            for index in members.selected(Some(&entry.object.0), &wanted) {
                ports[index].own.extend(entry.ports.iter().map(|port| port.target));
            }
        }
        let known = ports.into_iter().enumerate().map(|(index, ports)| {
            let has_any = ports.own.is_empty() || is_gateway(members.get(index));
            (!has_any).then(|| Rc::new(ports))
        });
        Self { ports: known.collect(), members, known: HashMap::new() }
    }

    /// Ports of those that are selected, if all of them are known.
    fn ports(&mut self, namespace: Option<&'a str>, wanted: &'a Wanted) -> Option<Rc<Ports<'a>>> {
        if let Some(known) = self.known.get(&(namespace, wanted)) {
            return known.clone();
        }
        let mut all: Option<Rc<Ports<'a>>> = None;
        for index in self.members.selected(namespace, wanted) {
            let Some(ports) = &self.ports[index] else {
                all = None;
                break;
            };
            match &mut all {
                None => all = Some(ports.clone()),
                Some(all) => {
                    let all = Rc::make_mut(all);
                    all.own.extend(&ports.own);
                    for (port, led_to) in &ports.led_to {
                        all.led_to.entry(*port).or_insert(*led_to);
                    }
                }
            }
        }
        self.known.insert((namespace, wanted), all.clone());
        all
    }
}

/// Gateways listen on what `Gateway` objects say.
fn is_gateway(member: &Member<'_>) -> bool {
    match member.what {
        What::Gateway => true,
        What::Process(object) => {
            matches!(&object.spec, Spec::Process(process) if process.role == ProcessRole::Gateway)
        }
        What::Workload(_) => false,
    }
}

/// Ports that it declares, or is probed at.
fn of_process(process: &Process) -> BTreeSet<u16> {
    let probed = process.readiness.as_ref().and_then(|probe| match &probe.action {
        ProbeAction::HttpGet { port: IntOrName::Int(port), .. }
        | ProbeAction::TcpSocket { port: IntOrName::Int(port) } => Some(*port),
        _ => None,
    });
    let declared = process.ports.iter().filter(|port| port.protocol == Transport::Tcp);
    let mut own: BTreeSet<u16> = declared.map(|port| port.port).collect();
    // By itself it is no word about what it listens on.
    if !own.is_empty() {
        own.extend(probed);
    }
    own
}

fn target(target: &IntOrName, member: &Member<'_>) -> Option<u16> {
    match (target, member.what) {
        (IntOrName::Int(number), _) => Some(*number),
        (IntOrName::Name(name), What::Process(object)) => {
            let Spec::Process(process) = &object.spec else { return None };
            let named = process.ports.iter().find(|own| own.name == *name && own.protocol == Transport::Tcp);
            named.map(|own| own.port)
        }
        (IntOrName::Name(_), _) => None,
    }
}

#[cfg(test)]
mod tests;
