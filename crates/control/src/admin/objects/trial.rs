//! What a change of files would come to.

use std::{collections::BTreeSet, sync::Arc};

use ripstop_api::{Finding, ObjectId};
use ripstop_compile::{Declared, Objects};
use ripstop_decide::Program;
use ripstop_explain::offline;
use ripstop_store::{StoreSnapshot, Wish};
use serde_json::json;
use tokio::task::spawn_blocking;

use super::{super::Answer, Failure, concern, failed, rows};
use crate::plane::Plane;

/// The answer to a change, without the change: both meshes, as their files declare them, are compared.
pub(super) async fn of(plane: &Arc<Plane>, ids: &[ObjectId], wishes: Vec<Wish>) -> Answer {
    let (then, placed) = plane.store.try_change(wishes).await.map_err(|error| failed(plane, error))?;
    let now = plane.store.snapshot();
    let compared = spawn_blocking(move || (mesh(&now), mesh(&then)));
    let ((before, enrolled), (after, then)) = compared.await.map_err(Failure::internal)?;
    Ok(json!({
        "objects": rows(ids, placed),
        "version": null,
        "dryRun": true,
        "findings": concern(ids, &before, &after),
        "joins": then.difference(&enrolled).collect::<Vec<_>>(),
        "leaves": enrolled.difference(&then).collect::<Vec<_>>(),
    }))
}

/// What is wrong with a mesh, and what is enrolled in it.
fn mesh(snapshot: &StoreSnapshot) -> (Vec<Finding>, BTreeSet<String>) {
    let declared = snapshot.objects.iter().map(|(id, stored)| {
        let object = stored.object.clone();
        (id.clone(), Declared { object, created: stored.created_ms, generation: stored.generation })
    });
    let objects: Objects = declared.collect();
    let (world, mut findings) = offline::world(&objects);
    findings.extend(snapshot.findings.iter().cloned());
    (findings, enrolled(&world.program))
}

/// Processes (`namespace/name`) of which something is in the mesh, or is meant to be.
pub(super) fn enrolled(program: &Program) -> BTreeSet<String> {
    let enrolled = program.workloads().filter(|workload| workload.enrolment.is_enrolled());
    enrolled.map(|workload| format!("{}/{}", workload.namespace, workload.workload_name)).collect()
}
