//! Services that lead nowhere.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use imbl::OrdMap;
use ripstop_api::{Kind, Object, Spec, kubernetes::Transport};
use ripstop_model::{MeshConfig, Service, ServiceKey, TargetPort, Workload, WorkloadUid};

use crate::{
    Objects,
    declare::of_kind,
    finding::{Findings, SELECTS_NOTHING, UNKNOWN_PORT_NAME},
    service::key,
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
            let TargetPort::Name(name) = &port.target else { continue };
            let has_port = |process: &&&Object| match &process.spec {
                Spec::Process(process) => {
                    process.ports.iter().any(|port| *port.name == **name && port.protocol == Transport::Tcp)
                }
                _ => false,
            };
            if !selected.iter().any(has_port) {
                let index = written.ports.iter().position(|written| written.port == port.port).unwrap_or_default();
                suspect(What::Port { service_port: port.port, index, name: name.clone() });
            }
        }
    }
    suspects
}

/// Findings about suspects that nothing that runs clears.
pub(crate) fn services(suspects: &[Suspect], workloads: &OrdMap<WorkloadUid, Arc<Workload>>, findings: &mut Findings) {
    if suspects.is_empty() {
        return;
    }
    let mut selected: BTreeSet<&ServiceKey> = BTreeSet::new();
    let mut mapped: BTreeSet<(&ServiceKey, u16)> = BTreeSet::new();
    for (key, ports) in workloads.values().flat_map(|workload| &workload.services) {
        selected.insert(key);
        mapped.extend(ports.iter().map(|port| (key, port.service_port)));
    }
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
            What::Process | What::Port { .. } => {}
        }
    }
}
