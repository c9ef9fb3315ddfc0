//! What runs, how it belongs to the mesh, and the services in front of it.

use ripstop_api::{Kind, ObjectId, Spec, ripstop::ProcessRole};
use ripstop_model::{DataplaneMode, Health, Quarantine, Service, SpiffeId, TargetPort, Workload, WorkloadUid};
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
            if is_gateway(&published, instance) {
                row["mesh"]["state"] = json!("GATEWAY");
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
            })
        })
        .collect()
}

/// Whether it is a proxy of the mesh itself.
fn is_gateway(published: &Published, instance: &Instance) -> bool {
    let Instance { namespace, process, .. } = instance;
    let id = ObjectId { kind: Kind::Process, namespace: namespace.clone(), name: process.clone() };
    let spec = published.objects.get(&id).map(|declared| &declared.object.spec);
    matches!(spec, Some(Spec::Process(process)) if process.role == ProcessRole::Gateway)
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
        "labels": workload.map(labels),
        "node": instance.node,
        "addresses": instance.addresses,
        "service_account": instance.service_account,
        "ready": instance.ready,
        "running": instance.running,
        "restarts": instance.restarts,
        "pid": instance.pid,
        "quarantine": workload.and_then(|workload| workload.quarantine.as_deref()).map(quarantine),
        "mesh": {
            "mode": mode,
            "enrolled": enrolment.is_some_and(ripstop_model::Enrolment::is_enrolled),
            "state": state,
            "reason": capture.map_or("", |capture| capture.reason.as_str()),
            "key": decided.map(|(key, _)| &**key),
            "level": decided.map(|(_, level)| level.to_string()),
            "plain": capture.map_or(0, |capture| capture.plain),
            "draining": capture.map_or(0, |capture| capture.draining),
        },
    })
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
