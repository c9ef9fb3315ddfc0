//! Services that lead nowhere.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use imbl::OrdMap;
use ripstop_api::{Kind, Object, Spec, kubernetes::Transport, ripstop::ProcessRole};
use ripstop_model::{MeshConfig, Service, ServiceKey, TargetPort};

use crate::{
    Objects, Output,
    analyze::listed,
    declare::of_kind,
    finding::{Findings, SELECTS_NOTHING, UNKNOWN_PORT_NAME},
    service::key,
    waypoint::GATEWAY_NAME,
};

/// A service that leads nowhere as far as declared processes go; what else runs may still be
/// behind it.
#[derive(Clone, Debug)]
pub(crate) struct Suspect {
    key: ServiceKey,
    object: Arc<Object>,
    what: What,
}

/// What is missing.
#[derive(Clone, Debug)]
enum What {
    /// It has no selector.
    Selector,
    /// It selects no process.
    Process,
    /// No process that it selects has a port of the name of this target port.
    Port { service_port: u16, index: usize, name: Arc<str> },
    /// All processes that it selects declare ports, these ones, and none this number.
    Number { index: usize, number: u16, declared: BTreeSet<u16> },
}

/// Services that lead nowhere among declared processes.
pub(crate) fn suspects(
    objects: &Objects,
    services: &OrdMap<ServiceKey, Arc<Service>>,
    mesh: &MeshConfig,
) -> Vec<Suspect> {
    let mut processes: HashMap<(&str, &str, &str), Vec<&Object>> = HashMap::new();
    for declared in of_kind(objects, Kind::Process) {
        let object = &declared.object;
        for (key, value) in &object.meta.labels {
            processes.entry((&object.id.namespace, key, value)).or_default().push(object);
        }
    }
    let mut suspects = Vec::new();
    for declared in of_kind(objects, Kind::Service) {
        let object = &declared.object;
        let key = key(object, mesh);
        let (Some(service), Spec::Service(written)) = (services.get(&key), &object.spec) else { continue };
        let mut suspect = |what| suspects.push(Suspect { key: key.clone(), object: object.clone(), what });
        if service.selector.is_none() {
            suspect(What::Selector);
            continue;
        }
        let wanted: Vec<_> = written.selector.iter().flatten().collect();
        // Instances of a waypoint have that label, their process need not.
        if wanted.iter().any(|(key, _)| *key == GATEWAY_NAME) {
            continue;
        }
        let namespace = object.id.namespace.as_str();
        let labelled = wanted.iter().map(|(key, value)| processes.get(&(namespace, key.as_str(), value.as_str())));
        // The shortest list has all that have all labels; no list: nobody has that label.
        let fewest = labelled.min_by_key(|list| list.map_or(0, Vec::len)).flatten();
        let selects =
            |process: &&&Object| wanted.iter().all(|(key, value)| process.meta.labels.get(*key) == Some(*value));
        let selected: Vec<_> = fewest.into_iter().flatten().filter(selects).collect();
        if selected.is_empty() {
            suspect(What::Process);
            continue;
        }
        for port in &service.ports {
            let index = || written.ports.iter().position(|written| written.port == port.port).unwrap_or_default();
            let name = match &port.target {
                TargetPort::Name(name) => name,
                TargetPort::Number(number) => {
                    if let Some(declared) = declared_ports(&selected).filter(|declared| !declared.contains(number)) {
                        suspect(What::Number { index: index(), number: *number, declared });
                    }
                    continue;
                }
            };
            let has_port = |process: &&&Object| match &process.spec {
                Spec::Process(process) => {
                    process.ports.iter().any(|port| *port.name == **name && port.protocol == Transport::Tcp)
                }
                _ => false,
            };
            if !selected.iter().any(has_port) {
                suspect(What::Port { service_port: port.port, index: index(), name: name.clone() });
            }
        }
    }
    suspects
}

