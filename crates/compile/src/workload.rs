//! Workloads: reported instances in the light of what is declared.

mod member;

use std::{collections::BTreeMap, sync::Arc};

use ripstop_api::{Meta, enrolment::unknown};
use ripstop_model::{
    Enrolment, Health, Labels, ObjectName, PortMapping, ProcessKind, ServiceKey, TargetPort, TunnelProtocol, Workload,
    WorkloadGroup,
};

use crate::{
    CaptureState, Instance,
    declare::{Declarations, TUNNEL_LABEL, labels},
    finding::{Findings, UNKNOWN_ENROLMENT},
    quarantine, waypoint,
};

/// Labels that say where a workload or a node is: region, zone, subzone.
const PLACE: [&str; 3] = ["topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone"];
/// Those that say all of it at once.
const WHOLE_PLACE: [&str; 2] = ["topology.istio.io/locality", "istio-locality"];

/// Whether labels of a process say that it ends tunnels and begins them itself: nothing of it is captured.
pub(crate) fn speaks_for_itself(labels: &BTreeMap<String, String>) -> bool {
    labels.get(TUNNEL_LABEL).is_some_and(|value| value == "http")
}

/// The workload of an instance.
pub(crate) fn compile(declarations: &Declarations, instance: &Instance, capture: CaptureState) -> Workload {
    let mesh = &declarations.mesh;
    let reported = Meta { labels: instance.labels.clone(), annotations: instance.annotations.clone() };
    let group = member::group(declarations, instance);
    let reported = group.map_or_else(|| reported.clone(), |group| member::joined(&reported, group));
    let meta = declared(declarations, instance).unwrap_or(&reported);
    let quarantine = match declared(declarations, instance) {
        Some(_) => declarations.quarantines.get(&owner(instance)).cloned(),
        None => quarantine::reported(&reported, instance, mesh).map(Arc::new),
    };
    let kind = declarations.kind(instance);
    let labels = placed(labels(&meta.labels), declarations, instance);
    let labels = match kind {
        ProcessKind::Waypoint => waypoint::labelled(labels, &instance.process),
        ProcessKind::Command | ProcessKind::Gateway => labels,
    };
    let native_tunnel = kind == ProcessKind::Waypoint || speaks_for_itself(&meta.labels);
    let label = |keys: &[&str]| keys.iter().find_map(|key| labels.get(*key)).filter(|value| !value.is_empty()).cloned();
    let workload_name = label(&["service.istio.io/workload-name"])
        .unwrap_or_else(|| if instance.process.is_empty() { instance.name.clone() } else { instance.process.clone() });
    let canonical_name = label(&["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"]);
    let canonical_revision = label(&["service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"]);
    let tunnelled = native_tunnel || capture == CaptureState::Captured;
    let ready = instance.running && instance.ready;
    Workload {
        uid: instance.uid.clone(),
        name: instance.name.clone(),
        namespace: instance.namespace.clone(),
        addresses: instance.addresses.clone(),
        node: instance.node.clone(),
        service_account: instance.service_account.clone(),
        trust_domain: mesh.trust_domain.clone(),
        canonical_name: canonical_name.unwrap_or_else(|| workload_name.clone()),
        canonical_revision: canonical_revision.unwrap_or_else(|| "latest".into()),
        workload_name,
        tunnel: if tunnelled { TunnelProtocol::Hbone } else { TunnelProtocol::None },
        native_tunnel,
        quarantine: quarantine.clone(),
        kind,
        enrolment: match kind {
            // It is a proxy itself, and proves its identity by itself.
            ProcessKind::Gateway | ProcessKind::Waypoint => Enrolment::default(),
            ProcessKind::Command => declarations.enrolment(meta, &instance.namespace),
        },
        health: if ready { Health::Healthy } else { Health::Unhealthy },
        services: if quarantine.is_some() {
            Vec::new()
        } else {
            services(declarations, instance, group.map(|group| &**group), &labels)
        },
        cluster: mesh.cluster.clone(),
        group: group.map(|group| Arc::new(member::membership(group))),
        waypoint: declarations.workload_waypoint(meta, instance, kind),
        labels,
    }
}

/// With the place of its node, unless they say one themselves.
fn placed(mut labels: Labels, declarations: &Declarations, instance: &Instance) -> Labels {
    let says = |key: &&str| labels.get(*key).is_some_and(|value| !value.is_empty());
    if PLACE.iter().chain(&WHOLE_PLACE).any(says) {
        return labels;
    }
    let node = declarations.nodes.get(&instance.node);
    let place = PLACE.iter().filter_map(|key| node?.labels.get_key_value(*key));
    labels.extend(place.map(|(key, value)| (key.clone(), value.clone())));
    labels
}

/// Findings about labels of instances that no object declares.
pub(crate) fn findings(declarations: &Declarations, instance: &Instance, findings: &mut Findings) {
    if declared(declarations, instance).is_some() {
        return;
    }
    let meta = Meta { labels: instance.labels.clone(), annotations: instance.annotations.clone() };
    let whose = format!("workload {}/{}", instance.namespace, instance.name);
    for (key, value) in unknown(&meta) {
        let message = format!("{whose}: {}={value} is not known and does not count", key.name);
        let known: Vec<_> = key.values().collect();
        findings.add_nowhere(UNKNOWN_ENROLMENT, message, &format!("known values: {}", known.join(", ")));
    }
}

/// Labels and annotations of the instance's `Process`, if it has one.
fn declared<'a>(declarations: &'a Declarations, instance: &Instance) -> Option<&'a Meta> {
    if instance.group.is_some() {
        return None;
    }
    declarations.process_objects.get(&owner(instance)).map(|object| &object.meta)
}

/// Namespace and name of what it is an instance of.
fn owner(instance: &Instance) -> ObjectName {
    (instance.namespace.clone(), instance.process.clone())
}

/// Services of its namespace that select it, with its ports behind theirs.
fn services(
    declarations: &Declarations,
    instance: &Instance,
    group: Option<&WorkloadGroup>,
    labels: &Labels,
) -> Vec<(ServiceKey, Vec<PortMapping>)> {
    let mut named: BTreeMap<&str, u16> = instance
        .ports
        .iter()
        .rev() // the first of a name wins
        .filter(|port| !port.udp && !port.name.is_empty())
        .map(|port| (&*port.name, port.port))
        .collect();
    named.extend(group.into_iter().flat_map(|group| &group.template.ports).map(|(name, port)| (&**name, *port)));
    let candidates =
        declarations.by_namespace.get(&instance.namespace).into_iter().flat_map(|services| services.values());
    candidates
        .filter(|service| service.selector.as_ref().is_some_and(|selector| selector.matches(labels)))
        .map(|service| {
            let mapping = service.ports.iter().filter_map(|port| {
                // A group says it by the name of the service's port, as WorkloadEntries do.
                let of_group = group.and_then(|group| group.template.ports.get(&port.name));
                let target_port = match (of_group, &port.target) {
                    (Some(number), _) | (None, TargetPort::Number(number)) => *number,
                    (None, TargetPort::Name(name)) => *named.get(&**name)?,
                };
                Some(PortMapping { service_port: port.port, target_port })
            });
            (service.key.clone(), mapping.collect())
        })
        .collect()
}
