//! What runs, how it belongs to the mesh, and the services in front of it.

use std::collections::{BTreeMap, BTreeSet};

use ripstop_api::{Kind, ObjectId, Spec, ripstop::ProcessRole};
use ripstop_compile::QUARANTINE_REASON;
use ripstop_model::{
    DataplaneMode, Health, ProcessKind, Quarantine, Service, ServiceKey, SpiffeId, TargetPort, Waypoint, Workload,
    WorkloadUid,
};
use ripstop_wire::ripstop::{Capture, Instance, capture};
use serde_json::{Value, json};

use crate::{plane::Plane, published::Published};

/// Every reported instance, whether it runs or not.
pub(super) fn workloads(plane: &Plane) -> Value {
    let (published, view) = (plane.published(), plane.registry.view());
    view.instances()
        .map(|instance| {
            let workload = published.snapshot.workload(&WorkloadUid::new(instance.uid.as_str()));
            let mut row = show(instance, workload.map(AsRef::as_ref), view.capture(instance).map(AsRef::as_ref));
            if row["quarantine"].is_object() {
                row["quarantine"]["reason"] = json!(why_in_quarantine(&published, instance));
            }
            match role(&published, instance) {
                ProcessRole::Command => {}
                ProcessRole::Gateway => row["mesh"]["state"] = json!("GATEWAY"),
                ProcessRole::Waypoint => row["mesh"]["state"] = json!("WAYPOINT"),
            }
            row
        })
        .collect()
}

/// Every service, with the number of its endpoints.
pub(super) fn services(plane: &Plane) -> Value {
    let published = plane.published();
    let mut services: Vec<_> = published.snapshot.services().collect();
    services.sort_by(|a, b| a.key.cmp(&b.key));
    services
        .into_iter()
        .map(|service| {
            let endpoints: Vec<_> = published.snapshot.endpoints(&service.key).collect();
            let ready = endpoints.iter().filter(|workload| workload.health == Health::Healthy).count();
            json!({
                "namespace": &*service.key.namespace,
                "name": &*service.name,
                "hostname": &*service.key.hostname,
                "vip": service.addresses.first(),
                "headless": service.headless,
                "ports": ports(service),
                "endpoints": endpoints.len(),
                "ready": ready,
                "waypoint": service.waypoint.as_ref().map(waypoint),
            })
        })
        .collect()
}

/// Ports of gateways, and the `Gateway` objects that have each opened.
pub(super) fn gateways(plane: &Plane) -> Value {
    let published = plane.published();
    let objects = &published.snapshot.traffic().gateways;
    let proxies = published.processes.iter().filter(|(_, process)| process.kind == ProcessKind::Gateway);
    let rows = proxies.flat_map(|((namespace, name), process)| {
        let mut opened: BTreeMap<u16, BTreeSet<String>> = BTreeMap::new();
        for ((of, object), gateway) in objects.iter().filter(|(_, gateway)| gateway.selector.matches(&process.labels)) {
            for server in &gateway.servers {
                opened.entry(server.port).or_default().insert(format!("{of}/{object}"));
            }
        }
        let gateway = format!("{namespace}/{name}");
        opened.into_iter().map(move |(port, by)| json!({ "gateway": gateway, "port": port, "gateways": by }))
    });
    rows.collect()
}

/// Whether it is a proxy of the mesh itself, and which.
fn role(published: &Published, instance: &Instance) -> ProcessRole {
    let Instance { namespace, process, group, .. } = instance;
    if !group.is_empty() {
        return ProcessRole::Command;
    }
    let id = ObjectId { kind: Kind::Process, namespace: namespace.clone(), name: process.clone() };
    let spec = published.objects.get(&id).map(|declared| &declared.object.spec);
    match spec {
        Some(Spec::Process(process)) => process.role,
        _ => ProcessRole::Command,
    }
}