/// Ports for TCP of processes, if every one declares some: else nobody knows what they listen on, as with gateways.
fn declared_ports(processes: &[&&Object]) -> Option<BTreeSet<u16>> {
    let mut all = BTreeSet::new();
    for object in processes {
        let Spec::Process(process) = &object.spec else { return None };
        let mut own = process.ports.iter().filter(|port| port.protocol == Transport::Tcp).peekable();
        if own.peek().is_none() || process.role == ProcessRole::Gateway {
            return None;
        }
        all.extend(own.map(|port| port.port));
    }
    Some(all)
}

/// Ports of what runs and is no declared process, behind each service; nothing: some may have any.
fn others(output: &Output) -> BTreeMap<&ServiceKey, Option<BTreeSet<u16>>> {
    let mut all: BTreeMap<&ServiceKey, Option<BTreeSet<u16>>> = BTreeMap::new();
    for (uid, workload) in &output.workloads {
        let Some(instance) = output.instances.get(uid) else { continue };
        let process = (instance.namespace.clone(), instance.process.clone());
        if output.declarations.process_objects.contains_key(&process) {
            continue;
        }
        let own: BTreeSet<u16> = instance.ports.iter().filter(|port| !port.udp).map(|port| port.port).collect();
        for (key, _) in &workload.services {
            match all.entry(key).or_insert_with(|| Some(BTreeSet::new())) {
                ports if own.is_empty() => *ports = None,
                ports => ports.iter_mut().for_each(|ports| ports.extend(&own)),
            }
        }
    }
    all
}

/// Whether none of those has a port.
fn is_nobodys(others: &BTreeMap<&ServiceKey, Option<BTreeSet<u16>>>, key: &ServiceKey, port: u16) -> bool {
    others.get(key).is_none_or(|ports| ports.as_ref().is_some_and(|ports| !ports.contains(&port)))
}

/// Findings about suspects that nothing that runs clears.
pub(crate) fn services(suspects: &[Suspect], output: &Output, findings: &mut Findings) {
    if suspects.is_empty() {
        return;
    }
    let workloads = &output.workloads;
    let mut selected: BTreeSet<&ServiceKey> = BTreeSet::new();
    let mut mapped: BTreeSet<(&ServiceKey, u16)> = BTreeSet::new();
    for (key, ports) in workloads.values().flat_map(|workload| &workload.services) {
        selected.insert(key);
        mapped.extend(ports.iter().map(|port| (key, port.service_port)));
    }
    let others = others(output);
    for Suspect { key, object, what } in suspects {
        match what {
            What::Selector => {
                let message = "the service has no selector, and so no endpoints";
                findings.add(
                    SELECTS_NOTHING,
                    object,
                    "spec",
                    message,
                    "give spec.selector the labels of its workloads",
                );
            }
            What::Process if !selected.contains(key) => {
                let message = "the service selects no Process of its namespace, and nothing that runs";
                findings.add(
                    SELECTS_NOTHING,
                    object,
                    "spec.selector",
                    message,
                    "compare it with the workloads' labels",
                );
            }
            What::Port { service_port, index, name } if !mapped.contains(&(key, *service_port)) => {
                let path = format!("spec.ports[{index}].targetPort");
                let message = format!("no workload behind the service has a port named {name:?}");
                findings.add(
                    UNKNOWN_PORT_NAME,
                    object,
                    &path,
                    message,
                    "name the port in the Process, or give its number",
                );
            }
            What::Number { index, number, declared } if is_nobodys(&others, key, *number) => {
                let field = format!("spec.ports[{index}].targetPort");
                let path =
                    if object.source.fields.contains_key(&field) { field } else { format!("spec.ports[{index}].port") };
                let message =
                    format!("no workload behind the service has port {number}: they declare {}", listed(declared));
                let hint = "write as targetPort what the Process listens on, or declare the port there";
                findings.add(UNKNOWN_PORT_NAME, object, &path, message, hint);
            }
            What::Process | What::Port { .. } | What::Number { .. } => {}
        }
    }
}
