//! Questions of the supervisor at the two ends of a workload's life: whether the mesh is ready for
//! its connections, and whether none goes to it any more.

use std::{net::IpAddr, sync::Arc, time::Duration};

use ripstop_model::{Health, TunnelProtocol, Workload, WorkloadUid};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{plane::Plane, proxies::LATE, published::Published};

/// The question whether a workload has its place is answered within this: an enrolled one waits for its
/// certificate.
const PLACE: Duration = Duration::from_secs(3);
/// One with a proxy of its own, which has to be started and to join first, has so much more time.
const OF_ITS_OWN: Duration = Duration::from_secs(7);
/// The question whether it is withdrawn is answered within this.
const WITHDRAW: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    uid: String,
    /// An address of the instance that is meant: others have had its name, and will.
    #[serde(default)]
    address: Option<IpAddr>,
}

/// Waits until the workload's node knows it and, if it is enrolled, has captured it; says whether it
/// came to that in time, and whether it has a proxy of its own.
pub(super) async fn placed(plane: &Arc<Plane>, question: &Question) -> Value {
    let uid = WorkloadUid::new(question.uid.as_str());
    let is_meant = |workload: &Workload| question.address.is_none_or(|address| workload.addresses.contains(&address));
    let known = |node: &Arc<str>, version| plane.proxies.agent_has(node, version) && plane.proxies.have(version);
    let placed = wait(
        plane,
        |published| {
            let workload = published.snapshot.workload(&uid).filter(|workload| is_meant(workload))?;
            let captured = workload.tunnel == TunnelProtocol::Hbone || !workload.enrolment.is_enrolled();
            (captured || workload.native_tunnel).then(|| workload.node.clone())
        },
        known,
    );
    let mut placed = std::pin::pin!(placed);
    let has_sidecar = || {
        let published = plane.published();
        published.snapshot.workload(&uid).is_some_and(|workload| is_meant(workload) && workload.has_sidecar())
    };
    let placed = match timeout(PLACE, &mut placed).await {
        Ok(placed) => placed,
        Err(_) if has_sidecar() => timeout(OF_ITS_OWN, placed).await.unwrap_or(false),
        Err(_) => false,
    };
    json!({ "placed": placed, "sidecar": has_sidecar() })
}

/// Waits until every connected proxy and agent has a configuration that sends nobody to the
/// workload; says whether it came to that in time.
pub(super) async fn withdrawn(plane: &Arc<Plane>, question: &Question) -> Value {
    let uid = WorkloadUid::new(question.uid.as_str());
    let withdrawn = wait(
        plane,
        |published| {
            let healthy = published.snapshot.workload(&uid).is_some_and(|workload| workload.health == Health::Healthy);
            (!healthy).then_some(())
        },
        |(), version| plane.proxies.have(version),
    );
    json!({ "withdrawn": timeout(WITHDRAW, withdrawn).await.unwrap_or(false) })
}

/// Waits until `is_so` gives something for what is published, and then until `is_known` of that version.
async fn wait<T>(plane: &Plane, is_so: impl Fn(&Published) -> Option<T>, is_known: impl Fn(&T, u64) -> bool) -> bool {
    let (mut current, mut moved) = (plane.current.subscribe(), plane.proxies.subscribe());
    let (what, version) = loop {
        let found = {
            let published = current.borrow_and_update();
            is_so(&published).map(|what| (what, published.version))
        };
        if let Some(found) = found {
            break found;
        }
        if current.changed().await.is_err() {
            return false;
        }
    };
    while !is_known(&what, version) {
        // By then somebody may be late, whom nobody waits for.
        if let Ok(Err(_)) = timeout(LATE, moved.changed()).await {
            return false;
        }
    }
    true
}