/// Why it is in quarantine, as its Process, or whoever started it, says.
fn why_in_quarantine(published: &Published, instance: &Instance) -> Option<String> {
    let Instance { namespace, process, annotations, .. } = instance;
    let id = ObjectId { kind: Kind::Process, namespace: namespace.clone(), name: process.clone() };
    let annotations = published.objects.get(&id).map_or(annotations, |declared| &declared.object.meta.annotations);
    annotations.get(QUARANTINE_REASON).cloned()
}

fn show(instance: &Instance, workload: Option<&Workload>, capture: Option<&Capture>) -> Value {
    let enrolment = workload.map(|workload| &workload.enrolment);
    let native = workload.is_some_and(|workload| workload.native_tunnel);
    let mode = match enrolment.map(|enrolment| enrolment.mode) {
        None | Some(DataplaneMode::None) => "none",
        Some(DataplaneMode::Node) => "node",
        Some(DataplaneMode::Sidecar) => "sidecar",
    };
    let state = if native {
        "NATIVE"
    } else {
        match capture.map(Capture::state).unwrap_or_default() {
            capture::State::None => "NONE",
            capture::State::Pending => "PENDING",
            capture::State::Captured => "CAPTURED",
            capture::State::Draining => "DRAINING",
        }
    };
    let decided = enrolment.and_then(|enrolment| enrolment.decided_by.as_ref());
    json!({
        "uid": instance.uid,
        "namespace": instance.namespace,
        "name": instance.name,
        "process": instance.process,
        "group": workload.and_then(|workload| workload.group.as_ref()).map(|group| &*group.group),
        "labels": workload.map(labels),
        "node": instance.node,
        "addresses": instance.addresses,
        "service_account": instance.service_account,
        "ready": instance.ready,
        "running": instance.running,
        "restarts": instance.restarts,
        "pid": instance.pid,
        "quarantine": workload.and_then(|workload| workload.quarantine.as_deref()).map(quarantine),
        "waypoint": workload.and_then(|workload| workload.waypoint.as_ref()).map(waypoint),
        "mesh": {
            "mode": mode,
            "enrolled": enrolment.is_some_and(ripstop_model::Enrolment::is_enrolled),
            "state": state,
            "reason": capture.map_or("", |capture| capture.reason.as_str()),
            "proxy": capture.and_then(|capture| proxy(instance, capture)),
            "key": decided.map(|(key, _)| &**key),
            "level": decided.map(|(_, level)| level.to_string()),
            "plain": capture.map_or(0, |capture| capture.plain),
            "draining": capture.map_or(0, |capture| capture.draining),
        },
    })
}

/// What the proxy is called that serves it.
fn proxy(instance: &Instance, capture: &Capture) -> Option<String> {
    let is_served = matches!(capture.state(), capture::State::Captured | capture::State::Draining);
    let Instance { namespace, name, node, .. } = instance;
    let named = || if capture.by_sidecar { format!("sidecar-{namespace}.{name}") } else { format!("node-{node}") };
    is_served.then(named)
}

fn waypoint(waypoint: &Waypoint) -> Value {
    let named = |ServiceKey { namespace, hostname }: &ServiceKey| json!({ "namespace": &**namespace, "name": hostname.split('.').next().unwrap_or_default() });
    let mut told = named(&waypoint.service);
    if let Some(canary) = &waypoint.canary {
        told["canary"] = named(&canary.service);
        told["canary"]["percent"] = json!(canary.percent);
    }
    told
}

fn quarantine(quarantine: &Quarantine) -> Value {
    let peers: Vec<&str> = quarantine.peers.iter().map(SpiffeId::as_str).collect();
    json!({ "rule": quarantine.rule.to_string(), "peers": peers })
}

fn labels(workload: &Workload) -> Value {
    workload.labels.iter().map(|(key, value)| (key.to_string(), json!(&**value))).collect()
}

fn ports(service: &Service) -> Value {
    service
        .ports
        .iter()
        .map(|port| {
            let target = match &port.target {
                TargetPort::Number(number) => json!(number),
                TargetPort::Name(name) => json!(&**name),
            };
            json!({ "name": &*port.name, "port": port.port, "target": target })
        })
        .collect()
}
