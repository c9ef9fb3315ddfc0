//! Whether new connections still go to a workload that is about to end.

use std::{sync::Arc, time::Duration};

use ripstop_model::{Health, WorkloadUid};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{plane::Plane, published::Published};

/// A question is answered within this.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Withdrawn {
    uid: String,
}

/// Waits until every connected proxy and agent has a configuration that sends nobody to the
/// workload, and says whether it came to that in time.
pub(super) async fn withdrawn(plane: &Arc<Plane>, question: &Withdrawn) -> Value {
    let uid = WorkloadUid::new(question.uid.as_str());
    let (mut current, mut moved) = (plane.current.subscribe(), plane.proxies.subscribe());
    let known_everywhere = async {
        let version = match current.wait_for(|published| !takes_connections(published, &uid)).await {
            Ok(published) => published.version,
            Err(_) => return false,
        };
        while !plane.proxies.have(version) {
            if moved.changed().await.is_err() {
                return false;
            }
        }
        true
    };
    json!({ "withdrawn": timeout(PATIENCE, known_everywhere).await.unwrap_or(false) })
}

fn takes_connections(published: &Published, uid: &WorkloadUid) -> bool {
    published.snapshot.workload(uid).is_some_and(|workload| workload.health == Health::Healthy)
}
