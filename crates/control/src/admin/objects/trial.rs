//! What a change of files would come to.

use std::{collections::BTreeSet, sync::Arc, time::SystemTime};

use ripstop_api::{Finding, Kind, ObjectId};
use ripstop_compile::{Objects, QUARANTINE};
use ripstop_explain::offline;
use ripstop_store::{StoreSnapshot, StoredObject, Wish};
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
        tell_who_is_cut_off(&mut answer, &now, &then);
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
        tell_who_is_cut_off(&mut answer, &before, &after);
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

/// Which processes, declared before and after, go into quarantine, and which leave it.
fn tell_who_is_cut_off(answer: &mut Value, before: &StoreSnapshot, after: &StoreSnapshot) {
    let (was, is) = (cut_off(before), cut_off(after));
    let moved = |of: &BTreeSet<ObjectId>, than: &BTreeSet<ObjectId>, snapshot: &StoreSnapshot| -> Value {
        let is_there = |id: &&ObjectId| snapshot.objects.contains_key(id);
        of.difference(than).filter(is_there).map(|id| json!(format!("{}/{}", id.namespace, id.name))).collect()
    };
    answer["cutOff"] = moved(&is, &was, after);
    answer["letBack"] = moved(&was, &is, after);
}

/// Processes that a label puts into quarantine.
fn cut_off(snapshot: &StoreSnapshot) -> BTreeSet<ObjectId> {
    let is_cut_off = |stored: &StoredObject| stored.object.meta.labels.get(QUARANTINE).is_some_and(|on| on == "true");
    let processes = snapshot.objects.iter().filter(|(id, stored)| id.kind == Kind::Process && is_cut_off(stored));
    processes.map(|(id, _)| id.clone()).collect()
}

/// What is wrong with a mesh.
fn findings(snapshot: &StoreSnapshot, fixed: &Fixed) -> Vec<Finding> {
    let mut objects = objects(snapshot);
    let mut findings = fixed.apply(&mut objects, &snapshot.objects);
    findings.extend(offline::world(&objects).1.findings(SystemTime::now()));
    findings.extend(snapshot.findings.iter().cloned());
    findings
}

/// Declared processes (`namespace/name`) that are meant to be in the mesh.
fn enrolled(snapshot: &StoreSnapshot, fixed: &Fixed) -> BTreeSet<String> {
    let mut objects = objects(snapshot);
    fixed.apply(&mut objects, &snapshot.objects);
    offline::enrolled(&objects)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_goes_into_quarantine_and_who_leaves_it_is_told() {
        let mesh = |web: &str, cart: &str| {
            let process = |name: &str, label: &str| {
                format!(
                    "apiVersion: ripstop.dev/v1alpha1\nkind: Process\nmetadata: {{name: {name}, namespace: shop, labels: {{{label}}}}}\nspec: {{command: [a]}}\n"
                )
            };
            let text = format!("{}---\n{}", process("web", web), process("cart", cart));
            ripstop_store::read_texts([("a.yaml".to_owned(), text)])
        };
        let on = "ripstop.dev/quarantine: \"true\"";
        let mut answer = json!({});
        tell_who_is_cut_off(&mut answer, &mesh(on, ""), &mesh("", on));
        assert_eq!(answer, json!({ "cutOff": ["shop/cart"], "letBack": ["shop/web"] }));
        // What is not there any more leaves nothing.
        tell_who_is_cut_off(&mut answer, &mesh(on, on), &StoreSnapshot::default());
        assert_eq!(answer, json!({ "cutOff": [], "letBack": [] }));
    }
}
