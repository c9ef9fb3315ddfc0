//! What a change of files would come to.

use std::{collections::BTreeSet, sync::Arc};

use ripstop_api::{Finding, ObjectId};
use ripstop_compile::Objects;
use ripstop_explain::offline;
use ripstop_store::{StoreSnapshot, Wish};
use serde_json::{Value, json};

use super::{
    super::{Answer, Failure, explain::in_turn},
    concern, failed, rows,
};
use crate::{compiled::declared, fixed::Fixed, plane::Plane};

/// The answer to a change, without the change: both meshes, as their files declare them, are compared.
pub(super) async fn of(plane: &Arc<Plane>, ids: Vec<ObjectId>, wishes: Vec<Wish>) -> Answer {
    let (then, placed) = plane.store.try_change(wishes).await.map_err(|error| failed(plane, error))?;
    let (now, fixed) = (plane.store.snapshot(), fixed(plane));
    in_turn(move || {
        let (before, after) = (findings(&now, &fixed), findings(&then, &fixed));
        let mut answer = json!({
            "objects": rows(&ids, placed),
            "version": null,
            "dryRun": true,
            "findings": concern(&ids, &before, &after),
        });
        tell_who_moves(&mut answer, &enrolled(&now, &fixed), &enrolled(&then, &fixed));
        answer
    })
    .await
}

/// Which processes a change brings into the mesh, and which it takes out.
pub(super) async fn moves(
    plane: &Plane,
    before: Arc<StoreSnapshot>,
    after: Arc<StoreSnapshot>,
    mut answer: Value,
) -> Result<Value, Failure> {
    let fixed = fixed(plane);
    in_turn(move || {
        tell_who_moves(&mut answer, &enrolled(&before, &fixed), &enrolled(&after, &fixed));
        answer
    })
    .await
}

/// What no change of files changes.
fn fixed(plane: &Plane) -> Fixed {
    let cluster = plane.published().snapshot.mesh().cluster.clone();
    Fixed { trust_domain: plane.trust_domain.clone(), cluster }
}

fn objects(snapshot: &StoreSnapshot) -> Objects {
    snapshot.objects.iter().map(|(id, stored)| (id.clone(), declared(stored))).collect()
}

fn tell_who_moves(answer: &mut Value, before: &BTreeSet<String>, after: &BTreeSet<String>) {
    answer["joins"] = after.difference(before).cloned().collect();
    answer["leaves"] = before.difference(after).cloned().collect();
}

/// What is wrong with a mesh.
fn findings(snapshot: &StoreSnapshot, fixed: &Fixed) -> Vec<Finding> {
    let mut objects = objects(snapshot);
    let mut findings = fixed.apply(&mut objects, &snapshot.objects);
    findings.extend(offline::world(&objects).1);
    findings.extend(snapshot.findings.iter().cloned());
    findings
}

/// Declared processes (`namespace/name`) that are meant to be in the mesh.
fn enrolled(snapshot: &StoreSnapshot, fixed: &Fixed) -> BTreeSet<String> {
    let mut objects = objects(snapshot);
    fixed.apply(&mut objects, &snapshot.objects);
    offline::enrolled(&objects)
}
