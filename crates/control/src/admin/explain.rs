//! What becomes of a request, by the configuration that acts now.

use std::{collections::BTreeMap, sync::Arc};

use ripstop_api::Kind;
use ripstop_explain::{Question, World, check, service};
use ripstop_model::WorkloadUid;
use ripstop_wire::ripstop::capture;
use serde::Deserialize;
use tokio::{sync::Semaphore, task::spawn_blocking};

use super::{Answer, Failure};
use crate::plane::Plane;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthzRequest {
    workload: String,
    /// Of a workload that does not run.
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServiceRequest {
    namespace: String,
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReachRequest {
    kind: String,
    namespace: String,
    name: String,
}

/// Explains a request.
pub(super) async fn explain(plane: &Arc<Plane>, question: Question) -> Answer {
    answered(plane, move |world| ripstop_explain::explain(world, &question)).await
}

/// Tells which policies act at a workload.
pub(super) async fn authz(plane: &Arc<Plane>, request: AuthzRequest) -> Answer {
    let labels = request.labels.iter().map(|(key, value)| (key.as_str().into(), value.as_str().into())).collect();
    answered(plane, move |world| check(world, &request.workload, &labels)).await
}

/// Tells who is behind a service, and what is declared about calling it; null: it is none.
pub(super) async fn of_service(plane: &Arc<Plane>, request: ServiceRequest) -> Answer {
    answered(plane, move |world| Ok(service(world, &request.namespace, &request.name))).await
}

/// Tells where an object acts; null: it is none, or of a kind that is not told of.
pub(super) async fn reach(plane: &Arc<Plane>, request: ReachRequest) -> Answer {
    let ReachRequest { kind, namespace, name } = request;
    let Some(kind) = Kind::named(&kind) else { return Err(Failure::bad(format!("{kind:?} is no kind"))) };
    answered(plane, move |world| Ok(ripstop_explain::reach(world, kind, &namespace, &name))).await
}

/// Questions that are answered at once: the control plane has other work, too.
static ASKED: Semaphore = Semaphore::const_new(2);

/// On a thread of its own: looking for the smallest change may take a while.
async fn answered<T: serde::Serialize + Send + 'static>(
    plane: &Arc<Plane>,
    ask: impl FnOnce(&World) -> Result<T, ripstop_explain::Error> + Send + 'static,
) -> Answer {
    let published = plane.published();
    let (program, objects) = (published.snapshot.clone(), published.objects.clone());
    let world = World { program, objects, live: true, unserved: unserved(plane) };
    let answer = in_turn(move || ask(&world)).await?.map_err(|error| Failure::bad(error.to_string()))?;
    serde_json::to_value(answer).map_err(Failure::internal)
}

/// Captured workloads whose agents say why nobody serves them.
fn unserved(plane: &Plane) -> BTreeMap<WorkloadUid, String> {
    let view = plane.registry.view();
    let captured = view.instances().filter_map(|instance| Some((instance, view.capture(instance)?)));
    captured
        .filter(|(_, capture)| capture.state() == capture::State::Captured && !capture.reason.is_empty())
        .map(|(instance, capture)| (WorkloadUid::new(instance.uid.as_str()), capture.reason.clone()))
        .collect()
}

/// Does something that takes a while on a thread of its own, once it is its turn. It keeps its turn if nobody waits for it
/// any more.
pub(super) async fn in_turn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    let turn = ASKED.acquire().await.map_err(Failure::internal)?;
    let worked = spawn_blocking(move || {
        let _turn = turn;
        work()
    });
    worked.await.map_err(Failure::internal)
}
