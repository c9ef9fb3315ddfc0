//! A mesh that only stands in files, as it would be if it ran.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use imbl::OrdMap;
use ripstop_api::{Kind, ObjectId, Spec};
use ripstop_compile::{Assignments, CaptureState, Declared, Input, Instance, Objects, Output, compile, made};
use ripstop_decide::Program;
use ripstop_model::{ProcessSpec, WorkloadUid};

use crate::World;

/// The mesh of `written`, with the default gateway where one is selected, every process of it running and ready, and
/// everything captured that is meant to be; and what it was compiled to, which knows what is wrong with it.
pub fn world(written: &Objects) -> (World, Output) {
    let objects = &complete(written);
    let (running, instances) = running(objects);
    let captures: OrdMap<WorkloadUid, CaptureState> = running
        .workloads
        .iter()
        .filter(|(_, workload)| workload.enrolment.is_enrolled() && !workload.native_tunnel)
        .map(|(uid, _)| (uid.clone(), CaptureState::Captured))
        .collect();
    let assigned = Assignments::default();
    let input =
        Input { objects, instances: &instances, captures: &captures, assigned: &assigned, previous: Some(&running) };
    let captured = compile(&input);
    let program = Program::new(captured.snapshot(1));
    (World { program, objects: objects.clone(), ..World::default() }, captured)
}

/// Processes (`namespace/name`) of `written` that are meant to be in the mesh, if they run.
pub fn enrolled(written: &Objects) -> BTreeSet<String> {
    let (running, instances) = running(&complete(written));
    let enrolled = running.workloads.iter().filter(|(_, workload)| workload.enrolment.is_enrolled());
    let own = enrolled.filter_map(|(uid, _)| instances.get(uid));
    own.map(|instance| format!("{}/{}", instance.namespace, instance.process)).collect()
}

/// Every process runs, and nothing is captured.
fn running(objects: &Objects) -> (Output, OrdMap<WorkloadUid, Arc<Instance>>) {
    let assigned = Assignments::default();
    let nothing = OrdMap::new();
    let input = |instances, previous| Input { objects, instances, captures: &nothing, assigned: &assigned, previous };
    let nobody = OrdMap::new();
    let declared: Output = compile(&input(&nobody, None));
    let mut used = BTreeMap::new();
    let mut instances = OrdMap::new();
    for process in declared.processes.values() {
        let blocks = declared.nodes.get(&process.node).map(|node| node.pod_cidrs.clone()).unwrap_or_default();
        for ordinal in 0..process.replicas {
            let next = used.entry(process.node.clone()).or_insert(2_u32);
            let addresses = blocks.iter().filter_map(|block| nth(block.addr(), *next)).collect();
            *next += 1;
            let instance = instance(&declared, process, ordinal, addresses, objects);
            instances.insert(instance.uid.clone(), Arc::new(instance));
        }
    }
    (compile(&input(&instances, Some(&declared))), instances)
}

/// With what a mesh has without being told.
fn complete(written: &Objects) -> Objects {
    let made = made(written).into_iter().map(|object| {
        let id = object.id.clone();
        (id, Declared { object: Arc::new(object), created: 0, generation: 1 })
    });
    made.fold(written.clone(), |objects, (id, declared)| objects.update(id, declared))
}

fn instance(
    declared: &Output,
    process: &ProcessSpec,
    ordinal: u32,
    addresses: Vec<IpAddr>,
    objects: &Objects,
) -> Instance {
    let name = format!("{}-{ordinal}", process.name);
    let id = ObjectId { kind: Kind::Process, namespace: process.namespace.to_string(), name: process.name.to_string() };
    let written = objects.get(&id).filter(|declared| matches!(declared.object.spec, Spec::Process(_)));
    let meta = written.map(|declared| declared.object.meta.clone()).unwrap_or_default();
    Instance {
        uid: WorkloadUid::process(&declared.mesh.cluster, &process.namespace, &name),
        namespace: process.namespace.clone(),
        name: name.into(),
        process: process.name.clone(),
        group: None,
        node: process.node.clone(),
        service_account: process.service_account.clone(),
        addresses,
        labels: meta.labels,
        annotations: meta.annotations,
        ports: process.ports.clone(),
        ready: true,
        running: true,
    }
}

/// The address that is `number` behind `first`.
fn nth(first: IpAddr, number: u32) -> Option<IpAddr> {
    Some(match first {
        IpAddr::V4(first) => IpAddr::V4(u32::from(first).checked_add(number)?.into()),
        IpAddr::V6(first) => IpAddr::V6(u128::from(first).checked_add(number.into())?.into()),
    })
}
