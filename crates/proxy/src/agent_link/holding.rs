//! The certificate of an enrolled workload, whose identity may become another.

use std::{future::pending, sync::Arc, time::Duration};

use ripstop_model::{SpiffeId, WorkloadUid};
use tokio::task::JoinSet;

use crate::{certificates::Use, worker::Shared};

/// Pause before a certificate that did not come is asked for again.
const PATIENCE: Duration = Duration::from_secs(30);

/// Keeps the certificate of a workload in use: that of the identity that the configuration gives it. Names of instances come
/// again, with other accounts; and who begins with what is on disk knows the former one. Ends when it is dropped.
#[derive(Debug)]
pub(super) struct Holding {
    _following: JoinSet<()>,
}

// === impl Holding ===

impl Holding {
    /// Of the workload `uid`, which has been `identity` so far, with that certificate.
    pub(super) fn new(shared: &Arc<Shared>, uid: WorkloadUid, identity: SpiffeId, certificate: Use) -> Self {
        let mut following = JoinSet::new();
        following.spawn(follow(shared.clone(), uid, identity, certificate));
        Self { _following: following }
    }
}

async fn follow(shared: Arc<Shared>, uid: WorkloadUid, mut identity: SpiffeId, mut certificate: Use) {
    let mut changed = shared.changed.subscribe();
    loop {
        let now = shared.snapshot.load().workload(&uid).and_then(|workload| workload.identity().ok());
        match now.filter(|now| *now != identity) {
            Some(now) => match shared.certificates.acquire(&now, PATIENCE).await {
                Ok(own) => {
                    tracing::info!(workload = %uid, before = %identity, %now, "it is somebody else");
                    identity = now;
                    // The former one is given back once there is the new one.
                    drop(std::mem::replace(&mut certificate, own));
                }
                Err(error) => {
                    tracing::warn!(workload = %uid, %error, "it is somebody else, and waits for its certificate");
                }
            },
            None => {
                if changed.changed().await.is_err() {
                    break;
                }
            }
        }
    }
    // Nothing changes any more.
    pending::<()>().await;
}

#[cfg(test)]
mod tests;
